"""Which images `start` takes, where it keeps what it makes, and its memory of both."""
import contextlib
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
from .data.sources import ADDRESS, check_source, identify, kaggle_set
from .drive import faces_on_drive, is_on_drive, kept_on_drive, mount_for
from .errors import GanlibError
from .files import data_dir, kept_dir, write_atomic
from .presets import Profile

KAGGLE_FACES = "kaggle:soumikrakshit/anime-faces"
WITH_GPU = ("colab", "big", "paper")  # the profiles that have time for real faces
MEMORY = "start.json"  # in the data folder, and in the one that outlives the session
WORDS = ("synthetic", "drive", "as before")
YES = ("yes", "true", "on", "as before")  # what people write as keep=, and what names no folder
NO = ("no", "none", "not", "off", "false", "never", "nowhere", "nothing", "null")


@dataclass(frozen=True)
class Source:
    """Where the images come from (as `fetch` takes it, or a pack), why, and the name of their pack."""

    source: str
    why: str
    name: str

    def __str__(self):
        return f"Images: {readable(self.source)} ({self.why})."


# -- which images


def pick_source(profile, faces="as before", size=None, places=None):
    """The Source that GANLIB_FACES names, else `faces`, as `start` takes it; the smoke profile draws its own.

    size: of the pictures in pixels: where the source is gone, a pack of this size is looked for, else of any.
    places: the folders to look for packs and for the last choice, where not the data folder and the kept one.
    Nothing is fetched here. Raises GanlibError where no pictures can come of the choice.
    """
    look = _Look(profile, size, _places() if places is None else places)
    named = os.environ.get("GANLIB_FACES")
    if profile.name == "smoke":
        return _source("synthetic", "the smoke profile always draws its own", profile)
    if named:
        return _found(named, "GANLIB_FACES", "named by GANLIB_FACES", look)
    if faces == "as before":
        return _as_before(look)
    return _found(faces, "faces", "as you chose", look)


@dataclass(frozen=True)
class _Look:
    """For whom pictures are looked for, and where. size: in pixels, or None; places: folders (Path)."""

    profile: Profile
    size: int | None
    places: list


def _places():
    return [folder for folder in (data_dir(), kept_dir()) if folder]


def _as_before(look):
    """The Source that the last `start` chose; drawn faces where there was none."""
    faces = recall("faces", look.places)
    if not faces:
        return _source("synthetic", "drawn by this program", look.profile)
    try:
        return _found(faces, "faces", "as before", look)
    except GanlibError as error:  # it may not be needed: whoever asks for the pack is told
        why = f"it {str(error).removeprefix(f'faces={faces!r} ')}"
        if not os.path.lexists(faces):
            why = f"it is not here any more: {_other_sizes(faces, look) or 'give faces= anew'}"
        return _source(faces, f"as before, but {why}", look.profile)


def _found(faces, asked, why, look):
    """The Source for a choice; `asked` is what the user set. Raises GanlibError where there is none."""
    faces = _checked(faces, asked)
    if is_on_drive(faces):
        faces = str(faces_on_drive(faces))
    if os.path.isfile(os.path.join(faces, "pack.json")):
        return _source(faces, why, look.profile)
    try:
        check_source(faces, look.profile.faces)
    except GanlibError as error:
        path = _absolute(faces)
        packed = newest_pack(path, look.size, look.places)
        if packed and os.path.isdir(path):  # `get_pack` tells what it lacks
            return _source(faces, why, look.profile)
        if packed and not os.path.lexists(path):
            name = packed.name.rpartition("-")[0]
            return Source(path, f"{why}; it is not here any more, but its pack {packed.name} is and is used",
                          name)
        if other := _other_sizes(path, look):
            raise GanlibError(f"{asked}={faces!r} is not here any more: {other}.") from error
        raise GanlibError(f"{asked}={faces!r}{_without_name(str(error), faces)}") from error
    return _source(faces, why, look.profile)


def _without_name(words, faces):
    """The words of an error that begin with the name of the faces, without it; else all of them."""
    for named in (readable(faces), readable(str(Path(faces))), f'"{faces}"'):
        if words.startswith(f"{named} "):
            return words.removeprefix(named)
    return f": {words}"


def newest_pack(path, size=None, places=None):
    """The folder of the pack that was written last of what lies or lay at `path`, or None.

    size: of its pictures in pixels, where it matters; places: as for `pick_source`.
    """
    found = []
    for folder in _places() if places is None else places:
        with contextlib.suppress(OSError):  # a folder that cannot be read
            for file in folder.glob("packs/*/pack.json"):
                if _is_pack_of(file.parent, path, size):
                    found.append((file.stat().st_mtime_ns, file.parent))
    return max(found)[1] if found else None


def _is_pack_of(folder, path, size):
    info = packs.read_info(folder)
    if not re.fullmatch(r".+-\d+", folder.name) or size not in (None, info.get("size")):
        return False
    return (info.get("settings") or {}).get("source") == path


def _other_sizes(path, look):
    """The words for the pack of what is gone where that has pictures of another size, or ""."""
    packed = newest_pack(path, None, look.places)
    if packed is None or os.path.lexists(path):
        return ""
    size = packs.read_info(packed).get("size")
    return (f"its pack {packed.name} is, but with pictures of {size} pixels, not of {look.size}; say "
            f"size={size}, or choose other faces")


def _checked(faces, asked):
    """A choice as a str, or a GanlibError where it can be none."""
    if not isinstance(faces, str | Path) or not str(faces).strip() or "\0" in str(faces):
        raise GanlibError(f'{asked}={faces!r} is no choice: expected {WAYS}; or "drive" or "as before".')
    faces = os.path.expanduser(faces)
    if "://drive.google." in faces:
        raise GanlibError(f'{asked}={faces!r} is an address, which cannot be given: on Colab '
                          'faces="drive/sub/path" takes a file of your own Drive.')
    meant = _meant(faces, WORDS)
    if meant and not os.path.exists(faces):
        raise GanlibError(f"{asked}={faces!r} is neither a word that is known nor a file or folder in "
                          f"{Path.cwd()}, where this runs: did you mean {meant!r}?")
    return faces


def _meant(word, words):
    """The one of some words that a misspelt one may stand for, or "". "Drive/x" is "drive/x"."""
    first, slash, rest = word.strip().partition("/")
    known = ("drive",) if slash else words
    close = difflib.get_close_matches(first.lower(), known, n=1, cutoff=0.75)
    if not close or word in words or (slash and (first == "drive" or os.path.exists(first))):
        return ""
    return close[0] + slash + rest


def _source(source, why, profile):
    """A Source with the name of its pack: two sets of one name, or two versions, have two."""
    if source == "synthetic":
        return Source(source, why + _offer(profile), f"synthetic-{profile.faces}")
    if source.lower().startswith("kaggle:"):
        folder, identity = identify(source)
        attached = f", attached here as {identity['source']}" if folder is None else ""
        dataset = kaggle_set(source)
        return Source(f"kaggle:{dataset}", why + attached, dataset.lower().replace("/", "."))
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
    return os.path.realpath(os.path.expanduser(path))


# -- where packs and runs are kept


@dataclass(frozen=True)
class Kept:
    """Where packs and runs outlive the session.

    folder: a Path, or None for nowhere; words: how it is remembered; asked: what the user set; is_before:
    whether that was in an earlier call.
    """

    folder: Path | None = None
    words: str = ""
    asked: str = ""
    is_before: bool = False

    def __str__(self):
        if self.folder is None:
            return ""
        before = ' (as before; keep="no" ends that)' if self.is_before else ""
        return f"Packs and runs are kept in {readable(str(self.folder))}{before}."


def find_keep(keep):
    """Where `keep` means, as `start` takes it, a Kept. Nothing is made or set yet. Raises GanlibError."""
    if not isinstance(keep, str | Path):
        raise GanlibError(f'keep={keep!r} is no folder: give the path of one, "drive", or "no".')
    if keep == "no":
        return Kept()
    if str(keep):
        return _find_folder(keep, f"keep={str(keep)!r}")
    if wanted := os.environ.get("GANLIB_KEEP", ""):
        return _find_folder(wanted, f"GANLIB_KEEP={wanted!r}")
    before = recall("keep", [data_dir()])
    if not before:
        return Kept()
    try:
        return _find_folder(before, f"keep={before!r}", is_before=True)
    except GanlibError as error:
        _tell_not_kept(before, error)
        return Kept()


def use_keep(kept):
    """Make the folder of a Kept, and let GANLIB_KEEP name it. Returns the Kept that is in use.

    Raises GanlibError where nothing can be written there; of a folder of before it is only printed.
    """
    if kept.folder is None:
        os.environ.pop("GANLIB_KEEP", None)
        return kept
    try:
        _check_writable(kept)
    except GanlibError as error:
        if not kept.is_before:
            raise
        _tell_not_kept(kept.words, error)
        return use_keep(Kept())
    os.environ["GANLIB_KEEP"] = str(kept.folder)
    return kept


def _tell_not_kept(before, error):
    print(f"Packs and runs stay on this disk, they are not kept in {before!r} as before: {error}")


def _find_folder(wanted, asked, is_before=False):
    """The Kept for a choice that is a folder. Raises GanlibError where it can be none."""
    word = str(wanted)
    if not word.strip() or "\0" in word or word.strip().lower() in YES:
        raise GanlibError(f'{asked} is no folder: give the path of one, "drive", or "no".')
    if ADDRESS.match(word):
        raise GanlibError(f'{asked} is an address: give the path of a folder, or "drive" for Google Drive.')
    if is_on_drive(wanted):
        return Kept(kept_on_drive(wanted), word, asked, is_before)
    if isinstance(wanted, str):
        _refuse_misspelt(word, asked)
    if os.path.expanduser(word).startswith("~"):
        raise GanlibError(f"{asked}: there is no user of that name here. Give the path of a folder.")
    path = Path(_absolute(word))
    mount_for(path)
    if os.path.exists(path) and not path.is_dir():
        raise GanlibError(f"{asked}: {path} is a file: name a folder.")
    return Kept(path, str(path), asked, is_before)


def _refuse_misspelt(word, asked):
    """Raise GanlibError for what stands for "drive" or "no", and would make a folder of that name."""
    if word.strip().lower() in NO and asked.startswith("GANLIB_KEEP"):
        raise GanlibError(f"{asked}: leave GANLIB_KEEP empty where nothing is to be kept.")
    meant = "no" if word.strip().lower() in NO else _meant(word, ("drive",))
    if meant:
        raise GanlibError(f"{asked}: did you mean {meant!r}? A folder of that name is './{word.strip()}'.")


def _check_writable(kept):
    try:
        write_atomic(kept.folder / ".writable", b"", durable=False)
        (kept.folder / ".writable").unlink()
    except (GanlibError, OSError) as error:
        why = getattr(error.__cause__ or error, "strerror", None) or error
        raise GanlibError(f"{kept.asked}: nothing can be written to {kept.folder} ({why}): name another "
                          "folder.") from error


# -- what was chosen


def recall(key, places=None):
    """What the last `start` chose, "faces" or "keep": in this data folder, else in the kept one, else "".

    places: the folders to look in, where not these two.
    """
    for folder in _places() if places is None else places:
        value = _memory(folder).get(key)
        if isinstance(value, str) and value.strip() and "\0" not in value:
            return value
    return ""


def remember(**chosen):
    """Write down what was chosen, `faces` and `keep`, in the data folder and in the kept one.

    What was not chosen stays as it was. Where that fails, a warning says so.
    """
    text = json.dumps({key: chosen.get(key, recall(key)) for key in ("faces", "keep")})
    for folder in _places():
        if _memory(folder) == json.loads(text):
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
