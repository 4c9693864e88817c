"""A notebook that is opened again, where nothing runs: its panels are still pictures, with advice."""
from contextlib import contextmanager

import nbclient
import nbformat
import pytest
from nbconvert import HTMLExporter
from test_browser import ROOT, SECONDS, browser, lab, wait  # noqa: F401, the fixtures

pytestmark = pytest.mark.timeout(3 * SECONDS)
CELLS = {
    "GeneratorMenu": "from ganlib.play import panels\nmenu = panels.GeneratorMenu('stylegan-fast')\nmenu",
    "MixPanel": "panels.MixPanel(menu)",
    "DesignPanel": "panels.DesignPanel(menu)",
    "Review": """
import numpy as np
from types import SimpleNamespace
from ganlib.data.cleaning import Row
from ganlib.view.review import Review
rows = [Row('a.png', 0, 'aspect', '9x1')]
Review(SimpleNamespace(rows=rows, images=np.full((1, 8, 8, 3), 90, np.uint8)), 'pack')""",
}
WITH_PICTURE = [name for name in CELLS if name != "GeneratorMenu"]
# What a person sees of the outputs of a cell: the pictures that have a size, and the words
SEEN = """cell => ({
  pictures: [...cell.querySelectorAll('.jp-OutputArea-output img')].filter(
    image => image.getClientRects().length).map(image => image.alt),
  words: cell.querySelector('.jp-OutputArea').innerText,
  alive: cell.querySelectorAll('.jp-OutputArea button, .jp-OutputArea select').length})"""


@pytest.fixture(scope="module")
def executed(tmp_path_factory):
    """A notebook with panels, executed and saved as JupyterLab does: without the state of widgets."""
    cells = [nbformat.v4.new_code_cell(code.strip()) for code in CELLS.values()]
    notebook = nbformat.v4.new_notebook(cells=cells)
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    folder = str(tmp_path_factory.mktemp("executed"))
    client = nbclient.NotebookClient(notebook, timeout=SECONDS, store_widget_state=False,
                                     resources={"metadata": {"path": folder}})
    client.execute()
    return notebook


def seen(page):
    """{name of a panel: what is seen of it}"""
    page.wait_for_timeout(2500)  # a still picture waits a second whether its widget comes alive
    cells = page.locator(".jp-CodeCell").all()
    return {name: cell.evaluate(SEEN) for name, cell in zip(CELLS, cells, strict=True)}


def check_dead(found):
    for name, one in found.items():
        assert one["pictures"] == ([f"{name}, as a still picture"] if name in WITH_PICTURE else []), name
        assert "Run all cells to" in one["words"] and one["alive"] == 0, name
        assert "Error" not in one["words"] and "Loading" not in one["words"], name


@contextmanager
def opened(browser, lab, name):  # noqa: F811
    """The page of a notebook in JupyterLab, with a kernel of its own."""
    with browser.new_page(viewport={"width": 1300, "height": 1400}) as page:
        page.set_default_timeout(1000 * SECONDS)
        page.goto(lab[0].format(name))
        page.locator(".jp-NotebookPanel-toolbar [data-status=idle]").wait_for()
        yield page


def stop_kernels(page, lab):  # noqa: F811
    address, token = lab[0].partition("/lab/")[0], lab[0].rpartition("=")[2]
    headers = {"Authorization": f"token {token}"}
    for session in page.request.get(f"{address}/api/sessions", headers=headers).json():
        page.request.delete(f"{address}/api/sessions/{session['id']}", headers=headers)


def menu(page, *words):
    page.locator(f".lm-MenuBar-itemLabel:text-is('{words[0]}')").click()
    page.locator(f".lm-Menu-itemLabel:text-is('{words[1]}')").click()


def test_a_notebook_that_is_opened_again(browser, lab, executed):  # noqa: F811
    """As another's, whose outputs are not trusted; then alive; then as one's own, with a new kernel."""
    pictures = ROOT / "tests" / "output"
    path = lab[1].parent / "notebooks" / "again.ipynb"
    nbformat.write(executed, path)
    with opened(browser, lab, "again") as page:
        found = seen(page)
        page.screenshot(path=pictures / "another's.png")
        check_dead(found)
        menu(page, "Run", "Run All Cells")
        assert wait(lambda: page.locator(".jp-CodeCell").last.locator(".jp-OutputArea button").count())
        found = seen(page)
        page.screenshot(path=pictures / "alive.png")
        for name, one in found.items():  # and no picture twice
            assert one["alive"] and "Run all cells to" not in one["words"], name
            assert not any("still picture" in alt for alt in one["pictures"]), name
        before = path.read_bytes()
        menu(page, "File", "Save Notebook")
        assert wait(lambda: path.read_bytes() != before)
        stop_kernels(page, lab)
    with opened(browser, lab, "again") as page:
        found = seen(page)
        page.screenshot(path=pictures / "again.png")
        check_dead(found)
        assert not any(f"{name}()" in one["words"] for name, one in found.items())
        stop_kernels(page, lab)


def test_a_notebook_as_a_web_page(browser, executed, tmp_path):  # noqa: F811
    html, _ = HTMLExporter().from_notebook_node(executed)
    (tmp_path / "page.html").write_text(html)
    page = browser.new_page(viewport={"width": 1000, "height": 1400})
    page.context.set_offline(True)
    page.goto(f"file://{tmp_path}/page.html", wait_until="domcontentloaded")
    check_dead(seen(page))
    page.screenshot(path=ROOT / "tests" / "output" / "exported.png")
    page.close()
