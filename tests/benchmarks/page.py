"""The page of `ganlib page`: time to the first face, from a slider to the picture, and how much travels.

    python tests/benchmarks/page.py [GENERATOR ...]

In a chromium without a screen, with WebAssembly on the CPU, from a server on this computer. Medians.
"""
import functools
import gzip
import http.server
import re
import statistics
import sys
import tempfile
import threading
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from browsers import launched  # noqa: E402

from ganlib.sharing.pages import make_page  # noqa: E402

VISITS = 5
MOVES = 40
COMPRESSED = {".html", ".css", ".js", ".mjs", ".json", ".wasm"}  # by static hosts; an .onnx is sent as it is
MOVE = """() => new Promise(done => {
  const controls = [...document.querySelectorAll('#panel .control')];
  const slider = controls.find(c => c.innerText.startsWith('Boldness')).querySelector('input');
  const picture = document.getElementById('picture');
  const begun = performance.now();
  new MutationObserver((_, observer) => {
    observer.disconnect();
    requestAnimationFrame(() => done(performance.now() - begun));
  }).observe(picture, {attributes: true, attributeFilter: ['data-drawn']});
  slider.value = Number(slider.value) > 0.9 ? 0.3 : Number(slider.value) + 0.03;
  slider.dispatchEvent(new Event('input')); })"""
FIRST = "performance.getEntriesByName('first face')[0].startTime"


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


def over_the_wire(folder):
    """MB of what the page asks for with its first generator, where there is no GPU."""
    others = ".onnx", ".txt"
    asked = [path for path in folder.rglob("*") if path.is_file() and path.suffix not in others]
    asked = [path for path in asked if not re.search("webgpu.min|asyncify", path.name)]
    asked.append(min(folder.glob("generators/*.onnx")))
    sizes = []
    for path in asked:
        data = path.read_bytes()
        sizes.append(len(gzip.compress(data, 6)) if path.suffix in COMPRESSED else len(data))
    return sum(sizes) / 1e6


def measure(name, browser):
    with tempfile.TemporaryDirectory() as place:
        folder = make_page([name], Path(place) / "page")
        handler = functools.partial(Quiet, directory=str(folder))
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        first, moves = [], []
        for _ in range(VISITS):
            context = browser.new_context(locale="en-US")
            page = context.new_page()
            page.goto(f"http://127.0.0.1:{server.server_port}/")
            page.wait_for_selector("html[data-ready]:not([data-busy])")
            first.append(page.evaluate(FIRST))
            page.wait_for_timeout(500)
            for _ in range(MOVES):
                moves.append(page.evaluate(MOVE))
                page.wait_for_timeout(100)  # the neighbours are drawn meanwhile
            context.close()
        server.shutdown()
        server.server_close()
        slow = sorted(moves)[int(0.95 * len(moves))]
        print(f"{name}: first face after {statistics.median(first):.0f} ms, from a slider to the picture "
              f"{statistics.median(moves):.0f} ms (one in 20 takes more than {slow:.0f}), "
              f"{over_the_wire(folder):.1f} MB over the wire", flush=True)


def main():
    with launched() as browser:
        for name in sys.argv[1:] or ("stylegan-labels", "stylegan-fast"):
            measure(name, browser)


if __name__ == "__main__":
    main()
