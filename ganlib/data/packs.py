"""Packs: cleaned images of one size in one memory-mapped file, with their labels and where they are from."""
import contextlib
import csv
import hashlib
import io
import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from filelock import FileLock, Timeout

from ..errors import GanlibError
from ..files import mend_folder, need_space, replaced_folder, write_atomic
from .cleaning import REASONS
from .decoding import readable
from .labels import MANIFEST_FIELDS, check_attributes
from .misnamed import no_pack

PACK_FORMAT = 1
NO_ANIME = ('If they are no anime faces, add --faces off (in a notebook ganlib.clean(raw, size=here.size, '
            'faces="off")).')
CHUNK = 1024  # images that are copied or hashed at a time


@dataclass(frozen=True, repr=False)
class Pack:
    """A folder of images ready for training.

    images: uint8 (N, H, W, 3), memory-mapped; labels: int16 (N, K), -1 where unknown; attributes: K names,
    each with the list of its class names; hash: of images and labels; files: how many files it was made from;
    settings: how they were cleaned, and where they are from.
    """

    path: Path
    images: np.ndarray
    labels: np.ndarray
    attributes: dict
    hash: str
    files: int = 0
    settings: dict = field(default_factory=dict)

    @property
    def size(self):
        return self.images.shape[1]

    @property
    def source(self):
        """What it was made from: "synthetic", "kaggle:owner/name", a path; of an old pack a folder's name."""
        return readable(self.settings.get("source") or self.settings.get("folder") or "an unknown source")

    @property
    def in_words(self):
        """What tells it from other packs, in a few words, for errors and logs."""
        return f"{self.path.name} ({len(self):,} images from {self.files:,} files of {self.source})"

    def __len__(self):
        return len(self.images)

    def __repr__(self):
        return (f"{self.path}: {len(self):,} images of {self.size}x{self.size}, from {self.files:,} files of "
                f"{self.source}, hash {self.hash}")

    def manifest(self):
        """One dict per source file: file, index ('' where dropped), reason, detail, labels."""
        return _read_manifest(self.path)


def pack(report, path):
    """Write what `clean` kept as a pack in the folder `path` and return it.

    Files named in path/review.json are kept whatever the reason against them (see `read_review`). The folder
    is replaced as a whole or not at all, and only by a pack that can be opened. Where another process is at
    work on the same pack, this one waits for it. Raises GanlibError.
    """
    path = Path(path).resolve()
    with pack_lock(path):
        _write(report, path)
        return load_pack(path)


@contextlib.contextmanager
def pack_lock(path):
    """Let one process at a time make the pack at `path`; within one thread it may be taken twice."""
    path = Path(path).resolve()
    lock = FileLock(path.with_name(f".{path.name}.lock"), is_singleton=True)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except Timeout:
        print(f"Another notebook or command is at work on the pack {path.name}: waiting for it.")
        lock.acquire()
    except (OSError, NotImplementedError):  # a disk that is read-only, or has no locks
        pass
    try:
        yield
    finally:
        lock.release()


def _write(report, path):
    """Check all that can be checked before, then replace the folder `path` by the pack of a report."""
    check_target(path)
    check_attributes(report.attributes, "This report")
    back = read_review(path)
    taken = [row.index >= 0 and (not row.reason or row.file in back) for row in report.rows]
    kept = [row for row, is_taken in zip(report.rows, taken, strict=True) if is_taken]
    if not kept:
        raise GanlibError(f"No image is left after cleaning, nothing can be packed. {_why_dropped(report)}")
    needed = len(kept) * report.images[0].nbytes
    try:
        with replaced_folder(path) as new:
            need_space(path.parent, needed, "free some or choose another folder; nothing was changed.")
            _write_images(new, report.images, kept)
            _write_labels(new, report.attributes, kept)
            _write_manifest(new, report, taken)
            if _review_file(path).exists():
                write_atomic(_review_file(new), _review_file(path).read_bytes())
            _write_info(new, report)
            _read(new)
    except _UnfitError as error:
        raise GanlibError(f"What was written for the pack {path} {error}. What was there before is "
                          "untouched; make the same call again.") from error
    except (OSError, GanlibError) as error:
        cause = error if isinstance(error, OSError) else error.__cause__
        if not isinstance(cause, OSError):  # not the disk's fault
            raise
        raise GanlibError(f"Could not write the pack {path} ({cause.strerror or cause}): it needs "
                          f"{needed / 1e6:.1f} MB. What was there before is untouched.") from error


def _why_dropped(report):
    """How many files were dropped for which reason, in words."""
    counts = Counter(row.reason for row in report.rows).most_common()
    meaning = {reason: f" ({words})" for reason, words in REASONS.items()}
    reasons = ", ".join(f"{count:,} {reason}{meaning.get(reason, '')}" for reason, count in counts)
    words = f"Dropped of {len(report.rows):,} files: {reasons}."
    return f"{words} {NO_ANIME}" if "bad-crop" in dict(counts) else words


def check_target(path):
    """Raise GanlibError where a pack may not be written: a file, or a folder that holds something else."""
    path = Path(path)
    mend_folder(path)
    if path.exists() and not path.is_dir():
        raise GanlibError(f"{path} is a file: a pack is a folder; choose another name.")
    if path.is_dir() and any(path.iterdir()) and not (_is_pack(path) or _review_file(path).exists()):
        raise GanlibError(f"{path} exists and is not a pack: choose a new folder (nothing was changed).")


def load_pack(path):
    """Open a pack; GanlibError when it is none, is damaged, or its parts disagree."""
    named = path
    path = Path(path).resolve()
    mend_folder(path)
    if not _is_pack(path):
        raise GanlibError(no_pack(named))
    try:
        return _read(path)
    except _UnfitError as error:
        raise GanlibError(f"The pack {path} {error}. Make it again with notebook 01 or "
                          f"`ganlib data SOURCE {path}`.") from error


def read_info(path):
    """What the pack.json in a folder says, a dict, without a look at the images; {} where it says nothing."""
    try:
        info = json.loads((Path(path) / "pack.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return info if isinstance(info, dict) else {}


def read_review(path):
    """The dropped files that are to be kept after all, a set: those in the review.json of a pack's folder."""
    file = _review_file(path)
    if not file.exists():
        return set()
    try:
        return set(json.loads(file.read_text(encoding="utf-8"))["keep"])
    except (ValueError, KeyError, TypeError) as error:
        raise GanlibError(f"{file} is not readable ({error}): mend or delete it.") from error


def write_review(path, files):
    """Write the review.json of a pack's folder, {"keep": [files]}: `pack` honours it."""
    text = json.dumps({"keep": sorted(files)}, indent=1)
    write_atomic(_review_file(path), f"{text}\n".encode())


def _is_pack(path):
    return (path / "pack.json").is_file()


def _review_file(path):
    return Path(path) / "review.json"


# -- writing


def _write_images(folder, images, kept):
    """images.npy: the pictures of the rows that are kept."""
    size = images.shape[1]
    out = np.lib.format.open_memmap(folder / "images.npy", "w+", np.uint8, (len(kept), size, size, 3))
    for start in range(0, len(kept), CHUNK):
        indices = [row.index for row in kept[start:start + CHUNK]]
        out[start:start + len(indices)] = images[indices]
    out.flush()


def _write_labels(folder, attributes, kept):
    """labels.npy: the number of each image's class, -1 where it is unknown."""
    number_of = [{name: number for number, name in enumerate(classes)} for classes in attributes.values()]
    labels = np.full((len(kept), len(attributes)), -1, np.int16)
    for i, row in enumerate(kept):
        for k, attribute in enumerate(attributes):
            labels[i, k] = number_of[k].get(row.labels.get(attribute), -1)
    buffer = io.BytesIO()
    np.save(buffer, labels)
    write_atomic(folder / "labels.npy", buffer.getvalue())


def _write_manifest(folder, report, taken):
    """manifest.csv: a row for every file, with its index in the pack or the reason why it has none."""
    table = io.StringIO()
    writer = csv.writer(table)
    writer.writerow([*MANIFEST_FIELDS, *report.attributes])
    index = 0
    for row, is_taken in zip(report.rows, taken, strict=True):
        labels = [row.labels.get(name) or "" for name in report.attributes]
        if not is_taken:
            writer.writerow([row.file, "", row.reason, row.detail, *labels])
            continue
        detail = f"taken back ({row.reason})" if row.reason else row.detail
        writer.writerow([row.file, index, "", detail, *labels])
        index += 1
    # a name that is not UTF-8 is written as it is on the disk
    write_atomic(folder / "manifest.csv", table.getvalue().encode("utf-8", "surrogateescape"))


def _write_info(folder, report):
    """pack.json: what there is to know of the pack, written last."""
    images = np.load(folder / "images.npy", mmap_mode="r")
    labels = np.load(folder / "labels.npy")
    info = {"format": PACK_FORMAT, "size": images.shape[1], "n": len(images), "files": len(report.rows),
            "attributes": report.attributes, "hash": _hash(images, labels, report.attributes),
            "settings": report.settings}
    write_atomic(folder / "pack.json", f"{json.dumps(info, indent=1)}\n".encode())


# -- reading


class _UnfitError(Exception):
    """A folder holds no whole pack; the text says why, and goes on after the name of the pack."""


def _read(path):
    """The pack in a folder; _UnfitError when it is damaged or its parts disagree."""
    try:
        info = json.loads((path / "pack.json").read_text(encoding="utf-8"))
        images = np.load(path / "images.npy", mmap_mode="c")  # copy-on-write: the file stays as it is
        labels = np.load(path / "labels.npy")
        rows = _read_manifest(path)
        indices = [int(row["index"]) for row in rows if row["index"] != ""]
        size, attributes, expected = info["size"], info["attributes"], info["hash"]
        if info["format"] > PACK_FORMAT:
            raise ValueError(f"it has format {info['format']}, written by a newer ganlib")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _UnfitError(f"is damaged ({error})") from error
    parts_agree = indices == list(range(len(images))) and len(labels) == len(images)
    if not parts_agree or images.shape[1:] != (size, size, 3):
        raise _UnfitError(f"does not agree with its manifest: {len(images)} images of shape "
                          f"{images.shape[1:]}, {len(labels)} labels, {len(indices)} manifest entries")
    if _hash(images, labels, attributes) != expected:
        raise _UnfitError("was altered: its images or labels are not those it was made with")
    return Pack(path, images, labels, attributes, expected, len(rows), info.get("settings") or {})


def _read_manifest(folder):
    with open(folder / "manifest.csv", newline="", encoding="utf-8", errors="surrogateescape") as file:
        return list(csv.DictReader(file))


def _hash(images, labels, attributes):
    """16 hexadecimal digits of a digest of images, labels and the names of classes."""
    digest = hashlib.sha256(json.dumps([images.shape, attributes]).encode())
    for start in range(0, len(images), CHUNK):
        digest.update(images[start:start + CHUNK].tobytes())
    digest.update(labels.tobytes())
    return digest.hexdigest()[:16]
