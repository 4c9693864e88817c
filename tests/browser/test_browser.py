"""The notebooks as a person meets them: in JupyterLab, in a browser, with mouse and stop button."""
import base64
import csv
import io
import json
import os
import re
import secrets
import shutil
import signal
import statistics
import subprocess
import sys
import time
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

import nbformat
import npm
import numpy as np
import pytest
from browsers import launched
from PIL import Image

from ganlib.data.synthetic import face
from ganlib.images import resized
from ganlib.models.build import build_networks
from ganlib.models.sampling import latents
from ganlib.models.store import save_generator
from ganlib.play.directions import make_directions
from ganlib.presets import preset
from ganlib.sharing.pages import make_page

ROOT = Path(__file__).resolve().parents[2]
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
# A picture that is replaced while it is being decoded fails to: the next one counts
PIXELS = """async image => {
  for (let tries = 0; ; tries++)
    try { await image.decode(); break; }
    catch (error) { if (tries == 100) throw error; await new Promise(done => setTimeout(done, 50)); }
  const canvas = document.createElement('canvas');
  [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
  canvas.getContext('2d').drawImage(image, 0, 0);
  return canvas.toDataURL(); }"""
# Notes the milliseconds from a key to the new picture
LATENCY = """image => {
  window.delays = [], window.begun = 0;
  document.addEventListener('keydown', () => begun = performance.now(), true);
  image.addEventListener('load', () => delays.push(performance.now() - begun)); }"""
TRAIN = """from ganlib.presets import pick_profile, preset
from ganlib.session import get_pack, pick_source, run_dir
from ganlib.training.loop import train
from ganlib.view.live import LivePanel
profile = pick_profile()
pack = get_pack(pick_source(profile), profile, 32)
run = run_dir("stopped", profile)
print(train(preset("dcgan", profile, images=10**9), pack, run, hook=LivePanel(run, every=1)))"""


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
               "--port=0", f"--IdentityProvider.token={token}", f"--ServerApp.root_dir={tmp}/notebooks",
               f"--ServerApp.extra_static_paths={tmp}/static"]
    (tmp / "static").mkdir()
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
    with launched() as launched_browser:
        yield launched_browser


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


def decoded(url):
    """int (H, W, 3) of a picture's data URL."""
    with Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))) as image:
        return np.asarray(image.convert("RGB")).astype(int)


def cell(page, text):
    return page.locator(".jp-CodeCell", has=page.locator(".cm-content", has_text=text))


def finish(page):
    """Wait for the last cell; then no cell may show an error or a warning, and every picture must be one."""
    page.wait_for_function(DONE)
    assert not page.locator(BAD).all_inner_texts()
    page.wait_for_function("[...document.images].every(i => i.naturalWidth || !i.closest('.jp-OutputArea'))")


def test_data_and_review(browser, lab):
    with run_all(browser, lab[0], "01_data", watch="Review(report") as page:
        finish(page)
        manifest = next((lab[1] / "packs").glob("*/manifest.csv"))
        dropped = [row for row in csv.DictReader(manifest.open()) if row["reason"]]
        often = Counter(row["reason"] for row in dropped)
        first = max(dropped, key=lambda row: often[row["reason"]])["file"]  # of the most frequent reason
        review = manifest.with_name("review.json")
        panel = cell(page, "Review(report")
        for press, keep in ("take back", [first]), ("taken back", []):
            panel.locator(f"button:text-is('{press}')").first.click()
            saved = json.dumps({"keep": keep}, indent=1)
            assert wait(lambda saved=saved: review.exists() and review.read_text().strip() == saved)
        panel.locator("button:text-is('taken back')").wait_for(state="detached")


def test_training_is_shown_live(browser, lab):
    with run_all(browser, lab[0], "02_dcgan", watch="panel = LivePanel(") as page:
        finish(page)
        assert page.evaluate("[most, sources.size >= 2]") == [1, True]  # one picture, changed in place
        cell(page, "ganlib.report(run)").locator('img[src^="data:image/webp"]').wait_for()


def test_the_page_to_play_on_stands_beside_jupyterlab(browser, lab):
    with pytest.MonkeyPatch.context() as patch:
        npm.runtime(patch)
        make_page(["dcgan-cpu"], lab[1].parent / "static" / "play")
    with browser.new_page() as page:
        trouble = []
        page.on("console", lambda said: trouble.append(said.text) if said.type == "error" else None)
        page.goto(lab[0].partition("/lab/")[0] + "/static/play/index.html")
        page.locator("html[data-ready=true]").wait_for(timeout=60_000)
        assert trouble == []


def test_the_stop_button(browser, lab):
    with run_all(browser, lab[0], "stop", watch="train(") as page:
        page.wait_for_function("sources.size >= 3")  # well under way
        page.locator('.jp-NotebookPanel-toolbar [data-command="notebook:interrupt-kernel"]').click()
        finish(page)
        text = page.locator(".jp-OutputArea").inner_text()
        assert "the same call goes on from here" in text and "(interrupt)" in text and "Traceback" not in text
        assert list((lab[1] / "runs" / "smoke" / "stopped").glob("state-*.safetensors"))


class Played:
    """A panel of notebook 07 as seen and used: pictures, and controls by the words on them."""

    def __init__(self, page, text):
        self.page, self.cell = page, cell(page, text)
        self.cell.scroll_into_view_if_needed()

    def images(self):
        return self.cell.locator(".jp-OutputArea img:not([alt*='still picture'])")

    def pixels(self, i=0):
        return self.images().nth(i).evaluate(PIXELS)

    def changed(self, before, i=0):
        """The new picture, once it no longer is the one before."""
        assert wait(lambda: self.pixels(i) != before, 60), f"picture {i} stays as it was"
        self.page.wait_for_timeout(300)
        return self.pixels(i)

    def back(self, first, i=0):
        assert wait(lambda: self.pixels(i) == first, 60), f"picture {i} does not come back"

    def button(self, text):
        return self.cell.locator(f"button:has-text('{text}')").first

    def menu(self, name):
        """The menu with this name before it."""
        return self.cell.locator(".widget-dropdown", has_text=name).locator("select").first

    def save(self, kind):
        self.menu("save").select_option(kind)
        self.cell.locator("button", has_text=re.compile(r"^\s*Save$")).click()

    def slider(self, name):
        return self.cell.locator(".widget-slider", has_text=name).first

    def keys(self, name, *keys, which=0):
        handle = self.slider(name).locator(".noUi-handle").nth(which)
        handle.focus()
        for key in keys:
            handle.press(key)

    def drag(self, name, to):
        """The handle to a share of the slider's length, in 40 small moves."""
        x, y = self.middle(self.slider(name).locator(".noUi-handle").first)
        line = self.slider(name).locator(".noUi-base").bounding_box()
        self.page.mouse.move(x, y)
        self.page.mouse.down()
        self.page.mouse.move(line["x"] + to * line["width"], y, steps=40)
        self.page.mouse.up()

    def middle(self, locator):
        box = locator.bounding_box()
        return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2

    def says(self, text):
        assert wait(lambda: text in self.cell.locator(".jp-OutputArea").first.inner_text(), 60), text


def test_explore(browser, lab, tmp_path):
    run, exports = lab[1] / "runs" / "faces", lab[1] / "faces"
    config = preset("stylegan-fast", "cpu")  # a small one; what it draws is noise, and moves as faces do
    G = build_networks(config)[0]
    G.calibrate([latents(200, G.z_dim)])
    run.mkdir(parents=True)
    save_generator(run / "generator.safetensors", G, config)
    make_directions(run, n=100)
    with run_all(browser, lab[0], "07_explore", watch="WalkPanel(") as page:
        finish(page)
        play_walk(page, exports)
        play_mix(page)
        play_directions(page)
        play_design(page, exports)
        play_invert(page, tmp_path)
        play_labels(page)
        finish(page)


def play_walk(page, exports):
    walk = Played(page, "WalkPanel(")
    walk.says("[0:1]")
    shipped = walk.pixels()
    Played(page, "panels.GeneratorMenu(").cell.locator("select").select_option("runs/faces (styles)")
    first = walk.changed(shipped)  # every panel follows the choice
    cell(page, "InvertPanel(").locator("button:has-text('Try a drawn')").wait_for()
    walk.keys("position", *["ArrowRight"] * 20)
    walk.says("[20:21]")
    there = walk.changed(first)
    walk.keys("position", "ArrowLeft", "ArrowRight")
    walk.says("[20:21]")
    walk.back(there)
    walk.drag("position", 0.9)
    moved = walk.changed(there)
    walk.drag("position", -0.1)
    walk.says("[0:1]")
    walk.back(first)
    walk.button("psi by layers").or_(walk.cell.locator(".jupyter-widget-Collapse-header")).first.click()
    for name in ("psi (0", "psi, fine"):
        walk.keys(name, "ArrowRight")
        walk.changed(first)
        walk.keys(name, "ArrowLeft")
        walk.back(first)
    walk.menu("noise").select_option("fresh")
    walk.says("noise=1")
    walk.menu("noise").select_option("fixed")
    walk.cell.locator("input[type=text]").first.fill("5, 1.5")
    walk.cell.locator("input[type=text]").first.press("Enter")
    walk.says("expected whole numbers")
    walk.cell.locator("input[type=text]").first.fill("5, 6")
    walk.cell.locator("input[type=text]").first.press("Enter")
    other = walk.changed(first)
    assert other != moved
    walk.cell.locator(".jupyter-widgets.widget-play button").first.click()  # play
    walk.changed(other)
    walk.cell.locator(".jupyter-widgets.widget-play button").first.click()  # and pause
    for kind in ("GIF", "WebP", "MP4"):
        walk.save(kind)
        written = f"walk-*.{kind.lower()}"
        assert wait(lambda written=written: [*exports.glob(written)], 60)
    page.wait_for_timeout(1000)
    walk.images().first.evaluate(LATENCY)
    for n in range(1, 11):
        walk.keys("psi (0", "ArrowLeft")
        page.wait_for_function(f"delays.length >= {n}", timeout=60_000)
    median = statistics.median(page.evaluate("delays"))
    print(f"from a key to the picture: median {median:.0f} ms")
    assert median < 1500  # under 300 on a machine with nothing else to do


def play_mix(page):
    mix = Played(page, "MixPanel(")
    result, table = mix.images().count() - 2, mix.images().count() - 1
    before, whole = mix.pixels(result), mix.pixels(table)
    mix.cell.locator("button[title*='choose']").nth(5).click()
    after = mix.changed(before, result)
    mix.changed(whole, table)
    mix.keys("layers from B", "ArrowLeft", "ArrowLeft")
    mix.changed(after, result)
    mix.keys("layers from B", "ArrowRight", "ArrowRight")
    mix.back(after, result)
    mix.cell.locator("button[title*='choose']").nth(5).click()  # and leave it
    mix.back(whole, table)
    mix.back(before, result)


def play_directions(page):
    change = Played(page, "DirectionsPanel(")
    first = change.pixels(1)
    change.keys("direction 2", *["ArrowRight"] * 5)
    change.says("'direction 2': 0.5")
    change.cell.locator(".lm-TabBar-tab", has_text="Colours").click()
    before = change.pixels(1)
    change.drag("hair: dark", 0.95)
    change.changed(before, 1)
    change.button("Reset").click()
    change.back(first, 1)


def play_design(page, exports):
    design = Played(page, "DesignPanel(")
    first = design.pixels()
    chosen = design.pixels(3)
    design.cell.locator("button[title='take this one']").nth(2).click()
    taken = design.changed(first)  # drawn by itself, which may round otherwise than six at once
    large = resized(Image.fromarray(np.uint8(decoded(chosen))), (256, 256))
    assert np.abs(decoded(taken) - np.asarray(large)).max() <= 2
    design.cell.locator("select").first.select_option("pink")
    pink = design.changed(taken)
    design.keys("how much", "ArrowRight", "ArrowRight")
    design.changed(pink)
    design.button("Undo").click()
    design.back(pink)
    design.button("Keep").click()
    Played(page, "panels.GeneratorMenu(").cell.locator("button[title^='face-1']").wait_for()
    design.button("Surprise me").click()
    design.changed(pink)
    design.cell.locator("button[title='use face-1']").click()
    design.back(pink)
    design.button("Undo").click()
    design.changed(pink)
    design.button("Redo").click()
    design.back(pink)
    copy_code(page, design)
    design.save("sheet")
    assert wait(lambda: (exports / "character-001.png").exists(), 60)
    design.says("Saved")
    link = design.cell.locator("a[download]")
    assert "underline" in link.evaluate("link => getComputedStyle(link).textDecorationLine")
    with page.expect_download() as download:
        link.click()
    assert Path(download.value.path()).read_bytes() == (exports / "character-001.png").read_bytes()


def copy_code(page, panel):
    """The code of a panel is in the clipboard, and it runs."""
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    panel.button("Copy code").click()
    panel.says("The code is in the clipboard")
    code = wait(lambda: page.evaluate("navigator.clipboard.readText()"), 20)
    assert code.startswith("import ganlib") and "character(generator" in code
    exec(code.replace("\nganlib.grid(", "\npicture = ganlib.grid("), shown := {})  # noqa: S102
    assert shown["picture"].width > 100


def play_labels(page):
    """A generator that has learned labels: menus ask for a colour, a slider mixes it with another."""
    design = Played(page, "DesignPanel(")
    before = design.pixels()
    choice = Played(page, "panels.GeneratorMenu(").cell.locator("select")
    choice.select_option("stylegan-labels (styles, labels)")
    design.says("labels that this generator has learned")
    first = design.changed(before)
    design.cell.locator("select").first.select_option("pink")
    pink = design.changed(first)
    design.cell.locator("select").nth(1).select_option("blue")
    mixed = design.changed(pink)
    design.keys("how much of it", "ArrowRight", "ArrowRight")
    design.changed(mixed)
    for _ in range(3):
        design.button("Undo").click()
    design.back(first)


def play_invert(page, tmp_path):
    found = Played(page, "InvertPanel(")
    start = found.pixels(2)
    for name, words in {"note.png": "not a picture", "face.png": "Now move the sliders"}.items():
        (tmp_path / name).write_bytes(b"no picture")
        if name == "face.png":
            Image.fromarray(face(3)[0]).save(tmp_path / name)
        with page.expect_file_chooser() as chooser:
            found.button("Picture").click()
        chooser.value.set_files(tmp_path / name)
        found.says(words)
    there = found.changed(start, 2)
    found.cell.locator(".lm-TabBar-tab", has_text="Colours").click()
    found.drag("hair: dark", 0.1)
    found.changed(there, 2)
