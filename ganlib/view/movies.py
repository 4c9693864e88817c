"""What runs and data look like: grids, curves and what they say, the progress GIF, the live panel, dropped files.

Pictures are PIL images and plots are Figures: both show inline as the last line of a cell and go to a file
with `.save(...)` or `.savefig(...)`. Nothing here opens a window or knows pyplot.
"""
import base64
import importlib.util
import math
from dataclasses import asdict
from pathlib import Path

import imageio.v3 as imageio
import numpy as np
from IPython.display import HTML
from PIL import Image

from ..config import Config
from ..errors import GanlibError
from ..files import write_atomic
from ..images import encoded
from ..training.logs import folder_of
from ..training.schedule import phase
from .pictures import FONT, titled

STEPS = [(8, 8, 256), (8, 8, 128), (8, 6, 128), (6, 6, 128), (6, 4, 128), (4, 4, 128), (4, 3, 128), (4, 2, 128),
         (3, 2, 128), (2, 2, 64), (1, 1, 64)]  # columns, rows and colours, from large to small


def gif(run, out, seconds=8.0, max_bytes=3_000_000, include_real=True):
    """Write the progress of a run, from its samples/, as a GIF or MP4 (`out` decides). Returns the path.

    The first frame is real images (unless include_real is False); every frame says what it shows; the last
    is held longer. seconds: about how long it plays. To stay within max_bytes it takes fewer colours, then
    a part of the grid, and leaves out frames as long as 24 remain.
    """
    run, out = folder_of(run), Path(out)
    encode = encoder(out)
    files, real = sample_files(run), run / "samples" / "real.png"
    if not files:
        raise GanlibError(f"{run} has no samples/*.png: expected a run's folder, as `train` writes it (the generators "
                          "that come with ganlib have no such pictures).")
    config = Config.load(run / "config.json") if (run / "config.json").is_file() else Config()
    pages = [(real, "real images")] * (include_real and real.is_file())
    opening = len(pages)  # 1 or 0
    for path in files:
        now = asdict(phase(config, int(path.stem))) if config.grow else {}
        pages.append((path, seen_text({"images": int(path.stem)} | now)))
    few, (width, _) = min(len(files), 24), Image.open(files[0]).size
    for columns, rows, colors in [s for s in STEPS if s[0] * width // 8 <= 660] or STEPS[-1:]:
        wide = max(FONT.getlength(text) for _, text in pages) + 12
        frames = [_frame(path, text, columns, rows, wide) for path, text in pages]

        def movie_of(n):
            chosen = [frames[round(i)] for i in np.linspace(len(frames) - 1, opening, n)][::-1]
            each = min(1, max(0.06, (seconds - 2 - 1.5 * opening) / max(1, n - 1)))
            return encode(frames[:opening] + chosen, [1.5] * opening + [each] * (n - 1) + [2.0], colors)

        data = movie_of(few)
        if len(data) > max_bytes:
            continue
        n = min(len(files), int(few * max_bytes / len(data)))
        while n > few and len(more := movie_of(n)) > max_bytes:
            n -= max(1, n // 30)
        write_atomic(out, more if n > few else data)
        return out
    raise GanlibError(f"{out} cannot be made as small as max_bytes={max_bytes:,}: allow more.")


def animation(path):
    """A GIF or MP4 file for display in a notebook; unlike IPython's Image it is kept when exported to HTML."""
    data, mp4 = base64.b64encode(Path(path).read_bytes()).decode(), Path(path).suffix.lower() == ".mp4"
    return HTML(f'<video controls loop src="data:video/mp4;base64,{data}"></video>' if mp4 else
                f'<img alt="{Path(path).name}" src="data:image/gif;base64,{data}">')


def seen_text(record):
    """How many images were seen at a record of the log, and of a growing run its phase, in words."""
    text = f"{record['images']:,} images seen"
    if "fade" in record:
        text += f", {record['resolution']}x{record['resolution']}, fade {record['fade']:.1f}"
    return text


def sample_files(run):
    """The sample grids of a run in the order of images seen."""
    return sorted((p for p in (run / "samples").glob("*.png") if p.stem.isdigit()), key=lambda p: int(p.stem))


def _frame(path, text, columns, rows, wide):
    """The upper left part of a sample grid (of tiny pictures enlarged) under a strip with the text."""
    with Image.open(path) as file:
        pitch, scale = (file.width - 2) // 8, max(1, 560 // file.width)
        picture = file.convert("RGB").crop((0, 0, columns * pitch + 2, min(file.height, rows * pitch + 2)))
    w, h = picture.width * scale, picture.height * scale
    page = 2 * math.ceil(max(w, wide) / 2), h + h % 2  # even, for H.264
    return titled(picture.resize((w, h), Image.NEAREST), text, *page)


def encoder(path):
    """The function (frames, durations in s, colors) -> bytes of a GIF or MP4, as the end of a path says."""
    kinds = {".gif": _encode_gif, ".mp4": _encode_mp4}
    if (suffix := Path(path).suffix.lower()) not in kinds:
        raise GanlibError(f"{path}: expected a name that ends in .gif or .mp4.")
    return kinds[suffix]


def _encode_gif(frames, durations, colors):
    # One palette for all frames, and no dither: it would flicker and take more room
    palette = Image.fromarray(np.concatenate(frames)).quantize(colors, Image.Quantize.FASTOCTREE)
    palette.putpalette([255 if value >= 248 else value for value in palette.getpalette()])  # paper is white
    frames = [f.quantize(palette=palette, dither=Image.Dither.NONE) for f in frames]
    return encoded(frames[0].save, "gif", save_all=True, append_images=frames[1:], loop=0, optimize=False,
                  duration=[10 * round(100 * d) for d in durations])  # ms, and a GIF counts in 10 ms


def _encode_mp4(frames, durations, colors):
    if importlib.util.find_spec("imageio_ffmpeg") is None:
        raise GanlibError("An .mp4 needs a package (pip install imageio-ffmpeg); a .gif none.")
    frames = [np.asarray(f) for f, d in zip(frames, durations) for _ in range(max(1, round(20 * d)))]
    try:
        return imageio.imwrite("<bytes>", frames, extension=".mp4", plugin="FFMPEG", fps=20, quality=colors ** 0.5 / 2,
                               macro_block_size=2)
    except (OSError, RuntimeError) as error:
        raise GanlibError(f"The encoder of imageio-ffmpeg does not run here ({error}). A .gif needs none.") from error


def movie(path, images, fps=20):
    """Write images (n, H, W, 3) as a GIF or MP4 (`path` decides), small ones enlarged to about 256 pixels."""
    encode, scale = encoder(path), max(1, 256 // images.shape[1])
    frames = [Image.fromarray(image.repeat(scale, 0).repeat(scale, 1)) for image in images]
    write_atomic(path, encode(frames, [1 / fps] * len(frames), 256))
