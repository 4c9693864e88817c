"""Panels to play with a generator: walk, mix, directions, design a character, find a picture in it.

Core ipywidgets only, so that Colab, JupyterLab and VS Code can all show them. A face to click is a picture under a
transparent button of the same size, both in one cell of a GridBox: no CSS and no script of our own.
"""
import asyncio
import base64
import html
import itertools
from pathlib import Path

import ipywidgets as w
from PIL import Image

from ...errors import GanlibError
from ...files import data_dir, kept_dir
from ...images import encoded
from ...models import store
from ...models.store import find_generator, load_generator
from ...view.pictures import GREY, INK, RED


def opened(source):
    """`load_generator`, which also says what there is; a generator is passed through. G.folder is where it was."""
    if hasattr(source, "config"):
        return source
    try:
        G = load_generator(source)
    except GanlibError as error:
        if not Path(source).exists():  # the error has the names already
            raise
        raise GanlibError(f"{error} These come with ganlib: {', '.join(shipped()) or 'none'}.") from None
    G.folder = find_generator(source).parent
    return G


def shipped():
    return sorted(path.parent.name for path in store.SHIPPED.glob("*/generator.safetensors"))


def field(kind, name, value, **more):
    """A control with its name before it; all are of one width, so that they stand in line."""
    return kind(value=value, description=name, style={"description_width": "120px"},
                layout=w.Layout(width="300px"), **more)


def slider(name, value, low, high, step=0.05, kind=w.FloatSlider):
    return field(kind, name, value, min=low, max=high, step=step)


def picture(size):
    return w.Image(format="png", width=size, height=size, layout=w.Layout(width=f"{size}px", height=f"{size}px"))


def clickable(size, hint, click):
    """A face to click: GridBox(picture, button); click is called with no argument."""
    at = dict(grid_area="1 / 1 / 2 / 2", width=f"{size}px", height=f"{size}px", margin="0")
    button = w.Button(tooltip=hint, style={"button_color": "transparent"}, layout=w.Layout(**at))
    button.on_click(lambda _: click())
    image = w.Image(format="png", layout=w.Layout(**at))
    return w.GridBox([image, button], layout=w.Layout(border="3px solid transparent", flex="0 0 auto"))


def put(image, pixels):
    """Show uint8 (H, W, 3) in an Image; compressed lightly, as quick matters more than small."""
    image.value = encoded(Image.fromarray(pixels).save, compress_level=1)


def title(text):
    return w.HTML(f"<b>{text}</b>")


def column(*children, **layout):
    return w.VBox(children, layout=w.Layout(margin="0 12px 0 0", align_items="flex-start", **layout))


def row(*children):
    return w.HBox(children, layout=w.Layout(flex_flow="row wrap"))


def press(text, work, icon=""):
    button = w.Button(description=text, icon=icon, layout=w.Layout(width="auto"))
    button.on_click(lambda _: work())
    return button


class GeneratorMenu:
    """A box to choose the generator of all panels that are made from it: a shipped one, a run, or any folder."""

    def __init__(self, source="stylegan-fast"):
        runs = [(root, path.parent) for root in dict.fromkeys((data_dir(), kept_dir() or data_dir()))
                for path in sorted((root / "runs").rglob("generator.safetensors"))]
        found = {name: name for name in shipped()} | {str(path.relative_to(root)): path for root, path in runs}
        self.panels, self.source = [], source
        self.menu = field(w.Dropdown, "generator", source if source in found else None, options=[*found])
        self.folder = field(w.Text, "or a run's folder", "" if source in found else str(source),
                            continuous_update=False)
        self.menu.observe(lambda change: change["new"] and self.choose(found[change["new"]], self.folder, ""), "value")
        self.folder.observe(lambda change: change["new"].strip() and self.choose(
            Path(change["new"].strip()).expanduser(), self.menu, None), "value")
        self.box = row(self.menu, self.folder)

    def choose(self, source, other, nothing):
        """Open a source everywhere, and empty the other box: what it had can then be chosen again."""
        self.source, other.value = source, nothing
        for panel in self.panels:
            panel.open(source)

    def _repr_mimebundle_(self, **_):
        return view(self.box, f"Generator: {self.source}")


def view(box, text, image=None):
    """A mime bundle of a widget with a still picture and a text beside it, for where widgets cannot run."""
    still = {"image/png": base64.b64encode(encoded(image.save)).decode()} if image else {}
    return {"text/plain": text, **still, "application/vnd.jupyter.widget-view+json": {
        "version_major": 2, "version_minor": 0, "model_id": box.model_id}}


class Panel:
    """A panel on a generator (a name, a folder, a G, or `GeneratorMenu`). What goes wrong is a sentence in it.

    build() gives the widgets; draw() brings the pictures up to date; figure() is the still picture of the panel.
    """

    def __init__(self, source="stylegan-fast"):
        self.box, self.settings, self.message, self.timers = w.VBox(), w.HTML(), w.HTML(), {}
        if isinstance(source, GeneratorMenu):
            source.panels.append(self)
            source = source.source
        self.open(source)

    def open(self, source):
        """Begin anew with a generator."""
        self.cancel()
        self.ready, self.settings.value = False, ""
        self.say()
        self.box.children, self.G = [self.message], None
        self.act(lambda: self.begin(opened(source)))

    def begin(self, G):
        self.G = G
        children = self.build()
        self.draw()
        self.box.children, self.ready = [*children, self.settings, self.message], True

    def act(self, work, _=None):
        """Do what an event asks for."""
        try:
            if work == self.draw:  # what was wrong is not any more
                self.say()
            work()
        except GanlibError as error:
            self.say(str(error))
        except KeyboardInterrupt:
            self.say("Stopped.")
        except Exception as error:
            self.say(f"This did not work ({type(error).__name__}: {error}). Other settings may.")

    def say(self, text="", color=RED, file=None):
        link = file and (f' <a download="{file.name}" href="data:application/octet-stream;base64,'
                         f'{base64.b64encode(file.read_bytes()).decode()}">download</a>')
        self.problem = text
        self.message.value = f'<span style="color:{color}">{html.escape(text)}</span>{link or ""}' if text else ""

    def tell(self, text):
        """Show the settings that rebuild the picture."""
        self.text = text
        self.settings.value = f'<code style="color:{GREY}">{html.escape(text)}</code>'

    def watch(self, *controls):
        for control in controls:
            control.observe(lambda change: self.soon(self.draw), "value")

    def soon(self, work, wait=0.01, anew=False):
        """Do work after `wait` seconds, once for all the events until then; anew: each event begins the wait anew.

        A kernel gets the positions of a dragged slider one by one: they are read in this time, and the last is drawn.
        """
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:  # no kernel: at once
            return self.act(work)
        if anew and work in self.timers:
            self.timers.pop(work).cancel()
        if work not in self.timers:
            self.timers[work] = loop.call_later(wait, lambda: self.act(work, self.timers.pop(work)))

    def cancel(self):
        """Forget what is still to be drawn."""
        for timer in self.timers.values():
            timer.cancel()
        self.timers.clear()

    def save_as(self, stem, suffix):
        """A new path for an export."""
        folder = (kept_dir() or data_dir()) / "faces"
        number = next(i for i in itertools.count(1) if not [*folder.glob(f"{stem}-{i:03d}.*")])
        return folder / f"{stem}-{number:03d}{suffix}"

    def saved(self, path):
        file = str(path.with_suffix(".safetensors"))
        self.say(f"Saved {path}. load_latents({file!r}, G)[0] gives the face back.", INK, path)

    def _repr_mimebundle_(self, **_):
        if not self.ready:
            return view(self.box, self.problem)
        try:
            return view(self.box, self.text, self.figure())
        except GanlibError:  # the settings of now are refused: the panel says why
            return view(self.box, self.problem)
