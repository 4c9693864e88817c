"""The panel that designs a character, and its character sheet."""
import functools
import html
import random
import textwrap

import ipywidgets as widgets
import torch
from PIL import Image, ImageDraw

from ...colors import GREY, INK
from ...files import write_atomic
from ...images import resized
from ...models.sampling import generate
from ...view.pictures import FONT, font
from ..characters import COLOURS, OFFERED, STAY, character, neighbours, origin
from ..directions import directions, face_colours
from ..latent_files import identity, picture_with_latents, save_latents
from ..styles import labels_of
from .base import (
    CONTROL_WIDTH,
    Panel,
    clickable,
    column,
    field,
    label_menus,
    picture,
    press,
    put,
    row,
    slider,
    title,
)

FAVOURITES = 8
REST = 0.2  # seconds without an event, after which the neighbours are drawn
WHERE_FROM = ("seed", "psi", "steps")  # the settings that `origin` takes
ALONE = "nothing"  # what a class is mixed with


class LabelMixer:
    """The controls of a label that the generator has learned: its class, a second one, how much of that.

    menu: of its classes, with STAY first. moved: called with the name of a slider, or None, when a person
    has changed something. `asked` is None, a class, or a mixture, as `character` takes it.
    """

    def __init__(self, menu, moved):
        self.menu = menu
        classes = [name for name in menu.options if name != STAY]
        self.other = field(widgets.Dropdown, "mixed with", ALONE, options=[ALONE, *classes])
        self.amount = slider("how much of it", 0.5, 0, 1)
        self.children = [self.menu, self.other, self.amount]
        self.menu.observe(lambda change: moved(None), "value")
        self.other.observe(lambda change: moved(None), "value")
        self.amount.observe(lambda change: moved(f"how much of {menu.description}"), "value")

    @property
    def asked(self):
        if self.other.value == ALONE:
            return None if self.menu.value == STAY else self.menu.value
        share = round(self.amount.value, 2)
        return {self.menu.value: round(1 - share, 2), self.other.value: share}

    def show(self, asked):
        """Set the controls to what is asked for."""
        mixture = asked if isinstance(asked, dict) else {asked or STAY: 0.5, ALONE: 0.5}
        self.menu.value = next(iter(mixture))
        self.other.value, self.amount.value = [*mixture.items()][-1]
        self.amount.disabled = self.other.value == ALONE


class DesignPanel(Panel):
    """A character: surprise, neighbours to click (evolution by taste), colours, undo, favourites, a sheet.

    Where the generator has learned labels, their menus ask for them; colours that it has not learned are
    directions in w. `state` holds the settings of `character`. `history` has the states before it, each with
    the name of the slider that was moved then, so that many moves of one slider are undone as one.
    """

    def build(self):
        directions(self.generator)  # raises where there are no styles
        self.state = {"seed": 3, "steps": ()}
        self.history = []
        self.kept = []  # states of favourites
        self.filling = False  # controls are being set to a state: their events are no one's wish
        self.base = self.base_of = None  # what `origin` gave, and for which settings
        self.offer = None  # state, seed and amount of the neighbours on show
        self.neighbour_seed = 1
        self.image = picture(256)
        self.undo_button = press("Undo", self.undo, "undo")
        left = column(self.image, row(press("Surprise me", self.surprise, "random"), self.undo_button))
        self.favourites = row()
        return [row(left, self._colours(), self._neighbours()), self.favourites]

    def _colours(self):
        """The column of controls, which hold the state's other settings."""
        self.controls = {"psi": slider("boldness (psi)", 0.7, 0.1, 1.2)}
        self.measured = [name for name in COLOURS if name not in self.G.attributes]
        for name in self.measured:
            self.controls[name] = field(widgets.Dropdown, name, STAY, options=[STAY, *COLOURS[name]])
            self.controls[f"{name}_amount"] = slider("how much", 1, 0, 2, 0.1)
        for name, control in self.controls.items():
            self.state[name] = control.value
            control.observe(functools.partial(self._control_moved, name), "value")
        self.mixers = {name: LabelMixer(menu, self._label_moved)
                       for name, menu in label_menus(self.G, STAY).items()}
        if self.mixers:
            self.state["labels"] = {}
        for mixer in self.mixers.values():
            mixer.show(None)
        self.best = [clickable(66, "back to this one", functools.partial(self.back_to, number))
                     for number in range(FAVOURITES)]
        buttons = row(press("Keep", lambda: self.act(self.keep), "star"),
                      press("Save character sheet", lambda: self.act(self.save), "download"))
        boldness, *others = self.controls.values()
        of_labels = [control for mixer in self.mixers.values() for control in mixer.children]
        what = widgets.HTML(what_colours_are([*self.mixers], self.measured),
                            layout=widgets.Layout(width=CONTROL_WIDTH))
        return column(title("Colours"), what, boldness, *of_labels, *others, buttons)

    def _neighbours(self):
        self.around = [clickable(80, "take this one", functools.partial(self.take, number))
                       for number in range(OFFERED)]
        self.amount = slider("how different", 0.4, 0.1, 0.9)
        self.amount.layout.width = "250px"
        self.amount.style.description_width = "90px"
        self.amount.observe(lambda change: self.soon(self.draw_rest, REST, anew=True), "value")
        return column(title("Click the one you like better"), row(*self.around[:3]), row(*self.around[3:]),
                      self.amount, press("Others", self.others, "refresh"))

    # from state to state

    def go(self, state, moved=None):
        """To another state; moved: the name of the slider that did it."""
        last_moved = self.history[-1][0] if self.history else None
        if moved is None or moved != last_moved:
            self.history.append((moved, self.state))
        self._show(state)

    def undo(self):
        """Back to the state before."""
        if self.history:
            _, state = self.history.pop()
            self._show(state)

    def _show(self, state):
        self.state = state
        self.filling = True
        for name, control in self.controls.items():
            control.value = state[name]
        for name, mixer in self.mixers.items():
            mixer.show(state["labels"].get(name))
        self.filling = False
        self.soon(self.draw)

    def _control_moved(self, name, change):
        if not self.filling:
            self.go(self.state | {name: change["new"]}, None if name in self.measured else name)

    def _label_moved(self, name):
        if not self.filling:
            asked = {attribute: mixer.asked for attribute, mixer in self.mixers.items()}
            labels = {attribute: mixture for attribute, mixture in asked.items() if mixture is not None}
            self.go(self.state | {"labels": labels}, name)

    def surprise(self):
        """A face of another seed. Labels that were asked for stay; other colours are the face's own."""
        seed = random.randrange(10**6)  # noqa: S311, a face and no secret
        own = dict.fromkeys(self.measured, STAY)
        self.go(self.state | {"seed": seed, "steps": ()} | own)

    def take(self, number):
        """The neighbour on show becomes the face; its neighbours will be new ones."""
        if self.offer:
            state, seed, amount = self.offer
            self.neighbour_seed += 1
            self.go(state | {"steps": (*state["steps"], (seed, number, amount))})

    def others(self):
        """Other neighbours."""
        self.neighbour_seed += 1
        self.soon(self.draw_rest)

    def keep(self):
        """The face becomes a favourite."""
        self.kept = [*self.kept, self.state][-FAVOURITES:]
        self.favourites.children = [title("Kept"), *self.best[:len(self.kept)]]
        for cell, state in zip(self.best, self.kept, strict=False):
            put(cell.children[0], generate(self.G, character(self.generator, **state))[0])

    def back_to(self, number):
        """A favourite becomes the face again."""
        self.go(self.kept[number])

    # from a state to pictures

    def draw(self):
        where_from = {name: self.state[name] for name in WHERE_FROM}
        if where_from != self.base_of:
            self.base = origin(self.G, **where_from)
            self.base_of = where_from
        self.shown = character(self.generator, **self.state, base=self.base)
        put(self.image, generate(self.G, self.shown)[0])
        self.undo_button.disabled = not self.history
        settings = ", ".join(f"{name}={value!r}" for name, value in self._settings_that_count().items())
        self.tell(f"character(generator, {settings})")
        self.soon(self.draw_rest, REST, anew=True)

    def _settings_that_count(self):
        """The state without colours that stay, and without steps or labels where there are none."""
        idle = {name for name in ("steps", "labels") if not self.state.get(name)}
        for name in self.measured:
            if self.state[name] == STAY:
                idle |= {name, f"{name}_amount"}
        return {name: value for name, value in self.state.items() if name not in idle}

    def draw_rest(self):
        """The neighbours, which can wait until the slider rests."""
        self.offer = self.state, self.neighbour_seed, self.amount.value
        for cell, image in zip(self.around, self._neighbour_images(), strict=True):
            put(cell.children[0], image)

    def _neighbour_images(self):
        """Images of the neighbours, with the same labels, and the same colours named."""
        c = labels_of(self.G, [self.state["seed"]])
        near = neighbours(self.G, self.base, self.neighbour_seed, self.amount.value, self.state["psi"], c)
        faces = [character(self.generator, **self.state, base=ws[None]) for ws in near]
        return generate(self.G, torch.cat(faces))

    def save(self):
        path = self.save_as("character", ".png")
        save_latents(path.with_suffix(".safetensors"), self.generator, self.shown, **self.state)
        write_atomic(path, picture_with_latents(self.figure(), self.generator, self.shown, **self.state))
        self.say_saved(path)

    def figure(self):
        """The character sheet."""
        return character_sheet(generate(self.G, self.shown)[0], self._neighbour_images(), self.text,
                               identity(self.generator))


def what_colours_are(learned, measured):
    """A sentence that says which colours are labels that a generator has learned, and which directions in w.
    """
    sentences = []
    for names, words in ((learned, "labels that this generator has learned"),
                         (measured, "directions in w, measured afterwards")):
        if names:
            sentences.append(f"{' and '.join(names).capitalize()}: {words}.")
    return html.escape(" ".join(sentences))


def character_sheet(image, variations, settings, model):
    """PIL image of a character: the face, six variations, its colours, the settings in words.

    image: uint8 (H, W, 3); variations: uint8 (6, H, W, 3); settings and model: texts.
    """
    lines = textwrap.wrap(settings, 92)
    page = Image.new("RGB", (760, 470 + 18 * len(lines)), "white")
    draw = ImageDraw.Draw(page)
    page.paste(resized(Image.fromarray(image), (384, 384)), (16, 16))
    draw.text((416, 16), "Variations", INK, FONT)
    for i, pixels in enumerate(variations):
        small = resized(Image.fromarray(pixels), (108, 108))
        page.paste(small, (416 + i % 3 * 112, 44 + i // 3 * 112))
    colours = face_colours(image[None])[0].reshape(2, 3).round().astype(int)
    for name, colour, top in zip(("hair", "eyes"), colours, (288, 346), strict=True):
        code = "#{:02x}{:02x}{:02x}".format(*colour)
        draw.rectangle((416, top, 476, top + 50), code, GREY)
        draw.text((488, top + 14), f"{name} {code}", INK, FONT)
    draw.text((16, 416), "\n".join(lines), GREY, font(13))
    draw.text((16, page.height - 24), model, GREY, font(10))
    return page
