"""What all panels share: how events become pictures, sentences, code and files."""
import asyncio
import base64
import html
import itertools
import json
from pathlib import Path

import ipywidgets as widgets
from IPython.display import Javascript, display
from PIL import Image

from ...colors import BLUE
from ...errors import GanlibError
from ...files import data_dir, kept_dir, write_atomic
from ...images import resized
from ...models.sampling import generate
from ...models.store import LoadedGenerator, load_generator, need_loaded, shipped
from ...view.stills import show_panel
from ..latent_files import picture_with_latents, save_latents
from .controls import menu, press, row
from .tray import Tray

SIZES = (64, 256, 512)  # pixels of saved pictures
TROUBLE = "#D1493A"  # of what went wrong: readable on white and on black


def opened(source):
    """The LoadedGenerator of a name or folder, or itself; an error also says what comes with ganlib."""
    if not isinstance(source, str | Path):
        return need_loaded(source)
    try:
        return load_generator(source)
    except GanlibError as error:
        if not Path(source).exists():  # the error has the names already
            raise
        raise GanlibError(f"{error} These come with ganlib: {', '.join(shipped()) or 'none'}.") from None


def running_loop():
    """The event loop of a kernel, in which work can wait for its turn; None where there is none."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


class Panel:
    """A panel on a generator: a name, a folder, a LoadedGenerator, or a GeneratorMenu.

    What goes wrong is a sentence in it. A kind of panel defines build, draw, face, take_face and figure.
    """

    generator: LoadedGenerator
    stem = "face"  # of the names of saved files
    kinds = {"picture": ".png", "sheet": ".png", "latent file": ".safetensors"}  # what can be saved

    def __init__(self, source="stylegan-fast"):
        self.box = widgets.VBox()
        self.settings = widgets.HTML()  # the code that rebuilds the picture
        self.message = widgets.HTML()  # what went wrong, or what was saved
        self.clipboard = widgets.Output(layout=widgets.Layout(display="none"))
        self.timers = {}
        self.ready = False
        choice = getattr(source, "panels", None)
        self.tray = Tray() if choice is None else source.tray
        self.strip = self.tray.strip(lambda face: self.act(lambda: self.take_face(face)), self.kept_changed)
        if choice is not None:
            choice.append(self)
            source = source.opened
        self.open(source)

    @property
    def G(self):
        """The network of the panel's generator."""
        return self.generator.G

    def build(self):
        """The widgets of the panel, a list."""
        raise NotImplementedError

    def draw(self):
        """Bring the pictures up to date."""
        raise NotImplementedError

    def face(self):
        """The Face on show."""
        raise NotImplementedError

    def take_face(self, face):
        """Show a kept Face."""
        raise NotImplementedError

    def kept_changed(self, old, new):
        """A kept face called `old` is called `new` now; None: it was removed."""
        if self.ready:
            self.soon(self.draw)

    def figure(self):
        """The panel as a still picture, a PIL image."""
        raise NotImplementedError

    def open(self, source):
        """Begin anew with a generator."""
        self.cancel()
        self.ready = False
        self.settings.value = ""
        self.say("")
        self.box.children = [self.message]
        self.act(lambda: self._begin(opened(source)))

    def _begin(self, generator):
        self.generator = generator
        self.tray.open(generator)
        children = self.build()
        self.draw()
        self.box.children = [*children, self.strip.box, self._footer(), self.message, self.settings]
        self.ready = True

    def _footer(self):
        """The row with which a face is kept and saved."""
        self.what = menu("save", next(iter(self.kinds)), [*self.kinds])
        self.size = menu("of", 256, [(f"{size} pixels", size) for size in SIZES])
        return row(press("Keep", lambda: self.act(self.keep), "star", "put this face into the tray"),
                   self.what, self.size, press("Save", lambda: self.act(self.save), "download"),
                   press("Copy code", self.copy, "copy", "the lines below"), self.clipboard)

    # what an event does

    def act(self, work):
        """Do what an event asks for; whatever goes wrong is said in the panel."""
        try:
            if work == self.draw:  # what was wrong is not any more
                self.say("")
            work()
        except GanlibError as error:
            self.say(str(error))
        except KeyboardInterrupt:
            self.say("Stopped.")
        except Exception as error:
            self.say(f"This did not work ({type(error).__name__}: {error}). Other settings may.")

    def watch(self, *controls):
        """Draw anew when one of these controls is moved."""
        for control in controls:
            control.observe(lambda change: self.soon(self.draw), "value")

    def soon(self, work, wait=0.01, anew=False):
        """Do work after `wait` seconds, once for all the events till then.

        anew: each event begins the wait again.

        A kernel gets the positions of a dragged slider one by one. They are read in this time, and the last
        is drawn.
        """
        loop = running_loop()
        if loop is None:  # no kernel: at once
            self.act(work)
            return
        if anew and work in self.timers:
            self.timers.pop(work).cancel()
        if work not in self.timers:
            self.timers[work] = loop.call_later(wait, self._due, work)

    def _due(self, work):
        del self.timers[work]
        self.act(work)

    def cancel(self):
        """Forget what is still to be drawn."""
        for timer in self.timers.values():
            timer.cancel()
        self.timers.clear()

    # what a panel says

    def say(self, text, color=TROUBLE, file=None):
        """Show a sentence, with a link to download a file. color: "" is that of the theme."""
        self.problem = text
        said = f'<span style="color:{color}">{html.escape(text)}</span>' if text else ""
        if file:
            link = f"data:application/octet-stream;base64,{base64.b64encode(file.read_bytes()).decode()}"
            # JupyterLab takes away what tells a link from other words
            looks = f"color:{BLUE};text-decoration:underline"
            said += f' <a download="{file.name}" href="{link}" style="{looks}">download</a>'
        self.message.value = said

    def tell(self, text, *more, imports=()):
        """Show the code that rebuilds the picture: a program of its own.

        text: an expression that gives latents. more: lines after it; without any, the face is drawn.
        """
        self.text = text
        more = more or ("ganlib.grid(ganlib.generate(generator, face), scale=4)",)
        lines = ["import ganlib", *imports, "", f"generator = {self._generator_in_code()}",
                 f"face = {text}", *more]
        self.code = "\n".join(lines)
        looks = "margin: 0; font-size: 0.85em; line-height: 1.3; white-space: pre-wrap; background: none"
        self.settings.value = f'<pre style="{looks}">{html.escape(self.code)}</pre>'

    def tell_of_latents(self, what):
        """Show how a face comes back that no settings give."""
        self.text = self.code = f"# {what} has no settings. Keep it or save it: then its file gives it back."
        self.settings.value = f"<code>{html.escape(self.code)}</code>"

    def _generator_in_code(self):
        folder = self.generator.folder
        if folder is None:
            return "...  # the generator of this panel"
        name = folder.name if folder.name in shipped() and folder.parent.name == "shipped" else str(folder)
        return f"ganlib.load_generator({name!r})"

    def copy(self):
        """Put the code into the clipboard, where the browser allows it."""
        self.clipboard.clear_output()
        with self.clipboard:
            display(Javascript(f"navigator.clipboard.writeText({json.dumps(self.code)})"))
        self.say("The code is in the clipboard. If it is not, mark it above and copy it.", "")

    # keeping and saving

    def keep(self):
        """Put the face on show into the tray."""
        kept = self.tray.add(self.face())
        self.say(f"Kept as {kept.name}, in {kept.path.parent}.", "")

    def save(self):
        """Save what the menu says."""
        kind, size = self.what.value, self.size.value
        path = self.save_as(self.stem, self.kinds[kind])
        self.write(kind, path, size)
        if kind in ("picture", "sheet", "latent file"):
            file = str(path)
            self.say(f"Saved {path}. load_latents({file!r}, generator)[0] gives the face back.", "", path)
        else:
            self.say(f"Saved {path}", "", path)

    def write(self, kind, path, size):
        """Write a file of a kind; size: pixels of a face."""
        face = self.face()
        if kind == "latent file":
            save_latents(path, self.generator, face.latents, **face.settings)
            return
        picture = self.figure() if kind == "sheet" else self.enlarged(size)
        write_atomic(path, picture_with_latents(picture, self.generator, face.latents, face.settings))

    def enlarged(self, size):
        """The picture on show in `size` pixels, a PIL image."""
        return resized(Image.fromarray(self.pixels()), (size, size))

    def pixels(self):
        """The picture on show as drawn, uint8 (R, R, 3)."""
        return generate(self.G, self.face().latents)[0]

    def save_as(self, stem, suffix):
        """A path for an export that no file has yet: faces/<stem>-001<suffix>, and so on."""
        folder = (kept_dir() or data_dir()) / "faces"
        numbered = (f"{stem}-{number:03d}" for number in itertools.count(1))
        free = next(name for name in numbered if not [*folder.glob(f"{name}.*")])
        return folder / f"{free}{suffix}"

    def _ipython_display_(self):
        name = type(self).__name__
        if not self.ready:
            show_panel(self.box, name, self.problem)
            return
        try:
            show_panel(self.box, name, self.text, self.figure())
        except GanlibError:  # the settings of now are refused: the panel says why
            show_panel(self.box, name, self.problem)


def character_code(settings, base=None):
    """(expression, imports) of the call of `character` with settings; base: the path of a latent file."""
    imports = ["from ganlib.play.characters import character"]
    words = [f"{name}={value!r}" for name, value in settings.items()]
    if base:
        imports.append("from ganlib.play.latent_files import load_latents")
        words.insert(0, f"base=load_latents({str(base)!r}, generator)[0]")
    return f"character({', '.join(['generator', *words])})", imports
