"""Progress bars in a notebook: what is kept of them is text."""
import subprocess
import sys
import textwrap

import nbclient
import nbformat

CELLS = [
    """
    import time
    from ganlib.machine.bars import Bar
    for _ in Bar(range(30), "drawing", unit="img"): pass
    """,
    "for _ in Bar(range(3), leave=False): pass",
    "for _ in Bar(range(3), delay=60): pass",
    """
    from ganlib.machine.progress import ProgressLine
    line = ProgressLine(0, True)
    line.update(500, 60.0, 0.5, lambda rate: 60, at_once=True)
    line.close()
    """,
    """
    bar = Bar(total=10, delay=0.01)
    time.sleep(0.2)
    bar.update(5)
    bar.close()
    bar.close()
    """,
    "bar = Bar(total=10, disable=True); bar.update(); bar.close()",
]


def test_a_notebook_keeps_text_of_a_bar(tmp_path):
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(textwrap.dedent(c)) for c in CELLS])
    nbclient.NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(tmp_path)}}).execute()
    kept = [[dict(output.data) for output in cell.outputs] for cell in notebook.cells]
    for bundles in kept:
        assert all([*bundle] == ["text/plain"] for bundle in bundles)  # no widget
    texts = ["".join(bundle["text/plain"] for bundle in bundles) for bundles in kept]
    assert texts[0].startswith("drawing: 100%|") and "30/30" in texts[0]
    assert texts[1] == texts[2] == texts[5] == ""  # not to be left, over before it was due, switched off
    assert "500 images" in texts[3] and " 50%|" in texts[3]
    assert "5/10" in texts[4]


def test_in_a_terminal_it_is_the_bar_of_always():
    code = "from ganlib.machine.bars import Bar\nfor _ in Bar(range(7), 'drawing'): pass"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "drawing: 100%|" in done.stderr and "7/7" in done.stderr
