"""A table of numbers: how it prints, how it shows in a notebook, and how it is kept."""
import json
from dataclasses import dataclass, field

from .files import check_replaceable, write_atomic

TITLES = {"kid": "KID x 1000", "kid_subsets": "± over its subsets"}


@dataclass
class TableRow:
    """What was measured of one source, or of several that differ in their seed.

    numbers: {what: mean}; spread: {what: standard deviation}, where there are several values; same: the
    indices of the rows that are as good, as far as one can tell.
    """

    name: str
    numbers: dict
    spread: dict = field(default_factory=dict)
    same: list = field(default_factory=list)

    def to_dict(self):
        """All of it in one flat dict, for JSON."""
        return {"name": self.name} | self.numbers | {"spread": self.spread, "same": self.same}

    def cell(self, key):
        """A number and its spread as text; "" for what was not measured."""
        if key not in self.numbers:
            return ""
        scale = 1000 if key.startswith("kid") else 1
        value = round(self.numbers[key] * scale, 6)  # what rounding errors leave is 0
        text = f"{value:,.0f}" if value >= 1000 else f"{value:.4g}"
        return f"{text} ± {self.spread[key] * scale:.2g}" if self.spread.get(key, 0) * scale > 1e-6 else text


@dataclass
class Table:
    """Rows of numbers and what holds for them all (`about`). Prints, and shows in a notebook, as markdown."""

    rows: list[TableRow]
    about: dict

    def __str__(self):
        keys = list(dict.fromkeys(key for row in self.rows for key in row.numbers))
        titles = TITLES | {"fd": self.about["measure"]}
        lines = [["", "", *(titles.get(key, key.replace("_", " ")) for key in keys), "as good as"]]
        for i, row in enumerate(self.rows):
            lines.append([str(i), row.name, *map(row.cell, keys), ", ".join(map(str, row.same))])
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        lines.insert(1, ["-" * width for width in widths])
        padded = [[cell.ljust(width) for cell, width in zip(line, widths, strict=True)] for line in lines]
        return "\n".join([self.about["note"], "", *(f"| {' | '.join(line)} |" for line in padded)])

    _repr_markdown_ = __str__

    def save(self, path):
        """Write {"about": ..., "rows": ...} as JSON; raises GanlibError where another file is there."""
        check_replaceable(path)
        found = {"about": self.about, "rows": [row.to_dict() for row in self.rows]}
        write_atomic(path, (json.dumps(found, indent=1) + "\n").encode())
