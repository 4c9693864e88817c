"""Write the tables of the README, of docs/ and of the gallery from what was measured and from the code.

    python docs/tables.py             the files of this repository
    python docs/tables.py FOLDER      those of a copy of it

A table stands between two lines, <!-- table: NAME --> and <!-- /table -->. What is between them is written
anew; NAME is one of TABLES. No number in such a table is typed by hand.
"""
import dataclasses
import re
import sys
from pathlib import Path

from ganlib.config import Engine, Recipe
from ganlib.files import write_atomic
from ganlib.presets import PRESETS, PROFILES

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "experiments"))
import claims  # noqa: E402
import equal_time  # noqa: E402
import labels  # noqa: E402
import own_pictures  # noqa: E402
from equal_time import markdown  # noqa: E402
from faces_to_order import rows as orders  # noqa: E402
from faces_to_order.tables import in_short, of_colours  # noqa: E402

FILES = ("README.md", "docs/*.md", "data/generators/README.md")
BEGIN = re.compile(r"^<!-- table:", re.M)
BLOCK = re.compile(r"^(<!-- table: ([\w-]+) -->\n).*?^(<!-- /table -->)$", re.M | re.S)
NOT_KEYS = ("base", "source", "profiles")
MANY = 6  # keys that fit a cell


def profiles_table():
    """The profiles: the drawn set, where a training ends, and what else they change."""
    rows = []
    for name, values in PROFILES.items():
        ends = [f"{values['minutes']} minutes"] if "minutes" in values else []
        ends += [f"{values['images']:,} images"] if "images" in values else []
        told = ("faces", "minutes", "images", "least_batch")
        rest = {key: value for key, value in values.items() if key not in told}
        changes = [f"batches of at least {values['least_batch']}"] if "least_batch" in values else []
        changes += [in_words(rest)] if rest else []
        rows.append([f"`{name}`", f"{values['faces']:,}", " or ".join(ends), ", ".join(changes) or "nothing"])
    return markdown(["profile", "faces drawn", "a training ends after", "what else it changes"], rows)


def presets_table():
    """The presets: the row that each derives from, what differs from it, and where that is from."""
    rows = []
    for name, row in PRESETS.items():
        values = {key: value for key, value in row.items() if key not in NOT_KEYS}
        differs = in_words(values) if len(values) <= MANY else f"{len(values)} keys: `ganlib presets {name}`"
        base = f"`{row['base']}`" if "base" in row else "the defaults"
        rows.append([f"`{name}`", base, differs or "nothing", row["source"]])
    return markdown(["preset", "starts from", "what differs", "source"], rows)


def in_words(values):
    return ", ".join(f"`{key}={value}`" for key, value in values.items())


def keys_table(part):
    """The keys of a recipe or of an engine: their defaults and what they mean."""
    rows = [[f"`{field.name}`", f"`{field.default}`" if field.default != "" else "none",
             field.metadata["meaning"].replace("|", "\\|")] for field in dataclasses.fields(part)]
    return markdown(["key", "default", "meaning"], rows)


def measured(table):
    return lambda: table(equal_time.load())


def tested(table):
    return lambda: table(claims.load())


def ordered(table, *of):
    return lambda: table(orders.load(labels.RESULTS), *of)


TABLES = {
    "results": measured(equal_time.readme_table),
    "distances": measured(equal_time.distances_table),
    "likeness": measured(equal_time.likeness_table),
    "models": measured(equal_time.models_table),
    "report": measured(equal_time.report_table),
    "gallery": measured(equal_time.gallery_table),
    "verdicts": tested(claims.verdict_counts),
    "claims": tested(claims.claims_table),
    "recipes": tested(claims.arms_table),
    "orders": ordered(in_short),
    "orders-hair": ordered(of_colours, "stylegan-labels", "hair"),
    "orders-eyes": ordered(of_colours, "stylegan-labels", "eyes"),
    "own-pictures": lambda: own_pictures.table(own_pictures.load(own_pictures.RESULTS)),
    "check": lambda: "\n".join(claims.check_line()),
    "profiles": profiles_table,
    "presets": presets_table,
    "recipe-keys": lambda: keys_table(Recipe),
    "engine-keys": lambda: keys_table(Engine),
}


def written_anew(text, path):
    """The text of a Markdown file with all its tables made again."""
    def block(found):
        if found[2] not in TABLES:
            sys.exit(f"{path}: there is no table {found[2]!r}; there are {', '.join(TABLES)}.")
        return f"{found[1]}{TABLES[found[2]]()}\n{found[3]}"

    if len(BEGIN.findall(text)) != len(BLOCK.findall(text)):
        sys.exit(f"{path}: a table has no <!-- /table --> line after it.")
    return BLOCK.sub(block, text)


def main():
    if len(sys.argv) > 2 or any(word.startswith("-") for word in sys.argv[1:]):
        sys.exit(__doc__)
    root = Path(sys.argv[1]) if len(sys.argv) == 2 else ROOT
    if not (root / "README.md").is_file():
        sys.exit(f"{root} is no copy of this repository: it has no README.md.")
    for path in sorted(path for pattern in FILES for path in root.glob(pattern)):
        text = path.read_text(encoding="utf-8")
        new = written_anew(text, path)
        if new != text:
            write_atomic(path, new.encode())
            print(f"{path.relative_to(root)}: tables written")


if __name__ == "__main__":
    main()
