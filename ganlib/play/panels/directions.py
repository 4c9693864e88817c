"""Panels to play with a generator: walk, mix, directions, design a character, find a picture in it.

Core ipywidgets only, so that Colab, JupyterLab and VS Code can all show them. A face to click is a picture under a
transparent button of the same size, both in one cell of a GridBox: no CSS and no script of our own.
"""
import random

import ipywidgets as w
import torch
from PIL import Image

from ...files import write_atomic
from ...images import encoded, grid
from ...models.sampling import generate
from ..directions import LOOKS, character, directions, origin
from ..latent_files import save_latents
from .base import Panel, column, picture, press, put, row, slider, title


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
        self.shown = character(self.G, base=base, **{k: v for k, v in self.drawn.items() if k in ("changes", "hold")})
        put(self.image, generate(self.G, self.shown)[0])
        put(self.before, generate(self.G, base)[0])
        told = ", ".join(f"{k}={v}" for k, v in self.drawn.items())
        self.tell(f"character(G, {told})" if self.start is None else f"{told or 'as found'} (Save keeps it in a file)")

    def save(self):
        path = self.save_as(self.name, ".safetensors")
        save_latents(path, self.G, self.shown, **self.drawn)
        write_atomic(path.with_suffix(".png"), encoded(Image.fromarray(generate(self.G, self.shown)[0]).save))
        self.saved(path.with_suffix(".png"))

    def figure(self):
        named = directions(self.G)[0]
        some = [self.shown + k * v for v in [*named.values()][:5] for k in (-3.0, -1.5, 0.0, 1.5, 3.0)]
        return grid(generate(self.G, torch.cat(some)), 5)
