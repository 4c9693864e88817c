"""Figures of what runs have logged, and of a pack's labels.

A figure shows inline as the last line of a cell, and goes to a file with `.savefig(...)` or the argument
`out`. Nothing here opens a window or knows pyplot.
"""
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import matplotlib.figure
import numpy as np
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, NullFormatter

from ..colors import BLUE, COLORS, GREEN, GREY, INK, PURPLE, RED
from ..errors import GanlibError
from ..files import check_replaceable, write_atomic
from ..images import encoded
from .logs import logs_of, values_of

FAINT = "#e4e4e4"
Dashes = Literal["-", "--", ":"]


class Figure(matplotlib.figure.Figure):
    """A figure that shows inline whether or not pyplot was imported, and once only."""

    def _repr_png_(self):
        return encoded(self.savefig)


@dataclass(frozen=True)
class Curve:
    """One key of the log, and how it is drawn where a single run is shown."""

    key: str
    meaning: str
    color: str
    dashes: Dashes = "-"
    marker: str = ""  # at each value


@dataclass(frozen=True)
class Plot:
    """What one pair of axes shows."""

    title: str
    lines: tuple[Curve, ...]
    limits: tuple[float, float] | None = None  # None: as the data
    level: float | None = None  # where a dotted line goes across
    scale: str = "linear"  # "log"; "plain log": of few decades, with 1, 2 and 5 of each written out
    unit: str = ""  # what the upright axis counts


LOSS = Plot("Loss", (Curve("loss_g", "generator", BLUE), Curve("loss_d", "discriminator", RED, "--")),
            unit="loss")
OPINION = (Curve("d_real", "real, D(x)", GREEN), Curve("d_fake", "generated, D(G(z))", PURPLE, "--"))
ANSWER = Plot("D's answer", OPINION, limits=(0, 1), level=0.5, unit="probability of being real")
SCORE = Plot("D's score", OPINION, unit="score")
CRITIC = Plot("Critic", (
    Curve("d_real", "D(x)", GREEN),
    Curve("d_fake", "D(G(z))", PURPLE, "--"),
    Curve("estimate", "Wasserstein estimate", INK, ":"),
), unit="score")
QUALITY = Plot("FD-lite of kept generators (lower: better)", (Curve("fd", "", INK, marker="o"),),
               scale="plain log", unit="FD-lite")
INDICATORS = (
    QUALITY,
    Plot("D's accuracy (0.5: guessing)", (Curve("accuracy", "", INK),), limits=(0, 1.02), level=0.5,
         unit="share of pairs told apart"),
    Plot("Gradient norm", (Curve("grad_g", "G", BLUE), Curve("grad_d", "D", RED, "--")), scale="log",
         unit="length of the gradient"),
    Plot("Diversity (1: as the data)", (Curve("diversity", "", INK),), limits=(0, 1.3), level=1,
         unit="samples' / real images'"),
    Plot("D(G(z))", (Curve("d_fake", "before D's step", BLUE), Curve("d_fake_g", "after", RED, "--")),
         unit="D's output"),
    Plot("Updates skipped", (Curve("skipped_g", "G", BLUE), Curve("skipped_d", "D", RED, "--")),
         limits=(-0.02, 1.02), unit="share of updates"),
    Plot("Penalty", (Curve("penalty", "", INK),), unit="added to D's loss"),
    Plot("Labels guessed (lower: better)",
         (Curve("guess_g", "generated", BLUE), Curve("guess_d", "real", RED, "--")), unit="cross-entropy"),
    Plot("Augmentation", (Curve("augment_p", "how often", BLUE), Curve("r_t", "r_t", RED, "--")),
         limits=(-1.02, 1.02), level=0, unit="chance; D's mean sign"),
)


def curves(*runs, out=None):
    """Figure of the losses (left) and of D(x) and D(G(z)) (right) against images seen, from log.jsonl.

    runs: run folders, or what `train` returned. Several are laid over one another, in a row for each kind of
    loss. Light lines are the log's values, strong ones a moving average. Upright lines mark where a run was
    resumed. out: a file to save it in as well (.png, .svg, .pdf).
    """
    logs = logs_of(*runs)
    by_kind: dict[str, list] = {}
    for log in logs:
        by_kind.setdefault(log.kind, []).append(log)
    panels = []
    for some in by_kind.values():
        losses = ", ".join(sorted({log.config.loss for log in some}))
        title = f"Loss ({losses})" if len(by_kind) > 1 else "Loss"
        panels.append((some, replace(LOSS, title=title)))
        panels.append((some, opinion_plot(some[0])))
    return _figure(panels, 2, logs, out)


def indicators(*runs, out=None):
    """Figure of what warns of collapse, drawn as by `curves`.

    It shows FD-lite of the generators that were kept and scored, D's accuracy, the gradients' norms, how
    varied the samples are, D(G(z)) before and after D's update (a gap shows how much D learns in one step),
    updates skipped by gates, the penalty, how well labels are guessed, and how often D sees images distorted.
    What no log has is left out (an older one, no gate), and so is D(G(z)) where the losses differ in kind.
    """
    logs = logs_of(*runs)
    known = {key for log in logs for record in log.records for key in record}
    known |= {key for log in logs for score in log.scores for key in score}
    known.discard("d_fake")  # every log has it: it alone makes no plot
    if len({log.kind for log in logs}) > 1:
        known.discard("d_fake_g")
    found = [(logs, plot) for plot in INDICATORS if known & {curve.key for curve in plot.lines}]
    return _figure(found, 2 if len(found) in (2, 4) else 3, logs, out)


def opinion_plot(log):
    """The plot of what D says, which depends on the kind of its loss."""
    return {"answer": ANSWER, "wasserstein": CRITIC}.get(log.kind, SCORE)


def _figure(panels, across, logs, out):
    """Figure of panels [(logs, plot), ...], so many in a row, and a legend if there are several runs."""
    down = -(-len(panels) // across)
    figure = Figure(figsize=(10, 3.1 * down + 0.7), dpi=100, layout="constrained")
    for i, (some, plot) in enumerate(panels):
        draw_plot(figure.add_subplot(down, across, i + 1), some, plot)
    if not panels:
        words = "This log has no indicators: an older version wrote it."
        figure.text(0.5, 0.5, words, ha="center", color=INK)
    if len(logs) > 1:
        keys = [Line2D([], [], label=log.name, color=_run_color(log), linewidth=2) for log in logs]
        figure.legend(handles=keys, ncols=6, fontsize=9, frameon=False, loc="outside lower center")
    if out is not None:
        check_replaceable(out)
        write_atomic(out, encoded(figure.savefig, _format_of(out, figure)))
    return figure


def _format_of(path, figure):
    """The format that the end of a path names, "png" where it names none."""
    suffix = Path(path).suffix.lower().removeprefix(".") or "png"
    if suffix not in figure.canvas.get_supported_filetypes():
        raise GanlibError(f"{path}: expected a name that ends in .png, .svg or .pdf.")
    return suffix


def draw_plot(axes, logs, plot):
    """Draw a Plot of one run, or of several: then each run has a colour and each curve its dashes."""
    alone = logs[0].number is None
    heights = []
    for log in logs:
        for curve in plot.lines:
            color = curve.color if alone else _run_color(log)
            heights += _draw_curve(axes, log, curve, color, "-" if alone else curve.dashes)
        for event in log.events:
            if event["event"] == "start" and event["images"]:
                axes.axvline(event["images"] / 1000, color=GREY, alpha=0.4, linewidth=0.8)
    if plot.scale != "linear":
        axes.set_yscale("log")
    if plot.scale == "plain log":
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_minor_formatter(NullFormatter())
    elif plot.scale == "linear":
        axes.set_ylim(_with_room(plot.limits, heights) if plot.limits else _room_for(heights))
        axes.locator_params(nbins=6)
    if plot.level is not None:
        axes.axhline(plot.level, color=GREY, linewidth=1, linestyle=":")
    _label(axes, plot, alone)


def _run_color(log):
    return COLORS[log.number % len(COLORS)]


def _draw_curve(axes, log, curve, color, dashes):
    """Draw one key of a log. Returns the heights that the axes must have room for."""
    values, images = values_of(log.rows_of(curve.key), curve.key)
    if not len(values):
        return []
    averages = smooth(values, 2 * (len(values) // 40) + 1)
    axes.plot(images / 1000, values, color=color, alpha=0.25, linewidth=0.8, marker=curve.marker,
              markersize=3)
    axes.plot(images / 1000, averages, color=color, linestyle=dashes, linewidth=1.8)
    return [*np.percentile(values, [1, 99])]  # a few spikes must not flatten the rest


def _with_room(limits, heights):
    """The limits of a plot, the upper one raised where a curve would leave the plot."""
    low, high = limits
    highest = max(heights, default=0)
    return low, high if highest <= high else 1.05 * highest


def _room_for(heights):
    """(lowest, highest) of the axes: the heights and a tenth more on both sides."""
    low, high = min(heights, default=0), max(heights, default=0)
    room = 0.1 * (high - low) or 0.1
    return low - room, high + room


def _label(axes, plot, alone):
    axes.set_title(plot.title, fontsize=11, color=INK, loc="left", y=1)
    axes.set_xlabel("images seen (thousands)", fontsize=10)
    axes.set_ylabel(plot.unit, fontsize=10)
    axes.grid(color=FAINT, linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    axes.margins(x=0.01)
    keys = []
    for curve in plot.lines:
        if curve.meaning:
            color = curve.color if alone else INK
            dashes: Dashes = "-" if alone else curve.dashes
            keys.append(Line2D([], [], label=curve.meaning, color=color, linestyle=dashes))
    axes.legend(handles=keys, ncols=3, fontsize=9, frameon=False, handlelength=1.6, columnspacing=1.2,
                loc="lower right", bbox_to_anchor=(1.01, 0.98))


def smooth(values, window):
    """Centred average over an odd number of values, weighted by a Hann window; over fewer at the two ends."""
    kernel = np.hanning(window + 2)[1:-1]
    total = np.convolve(values, kernel)
    weight = np.convolve(np.ones(len(values)), kernel)
    begin = window // 2  # where the average over the first value's neighbours stands
    return (total / weight)[begin:begin + len(values)]


def label_counts(pack):
    """Figure of how many images of a pack have each label, one plot per attribute."""
    figure = Figure(figsize=(10, 3 if pack.attributes else 0.5), dpi=100, layout="constrained")
    if not pack.attributes:
        figure.text(0.5, 0.5, "This pack has no labels.", ha="center", fontsize=12, color=INK)
    for k, (attribute, names) in enumerate(pack.attributes.items()):
        axes = figure.add_subplot(1, len(pack.attributes), k + 1)
        numbers = [*range(len(names)), -1]  # -1: unknown
        counts = [int((pack.labels[:, k] == number).sum()) for number in numbers]
        bars = axes.bar([*names, "unknown"], counts, color=[BLUE] * len(names) + [GREY])
        axes.bar_label(bars, fontsize=8, color=INK)
        axes.set_title(f"{attribute} ({len(names)} classes)", fontsize=11, color=INK, loc="left")
        axes.tick_params(axis="x", rotation=60)
        axes.set_ylabel("images")
        axes.spines[["top", "right"]].set_visible(False)
    return figure
