"""Make the pictures of the README: a thumbnail for each notebook, and the panels in use.

    python docs/pictures.py thumbnails    docs/images/NN_name.webp
    python docs/pictures.py panels        docs/images/panels.webp: JupyterLab in a browser, playing (a minute)

All faces are drawn by the code or by the generators that come with ganlib: none is of the set that these
learned from. The panels need JupyterLab, playwright and a chromium in the PATH.
"""
import io
import json
import os
import re
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "docs" / "images"
GALLERY = ROOT / "data" / "generators"
SIZE = (160, 106)  # of a thumbnail
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
         "--disable-background-networking", "--disable-component-update"]


# -- thumbnails


def faces(name, count=6, seed=1):
    """uint8 (count, 64, 64, 3) of a generator that comes with ganlib."""
    from ganlib.models.sampling import sample
    from ganlib.models.store import load_generator
    return sample(load_generator(name), count, seed=seed)


def drawn(count=6):
    from ganlib.data.synthetic import face
    return np.stack([face(i)[0] for i in range(count)])


def sheet(images, columns=3):
    """A picture of a grid of uint8 images (N, H, W, 3), without a frame."""
    rows = [np.concatenate(images[i:i + columns], 1) for i in range(0, len(images), columns)]
    return Image.fromarray(np.concatenate(rows))


def growing():
    """One place of the grid in six moments of a growing training, from 8x8 pixels to 64x64."""
    with Image.open(GALLERY / "stylegan" / "progress.webp") as clip:
        moments = []
        for i in np.linspace(1, clip.n_frames - 1, 6).astype(int):
            clip.seek(i)
            moments.append(np.asarray(clip.convert("RGB").crop((2, 30, 66, 94))))
    return sheet(moments)


def mixing():
    with Image.open(GALLERY / "stylegan-fast" / "mixing.webp") as table:
        return table.convert("RGB").crop((0, 0, 330, 218))


def orders():
    """One z with six colours of hair."""
    from ganlib.models.sampling import generate
    from ganlib.models.store import load_generator
    from ganlib.play.styles import points
    generator = load_generator("stylegan-labels")
    colours = {"hair": "pink,blonde,blue,green,red,black"}
    return sheet(generate(generator, points(generator, [3], psi=0.8, labels=colours)))


def augmented():
    """One drawn face, distorted in six ways."""
    import torch

    from ganlib.images import to_uint8
    from ganlib.training.augment import augment
    face = torch.from_numpy(drawn(1)).permute(0, 3, 1, 2) / 127.5 - 1
    dice = torch.Generator().manual_seed(0)
    return sheet(to_uint8(augment(face.repeat(6, 1, 1, 1), "color,translation,cutout", dice)).numpy())


def plot(draw):
    """A small plot without words: draw(axes)."""
    from ganlib.images import encoded
    from ganlib.view.curves import Figure
    axes = Figure(figsize=(3.2, 2.12), dpi=100, layout="constrained").subplots()
    draw(axes)
    axes.set(xticks=[], yticks=[])
    axes.minorticks_off()
    return Image.open(io.BytesIO(encoded(axes.figure.savefig)))


def quality(axes):
    """FD-lite against minutes, of all models."""
    import equal_time
    equal_time.draw_curves(axes, equal_time.load())
    axes.set(xscale="log", yscale="log", xlim=(1, None))


def claims_bars(axes):
    """FD-lite of all recipes of the claims, the best first, with the spread of three seeds."""
    import claims
    done = claims.load()
    values = sorted((claims.values_of(done, arm, "fd") for arm in claims.ARMS), key=np.mean)
    means, spreads = [np.mean(v) for v in values], [np.std(v, ddof=1) for v in values]
    axes.bar(range(len(values)), means, yerr=spreads, color="#7aa6c2", ecolor="#444444")


def panel_still():
    with Image.open(OUT / "panels.webp") as clip:
        clip.seek(clip.n_frames // 3)
        return clip.convert("RGB")


THUMBNAILS = {
    "01_data": lambda: sheet(drawn()),
    "02_dcgan": lambda: sheet(faces("dcgan-cpu")),
    "03_lsgan": lambda: sheet(faces("lsgan-cpu")),
    "04_wgan": lambda: sheet(faces("wgan-gp-ttur")),
    "05_stylegan": growing,
    "06_styles": mixing,
    "07_explore": panel_still,
    "08_compare": lambda: plot(quality),
    "09_tricks": lambda: plot(claims_bars),
    "10_faces_to_order": orders,
    "11_your_own_pictures": augmented,
}


def fitted(image):
    """A picture cut and made smaller to fill a thumbnail."""
    from PIL import ImageOps
    return ImageOps.fit(image.convert("RGB"), SIZE, Image.Resampling.LANCZOS, centering=(0, 0))


def thumbnails():
    sys.path.insert(0, str(ROOT / "experiments"))
    OUT.mkdir(exist_ok=True)
    for name, make in THUMBNAILS.items():
        fitted(make()).save(OUT / f"{name}.webp", quality=85, method=6)


# -- the panels in use

WIDTH, HEIGHT = 970, 363  # pixels of the page that are filmed
SHOWN = (774, 290)  # pixels of the recording
# A pointer that can be seen: a browser without a screen draws none
POINTER = """() => {
  const dot = document.createElement('div');
  dot.style = 'position:fixed;z-index:99999;pointer-events:none;left:600px;top:360px';
  dot.innerHTML = '<svg width="24" height="30" viewBox="0 0 12 15"><path d="M0 0v12l3-3 2 5 2-1-2-4h4z" '
    + 'fill="black" stroke="white"/></svg>';
  document.body.append(dot);
  document.addEventListener('mousemove', e => {
    dot.style.left = e.clientX + 'px', dot.style.top = e.clientY + 'px' }, true);
}"""


class Film:
    """Takes pictures of a part of a page while its controls are used with the mouse."""

    def __init__(self, page):
        self.page, self.frames, self.durations = page, [], []
        self.at = (600, 360)

    def frame(self, milliseconds):
        clip = {"x": self.x, "y": self.y, "width": WIDTH, "height": HEIGHT}
        shot = Image.open(io.BytesIO(self.page.screenshot(clip=clip))).convert("RGB")
        self.frames.append(shot.resize(SHOWN, Image.Resampling.LANCZOS))
        self.durations.append(milliseconds)

    def show(self, cell):
        """Bring a cell's output to the top of the page: the part that is filmed."""
        self.cell = cell
        output = cell.locator(".jp-OutputArea-output").first
        output.evaluate("e => e.scrollIntoView({block: 'start'})")
        self.page.wait_for_timeout(500)
        box = output.bounding_box()
        self.x, self.y = box["x"], box["y"]

    def move(self, x, y, steps=4):
        x0, y0 = self.at
        for i in range(1, steps + 1):
            self.page.mouse.move(x0 + (x - x0) * i / steps, y0 + (y - y0) * i / steps)
            self.frame(50)
        self.at = (x, y)

    def middle(self, locator):
        box = locator.bounding_box()
        return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2

    def settle(self, before, quiet=2, most=40):
        """Wait until the cell's first picture is another one, and then until no picture changes any more."""
        begun, last, since = time.monotonic(), before, time.monotonic()
        while time.monotonic() - begun < most:
            if (now := self.pictures()) != last:
                last, since = now, time.monotonic()
            if last[0] != before[0] and time.monotonic() - since > quiet:
                return
            self.page.wait_for_timeout(100)

    def pictures(self):
        shown = "img:not([alt*='still picture'])"  # the panel's own
        return self.cell.evaluate(f'cell => [...cell.querySelectorAll("{shown}")].map(i => i.src)')

    def click(self, locator, hold=550):
        self.move(*self.middle(locator))
        before = self.pictures()
        self.page.mouse.click(*self.at)
        self.settle(before)
        self.frame(hold)

    def choose(self, menu, value, hold=800):
        self.move(*self.middle(menu))
        before = self.pictures()
        menu.select_option(value)
        self.settle(before)
        self.frame(hold)

    def drag(self, slider, to, steps=9):
        """A slider's handle to a share of its length, a frame for each step."""
        self.move(*self.middle(slider.locator(".noUi-handle").first))
        line = slider.locator(".noUi-base").bounding_box()
        self.page.mouse.down()
        x0, y = self.at
        for i in range(1, steps + 1):
            x = x0 + (line["x"] + to * line["width"] - x0) * i / steps
            before = self.pictures()
            self.page.mouse.move(x, y)
            self.settle(before, quiet=0.3, most=3)
            self.frame(100)
        self.page.mouse.up()
        self.at = (x, y)

    def save(self, path):
        first, *rest = self.frames
        first.save(path, save_all=True, append_images=rest, duration=self.durations, loop=0, quality=70,
                   method=6)


def panel_notebook():
    """The cells of notebook 07 that show the menu, the design panel and the walk, as a notebook."""
    import nbformat
    whole = nbformat.read(ROOT / "notebooks" / "07_explore.ipynb", as_version=4)
    words = ("GeneratorMenu(", "DesignPanel(", "WalkPanel(")
    code = [cell for cell in whole.cells if cell.cell_type == "code"]
    first = "import random\nrandom.seed(5)  # the same surprises each time\nfrom ganlib.play import panels"
    cells = [nbformat.v4.new_code_cell(first)]
    cells += [cell for cell in code if any(word in cell.source for word in words)]
    for cell in cells:
        cell.outputs, cell.execution_count = [], None
    return nbformat.v4.new_notebook(cells=cells, metadata=whole.metadata)


def laboratory(folder):
    """A running JupyterLab on the panels' notebook: (process, address)."""
    import nbformat
    settings = folder / "config" / "labconfig"
    settings.mkdir(parents=True)
    (settings / "default_setting_overrides.json").write_text(json.dumps({
        "@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False},
        "@jupyterlab/notebook-extension:tracker": {"windowingMode": "none"}}))
    nbformat.write(panel_notebook(), folder / "panels.ipynb")
    token = secrets.token_hex(16)
    env = os.environ | {"GANLIB_DATA": str(folder / "faces"), "GANLIB_PROFILE": "cpu",
                        "IPYTHONDIR": str(folder)}
    env |= {f"JUPYTER_{part.upper()}_DIR": str(folder / part) for part in ("config", "data", "runtime")}
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ip=127.0.0.1",
               "--port=0", f"--IdentityProvider.token={token}", f"--ServerApp.root_dir={folder}"]
    log = folder / "log.txt"
    with log.open("w") as stream:
        server = subprocess.Popen(command, env=env, stdout=stream, stderr=stream, cwd=folder)  # noqa: S603
    for _ in range(600):
        if found := re.search(r"http://127.0.0.1:\d+/lab", log.read_text()):
            return server, f"{found[0]}/tree/panels.ipynb?reset&token={token}"
        time.sleep(0.2)
    server.terminate()
    sys.exit(f"JupyterLab does not start: {log.read_text()[-500:]}")


def play(page):
    """Design a face, then walk: what is filmed."""
    def cell(text):
        return page.locator(".jp-CodeCell", has=page.locator(".cm-content", has_text=text))

    film, design, walk = Film(page), cell("DesignPanel("), cell("WalkPanel(")
    walk.locator(".jp-OutputArea img").first.wait_for()
    page.wait_for_function("[...document.querySelectorAll('.jp-OutputArea img')].every(i => i.naturalWidth)")
    page.evaluate(POINTER)
    film.show(design)
    film.frame(500)
    for _ in range(2):
        film.click(design.locator("button:has-text('Surprise me')").first)
    film.click(design.locator("button[title='take this one']").nth(1))
    film.choose(design.locator("select").first, "pink")
    film.choose(design.locator("select").nth(1), "green")
    film.show(walk)
    film.frame(400)
    film.drag(walk.locator(".widget-slider", has_text="position").first, 0.9, steps=15)
    film.frame(900)
    return film


def panels():
    from playwright.sync_api import sync_playwright
    chromium = shutil.which("chromium") or sys.exit("There is no chromium in the PATH.")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        server, address = laboratory(Path(folder))
        try:
            browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
            page = browser.new_page(viewport={"width": 1500, "height": 1000})
            page.set_default_timeout(240_000)
            with page.expect_websocket(lambda socket: "/channels" in socket.url):
                page.goto(address)
            page.locator(".jp-NotebookPanel-toolbar [data-status=idle]").wait_for()
            page.locator(".lm-MenuBar-itemLabel:text-is('Run')").click()
            page.locator(".lm-Menu-itemLabel:text-is('Run All Cells')").click()
            film = play(page)
            browser.close()
        finally:
            server.terminate()
            server.wait(60)
    OUT.mkdir(exist_ok=True)
    film.save(OUT / "panels.webp")
    print(f"{len(film.frames)} frames, {sum(film.durations) / 1000:.1f} s, "
          f"{(OUT / 'panels.webp').stat().st_size:,} bytes")


if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in ("thumbnails", "panels"):
        sys.exit(__doc__)
    {"thumbnails": thumbnails, "panels": panels}[sys.argv[1]]()
