"""Execute notebooks in a profile with visible progress, and keep them as HTML in data/runs/<profile>/.

    python notebooks/run.py demo            all notebooks that the demo shows
    python notebooks/run.py cpu 02_dcgan    these notebooks, in this profile
    python notebooks/run.py cpu all         all notebooks
"""
import html
import os
import sys
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbconvert import HTMLExporter

from ganlib.files import data_dir
from ganlib.presets import PROFILES

HERE = Path(__file__).resolve().parent
DEMO = ["01_data", "02_dcgan"]


class Client(NotebookClient):
    """Prints what the cells print, and the progress bars, while they run."""

    def output(self, outs, msg, display_id, cell_index):
        if msg["msg_type"] == "stream":
            say(msg["content"]["text"])
        return super().output(outs, msg, display_id, cell_index)

    def handle_comm_msg(self, outs, msg, cell_index):
        # a tqdm bar in a notebook is a row of widgets; the text on its right says "12/60 [00:05<00:20]"
        text = msg["content"].get("data", {}).get("state", {}).get("value")
        if isinstance(text, str) and "[" in text:
            show_bar(html.unescape(text).strip())
        return super().handle_comm_msg(outs, msg, cell_index)


last_bar = 0.0


def show_bar(text):
    """In a terminal one line that changes, in a log file a line in a while."""
    global last_bar
    if sys.stdout.isatty():
        say(f"\r    {text[:110]:<110}\r")
    elif time.monotonic() - last_bar > 10:
        last_bar = time.monotonic()
        say(f"    {text}\n")


def say(text):
    print(text, end="", flush=True)


def is_bar(output):
    """Whether an output is a progress bar: a widget, of which a page would show the first moment."""
    data = output.get("data", {})
    return "application/vnd.jupyter.widget-view+json" in data and "image/png" not in data


def execute(name, folder):
    notebook = nbformat.read(HERE / f"{name}.ipynb", as_version=4)
    print(f"\n== {name}", flush=True)
    client = Client(notebook, timeout=None, kernel_name="python3", store_widget_state=False,
                    extra_arguments=["--IPKernelApp.log_level=ERROR"],
                    resources={"metadata": {"path": str(HERE)}})
    error = None
    try:
        client.execute()
    except CellExecutionError as stopped:
        error = stopped
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if not is_bar(output)]
    page, _ = HTMLExporter().from_notebook_node(notebook)
    (folder / f"{name}.html").write_text(page)
    if error:
        sys.exit(f"\n{name} stopped: {error.evalue}\nWhat it had done: {folder / f'{name}.html'}")


def main():
    if len(sys.argv) < 2 or sys.argv[1] not in PROFILES:
        sys.exit(f"{__doc__}\nProfiles: {', '.join(PROFILES)}")
    profile, names = sys.argv[1], sys.argv[2:] or DEMO
    if names == ["all"]:
        names = sorted(path.stem for path in HERE.glob("*.ipynb"))
    os.environ["GANLIB_PROFILE"] = profile
    for name in ("GANLIB_DATA", "GANLIB_KEEP", "GANLIB_FACES"):  # the kernels run in another folder
        path = os.environ.get(name, "")
        if path and (name != "GANLIB_FACES" or os.path.exists(path)):
            os.environ[name] = os.path.abspath(os.path.expanduser(path))
    folder = data_dir() / "runs" / profile
    folder.mkdir(parents=True, exist_ok=True)
    begun = time.monotonic()
    for name in names:
        execute(name, folder)
    print(f"\n\nDone in {(time.monotonic() - begun) / 60:.1f} minutes. Look at:")
    for pattern in "*.html", "**/progress.gif", "**/losses.png", "**/generator.safetensors":
        for path in sorted(folder.glob(pattern)):
            print(f"  {os.path.relpath(path)}")


if __name__ == "__main__":
    main()
