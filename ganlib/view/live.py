"""The live panel: one picture in the notebook that follows a training."""
import math
import time
import warnings

import numpy as np
from IPython import get_ipython
from IPython.display import Image as ShownImage
from IPython.display import display
from PIL import Image
from tqdm import tqdm

from ..colors import INK
from ..images import cut, encoded, grid
from ..runs.folder import folder_of, read_scores, sample_files
from .curves import LOSS, QUALITY, Figure, draw_plot, opinion_plot
from .logs import logs_of
from .movies import seen_text

SLOWEST = 30  # seconds between two pictures, however long a run is
WIDTH, HEIGHT = 1000, 570  # pixels of the panel
SHEET_LEFT, SHEET_TOP, SHEET_WIDTH = 470, 532, 530  # pixels, from the left and from below


class LivePanel:
    """A hook for `train`: one panel in the notebook with curves, newest grid and speed, updated in place.

    hook(record) after a record was logged draws from the run's files, at most once in `every` seconds (up to
    30 in a long run). hook.close() draws what is still missing. Outside a notebook it does nothing. A failure
    in it is a warning: it never stops a training.
    """

    def __init__(self, run, every=5.0):
        self.run = folder_of(run)
        self.every = every
        self.behind = False  # whether the log has more than is drawn
        self.scored = 0  # scores that are drawn
        self.cell = None  # the number of the cell that shows the panel
        self.handle = None
        self.begun = 0.0
        self.drawn = -math.inf

    def __call__(self, record=None):
        shell = get_ipython()
        if not hasattr(shell, "kernel"):
            return
        now = time.monotonic()
        if self.cell != shell.execution_count:  # in another cell than before: a new panel
            self.cell = shell.execution_count
            self.handle = None
            self.begun = now
            self.drawn = -math.inf
        self.behind = True
        pause = max(self.every, min(SLOWEST, (now - self.begun) / 60))
        if now - self.drawn >= pause:
            self.close()

    def close(self):
        """Draw what the panel does not show yet, as scores that came after the run."""
        if not self.behind and not (self.handle and len(read_scores(self.run)) > self.scored):
            return
        try:
            self._show(ShownImage(encoded(self.panel().savefig), width=WIDTH, height=HEIGHT))
        except Exception as error:
            warnings.warn(f"The live panel could not be drawn: {error}", stacklevel=2)
        self.drawn = time.monotonic()
        self.behind = False

    def _show(self, picture):
        if self.handle:
            self.handle.update(picture)
        else:
            self.handle = display(picture, display_id=True)

    def panel(self):
        """Figure, 1000 pixels wide: a line of text, the curves, the newest sample grid."""
        logs = logs_of(self.run)
        figure = Figure(figsize=(WIDTH / 100, HEIGHT / 100), dpi=100)
        plots = [LOSS, opinion_plot(logs[0])]
        self.scored = len(logs[0].scores)
        if self.scored:
            plots.append(QUALITY)
        layout = {"left": 0.072, "right": 0.45, "top": 0.88, "bottom": 0.09, "hspace": 0.42}
        for axes, plot in zip(figure.subplots(len(plots), 1, gridspec_kw=layout), plots, strict=True):
            draw_plot(axes, logs, plot)
            if len(plots) > 2:  # they are low
                axes.yaxis.label.set_fontsize(8)
                axes.set_xlabel(axes.get_xlabel() if plot is QUALITY else "")
        text = _where(logs[0].config, logs[0].records[-1])
        figure.text(0.008, 0.965, text, fontsize=11, color=INK, va="center")
        if files := sample_files(self.run):
            sheet = _fitted(files[-1])
            figure.figimage(np.asarray(sheet), SHEET_LEFT, SHEET_TOP - sheet.height)
        return figure


def _fitted(path):
    """A sample grid in the width that the panel has for it."""
    with Image.open(path) as sheet:
        pictures = cut(sheet)
    rows, columns, side = pictures.shape[:3]
    room = (SHEET_WIDTH - 2) / columns - 2  # pixels for each picture, without the lines between
    return grid(pictures.reshape(rows * columns, side, side, 3), columns, scale=room / side)


def _where(config, last):
    """How far a run is, in words: images seen, images/s, time left, losses."""
    rate = last["images_per_second"]
    seconds = _seconds_left(config, last)
    left = f"{tqdm.format_interval(seconds)} left" if seconds < math.inf else ""
    losses = f"loss G {last['loss_g']:.2f}   D {last['loss_d']:.2f}"
    return "     ".join((seen_text(last), f"{rate:.0f} images/s", left, losses))


def _seconds_left(config, last):
    """Seconds until a budget is spent, the first of images and minutes; infinite where there is none."""
    left = [math.inf]
    if config.images:
        left.append((config.images - last["images"]) / max(last["images_per_second"], 1e-9))
    if config.minutes:
        left.append(60 * config.minutes - last["train_seconds"])
    return max(0, min(left))
