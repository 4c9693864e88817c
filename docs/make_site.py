"""Build the site: all notebooks, executed, and docs/, as a static folder build/site/ (make site).

The notebooks are executed in the profile demo, or in GANLIB_PROFILE, on drawn faces. They are executed again
only where code has changed: that of the notebook, of one before it, or of ganlib. Their packs and runs lie in
data/site/, or in GANLIB_DATA; no other run is shown. The page on which anyone plays with the generators comes
with the site, as play/. Where its runtime cannot be fetched, it is left out.
"""
import hashlib
import os
import posixpath
import re
import shutil
import sys
import time
from pathlib import Path

import nbformat
from sphinx.cmd.build import build_main

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "notebooks"))
from pages.execution import execute  # noqa: E402
from pages.links import relinked  # noqa: E402

BUILD = ROOT / "build"
SOURCE = BUILD / "site-source"
SITE = BUILD / "site"
PLAY = BUILD / "play"
GENERATORS = ["stylegan-labels", "stylegan-fast"]  # of the page to play on
INVITATION = ('**Or play at once.** <a href="play/index.html">Design a face</a> in your browser: there is '
              "nothing to install, and nothing is sent anywhere.")
NOTEBOOKS = sorted((ROOT / "notebooks").glob("[0-9]*.ipynb"))
ABOUT = "Executed in the profile *{profile}*, on drawn faces"
# Which page a file becomes. All other files of docs/ keep their names.
PAGES = {
    "README.md": "index.md",
    "docs/index.md": "index.md",
    "data/generators/README.md": "gallery.md",
    "CHANGELOG.md": "changelog.md",
}
# In this order, then what else there is
FIRST = ["gallery.md", "results.md", "claims.md", "running.md", "glossary.md", "contributing.md",
         "changelog.md"]


def main():
    profile = set_environment()
    shutil.rmtree(SOURCE, ignore_errors=True)
    for path in NOTEBOOKS:  # before the long work: is every link of theirs right?
        write_notebook(path, nbformat.read(path, as_version=4), profile)
    texts = write_texts()
    can_play = make_play()
    (SOURCE / "index.md").write_text(landing_page(texts, can_play), encoding="utf-8")
    for number, path in enumerate(NOTEBOOKS, 1):
        write_notebook(path, executed_notebook(path, profile, number), profile)
    shutil.rmtree(SITE, ignore_errors=True)
    failed = build_main(["-b", "html", "-q", "-c", str(ROOT / "docs"), "-d", str(BUILD / "site-doctrees"),
                         str(SOURCE), str(SITE)])
    if failed:
        sys.exit("The site could not be built; what Sphinx said stands above.")
    if can_play:
        shutil.copytree(PLAY, SITE / "play")
    print(f"The site: {SITE / 'index.html'}")


def set_environment():
    """What the kernels see: drawn faces, and data of their own. Gives the profile's name."""
    os.environ.setdefault("GANLIB_PROFILE", "demo")
    os.environ["GANLIB_FACES"] = "synthetic"
    os.environ.pop("GANLIB_KEEP", None)
    data = Path(os.environ.get("GANLIB_DATA") or ROOT / "data" / "site")
    os.environ["GANLIB_DATA"] = str(data.expanduser().absolute())
    return os.environ["GANLIB_PROFILE"]


def make_play():
    """Make the page to play on; whether that was possible."""
    from ganlib.errors import GanlibError
    from ganlib.sharing.pages import make_page

    try:
        make_page(GENERATORS, PLAY)
    except GanlibError as error:
        print(f"The page to play on is left out: {error}", flush=True)
        return False
    return True


# -- the notebooks


def executed_notebook(path, profile, number):
    """A notebook with its outputs, from the cache or executed now. Ends the program where a cell fails."""
    notebook = nbformat.read(path, as_version=4)
    kept = BUILD / "executed" / profile / path.name
    state = state_of_code(NOTEBOOKS[:number])
    if kept.is_file():
        before = nbformat.read(kept, as_version=4)
        if before.metadata.get("state") == state:
            take_outputs(notebook, before)
            return notebook
    print(f"\n== {path.stem} ({number} of {len(NOTEBOOKS)}), executed in the profile {profile}", flush=True)
    begun = time.monotonic()
    error = execute(notebook, path.parent)
    if error:
        sys.exit(f"\n{error}\n{path.stem} stopped, so there is no site: {error.ename}: {error.evalue}\n"
                 f"Packs and runs lie in {os.environ['GANLIB_DATA']}: without that folder all is made anew.")
    print(f"\n{path.stem}: {(time.monotonic() - begun) / 60:.1f} minutes", flush=True)
    notebook.metadata["state"] = state
    kept.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, kept)
    return notebook


def state_of_code(notebooks):
    """A hash of what outputs depend on: the code of the package, and of the notebooks up to this one."""
    digest = hashlib.sha256()
    execution = ROOT / "notebooks" / "pages" / "execution.py"
    for path in [*sorted((ROOT / "ganlib").rglob("*.py")), execution]:
        digest.update(path.read_bytes())
    for path in notebooks:
        digest.update("\0".join(codes(nbformat.read(path, as_version=4))).encode())
    return digest.hexdigest()


def codes(notebook):
    return [cell.source for cell in notebook.cells if cell.cell_type == "code"]


def take_outputs(notebook, executed):
    """Give the code cells of a notebook the outputs that the same cells have in another."""
    have_outputs = [cell for cell in executed.cells if cell.cell_type == "code"]
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    for cell, has in zip(cells, have_outputs, strict=True):
        cell.outputs = has.outputs
        cell.execution_count = has.execution_count


def write_notebook(path, notebook, profile):
    """A notebook as a page of the site; under its badge it says how it was executed."""
    file = f"notebooks/{path.name}"
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = relinked(cell.source, file, lambda target: place(target, file))
    first = notebook.cells[0]
    badges = re.match(r"((?:\[Open in .+\n)+)\s*(# .+)", first.source)
    if badges:
        line = " · ".join([*badges[1].splitlines(), ABOUT.format(profile=profile)])
        first.source = f"{badges[2]}\n\n{line}{first.source[badges.end():]}"
    setup = next(cell for cell in notebook.cells if cell.cell_type == "code")
    setup.metadata["tags"] = ["hide-cell"]  # it gets ganlib where that is missing
    for cell in notebook.cells:
        cell.source = cell.source.removeprefix("# NBVAL_CHECK_OUTPUT\n")  # meant for the tests only
    notebook.metadata.pop("state", None)
    target = SOURCE / file
    target.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, target)


# -- the other pages


def place(target, file):
    """Where a file of the repository is on the site, seen from the page of another; None: nowhere.

    Both are paths relative to the root of the repository. A picture is copied to the site.
    """
    page = page_of(target)
    if page is None:
        return None
    if not page.endswith((".md", ".ipynb")):
        copy = SOURCE / page
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / target, copy)
    return posixpath.relpath(page, posixpath.dirname(page_of(file)) or ".")


def page_of(path):
    """What a file of the repository is on the site, or None. Ends the program where there is no such file."""
    full = ROOT / path
    if not full.exists():
        sys.exit(f"There is a link to {path}, which is not there.")
    if path in PAGES:
        return PAGES[path]
    if path.startswith("data/generators/") and path.endswith("/README.md"):
        return f"generators/{full.parent.name}.md"
    if path.startswith("docs/") and path.endswith(".md"):
        return path.removeprefix("docs/")
    if full in NOTEBOOKS or full.suffix in (".png", ".webp", ".gif", ".jpg", ".svg", ".mp4"):
        return path
    return None


def write_texts():
    """docs/, the gallery and the changelog as pages. Gives their names."""
    cards = sorted((ROOT / "data" / "generators").glob("*/README.md"))
    docs = [path for path in sorted((ROOT / "docs").glob("*.md")) if path.name != "index.md"]
    others = [ROOT / name for name, page in PAGES.items() if page != "index.md"]
    names = []
    for path in [*docs, *cards, *others]:
        if not path.is_file():
            continue
        file = path.relative_to(ROOT).as_posix()
        page = SOURCE / page_of(file)
        page.parent.mkdir(parents=True, exist_ok=True)
        text = path.read_text(encoding="utf-8")
        page.write_text(relinked(text, file, lambda target, file=file: place(target, file)), encoding="utf-8")
        names.append(page.relative_to(SOURCE).as_posix())
    return names


def landing_page(texts, can_play):
    """docs/index.md, with the tables of contents that the navigation is made of.

    can_play: whether it invites to the page to play on.
    """
    file = "docs/index.md"
    text = (ROOT / file).read_text(encoding="utf-8")
    text = relinked(text, file, lambda target: place(target, file))
    text = text.replace("<!-- play -->", INVITATION if can_play else "")
    text = re.sub(r"<!-- README\.md: (.+) -->", lambda found: table_of_readme(found[1]), text)
    pages = [name for name in texts if not name.startswith("generators/")]
    ordered = [name for name in FIRST if name in pages] + [name for name in pages if name not in FIRST]
    cards = [name for name in texts if name.startswith("generators/")]
    if cards and "gallery.md" in ordered:
        with open(SOURCE / "gallery.md", "a", encoding="utf-8") as gallery:
            gallery.write(contents("", cards))
    notebooks = [f"notebooks/{path.name}" for path in NOTEBOOKS]
    return text + contents("Notebooks", notebooks) + contents("Read on", ordered)


def table_of_readme(section):
    """The table of a section of README.md, for the landing page. Ends the program where there is none."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    found = re.search(rf"^## {re.escape(section)}\n.*?(^\|.*?)^(?!\|)", text, re.MULTILINE | re.DOTALL)
    if not found:
        sys.exit(f"README.md has no table under '## {section}', which docs/index.md asks for.")
    return relinked(found[1], "README.md", lambda target: place(target, "README.md"))


def contents(caption, pages):
    """A table of contents that is not shown on its page, but in the navigation."""
    head = f":caption: {caption}\n" if caption else ""
    return "\n\n```{toctree}\n:hidden:\n" + head + "\n" + "\n".join(pages) + "\n```\n"


if __name__ == "__main__":
    main()
