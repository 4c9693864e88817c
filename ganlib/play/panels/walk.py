"""The panel of walks: from face to face, with a position to drag."""
from typing import Any

import ipywidgets as widgets
import numpy as np

from ...errors import GanlibError
from ...images import grid
from ...models.sampling import generate
from ...seeding import words_told
from ...view.movies import movie
from ..kept_faces import Face
from ..walks import EACH, stop_list, way
from .base import Panel
from .controls import (
    AS_DRAWN,
    column,
    columns,
    field,
    hint,
    label_menus,
    picture,
    press,
    put,
    row,
    slider,
    title,
)

POSITIONS = 101  # points of a way, from 0 to 100%
IN_A_MOVIE = 2  # of them every second one is a frame
STAYS = "stays"  # a label that does not change on the way
FROM_TRAY = "@"  # before the name of a kept face


class WalkPanel(Panel):
    """From face to face: seeds and kept faces, a position to play, psi, noise, path; GIF, WebP, MP4.

    Where the generator has learned labels, menus say which the faces have, and to which they go. One seed is
    then enough: one face in other colours.
    """

    stem = "walk"
    found: Any  # the latents of a way, and the settings that it was found for
    kinds = {"WebP": ".webp", "GIF": ".gif", "MP4": ".mp4", **Panel.kinds}

    def build(self):
        self.found = self.found_for = None
        self.noise_seed = 1
        self.image = picture(256)
        self.loop = widgets.Checkbox(value=True, description="movies end where they begin", indent=False,
                                     layout=widgets.Layout(width="auto"))
        return [columns(column(self.image, self._play()), column(*self._controls(), self.loop))]

    def _play(self):
        """The slider of the position, and a button that moves it in the browser."""
        self.position = slider("position (%)", 0, 0, POSITIONS - 1, 1, widgets.IntSlider)
        self.position.layout.width = "420px"  # room for a fine hand
        play = widgets.Play(min=0, max=POSITIONS - 1, step=1, interval=120)
        self.link = widgets.jslink((play, "value"), (self.position, "value"))
        return play

    def _controls(self):
        self.seeds = field(widgets.Text, "stops", "3, 7, 12", continuous_update=False)
        self.path = field(widgets.Dropdown, "path", "spherical", options=["spherical", "straight"])
        self.psi = slider("psi (0: average)", 0.7, 0, 1.2)
        self.groups = {name: slider(f"psi, {name}", 0.7, 0, 1.2) for name in ("coarse", "middle", "fine")}
        self.noise = field(widgets.Dropdown, "noise", "fixed", options=["fixed", "off", "fresh"])
        self.psi.observe(self._all_groups, "value")
        self.watch(self.seeds, self.position, self.path, *self.groups.values(), self.noise)
        about = hint("Stops are seeds or words. A click on a kept face adds it.")
        first = self.position, self.seeds, about, *self._label_rows(), self.path
        if not self.generator.has_styles:
            return *first, title("This generator has no styles: only the way can be chosen.")
        fresh = press("Fresh noise", self.reseed, "random")
        more = widgets.Accordion([widgets.VBox([*self.groups.values(), self.noise, fresh])])
        more.set_title(0, "psi by layers, noise")
        more.selected_index = None
        return *first, self.psi, more

    def _label_rows(self):
        """For each label that the generator has learned, a menu of how it begins and one of where it goes."""
        self.labels = label_menus(self.G, AS_DRAWN)
        self.goals = {}
        for name, classes in self.G.attributes.items():
            goal = field(widgets.Dropdown, "then", STAYS, options=[STAYS, *classes, EACH])
            goal.style.description_width, goal.layout.width = "40px", "180px"
            self.goals[name] = goal
        self.watch(*self.labels.values(), *self.goals.values())
        return [row(self.labels[name], self.goals[name]) for name in self.labels]

    def _all_groups(self, change):
        for group in self.groups.values():
            group.value = change["new"]

    def _psi(self):
        """One number, or {group of layers: number} where they differ."""
        values = {name: group.value for name, group in self.groups.items()}
        return self.psi.value if set(values.values()) == {self.psi.value} else values

    def reseed(self):
        """Other fresh noise."""
        self.noise_seed += 1
        self.noise.value = "fresh"
        self.soon(self.draw)

    # the way

    def take_face(self, face):
        """A kept face becomes the next stop."""
        self.seeds.value = f"{self.seeds.value.strip().rstrip(',')}, {FROM_TRAY}{face.name}".lstrip(", ")

    def kept_changed(self, old, new):
        words = []
        for word in self._words() if self.ready else []:
            if word != f"{FROM_TRAY}{old}":
                words.append(word)
            elif new is not None:
                words.append(f"{FROM_TRAY}{new}")
        if self.ready and words != self._words():
            self.seeds.value = ", ".join(words)

    def _words(self):
        """The stops one by one, as they stand there."""
        return self.seeds.value.replace(",", " ").split()

    def _settings(self):
        """The settings of now, as `way` takes them."""
        words = self._words()
        stops = [str(self.tray.named(word[1:]).path) if word.startswith(FROM_TRAY) else word
                 for word in words]
        settings = {"stops": stop_list(stops or self.seeds.value), "path": self.path.value}
        if self.generator.has_styles:
            settings["psi"] = self._psi()
        labels = {name: menu.value for name, menu in self.labels.items() if menu.value != AS_DRAWN}
        goals = {name: menu.value for name, menu in self.goals.items() if menu.value != STAYS}
        return settings | ({"labels": labels} if labels else {}) | ({"goals": goals} if goals else {})

    def _latents(self, positions):
        """z or ws at positions (a slice) of the way, which is found anew when its settings change."""
        settings = self._settings()
        found_for = settings, [self.tray.named(word[1:]) for word in self._words() if word[0] == FROM_TRAY]
        if found_for != self.found_for:
            self.found = way(self.generator, **settings)
            self.found_for = found_for
        return self.found[positions]

    def _noise(self):
        return self.noise_seed if self.noise.value == "fresh" else self.noise.value

    def draw(self):
        at = self.position.value
        put(self.image, self._frames(self._latents(slice(at, at + 1)))[0])
        settings = self._settings()
        words = ", ".join(f"{name}={value!r}" for name, value in settings.items())
        noise = "" if self._noise() == "fixed" else f", noise={self._noise()!r}"
        self.tell(f"way(generator, {words})[{at}:{at + 1}]",
                  f"ganlib.grid(ganlib.generate(generator, face{noise}), scale=4)",
                  imports=["from ganlib.play.walks import way"])
        told = words_told([word for word in self._words() if not word.startswith(FROM_TRAY)])
        if told:
            self.say(f"{told}.", "")

    def _frames(self, latents):
        """Images of latents of the way, uint8 (n, H, W, 3)."""
        if self.noise.value != "fresh":
            return generate(self.G, latents, noise=self.noise.value)
        alike = [generate(self.G, one[None], noise=self.noise_seed) for one in latents]  # one noise for all
        return np.concatenate(alike)

    def face(self):
        at = self.position.value
        return Face(self._latents(slice(at, at + 1)))

    def pixels(self):
        return self._frames(self.face().latents)[0]

    # saving

    def write(self, kind, path, size):
        if kind not in ("WebP", "GIF", "MP4"):
            return super().write(kind, path, size)
        frames = self._frames(way(self.generator, **self._settings(), loop=self.loop.value)[::IN_A_MOVIE])
        movie(path, frames, size=size)

    def save(self):
        """As for all panels; a GIF where an MP4 cannot be made."""
        try:
            super().save()
        except GanlibError as error:
            if self.what.value != "MP4":
                raise
            path = self.save_as(self.stem, ".gif")
            self.write("GIF", path, self.size.value)
            self.say(f"{error} Here is a GIF instead. Saved {path}", "", path)

    def figure(self):
        return grid(self._frames(self._latents(slice(0, POSITIONS - 1, 11))), 10)
