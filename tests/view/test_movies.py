"""The progress of a run, and walks, as GIF, WebP and MP4."""
import base64
import importlib
from types import SimpleNamespace

import imageio.v2 as imageio
import numpy as np
import pytest
from PIL import Image
from run_folders import OTHER_EVENTS, SHADES, noise, records, write_log, write_samples

from ganlib.data.synthetic import face
from ganlib.errors import GanlibError
from ganlib.images import grid
from ganlib.view.movies import animation, gif, movie
from ganlib.view.pictures import FONT, STRIP, titled


def frames(path):
    """[(RGB array, milliseconds), ...]"""
    with Image.open(path) as file:
        found = []
        for i in range(file.n_frames):
            file.seek(i)
            found.append((np.asarray(file.convert("RGB")).astype(int), file.info["duration"]))
        return found


def text_error(frame, text):
    """How much the strip on top of a frame differs from the one with this text, in grey levels."""
    strip = titled(Image.new("RGB", (1, 1)), text, frame.shape[1], 1)
    return np.abs(frame[:STRIP] - np.asarray(strip).astype(int)[:STRIP]).mean()


def most(frame):
    """The colour that a frame has most of, but for white."""
    colours, counts = np.unique(frame[(frame < 250).any(2)], axis=0, return_counts=True)
    return colours[counts.argmax()]


def test_gif_frames_order_labels_and_durations(tmp_path):
    run = write_samples(write_log(tmp_path / "run", [*records(12), *OTHER_EVENTS]), 12)
    assert gif(run, tmp_path / "x.gif", seconds=9.0) == tmp_path / "x.gif"
    found = frames(tmp_path / "x.gif")
    assert len(found) == 13
    assert found[0][0].shape[1] > 400  # small pictures are enlarged
    texts = ["real images"] + [f"{1000 * k:,} images seen" for k in range(12)]
    for i, (frame, _) in enumerate(found):
        shade = (20, 20, 20) if i == 0 else SHADES[(i - 1) % 4]
        assert np.abs(most(frame) - shade).max() <= 8, i
        assert (frame[STRIP + 1, 1] == 255).all()  # the paper around the pictures is white
        errors = [text_error(frame, text) for text in texts]
        assert int(np.argmin(errors)) == i and errors[i] < 2
    durations = [ms for _, ms in found]
    assert durations == [1500] + [500] * 11 + [2000]  # 1.5 + 11 x 0.5 + 2 = 9 s


def test_gif_says_how_far_a_growing_run_is(tmp_path):
    growing = dict(resolution=32, grow="8:0 16:0.6 32:9", fade_kimg=1)
    run = write_samples(write_log(tmp_path, records(2), row="stylegan", **growing), 3, noisy=True)
    texts = ("0 images seen, 8x8, fade 0.0", "1,000 images seen, 16x16, fade 0.4",
             "2,000 images seen, 16x16, fade 1.0")
    found = [frame for frame, _ in frames(gif(run, tmp_path / "x.gif", include_real=False))]
    for frame, text in zip(found, texts):
        assert text_error(frame, text) < 3, text
    gif(run, tmp_path / "x.gif", max_bytes=14_000)  # one picture only, and still all of the text
    frame = frames(tmp_path / "x.gif")[1][0]
    assert FONT.getlength(texts[1]) < frame.shape[1] < found[0].shape[1]
    assert text_error(frame, texts[0]) < 6


@pytest.mark.parametrize("suffix", ["gif", "webp"])
def test_pictures_that_move_say_how_long_and_repeat(tmp_path, suffix):
    run = write_samples(tmp_path / "run", 4)
    found = frames(gif(run, tmp_path / f"x.{suffix}", seconds=5.0))
    assert [ms for _, ms in found] == [1500] + [500] * 3 + [2000]
    for (frame, _), shade in zip(found[1:], SHADES):
        assert np.abs(most(frame) - shade).max() <= 8
    with Image.open(tmp_path / f"x.{suffix}") as file:
        assert file.format.lower() == suffix and file.info["loop"] == 0


@pytest.mark.parametrize("suffix", ["gif", "webp"])
def test_real_images_keep_their_colours_whatever_the_run_looks_like(tmp_path, suffix):
    """The opening has a palette of its own: the colours of other pictures take nothing from it."""
    run = write_samples(tmp_path / "run", 12, size=32, noisy=True)
    real = np.stack([face(i, size=32)[0] for i in range(64)])
    grid(real).save(run / "samples" / "real.png")
    frame = frames(gif(run, tmp_path / f"x.{suffix}", max_bytes=30_000_000))[0][0]
    wanted = np.asarray(grid(real, scale=2)).astype(int)
    left = (frame.shape[1] - wanted.shape[1]) // 2
    shown = frame[STRIP:STRIP + len(wanted), left:left + wanted.shape[1]]
    assert np.abs(shown - wanted).mean() < 5  # levels of 256; one palette for all frames gives 8


@pytest.mark.parametrize("suffix", ["gif", "webp", "mp4"])
def test_what_is_enlarged_is_enlarged_smoothly(tmp_path, suffix):
    if suffix == "mp4":
        pytest.importorskip("imageio_ffmpeg")
    x = np.linspace(0, 255, 32).round().astype(np.uint8)
    slope = x[None, None, :, None].repeat(2, 0).repeat(32, 1).repeat(3, 3)
    movie(tmp_path / f"x.{suffix}", slope)
    if suffix == "mp4":
        frame = imageio.mimread(tmp_path / "x.mp4")[0].astype(int)
    else:
        frame = frames(tmp_path / f"x.{suffix}")[0][0]
    assert frame.shape[1] == 256
    assert np.abs(np.diff(frame[100, :240, 0])).max() <= 6  # stairs would be 8 levels high


def test_a_walk_that_stands_does_not_flicker(tmp_path):
    """All frames of a walk share a palette."""
    still = np.stack([face(1, size=64)[0]] * 30)
    moved = still.copy()
    moved[:, :32] = noise(30, 64)[:, :32]
    movie(tmp_path / "x.gif", moved)
    below = np.stack([frame[140:] for frame, _ in frames(tmp_path / "x.gif")])
    assert (below == below[0]).all()


def test_webp_is_smaller_than_gif(tmp_path):
    pictures = np.stack([face(i, size=64)[0] for i in range(8)])
    for suffix in ("gif", "webp"):
        movie(tmp_path / f"x.{suffix}", pictures)
    assert (tmp_path / "x.webp").stat().st_size < (tmp_path / "x.gif").stat().st_size / 3
    assert len(frames(tmp_path / "x.webp")) == 8


@pytest.mark.parametrize("suffix, tag", [("gif", '<img alt="x.gif" src="data:image/gif'),
                                         ("webp", '<img alt="x.webp" src="data:image/webp'),
                                         ("mp4", '<video controls loop src="data:video/mp4')])
def test_animation_carries_the_file_with_it(tmp_path, suffix, tag):
    path = tmp_path / f"x.{suffix}"
    path.write_bytes(b"pictures that move")
    shown = animation(path)._repr_html_()
    assert shown.startswith(tag) and base64.b64encode(path.read_bytes()).decode() in shown


def test_gif_without_the_real_images(tmp_path):
    run = write_samples(tmp_path / "run", 3)
    found = frames(gif(SimpleNamespace(path=run), tmp_path / "x.gif", include_real=False))
    assert len(found) == 3 and np.abs(most(found[0][0]) - SHADES[0]).max() <= 8


@pytest.fixture(scope="module")
def noisy(tmp_path_factory):
    """A run whose pictures are noise, which does not compress: the worst case."""
    return write_samples(tmp_path_factory.mktemp("noisy") / "run", 40, size=24, noisy=True)


@pytest.mark.parametrize("max_bytes", [3_000_000, 1_000_000, 60_000])
def test_gif_keeps_to_its_size(noisy, tmp_path, max_bytes):
    path = gif(noisy, tmp_path / "x.gif", max_bytes=max_bytes)
    found = frames(path)
    assert path.stat().st_size <= max_bytes and 25 <= len(found) <= 41
    assert text_error(found[0][0], "real images") < 4  # what is left out lies between
    assert text_error(found[-1][0], "39,000 images seen") < 4
    assert path.stat().st_size > 0.4 * max_bytes  # and no more than needed


def test_gif_of_large_pictures_fits_a_page(tmp_path):
    run = write_samples(tmp_path / "run", 2, size=256)
    assert frames(gif(run, tmp_path / "x.gif"))[0][0].shape[1] <= 700


def test_gif_errors_leave_what_was_there(tmp_path):
    out = tmp_path / "x.gif"
    out.write_bytes(b"GIF89a before")
    with pytest.raises(GanlibError, match="no samples"):
        gif(tmp_path / "none", out)
    run = write_samples(tmp_path / "run", 3, noisy=True)
    with pytest.raises(GanlibError, match="max_bytes=1,000"):
        gif(run, out, max_bytes=1_000)
    with pytest.raises(GanlibError, match="ends in .webp, .gif or .mp4"):
        gif(run, tmp_path / "x.webm")
    with pytest.raises(GanlibError, match="^None: expected a name that ends in .webp"):
        gif(run, None)
    with pytest.raises(GanlibError, match="None is no run"):
        gif(None, out)
    assert out.read_bytes() == b"GIF89a before"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run", "x.gif"]


def test_gif_leaves_damaged_pictures_out(tmp_path):
    run = write_samples(tmp_path / "run", 3)
    files = sorted((run / "samples").glob("0*.png"))
    files[1].write_bytes(files[1].read_bytes()[:-200])
    with pytest.warns(UserWarning, match=f"cannot be read: {files[1].name} in "):
        gif(run, tmp_path / "x.gif")
    assert len(frames(tmp_path / "x.gif")) == 3  # real images and two of three
    for file in files:
        file.write_bytes(b"")
    with pytest.warns(UserWarning), pytest.raises(GanlibError, match="None of the pictures in"):
        gif(run, tmp_path / "y.gif")
    assert not (tmp_path / "y.gif").exists()


def test_mp4(tmp_path, monkeypatch):
    pytest.importorskip("imageio_ffmpeg")
    run = write_samples(tmp_path / "run", 4)
    with imageio.get_reader(gif(run, tmp_path / "x.mp4", seconds=5.0)) as video:
        found = [np.asarray(frame).astype(int) for frame in video]
    assert len(found) == 100  # 1.5 + 3 x 0.5 + 2 = 5 s of 20 frames
    assert np.abs(most(found[10]) - 20).max() < 16 and np.abs(most(found[-1]) - SHADES[3]).max() < 16
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(GanlibError, match="pip install imageio-ffmpeg"):
        gif(run, tmp_path / "y.mp4")
