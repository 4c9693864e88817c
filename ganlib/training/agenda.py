"""How far a run is, how long it may go on, and what is due."""
import math
from dataclasses import dataclass


@dataclass
class State:
    """How far a run is, over all its legs."""

    images: int = 0  # seen
    seconds: float = 0.0  # of training


@dataclass(frozen=True)
class Due:
    """What is to be done after a step."""

    log: bool = False  # a record
    frame: bool = False  # a sample grid
    snapshot: bool = False  # a saved generator
    state: bool = False  # something to resume from
    stop: bool = False

    def __bool__(self):
        return self.log or self.frame or self.snapshot or self.state or self.stop


class Agenda:
    """When records, pictures, generators and states are due, and when the budget is spent."""

    def __init__(self, config, state):
        self.config = config
        self.reached = self.share(state)
        self.logged = state.images  # at the last record
        self.saved = state.seconds  # at the last state

    def share(self, state):
        """The part of the budget that is used up, by whichever limit is nearer."""
        of_images = state.images / self.config.images if self.config.images else 0
        of_time = state.seconds / (60 * self.config.minutes) if self.config.minutes else 0
        return max(of_images, of_time)

    def seconds_left(self, state, rate):
        """Seconds until the budget is spent, at so many images per second."""
        left = math.inf
        if self.config.images:
            left = (self.config.images - state.images) / max(rate, 1e-9)
        if self.config.minutes:
            left = min(left, 60 * self.config.minutes - state.seconds)
        return max(0.0, left)

    def is_log_due(self, images):
        return images // self.config.log_images > self.logged // self.config.log_images

    def due(self, state, interrupted):
        """What is Due after a step."""
        before, self.reached = self.reached, self.share(state)
        stop = self.reached >= 1 or interrupted
        due = Due(
            log=self.is_log_due(state.images),
            frame=passed(before, self.reached, self.config.frames),
            snapshot=passed(before, self.reached, self.config.generators),
            state=stop or state.seconds - self.saved >= 60 * self.config.checkpoint_minutes,
            stop=stop,
        )
        if due:
            self.logged = state.images
        if due.state:
            self.saved = state.seconds
        return due


def passed(before, now, times):
    """Whether one of `times` moments was passed; the k-th is at (k / times)^2 of the budget."""
    return math.floor(times * min(before, 1) ** 0.5) < math.floor(times * min(now, 1) ** 0.5)
