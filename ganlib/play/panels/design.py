"""Panels to play with a generator: walk, mix, directions, design a character, find a picture in it.

Core ipywidgets only, so that Colab, JupyterLab and VS Code can all show them. A face to click is a picture under a
transparent button of the same size, both in one cell of a GridBox: no CSS and no script of our own.
"""
import random
import textwrap

import ipywidgets as w
import torch
from PIL import Image, ImageDraw, ImageFont

from ...files import write_atomic
from ...images import encoded
from ...models.sampling import generate
from ...view.pictures import FONT, GREY, INK
from ..directions import (
    EYE_COLOURS,
    HAIR_COLOURS,
    NEIGHBOURS,
    STAY,
    character,
    directions,
    face_colours,
    neighbours,
    origin,
)
from ..latent_files import identity, save_latents
from .base import (
    Panel,
    clickable,
    column,
    field,
    picture,
    press,
    put,
    row,
    slider,
    title,
)


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
            "hair": field(w.Dropdown, "hair", STAY, options=[STAY, *HAIR_COLOURS]),
            "hair_amount": slider("how much", 1, 0, 2, 0.1),
            "eyes": field(w.Dropdown, "eyes", STAY, options=[STAY, *EYE_COLOURS]),
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
            put(cell.children[0], generate(self.G, character(self.G, **state))[0])

    def draw(self):
        key = {k: self.state[k] for k in ("seed", "psi", "steps")}
        if key != self.key:
            self.base, self.key = origin(self.G, **key), key
        self.shown = character(self.G, **self.state, base=self.base)
        put(self.image, generate(self.G, self.shown)[0])
        self.undo.disabled = not self.history
        left_out = {k for k in ("hair", "eyes") if self.state[k] == STAY}
        left_out |= {f"{k}_amount" for k in left_out} | ({"steps"} if not self.state["steps"] else set())
        given = {k: v for k, v in self.state.items() if k not in left_out}
        self.tell(f"character(G, {', '.join(f'{k}={v!r}' for k, v in given.items())})")
        self.soon(self.draw_rest, 0.2, anew=True)

    def near(self):
        """Images of the neighbours, with the same colours named."""
        some = neighbours(self.G, self.base, self.dice, self.amount.value, self.state["psi"])
        return generate(self.G, torch.cat([character(self.G, **self.state, base=ws[None]) for ws in some]))

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
