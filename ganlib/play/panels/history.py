"""The history of a panel: undo, redo, and the states before as small pictures."""
import functools

from PIL import Image

from ...colors import BLUE
from ...images import encoded, resized
from .controls import clickable, mark, press, row

MOST_STATES = 100  # states that are remembered
STATES_ON_SHOW = 10  # of them, as small pictures
STATE_SIZE = 40  # pixels of these


class History:
    """States of a panel, with a place in them, and the widgets that lead there.

    show: called with the state that was chosen. A slider that moves on replaces its own last state, so that
    many moves of one slider are undone as one.
    """

    def __init__(self, state, show):
        self.states, self.pictures = [state], [b""]
        self.place = 0
        self.moved = None  # the name of the slider that made the last state
        self.show = show
        self.undo_button = press("Undo", self.undo, "undo")
        self.redo_button = press("Redo", self.redo, "repeat")
        self.cells = [clickable(STATE_SIZE, "back to this one", functools.partial(self._clicked, number))
                      for number in range(STATES_ON_SHOW)]
        self.strip = row()

    @property
    def now(self):
        return self.states[self.place]

    def add(self, state, moved=None):
        """A new state; moved: the name of the slider that made it."""
        if state == self.now:
            return
        goes_on = moved is not None and moved == self.moved
        keep = self.place if goes_on else self.place + 1
        self.states = [*self.states[:keep], state][-MOST_STATES:]
        self.pictures = [*self.pictures[:keep], b""][-MOST_STATES:]
        self.place = len(self.states) - 1
        self.moved = moved
        self._draw_buttons()

    def undo(self):
        self.go(self.place - 1)

    def redo(self):
        self.go(self.place + 1)

    def go(self, place):
        """To the state at a place, if there is one."""
        if 0 <= place < len(self.states):
            self.place, self.moved = place, None
            self._draw_buttons()
            self.show(self.now)

    def draw(self, pixels):
        """Show where we are; pixels: the picture of the state of now, uint8 (H, W, 3)."""
        small = resized(Image.fromarray(pixels), (STATE_SIZE, STATE_SIZE))
        self.pictures[self.place] = encoded(small.save, compress_level=1)
        self._draw_buttons()
        first = self._first_on_show()
        shown = self.pictures[first:first + STATES_ON_SHOW]
        for number, picture in enumerate(shown):
            self.cells[number].children[0].value = picture
            mark(self.cells[number], BLUE if first + number == self.place else None)
        self.strip.children = self.cells[:len(shown)] if len(self.states) > 1 else []

    def _draw_buttons(self):
        self.undo_button.disabled = self.place == 0
        self.redo_button.disabled = self.place == len(self.states) - 1

    def _first_on_show(self):
        """The place of the first small picture: the place of now is always among them."""
        return max(0, min(self.place - STATES_ON_SHOW // 2, len(self.states) - STATES_ON_SHOW))

    def _clicked(self, number):
        self.go(self._first_on_show() + number)
