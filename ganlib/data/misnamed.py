"""What a user has named in the place of a pack, and what to do about it, in words."""
import contextlib
import difflib
import os
import shlex
from pathlib import Path

from ..files import data_dir
from .decoding import readable
from .folders import ARCHIVES, has_pictures

ENOUGH_FILES = 5_000  # files of a folder in which a picture is looked for


def no_pack(path):
    """Why there is no pack at `path`, as the user wrote it, and what to do: one or two sentences."""
    named = readable(str(path))
    what = _what_it_is(path)
    if what:
        command = shlex.join(["ganlib", "data", named, _place_for(path)])
        return f"{named} is {what}, not a pack. First: {command}, then use that pack."
    path = Path(path)
    found = "is not a pack (no pack.json)." if path.exists() else "does not exist."
    close = _nearest_pack(path)
    if close:
        return f"{named} {found} Did you mean the pack {close}?"
    place = _place_for(path) if path.exists() else named
    return f"{named} {found} Make one with notebook 01 or `ganlib data SOURCE {shlex.quote(place)}`."


def _what_it_is(path):
    """"an archive" and so on, where a pack can be made of what was named; else ""."""
    text = str(path)
    if text == "synthetic" or text.lower().startswith("kaggle:"):
        return "" if os.path.exists(text) else "a source of pictures"
    if os.path.isfile(path):
        return "an archive" if text.lower().endswith(ARCHIVES) else ""
    return "a folder of pictures" if _has_pictures(Path(path)) else ""


def _has_pictures(folder):
    """Whether one of the first files in a folder is a picture by its name; a run's folder counts as none."""
    return not any(folder.glob("*.safetensors")) and has_pictures(folder, ENOUGH_FILES)


def _place_for(source):
    """Where a pack of a source may go, as a user would write it: data/packs/NAME."""
    name = os.path.basename(os.path.abspath(source)).split(".")[0] or "pictures"
    return _short(data_dir() / "packs" / name)


def _nearest_pack(path):
    """The pack whose name is most like that of `path`, beside it or in the data folder, or ""."""
    packs: dict = {}
    for folder in data_dir() / "packs", path.parent:
        with contextlib.suppress(OSError):
            packs |= {file.parent.name: file.parent for file in sorted(folder.glob("*/pack.json"))}
    close = difflib.get_close_matches(path.name, packs, n=1)
    return _short(packs[close[0]]) if close else ""


def _short(path):
    """A path relative to the working folder, where it is in there."""
    path = Path(os.path.abspath(path))
    here = Path.cwd()
    return readable(str(path.relative_to(here) if path.is_relative_to(here) else path))
