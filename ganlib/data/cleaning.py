"""clean(): every picture file of a folder at one size, and of each whether it is kept, or why not."""
import os
import tempfile
import warnings
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
from tqdm.contrib.concurrent import thread_map

from ..errors import GanlibError
from ..files import need_space
from ..machine.bars import Bar
from .archives import passed_over_in
from .decoding import decode, readable
from .detector import find_bad_crops
from .duplicates import find_duplicates
from .folders import look_through, not_taken
from .labels import read_labels
from .origins import origin_of

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
CHOICES = {"fit": ("crop", "pad"), "faces": ("auto", "detector", "outlier", "off")}


@dataclass
class Row:
    """One source file and what became of it.

    file: its path in the folder, as `readable` writes it
    index: its place in Report.images, -1 where it was not decoded
    reason: "" where it is kept, else one of REASONS
    match: of a duplicate, the file that is kept
    size: width and height of the source
    labels: {attribute: class or None}
    """

    file: str
    index: int = -1
    reason: str = ""
    detail: str = ""
    match: str = ""
    size: tuple = (0, 0)
    labels: dict = field(default_factory=dict)


@dataclass
class Report:
    """What `clean` found: one Row per picture file, in sorted order, and every picture that could be decoded.

    images: uint8 (M, S, S, 3), memory-mapped in a temporary file that lives as long as the report.
    attributes: {name: class names}. settings: how it was done, and of what, for the pack to keep.
    passed_over: (path, why) of each file and folder that was there and is in no row.
    """

    rows: list
    images: np.ndarray
    attributes: dict
    settings: dict
    scratch: object = None
    passed_over: list = field(default_factory=list)

    def summary(self):
        """{"kept": number, reason: number, ...}, reasons that occur only."""
        count = Counter(row.reason or "kept" for row in self.rows)
        return {k: count[k] for k in ("kept", *REASONS) if count[k]}

    def __str__(self):
        s = self.settings
        lines = [f"{len(self.rows):,} files, {s['fit']} to {s['size']} pixels"]
        for name, count in self.summary().items():
            lines.append(f"{count:>8,}  {name:<11} {REASONS.get(name, '')}".rstrip())
        lines += [f"Bad crops: {s['faces']}.", f"Labels: {s['labels'] or 'none'}."]
        if self.passed_over:
            lines.append(not_taken(self.passed_over))
        return "\n".join(lines)


def clean(folder, size=64, fit="crop", labels=None, faces="auto", progress=True):
    """Decode every picture file under `folder` to size x size, and say of each whether it is kept or why not.

    fit: "crop" (to the centre square) or "pad" (with white), then one Lanczos resize.
    labels: a CSV with columns file, hair, eyes, ...; a labels.csv in the folder is taken where there is one.
    faces: how bad crops are found: "detector" (the package animeface), "outlier", "off", or "auto", the
    detector where it works. No source file is changed. Returns a Report, from which `pack` makes a pack.
    Raises GanlibError.
    """
    folder = Path(folder)
    _check_options(size, fit=fit, faces=faces)
    files, passed_over = look_through(folder, labels)
    passed_over += passed_over_in(folder)
    made_from = origin_of(folder, files)  # before the work: what changes meanwhile is another origin
    attributes, of_file, lost = read_labels(folder, files, labels)
    unknown = dict.fromkeys(attributes)
    rows = [Row(readable(file), labels=dict(of_file.get(file, unknown))) for file in files]

    scratch = tempfile.TemporaryDirectory(prefix="ganlib-", ignore_cleanup_errors=True)
    shape = (len(files), size, size, 3)
    need_space(scratch.name, np.prod(shape), "set TMPDIR to a folder on a larger disk.")
    images = np.lib.format.open_memmap(f"{scratch.name}/images.npy", "w+", np.uint8, shape)
    _decode_all(rows, [folder / file for file in files], images, fit, progress)
    find_duplicates([row for row in rows if not row.reason], images, progress)
    method = find_bad_crops([row for row in rows if not row.reason], images, faces, progress)

    settings = {
        "size": size,
        "fit": fit,
        "faces": method,
        "folder": readable(folder.name),
        "labels": ", ".join(attributes) + (f"; {lost:,} rows name no file" if lost else ""),
        "files": len(files),
        "passed_over": Counter(why for _, why in passed_over),
    }
    return Report(rows, images, attributes, settings | made_from, scratch, passed_over)


def _check_options(size, **options):
    for name, value in options.items():
        if value not in CHOICES[name]:
            raise GanlibError(f"{name}={value!r}: expected one of {', '.join(CHOICES[name])}.")
    if not isinstance(size, int) or size < 8:
        raise GanlibError(f"size={size!r}: expected pixels, such as 64.")


def _decode_all(rows, paths, images, fit, progress):
    """Decode the files into `images`, each in the place of its row, and fill in the rows."""
    work = partial(_decode_row, images=images, fit=fit)
    with warnings.catch_warnings(action="ignore"):  # Pillow's, of files that are not quite well
        thread_map(work, rows, paths, range(len(rows)), max_workers=os.cpu_count(), desc="decoding",
                   unit="img", disable=not progress, mininterval=1, tqdm_class=Bar)


def _decode_row(row, path, place, images, fit):
    pixels, row.reason, row.detail, row.size = decode(path, images.shape[1], fit)
    if pixels is not None:
        images[place] = pixels
        row.index = place
