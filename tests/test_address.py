"""`make address`: the repository's address, and the heads of the notebooks that follow from it."""
import importlib.util
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))

spec = importlib.util.spec_from_file_location("address", ROOT / ".ci" / "address.py")
address = importlib.util.module_from_spec(spec)
spec.loader.exec_module(address)

NOW = address.present()
# Taken apart, so that the test finds no address of its own in the copies
ELSEWHERE = ["some-one/" + "anime.gan-2", "other/" + "x_y.z"]


@pytest.fixture(scope="module")
def tracked(tmp_path_factory):
    """A copy of the committed files as they are in the working tree."""
    folder = tmp_path_factory.mktemp("tracked")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file() and not name.endswith((".safetensors", ".webp", ".png")):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    return folder


@pytest.fixture
def copy(tracked, tmp_path):
    shutil.copytree(tracked, tmp_path / "copy")
    return tmp_path / "copy"


def contents(folder):
    files = (path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def run(folder, *arguments):
    return subprocess.run([sys.executable, folder / ".ci" / "address.py", *arguments],
                          capture_output=True, text=True)


def move(folder, repo):
    done = run(folder, f"https://github.com/{repo}")
    assert done.returncode == 0, done.stderr
    return contents(folder)


def changed_lines(before, after):
    """The pairs of lines that differ; nothing is added or taken away."""
    assert before.keys() == after.keys()
    for name in before:
        old, new = before[name].split(b"\n"), after[name].split(b"\n")
        assert len(old) == len(new), name
        yield from ((name, a.decode(), b.decode()) for a, b in zip(old, new) if a != b)


def names_it(line, repo):
    owner, name = repo.split("/")
    return f"github.com/{repo}" in line or f"/github/{repo}" in line or f"{owner}.github.io/{name}" in line


def test_the_address_is_replaced_everywhere_and_nothing_else_is(copy):
    """Twice, to names with dots and dashes, and back to the bytes that were there."""
    original = contents(copy)
    was, before = NOW, original
    for repo in ELSEWHERE:
        after = move(copy, repo)
        changes = list(changed_lines(before, after))
        assert {name for name, _, _ in changes} >= {"pyproject.toml", "CITATION.cff", "README.md"}
        assert {name for name, _, _ in changes} >= {f"notebooks/{path.name}" for path in NOTEBOOKS}
        for name, old, new in changes:
            assert names_it(old, was) and names_it(new, repo), (name, old, new)
        assert not [name for name, content in after.items() if was.encode() in content]
        was, before = repo, after
    assert move(copy, NOW) == original


def test_nothing_but_the_address_changes_in_a_line(copy):
    after = move(copy, ELSEWHERE[0])
    for name in ("README.md", "CITATION.cff", "pyproject.toml"):
        assert after[name].decode() == (ROOT / name).read_text().replace(NOW, ELSEWHERE[0])


def test_the_notebooks_stay_valid(copy):
    move(copy, ELSEWHERE[0])
    for path in (copy / "notebooks").glob("*.ipynb"):
        nbformat.validate(nbformat.read(path, as_version=4))


def test_it_works_in_a_git_repository_on_the_files_that_git_knows(copy):
    """Files that git ignores stay as they are."""
    subprocess.run(["git", "init", "--quiet", copy], check=True)
    ignored = copy / "data" / "notes.txt"
    ignored.write_text(f"https://github.com/{NOW}")
    (copy / ".gitignore").write_text("data/notes.txt\n")
    new = copy / "docs" / "new.md"
    new.write_text(f"see https://github.com/{NOW}.")
    move(copy, ELSEWHERE[0])
    assert NOW in ignored.read_text() and new.read_text() == f"see https://github.com/{ELSEWHERE[0]}."


@pytest.mark.parametrize(("before", "after"), [
    ("https://github.com/a/b", "https://github.com/c-d/e.f"),
    ("see https://github.com/a/b.", "see https://github.com/c-d/e.f."),
    ("(https://github.com/a/b/blob/main/x.md)", "(https://github.com/c-d/e.f/blob/main/x.md)"),
    ("git+https://github.com/a/b.git", "git+https://github.com/c-d/e.f.git"),
    ("git@github.com:a/b.git", "git@github.com:c-d/e.f.git"),
    ("https://a.github.io/b/", "https://c-d.github.io/e.f/"),
    ("https://raw.githubusercontent.com/a/b/main/x", "https://raw.githubusercontent.com/c-d/e.f/main/x"),
    # other repositories, and other things
    ("https://github.com/a/b-more", None),
    ("https://github.com/a/b.js", None),
    ("https://github.com/a/bb", None),
    ("https://github.com/xa/b", None),
    ("https://xa.github.io/b", None),
    ("kaggle:a/b and a/b", None),
])
def test_what_counts_as_the_address(before, after):
    assert address.moved(before.encode(), "a/b", "c-d/e.f").decode() == (after or before)


@pytest.mark.parametrize("url", ["foo", "http://github.com/name/repository", "https://gitlab.com/name/repository",
                                 "https://github.com/name", "https://github.com/name/repository/tree/main",
                                 "https://github.com/-name/repository", "https://github.com/name/..",
                                 "https://github.com/name/repository.git.git",
                                 "https://github.com/na me/repository", "git@github.com:name/repository"])
def test_an_address_that_is_none(copy, url):
    before = contents(copy)
    done = run(copy, url)
    assert done.returncode == 2 and not done.stdout
    assert done.stderr == (f'"{url}" is not the address of a repository on GitHub: expected '
                           "https://github.com/name/repository.\n")
    assert contents(copy) == before


@pytest.mark.parametrize("end", ["", "/", ".git", ".git/"])
def test_a_slash_or_git_at_the_end_is_taken_off(end):
    assert address.repository(f"https://github.com/some-one/faces.2{end}") == "some-one/faces.2"


@pytest.mark.parametrize(("name", "content", "message"), [
    ("pyproject.toml", "[project]\n", "pyproject.toml has no address"),
    ("notebooks/01_data.ipynb", "<<<<<<<", "notebooks/01_data.ipynb is no notebook"),
])
def test_a_project_that_is_broken(copy, name, content, message):
    (copy / name).write_text(content)
    before = contents(copy)
    done = run(copy, f"https://github.com/{ELSEWHERE[0]}")
    assert done.returncode == 2 and message in done.stderr and done.stderr.count("\n") == 1
    assert contents(copy) == before


def test_make_address(copy):
    make = ["make", "address", f"PYTHON={sys.executable}"]
    done = subprocess.run(make, cwd=copy, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.splitlines()[0] == ("Which address? Expected make address "
                                           "URL=https://github.com/name/repository.")
    url = f"https://github.com/{ELSEWHERE[0]}/"
    done = subprocess.run([*make, f"URL={url}"], cwd=copy, capture_output=True, text=True)
    assert done.returncode == 0 and "README.md\n" in done.stdout and "pyproject.toml\n" in done.stdout
    assert f'Repository = "https://github.com/{ELSEWHERE[0]}"\n' in (copy / "pyproject.toml").read_text()


@pytest.mark.parametrize("end", ["'", '"', "'; touch made; '", "$(touch made)", "`touch made`",
                                 "$(shell touch made)", "$$(touch made)"])
def test_make_address_reads_nothing_into_what_was_typed(copy, end):
    """The script gets it as it is, and refuses it: neither make nor the shell runs what stands in it."""
    before = contents(copy)
    url = f"https://github.com/{ELSEWHERE[0]}{end}"
    make = ["make", "address", f"PYTHON={sys.executable}", f"URL={url}"]
    done = subprocess.run(make, cwd=copy, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.splitlines()[0].startswith(f'"{url}" is not the address of a repository on GitHub')
    assert contents(copy) == before


def test_without_an_address_the_heads_are_written_again(copy):
    original = contents(copy)
    path = copy / "notebooks" / NOTEBOOKS[0].name
    notebook = json.loads(path.read_text())
    title = "".join(notebook["cells"][0]["source"]).split("\n\n", 1)[1]
    notebook["cells"][0]["source"] = [title]
    notebook["cells"][1]["source"] = ["import ganlib\n", "%pip install something else"]
    path.write_text(json.dumps(notebook))
    own = copy / "notebooks" / "own.ipynb"
    own.write_text('{"cells": []}')
    assert run(copy).stdout == f"notebooks/{path.name}\n"
    own.unlink()
    assert contents(copy) == original
    assert run(copy).stdout == "Nothing to change.\n"


def cells(path):
    return json.loads(path.read_text())["cells"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_badges_and_set_up_cell_follow_the_address(path):
    first, second = cells(path)[:2]
    lines = "".join(first["source"]).splitlines()
    place = f"github.com/{NOW}/blob/main/notebooks/{path.name}"
    badge = r"\[!\[Open in {}\]\(https://\S+/{}\.svg\)\]\((\S+)\)"
    colab = re.fullmatch(badge.format("Colab", "colab-badge"), lines[0])
    kaggle = re.fullmatch(badge.format("Kaggle", "open-in-kaggle"), lines[1])
    assert colab[1] == "https://colab.research.google.com/" + place.replace("github.com", "github")
    assert kaggle[1] == "https://kaggle.com/kernels/welcome?src=https://" + place
    assert lines[2] == "" and lines[3].startswith("# ")
    assert "".join(second["source"]) == address.set_up_cell(NOW)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_notebooks_are_laid_out_as_they_are_written(path):
    """So that writing a set-up cell changes no other line of a file."""
    notebook = json.loads(path.read_text(encoding="utf-8"))
    assert path.read_text(encoding="utf-8") == json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"


def test_the_readme_enters_the_folder_that_it_clones_into():
    """Which does not have the repository's name, so that another address needs no other command."""
    commands = re.search(r"^git clone (\S+) (\S+)\ncd (\S+)$", (ROOT / "README.md").read_text(), re.M)
    assert commands and commands[1] == f"https://github.com/{NOW}" and commands[2] == commands[3]
