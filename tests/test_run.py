"""notebooks/run.py, and notebooks/pages/: executed notebooks as pages that need no network."""
import os
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from run_folders import full_records, write_log, write_samples

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "notebooks"))
import run  # noqa: E402
from pages import execution, formulas, front, links  # noqa: E402

from ganlib.presets import PROFILES  # noqa: E402

NAMES = [path.stem for path in sorted((ROOT / "notebooks").glob("*.ipynb"))]


# -- what is asked for


def test_profile_and_notebooks_are_understood():
    assert run.asked_for(["demo"]) == ("demo", [])
    assert run.asked_for(["cpu", "02_dcgan", "notebooks/03_lsgan.ipynb"]) == ("cpu", ["02_dcgan", "03_lsgan"])
    assert run.asked_for(["smoke", "all"]) == ("smoke", NAMES)


@pytest.mark.parametrize("arguments, says", [
    ([], "Which profile?"),
    (["dmo"], "'demo'"),
    (["demo", "02_dcgam"], "'02_dcgan'"),
    (["demo", "all", "02_dcgan"], "There is no notebook 'all'"),
])
def test_wrong_arguments_are_answered_in_one_line(arguments, says):
    command = [sys.executable, ROOT / "notebooks" / "run.py", *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1 and done.stdout == ""
    assert says in done.stderr and done.stderr.count("\n") == 1
    known = NAMES if len(arguments) > 1 else PROFILES
    listed = done.stderr.split(" Known: ")[1]
    assert all(listed.count(name) == 1 for name in known)


def test_help():
    command = [sys.executable, ROOT / "notebooks" / "run.py", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "python notebooks/run.py cpu 02_dcgan" in done.stdout and not done.stderr


def test_the_demo_draws_its_faces_unless_others_are_named(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my faces").mkdir()
    monkeypatch.setenv("GANLIB_DATA", "my data")
    monkeypatch.setenv("GANLIB_PROFILE", "")
    monkeypatch.setenv("GANLIB_FACES", "")
    run.set_environment("demo", drawn_faces=True)
    assert os.environ["GANLIB_FACES"] == "synthetic" and os.environ["GANLIB_PROFILE"] == "demo"
    assert os.environ["GANLIB_DATA"] == str(tmp_path / "my data")
    for given, seen in (("my faces", str(tmp_path / "my faces")), ("kaggle:a/b", "kaggle:a/b")):
        monkeypatch.setenv("GANLIB_FACES", given)
        run.set_environment("demo", drawn_faces=True)
        assert os.environ["GANLIB_FACES"] == seen


def test_the_demo_shows_notebooks_that_are_there():
    assert set(run.DEMO) <= set(NAMES) and "02_dcgan" in run.DEMO and "07_explore" in run.DEMO


# -- a notebook, executed


CELLS = [
    new_markdown_cell("# A small one\n\nSee [02](02_dcgan.ipynb), [03](03_lsgan.ipynb#the-loss), $x^2$."),
    new_code_cell("from tqdm.notebook import tqdm\nfor i in tqdm(range(3)): pass\nprint('counted')"),
    new_code_cell("import os, ipywidgets\nprint(os.environ['GANLIB_PROFILE'])\nipywidgets.IntSlider(3)"),
]


@pytest.fixture
def small(tmp_path, monkeypatch):
    """run.run of a notebook of some cells: the page, and the folder, whose name has a space."""
    here, folder = tmp_path / "the notebooks", tmp_path / "the runs"
    here.mkdir()
    folder.mkdir()
    monkeypatch.setattr(run, "HERE", here)
    monkeypatch.setenv("GANLIB_PROFILE", "smoke")

    def execute(*cells):
        nbformat.write(new_notebook(cells=cells), here / "09_small.ipynb")
        run.run("09_small", folder, pages={"02_dcgan", "09_small"})
        return (folder / "09_small.html").read_text()

    execute.folder = folder
    return execute


def test_a_notebook_becomes_a_page_that_needs_no_network(small, capsys):
    page = small(*CELLS)
    assert "counted" in page and "smoke" in page and "counted" in capsys.readouterr().out
    assert "<title>A small one</title>" in page
    assert 'href="02_dcgan.html"' in page
    assert f'href="{links.repository()}/blob/main/notebooks/03_lsgan.ipynb#the-loss"' in page
    assert "<math" in page and "$x" not in page
    assert not re.findall(r'<(?:script|link|img|iframe)[^>]+(?:src|href)="(?!data:)', page)
    assert not re.findall(r"@import|https?://[^\s\"']+\.m?js\b", page)
    assert "it/s" not in page and "%|" not in page  # no bar that stands still


def test_a_cell_that_fails_stops_with_its_message_and_keeps_the_page(small):
    with pytest.raises(SystemExit) as stopped:
        small(new_code_cell("print('so far')"), new_code_cell("raise ValueError('no such face')"))
    assert "09_small stopped: no such face" in str(stopped.value)
    assert "09_small.html" in str(stopped.value)
    assert "so far" in (small.folder / "09_small.html").read_text()


def test_widgets_go_and_panels_leave_their_pictures(small):
    code = """
from IPython.display import display
from PIL import Image
import ipywidgets
from tqdm.notebook import tqdm
from ganlib.view.stills import show_panel
print("before the panel")
for i in tqdm(range(3)): pass
show_panel(ipywidgets.VBox(), "Panel", "seed 3", Image.new("RGB", (8, 8)))"""
    page = small(new_code_cell(code))
    assert "before the panel" in page and "seed 3" in page and "Run all cells" in page
    assert "data:image/png" in page and execution.WIDGET not in page
    assert "{display: none}" not in page.partition("before the panel")[2]  # nothing hides the line before


# -- formulas


@pytest.mark.parametrize("tex, has", [
    (r"\frac{x - \bar{x}}{\sigma(x)}", "<mfrac>"),
    (r"\mathbb{E}\,|\nabla D(x)|^2", 'lspace="0" rspace="0">&#x0007C;</mo>'),
    (r"\tfrac{1}{2}", 'displaystyle="false"'),
    (r"\big(a\big)", 'mathsize="1.2em"'),
    (r"\|x\|_2", "&#x02016;"),
    (r"\max_{D} W", "<munder><mo>max</mo>"),
])
def test_formulas_are_mathml(tex, has):
    formula = formulas.mathml(tex, block=True)
    assert has in formula and formula.startswith("<math") and 'display="block"' in formula
    assert "\\" not in formula


def test_an_unknown_command_is_named():
    with pytest.raises(ValueError, match=r"\\\\nosuch.*write it in another way"):
        formulas.mathml(r"a + \nosuch{b}")


def test_every_formula_of_the_notebooks_can_be_shown():
    count = 0
    for name in NAMES:
        for cell in nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", as_version=4).cells:
            if cell.cell_type == "markdown":
                shown = formulas.with_formulas(cell.source)
                count += shown.count("<math")
                assert "$" not in re.sub(r"```.*?```|`[^`]*`", "", shown, flags=re.DOTALL), cell.source
    assert count >= 10


def test_dollars_in_code_stay():
    text = "`$HOME` and\n```sh\necho $A $B\n```\ncosts $5 or $6, \\$x\\$"
    assert formulas.with_formulas(text) == text


# -- links


def test_links_lead_to_pages_or_to_github():
    def place(path):
        return {"notebooks/02_dcgan.ipynb": "02.html", "docs/a.png": "pictures/a.png"}.get(path)

    text = ("[![Badge](https://x.org/b.svg)](https://x.org/c) [two](../notebooks/02_dcgan.ipynb#loss) "
            "![picture](a.png) <img src=\"a.png\"> [code](../ganlib/images.py) [here](#here) "
            "[folder](../experiments) `[no](link.md)` [mail](mailto:a@b.c)")
    far = f"{links.repository()}/blob/main/ganlib/images.py"
    folder = f"{links.repository()}/tree/main/experiments"
    assert links.relinked(text, "docs/some.md", place) == (
        "[Badge](https://x.org/c) [two](02.html#loss) ![picture](pictures/a.png) "
        f'<img src="pictures/a.png"> [code]({far}) [here](#here) [folder]({folder}) `[no](link.md)` '
        "[mail](mailto:a@b.c)")


# -- the page of the demo


def test_the_demo_ends_with_a_page_of_pictures(tmp_path):
    folder = tmp_path / "the demo"
    trained = folder / "a pack" / "dcgan"
    write_log(trained, full_records(40))
    write_samples(trained, 4)
    for name in ("01_data", "07_explore"):
        (folder / f"{name}.html").write_text("")
    page = front.make_front(folder, ["01_data", "02_dcgan", "07_explore"])
    text = page.read_text()
    assert "40,000 pictures" in text and "In 5 minutes" in text
    sources = re.findall(r'src="([^"]+)"', text)
    names = [Path(source).name for source in sources]
    assert names == ["000003000.png", "progress.webp", "losses.png", "walk.webp", "mixing.png"]
    assert all((folder / unquote(source)).stat().st_size > 100 for source in sources)
    targets = re.findall(r'href="([^"]+)"', text)
    assert set(targets) == {"01_data.html", "07_explore.html"}  # there is no page of 02
    assert "https:" not in text


def test_a_browser_is_opened_only_where_somebody_looks(monkeypatch, tmp_path):
    opened = []
    monkeypatch.setattr(front.webbrowser, "open", lambda address: opened.append(address) or True)
    monkeypatch.setattr(sys, "platform", "linux")
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    assert not front.open_in_browser(tmp_path / "a b.html")
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: False, raising=False)
    assert not front.open_in_browser(tmp_path / "a b.html") and opened == []
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    assert front.open_in_browser(tmp_path / "a b.html")
    assert opened == [(tmp_path / "a b.html").as_uri()]
