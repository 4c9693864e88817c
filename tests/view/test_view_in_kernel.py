"""The view room in a real kernel: what a person sees below the cells."""
import base64
import shutil
import textwrap

import nbclient
import nbformat
from run_folders import START, records, write_log, write_samples

from ganlib.images import encoded
from ganlib.view.live import LivePanel


def test_in_a_real_kernel(tmp_path):
    """One panel after many records; each figure once; the review as a widget and a still picture."""
    run = write_samples(write_log(tmp_path / "run", [START, *records(30)]), 3)
    shutil.copytree(run, tmp_path / "later")
    write_log(tmp_path / "later", [START, *records(60)])
    imports = """
        import shutil
        from types import SimpleNamespace
        import numpy as np
        from IPython.display import Image
        from ganlib.data.cleaning import Row
        from ganlib.images import grid
        from ganlib.view.curves import curves
        from ganlib.view.live import LivePanel
        from ganlib.view.movies import gif
        from ganlib.view.review import Review
    """
    live_panel = """
        hook = LivePanel('run', every=0)
        for i in range(9):
            hook({'images': i})
        shutil.copy('later/log.jsonl', 'run/log.jsonl')
        hook.close()
        hook({'images': 9})
    """
    review = """
        rows = [Row('a.png', 0, 'aspect', '9x1')]
        Review(SimpleNamespace(rows=rows, images=np.zeros((1, 8, 8, 3), np.uint8)), 'pack')
    """
    cells = [imports, live_panel, "curves('run')", "grid(np.zeros((4, 8, 8, 3), np.uint8))", review,
             "Image(filename=gif('run', 'x.gif'))"]
    cells = [textwrap.dedent(cell).strip() for cell in cells]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    nbclient.NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(tmp_path)}}).execute()
    panel, figure, sheet, reviewed, animated = [cell.outputs for cell in notebook.cells[1:]]
    assert [out.output_type for out in panel] == ["display_data"]
    bundles = [outputs[0].data for outputs in (panel, figure, sheet)]
    assert all(len(outputs) == 1 for outputs in (figure, sheet, animated))
    assert all(isinstance(bundle["image/png"], str) and len(bundle["image/png"]) > 100 for bundle in bundles)
    assert bundles[0]["image/png"].strip() == base64.b64encode(
        encoded(LivePanel(run).panel().savefig)).decode()  # the last state stands there
    alive, still = (out.data for out in reviewed)
    assert "application/vnd.jupyter.widget-view+json" in alive and "image/png" not in alive
    assert "data:image/png;base64," in still["text/html"] and "Run all cells" in still["text/html"]
    assert "image/gif" in animated[0].data
