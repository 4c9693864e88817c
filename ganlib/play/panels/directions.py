"""The panel of directions: a face, and sliders that change one thing about it."""
import random

import ipywidgets as widgets
import torch
from PIL import Image

from ...files import write_atomic
from ...images import grid
from ...models.sampling import generate
from ...seeding import seed_numbers
from ..characters import LOOKS, character, origin
from ..directions import directions
from ..latent_files import picture_with_latents, save_latents
from .base import Panel, column, picture, press, put, row, slider, title


class DirectionsPanel(Panel):
    """A face, and sliders for colours and for the first ten closed-form directions."""

    stem = "directions"  # of the names of saved files
    found = None  # ws to begin with, where it is not those of a seed

    def build(self):
        named, _ = directions(self.generator)
        self.sliders = {name: slider(name, 0, -4, 4, 0.1) for name in [*LOOKS, *named]}
        self.before, self.image = picture(144), picture(256)
        self.hold = widgets.Checkbox(value=False, description="hold the rest of the face", indent=False,
                                     layout=widgets.Layout(width="auto"))
        self.watch(self.hold, *self.sliders.values())
        buttons = row(press("Reset sliders", self.reset, "undo"),
                      press("Save", lambda: self.act(self.save), "download"))
        return [row(column(*self.choice()), column(title("after"), self.image),
                    column(self._tabs(), self.hold, buttons))]

    def _tabs(self):
        """The sliders on three pages: colours, and the others in two halves."""
        every = [*self.sliders.values()]
        colours = len(LOOKS)
        tabs = widgets.Tab([widgets.VBox(part) for part in
                            (every[:colours], every[colours:colours + 5], every[colours + 5:])])
        for page, text in enumerate(("Colours", "Others 1–5", "Others 6–10")):
            tabs.set_title(page, text)
        return tabs

    def choice(self):
        """The widgets that choose the face."""
        self.seed = widgets.Text(value="3", description="seed", continuous_update=False,
                                 style={"description_width": "40px"}, layout=widgets.Layout(width="144px"))
        self.watch(self.seed)
        return title("before"), self.before, self.seed, press("Another face", self.another, "random")

    def another(self):
        self.seed.value = str(random.randrange(10**6))  # noqa: S311, a face and no secret

    def reset(self):
        for control in self.sliders.values():
            control.value = 0

    def _settings(self):
        """The settings of now, as `character` takes them."""
        changes = {name: control.value for name, control in self.sliders.items() if control.value}
        settings: dict = {} if self.found is not None else {"seed": self._seed()}
        if changes:
            settings["changes"] = changes
        if self.hold.value:
            settings["hold"] = True
        return settings

    def _seed(self):
        """The number of the seed that stands there, which may be a word."""
        return seed_numbers([self.seed.value])[0]

    def draw(self):
        base = origin(self.G, self._seed()) if self.found is None else self.found
        self.drawn = self._settings()
        changes = {name: value for name, value in self.drawn.items() if name != "seed"}
        self.shown = character(self.generator, base=base, **changes)
        put(self.image, generate(self.G, self.shown)[0])
        put(self.before, generate(self.G, base)[0])
        told = ", ".join(f"{name}={value}" for name, value in self.drawn.items())
        if self.found is None:
            self.tell(f"character(generator, {told})")
        else:
            self.tell(f"{told or 'as found'} (Save keeps it in a file)")

    def save(self):
        path = self.save_as(self.stem, ".png")
        save_latents(path.with_suffix(".safetensors"), self.generator, self.shown, **self.drawn)
        face = Image.fromarray(generate(self.G, self.shown)[0])
        write_atomic(path, picture_with_latents(face, self.generator, self.shown, **self.drawn))
        self.say_saved(path)

    def figure(self):
        """The face along the first five directions, from -3 to 3."""
        named, _ = directions(self.generator)
        steps = [-3.0, -1.5, 0.0, 1.5, 3.0]
        faces = [self.shown + step * direction for direction in [*named.values()][:5] for step in steps]
        return grid(generate(self.G, torch.cat(faces)), len(steps))
