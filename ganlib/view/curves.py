"""What runs and data look like: grids, curves and what they say, the progress GIF, the live panel, dropped files.

Pictures are PIL images and plots are Figures: both show inline as the last line of a cell and go to a file
with `.save(...)` or `.savefig(...)`. Nothing here opens a window or knows pyplot.
"""
from pathlib import Path

import matplotlib.figure
import numpy as np
from matplotlib.lines import Line2D

from ..files import write_atomic
from ..images import encoded
from ..training.logs import logs_of, values_of
from .pictures import BLUE, COLORS, GREEN, GREY, INK, PURPLE, RED


class Figure(matplotlib.figure.Figure):
    """A figure that shows inline whether or not pyplot was imported, and once only."""

    def _repr_png_(self):
        return encoded(self.savefig)

# Panels: title, curves (key of the log, meaning, colour, dashes), limits (a pair, "log", or as the data), a line across
LOSS = "Loss", [("loss_g", "generator", BLUE, "-"), ("loss_d", "discriminator", RED, "--")], None, None
OPINION = [("d_real", "real, D(x)", GREEN, "-"), ("d_fake", "generated, D(G(z))", PURPLE, "--")]
ANSWER, SCORE = ("D's answer", OPINION, (0, 1), 0.5), ("D's score", OPINION, None, None)
CRITIC = "Critic", [("d_real", "D(x)", GREEN, "-"), ("d_fake", "D(G(z))", PURPLE, "--"),
                    ("estimate", "Wasserstein estimate", INK, ":")], None, None
INDICATORS = (
    ("D's accuracy (0.5: guessing)", [("accuracy", "", INK, "-")], (0, 1.02), 0.5),
    ("Gradient norm", [("grad_g", "G", BLUE, "-"), ("grad_d", "D", RED, "--")], "log", None),
    ("Diversity (1: as the data)", [("diversity", "", INK, "-")], (0, 1.3), 1),
    ("D(G(z))", [("d_fake", "before D's step", BLUE, "-"), ("d_fake_g", "after", RED, "--")], None, None),
    ("Updates skipped", [("skipped_g", "G", BLUE, "-"), ("skipped_d", "D", RED, "--")], (-0.02, 1.02), None),
    ("Penalty", [("penalty", "", INK, "-")], None, None),
)


def smooth(values, window):
    """Centred average over an odd number of values, weighted by a Hann window; over fewer at the two ends."""
    kernel = np.hanning(window + 2)[1:-1]
    total, weight = (np.convolve(v, kernel) for v in (values, np.ones(len(values))))
    return (total / weight)[window // 2:][:len(values)]


def draw_panel(ax, logs, title, curves, limits, line):
    """One panel (see above) of one or several runs."""
    seen, alone = [], logs[0].number is None
    for log in logs:
        for key, _, color, style in curves:
            raw, images = values_of(log.records, key)
            look = dict(color=color if alone else COLORS[log.number % 6], linestyle="-" if alone else style)
            if len(raw):
                ax.plot(images / 1000, raw, color=look["color"], alpha=0.25, linewidth=0.8)
                ax.plot(images / 1000, smooth(raw, 2 * (len(raw) // 40) + 1), **look, linewidth=1.8)
                seen += [*np.percentile(raw, [1, 99])]  # a few spikes must not flatten the rest
        for at in (e["images"] / 1000 for e in log.events if e["event"] == "start" and e["images"]):
            ax.axvline(at, color=GREY, alpha=0.4, linewidth=0.8)
    if limits == "log":
        ax.set_yscale("log")
    else:
        room = 0.1 * np.ptp(seen or 0) or 0.1
        ax.set_ylim(limits or (min(seen, default=0) - room, max(seen, default=0) + room))
        ax.locator_params(nbins=6)
    if line:
        ax.axhline(line, color=GREY, linewidth=1, linestyle=":")
    ax.set_title(title, fontsize=11, color=INK, loc="left", y=1)
    ax.set_xlabel("images seen (thousands)", fontsize=10)
    ax.grid(color="#e4e4e4", linewidth=0.6)
    ax.spines[["top", "right"]].set_visible(False)
    ax.margins(x=0.01)
    keys = [Line2D([], [], label=meaning, color=color if alone else INK, ls="-" if alone else style)
            for _, meaning, color, style in curves if meaning]
    ax.legend(handles=keys, ncols=3, fontsize=9, frameon=False, loc="lower right", bbox_to_anchor=(1.01, 0.98),
              handlelength=1.6, columnspacing=1.2)


def opinion_panel(log):
    return ANSWER if log.kind == "answer" else CRITIC if log.kind == "wasserstein" else SCORE


def _figure(panels, across, logs, out):
    """Figure of panels [(logs, panel), ...], so many in a row, and a legend if there are several runs."""
    down = -(-len(panels) // across)
    figure = Figure(figsize=(10, 3.1 * down + 0.7), dpi=100, layout="constrained")
    for i, (some, panel) in enumerate(panels):
        draw_panel(figure.add_subplot(down, across, i + 1), some, *panel)
    if not panels:
        figure.text(0.5, 0.5, "This log has no indicators: an older version wrote it.", ha="center", color=INK)
    if len(logs) > 1:
        lines = [Line2D([], [], label=log.name, color=COLORS[log.number % 6], linewidth=2) for log in logs]
        figure.legend(handles=lines, ncols=6, fontsize=9, frameon=False, loc="outside lower center")
    if out is not None:
        write_atomic(out, encoded(figure.savefig, Path(out).suffix[1:] or "png"))
    return figure


def curves(*runs, out=None):
    """Figure of the losses (left) and of D(x) and D(G(z)) (right) against images seen, from log.jsonl.

    runs: run folders, or what `train` returned; several are laid over one another, in a row for each kind of loss.
    Light lines are the log's values, strong ones a moving average, upright ones mark where a run was resumed.
    out: a file to save it in as well (.png, .svg, .pdf).
    """
    logs, panels = logs_of(*runs), []
    kinds = {log.kind: [one for one in logs if one.kind == log.kind] for log in logs}
    for some in kinds.values():
        loss = f"Loss ({', '.join(sorted({log.config.loss for log in some}))})" if len(kinds) > 1 else "Loss"
        panels += (some, (loss, *LOSS[1:])), (some, opinion_panel(some[0]))
    return _figure(panels, 2, logs, out)


def indicators(*runs, out=None):
    """Figure of what warns of collapse, drawn as by `curves`: D's accuracy, gradient norms, how varied the samples are,
    D(G(z)) before and after D's update (a gap shows how much D learns in one step), updates skipped by gates, the penalty.

    Left out is what no log has (an older one, no gate), and D(G(z)) where the losses differ in kind.
    """
    logs = logs_of(*runs)
    records, kinds = [r for log in logs for r in log.records], {log.kind for log in logs}
    known = {key for r in records for key in r} - {"d_fake"}
    if len(kinds) > 1:
        known -= {"d_fake_g"}
    found = [(logs, panel) for panel in INDICATORS if known & {key for key, *_ in panel[1]}]
    return _figure(found, 2 if len(found) in (2, 4) else 3, logs, out)


def label_counts(pack):
    """Figure of how many images of a pack have each label, one plot per attribute."""
    figure = Figure(figsize=(10, 3 if pack.attributes else 0.5), dpi=100, layout="constrained")
    if not pack.attributes:
        figure.text(0.5, 0.5, "This pack has no labels.", ha="center", fontsize=12, color=INK)
    for k, (attribute, names) in enumerate(pack.attributes.items()):
        ax = figure.add_subplot(1, len(pack.attributes), k + 1)
        counts = [int((pack.labels[:, k] == i).sum()) for i in [*range(len(names)), -1]]
        ax.bar_label(ax.bar([*names, "unknown"], counts, color=[BLUE] * len(names) + [GREY]), fontsize=8, color=INK)
        ax.set_title(f"{attribute} ({len(names)} classes)", fontsize=11, color=INK, loc="left")
        ax.tick_params(axis="x", rotation=60)
        ax.spines[["top", "right"]].set_visible(False)
    return figure
