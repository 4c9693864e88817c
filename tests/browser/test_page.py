"""The page that `ganlib page` writes, as people use it: in a browser, with nothing but a static server."""
import functools
import hashlib
import http.server
import io
import json
import threading
from urllib.parse import urlencode

import npm
import numpy as np
import pytest
import torch
from browsers import launched
from generators import save_labelled
from PIL import Image

from ganlib.images import resized
from ganlib.models.sampling import generate, latents, sample
from ganlib.models.store import load_generator
from ganlib.play.characters import character
from ganlib.play.latent_files import load_latents, save_latents
from ganlib.seeding import seed_of_word, seeded
from ganlib.sharing.pages import make_page

SECONDS = 60
AXE = ("axe-core", "4.14.1", "axe.min.js")
READY = "html[data-ready]"
BUSY = "['data-busy', 'data-writing'].some(name => document.documentElement.hasAttribute(name))"
HTML = "<img src=x onerror=alert(1)>"
pytestmark = pytest.mark.timeout(300)


class Handler(http.server.SimpleHTTPRequestHandler):
    """A static host that counts, and spoils what it is told to."""

    asked: list = []
    spoil: dict = {}  # {end of a path: function of the bytes}

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.asked.append(self.path)
        for end, function in self.spoil.items():
            if self.path.split("?")[0].endswith(end):
                with open(self.translate_path(self.path), "rb") as file:
                    data = function(file.read())
                if data is None:
                    return self.send_error(404)
                self.send_response(200)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                return self.wfile.write(data)
        return super().do_GET()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A page with three shipped generators, and one whose name and labels have HTML in them."""
    place = tmp_path_factory.mktemp("page")
    with pytest.MonkeyPatch.context() as patch:
        npm.runtime(patch)
        hostile = place / HTML.replace("/", "")
        save_labelled(hostile / "generator.safetensors", classes={HTML: [HTML, "<b>no</b>", "a, b: c"]})
        make_page(["stylegan-labels", "stylegan-fast", "dcgan-cpu", hostile], place / "out")
    return place / "out"


@pytest.fixture(scope="module")
def host(folder):
    handler = functools.partial(Handler, directory=str(folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def browser(folder):
    with launched() as launched_browser:
        yield launched_browser


@pytest.fixture
def visit(browser, host):
    """visit(address, **options): a page in a fresh profile, ready, whose console must stay quiet."""
    contexts, trouble = [], []

    def open_page(address="", ready=True, before=None, **options):
        usual = {"viewport": {"width": 1440, "height": 900}, "locale": "en-US", "accept_downloads": True}
        context = browser.new_context(**(usual | options))
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(1000 * SECONDS)
        page.on("console", lambda message: trouble.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: trouble.append(str(error)))
        page.on("dialog", lambda dialog: trouble.append(f"dialog {dialog.message}"))
        if before:
            page.add_init_script(before)
        page.goto(host + address)
        if ready:
            page.wait_for_selector(READY)
            settled(page)
        return page

    open_page.trouble = trouble
    yield open_page
    for context in contexts:
        context.close()
    Handler.spoil.clear()
    assert not trouble


def settled(page):
    """Wait until nothing is drawn any more."""
    quiet = 0
    for _ in range(20 * SECONDS):
        quiet = 0 if page.evaluate(BUSY) else quiet + 1
        if quiet == 3:
            return
        page.wait_for_timeout(50)
    raise AssertionError("still busy")


def drawn(page):
    settled(page)
    return page.evaluate("document.getElementById('picture').toDataURL()")


def says(page, words):
    page.locator("#says", has_text=words).wait_for()


def address(generator, **words):
    marks = {entry["name"]: entry["mark"] for entry in ENTRIES}
    return "#" + urlencode({"v": 1, "g": generator, "m": marks[generator], "s": 3, "p": 0.7} | words)


ENTRIES: list = []


@pytest.fixture(scope="module", autouse=True)
def entries(folder):
    ENTRIES[:] = json.loads((folder / "generators.json").read_text())


def saved(page, what):
    """The bytes of a file that the page saves."""
    page.locator("#save summary").click()
    with page.expect_download() as download:
        page.locator(f"[data-save='{what}']").click()
    with open(download.value.path(), "rb") as file:
        return file.read()


def pixels(png):
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)


# -- the same faces as in Python

FACES = [  # generator, words of the address, settings of `character`
    ("stylegan-labels", {}, {}),
    ("stylegan-labels", {"s": 123456, "p": 1, "l.hair": "pink:1", "l.eyes": "blue:0.3,green:0.7"},
     {"seed": 123456, "psi": 1.0, "labels": {"hair": "pink", "eyes": {"blue": 0.3, "green": 0.7}}}),
    ("stylegan-labels", {"n": "5.2.400", "d.1": 1.5, "d.10": 2},
     {"steps": [(5, 2, 0.4)], "changes": {1: 1.5, "hair: dark – light": 2.0}, "hold": True}),
    ("stylegan-fast", {"c.hair": "green:1", "c.eyes": "red:0.8", "h": 0},
     {"hair": "green", "eyes": "red", "eyes_amount": 0.8}),
    ("stylegan-fast", {"n": "9.5.900", "d.0": -2, "d.13": 3},
     {"steps": [(9, 5, 0.9)], "changes": {0: -2.0, "eyes: blue – red": 3.0}, "hold": True}),
]


@pytest.mark.parametrize("name, words, settings", FACES)
def test_an_address_is_the_same_face_as_in_python(visit, name, words, settings):
    page = visit(address(name, **words))
    generator = load_generator(name)
    entry = next(entry for entry in ENTRIES if entry["name"] == name)
    changes = {entry["about"]["directions"]["names"][key] if isinstance(key, int) else key: value
               for key, value in settings.get("changes", {}).items()}
    ws = character(generator, **({"seed": 3, "hold": "h" not in words} | settings | {"changes": changes}))
    assert np.abs(pixels(saved(page, "64")) - generate(generator.G, ws)[0]).max() <= 1


def test_a_seed_of_a_dcgan_is_the_same_face_as_in_python(visit):
    page = visit(address("dcgan-cpu", s=7))
    assert np.abs(pixels(saved(page, "64")) - sample(load_generator("dcgan-cpu"), 1, seed=7)[0]).max() <= 1
    page.locator("#panel", has_text="has no styles").wait_for()
    before = drawn(page)
    page.locator("#surprise").click()
    assert drawn(page) != before


def test_latent_files_go_to_python_and_back(visit, tmp_path):
    page = visit(address("stylegan-labels", **{"l.hair": "red:1", "d.0": 1}))
    first = drawn(page)
    file = saved(page, "latents")
    (tmp_path / "face.safetensors").write_bytes(file)
    generator = load_generator("stylegan-labels")
    ws, settings = load_latents(tmp_path / "face.safetensors", generator)
    assert np.abs(generate(generator.G, ws)[0] - pixels(saved(page, "64"))).max() <= 1
    assert settings["seed"] == 3 and settings["labels"] == {"hair": {"red": 1}}
    other = visit()
    other.set_input_files("#file", {"name": "face.safetensors", "mimeType": "", "buffer": file})
    says(other, "Opened")
    assert drawn(other) == first and other.url.endswith(page.url.rpartition("#")[2])
    for kind in ("256", "sheet"):  # pictures hold the face as well
        again = visit(address("stylegan-labels", s=8))
        picture = {"name": "a.png", "mimeType": "image/png", "buffer": saved(page, kind)}
        again.set_input_files("#file", picture)
        says(again, "Opened")
        assert drawn(again) == first
    # a mixed face
    words = {"x": "4-8", "f": "v=1&g=stylegan-labels&s=9&p=0.5&l.hair=pink:1"}
    mixed = visit(address("stylegan-labels", s=4, **words))
    picture = {"name": "a.png", "mimeType": "image/png", "buffer": saved(mixed, "256")}
    again.set_input_files("#file", picture)
    says(again, "Opened")
    assert drawn(again) == drawn(mixed)
    # latents without settings that the page knows, as of a picture that was searched for
    save_latents(tmp_path / "found.safetensors", generator, ws * 1.1, wanted="a picture")
    other.set_input_files("#file", tmp_path / "found.safetensors")
    says(other, "Opened")
    found = pixels(saved(other, "64"))
    assert np.abs(found - generate(generator.G, ws * 1.1)[0]).max() <= 3  # 16 bits in the address
    assert np.abs(pixels(saved(visit("#" + other.url.partition("#")[2]), "64")) - found).max() <= 1


# -- every control


def test_every_control_does_something_and_can_be_undone(visit):
    page = visit()
    first = drawn(page)
    seen = [first]

    def changed(what):
        now = drawn(page)
        assert now not in seen, what
        seen.append(now)

    panel = page.locator("#panel")
    panel.locator("input[type=radio][aria-label=pink]").first.check()
    changed("hair")
    panel.locator("select").first.select_option("blue")
    changed("mixed with")
    panel.locator("input[type=range]").first.press("ArrowRight")
    changed("how much")
    panel.locator("fieldset").nth(1).locator("[aria-label=green]").check()
    changed("eyes")
    panel.locator(".control", has_text="Boldness").locator("input").press("ArrowLeft")
    changed("boldness")
    page.wait_for_selector("#panel .faces canvas[data-drawn]")
    panel.locator(".faces button").nth(2).click()
    changed("neighbour")
    page.locator("#tab-directions").click()
    for number in range(len(ENTRIES[0]["about"]["directions"]["names"]) + 4):
        panel.locator("input[type=range]").nth(number).press("ArrowRight")
        panel.locator("input[type=range]").nth(number).press("ArrowRight")
        changed(f"direction {number}")
    panel.locator("input[type=checkbox]").uncheck()
    changed("hold")
    page.locator("#tab-mix").click()
    panel.locator(".faces button").nth(1).click()
    changed("mix")
    panel.locator("input[type=checkbox]").nth(0).check()
    changed("layers")
    for before in [*seen[::-1][1:]]:
        page.locator("#undo").click()
        assert drawn(page) == before
    assert page.locator("#undo").get_attribute("aria-disabled") == "true"
    page.locator("#redo").click()
    assert drawn(page) == seen[1]


def test_random_numbers_are_those_of_pytorch(visit):
    page = visit()

    def computed(code):
        return page.evaluate(f"import('/random.js').then(m => {code})")

    for seed, size in ((3, 256), (0, 100), (2**53 - 1, 128), (-7, 16)):
        found = computed(f"m.latents({seed}, {size}, 0, 6).map(z => [...z])")
        assert np.allclose(found, latents(6, size, seed), atol=1e-6)
    for text in ("", "latents/3/0", "ä" * 40):
        expected = hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
        assert computed(f"m.digest({text!r}).toString(16)").zfill(16) == expected
    for seed in range(4):
        expected = torch.randint(1024, (1024,), generator=seeded(seed, 0, "labels"))[0]
        assert computed(f"m.whole({seed}, 0, 'labels', 1024)") == int(expected)


def test_a_name_is_a_seed_as_in_python(visit):
    page = visit()
    seed = page.locator("#panel input[type=text]")
    for name in ("ann", "Änne Lee"):
        seed.fill(name)
        seed.press("Enter")
        settled(page)
        assert f"s={seed_of_word(name)}" in page.url
    picture = sample_of(load_generator("stylegan-labels"), seed_of_word("Änne Lee"))
    assert np.abs(pixels(saved(page, "64")) - picture).max() <= 1


def sample_of(generator, seed):
    return generate(generator.G, character(generator, seed))[0]


def test_neighbours_are_those_of_the_face_on_show(visit):
    """Also after a slider that leaves the panel as it is."""
    page = visit(address("stylegan-labels", **{"l.hair": "pink:0.5,blue:0.5"}))
    slider = page.locator(".control", has_text="how much").locator("input")
    slider.fill("1")
    page.locator("#panel .faces button").first.click()
    settled(page)
    assert "l.hair=pink%3A0%2Cblue%3A1" in page.url


def test_generators_are_changed_and_undone(visit):
    page = visit()
    first = drawn(page)
    page.locator("#generator").select_option("stylegan-fast")
    other = drawn(page)
    page.locator("#undo").click()
    assert drawn(page) == first and page.locator("#generator").input_value() == "stylegan-labels"
    page.locator("#redo").click()
    assert drawn(page) == other and page.locator("#generator").input_value() == "stylegan-fast"
    page.locator("#generator").select_option("stylegan-labels")
    page.locator("#generator").select_option("dcgan-cpu")  # at once: the last one counts
    settled(page)
    assert "g=dcgan-cpu" in page.url and page.locator("#generator").input_value() == "dcgan-cpu"


def test_what_is_kept_is_the_face_and_no_picture_of_a_walk(visit):
    page = visit()
    first = drawn(page)
    page.locator("#keep").click()
    page.locator("#tab-walk").click()
    page.locator("#panel button", has_text="Play").click()
    page.wait_for_timeout(700)
    page.locator("#keep").click()
    page.locator("#tab-design").click()
    assert drawn(page) == first
    images = page.evaluate("[...document.querySelectorAll('#tray img')].map(image => image.src)")
    assert len(images) == 2 and images[0] == images[1]


def test_pictures_are_enlarged_as_in_python(visit):
    page = visit()
    small = Image.fromarray(pixels(saved(page, "64")).astype(np.uint8))
    for size in (256, 512):
        expected = np.asarray(resized(small, (size, size))).astype(int)
        assert np.abs(pixels(saved(page, str(size))) - expected).max() <= 1


def test_a_walk_plays_and_stops(visit):
    page = visit()
    page.locator("#tab-walk").click()
    first = drawn(page)
    page.locator("#panel button", has_text="Play").click()
    page.wait_for_timeout(1500)
    count = int(page.evaluate("document.getElementById('picture').dataset.drawn"))
    assert count > 5
    page.locator("#panel button", has_text="Pause").click()
    there = drawn(page)
    assert there != first
    page.locator("#panel input").fill("0")
    assert drawn(page) == first


def test_of_a_drag_only_the_last_position_must_be_drawn(visit):
    page = visit()
    count = "Number(document.getElementById('picture').dataset.drawn)"
    before = page.evaluate(count)
    page.evaluate("""() => {
      const controls = [...document.querySelectorAll('#panel .control')];
      const slider = controls.find(c => c.innerText.startsWith('Boldness')).querySelector('input');
      for (let i = 0; i <= 100; i++) {
        slider.value = 0.1 + i / 100;
        slider.dispatchEvent(new Event('input'));
      } }""")
    settled(page)
    assert 1 <= page.evaluate(count) - before < 20
    assert "p=1.1" in page.url
    page.locator("#undo").click()  # a drag is one step
    settled(page)
    assert "p=0.7" in page.url


def test_kept_faces_come_back(visit, host):
    page = visit()
    first = drawn(page)
    page.locator("#keep").click()
    page.locator("#surprise").click()
    second = drawn(page)
    page.locator("#keep").click()
    page.locator("#generator").select_option("stylegan-fast")
    other = drawn(page)
    page.locator("#keep").click()
    settled(page)
    page.goto("about:blank")
    page.goto(host)
    page.wait_for_selector(READY)
    kept = page.locator("#tray .shown")
    assert kept.count() == 3
    for number, expected in ((1, second), (2, other), (0, first)):
        kept.nth(number).click()
        assert drawn(page) == expected
    page.get_by_label("Move kept face 2 to the left").click()
    kept.first.click()
    assert drawn(page) == second
    page.get_by_label("Remove kept face 1").click()
    assert page.locator("#tray .shown").count() == 2


def test_without_a_network_after_loading(visit):
    page = visit()
    page.context.set_offline(True)
    before = drawn(page)
    page.locator("#surprise").click()
    assert drawn(page) != before
    Handler.asked.clear()
    page.locator("#tab-mix").click()
    settled(page)
    assert not Handler.asked


def test_nothing_is_asked_of_another_host(visit, host):
    hosts = set()
    page = visit(ready=False)
    page.on("request", lambda request: hosts.add(request.url.split("/")[2]))
    page.reload()
    page.wait_for_selector(READY)
    assert hosts == {host.split("/")[2]}
    assert page.context.cookies() == []


def test_languages_and_theme_are_kept(visit):
    page = visit(locale="de-DE")
    assert page.locator("h1").inner_text() == "Anime-Gesichter"
    assert page.locator("html").get_attribute("lang") == "de"
    page.locator("#language").select_option("en")
    page.locator("#theme").click()
    dark = page.locator("html").get_attribute("data-theme")
    page.reload()
    page.wait_for_selector(READY)
    assert page.locator("h1").inner_text() == "Anime faces"
    assert page.locator("html").get_attribute("data-theme") == dark
    texts = page.evaluate("import('/texts.js').then(m => m.TEXTS)")
    braces = {name: {key: sorted(part.split("}")[0] for part in value.split("{")[1:])
                     for key, value in some.items()} for name, some in texts.items()}
    assert braces["de"] == braces["en"]  # every text, with all that is filled in


def test_with_the_keyboard_alone(visit):
    page = visit()
    first = drawn(page)
    page.locator("#tab-design").focus()
    page.keyboard.press("ArrowRight")
    assert page.evaluate("document.activeElement.id") == "tab-directions"
    page.keyboard.press("ArrowLeft")
    page.locator("#panel input[type=radio]").first.focus()
    for _ in range(3):  # the choice moves with the arrows, and keeps the keyboard
        page.keyboard.press("ArrowRight")
        settled(page)
    assert page.evaluate("document.activeElement.value") == "blonde"
    assert drawn(page) != first
    page.keyboard.press("Control+z")
    settled(page)
    page.keyboard.press("Control+Shift+z")
    settled(page)
    assert "l.hair=blonde" in page.url
    page.locator("#save summary").focus()
    page.keyboard.press("Enter")
    page.locator("[data-save=sheet]").wait_for()
    page.keyboard.press("Escape")
    assert not page.locator("[data-save=sheet]").is_visible()


@pytest.mark.parametrize("size", [(360, 640), (640, 360), (1440, 900)])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_and_everyone_can_read_it(visit, size, scheme):
    axe = npm.file_of(*AXE)
    page = visit(viewport={"width": size[0], "height": size[1]}, color_scheme=scheme)
    page.locator("#keep").click()
    page.evaluate(axe)
    for tab in ("design", "directions", "mix", "walk"):
        page.locator(f"#tab-{tab}").click()
        settled(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= size[0], tab
        found = page.evaluate("axe.run().then(r => r.violations)")
        grave = [one for one in found if one["impact"] in ("serious", "critical")]
        assert not [(one["id"], one["nodes"][0]["html"]) for one in grave], tab
    box = page.locator("#picture").bounding_box()
    assert box["width"] >= 110 and box["y"] + box["height"] <= size[1]
    page.locator("#save summary").click()
    for number in range(6):
        page.locator("#save .menu button").nth(number).scroll_into_view_if_needed()
        box = page.locator("#save .menu button").nth(number).bounding_box()
        assert box["y"] >= 0 and box["y"] + box["height"] <= size[1]


# -- bad input


BAD_ADDRESSES = [
    ("#nonsense", "another version of this page"),
    ("#v=2&g=stylegan-labels&s=3&p=0.7", "another version of this page"),
    ("#v=1&g=gone&s=3&p=0.7", "a generator that is not here"),
    ("#v=1&g=stylegan-labels&s=3", "was cut or changed"),
    ("#v=1&g=stylegan-labels&s=x&p=0.7", "was cut or changed"),
    ("#v=1&g=stylegan-labels&s=3&p=99", "was cut or changed"),
    ("#v=1&g=stylegan-labels&s=3&p=0.7&l.hair=tartan:1", "was cut or changed"),
    ("#v=1&g=stylegan-labels&s=3&p=0.7&d.99=1", "was cut or changed"),
    ("#v=1&g=stylegan-labels&s=3&p=0.7&n=1.9.400", "was cut or changed"),
    ("#v=1&g=stylegan-labels&s=3&p=0.7&b=AAAA", "was cut or changed"),
    ("#v=1&g=stylegan-labels&s=3&p=0.7&x=2-4&f=v%3D1", "was cut or changed"),
    ("#v=1&g=stylegan-labels&m=000000&s=3&p=0.7", "another version of this generator"),
    ("#" + "a" * 70_000, "too long"),
]


def test_bad_addresses(visit, host):
    """The first when the page is opened, the others while it is open. There is a face each time."""
    page = visit(BAD_ADDRESSES[0][0])
    says(page, BAD_ADDRESSES[0][1])
    for words, told in BAD_ADDRESSES[1:]:
        page.locator("#surprise").click()  # which puts a good address there
        settled(page)
        page.goto(host + words)
        says(page, told)
        settled(page)
        assert "v=1&g=stylegan-labels" in page.url


@pytest.mark.parametrize("spoil, told", [
    (lambda data: data[:100_000], "did not arrive whole"),
    (lambda data: data[:100_000] + b"x" + data[100_001:], "did not arrive whole"),
    (lambda data: data + b"more", "did not arrive whole"),
    (lambda data: None, "is not there (error 404)"),
])
def test_a_generator_that_does_not_arrive(visit, spoil, told):
    Handler.spoil[ENTRIES[0]["file"].split("/")[-1]] = spoil
    page = visit(ready=False)
    says(page, told)
    visit.trouble[:] = [text for text in visit.trouble if "404" not in text]


FORBIDDEN = "Object.defineProperty(window, 'localStorage', {get() { throw new Error('no'); }});"
FULL = "Storage.prototype.setItem = () => { throw new DOMException('full', 'QuotaExceededError'); };"


@pytest.mark.parametrize("before", [FORBIDDEN, FULL], ids=["forbidden", "full"])
def test_where_nothing_can_be_kept(visit, before):
    page = visit(before=before)
    page.locator("#keep").click()
    says(page, "does not let the page keep anything")
    assert page.locator("#tray .shown").count() == 1


def test_what_was_kept_by_someone_else(visit):
    spoiled = [{"address": "nonsense", "image": "javascript:alert(1)"}, None, 3]
    page = visit(before=f"localStorage.setItem('ganlib tray /', {json.dumps(json.dumps(spoiled))});")
    assert page.locator("#tray .shown").count() == 0


HOSTILE = [{"seed": 1, "psi": 0.7, "steps": [[1, 9, 0.4]]}, {"seed": 1, "steps": [[1, 1, 0.4]] * 5000},
           {"seed": 1, "labels": {"hair": None}}, {"seed": 1, "labels": {"constructor": {"pink": 1}}},
           {"seed": 1, "changes": {"gone": 1}}, {"seed": 1, "hair": "tartan"}, {"seed": "x"}, None, [],
           {"address": "#nonsense"}]


def test_files_with_settings_that_make_no_sense(visit, tmp_path):
    """Their latents count."""
    page = visit()
    generator = load_generator("stylegan-labels")
    ws = character(generator, seed=5)
    save_latents(tmp_path / "face.safetensors", generator, ws, seed=1)
    good = (tmp_path / "face.safetensors").read_bytes()
    for settings in HOSTILE:
        header = json.loads(good[8:8 + int.from_bytes(good[:8], "little")])
        header["__metadata__"]["settings"] = json.dumps(settings)
        text = json.dumps(header).encode()
        content = len(text).to_bytes(8, "little") + text + good[8 + int.from_bytes(good[:8], "little"):]
        page.locator("#surprise").click()
        page.set_input_files("#file", {"name": "a.safetensors", "mimeType": "", "buffer": content})
        says(page, "Opened")
        settled(page)
        assert "&b=" in page.url, settings


def files(folder):
    """{name: (bytes, what is said)} of files that are no face."""
    generator = load_generator("stylegan")
    save_latents(folder / "other.safetensors", generator, character(generator, seed=1))
    other = (folder / "other.safetensors").read_bytes()
    picture = io.BytesIO()
    Image.new("RGB", (8, 8)).save(picture, "PNG")
    return {
        "note.txt": (b"Dear reader", "no latent file"),
        "empty.png": (b"", "no latent file"),
        "cut.png": (picture.getvalue()[:30], "no face in this picture"),
        "plain.png": (picture.getvalue(), "no face in this picture"),
        "other.safetensors": (other, "is of another generator"),
        "cut.safetensors": (other[:-9], "no latent file"),
        "longer.safetensors": (b"\xff" * 8 + other[8:], "no latent file"),
        "huge.safetensors": (other + bytes(9_000_000), "too large"),
    }


def test_files_that_are_no_face(visit, tmp_path):
    page = visit()
    first = drawn(page)
    for name, (content, told) in files(tmp_path).items():
        page.set_input_files("#file", {"name": name, "mimeType": "", "buffer": content})
        says(page, told)
    assert drawn(page) == first


def test_names_with_html_in_them_are_shown(visit):
    page = visit()
    name = ENTRIES[3]["name"]
    assert "onerror" in name
    page.locator("#generator").select_option(name)
    page.locator("#panel", has_text=HTML).wait_for()
    page.locator("#panel select").first.select_option("a, b: c")
    there = drawn(page)
    assert drawn(visit("#" + page.url.partition("#")[2])) == there
    page.locator("#panel select").first.select_option(HTML)
    page.locator("#keep").click()
    saved(page, "sheet")
    assert page.locator("img[onerror], #panel b").count() == 0


