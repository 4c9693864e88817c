"""The confusion plot: what was asked for, down, and what the judge read, across."""
import numpy as np

from ganlib.colors import INK
from ganlib.view.curves import Figure

DARK = 0.55  # shares above it are dark, and are written in white


def figure(title, attributes, tables):
    """A Figure of one matrix for each attribute. attributes: {attribute: class names}; tables: counts (C, C).

    It has one hue, from white to dark, so that everyone can tell the shares apart; and they are written.
    """
    made = Figure(figsize=(6.3 * len(attributes), 6.4), dpi=120, layout="constrained")
    axes = np.atleast_1d(made.subplots(1, len(attributes)))
    for ax, (attribute, names), table in zip(axes, attributes.items(), tables, strict=True):
        _matrix(ax, attribute, names, table)
    made.suptitle(title)
    return made


def _matrix(ax, attribute, names, table):
    """One matrix, in percent of each row."""
    asked = table.sum(1) > 0
    share = table[asked] / table[asked].sum(1, keepdims=True)
    ax.imshow(share, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for i, row in enumerate(share):
        for j, value in enumerate(row):
            if value >= 0.005:
                ax.text(j, i, f"{100 * value:.0f}", ha="center", va="center", fontsize=9,
                        color="white" if value > DARK else INK)
    down = [name for name, is_asked in zip(names, asked, strict=True) if is_asked]
    ax.set_xticks(range(len(names)), names, rotation=45, ha="right", rotation_mode="anchor")
    ax.set_yticks(range(len(down)), down)
    ax.set(xlabel=f"{attribute} that the judge read", ylabel=f"{attribute} asked for",
           title=f"{attribute}: percent of the pictures asked for")
