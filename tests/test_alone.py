"""Notebooks where only the package is installed, as on Colab: what a checkout alone has is named, not missed.

And with the repository, the numbers of others that a notebook shows come from a file of it.
"""
import json
from importlib.metadata import metadata
from pathlib import Path
from types import SimpleNamespace

import pytest

import ganlib

ROOT = Path(__file__).resolve().parent.parent
REPOSITORY = metadata("ganlib")["Project-URL"].split(", ")[1]
ALONE = SimpleNamespace(__file__="/nowhere/site-packages/ganlib/__init__.py")
ROW = SimpleNamespace(name="dcgan", numbers={"fd": 123.4})
TABLE = SimpleNamespace(rows=[ROW], about={"measure": "FD-lite"})


def code_cells(name):
    every = json.loads((ROOT / "notebooks" / name).read_text(encoding="utf-8"))["cells"]
    return ["".join(cell["source"]) for cell in every if cell["cell_type"] == "code"]


def from_experiments_on(name):
    """The code cells that need what only a checkout has: the first looks for it, the others may use it."""
    cells = code_cells(name)
    first = next(i for i, text in enumerate(cells) if "experiments = " in text)
    needed = ("experiments", "results", "by_recipe")
    return [text for text in cells[first:] if any(word in text for word in needed)]


@pytest.mark.parametrize("name, documents", [
    ("08_compare.ipynb", ["docs/results.md", "docs/claims.md"]),
    ("09_tricks.ipynb", ["docs/claims.md"]),
])
def test_a_notebook_without_the_repository_says_where_to_read(name, documents, capsys):
    shown = []
    names = {"ganlib": ALONE, "table": TABLE, "display": shown.append}
    for text in from_experiments_on(name):
        exec(text, names)  # noqa: S102
    said = capsys.readouterr().out.splitlines()
    assert len(said) == len(documents) and not shown
    for line, document in zip(said, documents, strict=True):
        assert line.endswith(f"Read {document} in {REPOSITORY}")
        assert (ROOT / document).is_file()


def test_the_reports_numbers_stand_beside_those_of_the_table(capsys):
    report = json.loads((ROOT / "experiments" / "report.json").read_text())
    names = {"ganlib": ganlib, "table": TABLE}
    exec(from_experiments_on("08_compare.ipynb")[0], names)  # noqa: S102
    said = capsys.readouterr().out
    assert report["source"] in said
    assert "dcgan      FID in the report 64.4, FD-lite here 123.4" in said
    assert "lsgan      FID in the report 149.2, FD-lite here not measured" in said
