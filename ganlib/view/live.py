"""What runs and data look like: grids, curves and what they say, the progress GIF, the live panel, dropped files.

Pictures are PIL images and plots are Figures: both show inline as the last line of a cell and go to a file
with `.save(...)` or `.savefig(...)`. Nothing here opens a window or knows pyplot.
"""
import math
import time
import warnings

import numpy as np
from IPython import get_ipython
from IPython.display import Image as Shown
from IPython.display import display
from PIL import Image
from tqdm import tqdm

from ..images import encoded
from ..training.logs import folder_of, logs_of
from .curves import LOSS, Figure, draw_panel, opinion_panel
from .movies import sample_files, seen_text
from .pictures import INK


class live:
    """A hook for `train`: one panel in the notebook with curves, newest grid and speed, updated in place.

    hook(record) after a record was logged draws at most once in `every` seconds (up to 30 in a long run) from
    the run's files; hook.close() draws what is still missing. Outside a notebook it does nothing, and
    a failure in it is a warning: it never stops a training.
    """

    def __init__(self, run, every=5.0):
        self.run, self.every, self.cell, self.behind = folder_of(run), every, None, False

    def __call__(self, record=None):
        shell, now = get_ipython(), time.monotonic()
        if not hasattr(shell, "kernel"):
            return
        if self.cell != shell.execution_count:  # in another cell than before: a new panel
            self.cell, self.handle, self.begun, self.drawn = shell.execution_count, None, now, -math.inf
        self.behind = True
        if now - self.drawn >= max(self.every, min(30, (now - self.begun) / 60)):
            self.close()

    def close(self):
        """Draw what the panel does not show yet."""
        if not self.behind:
            return
        try:
            shown = Shown(encoded(self.panel().savefig), width=1000, height=570)
            if self.handle:
                self.handle.update(shown)
            else:
                self.handle = display(shown, display_id=True)
        except Exception as error:
            warnings.warn(f"The live panel could not be drawn: {error}", stacklevel=2)
        self.drawn, self.behind = time.monotonic(), False

    def panel(self):
        """Figure, 1000 pixels wide: a line of text, the curves, the newest sample grid."""
        logs = logs_of(self.run)
        figure = Figure(figsize=(10, 5.7), dpi=100)
        layout = dict(left=0.055, right=0.45, top=0.88, bottom=0.09, hspace=0.42)
        for ax, panel in zip(figure.subplots(2, 1, gridspec_kw=layout), (LOSS, opinion_panel(logs[0]))):
            draw_panel(ax, logs, *panel)
        figure.text(0.008, 0.965, _where(logs[0].config, logs[0].records[-1]), fontsize=11, color=INK, va="center")
        if files := sample_files(self.run):
            with Image.open(files[-1]) as sheet:
                size = 530, round(sheet.height * 530 / sheet.width)
                sheet = sheet.resize(size, Image.LANCZOS if sheet.width > 530 else Image.NEAREST)
            figure.figimage(np.asarray(sheet), 470, 532 - size[1])
        return figure


def _where(config, last):
    """How far a run is, in words: images seen, images/s, time left, losses."""
    rate = last["images_per_second"]
    left = min((config.images - last["images"]) / max(rate, 1e-9) if config.images else math.inf,
               60 * config.minutes - last["train_seconds"] if config.minutes else math.inf)
    left = f"{tqdm.format_interval(max(0, left))} left" if left < math.inf else ""
    return "     ".join((seen_text(last), f"{rate:.0f} images/s", left,
                         f"loss G {last['loss_g']:.2f}   D {last['loss_d']:.2f}"))
