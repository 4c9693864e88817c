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


def test_the_results_in_the_readme_are_the_measured_ones():
    rows = json.loads((ROOT / "experiments" / "equal_time.json").read_text())["rows"]
    text = (ROOT / "README.md").read_text().split("## The results")[1].split("\n## ")[0]
    shown = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.count("|") == 13][2:]
    assert len(shown) == len(rows)
    for cells, row in zip(shown, sorted(rows.values(), key=lambda row: row["fd"])):
        if "images" in row:
            assert cells[1:3] == [f"{row['images']:,.0f}", f"{row['minutes']:.0f}"]
        assert float(cells[3].split(" ")[0]) == pytest.approx(row["fd"], abs=0.51)
        assert float(cells[5].replace(",", "")) == pytest.approx(1000 * row["kid"], abs=0.51)
        values = [(4, "labels", 0.51), *((i, key, 0.0051) for i, key in enumerate(("precision", "recall", "density", "coverage", "nearest"), 6)),
                  (11, "eye_gap", 0.51)]
        for i, key, near in values:
            assert cells[i] == "" and key not in row or float(cells[i]) == pytest.approx(row[key], abs=near), (cells, key)


@pytest.mark.parametrize("name", [p.parent.name for p in sorted((ROOT / "data" / "generators").glob("*/config.json"))])
def test_every_shipped_generator_has_its_card_and_its_place_in_the_gallery(name):
    folder = ROOT / "data" / "generators"
    card, gallery = (folder / name / "README.md").read_text(), (folder / "README.md").read_text()
    assert all(words in card for words in ("Trained on", "images seen", "What it is bad at", "work of their artists"))
    assert f"]({name}/README.md)" in gallery and f"]({name}/samples.webp)" in gallery
    for link in re.findall(r"\]\((?!https?://)([^)#\s]+)", gallery + card):
        assert (folder / link).exists() or (folder / name / link).exists(), link


def test_the_shipped_generators_stay_small():
    assert sum(p.stat().st_size for p in (ROOT / "ganlib" / "shipped").glob("*/*.safetensors")) < 30e6


def test_the_package_is_thin():
    lines = sum(len(p.read_text().splitlines()) for p in (ROOT / "ganlib").rglob("*.py"))
    assert lines <= 5_800


def test_nothing_committed_names_a_package_registry_or_this_machine():
    files = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    words = ["py" + "pi.org", "python" + "hosted", "/wo" + "rk/"]
    for file in files:
        if Path(file).suffix in (".py", ".md", ".toml", ".yml", ".ipynb", "") and (ROOT / file).is_file():
            text = (ROOT / file).read_text(errors="ignore")
            assert not [w for w in words if w in text], file


def test_importing_ganlib_loads_no_training_code():
    code = "import sys, ganlib.models.store; print(sorted(m for m in sys.modules if m.startswith('ganlib')))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "ganlib.training.loop" not in out and "ganlib.models.store" in out
