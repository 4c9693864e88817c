"""What can be scored: generators, arrays, their files, folders of pictures; and what is said of bad ones."""
import os
import struct
import tracemalloc
import zlib

import numpy as np
import pytest
from helpers import random_images, tiny
from PIL import Image

from ganlib.errors import GanlibError
from ganlib.evaluation.candidates import open_candidate
from ganlib.models.build import build_networks
from ganlib.models.sampling import sample
from ganlib.models.store import load_generator, save_generator

EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 32 32\n%%EndComments\n0 0 32 32 rectfill\n%%EOF\n"


def opened(source, n=20, draws=1, size=32):
    return open_candidate(source, n, draws, n * draws, size, "cpu", progress=False)


def drawn_by(source, n=20, seed=0):
    return np.concatenate([*source.draw(n, seed)])


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_of(width, height):
    """A PNG whose header says that it is so large; there are no such pixels in it."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


@pytest.fixture
def folder(tmp_path):
    """A folder of 20 pictures, and the pictures."""
    path = tmp_path / "folder"
    path.mkdir()
    for i, image in enumerate(random_images(20, 32)):
        Image.fromarray(image).save(path / f"{i:02d}.png")
    return path


# -- what is drawn


def test_a_generators_draws_are_those_of_sample(tmp_path):
    config = tiny()
    G = build_networks(config)[0].eval()
    save_generator(tmp_path / "generator.safetensors", G, config, images=640, train_seconds=90)
    expected = sample(G, 70, seed=1)
    for source in (G, tmp_path, str(tmp_path / "generator.safetensors"), load_generator(tmp_path)):
        found = opened(source, n=70, draws=3)
        assert found.draws == 3
        assert (drawn_by(found, 70, seed=1) == expected).all()
        assert found.info == ({} if source is G else {"images": 640, "minutes": 1.5})


def test_pictures_are_taken_one_after_another(tmp_path, folder):
    images = random_images(20, 32)
    np.save(tmp_path / "images.npy", images)
    for source in (images, tmp_path / "images.npy", folder):
        found = opened(source, n=8, draws=5)
        assert found.draws == 2 and found.info == {}
        assert (drawn_by(found, 8, seed=1) == images[8:16]).all()


def test_a_run_is_not_taken_for_a_folder_of_pictures(folder):
    (folder / "config.json").write_text("{}")  # a run that has no generator yet
    with pytest.raises(GanlibError, match="has not reached its first checkpoint"):
        opened(folder)


# -- one reader of pictures


def test_pictures_are_put_upright(folder):
    for file in sorted(folder.iterdir()):
        exif = Image.Exif()
        exif[0x112] = 6
        picture = Image.open(file).transpose(Image.Transpose.ROTATE_90)
        picture.save(file, exif=exif)
    assert (drawn_by(opened(folder)) == random_images(20, 32)).all()


def test_grey_pictures_and_pictures_with_transparency_are_rgb(folder):
    for file in sorted(folder.iterdir()):
        Image.open(file).convert("L").save(file)
    assert drawn_by(opened(folder)).shape == (20, 32, 32, 3)


@pytest.mark.parametrize("name, content, message", [
    ("large.png", png_of(20_000, 20_000), "large.png cannot be read as a picture .*pixels"),
    ("script.png", EPS, "script.png cannot be read as a picture"),
    ("text.jpg", b"not a picture", "text.jpg cannot be read as a picture"),
    ("nothing.jpg", b"", "nothing.jpg cannot be read as a picture"),
    ("cut.png", png_of(32, 32), "cut.png cannot be read as a picture"),
])
def test_a_file_that_is_no_picture_is_named(folder, tmp_path, monkeypatch, name, content, message):
    started = tmp_path / "started"
    (tmp_path / "bin").mkdir()
    ghostscript = tmp_path / "bin" / "gs"
    ghostscript.write_text(f"#!/bin/sh\ntouch {started}\n")
    ghostscript.chmod(0o755)
    monkeypatch.setenv("PATH", str(ghostscript.parent), prepend=os.pathsep)
    (folder / name).write_bytes(content)
    with pytest.raises(GanlibError, match=message):
        opened(folder)
    assert not started.exists()


def test_a_picture_of_another_size_is_named(folder):
    Image.new("RGB", (48, 40)).save(folder / "x.png")
    with pytest.raises(GanlibError, match="x.png has 48x40 pixels: expected 32x32, as the pack's images"):
        opened(folder)


def test_files_of_a_folder_that_are_no_pictures_are_told(folder, recwarn):
    opened(folder)
    assert not recwarn
    (folder / "notes.txt").write_text("no picture")
    (folder / "more.zip").write_bytes(b"PK")
    with pytest.warns(UserWarning, match=r"folder: Not taken: .*more.zip.*notes.txt") as found:
        assert (drawn_by(opened(folder)) == random_images(20, 32)).all()
    assert len(found) == 1 and "\n" not in str(found[0].message)


def test_a_folder_without_pictures_is_one_clear_error(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(GanlibError, match="empty holds no image files"):
        opened(tmp_path / "empty")


def test_a_folder_is_held_in_memory_once_and_no_more_of_it_than_is_drawn(tmp_path):
    picture = Image.new("RGB", (256, 256), "red")
    for i in range(24):
        picture.save(tmp_path / f"{i:02d}.bmp")
    size = 256 * 256 * 3
    for n, held in ((24, 24), (12, 12)):
        tracemalloc.start()
        opened(tmp_path, n, size=256)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert held * size <= peak < (held + 8) * size


# -- bad input


@pytest.mark.parametrize("images, message", [
    (random_images(20, 64), r"uint8 \(20, 64, 64, 3\): expected .* \(N, 32, 32, 3\)"),
    (random_images(20, 32) / 100, "holds float64 .*expected uint8 from 0 to 255"),
    (random_images(20, 32).transpose(0, 3, 1, 2), r"\(20, 3, 32, 32\)"),
    (random_images(1, 32)[0], r"holds uint8 \(32, 32, 3\)"),
    (np.uint8(3) * np.ones((), np.uint8), r"holds uint8 \(\)"),
    (random_images(19, 32), "19 images, fewer than n=20.*: make more, or take n=19 for all"),
    (random_images(5, 32), "5 images, fewer than n=20.*: make more.$"),
    (random_images(5, 32)[:0], "0 images, fewer than n=20"),
])
def test_wrong_arrays_are_one_clear_error(tmp_path, images, message):
    np.save(tmp_path / "images.npy", images)
    for source in (np.asarray(images), tmp_path / "images.npy"):
        with pytest.raises(GanlibError, match=message):
            opened(source)


def test_a_generator_of_another_size_is_one_clear_error():
    with pytest.raises(GanlibError, match="The source draws 32x32 pixels: expected 64x64"):
        opened(build_networks(tiny())[0], size=64)


def test_wrong_files_are_one_clear_error(tmp_path):
    np.save(tmp_path / "objects.npy", np.array([{}]), allow_pickle=True)
    (tmp_path / "text.npy").write_text("text")
    with open(tmp_path / "several.npy", "wb") as file:
        np.savez(file, a=random_images(2), b=random_images(2))
    for name, message in {
        "objects.npy": "objects.npy cannot be read as images",
        "text.npy": "text.npy cannot be read as images",
        "missing.npy": "missing.npy cannot be read as images",
        "several.npy": "several.npy holds several arrays",
        "missing.npx": "There is no run",
    }.items():
        with pytest.raises(GanlibError, match=message):
            opened(tmp_path / name)


@pytest.mark.parametrize("thing", [None, 3, [1, 2], {"a": 1}])
def test_what_is_no_source_is_one_clear_error(thing):
    with pytest.raises(GanlibError, match="This is no generator: found"):
        opened(thing)
