"""What the repository promises about itself."""
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def cells(path, kind):
    return ["".join(c["source"]) for c in json.loads(path.read_text())["cells"] if c["cell_type"] == kind]


def test_there_are_notebooks():
    assert {"01_data", "02_dcgan", "03_lsgan", "04_wgan", "08_tricks"} <= {p.stem for p in NOTEBOOKS}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_notebooks_link_to_each_other(path):
    for link in re.findall(r"\]\((?!https?://)([^)\s]+)\)", "".join(cells(path, "markdown"))):
        assert (path.parent / link).exists(), link


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_badge_and_set_up_cell_follow_the_repository(path):
    repository = PROJECT["urls"]["Repository"]
    where = repository.removeprefix("https://github.com/")
    assert cells(path, "markdown")[0].startswith("[![Open in Colab](https://colab.research.google.com/")
    assert f"(https://colab.research.google.com/github/{where}/blob/main/notebooks/{path.name})" \
        in cells(path, "markdown")[0]
    setup = cells(path, "code")[0]
    assert f"!git clone --quiet --depth 1 {repository}\n" in setup
    name = where.split("/")[1]
    assert f"%pip install --quiet --no-deps -e ./{name}\n" in setup and f'sys.path.insert(0, "{name}")' in setup
    assert re.findall(r"https://github.com/[\w-]+/[\w-]+", "".join(cells(path, "code"))) == [repository]


def test_the_set_up_cells_are_all_the_same():
    assert len({cells(path, "code")[0] for path in NOTEBOOKS}) == 1


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_notebooks_are_committed_without_outputs(path):
    for cell in json.loads(path.read_text())["cells"]:
        assert not cell.get("outputs") and cell.get("execution_count") is None


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_cells_are_short(path):
    for cell in cells(path, "code"):
        lines = [line for line in cell.splitlines() if line.strip() and not line.startswith("#")]
        assert len(lines) <= 10, cell


def test_environment_and_pyproject_have_the_same_pins():
    text = (ROOT / "environment.yml").read_text()
    pip = re.findall(r"^      - (\S+)$", text, re.M)
    assert pip == PROJECT["dependencies"] + PROJECT["optional-dependencies"]["lab"]
    python = re.search(r"^  - python(\S+)$", text, re.M).group(1)
    assert python == PROJECT["requires-python"]


def test_the_package_is_thin():
    lines = sum(len(p.read_text().splitlines()) for p in (ROOT / "ganlib").glob("*.py"))
    assert lines <= 5_300


def test_nothing_committed_names_a_package_registry_or_this_machine():
    files = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    words = ["py" + "pi.org", "python" + "hosted", "/wo" + "rk/"]
    for file in files:
        if Path(file).suffix in (".py", ".md", ".toml", ".yml", ".ipynb", "") and (ROOT / file).is_file():
            text = (ROOT / file).read_text(errors="ignore")
            assert not [w for w in words if w in text], file


def test_importing_ganlib_loads_no_training_code():
    code = "import sys, ganlib.checkpoint; print(sorted(m for m in sys.modules if m.startswith('ganlib')))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "ganlib.train" not in out and "ganlib.losses" not in out and "ganlib.checkpoint" in out
