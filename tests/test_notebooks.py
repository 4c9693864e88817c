"""What the notebooks promise: their form, what they keep in git, and that all they name is there."""
import ast
import importlib
import json
import re
import subprocess
import sys
import textwrap
from pathlib import Path
from types import SimpleNamespace

import pytest

import ganlib
from ganlib.session import Start

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
MARK = "# NBVAL_CHECK_OUTPUT"
EVERY_NOTEBOOK = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def cells(path, kind=None):
    """The cells of a notebook as pairs (cell, text)."""
    every = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return [(cell, "".join(cell["source"])) for cell in every if kind in (None, cell["cell_type"])]


def code_of(path):
    """The code of a notebook's cells, without the lines that only IPython reads."""
    return [re.sub(r"^(\s*)[%!].*$", r"\1pass", text, flags=re.M) for _, text in cells(path, "code")]


def prose_of(path):
    return "\n\n".join(text for _, text in cells(path, "markdown"))


def test_there_are_eleven_notebooks_in_reading_order():
    assert [path.stem[:2] for path in NOTEBOOKS] == [f"{number:02}" for number in range(1, 12)]


# -- their form


@EVERY_NOTEBOOK
def test_three_cells_come_before_the_subject(path):
    (title, title_text), (setup, _), (start, start_text), (subject, subject_text) = cells(path)[:4]
    assert title["cell_type"] == subject["cell_type"] == "markdown"
    assert setup["cell_type"] == start["cell_type"] == "code"
    assert re.search(rf"^# {int(path.stem[:2])}\. ", title_text, re.M)
    assert "here = ganlib.start(" in start_text
    assert subject_text.startswith("## ")


@EVERY_NOTEBOOK
def test_cells_are_short(path):
    for code in code_of(path):
        lines = [line for line in code.splitlines() if line.strip() and not line.startswith("#")]
        assert len(lines) <= 15, code


@EVERY_NOTEBOOK
def test_a_line_has_one_statement(path):
    for code in code_of(path):
        for node in ast.walk(ast.parse(code)):
            assert not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Tuple)), ast.unparse(node)
            body = getattr(node, "body", None)
            if isinstance(body, list):
                lines = [statement.lineno for statement in body]
                assert len(lines) == len(set(lines)), code


@EVERY_NOTEBOOK
def test_a_notebook_ends_with_what_to_try(path):
    assert "## What to try next" in cells(path)[-1][1]


@EVERY_NOTEBOOK
def test_cells_have_ids_of_their_own(path):
    ids = [cell["id"] for cell, _ in cells(path)]
    assert len(ids) == len(set(ids))


# -- what they name is there


@EVERY_NOTEBOOK
def test_links_lead_somewhere(path):
    for link in re.findall(r"\]\((?!https?://)([^)#\s]+)", prose_of(path)):
        assert (path.parent / link).exists(), link


def attributes(tree, name):
    """The attributes that a tree asks of a variable."""
    return {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)
            and isinstance(node.value, ast.Name) and node.value.id == name}


@EVERY_NOTEBOOK
def test_names_of_ganlib_exist_in_code(path):
    of_start = {*dir(Start), *Start.__dataclass_fields__}
    for code in code_of(path):
        tree = ast.parse(code)
        for name in attributes(tree, "ganlib"):
            assert hasattr(ganlib, name), f"ganlib.{name}"
        assert attributes(tree, "here") <= of_start
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module.split(".")[0] == "ganlib":
                module = importlib.import_module(node.module)
                for one in node.names:
                    assert hasattr(module, one.name) or importlib.import_module(f"{node.module}.{one.name}")


@EVERY_NOTEBOOK
def test_names_of_ganlib_exist_in_prose(path):
    for name in re.findall(r"`ganlib\.(\w+)", prose_of(path)):
        assert hasattr(ganlib, name) or importlib.import_module(f"ganlib.{name}")
    for name in re.findall(r"`here\.(\w+)", prose_of(path)):
        assert name in {*dir(Start), *Start.__dataclass_fields__}, f"here.{name}"


@EVERY_NOTEBOOK
def test_recipes_in_prose_work(path):
    """What to try next is tried: a preset or a key that is not there raises."""
    class Here:
        size = 64

        def preset(self, name, **changes):
            return ganlib.preset(name, "smoke", **changes)

    calls = re.findall(r"`((?:here|ganlib)\.preset\([^`]*\))`", prose_of(path))
    for call in calls:
        eval(call, {"here": Here(), "ganlib": ganlib})  # noqa: S307


@pytest.mark.parametrize("profile", ["smoke", "cpu", "colab", "big", "paper"])
@pytest.mark.parametrize("path", NOTEBOOKS[1:5], ids=lambda path: path.stem)
def test_more_time_is_more_in_every_profile(path, profile, monkeypatch):
    """Whichever ends a training, minutes or images: the code in `What to try next` goes on beyond it."""
    code, = re.findall(r"\*\*More time\*\*.*?```python\n(.*?)```", prose_of(path), re.S)
    preset = path.stem.split("_")[1]
    here = SimpleNamespace(config=ganlib.preset(preset, profile), pack="pack", run="run")
    asked = []
    monkeypatch.setattr(ganlib, "train", lambda *arguments: asked.append(arguments))
    monkeypatch.setattr(ganlib, "report", lambda run: None)
    exec(textwrap.dedent(code), {"here": here, "ganlib": ganlib})  # noqa: S102
    (config, *where), = asked
    assert where == ["pack", "run"] and config.recipe() == here.config.recipe()
    assert (config.minutes, config.images) == (2 * here.config.minutes, 2 * here.config.images) != (0, 0)


# -- what they keep in git


@EVERY_NOTEBOOK
def test_marked_cells_keep_their_output_and_no_others(path):
    for cell, text in cells(path, "code"):
        if text.startswith(MARK):
            assert cell["outputs"], f"make outputs has not been called for: {text}"
            assert cell["execution_count"] == 1  # without one nbval does not compare
            assert all(output.get("name") != "stderr" for output in cell["outputs"])
        else:
            assert MARK not in text, "nbval reads the mark anywhere, outputs.py in the first line"
            assert not cell["outputs"] and cell["execution_count"] is None, text


@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_chapters_have_texts_that_are_compared(number):
    path, = [path for path in NOTEBOOKS if path.stem.startswith(f"{number:02}")]
    assert any(text.startswith(MARK) for _, text in cells(path, "code"))


def notebook(path, *sources):
    """A notebook of these code cells at a path, all of them with an output that is out of date."""
    old = {"name": "stdout", "output_type": "stream", "text": ["old\n"]}
    every = [{"cell_type": "code", "id": f"cell-{i}", "metadata": {}, "source": source.splitlines(True),
              "execution_count": 7, "outputs": [old]} for i, source in enumerate(sources)]
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    whole = {"cells": every, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
    path.write_text(json.dumps(whole))
    return path


def outputs(path):
    """What .ci/outputs.py says of a notebook."""
    command = [sys.executable, str(ROOT / ".ci" / "outputs.py"), str(path)]
    return subprocess.run(command, capture_output=True, text=True)


def compared(path):
    """What nbval says of a notebook, as `make test` calls it."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--nbval-lax",
               "--nbval-current-env", path.name]
    return subprocess.run(command, cwd=path.parent, capture_output=True, text=True)


def test_outputs_of_marked_cells_are_made_and_compared(tmp_path):
    path = notebook(tmp_path / "small.ipynb",
                    f"{MARK}\nprint('two and two:')\nprint(2 + 2)",
                    "import os\nprint(os.environ.get('GANLIB_PROFILE'), os.getcwd())",
                    f"{MARK}\n{{'a': 1}}")
    done = outputs(path)
    assert done.returncode == 0 and done.stdout == "small.ipynb: 2 marked cells\n", done.stderr

    first, second, third = [cell for cell, _ in cells(path)]
    assert first["outputs"][0]["text"] == ["two and two:\n", "4\n"]
    assert second["outputs"] == [] and second["execution_count"] is None
    assert third["outputs"][0]["data"] == {"text/plain": ["{'a': 1}"]}
    text = path.read_text()
    assert text.startswith('{\n "cells"') and text.endswith("}\n")

    assert compared(path).returncode == 0
    path.write_text(text.replace('"4\\n"', '"5\\n"'))
    wrong = compared(path)
    assert wrong.returncode == 1 and "Cell outputs differ" in wrong.stdout


@pytest.mark.parametrize("source, why", [
    ("import sys\nprint('a warning', file=sys.stderr)", "gives stderr"),
    ("import os\nprint(os.environ['GANLIB_DATA'])", "which another machine has not"),
    ("object()", "which another machine has not"),
    ("from ganlib.view.curves import Figure\nFigure(figsize=(1, 1))", "gives text/plain, image/png"),
    ("x = 1", "prints nothing"),
    ("1 / 0", "stopped: ZeroDivisionError: division by zero"),
])
def test_what_another_machine_would_not_print_is_refused(tmp_path, source, why):
    path = notebook(tmp_path / "small.ipynb", f"{MARK}\n{source}")
    before = path.read_text()
    done = outputs(path)
    assert done.returncode == 1 and why in done.stderr and "Traceback" not in done.stderr
    assert path.read_text() == before
