"""The page on a GPU, for which a program stands in: the same faces, and the GPU only where it is faster."""
import functools
import http.server
import io
import re
import threading

import npm
import numpy as np
import pytest
from browsers import launched
from PIL import Image

from ganlib.models.sampling import generate
from ganlib.models.store import load_generator
from ganlib.play.characters import character
from ganlib.sharing.pages import make_page

GPU = ["--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader"]
TIMEOUT = 120_000  # ms
ASYNC = "ort-wasm-simd-threaded.asyncify.wasm"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("page")
    with pytest.MonkeyPatch.context() as patch:
        npm.runtime(patch)
        make_page(["stylegan-fast"], place / "out")
    return place / "out"


@pytest.fixture
def host(folder):
    asked = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            asked.append(self.path.rpartition("/")[2])

    handler = functools.partial(Handler, directory=str(folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/", asked
    server.shutdown()
    server.server_close()


@pytest.fixture
def always_faster(folder):
    """The page as if the GPU were faster: the program that stands in for it is not."""
    code = (folder / "webgpu.js").read_text()
    assert "return isSame && isFaster(" in code
    (folder / "webgpu.js").write_text(code.replace("return isSame && isFaster(", "return isSame; ("))
    yield
    (folder / "webgpu.js").write_text(code)


def opened(browser, address):
    page = browser.new_page(locale="en-US", accept_downloads=True)
    page.set_default_timeout(TIMEOUT)
    page.trouble = []
    page.on("pageerror", lambda error: page.trouble.append(str(error)))
    page.goto(address)
    page.locator("html[data-ready=true]").wait_for()
    return page


def until(page, script):
    """Wait until a script gives true. The page's policy forbids Playwright's own way."""
    for _ in range(TIMEOUT // 100):
        if page.evaluate(script):
            return
        page.wait_for_timeout(100)
    raise AssertionError(script)


def face(page):
    """The pixels of the face on show, as saved with 64 pixels."""
    page.locator("#save summary").click()
    with page.expect_download() as download:
        page.locator("[data-save='64']").click()
    with Image.open(io.BytesIO(open(download.value.path(), "rb").read())) as picture:
        return np.asarray(picture.convert("RGB")).astype(int)


def test_the_gpu_draws_the_same_faces(host, always_faster):
    with launched(GPU) as browser:
        page = opened(browser, host[0])
        before = face(page)
        page.locator("html[data-engine=webgpu]").wait_for()
        drawn = page.locator("#picture").get_attribute("data-drawn")
        page.locator("#surprise").click()
        until(page, f"Number(document.getElementById('picture').dataset.drawn) > {drawn}")
        page.wait_for_timeout(500)  # the address follows
        seed = int(re.search(r"&s=(\d+)", page.url)[1])
        after = face(page)
        assert np.abs(after - before).mean() > 1 and page.trouble == []
        generator = load_generator("stylegan-fast")
        expected = generate(generator, character(generator, seed=seed, psi=0.7))[0]
        assert np.abs(after - expected).max() <= 1 and ASYNC in host[1]


def test_a_gpu_that_is_slower_is_left_alone(host):
    with launched(GPU) as browser:
        page = opened(browser, host[0])
        page.wait_for_timeout(10_000)
        assert page.evaluate("document.documentElement.dataset.engine ?? 'wasm'") == "wasm"
        face(page)
        assert page.trouble == []


def test_without_a_gpu_nothing_is_fetched_for_it(host):
    with launched() as browser:
        page = opened(browser, host[0])
        page.wait_for_timeout(4_000)
        assert ASYNC not in host[1] and "ort.webgpu.min.mjs" not in host[1] and page.trouble == []
