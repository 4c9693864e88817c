"""Where the pictures of a folder are from: by this a pack tells whether they are still the same."""
import contextlib
import hashlib
import json
import os
import stat
from pathlib import Path

from .labels import find_labels

MARKER = ".ganlib-fetch.json"  # in every folder that fetch filled: from what


def marker(folder):
    """The identity that fetch left in a folder it filled, a dict with the key source, or None."""
    try:
        found = json.loads((Path(folder) / MARKER).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) and "source" in found else None


def origin_of(folder, files):
    """What tells a folder of raw pictures from others and from what it was before, as a pack keeps it.

    files: its pictures, as `look_through` gives them. Returns a dict of strings:
    source: what the user would name: "synthetic", "kaggle:owner/name", an archive's or the folder's path.
    identity: a digest of what fetch knew of the source, as an archive's size and date; "" of a plain folder.
    labels_file: the labels.csv that is used, relative to the folder; "" where there is none.
    listing, contents: digests of the pictures and that labels.csv, see there.
    """
    found = marker(folder)
    source = found["source"] if found else str(Path(folder).resolve())
    table = find_labels(folder, files)
    return {"source": source, "identity": digest_of(found),
            "labels_file": os.path.relpath(table, folder) if table else "",
            "listing": listing(folder, files), "contents": contents(folder, files)}


def digest_of(identity):
    """What fetch knows of a source, as a short string; "" where it knows nothing but the name."""
    known = {key: value for key, value in (identity or {}).items() if key != "source"}
    return _digest([json.dumps(known, sort_keys=True).encode()]) if known else ""


def listing(folder, files):
    """A digest of the names, sizes and dates of the pictures and their labels.csv. It is quick."""
    return _digest(b"%s\0%d\0%d\n" % (name, about.st_size, about.st_mtime_ns)
                   for name, _, about in _files(folder, files))


def contents(folder, files):
    """A digest of the names and contents of the same files: a copy of the folder has the same."""
    return _digest(piece for name, path, about in _files(folder, files)
                   for piece in (b"%s\0%d\n" % (name, about.st_size), *_pieces(path)))


def _files(folder, files):
    """(name as bytes, path, what os.stat tells) of the pictures and their labels.csv, sorted by name."""
    paths = [os.path.join(folder, file) for file in files]
    if table := find_labels(folder, files):
        paths.append(os.fspath(table))
    found = []
    for path in paths:
        try:
            about = os.stat(path)
        except OSError:  # a link to nowhere
            continue
        if stat.S_ISREG(about.st_mode):  # a pipe would never end
            found.append((os.fsencode(os.path.relpath(path, folder)), path, about))
    return sorted(found, key=lambda file: file[0])


def _pieces(path):
    with contextlib.suppress(OSError), open(path, "rb") as file:
        while piece := file.read(1 << 20):
            yield piece


def _digest(pieces):
    """16 hexadecimal digits for bytes that come in pieces."""
    digest = hashlib.sha256()
    for piece in pieces:
        digest.update(piece)
    return digest.hexdigest()[:16]
