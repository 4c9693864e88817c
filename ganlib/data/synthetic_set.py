"""A folder of drawn faces with their labels, and with files that cleaning must find."""
import csv
import os
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageOps

from ..machine.bars import Bar
from .synthetic import face


@dataclass(frozen=True)
class _Drawn:
    """A file to be made: face number `index`, changed. labelled: whether labels.csv names it."""

    name: str
    index: int
    change: Callable = lambda picture: picture
    labelled: bool = False


def draw_set(n, size, progress, folder):
    """Draw `n` faces into the empty `folder`, and files named for faults that cleaning is to find.

    labels.csv has the colours of hair and eyes, of the faces and of those spoiled files that still show them.
    """
    (folder / "faces").mkdir()
    (folder / "spoiled").mkdir()
    files = [_Drawn(f"faces/{i:06d}.png", i, labelled=True) for i in range(n)]
    files += _copies(n)
    files += _odd_pictures(n, size)
    rows = []
    for file in Bar(files, "drawing faces", mininterval=0.5, disable=not progress):
        pixels, labels = face(file.index, size=size)
        file.change(Image.fromarray(pixels)).save(folder / file.name, quality=90)
        if file.labelled:
            rows.append([file.name, labels["hair"], labels["eyes"]])
    _write_broken_files(folder / "spoiled")
    with open(folder / "labels.csv", "w", newline="") as table:
        csv.writer(table).writerows([["file", "hair", "eyes"], *sorted(rows)])


def _copies(n):
    """Three mirrored, three reencoded and three resized copies of faces that are spread over the set."""
    files = []
    for k in range(3):
        originals = 3 * k * n // 9, (3 * k + 1) * n // 9, (3 * k + 2) * n // 9
        files.append(_Drawn(f"spoiled/mirrored-{k}.png", originals[0], ImageOps.mirror, labelled=True))
        files.append(_Drawn(f"spoiled/reencoded-{k}.jpg", originals[1], labelled=True))
        files.append(_Drawn(f"spoiled/resized-{k}.png", originals[2], _enlarge, labelled=True))
    return files


def _odd_pictures(n, size):
    """Faces that are not in the set, each odd in one way; those that are grey or RGBA are good."""

    def with_corner_cut(picture):
        return Image.merge("RGBA", (*picture.split(), _opaque_but_for_a_corner(size)))

    def cropped_to_a_corner(picture):
        return picture.crop((0, 0, size // 4, size // 4)).resize(picture.size)

    def shifted(picture):
        far = size * 5 // 8
        by = (1, 0, -far, 0, 1, -far)
        return picture.transform(picture.size, Image.Transform.AFFINE, by, fillcolor=picture.getpixel((0, 0)))

    return [
        _Drawn("spoiled/grey.png", n, ImageOps.grayscale),
        _Drawn("spoiled/rgba.png", n + 1, with_corner_cut, labelled=True),
        _Drawn("spoiled/crop-corner.png", n + 2, cropped_to_a_corner),
        _Drawn("spoiled/crop-shifted.png", n + 3, shifted),
        _Drawn("spoiled/truncated.png", n + 4),
        _Drawn("spoiled/tiny.png", n + 5, lambda picture: picture.resize((8, 8))),
        _Drawn("spoiled/wide.png", n + 5, lambda picture: picture.resize((size * 8, size))),
        _Drawn("spoiled/pattern.png", n + 5, lambda picture: _waves(size)),
        _Drawn("spoiled/uniform.png", n + 5, lambda picture: _nearly_one_grey(size)),
    ]


def _enlarge(picture):
    return ImageOps.scale(picture, 1.5, Image.Resampling.LANCZOS)


def _coordinates(size):
    """(y, x) of every pixel, from 0 to 8."""
    y, x = np.mgrid[:size, :size] * (8 / size)
    return y, x


def _opaque_but_for_a_corner(size):
    y, x = _coordinates(size)
    return Image.fromarray((255 * (np.maximum(x, y) >= 1)).astype(np.uint8))


def _waves(size):
    """A picture that is no face."""
    y, x = _coordinates(size)
    waves = np.stack([np.sin(6 * x), np.sin(5 * y + x), np.cos(4 * x - 3 * y)], axis=2)
    return Image.fromarray((128 + 100 * waves).astype(np.uint8))


def _nearly_one_grey(size):
    return Image.fromarray(np.random.default_rng(0).integers(199, 202, (size, size, 3)).astype(np.uint8))


def _write_broken_files(folder):
    half = os.path.getsize(folder / "truncated.png") // 2
    os.truncate(folder / "truncated.png", half)
    (folder / "empty.png").touch()
    (folder / "text.jpg").write_text("This is not a picture.\n")
