"""The panel of directions: a face, and sliders that change one thing about it."""
import random

import ipywidgets as widgets
import torch

from ...images import grid
from ...models.sampling import generate
from ...seeding import seed_numbers, words_told
from ..characters import character, origin
from ..directions import directions
from ..kept_faces import Face
from ..named_colours import LOOKS
from .base import Panel, character_code
from .controls import column, columns, hint, picture, press, put, row, slider, title
from .history import History

SLIDER_WIDTH = "440px"  # of a slider with its name: room for a hand, and for every name
SLIDER_NAME_WIDTH = "200px"


class DirectionsPanel(Panel):
    """A face, and sliders for colours and for the first ten closed-form directions."""

    stem = "directions"
    found = None  # a Face to begin with, where it is not that of a seed
    found_words = "What was found"

    def build(self):
        named, _ = directions(self.generator)
        self.filling = False  # sliders are being set: their events are no one's wish
        self.sliders = {name: self._slider(name) for name in [*named, *LOOKS]}
        self.before, self.image = picture(144), picture(256)
        self.hold = widgets.Checkbox(value=True, description="hold the rest of the face", indent=False,
                                     layout=widgets.Layout(width="auto"))
        pictures = self.pictures()
        self.history = History(self._state(), self._show)
        self.hold.observe(lambda change: self._moved(None), "value")
        for name, control in self.sliders.items():
            control.observe(lambda change, name=name: self._moved(name), "value")
        buttons = row(press("Reset sliders", self.reset, "arrows-h"), self.history.undo_button,
                      self.history.redo_button)
        return [columns(pictures, column(self._tabs(), self.hold, buttons)), self.history.strip]

    def _slider(self, name):
        made = slider(name, 0, -4, 4, 0.1)
        made.layout.width, made.style.description_width = SLIDER_WIDTH, SLIDER_NAME_WIDTH
        return made

    def _tabs(self):
        """The sliders on two pages: directions, and colours."""
        every = [*self.sliders.values()]
        count = len(every) - len(LOOKS)
        tabs = widgets.Tab([widgets.VBox(every[:count]), widgets.VBox(every[count:])])
        for page, text in enumerate(("Directions", "Colours")):
            tabs.set_title(page, text)
        return tabs

    def pictures(self):
        """The pictures, and what chooses the face."""
        self.seed = widgets.Text(value="3", description="seed", continuous_update=False,
                                 style={"description_width": "40px"}, layout=widgets.Layout(width="144px"))
        self.seed.observe(self._seed_typed, "value")
        choice = column(title("before"), self.before, self.seed,
                        press("Another face", self.another, "random"), hint("or click a kept face"))
        return columns(choice, column(title("after"), self.image))

    # from state to state: (the seed's text, the Face in its place, {slider: value}, whether to hold the rest)

    def _state(self):
        values = {name: round(control.value, 2) for name, control in self.sliders.items()}
        return self.seed.value, self.found, values, self.hold.value

    def _moved(self, name):
        if not self.filling:
            self.history.add(self._state(), name)
            self.soon(self.draw)

    def _show(self, state):
        """Set everything to a state."""
        self.filling = True
        try:
            self.seed.value, self.found, values, self.hold.value = state
            for name, value in values.items():
                self.sliders[name].value = value
        finally:
            self.filling = False
        self.soon(self.draw)

    def _seed_typed(self, change):
        if not self.filling and change["new"].strip():
            self.found = None
            self._moved(None)
        elif not self.filling and self.found is None:
            self.seed.value = change["old"]  # no seed at all is no wish

    def another(self):
        self.seed.value = str(random.randrange(10**6))  # noqa: S311, a face and no secret

    def take_face(self, face):
        """A kept face is the one to change."""
        self._begin_with(face)

    def _begin_with(self, face):
        """A Face is the one to change, with all sliders in the middle."""
        state = "", face, dict.fromkeys(self.sliders, 0.0), self.hold.value
        self.history.add(state)
        self._show(state)

    def reset(self):
        """All sliders back to the middle."""
        state = self.seed.value, self.found, dict.fromkeys(self.sliders, 0.0), self.hold.value
        self.history.add(state)
        self._show(state)

    # from a state to pictures

    def _settings(self):
        """The settings of now, as `character` takes them."""
        changes = {name: round(control.value, 2) for name, control in self.sliders.items() if control.value}
        settings: dict = {} if self.found is not None else {"seed": self._seed()}
        if changes:
            settings |= {"changes": changes} | ({"hold": True} if self.hold.value else {})
        return settings

    def _seed(self):
        """The number of the seed that stands there, which may be a word."""
        return seed_numbers([self.seed.value])[0]

    def draw(self):
        base = origin(self.G, self._seed()) if self.found is None else self.found.latents
        settings = self._settings()
        changes = {name: value for name, value in settings.items() if name != "seed"}
        self.shown = character(self.generator, base=base, **changes)
        self.drawn = settings  # of the picture, when what stands there now is refused
        shown = self.pixels()
        put(self.image, shown)
        put(self.before, generate(self.G, base)[0])
        self.history.draw(shown)
        path = self.found.path if self.found else None
        text, imports = character_code(settings, path)
        if self.found and not path:
            self.tell_of_latents(self.found_words)
        else:
            self.tell(text, imports=imports)
        if self.found is None and words_told([self.seed.value]):
            self.say(f"{words_told([self.seed.value])}.", "")

    def face(self):
        return Face(self.shown, {} if self.found else self.drawn)

    def figure(self):
        """The face along the first five directions, from -3 to 3."""
        named, _ = directions(self.generator)
        steps = [-3.0, -1.5, 0.0, 1.5, 3.0]
        faces = [self.shown + step * direction for direction in [*named.values()][:5] for step in steps]
        return grid(generate(self.G, torch.cat(faces)), len(steps))
