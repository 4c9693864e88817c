"""Packs (a set of images of one size in one memory-mapped file) and the batches made from them."""
import csv
import hashlib
import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import GanlibError
from ..files import need_space

FIELDS = ["file", "index", "reason", "detail"]  # the manifest's columns before the labels


@dataclass(frozen=True)
class Pack:
    """A folder of images ready for training.

    images: uint8 (N, H, W, 3), memory-mapped; labels: int16 (N, K), -1 where unknown;
    attributes: K names, each with the list of its class names; hash: of images and labels.
    """

    path: Path
    images: np.ndarray
    labels: np.ndarray
    attributes: dict
    hash: str

    @property
    def size(self):
        return self.images.shape[1]

    def __len__(self):
        return len(self.images)

    def manifest(self):
        """One dict per source file: file, index ('' where dropped), reason, detail, labels."""
        return _read_manifest(self.path / "manifest.csv")


def pack(report, path):
    """Write what `clean` kept as a pack in the folder `path` and return it.

    Files named in path/review.json ({"keep": [...]}, written by the review panel) are kept whatever
    the reason against them. The folder is replaced as a whole or not at all.
    """
    path = Path(path).resolve()
    _mend_swap(path)
    check_target(path)
    review = path / "review.json"
    try:
        keep = set(json.loads(review.read_text())["keep"]) if review.exists() else set()
    except (ValueError, KeyError, TypeError) as error:
        raise GanlibError(f"{review} is not readable ({error}): mend or delete it.") from error
    rows = [(row, row.index >= 0 and (not row.reason or row.file in keep)) for row in report.rows]
    kept = [row for row, taken in rows if taken]
    if not kept:
        raise GanlibError("No image is left after cleaning: nothing to pack. See the report for the reasons.")

    names = {k: {name: i for i, name in enumerate(v)} for k, v in report.attributes.items()}
    labels = np.array([[names[k].get(row.labels.get(k), -1) for k in names] for row in kept],
                      np.int16).reshape(len(kept), len(names))
    size = report.images.shape[1]
    new = path.with_name(f".{path.name}.new")
    shutil.rmtree(new, ignore_errors=True)
    try:
        new.mkdir(parents=True)
        need_space(new, len(kept) * size * size * 3, "free some or choose another folder; nothing was changed.")
        images = np.lib.format.open_memmap(
            new / "images.npy", "w+", np.uint8, (len(kept), size, size, 3))
        for start in range(0, len(kept), 1024):
            rows_here = [row.index for row in kept[start:start + 1024]]
            images[start:start + len(rows_here)] = report.images[rows_here]
        images.flush()
        np.save(new / "labels.npy", labels)
        info = {"format": 1, "size": size, "n": len(kept), "attributes": report.attributes,
                "hash": _hash(images, labels, report.attributes), "settings": report.settings}
        (new / "pack.json").write_text(json.dumps(info, indent=1) + "\n")
        with open(new / "manifest.csv", "w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(FIELDS + list(names))
            index = 0
            for row, taken in rows:
                back = taken and row.reason
                writer.writerow([row.file, index if taken else "", "" if taken else row.reason,
                                 f"taken back ({row.reason})" if back else row.detail]
                                + [row.labels.get(k) or "" for k in names])
                index += taken
        if review.exists():
            shutil.copy(review, new / "review.json")
        old = path.with_name(f".{path.name}.old")
        shutil.rmtree(old, ignore_errors=True)
        if path.exists():
            os.replace(path, old)
        os.replace(new, path)
        shutil.rmtree(old, ignore_errors=True)
    except OSError as error:
        _mend_swap(path)
        need = len(kept) * size * size * 3 / 1e6
        raise GanlibError(f"Could not write the pack {path} ({error.strerror or error}): it needs {need:.0f} MB. "
                          "What was there before is untouched.") from error
    finally:
        shutil.rmtree(new, ignore_errors=True)
    return load_pack(path)


def check_target(path):
    """Raise GanlibError where a pack may not be written: a file, or a folder that holds something else."""
    path = Path(path)
    if path.exists() and not path.is_dir():
        raise GanlibError(f"{path} is a file: a pack is a folder; choose another name.")
    if path.is_dir() and any(path.iterdir()) and not any((path / n).exists() for n in ("pack.json", "review.json")):
        raise GanlibError(f"{path} exists and is not a pack: choose a new folder (nothing was changed).")


def _mend_swap(path):
    """Bring the old pack back where replacing it was cut off in the middle."""
    old = path.with_name(f".{path.name}.old")
    if old.exists() and not path.exists():
        os.replace(old, path)


def load_pack(path):
    """Open a pack; GanlibError when it is none, is damaged, or its parts disagree."""
    path = Path(path).resolve()
    _mend_swap(path)
    if not (path / "pack.json").is_file():
        what = "does not exist" if not path.exists() else "is not a pack (no pack.json)"
        raise GanlibError(f"{path} {what}. Make one with notebook 01 or `ganlib data SOURCE {path}`.")
    again = f"Make it again with notebook 01 or `ganlib data SOURCE {path}`."
    try:
        info = json.loads((path / "pack.json").read_text())
        images = np.load(path / "images.npy", mmap_mode="c")  # copy-on-write: the file stays as it is
        labels = np.load(path / "labels.npy")
        rows = _read_manifest(path / "manifest.csv")
        indices = [int(row["index"]) for row in rows if row["index"] != ""]
        size, attributes, expected = info["size"], info["attributes"], info["hash"]
        if info["format"] > 1:
            raise ValueError(f"it has format {info['format']}, written by a newer ganlib")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise GanlibError(f"The pack {path} is damaged ({error}). {again}") from error
    if indices != list(range(len(images))) or len(labels) != len(images) or images.shape[1:] != (size, size, 3):
        raise GanlibError(f"The pack {path} does not agree with its manifest: {len(images)} images of shape "
                          f"{images.shape[1:]}, {len(labels)} labels, {len(indices)} manifest entries. {again}")
    if _hash(images, labels, attributes) != expected:
        raise GanlibError(f"The pack {path} was altered: its images or labels are not those it was made with. {again}")
    return Pack(path, images, labels, attributes, expected)


def _read_manifest(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def _hash(images, labels, attributes):
    digest = hashlib.sha256(json.dumps([images.shape, attributes]).encode())
    for start in range(0, len(images), 1024):
        digest.update(np.ascontiguousarray(images[start:start + 1024]))
    digest.update(np.ascontiguousarray(labels))
    return digest.hexdigest()[:16]
