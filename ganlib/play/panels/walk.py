"""The panel of walks: from face to face, with a position to drag."""
import functools

import ipywidgets as widgets
import numpy as np
import torch

from ...colors import INK
from ...errors import GanlibError
from ...images import grid
from ...models.sampling import generate, seed_latents, styles
from ...seeding import seed_numbers, words_told
from ...view.movies import movie
from ..styles import label_vectors, labels_of, walk, with_vectors
from .base import (
    AS_DRAWN,
    Panel,
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

POSITIONS = 101  # points of a way, from 0 to 100%
STAYS = "stays"  # a label that does not change on the way
EACH = "each in turn"


class WalkPanel(Panel):
    """From face to face: seeds, a position to play, psi (also by group of layers), noise, path; GIF, MP4.

    Where the generator has learned labels, menus say which the faces have, and to which they go. One seed is
    then enough: one face in other colours.
    """

    def build(self):
        self.way = torch.empty(0)  # the latents of a way, whose labels are unknown,
        self.vectors = torch.empty(0)  # ... what its labels add,
        self.way_of = None  # ... and the settings that it was found for
        self.noise_seed = 1
        self.image = picture(256)
        return [row(column(self.image, self._play()), column(*self._controls(), self._save_buttons()))]

    def _play(self):
        """The slider of the position, and a button that moves it in the browser."""
        self.position = slider("position (%)", 0, 0, POSITIONS - 1, 1, widgets.IntSlider)
        self.position.layout.width = "420px"  # room for a fine hand
        play = widgets.Play(min=0, max=POSITIONS - 1, step=1, interval=120)
        self.link = widgets.jslink((play, "value"), (self.position, "value"))
        return play

    def _controls(self):
        self.seeds = field(widgets.Text, "seeds", "3, 7, 12", continuous_update=False)
        self.path = field(widgets.Dropdown, "path", "spherical", options=["spherical", "straight"])
        self.psi = slider("psi (0: average)", 0.7, 0, 1.2)
        self.groups = {name: slider(f"psi, {name}", 0.7, 0, 1.2) for name in ("coarse", "middle", "fine")}
        self.noise = field(widgets.Dropdown, "noise", "fixed", options=["fixed", "off", "fresh"])
        self.psi.observe(self._all_groups, "value")
        self.watch(self.seeds, self.position, self.path, *self.groups.values(), self.noise)
        first = self.position, self.seeds, *self._label_rows(), self.path
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

    def _save_buttons(self):
        def button(kind):
            work = functools.partial(self.export, f".{kind.lower()}")
            return press(f"Save {kind}", lambda: self.act(work), "download")

        return row(button("GIF"), button("MP4"))

    def _all_groups(self, change):
        for group in self.groups.values():
            group.value = change["new"]

    def _psi_of_groups(self):
        return {name: group.value for name, group in self.groups.items()}

    def reseed(self):
        """Other fresh noise."""
        self.noise_seed += 1
        self.noise.value = "fresh"
        self.soon(self.draw)

    def _way_latents(self, positions):
        """z or ws at positions (a slice) of the way, which is found anew when its ends or its path change."""
        menus = [*self.labels.values(), *self.goals.values()]
        asked = [self.seeds.value, self.path.value, *(menu.value for menu in menus)]
        if asked != self.way_of:
            self._find_way()
            self.way_of = asked
        part = self.way[positions]
        if self.generator.has_styles:
            part = styles(self.G, part, self._psi_of_groups())
        return with_vectors(self.G, part, self.vectors[positions]) if self.labels else part

    def _find_way(self):
        z = seed_latents(self.G, self.seeds.value)
        label_stops = self._label_stops()
        if len(z) < 2 and all(len(c) < 2 for c in label_stops):
            other = ", or a label to go to" if self.labels else ""
            raise GanlibError(f"seeds: found {self.seeds.value!r}; expected two or more, as in 3, 7{other}.")
        if self.generator.has_styles and self.path.value == "straight":
            z = styles(self.G, z)
        self.way = _through(z, self.path.value)
        ways = [_through(label_vectors(self.G, c), "straight") for c in label_stops]
        self.vectors = torch.stack(ways).sum(0) if ways else torch.empty(0)

    def _label_stops(self):
        """For each attribute the labels c (n, K) that it goes through, all others unknown."""
        asked = {name: menu.value for name, menu in self.labels.items() if menu.value != AS_DRAWN}
        drawn = labels_of(self.G, self.seeds.value, asked)  # (n, K), of the seeds
        stops = []
        for column_of, (name, classes) in enumerate(self.G.attributes.items()):
            numbers = drawn[:, column_of].tolist()
            goal = self.goals[name].value
            if goal == EACH:
                begin = max(0, numbers[0])
                numbers = [(begin + step) % len(classes) for step in range(len(classes) + 1)]
            elif goal != STAYS:
                numbers = [numbers[0], classes.index(goal)]
            c = torch.full((len(numbers), len(self.G.attributes)), -1)
            c[:, column_of] = torch.tensor(numbers)
            stops.append(c)
        return stops

    def draw(self):
        at = self.position.value
        put(self.image, self.frames(slice(at, at + 1))[0])
        seeds = " → ".join(map(str, seed_numbers(self.seeds.value)))
        told = words_told(self.seeds.value)
        seeds += f" ({told})" if told else ""
        text = f"seeds {seeds}; position {at / 100:.2f}; {self.path.value} path{self._labels_in_words()}"
        if self.generator.has_styles:
            noise = f"fresh {self.noise_seed}" if self.noise.value == "fresh" else self.noise.value
            text += f"; psi {self._psi_in_words()}; noise {noise}"
        self.tell(text)

    def _labels_in_words(self):
        """The labels that are not left to the seeds, as in "; hair pink → blue"."""
        words = ""
        for name, menu in self.labels.items():
            goal = self.goals[name].value
            if goal != STAYS:
                words += f"; {name} {menu.value} → {goal}"
            elif menu.value != AS_DRAWN:
                words += f"; {name} {menu.value}"
        return words

    def _psi_in_words(self):
        values = self._psi_of_groups()
        if set(values.values()) == {self.psi.value}:
            return f"{self.psi.value:g}"
        return " ".join(f"{name} {value:g}" for name, value in values.items())

    def frames(self, positions):
        """Images at positions (a slice) of the way, uint8 (n, H, W, 3)."""
        way = self._way_latents(positions)
        if self.noise.value != "fresh":
            return generate(self.G, way, noise=self.noise.value)
        alike = [generate(self.G, one[None], noise=self.noise_seed) for one in way]  # one noise for all
        return np.concatenate(alike)

    def export(self, suffix):
        """Save the way as a GIF or MP4; a GIF where an MP4 cannot be made."""
        frames = self.frames(slice(None, None, 2))
        note = ""
        path = self.save_as("walk", suffix)
        try:
            movie(path, frames)
        except GanlibError as error:
            if suffix == ".gif":
                raise
            note = f"{error} Here is a GIF instead. "
            path = self.save_as("walk", ".gif")
            movie(path, frames)
        self.say(f"{note}Saved {path}", INK, path)

    def figure(self):
        return grid(self.frames(slice(0, POSITIONS - 1, 11)), 10)


def _through(stops, kind):
    """The POSITIONS of a `walk` through stops; one stop stays where it is."""
    stops = stops.repeat(2, *[1] * (stops.ndim - 1)) if len(stops) == 1 else stops
    return walk(stops, POSITIONS, kind)
