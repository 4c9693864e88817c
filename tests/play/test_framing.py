"""Framing: the face in a picture of any shape, upright; and the panel that finds it without blocking."""
import asyncio
import io

import numpy as np
import pytest
import torch
from PIL import Image

from ganlib.data.detector import detector_trouble
from ganlib.data.synthetic import face
from ganlib.play.framing import Frame, frame_of, framed, middle_of
from ganlib.play.panels import InvertPanel, WalkPanel

needs_detector = pytest.mark.skipif(bool(detector_trouble()), reason="animeface does not work here")


@pytest.fixture(autouse=True)
def data(monkeypatch, tmp_path):
    monkeypatch.setenv("GANLIB_DATA", str(tmp_path))


def scene(angle=0, size=200, place=(260, 90), shape=(600, 420)):
    """A wide picture with one drawn face in it, turned clockwise."""
    canvas = Image.new("RGB", shape, (190, 210, 190))
    drawn = Image.fromarray(face(7)[0]).resize((size, size), Image.Resampling.BICUBIC)
    canvas.paste(drawn.rotate(-angle, Image.Resampling.BICUBIC, fillcolor=(190, 210, 190)), place)
    return np.asarray(canvas)


@needs_detector
@pytest.mark.parametrize("angle", [0, 25, -25, 45])
def test_a_face_is_found_and_put_upright(angle):
    found, words = frame_of(scene(angle))
    assert words == "This is the face that was found."
    assert abs(found.x - 360) < 30 and abs(found.y - 190) < 30 and 140 < found.side < 290
    assert abs(found.angle - angle) < 13


def test_a_picture_without_a_face_is_cut_in_the_middle(monkeypatch):
    blank = np.full((90, 160, 3), 200, np.uint8)
    found, words = frame_of(blank)
    assert found == Frame(80, 45, 90) == middle_of(blank) and "the middle of the picture" in words
    monkeypatch.setattr("ganlib.data.detector.sys.executable", "/bin/false")
    assert frame_of(blank)[1].startswith("There is no face detector")


def test_what_a_frame_shows():
    picture = np.zeros((60, 100, 3), np.uint8)
    picture[20:40, 40:60] = 255  # a white square
    assert (framed(picture, Frame(50, 30, 20), 10) > 220).all()
    shown = framed(picture, Frame(50, 30, 40), 40)
    assert (shown[12:28, 12:28] > 240).all() and shown[:8].max() == 0
    beyond = framed(picture, Frame(0, 0, 300, 30), 64)  # far larger than the picture
    assert beyond.shape == (64, 64, 3)
    half = picture.copy()
    half[:, :50] = 0
    half[:, 50:] = 255  # bright on the right
    turned = framed(half, Frame(50, 30, 30, 90), 30)  # what is right in a face that lies on its right side
    assert turned[:12].mean() > 240 and turned[18:].mean() < 15


# -- in the panel


def upload(panel, pixels):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "png")
    panel.want(panel._decoded(file.getvalue()))


@needs_detector
def test_pictures_of_any_shape_are_framed(generator):
    panel = InvertPanel(generator, steps=2)
    assert panel.framing.layout.display == "none"
    upload(panel, scene(25))
    assert panel.framing.layout.display == "" and "that was found" in panel.where.value
    wanted = panel.wanted()
    assert wanted.shape == (64, 64, 3)
    before = panel.target.value
    panel.turn.value = 30
    assert panel.target.value != before
    panel.turn.value = 0
    panel.across.value = 20
    assert not np.array_equal(panel.wanted(), wanted)
    upload(panel, scene(0))
    assert panel.across.value == 0 and panel.zoom.value == 1


def test_other_panels_draw_while_a_face_is_found(generator):
    async def play():
        found, walk = InvertPanel(generator, steps=40), WalkPanel(generator)
        await asyncio.sleep(0.1)
        found.find_example()
        assert found.search is not None and "other panels work" in found.problem
        while not found.bar.value:
            await asyncio.sleep(0.01)
        before = walk.image.value
        walk.position.value = 40
        await asyncio.sleep(0.2)
        assert walk.image.value != before and found.search is not None
        found.stop_button.click()
        stopped = found.bar.value
        assert 0 < stopped < 40 and "as near as it came" in found.problem
        latents = found.face().latents
        await asyncio.sleep(0.2)
        assert found.bar.value == stopped and torch.equal(found.face().latents, latents)
        found.find_again()
        found.open(generator)  # another generator: the search is of the one before
        await asyncio.sleep(0.2)
        assert found.search is None and found.bar.value == 0
        found.find_example()
        while found.search:
            await asyncio.sleep(0.05)
        assert found.bar.value == 40 and "Now move the sliders" in found.problem

    asyncio.run(play())


def test_large_pictures_are_made_smaller_and_old_corrections_go(generator):
    panel = InvertPanel(generator, steps=2)
    large = np.asarray(Image.fromarray(scene()).resize((3000, 2100)))
    panel.want(large)
    assert panel.source_picture.shape[0] < 1000 and panel.frame.side <= 4 * 32 + 1
    wanted = panel.wanted()
    panel.zoom.value, panel.across.value = 2, 40
    panel.want(large)
    assert panel.zoom.value == 1 and np.array_equal(panel.wanted(), wanted)
    panel.zoom.value = 2
    panel.find_example()
    assert panel.zoom.value == 1 and panel.framing.layout.display == "none"
