"""Panels to play with a generator: walk, mix, directions, design a character, find a picture in it.

Core ipywidgets only, so that Colab, JupyterLab and VS Code can all show them. A face to click is a picture under a
transparent button of the same size, both in one cell of a GridBox: no CSS and no script of our own.
"""
import asyncio
import base64
import html
import itertools
import json
import random
import tempfile
import textwrap
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
from .config import nearest
from .errors import GanlibError
from .fetch import data_dir
from .notebook import kept_dir
from .sample import (colour_directions, edit, face_colours, factorise, generate, identity, invert, latents,
                     layer_groups, mixing_sheet, movie, save_latents, seed_latents, styles, swap, walk)
from .show import BLUE, FONT, GREY, INK, RED, encoded, grid
from .synthetic import face as drawn_face

# What the labels of real faces look like in a pack of the Kaggle set (the mean `face_colours` of each)
HAIR = dict(black=(83, 78, 86), blonde=(237, 204, 152), blue=(110, 119, 164), brown=(153, 113, 96),
            green=(137, 160, 135), orange=(228, 162, 119), pink=(232, 163, 173), purple=(150, 114, 155),
            red=(185, 88, 98), white=(231, 209, 196))
EYES = dict(aqua=(63, 86, 93), black=(85, 78, 78), blue=(59, 70, 106), brown=(87, 64, 54), green=(62, 87, 69),
            orange=(110, 72, 59), pink=(102, 65, 78), purple=(88, 57, 96), red=(111, 50, 58), yellow=(112, 89, 59))
# Sliders for colours: what a step changes in red, green, blue of hair, then of eyes, in levels of 256
LOOKS = {"hair: dark – light": (20, 20, 20, 0, 0, 0), "hair: blue – red": (20, 0, -20, 0, 0, 0),
         "eyes: dark – light": (0, 0, 0, 10, 10, 10), "eyes: blue – red": (0, 0, 0, 10, 0, -10)}
STAY, NEIGHBOURS, UPLOAD = "as it is", 6, 10_000_000


# -- directions, and a face as a function of settings

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
    return sorted(path.parent.name for path in checkpoint.SHIPPED.glob("*/generator.safetensors"))


def find_directions(G, names=(), n=4_000):
    """({"closed": (10, w_dim), "colours": (6, w_dim)}, about): a step of closed is a spread of w along it.

    names: what the first closed-form directions do, once someone looked; n: of how many faces colours are learnt.
    """
    closed, ws = factorise(G)[0], styles(G, latents(1_000, G.z_dim))[:, 0]
    closed = closed * ((ws - G.w_avg) @ closed.T).std(0)[:, None]
    names = [*names, *(f"direction {i + 1}" for i in range(len(names), len(closed)))]
    about = {"format": "1", "kind": "ganlib directions", "model": identity(G), "names": json.dumps(names)}
    return {"closed": closed.cpu().contiguous(), "colours": colour_directions(G, n).cpu().contiguous()}, about


def make_directions(source, names=(), n=4_000):
    """Write what `find_directions` finds as directions.safetensors beside the generator; returns the path."""
    path = find_generator(source).with_name("directions.safetensors")
    write_atomic(path, save(*find_directions(load_generator(source), names, n)))
    return path


def directions(G):
    """({name: (w_dim,)}, (6, w_dim)), from the file beside G's; without one (or of another model), a quick search."""
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
    for name, known in [(hair, [STAY, *HAIR]), (eyes, [STAY, *EYES]), *((k, [*LOOKS, *named]) for k in changes or ())]:
        if name not in known:
            raise GanlibError(f"There is no {name!r}.{nearest(name, known)}")
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


class models:
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


# -- the panels

class walk_panel(Panel):
    """From face to face: seeds, position with a play button, psi (also by group of layers), noise, path; GIF, MP4."""

    def build(self):
        styled, self.way, self.dice = hasattr(self.G, "mapping"), None, 1
        self.image, self.seeds = picture(256), field(w.Text, "seeds", "3, 7, 12", continuous_update=False)
        self.position = slider("position (%)", 0, 0, 100, 1, w.IntSlider)
        self.position.layout.width = "420px"  # room for a fine hand
        play = w.Play(min=0, max=100, step=1, interval=120)
        self.link = w.jslink((play, "value"), (self.position, "value"))
        self.path = field(w.Dropdown, "path", "spherical", options=["spherical", "straight"])
        self.psi = slider("psi (0: average)", 0.7, 0, 1.2)
        self.groups = {name: slider(f"psi, {name}", 0.7, 0, 1.2) for name in ("coarse", "middle", "fine")}
        self.noise = field(w.Dropdown, "noise", "fixed", options=["fixed", "off", "fresh"])
        self.psi.observe(self.all_groups, "value")
        self.watch(self.seeds, self.position, self.path, *self.groups.values(), self.noise)
        more = w.Accordion([w.VBox([*self.groups.values(), self.noise, press("Fresh noise", self.reseed, "random")])])
        more.set_title(0, "psi by layers, noise"), setattr(more, "selected_index", None)
        parts = [self.psi, more] if styled else [title("This generator has no styles: only the way can be chosen.")]
        save = row(*(press(f"Save {kind}", lambda k=kind: self.act(lambda: self.export(f".{k.lower()}")), "download")
                     for kind in ("GIF", "MP4")))
        return [row(column(self.image, play), column(self.position, self.seeds, self.path, *parts, save))]

    def all_groups(self, change):
        for group in self.groups.values():
            group.value = change["new"]

    def reseed(self):
        self.dice, self.noise.value = self.dice + 1, "fresh"
        self.soon(self.draw)

    def latents(self, positions):
        """z or ws at positions (a slice) of the way, which is found anew only when its ends change."""
        key, styled = (self.seeds.value, self.path.value), hasattr(self.G, "mapping")
        psi = {name: group.value for name, group in self.groups.items()}
        if key != self.way:
            z = seed_latents(self.G, self.seeds.value)
            if len(z) < 2:
                raise GanlibError(f"seeds: found {self.seeds.value!r}; expected two or more, as in 3, 7.")
            if styled and self.path.value == "straight":
                z = styles(self.G, z)
            self.points, self.way = walk(z, 101, self.path.value), key
        part = self.points[positions]
        return styles(self.G, part, psi) if styled else part

    def draw(self):
        at, noise = self.position.value, self.noise.value
        put(self.image, self.frames(slice(at, at + 1))[0])
        values = {name: group.value for name, group in self.groups.items()}
        psi = f"{self.psi.value:g}" if set(values.values()) == {self.psi.value} else \
            " ".join(f"{name} {value:g}" for name, value in values.items())
        noise = f"fresh {self.dice}" if noise == "fresh" else noise
        self.tell(f"seeds {self.seeds.value.replace(',', ' →')}; position {at / 100:.2f}; {self.path.value} path"
                  + f"; psi {psi}; noise {noise}" * hasattr(self.G, "mapping"))

    def frames(self, positions):
        latents = self.latents(positions)
        if self.noise.value != "fresh":
            return generate(self.G, latents, noise=self.noise.value)
        return np.concatenate([generate(self.G, one[None], noise=self.dice) for one in latents])  # all with one noise

    def export(self, suffix, note=""):
        path = self.save_as("walk", suffix)
        try:
            movie(path, self.frames(slice(None, None, 2)))
        except GanlibError as error:
            if suffix == ".gif":
                raise
            return self.export(".gif", f"{error} Here is a GIF instead. ")
        self.say(f"{note}Saved {path}", INK, path)

    def figure(self):
        return grid(self.frames(slice(0, 100, 11)), 10)


class mix_panel(Panel):
    """Faces A to click give the rows, faces B the columns; a slider says which layers come from B."""

    def build(self):
        layer_groups(self.G)
        self.result, self.table = picture(192), w.Image(format="png")
        self.first, self.chosen = [0, 8], [[0, 3], [8, 9, 10]]
        self.strips, lines, colours = [], [], (BLUE, RED)
        for k, text in enumerate(("A: shape and pose (rows)", "B: colours (columns)")):
            self.strips.append([clickable(72, "click to choose or leave", lambda k=k, i=i: self.click(k, i))
                                for i in range(8)])
            lines.append(column(row(title(f'<span style="color:{colours[k]}">{text}</span>'),
                                    press("other faces", lambda k=k: self.turn(k), "refresh")), row(*self.strips[k])))
        groups, L = layer_groups(self.G), self.G.num_layers
        self.layers = slider("layers from B", (groups["coarse"].stop, L), 0, L, 1, w.IntRangeSlider)
        self.psi = slider("psi (0: average)", 0.7, 0, 1.2)
        self.watch(self.layers, self.psi)
        says = {"coarse": "shape and pose", "middle": "features and colours", "fine": "shades"}
        text = w.HTML(" · ".join(f"{r.start}–{r.stop} {says[name]}" for name, r in groups.items() if len(r)))
        return [row(column(*lines, self.layers, text, self.psi),
                    column(title("the last A with the last B"), self.result)),
                title("every A with every B"), self.table]

    def click(self, k, i):
        chosen, seed = self.chosen[k], self.first[k] + i
        if seed in chosen and len(chosen) > 1:
            chosen.remove(seed)
        elif seed not in chosen:
            self.chosen[k] = [*chosen[-3:], seed]
        self.soon(self.draw)

    def turn(self, k):
        self.first[k] += 8
        self.soon(self.draw)

    def draw(self):
        psi, layers = self.psi.value, self.layers.value
        a, b = (styles(self.G, seed_latents(self.G, [seeds[-1]]), psi) for seeds in self.chosen)
        put(self.result, generate(self.G, swap(self.G, a, b, layers))[0])
        self.tell(f"mixing_sheet(G, {self.chosen[0]}, {self.chosen[1]}, layers={layers}, psi={psi:g})")
        self.soon(self.draw_rest, 0.25, anew=True)

    def draw_rest(self):
        for first, strip, chosen, colour in zip(self.first, self.strips, self.chosen, (BLUE, RED)):
            seeds = range(first, first + 8)
            images = generate(self.G, styles(self.G, seed_latents(self.G, seeds), self.psi.value))
            for cell, image, seed in zip(strip, images, seeds):
                put(cell.children[0], image)
                cell.layout.border = f"3px solid {colour if seed in chosen else 'transparent'}"
        sheet = self.figure()
        self.table.value, self.table.width = encoded(sheet.save, compress_level=1), 1.5 * sheet.width

    def figure(self):
        return mixing_sheet(self.G, *self.chosen, self.layers.value, self.psi.value)


class directions_panel(Panel):
    """A face, and sliders for colours and for the first ten closed-form directions."""

    start, name = None, "directions"  # ws to begin with, if not those of a seed

    def build(self):
        self.sliders = {name: slider(name, 0, -4, 4, 0.1) for name in [*LOOKS, *directions(self.G)[0]]}
        self.before, self.image, self.dice = picture(144), picture(256), 0
        self.hold = w.Checkbox(value=False, description="hold the rest of the face", indent=False,
                               layout=w.Layout(width="auto"))
        self.watch(self.hold, *self.sliders.values())
        every = [*self.sliders.values()]
        tab = w.Tab([w.VBox(every[:4]), w.VBox(every[4:9]), w.VBox(every[9:])])
        for i, text in enumerate(("Colours", "Others 1–5", "Others 6–10")):
            tab.set_title(i, text)
        buttons = row(press("Reset sliders", self.reset, "undo"),
                      press("Save", lambda: self.act(self.save), "download"))
        return [row(column(*self.choice()), column(title("after"), self.image), column(tab, self.hold, buttons))]

    def choice(self):
        self.seed = w.Text(value="3", description="seed", continuous_update=False, style={"description_width": "40px"},
                           layout=w.Layout(width="144px"))
        self.watch(self.seed)
        return title("before"), self.before, self.seed, press("Another face", self.another, "random")

    def another(self):
        self.seed.value = str(random.randrange(10**6))

    def reset(self):
        for control in self.sliders.values():
            control.value = 0

    def state(self):
        changes = {name: control.value for name, control in self.sliders.items() if control.value}
        begin = {"seed": int(self.seed.value)} if self.start is None else {}
        return begin | ({"changes": changes} if changes else {}) | ({"hold": True} if self.hold.value else {})

    def draw(self):
        base = origin(self.G, self.seed.value) if self.start is None else self.start
        self.drawn = self.state()
        self.shown = face(self.G, base=base, **{k: v for k, v in self.drawn.items() if k in ("changes", "hold")})
        put(self.image, generate(self.G, self.shown)[0])
        put(self.before, generate(self.G, base)[0])
        told = ", ".join(f"{k}={v}" for k, v in self.drawn.items())
        self.tell(f"face(G, {told})" if self.start is None else f"{told or 'as found'} (Save keeps it in a file)")

    def save(self):
        path = self.save_as(self.name, ".safetensors")
        save_latents(path, self.G, self.shown, **self.drawn)
        write_atomic(path.with_suffix(".png"), encoded(Image.fromarray(generate(self.G, self.shown)[0]).save))
        self.saved(path.with_suffix(".png"))

    def figure(self):
        named = directions(self.G)[0]
        some = [self.shown + k * v for v in [*named.values()][:5] for k in (-3.0, -1.5, 0.0, 1.5, 3.0)]
        return grid(generate(self.G, torch.cat(some)), 5)


class design_panel(Panel):
    """A character: surprise, neighbours to click (evolution by taste), colours by name, undo, favourites, a sheet."""

    def build(self):
        directions(self.G)
        self.state, self.history, self.kept, self.dice, self.filling = {"seed": 3, "steps": ()}, [], [], 1, False
        self.key = None  # of the base that is kept: another generator has another
        self.offer = None  # state, dice and amount of the neighbours on show
        self.image = picture(256)
        self.controls = {
            "psi": slider("boldness (psi)", 0.7, 0.1, 1.2),
            "hair": field(w.Dropdown, "hair", STAY, options=[STAY, *HAIR]),
            "hair_amount": slider("how much", 1, 0, 2, 0.1),
            "eyes": field(w.Dropdown, "eyes", STAY, options=[STAY, *EYES]),
            "eyes_amount": slider("how much", 1, 0, 2, 0.1)}
        for name, control in self.controls.items():
            control.observe(lambda change, name=name: self.changed(name), "value")
            self.state[name] = control.value
        self.around = [clickable(80, "take this one", lambda i=i: self.take(i)) for i in range(NEIGHBOURS)]
        self.amount = slider("how different", 0.4, 0.1, 0.9)
        self.amount.layout.width, self.amount.style.description_width = "250px", "90px"
        self.amount.observe(lambda change: self.soon(self.draw_rest, 0.2, anew=True), "value")
        self.best = [clickable(66, "back to this one", lambda i=i: self.go(self.kept[i])) for i in range(8)]
        self.favourites = row()
        self.undo = press("Undo", lambda: self.go(None), "undo")
        keep = row(press("Keep", lambda: self.act(self.keep), "star"),
                   press("Save character sheet", lambda: self.act(self.save), "download"))
        return [row(column(self.image, row(press("Surprise me", self.surprise, "random"), self.undo)),
                    column(title("Colours"), *self.controls.values(), keep),
                    column(title("Click the one you like better"), row(*self.around[:3]), row(*self.around[3:]),
                           self.amount, press("Others", self.others, "refresh"))), self.favourites]

    def go(self, state, what=None):
        """To another state; None: back to the one before. Moves of one slider (what) are one step of history."""
        if state is None:
            if not self.history:
                return
            state = self.history.pop()[1]
        elif what is None or what != (self.history or [(None,)])[-1][0]:
            self.history.append((what, self.state))
        self.state, self.filling = state, True
        for name, control in self.controls.items():
            control.value = state[name]
        self.filling = False
        self.soon(self.draw)

    def changed(self, name):
        if not self.filling:
            self.go(self.state | {name: self.controls[name].value}, None if name in ("hair", "eyes") else name)

    def surprise(self):
        self.go(self.state | {"seed": random.randrange(10**6), "steps": (), "hair": STAY, "eyes": STAY})

    def take(self, i):
        """The neighbour on show becomes the face; its neighbours will be new ones."""
        if self.offer:
            state, dice, amount = self.offer
            self.dice += 1
            self.go(state | {"steps": (*state["steps"], (dice, i, amount))})

    def others(self):
        self.dice += 1
        self.soon(self.draw_rest)

    def keep(self):
        self.kept = [*self.kept[-7:], self.state]
        self.favourites.children = [title("Kept"), *self.best[:len(self.kept)]]
        for cell, state in zip(self.best, self.kept):
            put(cell.children[0], generate(self.G, face(self.G, **state))[0])

    def draw(self):
        key = {k: self.state[k] for k in ("seed", "psi", "steps")}
        if key != self.key:
            self.base, self.key = origin(self.G, **key), key
        self.shown = face(self.G, **self.state, base=self.base)
        put(self.image, generate(self.G, self.shown)[0])
        self.undo.disabled = not self.history
        left_out = {k for k in ("hair", "eyes") if self.state[k] == STAY}
        left_out |= {f"{k}_amount" for k in left_out} | ({"steps"} if not self.state["steps"] else set())
        given = {k: v for k, v in self.state.items() if k not in left_out}
        self.tell(f"face(G, {', '.join(f'{k}={v!r}' for k, v in given.items())})")
        self.soon(self.draw_rest, 0.2, anew=True)

    def near(self):
        """Images of the neighbours, with the same colours named."""
        some = neighbours(self.G, self.base, self.dice, self.amount.value, self.state["psi"])
        return generate(self.G, torch.cat([face(self.G, **self.state, base=ws[None]) for ws in some]))

    def draw_rest(self):
        self.offer = self.state, self.dice, self.amount.value
        for cell, image in zip(self.around, self.near()):
            put(cell.children[0], image)

    def save(self):
        path = self.save_as("character", ".png")
        save_latents(path.with_suffix(".safetensors"), self.G, self.shown, **self.state)
        write_atomic(path, encoded(self.figure().save))
        self.saved(path)

    def figure(self):
        """The character sheet: the face, variations, the colours of hair and eyes, the settings in words."""
        image, lines = generate(self.G, self.shown), textwrap.wrap(self.text, 92)
        page = Image.new("RGB", (760, 470 + 18 * len(lines)), "white")
        draw = ImageDraw.Draw(page)
        page.paste(Image.fromarray(image[0]).resize((384, 384), Image.LANCZOS), (16, 16))
        for i, pixels in enumerate(self.near()):
            small = Image.fromarray(pixels).resize((108, 108), Image.LANCZOS)
            page.paste(small, (416 + i % 3 * 112, 44 + i // 3 * 112))
        draw.text((416, 16), "Variations", INK, FONT)
        colours = face_colours(image)[0].reshape(2, 3).round().astype(int)
        for i, (name, colour) in enumerate(zip(("hair", "eyes"), colours)):
            code = "#{:02x}{:02x}{:02x}".format(*colour)
            draw.rectangle((416, 288 + 58 * i, 476, 338 + 58 * i), code, GREY)
            draw.text((488, 302 + 58 * i), f"{name} {code}", INK, FONT)
        draw.text((16, 416), "\n".join(lines), GREY, ImageFont.load_default(15))
        draw.text((16, page.height - 24), identity(self.G), GREY, ImageFont.load_default(11))
        return page


class invert_panel(directions_panel):
    """Choose a picture of a face, watch the styles being found that draw it, then move the sliders."""

    name = "found"

    def __init__(self, source="stylegan-fast", steps=200):
        self.steps = steps
        super().__init__(source)

    def choice(self):
        self.start = self.G.w_avg.repeat(1, self.G.num_layers, 1)
        self.upload = w.FileUpload(accept="image/*", description="Picture", layout=w.Layout(width="144px"),
                                   tooltip="PNG, JPEG, GIF or WebP, up to 10 MB")
        self.upload.observe(lambda change: change["new"] and self.act(self.uploaded), "value")
        self.target, self.bar = picture(144), w.IntProgress(max=self.steps, layout=w.Layout(width="144px"))
        put(self.target, np.full((1, 1, 3), 238, np.uint8))
        example = press("Try a drawn face", lambda: self.act(lambda: self.find(drawn_face(7)[0])), "image")
        return title("wanted"), self.target, self.upload, example, self.bar, title("found"), self.before

    def uploaded(self):
        files = self.upload.value
        file = [*files.values()][0] if isinstance(files, dict) else files[0]  # ipywidgets 7, as on Colab
        self.upload.set_trait("value", type(files)())  # so that the same file can be chosen again
        if len(file["content"]) > UPLOAD:
            raise GanlibError(f"This file has {len(file['content']) / 1e6:.1f} MB; expected {UPLOAD / 1e6:.0f} at most.")
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "upload")
            path.write_bytes(file["content"])
            pixels, reason, detail, _ = decode(path, self.G.resolution)
            detail = detail.replace(str(path), "the file")
        if pixels is None:
            raise GanlibError(f"This is not a picture that can be read ({detail}): expected a PNG, JPEG, GIF or WebP.")
        if reason:
            raise GanlibError(f"This picture cannot be used ({reason}: {detail}): expected about a square, of "
                              f"{self.G.resolution} pixels or more, with a face in the middle.")
        self.find(pixels)

    def find(self, pixels):
        """Find uint8 (H, W, 3), and show it on the way."""
        put(self.target, pixels)
        self.reset()
        self.cancel()  # the drawing that this asks for would take the words below away

        def watch(step, ws, loss):
            self.bar.value, self.start = step + 1, ws
            if step % 10 == 0:
                put(self.image, generate(self.G, ws)[0])

        self.say("Looking for it; the stop button of the notebook ends it.", GREY)
        try:
            invert(self.G, pixels, self.steps, progress=False, callback=watch)
        finally:
            self.draw()
        self.say("Found. Now move the sliders.", INK)
