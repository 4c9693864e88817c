"""The line of progress of a long computation, and lines above it."""
import contextlib
import time

from .bars import Bar

EVERY = 1.0  # seconds between two looks at the line


class ProgressLine:
    """A bar with what was done, how fast, the time gone and the time left, and a few words.

    What it cannot write, because a terminal was closed, is left unsaid: it never stops the work. In `images`
    it counts what it is told.
    """

    def __init__(self, images, show):
        self.words = ""
        self.shown = time.monotonic(), images
        self.rate = None
        self.bar = Bar(total=100, disable=not show, dynamic_ncols=True, mininterval=0,
                        bar_format="{percentage:3.0f}%|{bar}| {desc}")

    def update(self, images, seconds, share, seconds_left, at_once=False, rate=None):
        """Show, once in a while, where the work is.

        seconds: of work so far; share: the part of it that is done, from 0 to 1; seconds_left: a function of
        the images per second; at_once: show it whenever that is; rate: images per second, where known.
        """
        now, (then, before) = time.monotonic(), self.shown
        if self.bar.disable or now - then < EVERY and not at_once:
            return
        rate = rate or (images - before) / max(now - then, 1e-9)
        self.rate = rate if self.rate is None else 0.7 * self.rate + 0.3 * rate
        self.shown = now, images
        gone = Bar.format_interval(seconds)
        left = Bar.format_interval(seconds_left(self.rate))
        text = f"{images:,} images, {self.rate:.0f} images/s [{gone}<{left}]{self.words}"
        with contextlib.suppress(OSError, ValueError):
            self.bar.n = round(100 * min(1, share), 1)
            self.bar.set_description_str(text)

    def close(self):
        with contextlib.suppress(OSError, ValueError):
            self.bar.close()


def say(text):
    """A line of its own, above any bar; left unsaid where a terminal was closed."""
    with contextlib.suppress(OSError, ValueError):
        Bar.write(text)


def silent(text):
    """In the place of `say`, where another process of the run says it."""
