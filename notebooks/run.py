"""Execute notebooks in a profile with visible progress, and keep them as HTML in data/runs/<profile>/.

    python notebooks/run.py demo            what `make demo` shows, with a page that shows it all
    python notebooks/run.py cpu 02_dcgan    these notebooks, in this profile
    python notebooks/run.py cpu all         all notebooks
"""
import os
import sys
import time
from pathlib import Path

import nbformat
from pages.execution import execute
from pages.export import html_page

from ganlib.errors import GanlibError, did_you_mean
from ganlib.files import data_dir
from ganlib.presets import PROFILES

HERE = Path(__file__).resolve().parent
NOTEBOOKS = sorted(path.stem for path in HERE.glob("[0-9]*.ipynb"))
DEMO = ["01_data", "02_dcgan", "07_explore"]
USAGE = "python notebooks/run.py PROFILE [NOTEBOOKS or all]"


def main(arguments):
    if {"-h", "--help"} & set(arguments):
        print(__doc__.strip())
        return
    profile, names = asked_for(arguments)
    set_environment(profile, drawn_faces=not names)
    folder = data_dir() / "runs" / profile
    folder.mkdir(parents=True, exist_ok=True)
    begun = time.monotonic()
    for name in names or DEMO:
        run(name, folder, pages={*(names or DEMO), *(path.stem for path in folder.glob("*.html"))})
    print(f"\n\nDone in {(time.monotonic() - begun) / 60:.1f} minutes.", flush=True)
    if names:
        list_files(folder)
    else:
        show_front(folder)


def asked_for(arguments):
    """(profile, names of notebooks; none for the demo) of the command's arguments. Raises GanlibError."""
    profile, *names = arguments or [""]
    if profile not in PROFILES:
        found = f"There is no profile {profile!r}." if profile else "Which profile?"
        raise GanlibError(f"{found}{did_you_mean(profile, PROFILES)} Usage: {USAGE}.")
    if names == ["all"]:
        return profile, NOTEBOOKS
    names = [Path(name).name.removesuffix(".ipynb") for name in names]
    for name in names:
        if name not in NOTEBOOKS:
            raise GanlibError(f"There is no notebook {name!r}.{did_you_mean(name, NOTEBOOKS)} Or say all.")
    return profile, names


def set_environment(profile, drawn_faces):
    """What the kernels see. They run in another folder, so that paths must be absolute."""
    os.environ["GANLIB_PROFILE"] = profile
    if drawn_faces and not os.environ.get("GANLIB_FACES"):
        os.environ["GANLIB_FACES"] = "synthetic"
    for name in ("GANLIB_DATA", "GANLIB_KEEP", "GANLIB_FACES"):
        path = os.path.expanduser(os.environ.get(name, ""))
        if path and (name == "GANLIB_DATA" or os.path.exists(path)):
            os.environ[name] = os.path.abspath(path)


def run(name, folder, pages):
    """Execute a notebook, and keep its page in a folder. Ends the program where a cell fails."""
    print(f"\n== {name}", flush=True)
    notebook = nbformat.read(HERE / f"{name}.ipynb", as_version=4)
    error = execute(notebook, HERE)
    page = folder / f"{name}.html"
    page.write_text(html_page(notebook, name, pages), encoding="utf-8")
    if error:
        sys.exit(f"\n{name} stopped: {error.evalue}\nWhat it had done: {page}")


def list_files(folder):
    """Say what there is to look at."""
    print("Look at:")
    for pattern in "*.html", "**/progress.*", "**/losses.png", "**/generator.safetensors":
        for path in sorted(folder.glob(pattern)):
            print(f"  {os.path.relpath(path)}")


def show_front(folder):
    """Make the page that shows it all, and open it where there is a screen."""
    from pages.front import make_front, open_in_browser

    page = make_front(folder, DEMO)
    if open_in_browser(page):
        print(f"Opened {page} in your browser.")
    else:
        print(f"Open this page in a browser: {page}")


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except GanlibError as error:
        sys.exit(str(error))
