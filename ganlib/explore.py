"""Panels to play with a generator: walk, mix, directions, design a character, find a picture in it.

Core ipywidgets only, so that Colab, JupyterLab and VS Code can all show them. A face to click is a picture under a
transparent button of the same size, both in one cell of a GridBox: no CSS and no script of our own.
"""
import asyncio
import base64
import html
import io
import json
import random
import tempfile
import textwrap
import time
from pathlib import Path

import ipywidgets as w
import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from safetensors import SafetensorError
from safetensors.torch import load, save

from . import checkpoint
from .checkpoint import find_generator, load_generator, read_metadata, write_atomic
from .clean import decode
from .errors import GanlibError
from .fetch import data_dir
from .sample import (colour_directions, edit, face_colours, factorise, generate, identity, invert, latents,
                     layer_groups, mixing_sheet, movie, save_latents, seed_latents, styles, swap, walk)
from .show import BLUE, FONT, GREY, INK, RED, _bytes, grid
from .synthetic import face as drawn_face

# What the labels of real faces look like in a pack of the Kaggle set (`label_colours`)
HAIR = dict(black=(83, 78, 86), blonde=(237, 204, 152), blue=(110, 119, 164), brown=(153, 113, 96),
            green=(137, 160, 135), orange=(228, 162, 119), pink=(232, 163, 173), purple=(150, 114, 155),
            red=(185, 88, 98), white=(231, 209, 196))
EYES = dict(aqua=(63, 86, 93), black=(85, 78, 78), blue=(59, 70, 106), brown=(87, 64, 54), green=(62, 87, 69),
            orange=(110, 72, 59), pink=(102, 65, 78), purple=(88, 57, 96), red=(111, 50, 58), yellow=(112, 89, 59))
# Sliders for colours: what a step changes in red, green, blue of hair, then of eyes, in levels of 256
LOOKS = {"hair: dark – light": (20, 20, 20, 0, 0, 0), "hair: blue – red": (20, 0, -20, 0, 0, 0),
         "eyes: dark – light": (0, 0, 0, 10, 10, 10), "eyes: blue – red": (0, 0, 0, 10, 0, -10)}
STAY, NEIGHBOURS, UPLOAD = "as it is", 6, 20_000_000


# -- directions, and a face as a function of settings

def opened(source):
    """`load_generator`, which also says what there is; a generator is passed through. G.folder is where it was."""
    if hasattr(source, "config"):
        return source
    try:
        G = load_generator(source)
    except GanlibError as error:
        raise GanlibError(f"{error}\nThese come with ganlib: {', '.join(shipped()) or 'none'}.") from None
    G.folder = find_generator(source).parent
    return G


def shipped():
    return sorted(path.parent.name for path in checkpoint.SHIPPED.glob("*/generator.safetensors"))


def find_directions(G, names=(), n=4_000):
    """({"closed": (10, w_dim), "colours": (6, w_dim)}, about): a step of closed is a spread of w along it.

    names: what the first closed-form directions do, once someone looked; n: of how many faces colours are learnt.
    """
    closed, ws = factorise(G)[0], styles(G, latents(1_000, G.z_dim))[:, 0]
    closed = closed * ((ws - G.w_avg) @ closed.T).std(0)[:, None]
    names = [*names, *(f"direction {i + 1}" for i in range(len(names), len(closed)))]
    about = {"format": "1", "kind": "ganlib directions", "model": identity(G), "names": json.dumps(names)}
    return {"closed": closed.cpu(), "colours": colour_directions(G, n).cpu()}, about


def make_directions(source, names=(), n=4_000):
    """Write what `find_directions` finds as directions.safetensors beside the generator; returns the path."""
    path = find_generator(source).with_name("directions.safetensors")
    write_atomic(path, save(*find_directions(load_generator(source), names, n)))
    return path


def directions(G):
    """({name: (w_dim,)}, (6, w_dim)): the file beside G's, or, where none is or it is another model's, a quick search."""
    if not hasattr(G, "directions"):
        layer_groups(G)  # it has styles, or an error says that it has none
        try:
            data = (G.folder / "directions.safetensors").read_bytes()
            tensors, about = load(data), read_metadata(data)
            if about["model"] != identity(G):
                raise ValueError
        except (AttributeError, OSError, ValueError, KeyError, SafetensorError):
            tensors, about = find_directions(G, n=500)
        G.directions = dict(zip(json.loads(about["names"]), tensors["closed"])), tensors["colours"]
    return G.directions


def neighbours(G, ws, dice, amount=0.4, psi=0.7):
    """ws (6, L, w_dim) near ws (1, L, w_dim): turned towards new faces, as far from the mean face as before."""
    new = styles(G, latents(NEIGHBOURS, G.z_dim, dice), psi)
    return G.w_avg + (1 - amount**2) ** 0.5 * (ws - G.w_avg) + amount * (new - G.w_avg)


def origin(G, seed=0, psi=0.7, steps=(), start=None):
    """ws (1, L, w_dim) of a seed (or start, if given) after steps (dice, which neighbour, amount)."""
    ws = styles(G, seed_latents(G, [seed]), psi) if start is None else start
    for dice, number, amount in steps:
        ws = neighbours(G, ws, dice, amount, psi)[number:number + 1]
    return ws


def face(G, seed=0, psi=0.7, steps=(), start=None, base=None, hair=STAY, hair_amount=1.0, eyes=STAY, eyes_amount=1.0,
         changes=None, hold=False):
    """ws (1, L, w_dim) of a face from its settings alone, as the panels show them; base: what `origin` gave for them.

    hair, eyes: a name in HAIR, EYES, reached at amount 1; changes: {slider: strength}. With hold, colours leave the
    coarse layers alone (the shape), and closed-form directions are made orthogonal to those of colours.
    """
    named, colours = directions(G)
    ws = origin(G, seed, psi, steps, start) if base is None else base
    wanted, chosen = torch.zeros(6), ((HAIR.get(hair), hair_amount), (EYES.get(eyes), eyes_amount))
    if any(target for target, _ in chosen):
        now = torch.from_numpy(face_colours(generate(G, ws))[0]).float()
        for k, (target, amount) in enumerate(chosen):
            if target:
                wanted[3 * k:3 * k + 3] = amount * (torch.tensor(target) - now[3 * k:3 * k + 3])
    shape, span = torch.zeros(len(G.w_avg)), torch.linalg.qr(colours.T)[0]
    for name, strength in (changes or {}).items():
        if name in LOOKS:
            wanted = wanted + strength * torch.tensor(LOOKS[name])
        else:
            shape = shape + strength * (named[name] - hold * (span @ (span.T @ named[name])))
    layers = (layer_groups(G)["middle"].start, G.num_layers) if hold else "all"
    return edit(G, edit(G, ws, shape, 1.0), wanted @ colours, 1.0, layers)


# -- what panels are made of

def slider(name, value, low, high, step=0.05, kind=w.FloatSlider):
    return kind(value=value, min=low, max=high, step=step, description=name, style={"description_width": "130px"},
                layout=w.Layout(width="370px"))


def field(kind, name, value, **more):
    return kind(value=value, description=name, style={"description_width": "130px"},
                layout=w.Layout(width="370px"), **more)


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
    image.value = _bytes(Image.fromarray(pixels).save, compress_level=1)


def title(text):
    return w.HTML(f"<b>{text}</b>")


def column(*children, **layout):
    return w.VBox(children, layout=w.Layout(margin="0 16px 0 0", **layout))


def row(*children):
    return w.HBox(children, layout=w.Layout(flex_flow="row wrap"))


def press(text, work, icon=""):
    button = w.Button(description=text, icon=icon, layout=w.Layout(width="auto"))
    button.on_click(lambda _: work())
    return button


class models:
    """A box to choose the generator of all panels that are made from it: a shipped one, a run, or any folder."""

    def __init__(self, source="stylegan-fast"):
        runs = sorted((data_dir() / "runs").rglob("generator.safetensors"))
        found = {name: name for name in shipped()} | {str(p.parent.relative_to(data_dir())): p.parent for p in runs}
        self.panels, self.source = [], source
        self.menu = field(w.Dropdown, "generator", source if source in found else None, options=[*found])
        self.folder = field(w.Text, "or a run's folder", "" if source in found else str(source),
                            continuous_update=False)
        self.menu.observe(lambda change: change["new"] and self.choose(found[change["new"]]), "value")
        self.folder.observe(lambda change: change["new"] and self.choose(change["new"]), "value")
        self.box = row(self.menu, self.folder)

    def choose(self, source):
        self.source = source
        for panel in self.panels:
            panel.open(source)

    def _repr_mimebundle_(self, **_):
        return view(self.box, f"Generator: {self.source}")


def view(box, text, image=None):
    """A mime bundle of a widget with a still picture and a text beside it, for where widgets cannot run."""
    still = {"image/png": base64.b64encode(_bytes(image.save)).decode()} if image else {}
    return {"text/plain": text, **still, "application/vnd.jupyter.widget-view+json": {
        "version_major": 2, "version_minor": 0, "model_id": box.model_id}}


class Panel:
    """A panel on a generator (a name, a folder, a G, or `models`). What goes wrong is a sentence in it.

    build() gives the widgets; draw() brings the pictures up to date; figure() is the still picture of the panel.
    """

    def __init__(self, source="stylegan-fast"):
        self.box, self.settings, self.message, self.timers = w.VBox(), w.HTML(), w.HTML(), {}
        if isinstance(source, models):
            source.panels.append(self)
            source = source.source
        self.open(source)

    def open(self, source):
        """Begin anew with a generator."""
        self.ready, self.settings.value = False, ""
        self.box.children = [self.message]
        self.act(lambda: self.begin(opened(source)))

    def begin(self, G):
        self.G = G
        children = self.build()
        self.draw()
        self.box.children, self.ready = [*children, self.settings, self.message], True

    def act(self, work):
        """Do what an event asks for."""
        try:
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
        timer, due = self.timers.get(work.__name__), loop.time() + wait
        if timer and timer.when() > loop.time() and not timer.cancelled():
            if not anew:
                return
            timer.cancel()
        self.timers[work.__name__] = loop.call_at(due, self.act, work)

    def save_as(self, stem, suffix):
        """A new path for an export."""
        folder = data_dir() / "faces"
        number = 1 + len({p.stem for p in folder.glob(f"{stem}-*")})
        return folder / f"{stem}-{number:03d}{suffix}"

    def _repr_mimebundle_(self, **_):
        if not self.ready:
            return view(self.box, html.unescape(self.message.value.split(">", 1)[-1].removesuffix("</span>")))
        return view(self.box, self.text, self.figure())
