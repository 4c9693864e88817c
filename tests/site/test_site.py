"""The site, built in a clean clone and walked in a browser without a network."""
import functools
import http.server
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from urllib.parse import unquote, urldefrag, urljoin

import nbformat
import npm
import pytest
from browsers import launched
from nbformat.v4 import new_code_cell, new_notebook

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = [path.stem for path in sorted((ROOT / "notebooks").glob("[0-9]*.ipynb"))]
pytestmark = pytest.mark.timeout(1500)

# Of all pictures: is there something to see? Those further down are loaded only when they are scrolled to
BROKEN = """async () => {
  const images = [...document.images];
  images.forEach(image => image.loading = 'eager');
  await Promise.all(images.map(image => image.decode().catch(() => 0)));
  return images.filter(image => !image.naturalWidth).map(image => image.src.slice(0, 200)); }"""
FLAT = """[...document.querySelectorAll('math')].filter(formula => {
  const box = formula.getBoundingClientRect();
  return box.width < 3 || box.height < 3; }).map(formula => formula.textContent)"""
LINKS = "[...document.querySelectorAll('a[href]')].map(link => link.href)"
ANCHORS = "[...document.querySelectorAll('[id]')].map(element => element.id)"


@pytest.fixture(scope="module")
def chromium():
    with launched() as launched_browser:
        yield launched_browser


@pytest.fixture(scope="module")
def clone(tmp_path_factory, chromium):
    """A clean clone in which `make site` has run, in the smoke profile; its path has a space."""
    clone = tmp_path_factory.mktemp("site") / "a clone"
    subprocess.run(["git", "clone", "--quiet", ROOT, clone], check=True)
    with pytest.MonkeyPatch.context() as patch:
        kept = npm.runtime(patch)
    shutil.copytree(kept, clone / "data" / "site" / "vendor" / kept.name)
    done = make_site(clone)
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    assert "WARNING" not in done.stderr, done.stderr
    return clone


def make_site(clone):
    """`make site` with this Python in the place of .venv; proxies that lead nowhere stand for no network."""
    env = {key: value for key, value in os.environ.items() if not key.startswith("GANLIB_")}
    env |= {f"{kind}_proxy": "http://127.0.0.1:9" for kind in ("http", "https", "all")}
    env |= {"no_proxy": "127.0.0.1,localhost", "GANLIB_PROFILE": "smoke", "PYTHONPATH": str(clone)}
    command = ["make", "--old-file=setup", "site", f"BIN={Path(sys.executable).parent}"]
    return subprocess.run(command, cwd=clone, env=env, capture_output=True, text=True)


@pytest.fixture(scope="module")
def address(clone):
    """The address of a server for the folder build/site."""
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    handler = functools.partial(Quiet, directory=str(clone / "build" / "site"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.fixture
def page(chromium, address):
    """A page that may ask this site only. What else it asks for, and its errors, are in page.complaints."""
    page = chromium.new_page(viewport={"width": 1300, "height": 900})
    page.complaints = []

    def decide(route):
        if route.request.url.startswith((address, "data:", "blob:")):
            route.continue_()
        else:
            page.complaints.append(f"asked for {route.request.url}")
            route.abort()

    page.route("**/*", decide)
    page.on("pageerror", lambda error: page.complaints.append(str(error)))
    page.on("console", lambda said: page.complaints.append(said.text) if said.type == "error" else None)
    yield page
    page.close()
    assert page.complaints == []


def pages_of(clone):
    site = clone / "build" / "site"
    found = [path.relative_to(site).as_posix() for path in site.rglob("*.html")]
    others = "_static/", "play/"  # templates, and the page to play on, which has tests of its own
    return sorted(name for name in found if not name.startswith(others))


def test_every_page_picture_link_and_formula(clone, address, page):
    names = pages_of(clone)
    links, anchors = {}, {}
    for name in names:
        page.goto(address + name)
        assert page.evaluate(BROKEN) == [], name
        assert page.evaluate(FLAT) == [], name
        assert "$$" not in page.inner_text("body") and "\\frac" not in page.inner_text("body"), name
        links[name] = page.evaluate(LINKS)
        anchors[name] = set(page.evaluate(ANCHORS))
    assert {f"notebooks/{name}.html" for name in NOTEBOOKS} <= set(names)
    assert {"index.html", "gallery.html", "results.html", "claims.html", "glossary.html"} <= set(names)
    for name in names:
        for link in links[name]:
            check(link, address, anchors, clone, f"{link} on {name}")


def check(link, address, anchors, clone, where):
    """A link leads to an anchor of a page, to a file of the site, or out to an https address."""
    if not link.startswith(address):
        assert link.startswith(("https://", "javascript:void")), where
        return
    target, anchor = urldefrag(unquote(link.removeprefix(address)))
    target = target or "index.html"
    if target in anchors:
        assert not anchor or anchor in anchors[target] or anchor.startswith("/"), where
    else:
        assert (clone / "build" / "site" / target.partition("?")[0]).is_file(), where


def test_formulas_are_there(address, page):
    for name, least in (("02_dcgan", 1), ("04_wgan", 1), ("05_stylegan", 2), ("08_compare", 3)):
        page.goto(f"{address}notebooks/{name}.html")
        assert page.locator("math").count() >= least, name
    page.goto(f"{address}notebooks/05_stylegan.html")
    fraction = page.locator("math[display=block] mfrac").first.bounding_box()
    assert fraction["height"] > 25  # pixels: it is set as a fraction, one number over the other


def test_notebooks_follow_each_other(address, page):
    page.goto(f"{address}notebooks/03_lsgan.html")
    page.locator("article a[href='02_dcgan.html']").first.click()
    assert page.url == f"{address}notebooks/02_dcgan.html"
    page.goto(f"{address}index.html")
    page.locator("article a[href='notebooks/07_explore.html']").first.click()
    assert page.locator("article h1").inner_text().startswith("7")


def test_notebooks_show_what_came_of_them(address, page):
    page.goto(f"{address}notebooks/02_dcgan.html")
    line = page.locator("article h1 + p")  # in the place of the badges
    assert line.inner_text().startswith("Open in Colab")
    assert line.inner_text().endswith("Executed in the profile smoke, on drawn faces")
    assert page.locator("article div.cell_output img").count() >= 3
    assert not page.locator("article img[src^='http']:not([src^='http://127.0.0.1'])").count()
    page.goto(f"{address}notebooks/07_explore.html")
    assert page.locator("[class^=ganlib-still] img:visible").count() >= 4
    assert page.get_by_text("Run all cells").count() >= 4
    assert not page.locator("[data-mime-type*=widget], .jupyter-widgets").count()


def test_anyone_can_play(address, page):
    page.goto(f"{address}index.html")
    page.locator("article a", has_text="Design a face").click()
    page.locator("html[data-ready=true]").wait_for(timeout=60_000)
    assert page.url.startswith(f"{address}play/index.html")


def test_without_the_runtime_there_is_no_such_page(clone, monkeypatch, capsys):
    monkeypatch.setenv("GANLIB_DATA", str(clone / "nothing"))
    monkeypatch.setattr("ganlib.sharing.pages.shutil.which", lambda name: None)
    spec = importlib.util.spec_from_file_location("make_site", ROOT / "docs" / "make_site.py")
    spec.loader.exec_module(module := importlib.util.module_from_spec(spec))
    module.PLAY = clone / "build" / "other"
    assert module.make_play() is False and not module.PLAY.exists()
    assert "The page to play on is left out: The page needs ONNX Runtime" in capsys.readouterr().out
    module.SOURCE = clone / "source"
    assert "play/index.html" not in module.landing_page([], False)
    assert "play/index.html" in module.landing_page([], True)


def test_search_finds(address, page):
    page.goto(f"{address}index.html")
    page.goto(f"{address}search.html?q=Wasserstein")
    page.locator("#search-results li a", has_text="WGAN").first.wait_for(timeout=60_000)
    found = page.locator("#search-results li a").evaluate_all("links => links.map(link => link.href)")
    assert any("04_wgan.html" in link for link in found)


@pytest.mark.parametrize("width", [400, 800, 1400])
def test_no_page_is_wider_than_the_window_and_there_is_a_dark_one(clone, address, page, width):
    page.set_viewport_size({"width": width, "height": 900})
    shades = {}
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        names = pages_of(clone) if scheme == "light" else ["index.html", "notebooks/07_explore.html"]
        for name in names:
            page.goto(address + name)
            assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, (name, scheme)
        color = page.evaluate("getComputedStyle(document.body).backgroundColor")
        shades[scheme] = sum(map(int, re.findall(r"\d+", color)[:3]))
    assert shades["light"] > 600 and shades["dark"] < 200


def test_it_reads_from_the_disk_as_well(clone, chromium):
    page = chromium.new_page()
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto((clone / "build" / "site" / "index.html").as_uri())
    page.locator("article a[href='notebooks/07_explore.html']").first.click()
    assert page.evaluate(BROKEN) == []
    page.goto(urljoin(page.url, "../search.html?q=Wasserstein"))
    page.locator("#search-results li a").first.wait_for(timeout=60_000)
    assert not [url for url in asked if not url.startswith(("file:", "data:"))]
    page.close()


def test_no_real_picture_is_in_it(clone):
    packs = [path.name for path in (clone / "data" / "site" / "packs").iterdir() if path.is_dir()]
    assert packs and all(name.startswith("synthetic-") for name in packs)
    raw = [path.name for path in (clone / "data" / "site" / "raw").iterdir() if path.is_dir()]
    assert all(name.startswith("synthetic-") for name in raw)


def test_only_changed_code_is_executed_again(clone):
    """A change of text takes no execution, a cell that fails ends with its words."""
    notebook = clone / "notebooks" / f"{NOTEBOOKS[0]}.ipynb"
    text = notebook.read_text()
    heading = re.search(r'"# (1\.[^"\\]*)', text)[1]
    notebook.write_text(text.replace(heading, "1. Another heading", 1))
    done = make_site(clone)
    assert done.returncode == 0, done.stderr
    assert "\n== " not in done.stdout  # nothing was executed
    page = (clone / "build" / "site" / "notebooks" / f"{NOTEBOOKS[0]}.html").read_text()
    assert "1. Another heading" in page and "cell_output" in page

    last = clone / "notebooks" / "99_broken.ipynb"
    nbformat.write(new_notebook(cells=[new_code_cell("raise ValueError('no such face')")]), last)
    done = make_site(clone)
    assert done.returncode != 0 and "99_broken stopped" in done.stderr and "no such face" in done.stderr
    assert done.stdout.count("\n== ") == 1
    last.unlink()
