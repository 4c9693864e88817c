"""Make the outputs again that the notebooks keep in git: `make outputs`.

    python .ci/outputs.py                             all notebooks
    python .ci/outputs.py notebooks/02_dcgan.ipynb    these

A cell that begins with "# NBVAL_CHECK_OUTPUT" keeps its text, and `make test` compares it with what the cell
prints then. So it has to print the same on every machine, in every profile and of all faces. All other cells
are kept without outputs. The notebooks are executed in the smoke profile, in a data folder of their own.
"""
import json
import os
import sys
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

ROOT = Path(__file__).resolve().parent.parent
MARK = "# NBVAL_CHECK_OUTPUT"
NOT_KEPT = ("GANLIB_KEEP", "GANLIB_FACES")  # settings of the one who calls
TEXT = {"text/plain", "text/markdown", "text/html"}
COUNT = 1  # nbval compares only where a cell has an execution count; which one says nothing


class NotPortable(Exception):
    """A marked cell's output that another machine would not give."""


def is_marked(cell):
    """Whether a cell's output is kept and compared."""
    return cell["cell_type"] == "code" and "".join(cell["source"]).startswith(MARK)


def kept_outputs(outputs, private):
    """The outputs of a marked cell as they go to git: all text of stdout as one, results without counts.

    private: texts that no output may have, such as the path of this checkout. Raises NotPortable.
    """
    kept = []
    for output in outputs:
        if output["output_type"] == "stream" and output["name"] == "stdout":
            if kept and kept[-1]["output_type"] == "stream":
                kept[-1]["text"] += output["text"]
            else:
                kept.append({"name": "stdout", "output_type": "stream", "text": output["text"]})
        elif output["output_type"] in ("execute_result", "display_data") and TEXT.issuperset(output["data"]):
            one = {"data": dict(output["data"]), "metadata": {}, "output_type": output["output_type"]}
            if output["output_type"] == "execute_result":
                one["execution_count"] = COUNT
            kept.append(one)
        else:
            what = output.get("name") or ", ".join(output.get("data", {})) or output["output_type"]
            raise NotPortable(f"it gives {what}, and only text of stdout can be compared")
    text = json.dumps(kept, ensure_ascii=False)
    for words in private:
        if words in text:
            raise NotPortable(f"it names {words!r}, which another machine has not")
    if not kept:
        raise NotPortable("it prints nothing that could be compared")
    return [_in_lines(output) for output in kept]


def _in_lines(output):
    """An output whose texts are lists of lines, as a notebook has them on the disk."""
    if "text" in output:
        return output | {"text": output["text"].splitlines(keepends=True)}
    return output | {"data": {kind: text.splitlines(keepends=True) for kind, text in output["data"].items()}}


def execute(path):
    """The executed notebook at a path. Raises CellExecutionError where a cell fails."""
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(notebook, timeout=None, kernel_name="python3", store_widget_state=False,
                            extra_arguments=["--IPKernelApp.log_level=ERROR"],
                            resources={"metadata": {"path": str(path.parent)}})
    return client.execute()


def write_outputs(path, private=()):
    """Execute a notebook, and write it back with the outputs of its marked cells. Returns how many there are.

    Raises NotPortable, with the number of the cell.
    """
    executed = execute(path)
    notebook = json.loads(path.read_text(encoding="utf-8"))
    marked = 0
    for i, (cell, done) in enumerate(zip(notebook["cells"], executed["cells"], strict=True)):
        if cell["cell_type"] != "code":
            continue
        cell["execution_count"], cell["outputs"] = None, []
        if is_marked(cell):
            try:
                cell["outputs"] = kept_outputs(done["outputs"], private)
            except NotPortable as error:
                raise NotPortable(f"cell {i} is marked, but {error}") from None
            cell["execution_count"] = COUNT
            marked += 1
    text = json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"
    path.write_text(text, encoding="utf-8")
    return marked


def main():
    paths = [Path(name).resolve() for name in sys.argv[1:]]
    paths = paths or sorted((ROOT / "notebooks").glob("*.ipynb"))
    with tempfile.TemporaryDirectory(prefix="ganlib-") as data:
        os.environ |= {"GANLIB_PROFILE": "smoke", "GANLIB_DATA": data}
        os.environ.setdefault("OMP_NUM_THREADS", "1")  # two threads hardly help such small networks
        for name in NOT_KEPT:
            os.environ.pop(name, None)
        private = [data, str(ROOT), str(Path.home()), " at 0x"]
        for path in paths:
            try:
                marked = write_outputs(path, private)
            except NotPortable as error:
                sys.exit(f"{path.name}: {error}.")
            except CellExecutionError as error:
                sys.exit(f"{path.name} stopped: {error.ename}: {error.evalue}")
            print(f"{path.name}: {marked} marked cells", flush=True)


if __name__ == "__main__":
    main()
