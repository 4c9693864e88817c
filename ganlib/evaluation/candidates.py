"""What is scored: a generator, or pictures that are there already."""
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from ..data.ready import read_npy, read_pictures
from ..errors import GanlibError
from ..models.sampling import drawn_parts
from ..models.store import LoadedGenerator, load_generator, network
from ..runs.folder import RunFolder
from .distances import LEAST


@dataclass(frozen=True)
class Candidate:
    """Where draws of pictures come from.

    draw: function of (n, seed) that gives n pictures, as uint8 arrays or tensors (b, H, W, 3); draws: for how
    many seeds it can; info: numbers for the table.
    """

    draw: Callable
    draws: int
    info: dict


def open_candidate(source, n, draws, most, size, device, progress=True):
    """The Candidate of what `evaluate` takes, for up to so many draws of n pictures of `size` pixels.

    most: how many pictures of a folder are kept. Raises GanlibError where there are no n pictures of that
    size, or where they cannot be read.
    """
    path = Path(source) if isinstance(source, str | Path) else None
    name = str(path or "The source")
    if path and path.suffix == ".npy":
        source = read_npy(path)
    elif path and path.is_dir() and not _is_run(path):
        source = read_pictures(path, size, most, progress)
    if isinstance(source, np.ndarray):
        _check_images(source, n, size, name)
        return Candidate(partial(_cut, source), min(draws, len(source) // n), {})
    generator = load_generator(path, device) if path else source
    resolution = network(generator).to(device).resolution
    if resolution != size:
        raise GanlibError(f"{name} draws {resolution}x{resolution} pixels: expected {size}x{size}, as the "
                          "pack's images have.")
    return Candidate(partial(drawn_parts, generator), draws, _info(generator))


def _is_run(folder):
    run = RunFolder(folder)
    return run.config_path.exists() or run.generator_path.exists()


def _info(generator):
    if not isinstance(generator, LoadedGenerator):
        return {}
    info = generator.info
    return {"images": float(info["images"]), "minutes": float(info["train_seconds"]) / 60}


def _cut(images, n, seed):
    """Draw number `seed` of pictures that are there already: they are taken one after another."""
    yield images[seed * n:(seed + 1) * n]


def _check_images(images, n, size, name):
    if images.dtype != np.uint8 or images.shape[1:] != (size, size, 3):
        raise GanlibError(f"{name} holds {images.dtype} {images.shape}: expected uint8 from 0 to 255, of the "
                          f"shape (N, {size}, {size}, 3) of the pack's images.")
    if len(images) < n:
        advice = f", or take n={len(images)} for all" if len(images) >= LEAST else ""
        raise GanlibError(f"{name} holds {len(images):,} images, fewer than n={n:,}, on which the distance "
                          f"depends: make more{advice}.")
