"""Executing a notebook with visible progress, and making its outputs ready for a page."""
import html
import re
import sys
import time

from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

WIDGET = "application/vnd.jupyter.widget-view+json"
TIME = re.compile(r"\[\d\d:\d\d")  # as in "12/60 [00:05<00:20]", beside a bar


class Client(NotebookClient):
    """Prints what the cells print, and the progress bars, while they run."""

    def output(self, outs, msg, display_id, cell_index):
        if msg["msg_type"] == "stream":
            say(msg["content"]["text"])
        return super().output(outs, msg, display_id, cell_index)

    def handle_comm_msg(self, outs, msg, cell_index):
        # a tqdm bar in a notebook is a row of widgets; the text on its right says "12/60 [00:05<00:20]"
        text = msg["content"].get("data", {}).get("state", {}).get("value")
        if isinstance(text, str) and TIME.search(text):
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


def execute(notebook, folder):
    """Execute a notebook in place, in a folder, and settle its outputs. Gives a cell's error, or None."""
    client = Client(notebook, timeout=None, kernel_name="python3", store_widget_state=False,
                    extra_arguments=["--IPKernelApp.log_level=ERROR"],
                    resources={"metadata": {"path": str(folder)}})
    error = None
    try:
        client.execute()
    except CellExecutionError as stopped:
        error = stopped
    settle(notebook)
    return error


def settle(notebook):
    """Outputs for a page without a kernel: no widgets, as bars are; of a panel its still picture stays.

    The style of a still picture goes as well. It hides what stands before it, which elsewhere is its widget.
    """
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if WIDGET not in output.get("data", {})]
            for output in cell.outputs:
                shown = output.get("data", {}).get("text/html", "")
                if "ganlib-still-" in shown:
                    output.data["text/html"] = re.sub(r"<style>.*?</style>", "", shown, flags=re.DOTALL)
