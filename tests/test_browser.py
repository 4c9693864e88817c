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
from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parent.parent
FLAGS = """--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking
           --disable-component-update --disable-sync""".split()
SECONDS = 240  # for one step, on a machine that is busy with something else
pytestmark = pytest.mark.timeout(3 * SECONDS)

# No question about news; cells are in the page whether or not they are scrolled to
SETTINGS = {"@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False},
            "@jupyterlab/notebook-extension:tracker": {"windowingMode": "none"}}
# Notes how many pictures a cell shows at most, and what the first of them has been
WATCH = """cell => {
  window.most = 0, window.sources = new Set();
  new MutationObserver(() => {
    const pictures = cell.querySelectorAll('.jp-OutputArea-output img');
    most = Math.max(most, pictures.length), pictures[0] && sources.add(pictures[0].src);
  }).observe(cell, {subtree: true, childList: true, attributes: true}); }"""
# The last cell is done when its prompt has a number; an error, or a warning, ends the wait as well
BAD = "[data-mime-type='application/vnd.jupyter.error'], [data-mime-type='application/vnd.jupyter.stderr']"
DONE = f"""document.querySelector("{BAD}")
  || /\\d/.test([...document.querySelectorAll('.jp-CodeCell .jp-InputPrompt')].at(-1).textContent)"""
TRAIN = """from ganlib.config import pick_profile, preset
from ganlib.notebook import get_pack, pick_source, run_dir
from ganlib.show import live
from ganlib.train import train
profile, run = pick_profile(), run_dir("stopped", pick_profile())
config, pack = preset("dcgan", profile, images=10**9), get_pack(pick_source(profile), profile, 32)
print(train(config, pack, run, hook=live(run, every=1)))"""


def wait(condition, seconds=SECONDS):
    for _ in range(5 * seconds):
        if value := condition():
            return value
        time.sleep(0.2)


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """(address with {} for a notebook, data folder) of a JupyterLab on copies, with nobody's settings."""
    tmp, token = tmp_path_factory.mktemp("lab"), secrets.token_hex(16)
    (tmp / "config" / "labconfig").mkdir(parents=True)
    (tmp / "config" / "labconfig" / "default_setting_overrides.json").write_text(json.dumps(SETTINGS))
    shutil.copytree(ROOT / "notebooks", tmp / "notebooks", ignore=shutil.ignore_patterns("[!0-9]*"))
    stop = nbformat.read(tmp / "notebooks" / "02_dcgan.ipynb", as_version=4)
    stop.cells = [nbformat.v4.new_code_cell(TRAIN)]
    nbformat.write(stop, tmp / "notebooks" / "stop.ipynb")
    env = {k: v for k, v in os.environ.items() if not k.startswith(("JUPYTER", "GANLIB_"))}
    env |= {f"JUPYTER_{part.upper()}_DIR": f"{tmp}/{part}" for part in ("config", "data", "runtime")}
    env |= dict(GANLIB_PROFILE="smoke", GANLIB_DATA=f"{tmp}/data", IPYTHONDIR=str(tmp), OMP_NUM_THREADS="1")
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ip=127.0.0.1",
               "--port=0", f"--IdentityProvider.token={token}", f"--ServerApp.root_dir={tmp}/notebooks"]
    with open(tmp / "log.txt", "w") as log:
        server = subprocess.Popen(command, env=env, stdout=log, stderr=log, cwd=tmp, start_new_session=True)
    said = (tmp / "log.txt").read_text
    try:
        found = wait(lambda: server.poll() or re.search(r"http://127.0.0.1:\d+/lab", said()))
        assert isinstance(found, re.Match), said()
        yield f"{found[0]}/tree/{{}}.ipynb?reset&token={token}", tmp / "data"
    finally:
        server.terminate()  # a server that is asked takes its kernels with it
        wait(lambda: server.poll() is not None, 30) or os.killpg(server.pid, signal.SIGKILL)


@pytest.fixture(scope="module")
def browser():
    chromium = shutil.which("chromium")
    if not chromium:
        (pytest.fail if os.environ.get("GANLIB_REQUIRE_BROWSER") else pytest.skip)("no chromium in the PATH")
    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=chromium, args=FLAGS)


@contextmanager
def run_all(browser, address, name, watch):
    """The page of a notebook told to run all cells and to watch one; of a failed test, a picture is kept."""
    with browser.new_page(viewport={"width": 1300, "height": 1000}) as page:
        page.set_default_timeout(1000 * SECONDS)
        try:
            with page.expect_websocket(lambda socket: "/channels" in socket.url):  # there is a kernel
                page.goto(address.format(name))
            page.locator(".jp-NotebookPanel-toolbar [data-status=idle]").wait_for()
            cell(page, watch).evaluate(WATCH)
            page.locator(".lm-MenuBar-itemLabel:text-is('Run')").click()
            page.locator(".lm-Menu-itemLabel:text-is('Run All Cells')").click()
            yield page
        except BaseException:
            page.set_viewport_size({"width": 1300, "height": 6000})
            page.screenshot(path=ROOT / "tests" / "output" / f"{name}.png")
            raise


def cell(page, text):
    return page.locator(".jp-CodeCell", has=page.locator(".cm-content", has_text=text))


def finish(page):
    """Wait for the last cell; then no cell may show an error or a warning, and every picture must be one."""
    page.wait_for_function(DONE)
    assert not page.locator(BAD).all_inner_texts()
    page.wait_for_function("[...document.images].every(i => i.naturalWidth || !i.closest('.jp-OutputArea'))")


def test_data_and_review(browser, lab):
    with run_all(browser, lab[0], "01_data", watch="review(report") as page:
        finish(page)
        manifest = next((lab[1] / "packs").glob("*/manifest.csv"))
        dropped = [row for row in csv.DictReader(manifest.open()) if row["reason"]]
        often = Counter(row["reason"] for row in dropped)
        first = max(dropped, key=lambda row: often[row["reason"]])["file"]  # of the most frequent reason
        review, panel = manifest.with_name("review.json"), cell(page, "review(report")
        for press, keep in ("take back", [first]), ("taken back", []):
            panel.locator(f"button:text-is('{press}')").first.click()
            assert wait(lambda: review.exists() and json.loads(review.read_text()) == {"keep": keep})
        panel.locator("button:text-is('taken back')").wait_for(state="detached")


def test_training_is_shown_live(browser, lab):
    with run_all(browser, lab[0], "02_dcgan", watch="panel = live(") as page:
        finish(page)
        assert page.evaluate("[most, sources.size >= 2]") == [1, True]  # one picture, changed in place
        cell(page, "animation(").locator('img[src^="data:image/gif"]').wait_for()


def test_the_stop_button(browser, lab):
    with run_all(browser, lab[0], "stop", watch="train(") as page:
        page.wait_for_function("sources.size >= 3")  # well under way
        page.locator('.jp-NotebookPanel-toolbar [data-command="notebook:interrupt-kernel"]').click()
        finish(page)
        text = page.locator(".jp-OutputArea").inner_text()
        assert "the same call goes on from here" in text and "(interrupt)" in text and "Traceback" not in text
        assert list((lab[1] / "runs" / "smoke" / "stopped").glob("state-*.safetensors"))
