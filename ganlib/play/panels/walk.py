"""Panels to play with a generator: walk, mix, directions, design a character, find a picture in it.

Core ipywidgets only, so that Colab, JupyterLab and VS Code can all show them. A face to click is a picture under a
transparent button of the same size, both in one cell of a GridBox: no CSS and no script of our own.
"""
import ipywidgets as w
import numpy as np

from ...errors import GanlibError
from ...images import grid
from ...models.sampling import generate, seed_latents, styles
from ...view.movies import movie
from ...view.pictures import INK
from ..styles import walk
from .base import Panel, column, field, picture, press, put, row, slider, title


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
