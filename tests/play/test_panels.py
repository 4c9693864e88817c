"""The panels without a browser: they draw what their settings say, and nothing ends in a traceback."""

import asyncio
import base64
import io
import re
import shutil
from datetime import datetime

import numpy as np
import pytest
import torch
from PIL import Image

from ganlib.images import resized
from ganlib.models.sampling import generate, latents, styles
from ganlib.play.characters import character
from ganlib.play.directions import directions, edit, face_colours
from ganlib.play.latent_files import load_latents
from ganlib.play.panels.design import DesignPanel
from ganlib.play.panels.directions import DirectionsPanel
from ganlib.play.panels.invert import InvertPanel
from ganlib.play.panels.menu import GeneratorMenu
from ganlib.play.panels.mix import MixPanel
from ganlib.play.panels.walk import WalkPanel
from ganlib.play.styles import mixing_sheet, slerp, swap
from ganlib.play.walks import way

PANELS = WalkPanel, MixPanel, DirectionsPanel, DesignPanel, InvertPanel


@pytest.fixture(autouse=True)
def data(runs, monkeypatch, tmp_path):
    monkeypatch.setenv("GANLIB_DATA", str(tmp_path))
    return tmp_path


@pytest.fixture
def outputs(monkeypatch):
    """A function that gives the bundles that a panel displays."""
    found = []
    monkeypatch.setattr("ganlib.view.stills.display", lambda bundle, raw: found.append(bundle))

    def displayed(panel):
        found.clear()
        panel._ipython_display_()
        return [*found]

    return displayed


def shown(image):
    with Image.open(io.BytesIO(image.value)) as file:
        return np.asarray(file.convert("RGB"))


def rebuilt(panel):
    """The styles of the code that a panel shows."""
    names = {"character": character, "load_latents": load_latents, "way": way, "generator": panel.generator}
    return eval(panel.text, names)  # noqa: S307, that it is code is what is tested


def run_code(panel, monkeypatch, name="faces"):
    """The picture that the code below a panel draws, as a program of its own."""
    drawn = []
    monkeypatch.setattr("ganlib.grid", lambda images, scale: drawn.append(images), raising=False)
    exec(panel.code, {"display": lambda shown: shown})  # noqa: S102, that it runs is what is tested
    return drawn[0]


def same_small(image, ws, G):
    return np.array_equal(shown(image), generate(G, ws)[0])


def same(image, ws, G, noise="fixed"):
    drawn = Image.fromarray(generate(G, ws, noise=noise)[0])
    return np.array_equal(shown(image), np.asarray(resized(drawn, (int(image.width), int(image.height)))))


def test_walk(generator, G, monkeypatch):
    panel = WalkPanel(generator)
    z = latents(1, 16, 3), latents(1, 16, 7), latents(1, 16, 12)
    assert same(panel.image, styles(G, z[0], 0.7), G)
    first = panel.image.value
    panel.position.value = 75  # halfway on the second of two legs
    assert same(panel.image, styles(G, slerp(z[1], z[2], 0.5), 0.7), G)
    assert panel.text == "way(generator, stops=[3, 7, 12], path='spherical', psi=0.7)[75:76]"
    assert np.array_equal(run_code(panel, monkeypatch)[0], panel.pixels())
    panel.path.value = "straight"
    assert same(panel.image, torch.lerp(*(styles(G, x, 0.7) for x in z[1:]), 0.5), G)
    panel.groups["fine"].value = 0.2
    assert same(panel.image, torch.lerp(*(styles(G, x, {"all": 0.7, "fine": 0.2}) for x in z[1:]), 0.5), G)
    assert "psi={'coarse': 0.7, 'middle': 0.7, 'fine': 0.2}" in panel.text
    panel.noise.value, panel.psi.value = "off", 1
    assert same(panel.image, torch.lerp(*(styles(G, x) for x in z[1:]), 0.5), G, "off")
    panel.reseed()
    assert "noise=2" in panel.code
    assert np.array_equal(run_code(panel, monkeypatch)[0], panel.pixels())
    assert same(panel.image, torch.lerp(*(styles(G, x) for x in z[1:]), 0.5), G, 2)
    panel.seeds.value = "3, 3"
    frames = panel._frames(panel._latents(slice(0, 3)))  # one noise for all: a face that stands is still
    assert (frames == frames[0]).all()
    panel.seeds.value, panel.path.value, panel.psi.value = "3, 7, 12", "spherical", 0.7
    panel.noise.value, panel.position.value = "fixed", 0
    assert panel.image.value == first  # the way back gives the same picture


@pytest.mark.parametrize("seeds, message", [("3, 1.5", "expected whole numbers"), ("3", "two or more"),
                                            ("", "whole numbers")])
def test_seeds_that_are_no_numbers(generator, outputs, seeds, message):
    panel = WalkPanel(generator)
    before = panel.image.value
    panel.seeds.value = seeds
    assert message in panel.message.value and panel.image.value == before
    assert message in outputs(panel)[1]["text/plain"]
    panel.seeds.value = "3, 7, 12"
    assert panel.message.value == ""


def export(panel, kind, size=256):
    panel.what.value, panel.size.value = kind, size
    panel.act(panel.save)


def test_exports(generator, data, monkeypatch):
    panel = WalkPanel(generator)
    export(panel, "GIF")
    panel.loop.value = False
    export(panel, "MP4")
    files = data / "faces" / "walk-001.gif", data / "faces" / "walk-002.mp4"
    with Image.open(files[0]) as file:
        assert file.n_frames == 51 and file.size == (256, 256)
        first = np.asarray(file.convert("RGB")).astype(int)
        file.seek(50)
        last = np.asarray(file.convert("RGB")).astype(int)
        file.seek(25)
        middle = np.asarray(file.convert("RGB")).astype(int)
    assert np.abs(last - first).mean() < np.abs(middle - first).mean() / 3  # it ends where it began
    assert files[1].read_bytes()[4:8] == b"ftyp" and "walk-002.mp4" in panel.message.value
    with monkeypatch.context() as patch:
        patch.setattr("ganlib.view.movies.importlib.util.find_spec", lambda name: None)
        export(panel, "MP4")
    assert (data / "faces" / "walk-003.gif").is_file() and not [*data.glob("faces/walk-003.mp4")]
    assert "imageio-ffmpeg" in panel.problem and "GIF instead" in panel.problem
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", "/nowhere/ffmpeg")
    export(panel, "MP4")
    assert (data / "faces" / "walk-004.gif").is_file() and "does not run here" in panel.problem


def test_mix(generator, G):
    panel = MixPanel(generator)
    panel.a.click(5)
    panel.b.click(7)
    assert panel.a.chosen == [0, 3, 5] and panel.b.chosen == [8, 9, 10, 15]
    a, b = styles(G, latents(1, 16, 5), 0.7), styles(G, latents(1, 16, 15), 0.7)
    assert panel.layers.value == (4, 8) and same(panel.result, swap(G, a, b, (4, 8)), G)
    panel.layers.value = (0, 3)
    assert same(panel.result, swap(G, a, b, (0, 3)), G)
    table = np.asarray(mixing_sheet(generator, [0, 3, 5], [8, 9, 10, 15], (0, 3), 0.7, scale=3))
    assert np.array_equal(shown(panel.table), table)
    panel.a.click(0)
    for place in 0, 1, 4:
        panel.b.click(place)
    assert panel.a.chosen == [3, 5] and panel.b.chosen == [10, 15, 12]
    for i in (2, 7, 4, 4):
        panel.b.click(i)
    assert panel.b.chosen == [12]  # one is always left
    panel.a.turn()  # those that are chosen stay where they are, with their frames
    assert panel.a.shown == [16, 17, 18, 3, 19, 5, 20, 21]
    assert same_small(panel.a.cells[2].children[0], styles(G, latents(1, 16, 18), 0.7), G)
    assert same_small(panel.a.cells[3].children[0], styles(G, latents(1, 16, 3), 0.7), G)
    framed = [cell.layout.border_top.startswith("3px solid #") for cell in panel.a.cells]
    assert framed == [False, False, False, True, False, True, False, False]
    panel.b.turn()
    assert not set(panel.a.shown) & set(panel.b.shown)  # no seed stands in both
    panel.layers.value = (3, 3)
    assert "every row is its A" in panel.about.value
    panel.layers.value = (0, 8)
    assert "every column is its B" in panel.about.value
    panel.layers.value = (2, 8)
    assert "every" not in panel.about.value


def test_directions_panel(generator, G, data):
    panel = DirectionsPanel(generator)
    first = panel.image.value
    assert panel.hold.value and next(iter(panel.sliders)) == "hair length"  # named ones come first
    panel.hold.value = False
    panel.sliders["hair length"].value = 2
    panel.sliders["hair: dark – light"].value = -1
    assert same(
        panel.image, character(generator, 3, changes={"hair length": 2.0, "hair: dark – light": -1.0}), G
    )
    assert same(panel.before, character(generator, 3), G)
    assert torch.equal(rebuilt(panel), panel.shown)  # the settings are code
    panel.hold.value = True
    assert torch.equal(rebuilt(panel), panel.shown) and panel.text.endswith("hold=True)")
    panel.hold.value = False
    panel.reset()
    assert panel.image.value == first and panel.text == "character(generator, seed=3)"
    panel.history.undo()
    assert panel.sliders["hair length"].value == 2 and panel.image.value != first
    panel.history.redo()
    assert panel.image.value == first
    panel.seed.value = "1.5"
    assert "expected whole numbers" in panel.message.value
    panel.save()  # what is on show, not what was refused
    ws, settings = load_latents(data / "faces" / "directions-001.png", generator)
    assert torch.equal(character(generator, **settings), ws)
    panel.another()
    assert panel.message.value == "" and panel.image.value != first


def test_design(generator, data):
    panel = DesignPanel(generator)
    first = panel.image.value
    offered = shown(panel.around[4].children[0])
    panel.take(4)
    assert panel.image.value != first
    assert np.array_equal(shown(panel.image), large(offered))  # the neighbour becomes the face
    panel.controls["hair"].value = "blue"
    panel.controls["hair_amount"].value = 0.5
    panel.controls["hair_amount"].value = 0.7  # the moves of one slider are one step
    assert torch.equal(rebuilt(panel), panel.shown) and "hair_amount=0.7" in panel.text
    assert torch.equal(
        panel.shown, character(generator, 3, steps=[(1, 4, 0.4)], hair="blue", hair_amount=0.7, hold=True)
    )
    panel.controls["hair_amount"].value = 0
    assert torch.equal(rebuilt(panel), panel.shown)
    panel.controls["hair_amount"].value = 0.7
    blue = panel.image.value
    panel.controls["hair"].value, panel.controls["hair"].value = "pink", "green"  # a choice is a step each
    undo = panel.history.undo
    undo()
    assert panel.controls["hair"].value == "pink"
    undo()
    assert panel.image.value == blue
    panel.keep()
    panel.surprise()
    assert panel.image.value != blue and panel.controls["hair"].value == "as it is"
    panel.around[0].children[1].click()
    panel.strip.box.children[1].children[1].click()
    assert panel.image.value == blue and panel.controls["hair"].value == "blue"
    for _ in range(6):
        undo()
    assert panel.image.value == first and panel.history.undo_button.disabled
    undo()  # nothing before it
    before = panel.around[0].children[0].value
    panel.others()
    assert panel.around[0].children[0].value != before and panel.image.value == first


def test_how_much_of_nothing_is_no_step(generator):
    panel = DesignPanel(generator)
    assert panel.controls["hair_amount"].disabled
    panel.controls["hair"].value = "red"
    assert not panel.controls["hair_amount"].disabled
    panel.controls["hair"].value = "as it is"
    assert panel.controls["hair_amount"].disabled and panel.controls["eyes_amount"].disabled


def test_history_as_small_pictures(generator):
    panel = DesignPanel(generator)
    assert panel.history.strip.children == ()
    pictures = [panel.image.value]
    for hair in ("red", "blue", "green"):
        panel.controls["hair"].value = hair
        pictures.append(panel.image.value)
    cells = panel.history.strip.children
    assert len(cells) == 4 and len({cell.children[0].value for cell in cells}) == 4
    assert [cell.layout.border_top.startswith("3px solid #") for cell in cells] == [False] * 3 + [True]
    cells[1].children[1].click()
    assert panel.image.value == pictures[1] and panel.controls["hair"].value == "red"
    panel.history.redo()
    assert panel.image.value == pictures[2]
    panel.history.undo()
    panel.controls["hair"].value = "pink"  # a new way: what came after is gone
    assert len(panel.history.strip.children) == 3 and panel.history.redo_button.disabled
    for number in range(30):
        panel.take(number % 6)
    assert len(panel.history.strip.children) == 10  # the last ones


def test_evolution_by_taste_goes_on(generator, G):
    panel = DesignPanel(generator)
    far = [(panel.shown - G.w_avg).norm().item()]
    for _ in range(24):
        offered = [shown(cell.children[0]).astype(int) for cell in panel.around]
        panel.take(2)
        # computed by itself, which rounds otherwise
        assert np.abs(shown(panel.image).astype(int) - large(offered[2])).max() <= 2
        assert all(np.abs(shown(panel.around[2].children[0]) - image).mean() > 1 for image in offered)
        far.append((panel.shown - G.w_avg).norm().item())
    assert max(far) < 2.5 * np.median(far)  # a face as bold as the others, not one that fell apart
    assert torch.equal(rebuilt(panel), panel.shown)
    sheet = panel.figure()  # with room for all of its settings
    assert sheet.height > 520


def test_the_face_that_was_clicked_is_taken(generator):
    panel = DesignPanel(generator)
    offered = shown(panel.around[4].children[0])
    panel.soon = lambda work, *args, **more: None  # pictures follow later
    panel.amount.value = 0.9
    panel.take(4)
    panel.draw()
    assert np.array_equal(shown(panel.image), large(offered))


def test_character_sheet_and_latent_file(generator, G, data):
    panel = DesignPanel(generator)
    panel.take(2)
    panel.save()
    with Image.open(data / "faces" / "character-001.png") as sheet:
        pixels = np.asarray(sheet)
    assert np.array_equal(pixels[16:400, 16:400], large(generate(G, panel.shown)[0], 384))
    hair = face_colours(generate(G, panel.shown))[0][:3].round()
    assert tuple(pixels[300, 440]) == tuple(hair)
    ws, settings = load_latents(data / "faces" / "character-001.png", generator)
    assert torch.equal(ws, panel.shown) and torch.equal(character(generator, **settings), ws)


@pytest.mark.parametrize("panel", PANELS)
def test_every_panel_saves_in_every_size_and_kind(generator, data, panel):
    made = panel(generator)
    for size in (64, 256, 512):
        export(made, "picture", size)
        path = max((data / "faces").glob("*.png"))
        with Image.open(path) as file:
            assert file.size == (size, size)
            assert np.array_equal(np.asarray(file), large(made.pixels(), size))
        assert torch.equal(load_latents(path, generator)[0], made.face().latents)
    export(made, "latent file")
    path, = (data / "faces").glob("*.safetensors")
    assert torch.equal(load_latents(path, generator)[0], made.face().latents)
    export(made, "sheet")
    assert "Saved" in made.problem and len([*(data / "faces").glob("*.png")]) == 4


def large(pixels, size=256):
    """A picture as panels and files enlarge it."""
    return np.asarray(resized(Image.fromarray(np.uint8(pixels)), (size, size)))


def upload(panel, content):
    about = {"name": "x.png", "type": "image/png", "size": len(content), "last_modified": datetime.now()}
    panel.upload.value = [about | {"content": memoryview(content)}]


def test_invert(generator, G, data):
    panel = InvertPanel(generator, steps=3)
    file = io.BytesIO()
    Image.fromarray(generate(G, styles(G, latents(1, 16, 9), 0.7))[0]).resize((90, 90)).save(file, "png")
    upload(panel, file.getvalue())
    assert "move the sliders" in panel.message.value and panel.bar.value == 3
    found = panel.found.latents
    assert not torch.equal(found, G.w_avg.expand_as(found)) and same(panel.image, found, G)
    panel.hold.value = False
    panel.sliders["hair length"].value = 1
    assert same(panel.image, edit(G, found, directions(generator)[0]["hair length"], 1.0), G)
    panel.save()
    ws, settings = load_latents(data / "faces" / "found-001.png", generator)
    assert torch.equal(ws, panel.shown) and settings == {}
    assert "load_latents('" in panel.message.value.replace("&#x27;", "'")
    panel.found = None
    upload(panel, file.getvalue())  # the same file again
    assert panel.found is not None and "move the sliders" in panel.message.value


@pytest.mark.parametrize(
    "content, message",
    [
        (b"no picture", "not a picture"),
        (b"", "not a picture"),
        (bytes(10_200_000), "10.2 MB; expected 10"),
        ("huge", "million pixels"),
        ("tiny", "too small: 3x3"),
    ],
)
def test_uploads_that_are_no_pictures(generator, content, message):
    panel = InvertPanel(generator, steps=3)
    if content == "huge":
        file = io.BytesIO()
        Image.new("1", (9_000, 9_000)).save(file, "png")
        content = file.getvalue()
    if content == "tiny":
        file = io.BytesIO()
        Image.new("RGB", (3, 3)).save(file, "png")
        content = file.getvalue()
    before = panel.image.value
    upload(panel, content)
    assert message in panel.message.value and panel.image.value == before


@pytest.mark.parametrize("panel", PANELS)
def test_every_panel_without_styles_or_generator(panel, runs, outputs, tmp_path):
    plain = panel(runs / "plain")
    if panel is WalkPanel:
        plain.position.value = 50
        z = slerp(latents(1, 100, 7), latents(1, 100, 12), 0.0)
        assert np.array_equal(shown(plain.image), large(generate(plain.G, z)[0]))
        export(plain, "GIF")
        assert "Saved" in plain.problem
    else:
        assert "no styles" in plain.message.value and outputs(plain)[1]["text/plain"] == plain.problem
    (tmp_path / "empty").mkdir()
    for source, words in (
        ("nothing", "There is no run"),
        (tmp_path / "empty", "has no generator.safetensors"),
    ):
        missing = panel(source)
        assert words in missing.message.value and "stylegan-fast" in missing.message.value
        assert "dcgan" in missing.message.value and len(missing.box.children) == 1


@pytest.mark.parametrize("panel", PANELS)
def test_a_still_picture_where_widgets_cannot_run(generator, outputs, panel):
    made = panel(generator)
    alive, still = outputs(made)
    number = made.box.model_id
    assert alive["application/vnd.jupyter.widget-view+json"]["model_id"] == number
    assert "image/png" not in alive
    assert still["text/plain"] == made.text
    page = still["text/html"]
    data = re.search(r'src="data:image/png;base64,([^"]+)"', page)[1]
    with Image.open(io.BytesIO(base64.b64decode(data))) as image:
        assert image.width >= 100 and len(image.convert("RGB").getcolors(10**6)) > 20
    assert "Run all cells to play with it." in page and "<script" not in page
    assert f"ganlib-live-{number}" in made.box._dom_classes  # which hides the still picture
    assert f"body:has(.ganlib-live-{number}) .ganlib-still-{number} {{display: none}}" in page
    assert f'<div class="ganlib-still-{number}">' in page


def test_models(runs, data, outputs, monkeypatch):
    (data / "runs").symlink_to(runs)
    monkeypatch.setenv("GANLIB_KEEP", str(data / "drive"))
    shutil.copytree(runs / "plain", data / "drive" / "runs" / "kept")
    choice = GeneratorMenu("nothing")
    assert ("runs/kept", "runs/kept") in choice.menu.options  # a DCGAN
    assert ("runs/faces (styles)", "runs/faces") in choice.menu.options
    assert ("stylegan-labels (styles, labels)", "stylegan-labels") in choice.menu.options
    panels = [WalkPanel(choice), DesignPanel(choice)]
    assert "There is no run" in panels[0].problem
    choice.menu.value = "runs/faces"
    assert all(panel.ready and panel.problem == "" for panel in panels)
    choice.folder.value = str(runs / "plain")
    assert panels[0].ready and "no styles" in panels[1].problem
    choice.folder.value = "nothing"
    assert "There is no run" in panels[0].problem and choice.menu.value is None
    choice.menu.value = "runs/faces"  # which it was before
    assert panels[1].ready and choice.folder.value == ""
    choice.folder.value = f" {runs / 'plain'} "
    assert panels[0].ready
    assert {"runs/faces", "runs/plain", "dcgan"} <= {name for _, name in choice.menu.options}
    alive, still = outputs(choice)
    assert alive["application/vnd.jupyter.widget-view+json"]["model_id"] == choice.box.model_id
    assert "Run all cells to choose another." in still["text/html"]


def test_an_unforeseen_error_is_a_sentence(generator, monkeypatch):
    panel = WalkPanel(generator)
    monkeypatch.setattr("ganlib.play.panels.walk.generate", lambda *_, **__: 1 / 0)
    panel.position.value = 3
    assert "ZeroDivisionError" in panel.problem


def test_while_a_slider_is_dragged_only_the_last_position_is_drawn(generator):
    panel, drawn = WalkPanel(generator), []
    draw = panel.draw
    panel.draw = lambda: (drawn.append(panel.position.value), draw())
    panel.position.unobserve_all()
    panel.watch(panel.position)

    async def drag(pause):
        for position in range(1, 41):
            panel.position.value = position
            await asyncio.sleep(pause)
        await asyncio.sleep(0.1)

    asyncio.run(drag(0))  # as they queue up in a busy kernel
    assert drawn == [40] and "[40:41]" in panel.text
    asyncio.run(drag(0.005))
    assert drawn[-1] == 40 and len(drawn) > 2  # a slow hand sees pictures on the way
