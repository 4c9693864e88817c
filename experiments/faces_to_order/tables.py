"""What was measured, as text."""
import numpy as np

from .describing import KINDS


def aligned(head, rows):
    """A Markdown table of a list of titles and lists of cells, in columns that stand below each other."""
    lines = [head, *rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    lines.insert(1, ["-" * width for width in widths])
    padded = [[cell.ljust(width) for cell, width in zip(line, widths, strict=True)] for line in lines]
    return "\n".join(f"| {' | '.join(line)} |" for line in padded)


def two_digits(value):
    """0.87; "-" where there is no number."""
    return "-" if value is None or np.isnan(value) else f"{value:.2f}"


def ceilings(judge):
    """What a judge reads right of real faces: of all, and the mean over the classes."""
    rows = []
    for (attribute, kind), table in judge.tested.items():
        right = np.diag(table)
        of_all, of_classes = right.sum() / table.sum(), (right / table.sum(1)).mean()
        rows.append([attribute, kind, f"{of_all:.3f}", f"{of_classes:.3f}", f"{table.sum():,}",
                     f"{judge.strengths[attribute, kind]:g}"])
    head = ["attribute", "judge", "of all", "mean of classes", "faces", "penalty"]
    return f"Read right of real faces (data {judge.data}):\n\n{aligned(head, rows)}"


def classes_table(judge, attribute, found):
    """Every class: how much is read right of real and of generated faces. found: {kind: Obedience}."""
    head = [attribute]
    for kind in KINDS:
        head += [f"{kind}: real", "generated", "ratio"]
    rows = []
    for i, name in enumerate(judge.attributes[attribute]):
        cells = [name]
        for kind in KINDS:
            numbers = found[kind].ceiling[i], found[kind].accuracy[i], found[kind].ratio[i]
            cells += map(two_digits, numbers)
        rows.append(cells)
    return aligned(head, rows)


def summary_lines(judge, attribute, found):
    """The numbers that sum up an attribute. found: {kind: Obedience}."""
    lines = []
    for kind in KINDS:
        one = found[kind]
        generated, real = one.over_all
        lines.append(f"{attribute}, {kind} judge: {one.mean_of_ratios:.3f} of the ceiling (ratio of means "
                     f"{one.ratio_of_means:.3f}; with the data's frequencies {generated / real:.3f}); worst "
                     f"{judge.attributes[attribute][one.worst]} {one.ratio[one.worst]:.2f}")
    return "\n".join(lines)


def shares_table(judge, attribute, shares):
    """What share of pictures seems to be of each class, beside the share of real faces with that label."""
    real = judge.tested[attribute, "plain"].sum(1)
    rows = [[name, two_digits(real[i] / real.sum()), two_digits(shares[i])]
            for i, name in enumerate(judge.attributes[attribute])]
    return aligned([attribute, "labels of real faces", "read of generated ones"], rows)
