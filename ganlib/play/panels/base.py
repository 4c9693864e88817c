"""What all panels share: controls, the menu of generators, how events become pictures and sentences.

Core ipywidgets only, so that Colab, JupyterLab and VS Code can all show them. A face to click is a picture
under a transparent button of the same size, both in one cell of a GridBox: that needs no CSS and no script.
"""
import asyncio
import base64
import html
import itertools
import os
from pathlib import Path

import ipywidgets as widgets
from PIL import Image

from ...colors import BLUE, GREY, INK, RED
from ...errors import GanlibError
from ...files import data_dir, kept_dir
from ...images import encoded
from ...models.store import LoadedGenerator, load_generator, need_loaded, shipped
from ...view.stills import show_panel

NAME_WIDTH = "120px"  # of a control's name: all are alike, so that the controls stand in line
CONTROL_WIDTH = "300px"
AS_DRAWN = "as drawn"  # a label that is left to the seed


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


def field(kind, name, value, **more):
    """A control of a kind of widget, with its name before it."""
    return kind(value=value, description=name, style={"description_width": NAME_WIDTH},
                layout=widgets.Layout(width=CONTROL_WIDTH), **more)


def slider(name, value, low, high, step=0.05, kind=widgets.FloatSlider):
    return field(kind, name, value, min=low, max=high, step=step)


def picture(size):
    """An Image of size x size pixels, still empty."""
    layout = widgets.Layout(width=f"{size}px", height=f"{size}px")
    return widgets.Image(format="png", width=size, height=size, layout=layout)


def clickable(size, hint, click):
    """A face to click: GridBox(picture, button); click is called with no argument."""
    place = {"grid_area": "1 / 1 / 2 / 2", "width": f"{size}px", "height": f"{size}px", "margin": "0"}
    image = widgets.Image(format="png", layout=widgets.Layout(**place))
    button = widgets.Button(tooltip=hint, layout=widgets.Layout(**place))
    button.style.button_color = "transparent"
    button.on_click(lambda _: click())
    frame = widgets.Layout(border="3px solid transparent", flex="0 0 auto")
    return widgets.GridBox([image, button], layout=frame)


def put(image, pixels):
    """Show uint8 (H, W, 3) in an Image; compressed lightly, as quick matters more than small."""
    image.value = encoded(Image.fromarray(pixels).save, compress_level=1)


def label_menus(G, default):
    """{attribute: a menu of its classes} of the labels that G has learned, with a first entry `default`."""
    return {name: field(widgets.Dropdown, name, default, options=[default, *classes])
            for name, classes in G.attributes.items()}


def title(text):
    return widgets.HTML(f"<b>{text}</b>")


def column(*children):
    return widgets.VBox(children, layout=widgets.Layout(margin="0 12px 0 0", align_items="flex-start"))


def row(*children):
    return widgets.HBox(children, layout=widgets.Layout(flex_flow="row wrap"))


def press(text, work, icon=""):
    """A button that calls work with no argument."""
    button = widgets.Button(description=text, icon=icon, layout=widgets.Layout(width="auto"))
    button.on_click(lambda _: work())
    return button


def known_sources():
    """{name: source} of generators that come with ganlib, and of runs under $GANLIB_DATA and $GANLIB_KEEP."""
    found = {name: name for name in shipped()}
    for root in dict.fromkeys((data_dir(), kept_dir() or data_dir())):
        for path in sorted((root / "runs").rglob("generator.safetensors")):
            found[str(path.parent.relative_to(root))] = path.parent
    return found


class GeneratorMenu:
    """A box to choose the generator of all panels on it: a shipped one, a run, or any folder."""

    def __init__(self, source="stylegan-fast"):
        self.panels = []
        self.source = source
        self.known = known_sources()
        listed = source in self.known
        folder = source.folder if isinstance(source, LoadedGenerator) else source
        self.menu = field(widgets.Dropdown, "generator", source if listed else None, options=[*self.known])
        self.folder = field(widgets.Text, "or a run's folder", "" if listed else str(folder),
                            continuous_update=False)
        self.menu.observe(self._chosen, "value")
        self.folder.observe(self._typed, "value")
        self.box = row(self.menu, self.folder)

    def _chosen(self, change):
        if change["new"]:
            self.folder.value = ""  # what it had can then be typed again
            self.open(self.known[change["new"]])

    def _typed(self, change):
        text = change["new"].strip()
        if text:
            self.menu.value = None  # what it had can then be chosen again
            self.open(Path(os.path.expanduser(text)))

    def open(self, source):
        """Open a source in every panel."""
        self.source = source
        for panel in self.panels:
            panel.open(source)

    def _ipython_display_(self):
        show_panel(self.box, "GeneratorMenu", f"Generator: {self.source}", advice="to choose another")


class Panel:
    """A panel on a generator: a name, a folder, a LoadedGenerator, or a GeneratorMenu.

    What goes wrong is a sentence in it. A kind of panel defines build, draw and figure.
    """

    generator: LoadedGenerator

    def __init__(self, source="stylegan-fast"):
        self.box = widgets.VBox()
        self.settings = widgets.HTML()  # what rebuilds the picture
        self.message = widgets.HTML()  # what went wrong, or what was saved
        self.timers = {}
        if isinstance(source, GeneratorMenu):
            source.panels.append(self)
            source = source.source
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
        children = self.build()
        self.draw()
        self.box.children = [*children, self.settings, self.message]
        self.ready = True

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

    def say(self, text, color=RED, file=None):
        """Show a sentence, with a link to download a file."""
        self.problem = text
        said = f'<span style="color:{color}">{html.escape(text)}</span>' if text else ""
        if file:
            link = f"data:application/octet-stream;base64,{base64.b64encode(file.read_bytes()).decode()}"
            # JupyterLab takes away what tells a link from other words
            looks = f"color:{BLUE};text-decoration:underline"
            said += f' <a download="{file.name}" href="{link}" style="{looks}">download</a>'
        self.message.value = said

    def tell(self, text):
        """Show the settings that rebuild the picture."""
        self.text = text
        self.settings.value = f'<code style="color:{GREY}">{html.escape(text)}</code>'

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
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:  # no kernel: at once
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

    def save_as(self, stem, suffix):
        """A path for an export that no file has yet, with no suffix: faces/<stem>-001<suffix>, and so on."""
        folder = (kept_dir() or data_dir()) / "faces"
        numbered = (f"{stem}-{number:03d}" for number in itertools.count(1))
        free = next(name for name in numbered if not [*folder.glob(f"{name}.*")])
        return folder / f"{free}{suffix}"

    def say_saved(self, path):
        """Say where a face was saved and how it comes back; its latent file lies beside the picture."""
        file = str(path.with_suffix(".safetensors"))
        self.say(f"Saved {path}. load_latents({file!r}, generator)[0] gives the face back.", INK, path)

    def _ipython_display_(self):
        name = type(self).__name__
        if not self.ready:
            show_panel(self.box, name, self.problem)
            return
        try:
            show_panel(self.box, name, self.text, self.figure())
        except GanlibError:  # the settings of now are refused: the panel says why
            show_panel(self.box, name, self.problem)
