"""The progress of a run, and walks between faces, as animated WebP, GIF or MP4.

WebP is the kind to choose: it has all colours, and takes a third of the room. A GIF has 256 colours at a
time. An MP4 cannot stand where a picture can.
"""
import base64
import importlib.util
import math
import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import imageio.v3 as imageio
import numpy as np
from IPython.display import HTML
from PIL import Image

from ..errors import GanlibError
from ..files import check_replaceable, write_atomic
from ..images import cut, encoded, enlarged, grid
from ..runs.folder import folder_of, read_config, real_file, sample_files
from ..training.schedule import moment
from .pictures import FONT, titled

FEWEST_FRAMES = 24  # frames that stay, however small the file must be
OPENING = 1.5  # seconds for which the real images stand at the start
ENDING = 2.0  # seconds for which the last frame stands
WIDEST = 660  # pixels
STRETCH = 12  # frames of a run that share a palette in a GIF,
PALETTE_OF = 20_000  # ... which is made from about so many of their pixels


@dataclass(frozen=True)
class Quality:
    """What part of the sample grids a movie shows, and in how many colours."""

    columns: int
    rows: int
    colors: int


# From the best to the smallest: what is given up, step by step, until a movie fits max_bytes
QUALITIES = (
    Quality(8, 8, 256),
    Quality(8, 8, 128),
    Quality(8, 6, 128),
    Quality(6, 6, 128),
    Quality(6, 4, 128),
    Quality(4, 4, 128),
    Quality(4, 3, 128),
    Quality(4, 2, 128),
    Quality(3, 2, 128),
    Quality(2, 2, 64),
    Quality(1, 1, 64),
    Quality(1, 1, 16),
)


def gif(run, out, seconds=8.0, max_bytes=3_000_000, include_real=True):
    """Write the progress of a run, from its samples/, as a WebP, GIF or MP4 (the end of `out` decides).

    Returns the path. The first frame is real images (unless include_real is False), every frame says what it
    shows, and the last is held longer. seconds: about how long it plays. To stay within max_bytes it takes
    fewer colours, then a part of the grid, and leaves out frames as long as 24 remain. Damaged pictures are
    left out, with a warning. Raises GanlibError.
    """
    encoder(out)
    folder, out = known_folder(run), Path(out)
    damaged = damaged_samples(folder)
    if damaged:
        warnings.warn(left_out(damaged), stacklevel=2)
    check_replaceable(out)
    write_atomic(out, progress(folder, out, seconds, max_bytes, include_real, damaged))
    return out


def progress(folder, out, seconds=8.0, max_bytes=3_000_000, include_real=True, damaged=()):
    """The bytes of the movie that `gif` writes: as there, of a run's folder, without the `damaged` files."""
    _need_samples(folder, damaged)
    encode = encoder(out)
    opening, pages = _pages(folder, include_real, damaged)
    for quality in _qualities(pages[0].path):
        run_movie = _RunMovie(
            opening=_frames(opening, quality, pages),
            frames=_frames(pages, quality, pages),
            seconds=seconds,
            encode=partial(encode, colors=quality.colors),
        )
        data = run_movie.within(max_bytes)
        if data is not None:
            return data
    raise GanlibError(f"{out} cannot be made as small as max_bytes={max_bytes:,}: allow more.")


def known_folder(run):
    """The folder of a run: given itself, or as what `train` returned. Raises GanlibError for others."""
    try:
        return folder_of(run)
    except TypeError:
        raise GanlibError(f"{run!r} is no run: expected its folder, or what train returned.") from None


def damaged_samples(folder):
    """The sample grids of a run that cannot be read, as after a full disk or a broken download."""
    real = real_file(folder)
    return [path for path in [*sample_files(folder), *([real] if real else [])] if not _is_readable(path)]


def left_out(damaged):
    """The sentence that tells of damaged sample grids."""
    names = ", ".join(path.name for path in damaged[:3]) + (", ..." if len(damaged) > 3 else "")
    return f"Left out of the pictures of the progress, as it cannot be read: {names} in {damaged[0].parent}."


def _is_readable(path):
    try:
        with Image.open(path) as file:
            file.load()
    except (OSError, SyntaxError, ValueError):  # SyntaxError is how Pillow says that a PNG is broken
        return False
    return True


def _need_samples(folder, damaged):
    """Raise GanlibError where no sample grid of a run is left to show."""
    files = sample_files(folder)
    if not files:
        raise GanlibError(f"{folder} has no samples/*.png: expected a run's folder, as `train` writes it "
                          "(the generators that come with ganlib have no such pictures).")
    if not set(files) - set(damaged):
        raise GanlibError(f"None of the pictures in {folder / 'samples'} can be read: they are damaged.")


def movie(path, images, fps=20, size=256):
    """Write images (n, H, W, 3) uint8 as a WebP, GIF or MP4 (the end of `path` decides).

    Small ones are enlarged to about `size` pixels, as by `enlarged`. It begins anew when it has ended.
    """
    encode = encoder(path)
    check_replaceable(path)
    scale = max(1, size // images.shape[1])
    frames = [Image.fromarray(image) for image in enlarged(images, scale)]
    write_atomic(path, encode([frames], [1 / fps] * len(frames), 256))


def animation(path):
    """A WebP, GIF or MP4 file for a notebook; unlike IPython's Image it is kept when exported to HTML."""
    path = Path(path)
    data = base64.b64encode(path.read_bytes()).decode()
    kind = path.suffix.lower().removeprefix(".")
    if kind == "mp4":
        return HTML(f'<video controls loop src="data:video/mp4;base64,{data}"></video>')
    return HTML(f'<img alt="{path.name}" src="data:image/{kind};base64,{data}">')


def seen_text(record):
    """How many images were seen at a record of the log, and of a growing run its phase, in words."""
    text = f"{record['images']:,} images seen"
    if "fade" in record:
        text += f", {record['resolution']}x{record['resolution']}, fade {record['fade']:.1f}"
    return text


@dataclass(frozen=True)
class _Page:
    """A sample grid, and what is written above it."""

    path: Path
    text: str


def _pages(folder, include_real, damaged):
    """(pages of the opening: real images or none, pages of the run) from a run's folder."""
    config = read_config(folder)
    files = [path for path in sample_files(folder) if path not in damaged]
    pages = [_Page(path, _text_at(config, int(path.stem))) for path in files]
    real = real_file(folder) if include_real else None
    opening = [_Page(real, "real images")] if real and real not in damaged else []
    return opening, pages


def _text_at(config, images):
    if not config.grow:
        return seen_text({"images": images})
    now = moment(config, images)
    return seen_text({"images": images, "resolution": now.resolution, "fade": now.fade})


def _qualities(path):
    """The qualities that are not too wide for a page, for grids like the one at a path."""
    with Image.open(path) as file:
        width = file.width
    return [quality for quality in QUALITIES if quality.columns * width // 8 <= WIDEST] or QUALITIES[-1:]


def _frames(pages, quality, run_pages):
    """The pictures of pages, all of one width, in which the text of every page of the run has room."""
    room = max(FONT.getlength(page.text) for page in run_pages) + 12
    return [_frame(page, quality, room) for page in pages]


def _frame(page, quality, room):
    """The upper left part of a sample grid (of tiny pictures enlarged) under a strip with the text."""
    with Image.open(page.path) as file:
        scale = max(1, 560 // file.width)
        pictures = cut(file)[:quality.rows, :quality.columns]
    part = grid(pictures.reshape(-1, *pictures.shape[2:]), quality.columns, scale=scale)
    width = 2 * math.ceil(max(part.width, room) / 2)  # even, for H.264
    return titled(part, page.text, width, part.height + part.height % 2)


@dataclass(frozen=True)
class _RunMovie:
    """The frames of a run at one quality. encode: (clips, durations in s) -> bytes."""

    opening: list
    frames: list
    seconds: float
    encode: Callable

    def within(self, max_bytes):
        """The bytes of a movie of as many frames as max_bytes allow, or None where too few would be left."""
        fewest = min(len(self.frames), FEWEST_FRAMES)
        smallest = self.of(fewest)
        if len(smallest) > max_bytes:
            return None
        count = min(len(self.frames), int(fewest * max_bytes / len(smallest)))
        while count > fewest:
            larger = self.of(count)
            if len(larger) <= max_bytes:
                return larger
            count -= max(1, count // 30)
        return smallest

    def of(self, count):
        """The bytes of the movie with so many frames, picked evenly, the last one among them."""
        every = self.opening + self.frames
        picked = np.linspace(len(every) - 1, len(self.opening), count)[::-1]
        chosen = [every[round(i)] for i in picked]
        left = self.seconds - ENDING - OPENING * len(self.opening)
        each = min(1, max(0.06, left / max(1, count - 1)))
        durations = [OPENING] * len(self.opening) + [each] * (count - 1) + [ENDING]
        stretches = [chosen[start:start + STRETCH] for start in range(0, count, STRETCH)]
        return self.encode([self.opening, *stretches], durations)


def encoder(path):
    """The function (clips, durations in s, colors) -> bytes of a file, as the end of a path says.

    A clip is a list of frames, PIL images, whose colours are alike; durations has one number for each frame.
    """
    suffix = Path(path).suffix.lower() if isinstance(path, str | os.PathLike) else None
    if suffix not in ENCODERS:
        raise GanlibError(f"{path}: expected a name that ends in .webp, .gif or .mp4.")
    return ENCODERS[suffix]


def _encode_gif(clips, durations, colors):
    # A palette for each clip: one for all would leave few colours to each. No dither: it would flicker
    frames = []
    for clip in clips:
        if clip:
            palette = _palette(clip, colors if len(clip) > 1 else 256)  # of one frame, few would spare little
            frames += [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in clip]
    milliseconds = [10 * round(100 * seconds) for seconds in durations]  # a GIF counts in 10 ms
    return encoded(frames[0].save, "gif", save_all=True, append_images=frames[1:], loop=0, optimize=False,
                   duration=milliseconds)


def _palette(clip, colors):
    """A picture with the palette that suits a clip best, found by k-means on some of its pixels."""
    pixels = np.concatenate([np.asarray(frame).reshape(-1, 3) for frame in clip])
    some = pixels[::max(1, len(pixels) // PALETTE_OF)]
    picture = Image.fromarray(some[None]).quantize(colors, Image.Quantize.MEDIANCUT, kmeans=2)
    values = picture.getpalette() or []
    picture.putpalette([255 if value >= 248 else value for value in values])  # paper is white
    return picture


def _encode_webp(clips, durations, colors):
    # method 4 of 6: slower ones save a few per cent
    frames = [frame for clip in clips for frame in clip]
    milliseconds = [round(1000 * seconds) for seconds in durations]
    return encoded(frames[0].save, "webp", save_all=True, append_images=frames[1:], loop=0, method=4,
                   quality=round(5 * colors ** 0.5), duration=milliseconds)


def _encode_mp4(clips, durations, colors):
    if importlib.util.find_spec("imageio_ffmpeg") is None:
        raise GanlibError("An .mp4 needs a package (pip install imageio-ffmpeg); a .webp or .gif none.")
    fps = 20
    frames = [frame for clip in clips for frame in clip]
    repeated = []
    for frame, seconds in zip(frames, durations, strict=True):
        repeated += [np.asarray(frame)] * max(1, round(fps * seconds))
    try:
        return imageio.imwrite("<bytes>", repeated, extension=".mp4", plugin="FFMPEG", fps=fps,
                               quality=colors ** 0.5 / 2, macro_block_size=2)
    except (OSError, RuntimeError) as error:
        raise GanlibError(f"The encoder of imageio-ffmpeg does not run here ({error}). "
                          "A .webp or .gif needs none.") from error


ENCODERS = {".webp": _encode_webp, ".gif": _encode_gif, ".mp4": _encode_mp4}
