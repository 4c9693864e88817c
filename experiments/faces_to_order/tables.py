"""What was measured, as text."""
import numpy as np

from .describing import KINDS
from .likeness import WITHIN
from .rows import full_key, numbers, obedience


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


def classes_table(attributes, attribute, found):
    """Every class: how much is read right of real and of generated faces. found: {kind: Obedience}."""
    head = [attribute]
    for kind in found:
        head += [f"{kind}: real", "generated", "ratio"]
    rows = []
    for i, name in enumerate(attributes[attribute]):
        cells = [name]
        for one in found.values():
            cells += map(two_digits, (one.ceiling[i], one.accuracy[i], one.ratio[i]))
        rows.append(cells)
    return aligned(head, rows)


def summary_lines(attributes, attribute, found):
    """The numbers that sum up an attribute. found: {kind: Obedience}."""
    lines = []
    for kind, one in found.items():
        generated, real = one.over_all
        lines.append(f"{attribute}, {kind} judge: {one.mean_of_ratios:.3f} of the ceiling (ratio of means "
                     f"{one.ratio_of_means:.3f}; with the data's frequencies {generated / real:.3f}); worst "
                     f"{attributes[attribute][one.worst]} {one.ratio[one.worst]:.2f}")
    return "\n".join(lines)


def shares_table(judge, attribute, shares):
    """What share of pictures seems to be of each class, beside the share of real faces with that label."""
    real = judge.tested[attribute, "plain"].sum(1)
    rows = [[name, two_digits(real[i] / real.sum()), two_digits(shares[i])]
            for i, name in enumerate(judge.attributes[attribute])]
    return aligned([attribute, "labels of real faces", "read of generated ones"], rows)


# -- of labels.json


def overview(found):
    """One line for each generator: the numbers that count."""
    attributes = found["about"]["attributes"]
    head = ["generator", "FD-lite"]
    for attribute in attributes:
        head += [f"{attribute} / ceiling", "of means", "colours judge", "worst", "edges", "landmarks"]
    lines = []
    for key, row in in_order(found):
        cells = [key, f"{row['fd']:.1f}"]
        for attribute in attributes:
            cells += _cells(found, row, attribute)
        lines.append(cells)
    return (f"{_ceilings_in_words(found)}\nEdges, landmarks: how much of a face changes with that label, "
            f"over how much with z.\n\n{aligned(head, lines)}")


def in_short(found):
    """A few columns for each generator that takes labels, for a page: Markdown."""
    attributes = found["about"]["attributes"]
    head = ["generator", "FD-lite"]
    for attribute in attributes:
        head += [f"{attribute}: right, of the ceiling", "worst colour", "face changes"]
    lines = []
    for key, row in in_order(found):
        cells = [key, f"{row['fd']:.1f}"]
        for attribute in attributes:
            if attribute not in row["asked"]:
                cells += ["", "", ""]
                continue
            one = obedience(found, row, attribute)
            worst = attributes[attribute][one.worst]
            cells += [f"{one.mean_of_ratios:.2f}", f"{worst} {one.ratio[one.worst]:.2f}",
                      two_digits(row["held"][attribute].get("edges"))]
        lines.append(cells)
    return aligned(head, lines)


def of_colours(found, name, attribute):
    """Every colour of the generator `name`: what is read right, and FD-lite within it: Markdown."""
    key = full_key(found, name)
    row = found["rows"][key]
    plain, colours = (obedience(found, row, attribute, kind) for kind in KINDS)
    within = row.get("fd_within", {}) if attribute == WITHIN else {}
    head = [attribute, "real faces", "ordered faces", "ratio", "ratio, colours judge"]
    head += ["FD-lite within", "of real faces"] if within else []
    lines = []
    for i, colour in enumerate(found["about"]["attributes"][attribute]):
        shown = plain.ceiling[i], plain.accuracy[i], plain.ratio[i], colours.ratio[i]
        cells = [colour, *map(two_digits, shown)]
        if within:
            pair = within.get(colour)
            cells += [f"{value:.0f}" for value in pair] if pair else ["", ""]
        lines.append(cells)
    return aligned(head, lines)


def in_order(found):
    """[(key, row), ...]: the ones that draw best what is asked for first, those without labels last."""
    def obeys(item):
        row = item[1]
        ratios = [obedience(found, row, attribute).mean_of_ratios for attribute in row["asked"]]
        return -np.mean(ratios) if ratios else np.inf
    return sorted(found["rows"].items(), key=obeys)


def _cells(found, row, attribute):
    """What the overview has of an attribute."""
    if attribute not in row["asked"]:
        return [""] * 6
    one, strict = (obedience(found, row, attribute, kind) for kind in KINDS)
    held = row["held"][attribute]
    worst = f"{found['about']['attributes'][attribute][one.worst]} {one.ratio[one.worst]:.2f}"
    return [f"{one.mean_of_ratios:.3f}", f"{one.ratio_of_means:.3f}", f"{strict.mean_of_ratios:.3f}", worst,
            two_digits(held.get("edges")), two_digits(held.get("landmarks"))]


def _ceilings_in_words(found):
    """What the two judges read right of real faces."""
    words = []
    for attribute, read in found["about"]["read"].items():
        for kind in KINDS:
            table = numbers(read[kind])
            right = np.diag(table) / table.sum(1)
            words.append(f"{attribute} {right.mean():.3f} ({kind})")
    return f"The ceiling, right of real faces as the mean over the classes: {', '.join(words)}."


def details(found, key):
    """All of one row: every class, FD-lite within hair colours, and what the label leaves of a face."""
    row, attributes = found["rows"][key], found["about"]["attributes"]
    parts = [f"{key}: FD-lite {row['fd']:.1f} of {row['fd_of']:,} pictures"]
    for attribute in row["asked"]:
        both = {kind: obedience(found, row, attribute, kind) for kind in KINDS}
        parts.append(f"{classes_table(attributes, attribute, both)}\n"
                     f"{summary_lines(attributes, attribute, both)}")
        held = ", ".join(f"{name} {value:.2f}" for name, value in row["held"][attribute].items())
        parts.append(f"What changes with {attribute}, over what changes with z: {held}")
    if row.get("fd_within"):
        lines = [[name, f"{fake:.0f}", f"{real:.0f}", f"{fake / real:.2f}"]
                 for name, (fake, real) in row["fd_within"].items()]
        parts.append(aligned([f"FD-lite within {WITHIN}", "generated", "real", "ratio"], lines))
    for attribute, shares in row.get("shares", {}).items():
        lines = [[name, two_digits(share)] for name, share in zip(attributes[attribute], shares, strict=True)]
        parts.append(aligned([f"{attribute} as the judge reads it", "share"], lines))
    return "\n\n".join(parts)
