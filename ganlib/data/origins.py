"""Where the pictures of a folder are from: by this a pack tells whether they are still the same."""
import hashlib
import json
import os
from pathlib import Path

MARKER = ".ganlib-fetch.json"  # in every folder that fetch filled: from what


def marker(folder):
    """The identity that fetch left in a folder it filled, a dict with the key source, or None."""
    try:
        return json.loads((Path(folder) / MARKER).read_text())
    except (OSError, ValueError):
        return None


def origin(folder):
    """{"source", "identity", "listing"} of a folder of raw pictures, as strings; a pack keeps them.

    source: what the user would name: "synthetic", "kaggle:owner/name", an archive's or the folder's path.
    identity: a digest of what fetch knew of the source, as an archive's size and date; "" of a plain folder.
    listing: a digest of the names, sizes and dates of all files in the folder.
    """
    found = marker(folder)
    source = found["source"] if found else str(Path(folder).resolve())
    return {"source": source, "identity": digest_of(found), "listing": listing(folder)}


def digest_of(identity):
    """What fetch knows of a source, as a short string; "" where it knows nothing but the name."""
    known = {key: value for key, value in (identity or {}).items() if key != "source"}
    return _digest(json.dumps(known, sort_keys=True).encode()) if known else ""


def listing(folder):
    """A digest of the names, sizes and dates of all files in a folder that are not hidden."""
    lines = []
    for top, name in _walk(folder):
        path = os.path.join(top, name)
        try:
            about = os.stat(path)
        except OSError:  # a link to nowhere
            continue
        relative = os.fsencode(os.path.relpath(path, folder))
        lines.append(b"%s\0%d\0%d" % (relative, about.st_size, about.st_mtime_ns))
    return _digest(b"\n".join(sorted(lines)))


def _walk(folder):
    """(folder, name) of every file that is not hidden; linked folders are followed, each real folder once."""
    entered = set()
    for top, folders, names in os.walk(folder, followlinks=True):
        real = os.path.realpath(top)
        if real in entered:
            folders.clear()
            continue
        entered.add(real)
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            if not name.startswith("."):
                yield top, name


def _digest(data):
    return hashlib.sha256(data).hexdigest()[:16]
