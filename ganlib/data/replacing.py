"""Whether what is to be packed may take the place of a pack, or would be another one."""
import re
import warnings
from pathlib import Path

from ..errors import GanlibError
from .changes import is_one_kaggle_set
from .decoding import readable
from .folders import look_through
from .labels import read_labels
from .origins import marker
from .packs import read_info
from .sources import identify


def check_same_pictures(path, source, n, drawn_size, size, fit):
    """Raise GanlibError where the pack at `path` is of another source, size or fit. Nothing is fetched.

    source, n, drawn_size: as `fetch` takes source, n and size; size, fit: as `clean` does. The same source
    may have changed since. Where there is no pack, or none that tells what it is, all is well.
    """
    info = read_info(path)
    if not info:
        return
    before = _settings(info)
    if not _is_made_of(before, source, n, drawn_size):
        raise _refusal(path, info)
    drawn = re.match(r"synthetic-(\d+)x", str(before.get("folder"))) if source == "synthetic" else None
    if drawn and int(drawn[1]) != n:
        raise _refusal(path, info, f"drawn with --n {drawn[1]}, not {n}")
    if info.get("size") != size:
        raise _refusal(path, info, f"{info.get('size')} pixels, not {size}")
    if before.get("fit", fit) != fit:
        raise _refusal(path, info, f"made with --fit {before['fit']}, not {fit}")


def check_same_labels(path, folder, labels=None):
    """Raise GanlibError where the pack at `path` has other labels than the pictures in `folder` will have.

    labels: their CSV, as `clean` takes it. Only the names of the attributes are compared.
    """
    info = read_info(path)
    if not info:
        return
    with warnings.catch_warnings(action="ignore"):  # `clean` reads them again, and tells
        files, _ = look_through(Path(folder), labels)
        now = list(read_labels(folder, files, labels).attributes)
    before = list(info.get("attributes") or {})
    if before != now:
        words = " and ".join(before) or "no labels"
        raise _refusal(path, info, f"with {words}, not with {' and '.join(now) or 'none'}")


def _settings(info):
    settings = info.get("settings")
    return settings if isinstance(settings, dict) else {}


def _is_made_of(before, source, n, drawn_size):
    """Whether a pack of these settings was made of a source; the oldest packs know a folder's name only."""
    name, identity = identify(source, n, drawn_size)
    now = identity["source"]
    if name is None:  # it may be a folder that fetch has filled
        now = (marker(now) or identity)["source"]
    if "source" not in before:
        return before.get("folder") == (name or Path(now).name)
    return before["source"] == now or is_one_kaggle_set(now, before["source"])


def _refusal(path, info, difference=""):
    """The GanlibError that says what the pack at `path` is, and what to do."""
    before = _settings(info)
    source = readable(str(before.get("source") or before.get("folder") or "an unknown source"))
    images = ", ".join(filter(None, [f"{info.get('n', 0):,} images", difference]))
    return GanlibError(f"{readable(str(path))} is a pack of {source} ({images}): name another folder, or add "
                       "--replace.")
