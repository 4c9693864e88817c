"""Packs: cleaned images of one size in one memory-mapped file, with their labels and where they are from."""
import contextlib
import csv
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
from .fingerprints import altered_part, checksums, pack_hash
from .labels import MANIFEST_FIELDS, check_attributes
from .misnamed import no_pack

PACK_FORMAT = 1
READ_WHOLE = 2 ** 28  # bytes of images: a pack of up to so many is read whole when it is opened
NO_ANIME = ('If they are no anime faces, add --faces off (in a notebook ganlib.clean(raw, size=here.size, '
            'faces="off")).')
CHUNK = 1024  # images that are copied at a time


@dataclass(frozen=True, repr=False)
class Pack:
    """A folder of images ready for training.

    images: uint8 (N, H, W, 3), memory-mapped; labels: int16 (N, K), memory-mapped, -1 where unknown;
    attributes: K names, each with the list of its class names; hash: of images and labels; files: how many
    files it was made from; settings: how they were cleaned, and where they are from.
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
    def is_large(self):
        """Whether it may be larger than the memory: its images are then read-only."""
        return _is_large(self.images)

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
        return list(_manifest(self.path))


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
            _read(new, whole=True)
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
    """Open a pack; GanlibError when it is none, is damaged, or its parts disagree.

    A pack of up to READ_WHOLE bytes is read whole and compared with its hash. Of a larger one only the sizes
    are looked at, which takes no time: `check_pack` does the rest.
    """
    return _open(path)


def check_pack(path, progress=True):
    """Open a pack after a look at all that is in it, however large it is.

    GanlibError tells which part is not as it was made, and what to do. progress: show a bar.
    """
    return _open(path, whole=True, progress=progress)


def _open(path, whole=False, progress=False):
    """The pack at `path`; GanlibError where there is none, or it is unfit."""
    named = path
    path = Path(path).resolve()
    mend_folder(path)
    if not _is_pack(path):
        raise GanlibError(no_pack(named))
    try:
        return _read(path, whole, progress)
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
            "attributes": report.attributes, "hash": pack_hash(images, labels, report.attributes),
            "checksums": checksums(images, labels), "settings": report.settings}
    write_atomic(folder / "pack.json", f"{json.dumps(info, indent=1)}\n".encode())


# -- reading


class _UnfitError(Exception):
    """A folder holds no whole pack; the text says why, and goes on after the name of the pack."""


def _read(path, whole=False, progress=False):
    """The pack in a folder; _UnfitError when it is damaged or its parts disagree.

    whole: read all of it, even if it is large; progress: show how far that is.
    """
    try:
        info = json.loads((path / "pack.json").read_text(encoding="utf-8"))
        images = _map_images(path / "images.npy")
        labels = np.load(path / "labels.npy", mmap_mode="c")
        size, attributes, expected = info["size"], info["attributes"], info["hash"]
        if info["format"] > PACK_FORMAT:
            raise ValueError(f"it has format {info['format']}, written by a newer ganlib")
        whole = whole or not _is_large(images)
        (path / "manifest.csv").stat()
        files, entries = info.get("files"), info.get("n")
        if whole or files is None:  # a pack of before does not say how many files it was made from
            files, entries = _count_manifest(path)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise _UnfitError(f"is damaged ({error})") from error
    counts_agree = entries == len(images) and labels.shape == (len(images), len(attributes))
    if not counts_agree or images.shape[1:] != (size, size, 3):
        raise _UnfitError(f"does not agree with its manifest: {len(images)} images of shape "
                          f"{images.shape[1:]}, {len(labels)} labels, {entries} manifest entries")
    if whole and pack_hash(images, labels, attributes, progress) != expected:
        altered = altered_part(info.get("checksums"), images, labels)
        raise _UnfitError(f"was altered: {altered} are not those it was made with")
    return Pack(path, images, labels, attributes, expected, files, info.get("settings") or {})


def _map_images(file):
    """A memory map of images.npy: read-only where it is large, else copy-on-write; the file stays as it is.

    The system has to keep memory ready for all of a map that may be written to.
    """
    images = np.load(file, mmap_mode="r")
    if images.dtype != np.uint8 or not images.flags.c_contiguous:
        raise ValueError(f"images.npy holds {images.dtype}: expected uint8, one image after the other")
    expected, found = images.offset + images.nbytes, file.stat().st_size
    if found != expected:
        raise ValueError(f"images.npy has {found:,} bytes: expected {expected:,}")
    return images if _is_large(images) else np.load(file, mmap_mode="c")


def _is_large(images):
    return images.nbytes > READ_WHOLE


def _manifest(folder):
    """The rows of manifest.csv, dicts, read one by one."""
    with open(folder / "manifest.csv", newline="", encoding="utf-8", errors="surrogateescape") as file:
        yield from csv.DictReader(file)


def _count_manifest(folder):
    """(files, images) that manifest.csv has; the images must be numbered from 0 on, or ValueError."""
    files = images = 0
    for row in _manifest(folder):
        files += 1
        if row["index"] != "":
            if int(row["index"]) != images:
                raise ValueError(f"manifest.csv calls its image {images:,} {row['index']}")
            images += 1
    return files, images
