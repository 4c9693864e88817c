"""The panel that designs a character, and its character sheet."""
import functools
import html
import random
import textwrap
from typing import Any

import ipywidgets as widgets
from PIL import Image, ImageDraw

from ...colors import GREY, INK
from ...errors import GanlibError
from ...images import resized
from ...models.sampling import generate
from ...view.pictures import FONT, font
from ..characters import OFFERED, STAY, character, neighbours, origin
from ..directions import directions, face_colours
from ..kept_faces import Face
from ..latent_files import identity
from ..named_colours import COLOURS, how_near
from ..styles import labels_of
from .base import Panel, character_code
from .controls import (
    CONTROL_WIDTH,
    clickable,
    column,
    columns,
    field,
    label_menus,
    picture,
    press,
    put,
    row,
    slider,
    title,
)
from .history import History

REST = 0.2  # seconds without an event, after which the neighbours are drawn
SAME = 0.01  # of a latent: how far a face from its settings may be from the one that was kept
WHERE_FROM = ("seed", "psi", "steps")  # the settings that `origin` takes
ALONE = "nothing"  # what a class is mixed with


class LabelMixer:
    """The controls of a label that the generator has learned: its class, a second one, how much of that.

    menu: of its classes, with STAY first. moved: called when a person has changed something, with the label's
    name, and the name of a slider or None. `asked` is None, a class, or a mixture, as for `character`.
    """

    def __init__(self, menu, moved):
        self.menu = menu
        classes = [name for name in menu.options if name != STAY]
        self.other = field(widgets.Dropdown, "mixed with", ALONE, options=[ALONE, *classes])
        self.amount = slider("how much of it", 0.5, 0, 1)
        self.children = [self.menu, self.other, self.amount]
        name = menu.description
        self.menu.observe(lambda change: moved(name, None), "value")
        self.other.observe(lambda change: moved(name, None), "value")
        self.amount.observe(lambda change: moved(name, f"how much of {name}"), "value")

    @property
    def asked(self):
        if self.other.value in (ALONE, self.menu.value):
            return None if self.menu.value == STAY else self.menu.value
        share = round(self.amount.value, 2)
        return {self.menu.value: round(1 - share, 2), self.other.value: share}

    def can_show(self, asked):
        """Whether the controls can be set to what is asked for."""
        classes = [*asked.items()] if isinstance(asked, dict) else [(asked, 1)]
        return len(classes) in (1, 2) and all(
            name in self.menu.options and isinstance(share, int | float) and 0 <= share <= 1
            for name, share in classes)

    def show(self, asked):
        """Set the controls to what is asked for."""
        mixture = asked if isinstance(asked, dict) else {asked or STAY: 0.5, ALONE: 0.5}
        self.menu.value = next(iter(mixture))
        self.other.value, self.amount.value = [*mixture.items()][-1]
        self.amount.disabled = self.other.value == ALONE


class DesignPanel(Panel):
    """A character: surprise, neighbours to click (evolution by taste), colours, undo, a sheet.

    Where the generator has learned labels, their menus ask for them; colours that it has not learned are
    directions in w. The state holds the settings of `character`; "base" in it is a Face in the place of a
    seed, or None.
    """

    stem = "character"
    near: Any  # ws of the neighbours on show, before their colours
    kinds = {"sheet": ".png", "picture": ".png", "latent file": ".safetensors"}

    def build(self):
        directions(self.generator)  # raises where there are no styles
        self.filling = False  # controls are being set to a state: their events are no one's wish
        self.start = self.start_of = None  # what the face begins with, and for which settings
        self.offer = None  # state, seed and amount of the neighbours on show
        self.near = None
        self.neighbour_seed = 1
        self.image = picture(256)
        colours = self._colours()
        state = {"seed": 3, "steps": (), "base": None, "changes": {}, "hold": self._holds()}
        state |= {name: control.value for name, control in self.controls.items()}
        self.history = History(state | ({"labels": {}} if self.mixers else {}), self._show)
        left = column(self.image, row(press("Surprise me", self.surprise, "random"), self.history.undo_button,
                                      self.history.redo_button), self.history.strip)
        return [columns(left, colours, self._neighbours())]

    @property
    def state(self):
        return self.history.now

    def _holds(self):
        """Whether colours leave the coarse layers alone: measured ones do, so the shape of a face stays."""
        return bool(self.measured)

    def _colours(self):
        """The column of controls, which hold the state's other settings."""
        self.controls = {"psi": slider("boldness (psi)", 0.7, 0.1, 1.2)}
        self.measured = [name for name in COLOURS if name not in self.G.attributes]
        for name in self.measured:
            self.controls[name] = field(widgets.Dropdown, name, STAY, options=[STAY, *COLOURS[name]])
            amount = slider("how much", 1, 0, 2, 0.1)
            amount.disabled = True  # until there is a colour
            self.controls[f"{name}_amount"] = amount
        for name, control in self.controls.items():
            control.observe(functools.partial(self._control_moved, name), "value")
        self.mixers = {name: LabelMixer(menu, self._label_moved)
                       for name, menu in label_menus(self.G, STAY).items()}
        for mixer in self.mixers.values():
            mixer.show(None)
        boldness, *others = self.controls.values()
        of_labels = [control for mixer in self.mixers.values() for control in mixer.children]
        what = widgets.HTML(what_colours_are([*self.mixers], self.measured),
                            layout=widgets.Layout(width=CONTROL_WIDTH))
        return column(title("Colours"), what, boldness, *of_labels, *others)

    def _neighbours(self):
        self.around = [clickable(80, "take this one", functools.partial(self.take, number))
                       for number in range(OFFERED)]
        self.amount = slider("how different", 0.4, 0.1, 0.9)
        self.amount.layout.width = "280px"
        self.amount.observe(lambda change: self.soon(self.draw_rest, REST, anew=True), "value")
        return column(title("Click the one you like better"), row(*self.around[:3]), row(*self.around[3:]),
                      self.amount, press("Others", self.others, "refresh"))

    # from state to state

    def go(self, state, moved=None):
        """To another state; moved: the name of the slider that did it."""
        self.history.add(state, moved)
        self._show(state)

    def _show(self, state):
        """Set all controls to a state."""
        self.filling = True
        try:
            for name, control in self.controls.items():
                control.value = state[name]
            for name in self.measured:
                self.controls[f"{name}_amount"].disabled = state[name] == STAY
            self.controls["psi"].disabled = state["base"] is not None
            for name, mixer in self.mixers.items():
                mixer.show(state["labels"].get(name))
        finally:
            self.filling = False
        self.soon(self.draw)

    def _control_moved(self, name, change):
        if not self.filling:
            self.go(self.state | {name: change["new"]}, None if name in self.measured else name)

    def _label_moved(self, name, slider_moved):
        if not self.filling:
            labels = {other: mixture for other, mixture in self.state["labels"].items() if other != name}
            asked = self.mixers[name].asked
            labels |= {} if asked is None else {name: asked}
            self.go(self.state | {"labels": labels}, slider_moved)

    def surprise(self):
        """A face of another seed. Labels that were asked for stay; other colours are the face's own."""
        seed = random.randrange(10**6)  # noqa: S311, a face and no secret
        own = dict.fromkeys(self.measured, STAY)
        fresh = {"seed": seed, "steps": (), "base": None, "changes": {}, "hold": self._holds()}
        self.go(self.state | fresh | own)

    def take(self, number):
        """The neighbour on show becomes the face; its neighbours will be new ones."""
        if not self.offer:
            return
        state, seed, amount = self.offer
        self.neighbour_seed += 1
        if state["base"] is None:
            self.go(state | {"steps": (*state["steps"], (seed, number, amount))})
        else:
            self.go(state | {"base": Face(self.near[number:number + 1])})

    def others(self):
        """Other neighbours."""
        self.neighbour_seed += 1
        self.soon(self.draw_rest)

    def take_face(self, face):
        """A kept face becomes the face: by its settings, where it has some, else by its latents."""
        own = {name: STAY for name in self.measured} | {f"{name}_amount": 1.0 for name in self.measured}
        plain: dict = {"steps": (), "base": None, "changes": {}, "hold": False, "psi": 0.7} | own
        plain |= {"labels": {}} if self.mixers else {}
        try:
            state = self.state | plain | self._settings_of(face, plain)
        except (TypeError, ValueError, KeyError, AttributeError, GanlibError):
            # its settings are no state of this panel
            state = self.state | plain | {"base": face, "hold": self._holds()}
        self.go(state)

    def _settings_of(self, face, plain):
        """The settings of a kept face as a part of a state. Raises where they give another face, or none."""
        given = {name: value for name, value in face.settings.items() if value not in ({}, [], None)}
        given["steps"] = tuple(tuple(step) for step in given.get("steps", ()))
        unknown = set(given) - ({"seed", *plain} - {"base"})
        if "seed" not in given or unknown:
            raise ValueError(f"these are no settings of this panel: {unknown}")
        for name, asked in given.get("labels", {}).items():
            if not self.mixers[name].can_show(asked):
                raise ValueError(f"{name}={asked!r} cannot be shown")
        for name in self.measured:
            if given.get(name, STAY) not in self.controls[name].options:
                raise ValueError(f"{name}={given[name]!r} cannot be shown")
        again = character(self.generator, **given)
        if again.shape != face.latents.shape or (again - face.latents).abs().max() > SAME:
            raise ValueError("the settings give another face")
        return given

    # from a state to pictures

    def draw(self):
        state = self.state
        where_from = {name: state[name] for name in (*WHERE_FROM, "base")}
        if where_from != self.start_of:
            if state["base"] is None:
                self.start = origin(self.G, **{name: state[name] for name in WHERE_FROM})
            else:
                self.start = state["base"].latents
            self.start_of = where_from
        self.shown = self._drawn_like(self.start)
        self.drawn = self._settings_that_count() if state["base"] is None else {}
        pixels = self.pixels()
        put(self.image, pixels)
        self.history.draw(pixels)
        self._tell_code()
        self._say_missed(pixels)
        self.soon(self.draw_rest, REST, anew=True)

    def _drawn_like(self, base):
        """ws of faces, ws (n, L, w_dim), with everything that the state asks for but where they come from."""
        settings = {name: value for name, value in self.state.items() if name not in (*WHERE_FROM, "base")}
        seed = self.state["seed"] if self.state["base"] is None else None
        return character(self.generator, base=base, seed=seed, **settings)

    def _tell_code(self):
        base = self.state["base"]
        if base is not None and base.path is None:
            self.tell_of_latents("This face")
            return
        text, imports = character_code(self._settings_that_count(), base and base.path)
        self.tell(text, imports=imports)

    def _say_missed(self, pixels):
        """Say which named colour the face did not reach."""
        state = self.state
        wanted = {name: state[name] for name in self.measured
                  if state[name] != STAY and state[f"{name}_amount"] == 1}
        missed = how_near(pixels, wanted) if wanted and not state["changes"] else ""
        if missed:
            self.say(missed, "")

    def _settings_that_count(self):
        """The settings of the state that do something, as `character` takes them."""
        at_times = "steps", "labels", "changes", "hold"
        idle = {"base", *(name for name in at_times if not self.state.get(name))}
        if self.state["base"] is not None:
            idle |= {*WHERE_FROM}
        if not self.state["changes"] and all(self.state[name] == STAY for name in self.measured):
            idle.add("hold")
        for name in self.measured:
            if self.state[name] == STAY:
                idle.add(name)
            if self.state[name] == STAY or self.state[f"{name}_amount"] == 1:
                idle.add(f"{name}_amount")
        return {name: value for name, value in self.state.items() if name not in idle}

    def face(self):
        return Face(self.shown, self.drawn)

    def draw_rest(self):
        """The neighbours, which can wait until the slider rests."""
        self.offer = self.state, self.neighbour_seed, self.amount.value
        for cell, image in zip(self.around, self._neighbour_images(), strict=True):
            put(cell.children[0], image)

    def _neighbour_images(self):
        """Images of the neighbours, with the same labels, and the same colours named."""
        state = self.state
        c = labels_of(self.G, [state["seed"]]) if state["base"] is None else None
        self.near = neighbours(self.G, self.start, self.neighbour_seed, self.amount.value, state["psi"], c)
        return generate(self.G, self._drawn_like(self.near))

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
