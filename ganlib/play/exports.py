"""Samples, mixing sheets and walks as files.

A file is replaced only where it is of the kind that its name says (`files.check_replaceable`). A folder is
added to only where it holds nothing but samples of the same generator and psi.
"""
import io
from pathlib import Path

import numpy as np
from PIL import Image, PngImagePlugin

from ..errors import GanlibError, memory_advice
from ..files import check_replaceable, need_space, write_atomic
from ..images import encoded
from ..machine.bars import Bar
from ..models.asking import numbers_of
from ..models.sampling import generate, sample_parts, thread_chooser
from ..models.store import need_loaded
from .latent_files import identity
from .styles import mixing_sheet, walk_through

ORIGIN = "ganlib"  # the text chunk of a PNG that says which generator drew it


def export_samples(generator, out, n=64, seed=0, psi=1.0, labels=None):
    """Write the images of `sample` to a path: OUT.npy (uint8 (n, H, W, 3)), or a folder for PNGs.

    They are drawn and written in parts, so that any number of them fits the memory. A folder may hold samples
    of the same generator, psi and labels. Raises GanlibError, before any work, where it holds anything else.
    """
    out = Path(out)
    need_loaded(generator)
    if n < 1:
        raise GanlibError(f"n={n}: expected at least one sample.")
    as_array = out.suffix == ".npy"
    may_be_folder = out.is_dir() or not out.suffix and not out.is_file()
    if not as_array and not may_be_folder:
        raise GanlibError(f"OUT={out}: expected a name ending in .npy, or a folder for PNGs.")
    numbers_of(generator, labels or {})  # raises for labels that it has not learned
    export = _export_array if as_array else _export_pictures
    with memory_advice("Close other programs, or take a smaller generator."):
        export(generator, out, n, seed, psi, labels)


def _export_array(generator, out, n, seed, psi, labels):
    check_replaceable(out)
    side = generator.G.resolution
    shape = (n, side, side, 3)
    if out.parent.is_dir():
        need_space(out.parent, np.prod(shape, dtype=float), "lower --n, or choose another disk.")

    def pieces():
        header = io.BytesIO()
        np.lib.format.write_array_header_1_0(header, {"descr": "|u1", "fortran_order": False, "shape": shape})
        yield header.getvalue()
        for images in _parts(generator, n, seed, psi, labels):
            yield images.tobytes()

    write_atomic(out, pieces())


def _export_pictures(generator, folder, n, seed, psi, labels):
    """seed<seed>-<number>.png, each with a text that says which generator drew it, with which psi and labels.
    """
    asked = "".join(f", {name} {value}" for name, value in (labels or {}).items())
    origin = f"{identity(generator)}, psi {psi:g}{asked}"
    _check_folder(folder, origin)
    about = PngImagePlugin.PngInfo()
    about.add_text(ORIGIN, origin)
    number = 0
    for images in _parts(generator, n, seed, psi, labels):
        for image in images:
            data = encoded(Image.fromarray(image).save, pnginfo=about)
            write_atomic(folder / f"seed{seed}-{number:05d}.png", data, durable=False)
            number += 1


def export_mixing_sheet(generator, out, row_seeds, col_seeds, layers="coarse", psi=1.0, labels=None):
    """Write the table of `mixing_sheet` to OUT.png; raises GanlibError where the path holds anything else."""
    if Path(out).suffix.lower() != ".png":
        raise GanlibError(f"OUT={out}: expected a name that ends in .png.")
    check_replaceable(out)
    with memory_advice("Take fewer rows or columns."):
        sheet = mixing_sheet(generator, row_seeds, col_seeds, layers, psi, labels=labels)
        write_atomic(out, encoded(sheet.save))


def export_walk(generator, out, seeds, frames=60, loop=False, psi=1.0, labels=None):
    """Write a walk through the faces of seeds and labels (as for `points`) as a movie.

    The end of OUT says which kind. It goes straight through w where there is one. Raises GanlibError where
    the path holds anything else.
    """
    # Not at the top: movies know runs, and sampling needs no training code
    from ..view.movies import encoder, movie

    encoder(out)  # raises where there is none for this kind
    check_replaceable(out)
    with memory_advice("Lower --frames."):
        way = walk_through(generator, seeds, frames, psi, labels, loop)
        movie(out, generate(generator, way))


def _parts(generator, n, seed, psi, labels):
    """The parts of `sample_parts`, with a bar where they take more than a few seconds."""
    with thread_chooser(generator, n) as chooser, Bar(total=n, desc="drawing", unit="img", delay=3) as bar:
        for images in sample_parts(generator, n, seed, psi, chooser, labels):
            yield images
            bar.update(len(images))


def _check_folder(folder, origin):
    """Raise GanlibError if a folder has anything but pictures of this origin; hidden files do not count."""
    if not folder.exists():
        return
    for path in sorted(folder.iterdir()):
        if path.name.startswith("."):
            continue
        found = _origin_of(path)
        if found == origin:
            continue
        what = f"is of another generator, psi or label ({found})" if found else "is no sample of ganlib's"
        raise GanlibError(f"{folder} is not empty: {path.name} in it {what}. Two sets in one folder would be "
                          "taken for one: choose a new folder.")


def _origin_of(path):
    """What the text of a PNG says about its origin, or None."""
    try:
        with Image.open(path, formats=["png"]) as picture:
            return picture.info.get(ORIGIN)
    except (OSError, SyntaxError, ValueError):
        return None
