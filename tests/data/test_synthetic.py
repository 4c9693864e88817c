"""The synthetic faces: the same at every size and in every order, labelled truly, and seen as faces."""
import numpy as np
import PIL
import pytest
from PIL import Image, ImageOps

from ganlib.data.synthetic import EYES, HAIR, _Canvas, _Dice, _traits, face
from ganlib.errors import GanlibError

N = 400


@pytest.fixture(scope="module")
def drawn():
    """The first N faces at 64x64: uint8 (N, 64, 64, 3), and their labels."""
    images, labels = zip(*(face(i) for i in range(N)))
    return np.stack(images), labels


def nearest(rgb, classes, lightness=1.0):
    """The class with the nearest colour; `lightness` weighs its light against its tint."""
    def axes(c):
        r, g, b = np.moveaxis(np.asarray(c, float), -1, 0)
        return np.stack([lightness * (r + g + b) / 3, r - g, (r + g) / 2 - b], -1)

    return min(classes, key=lambda name: np.sum((axes(classes[name]) - axes(rgb)) ** 2))


def test_the_same_bytes_whatever_was_drawn_before(drawn):
    images, labels = drawn
    for i in (399, 7, 0, 123):
        image, label = face(i)
        assert (image == images[i]).all() and label == labels[i]
    assert (face(np.int64(7), seed=np.int32(0), size=np.uint8(64))[0] == images[7]).all()


def test_another_seed_or_index_is_another_face(drawn):
    images, _ = drawn
    for i in range(20):
        other = face(i, seed=1)[0]
        assert np.abs(other.astype(int) - images[i]).mean() > 15
    flat = images[:, ::2, ::2].reshape(N, -1).astype(np.float32)
    mirrored = images[:, ::2, ::-2].reshape(N, -1).astype(np.float32)
    for candidates in (flat, mirrored):
        squared = (flat**2).sum(1)[:, None] + (candidates**2).sum(1) - 2 * flat @ candidates.T
        distance = np.sqrt(np.maximum(squared, 0) / flat.shape[1])  # RMS, in grey levels
        distance[np.arange(N), np.arange(N)] = np.inf
        assert distance.min() > 20


@pytest.mark.parametrize("size", [32, 128, 256])
def test_the_same_face_at_every_size(drawn, size):
    images, labels = drawn
    own, other = [], []
    for i in range(0, 40, 4 if size < 256 else 10):
        image, label = face(i, size=size)
        assert label == labels[i] and image.shape == (size, size, 3)
        small = (min(size, 64),) * 2
        a, b = (np.asarray(Image.fromarray(x).resize(small, Image.BOX), float) for x in (image, images[i]))
        own.append(np.abs(a - b).mean())
        other.append(np.abs(a - np.roll(b, 2, axis=1)).mean())  # what two pixels to the side would cost
    assert max(own) < 6.5
    assert np.mean(own) < 0.35 * np.mean(other)


@pytest.mark.parametrize("size", [32, 50, 64, 97])
def test_shape_dtype_and_range(size):
    image, label = face(5, seed=3, size=size)
    assert image.shape == (size, size, 3) and image.dtype == np.uint8 and image.flags.writeable
    assert image.min() < 80 and image.max() > 240
    assert set(label) == {"hair", "eyes"}


def test_every_class_appears_about_as_often_as_another(drawn):
    _, labels = drawn
    common = {"aqua", "black", "blue", "brown", "green", "orange", "pink", "purple", "red"}
    assert set(HAIR) == common | {"blonde", "gray", "white"} and set(EYES) == common | {"yellow"}
    for key, classes in (("hair", HAIR), ("eyes", EYES)):
        counts = [sum(label[key] == name for label in labels) for name in classes]
        assert sum(counts) == N
        assert min(counts) > 0.4 * N / len(classes) and max(counts) < 2 * N / len(classes)


def test_the_label_is_the_colour_of_the_hair(drawn):
    images, labels = drawn
    seen = [nearest(np.median(x[3:14, 22:42].reshape(-1, 3), 0), HAIR, 0.5) for x in images]
    assert np.mean([a == b["hair"] for a, b in zip(seen, labels)]) > 0.85


def test_the_label_is_the_colour_of_the_eyes(drawn):
    images, labels = drawn
    right = []
    for i, (image, label) in enumerate(zip(images, labels)):
        t = _traits(_Dice(f"0/{i}"))
        if t.closed != "neither":
            continue
        canvas = _Canvas(64, t)
        spots = np.array([[side * t.eye_x + t.eye_w * x, 0.012 + 0.25 * t.eye_h]  # beside the pupil
                          for side in (-1, 1) for x in (-0.5, -0.3, 0.3, 0.5)])
        x, y = (canvas.at(spots) / canvas.times).astype(int).T
        right.append(nearest(image[y, x].mean(0), EYES) == label["eyes"])
    assert len(right) > 0.85 * N  # eyes are open in most
    assert np.mean(right) > 0.7


@pytest.mark.parametrize("bad, words", [
    ({"size": 31}, "size=31"), ({"size": 257}, "32 to 256"), ({"size": 64.0}, "size=64.0"),
    ({"size": "64"}, "size='64'"), ({"size": None}, "size=None"), ({"index": -1}, "index=-1"),
    ({"index": 1.5}, "integer"), ({"seed": -2}, "seed=-2"), ({"seed": "a"}, "seed='a'")])
def test_what_cannot_be_drawn_is_one_clear_error(bad, words):
    with pytest.raises(GanlibError, match=words) as caught:
        face(**({"index": 0} | bad))
    assert "\n" not in str(caught.value)


def test_the_detector_finds_a_face_in_most(drawn):
    animeface = pytest.importorskip("animeface", reason="the extra `faces` is not installed")
    if int(PIL.__version__.split(".")[0]) >= 12:
        pytest.skip(f"animeface finds nothing with Pillow {PIL.__version__}: it needs Pillow < 12")
    pictures = [Image.fromarray(image).resize((96, 96), Image.LANCZOS) for image in drawn[0][:100]]
    found = [len(animeface.detect(ImageOps.expand(picture, 24, "white"))) > 0 for picture in pictures]
    assert np.mean(found) >= 0.9
