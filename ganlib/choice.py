"""Which images `start` takes, where it keeps what it makes, and its memory of both."""
import difflib
import hashlib
import json
import os
import re
import warnings
from dataclasses import dataclass
from pathlib import Path

from .data import packs
from .data.attached import attached_folders
from .data.decoding import readable
from .data.folders import WAYS
from .data.sources import identify
from .drive import faces_on_drive, mount_drive
from .errors import GanlibError
from .files import data_dir, kept_dir, write_atomic

KAGGLE_FACES = "kaggle:soumikrakshit/anime-faces"
WITH_GPU = ("colab", "paper")  # the profiles that have time for real faces
MEMORY = "start.json"  # in the data folder, and in the one that outlives the session
WORDS = ("synthetic", "drive", "as before")


@dataclass(frozen=True)
class Source:
    """Where the images come from (as `fetch` takes it, or a pack), why, and the name of their pack."""

    source: str
    why: str
    name: str

    def __str__(self):
        return f"Images: {readable(self.source)} ({self.why})."


# -- which images


def pick_source(profile, faces="as before"):
    """The Source that GANLIB_FACES names, else `faces`, as `start` takes it; the smoke profile draws its own.

    Nothing is fetched here. Raises GanlibError.
    """
    named = os.environ.get("GANLIB_FACES")
    if profile.name == "smoke":
        return _source("synthetic", "the smoke profile always draws its own", profile)
    if named:
        return _found(named, "GANLIB_FACES", "named by GANLIB_FACES", profile)
    if faces == "as before":
        return _as_before(profile)
    return _found(faces, "faces", "as you chose", profile)


def is_on_drive(faces):
    """Whether `faces` names something on Google Drive."""
    return isinstance(faces, str) and (faces == "drive" or faces.startswith("drive/"))


def _as_before(profile):
    """The Source that the last `start` chose; drawn faces where there was none."""
    faces = recall("faces")
    if not faces:
        return _source("synthetic", "drawn by this program", profile)
    try:
        return _found(faces, "faces", "as before", profile)
    except GanlibError:  # it may not be needed: whoever asks for the pack is told
        return _source(faces, "as before, but it is not here any more: give faces= anew", profile)


def _found(faces, asked, why, profile):
    """The Source for a choice; `asked` is what the user set. Raises GanlibError where there is none."""
    faces = _checked(faces, asked)
    if is_on_drive(faces):
        faces = str(faces_on_drive(faces))
    try:
        identify(faces, profile.faces)
    except GanlibError as error:
        path = _absolute(faces)
        name = _pack_of_gone(path)
        if name is None:
            words = str(error).removeprefix(readable(faces)).removeprefix(f'"{faces}"').lstrip()
            raise GanlibError(f"{asked}={faces!r} {words}") from error
        return Source(path, f"{why}; it is not here any more, but its pack is and is used", name)
    if os.path.isdir(faces) and not any(os.scandir(faces)) and not _pack_of_gone(_absolute(faces)):
        raise GanlibError(f"{asked}={faces!r}: the folder {_absolute(faces)} is empty, put pictures into it.")
    return _source(faces, why, profile)


def _checked(faces, asked):
    """A choice as a str, or a GanlibError where it can be none."""
    if not isinstance(faces, str | Path) or not str(faces).strip():
        raise GanlibError(f'{asked}={faces!r} is no choice: expected {WAYS}; or "drive" or "as before".')
    faces = os.path.expanduser(faces)
    if "://drive.google." in faces:
        raise GanlibError(f'{asked}={faces!r} is an address, which cannot be given: on Colab '
                          'faces="drive/sub/path" takes a file of your own Drive.')
    close = difflib.get_close_matches(faces.lower(), WORDS, n=1, cutoff=0.75)
    if close and faces not in WORDS and not os.path.exists(faces):
        raise GanlibError(f"{asked}={faces!r} is neither a word that is known nor a file or folder in "
                          f"{Path.cwd()}, where this runs: did you mean {close[0]!r}?")
    return faces


def _source(source, why, profile):
    """A Source with the name of its pack: two sets of one name, or two versions, have two."""
    if source == "synthetic":
        return Source(source, why + _offer(profile), f"synthetic-{profile.faces}")
    if source.lower().startswith("kaggle:"):
        folder, identity = identify(source)
        attached = f", attached here as {identity['source']}" if folder is None else ""
        owner_and_name = source.lower().removeprefix("kaggle:")
        return Source(source, why + attached, owner_and_name.replace("/", "."))
    path = Path(_absolute(source))
    about: list = [str(path)]
    if path.is_file():
        about += [path.stat().st_size, path.stat().st_mtime_ns]
    digest = hashlib.sha256(repr(about).encode()).hexdigest()[:6]
    return Source(str(path), why, f"{path.name.split('.')[0]}-{digest}")


def _offer(profile):
    """What to say beside drawn faces: which real ones are at hand."""
    if profile.name == "smoke":
        return ""
    attached = " or ".join(f'faces="{folder}"' for folder in attached_folders()[:3])
    if attached:
        return f"; real ones are attached here: {attached}"
    if profile.name in WITH_GPU:
        return f'; real ones are one word away: faces="{KAGGLE_FACES}"'
    return '; for others say faces= with "kaggle:owner/name", an archive or a folder'


def _absolute(path):
    return str(Path(path).expanduser().resolve())


def _pack_of_gone(path):
    """The name of the pack that was made of what lay at `path`, here or in the kept folder, or None."""
    for folder in (data_dir(), kept_dir()):
        for file in sorted(folder.glob("packs/*/pack.json")) if folder else ():
            settings = (packs.read_info(file.parent) or {}).get("settings") or {}
            name = re.fullmatch(r"(.+)-\d+", file.parent.name)
            if name and settings.get("source") == path:
                return name[1]
    return None


# -- where packs and runs are kept


def choose_keep(keep):
    """Set GANLIB_KEEP to the folder that `keep` means, as `start` takes it. Raises GanlibError."""
    if keep == "no":
        os.environ.pop("GANLIB_KEEP", None)
        return
    if not isinstance(keep, str | Path):
        raise GanlibError(f'keep={keep!r} is no folder: give the path of one, "drive", or "no".')
    wanted = str(keep) or os.environ.get("GANLIB_KEEP", "")
    if wanted:
        _keep_in(wanted)
    elif before := recall("keep"):
        try:
            _keep_in(before)
        except GanlibError as error:
            print(f"Packs and runs stay on this disk, they are not kept in {before!r} as before: {error}")


def _keep_in(wanted):
    """Check a folder, and make it the one that outlives the session. Raises GanlibError."""
    if wanted == "drive":
        mount_drive()
        return
    path = Path(_absolute(wanted))
    if path.exists() and not path.is_dir():
        raise GanlibError(f"keep={wanted!r}: {path} is a file: name a folder.")
    try:
        write_atomic(path / ".writable", b"", durable=False)
        (path / ".writable").unlink()
    except (GanlibError, OSError) as error:
        why = getattr(error.__cause__ or error, "strerror", None) or error
        raise GanlibError(f"keep={wanted!r}: nothing can be written to {path} ({why}): name another "
                          "folder.") from error
    os.environ["GANLIB_KEEP"] = str(path)


# -- what was chosen


def recall(key):
    """What the last `start` chose, "faces" or "keep": in this data folder, else in the kept one, else ""."""
    for folder in (data_dir(), kept_dir()):
        value = _memory(folder).get(key) if folder else None
        if isinstance(value, str) and value.strip():
            return value
    return ""


def remember(**chosen):
    """Write down what was chosen, `faces` and `keep`, in the data folder and in the kept one.

    What was not chosen stays as it was. Where that fails, a warning says so.
    """
    text = json.dumps({key: chosen.get(key, recall(key)) for key in ("faces", "keep")})
    for folder in (data_dir(), kept_dir()):
        if folder is None or _memory(folder) == json.loads(text):
            continue
        try:
            write_atomic(folder / MEMORY, text.encode(), durable=False)
        except GanlibError as error:
            warnings.warn(f"The next notebook will not know this choice: {error}", stacklevel=3)


def _memory(folder):
    """What a folder's memory says; {} where there is none that can be read."""
    try:
        found = json.loads((folder / MEMORY).read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
