"""Whether a source of pictures is still as it was when a pack was made of it, told in words."""
import re
from pathlib import Path

from ..errors import GanlibError
from .attached import is_attached_as
from .decoding import readable
from .folders import image_files
from .origins import contents, digest_of, listing, marker
from .sources import identify, raw_folder


def what_changed(packed, source, n, size):
    """(changed, lost): what of a source is new since a pack was made of it, and which files are only gone.

    source, n, size: as for `fetch`. Both are lines of words, "" where there is nothing to tell; at most one
    tells something. A source that is gone as a whole has not changed: the pack is what is left of it.
    """
    try:
        name, identity = identify(source, n, size)
    except GanlibError:
        return "", ""
    before = packed.settings
    raw = Path(identity["source"]) if name is None else raw_folder(name, identity)
    if "contents" not in before:  # made before packs knew their source
        return _changed_files(packed, raw) if name is None else ("", "")
    known = identity
    if name is None:
        known = marker(raw) or identity  # it may be a folder that fetch has filled
    now = known["source"]
    if now != before["source"]:
        if is_one_kaggle_set(now, before["source"]):  # attached then and not now, or the other way
            return "", ""
        return f"it was made from {before['source']}, not from {now}", ""
    if digest_of(known) != before["identity"]:
        what = "the code that draws faces" if now == "synthetic" else now
        return f"{what} has changed since", ""
    is_here = name is None or marker(raw) is not None  # what was fetched may have been removed since
    return _changed_files(packed, raw) if is_here else ("", "")


def is_one_kaggle_set(one, other):
    """Whether of two sources one is a Kaggle set, and the other the folder where Kaggle attaches it."""
    if other.startswith("kaggle:"):
        one, other = other, one
    return one.startswith("kaggle:") and is_attached_as(one.removeprefix("kaggle:"), other)


def _changed_files(packed, raw):
    """The same of the folder of raw pictures.

    Files count as gone by their names, and only where no new one is there: some may have been removed to
    free the disk, or a Drive may not list them all. A copy of the folder, with other dates, is read as a
    whole at each call: a pack keeps the dates of the files that it was made of.
    """
    try:
        files = image_files(raw)
    except GanlibError:  # emptied, or not readable now
        files = []
    before = packed.settings
    if "contents" not in before and len(files) == packed.files:
        return "", ""
    if files and listing(raw, files) == before.get("listing"):
        return "", ""
    there = {readable(file) for file in files}
    known = {_in_text(row["file"]) for row in packed.manifest()}
    gone = (known - there) | _gone_labels(raw, before)
    if gone and there <= known:
        return "", f"{readable(str(raw))} lacks {len(gone):,} of its files, such as {min(gone)}"
    if files and contents(raw, files) == before.get("contents"):
        return "", ""
    if len(files) == packed.files:
        return f"files in {raw} have changed since", ""
    return f"it was made from {packed.files:,} files of {raw}, where there are {len(files):,} now", ""


def _gone_labels(raw, before):
    """The labels.csv that a pack was made with, as a set, where it is no longer there."""
    file = before.get("labels_file")
    return {readable(file)} if file and not (raw / file).is_file() else set()


def _in_text(name):
    """A name from a manifest as `readable` writes it: an older version wrote what is no UTF-8 as it is."""
    return readable(name) if re.search(r"[\udc80-\udcff]", name) else name
