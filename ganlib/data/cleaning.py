"""Cleaning: decode every file to one size, and drop duplicates and bad crops, each with a reason."""
import os
import tempfile
import warnings
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from tqdm.contrib.concurrent import thread_map

from ..errors import GanlibError
from ..files import need_space
from .decoding import decode
from .detector import find_bad_crops
from .duplicates import find_duplicates
from .folders import image_files
from .labels import read_labels
from .origins import origin

REASONS = {  # in the order in which a file is tested
    "empty": "no bytes",
    "unreadable": "not an image that can be decoded",
    "too-small": "a side shorter than half the pack's size",
    "aspect": "more than twice as wide as high, or the reverse",
    "uniform": "nearly one colour",
    "duplicate": "the same picture as a file that is kept",
    "mirrored": "the mirror image of a file that is kept",
    "bad-crop": "no face in the middle, or an outlier",
}


@dataclass
class Row:
    """One source file: index into Report.images (-1: not decoded), reason ("" where it is kept)."""
    file: str
    index: int = -1
    reason: str = ""
    detail: str = ""
    match: str = ""  # of a duplicate: the file that is kept
    size: tuple = (0, 0)  # width and height of the source
    labels: dict = field(default_factory=dict)


@dataclass
class Report:
    """What `clean` found: one Row per file in sorted order, and every decodable picture, uint8 (M, S, S, 3),
    memory-mapped in a temporary file that lives as long as the report."""
    rows: list
    images: np.ndarray
    attributes: dict
    settings: dict
    scratch: object = None

    def summary(self):
        """{"kept": number, reason: number, ...}, reasons that occur only."""
        count = Counter(row.reason or "kept" for row in self.rows)
        return {k: count[k] for k in ("kept", *REASONS) if count[k]}

    def __str__(self):
        s = self.settings
        lines = [f"{n:>8,}  {name:<11} {REASONS.get(name, '')}".rstrip() for name, n in self.summary().items()]
        return "\n".join([f"{len(self.rows):,} files, {s['fit']} to {s['size']} pixels", *lines,
                          f"Bad crops: {s['faces']}.", f"Labels: {s['labels'] or 'none'}."])


def clean(folder, size=64, fit="crop", labels=None, faces="auto", progress=True):
    """Decode every image file under `folder` to size x size and say of each whether it is kept, or why not.

    fit: "crop" (to the centre square) or "pad" (with white), then one Lanczos resize. labels: a CSV with columns
    file, hair, eyes, ...; folder/labels.csv is taken where it exists. faces: how bad crops are found: "detector"
    (the package animeface), "outlier", "off", or "auto", the detector where it works. No source file is changed.
    Returns a Report, from which `pack` makes a pack. Raises GanlibError.
    """
    folder = Path(folder)
    ways = {"fit": (fit, ("crop", "pad")), "faces": (faces, ("auto", "detector", "outlier", "off"))}
    for name, (value, expected) in ways.items():
        if value not in expected:
            raise GanlibError(f"{name}={value!r}: expected one of {', '.join(expected)}.")
    if size < 8:
        raise GanlibError(f"size={size}: expected pixels, such as 64.")
    files = image_files(folder)
    made_from = origin(folder)  # before the work: what changes meanwhile is another origin
    attributes, known, lost = read_labels(folder, files, labels)
    rows = [Row(file, labels={k: known.get(file, {}).get(k) for k in attributes}) for file in files]
    scratch = tempfile.TemporaryDirectory(prefix="ganlib-", ignore_cleanup_errors=True)
    shape = len(files), size, size, 3
    need_space(scratch.name, np.prod(shape), "set TMPDIR to a folder on a larger disk.")
    images = np.lib.format.open_memmap(f"{scratch.name}/images.npy", "w+", np.uint8, shape)

    def work(i):
        image, rows[i].reason, rows[i].detail, rows[i].size = decode(folder / files[i], size, fit)
        if image is not None:
            images[i], rows[i].index = image, i

    with warnings.catch_warnings(action="ignore"):  # Pillow's, of files that are not quite well
        thread_map(work, range(len(files)), max_workers=os.cpu_count(), desc="decoding", unit="img",
                   disable=not progress, mininterval=1)
    find_duplicates([row for row in rows if not row.reason], images, progress)
    method = find_bad_crops([row for row in rows if not row.reason], images, faces, progress)
    settings = {"size": size, "fit": fit, "faces": method, "folder": folder.name, "labels": ", ".join(attributes)}
    settings |= made_from  # a pack keeps it
    if lost:
        settings["labels"] += f"; {lost:,} rows name no file"
    return Report(rows, images, attributes, settings, scratch)
