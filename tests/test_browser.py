"""The notebooks as a person meets them: in JupyterLab, in a browser, with mouse and stop button."""
import csv
import json
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parent.parent
FLAGS = ("--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
         "--disable-component-update --disable-sync").split()
SECONDS = 240  # for one step, on a machine that is busy with something else
pytestmark = pytest.mark.timeout(3 * SECONDS)

# No question about news, and all cells in the page whether or not they are scrolled to
SETTINGS = {"@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False},
            "@jupyterlab/notebook-extension:tracker": {"windowingMode": "none"}}
# Notes how many pictures a cell shows at most, and every source that the first of them has had
WATCH = """cell => {
  const seen = window.seen = {most: 0, sources: []};
  new MutationObserver(() => {
    const pictures = [...cell.querySelectorAll('.jp-OutputArea-output img')];
    seen.most = Math.max(seen.most, pictures.length);
    if (pictures.length && pictures[0].src !== seen.sources.at(-1)) seen.sources.push(pictures[0].src);
  }).observe(cell, {subtree: true, childList: true, attributes: true, attributeFilter: ['src']});
}"""
ERROR = '.jp-Notebook [data-mime-type="application/vnd.jupyter.%s"]'
# A cell is done when its prompt has a number; an error anywhere ends the wait as well
DONE = f"""cell => /\\d/.test(cell.querySelector('.jp-InputPrompt').textContent)
  || document.querySelector('{ERROR % "error"}')"""
TRAIN = """from ganlib.config import pick_profile, preset
from ganlib.notebook import get_pack, pick_source, run_dir
from ganlib.show import live
from ganlib.train import train

profile = pick_profile()
config = preset("dcgan", profile, images=10**9, log_images=64)
pack = get_pack(pick_source(profile), profile, config.resolution)
run = run_dir("stopped", profile)
print(train(config, pack, run, hook=live(run, every=1)))"""


def wait(condition, what):
    end = time.monotonic() + SECONDS
    while not (value := condition()):
        assert time.monotonic() < end, what
        time.sleep(0.2)
    return value


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """(address with {} for a notebook, data folder) of a JupyterLab on copies, with nobody's settings."""
    tmp, token = tmp_path_factory.mktemp("lab"), secrets.token_hex(16)
    shutil.copytree(ROOT / "notebooks", tmp / "notebooks", ignore=shutil.ignore_patterns("*.py", "kernel*"))
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
    stop = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(TRAIN)], metadata=kernel)
    nbformat.write(stop, tmp / "notebooks" / "stop.ipynb")
    (tmp / "config" / "labconfig").mkdir(parents=True)
    (tmp / "config" / "labconfig" / "default_setting_overrides.json").write_text(json.dumps(SETTINGS))
    env = {k: v for k, v in os.environ.items() if not k.startswith(("JUPYTER", "GANLIB_"))}
    env |= {f"JUPYTER_{part.upper()}_DIR": str(tmp / part) for part in ("config", "data", "runtime")}
    env |= {"IPYTHONDIR": str(tmp / "ipython"), "GANLIB_PROFILE": "smoke", "GANLIB_DATA": str(tmp / "data"),
            "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ip=127.0.0.1",
               "--port=0", f"--IdentityProvider.token={token}", f"--ServerApp.root_dir={tmp / 'notebooks'}"]
    log = tmp / "log.txt"
    with open(log, "w") as out:
        server = subprocess.Popen(command, cwd=tmp, env=env, stdout=out, stderr=out, start_new_session=True)
    try:
        found = wait(lambda: re.search(r"http://127.0.0.1:\d+/lab", log.read_text()) or server.poll(), log)
        assert server.poll() is None, log.read_text()
        yield f"{found[0]}/tree/{{}}.ipynb?reset&token={token}", tmp / "data"
    finally:
        if server.poll() is None:
            os.killpg(server.pid, signal.SIGTERM)  # a server that is asked takes its kernels with it
            try:
                server.wait(30)
            except subprocess.TimeoutExpired:
                os.killpg(server.pid, signal.SIGKILL)


@pytest.fixture(scope="module")
def browser():
    if not shutil.which("chromium"):
        (pytest.fail if os.environ.get("GANLIB_REQUIRE_BROWSER") else pytest.skip)("there is no chromium")
    with pytest.importorskip("playwright.sync_api").sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)


@contextmanager
def run_all(browser, address, name, watch=None):
    """The page of a notebook that was told to run all cells; a picture in tests/output/ of a failed test."""
    page = browser.new_page(viewport={"width": 1300, "height": 1000})
    page.set_default_timeout(1000 * SECONDS)
    folder = os.environ.get("GANLIB_SCREENSHOTS")  # of every notebook, to look at
    try:
        with page.expect_websocket(lambda socket: "/channels" in socket.url):  # there is a kernel
            page.goto(address.format(name))
        page.locator('.jp-NotebookPanel-toolbar [data-status="idle"]').wait_for()
        if watch:
            cell(page, watch).evaluate(WATCH)
        page.locator(".lm-MenuBar-itemLabel:text-is('Run')").click()
        page.locator(".lm-Menu-itemLabel:text-is('Run All Cells')").click()
        yield page
    except BaseException:
        folder = ROOT / "tests" / "output"
        raise
    finally:
        if folder:
            bottom = page.evaluate("""() => {
              document.querySelector('.jp-WindowedPanel-outer')?.scrollTo(0, 0);
              return [...document.querySelectorAll('.jp-Cell')].at(-1)?.getBoundingClientRect().bottom ?? 0;
            }""")
            page.set_viewport_size({"width": 1300, "height": min(12_000, max(1000, round(bottom) + 60))})
            page.screenshot(path=Path(folder) / f"{name}.png")
        page.close()


def cell(page, text):
    """The code cell whose source holds the text."""
    return page.locator(".jp-CodeCell", has=page.locator(".cm-content", has_text=text))


def finish(page):
    """Wait for the last cell; then no cell may show an error or a warning, and every picture must be one."""
    page.wait_for_function(DONE, arg=page.locator(".jp-CodeCell").last.element_handle())
    assert not [text for kind in ("error", "stderr") for text in page.locator(ERROR % kind).all_inner_texts()]
    page.wait_for_function("[...document.images].every(i => i.naturalWidth || !i.closest('.jp-OutputArea'))")


def test_data_and_review(browser, lab):
    with run_all(browser, lab[0], "01_data") as page:
        finish(page)
        manifest = next((lab[1] / "packs").glob("*/manifest.csv"))
        dropped = [row for row in csv.DictReader(manifest.open()) if row["reason"]]
        reason = Counter(row["reason"] for row in dropped).most_common(1)[0][0]
        first = next(row["file"] for row in dropped if row["reason"] == reason)
        review, panel = manifest.with_name("review.json"), cell(page, "review(report")
        for press, keep in ("take back", [first]), ("taken back", []):
            panel.locator(f"button:text-is('{press}')").first.click()
            wait(lambda: review.exists() and json.loads(review.read_text()) == {"keep": keep}, keep)
        panel.locator("button:text-is('taken back')").wait_for(state="detached")


def test_training_is_shown_live(browser, lab):
    with run_all(browser, lab[0], "02_dcgan", watch="panel = live(") as page:
        finish(page)
        seen = page.evaluate("seen")  # one picture, which changed
        assert seen["most"] == 1 and len(set(seen["sources"])) >= 2, (seen["most"], len(seen["sources"]))
        cell(page, "animation(").locator('img[src^="data:image/gif"]').wait_for()


def test_the_stop_button(browser, lab):
    with run_all(browser, lab[0], "stop", watch="train(") as page:
        page.wait_for_function("seen.sources.length >= 3")  # well under way
        page.locator('.jp-NotebookPanel-toolbar [data-command="notebook:interrupt-kernel"]').click()
        finish(page)
        text = page.locator(".jp-OutputArea").inner_text()
        assert "the same call goes on from here" in text and "(interrupt)" in text and "Traceback" not in text
        assert list((lab[1] / "runs" / "smoke" / "stopped").glob("state-*.safetensors"))
