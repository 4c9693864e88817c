#!/usr/bin/env python3
"""Write the repository's address, the set-up cell and the badges of the notebooks: .ci/address.py [URL]

The present address is the one under [project.urls] in pyproject.toml. With a URL, that address is replaced
wherever it stands, and nothing else is changed. Without one, only the set-up cells and badges are written.
It needs nothing but Python, so that it runs before anything is installed.
"""
import json
import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
EXPECTED = "https://github.com/name/repository"
NO_OWNER = "OWNER"  # stands where the owner's name belongs, until somebody sets the address

# The hosts that show a GitHub repository, each with the text that precedes "owner/name" in their addresses
HOSTS = ("github.com/", "git@github.com:", "raw.githubusercontent.com/", "colab.research.google.com/github/",
         "nbviewer.org/github/", "mybinder.org/v2/gh/")

# Folders that hold no part of the project; asked only where git cannot say it
FOREIGN = {".git", ".venv", "build", "dist", "node_modules", "__pycache__", "packs", "runs", "raw", "export"}

# {address} is the repository's, {missing} is what it means that GitHub does not show it
SET_UP_CELL = '''\
# Where ganlib is installed, this does nothing. On Colab and Kaggle it installs ganlib, and leaves the PyTorch
# that is there as it is. When that fails, the last line says why.
from importlib.util import find_spec
from urllib.request import urlopen

from IPython.core.error import UsageError

if find_spec("ganlib") is None:
    try:
        why = "No internet: on Kaggle, switch it on in the settings on the right (needs a verified phone)"
        urlopen("https://github.com")
        why = "{missing} {address}"
        urlopen("{address}")
        why = "pip could not install ganlib, see above; if nothing stands there, restart the runtime"
        %pip list --format=freeze | grep -iE "^(torch|torchvision|numpy|pillow)=" > keep.txt
        %pip install --quiet --constraint keep.txt git+{address}
        import ganlib
    except Exception as error:
        raise UsageError(f"{{why}} ({{error}})") from None'''
NOT_SET = "The address is not set (run make address URL=... and push): there is no repository at"
NOT_SHOWN = "GitHub shows no repository (is it private, or is the address wrong?) at"


class AddressError(Exception):
    """Says what was found and what was expected, in one sentence."""


def main(arguments):
    try:
        written = write(arguments[0] if arguments else None)
    except AddressError as error:
        print(error, file=sys.stderr)
        return 2
    print("\n".join(written) or "Nothing to change.")
    return 0


def write(url=None):
    """Write the address `url`, or without it the cells and badges only. The names of the changed files.

    Raises AddressError before anything is written.
    """
    old = present()
    new = old if url is None else repository(url)
    contents = {path: path.read_bytes() for path in files()}
    changed = {}
    for path, content in contents.items():
        wanted = moved(content, old, new)
        if path.suffix == ".ipynb" and path.parent == ROOT / "notebooks":
            wanted = with_head(path.name, wanted, new)
        if wanted != content:
            changed[path] = wanted
    # pyproject.toml last: it says what is present, so that a run that was cut off can be done again
    for path in sorted(changed, key=lambda path: path.name == "pyproject.toml"):
        _replace(path, changed[path])
    return [str(path.relative_to(ROOT)) for path in changed]


def present():
    """The repository that pyproject.toml names, as "owner/name"."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    found = re.search(r'^Repository = "(.*)"$', text, re.MULTILINE)
    if not found:
        raise AddressError(f'pyproject.toml has no address: expected Repository = "{EXPECTED}" below '
                           "[project.urls].")
    return repository(found[1])


def repository(url):
    """"owner/name" of a repository's address on GitHub."""
    address = url.strip().rstrip("/")
    address = address[:-len(".git")] if address.endswith(".git") else address
    owner = "[A-Za-z0-9](?:[A-Za-z0-9-]{0,37}[A-Za-z0-9])?"
    found = re.fullmatch(rf"https://github\.com/({owner}/[A-Za-z0-9_.-]{{1,100}})", address, re.ASCII)
    if not address:
        raise AddressError(f"Which address? Expected make address URL={EXPECTED}.")
    if not found or found[1].split("/")[1] in (".", "..") or found[1].endswith(".git"):
        raise AddressError(f'"{url}" is not the address of a repository on GitHub: expected {EXPECTED}.')
    return found[1]


def files():
    """The project's files: those that git knows or would add; without git, those in its folders."""
    paths = _of_git() if (ROOT / ".git").exists() else None
    if paths is None:
        paths = []
        for folder, folders, names in os.walk(ROOT):
            folders[:] = [name for name in folders if name not in FOREIGN and "cache" not in name]
            paths += [Path(folder) / name for name in names]
    return sorted(path for path in set(paths) if path.is_file() and not path.is_symlink())


def _of_git():
    """What git lists, or None where it cannot."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout  # noqa: S603
    except (OSError, subprocess.CalledProcessError):
        return None
    return [ROOT / os.fsdecode(name) for name in listed.split(b"\0") if name]


def moved(content, old, new):
    """The bytes of a file with the repository `new` in place of `old`, both "owner/name"."""
    for was, becomes in zip(_places(old), _places(new), strict=True):
        if was.encode() in content:
            content = re.sub(_alone(was), becomes.encode(), content)
    return content


def _places(repo):
    owner, name = repo.split("/")
    return [f"{host}{repo}" for host in HOSTS] + [f"{owner}.github.io/{name}"]


def _alone(place):
    """The regular expression for an address that ends there, and is no part of a longer one."""
    return rb"(?<![\w-])" + re.escape(place).encode() + rb"(?![\w-])(?!\.(?!git\b)[\w-])"


def with_head(name, content, repo):
    """The bytes of the notebook file `name` with the badges and the set-up cell of the repository.

    A notebook without a markdown cell and a set-up cell at its head is none of the project's: it stays.
    """
    try:
        notebook = json.loads(content)
    except ValueError as error:
        raise AddressError(f"notebooks/{name} is no notebook: expected JSON, but {error}.") from None
    cells = notebook["cells"]
    if [cell["cell_type"] for cell in cells[:2]] != ["markdown", "code"] or not _installs(cells[1]):
        return content
    title = re.sub(r"\A(?:\[!\[Open in .*\n)*", "", "".join(cells[0]["source"])).lstrip("\n")
    head = [f"{badges(name, repo)}\n\n{title}", set_up_cell(repo)]
    if head == ["".join(cell["source"]) for cell in cells[:2]]:
        return content
    for cell, text in zip(cells[:2], head, strict=True):
        cell["source"] = text.splitlines(keepends=True)
    return (json.dumps(notebook, indent=1, ensure_ascii=False) + "\n").encode()


def _installs(cell):
    source = "".join(cell["source"])
    return "%pip install" in source and "import ganlib" in source


def badges(name, repo):
    """The first lines of the notebook file `name`: badges that open it in Colab and in Kaggle."""
    place = f"{repo}/blob/main/notebooks/{name}"
    return ("[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)]"
            f"(https://colab.research.google.com/github/{place})\n"
            "[![Open in Kaggle](https://kaggle.com/static/images/open-in-kaggle.svg)]"
            f"(https://kaggle.com/kernels/welcome?src=https://github.com/{place})")


def set_up_cell(repo):
    missing = NOT_SET if repo.split("/")[0] == NO_OWNER else NOT_SHOWN
    return SET_UP_CELL.format(address=f"https://github.com/{repo}", missing=missing)


def _replace(path, content):
    """Write a file whole or not at all, with the rights that it has."""
    part = path.with_name(path.name + ".part")
    part.write_bytes(content)
    part.chmod(path.stat().st_mode)
    os.replace(part, path)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
