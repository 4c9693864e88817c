"""What the first cells of the notebooks ask for: the data, the pack made of it, where things go, Drive."""
import contextlib
import hashlib
import importlib.util
import os
import re
import warnings
from dataclasses import dataclass
from pathlib import Path

from .config import Config
from .data import packs
from .data.changes import what_changed
from .data.cleaning import clean
from .data.decoding import readable
from .data.folders import not_taken
from .data.sources import fetch
from .errors import GanlibError
from .files import copy_folder, data_dir, kept_dir, mend_folder, remove_folder
from .presets import Profile, pick_profile, preset
from .training.runs import read_config

KAGGLE_FACES = "kaggle:soumikrakshit/anime-faces"
SMALLEST_DRAWN = 32  # pixels: faces are drawn at no fewer, and `clean` makes them smaller


@dataclass(frozen=True)
class Source:
    """Where the images come from (as `fetch` takes it, or a pack), why, and the name of their pack."""

    source: str
    why: str
    name: str

    def __str__(self):
        return f"Images: {readable(self.source)} ({self.why})."


@dataclass(frozen=True, repr=False)
class Start:
    """What a training needs: train(begun.config, begun.pack, begun.run)."""

    profile: Profile
    source: Source
    pack: packs.Pack
    config: Config
    run: Path

    def __repr__(self):
        return f"{self.profile}\n{self.source}\nPack {self.pack}\nRun folder: {self.run}"


def start(name, size=None, use_kaggle=False, **changes):
    """A Start: the profile for this hardware, the pack of the data at hand, and the config and run folder.

    name: of a preset; size: pixels, where not the preset's; changes: keys of the config, as `preset` takes
    them. Raises GanlibError.
    """
    profile = pick_profile()
    if size is not None:
        changes["resolution"] = size
    config = preset(name, profile, **changes)
    source = pick_source(profile, use_kaggle)
    pack = get_pack(source, profile, config.resolution)
    return Start(profile, source, pack, config, run_dir(name, profile, pack))


# -- which data


def pick_source(profile, use_kaggle=False):
    """What GANLIB_FACES names, else the Kaggle set if you say so, else synthetic faces.

    The smoke profile is always synthetic. Nothing is fetched here. Raises GanlibError where use_kaggle
    is set and there are no credentials.
    """
    named = os.environ.get("GANLIB_FACES")
    if profile.name == "smoke":
        return _source("synthetic", "the smoke profile always draws its own", profile)
    if named:
        return _source(named, "named by GANLIB_FACES", profile)
    if use_kaggle:
        if not kaggle_credentials():
            raise GanlibError("use_kaggle=True, but there are no Kaggle credentials: create a token on your "
                              "kaggle.com settings page and save it as ~/.kaggle/kaggle.json, or set "
                              "KAGGLE_USERNAME and KAGGLE_KEY. Without: set GANLIB_FACES to an archive or "
                              "folder, or use_kaggle=False.")
        return _source(KAGGLE_FACES, "use_kaggle is set and there are credentials", profile)
    why = "set GANLIB_FACES to an archive or folder for other faces"
    if kaggle_credentials():
        why = "there are Kaggle credentials: set use_kaggle=True for the real faces"
    return _source("synthetic", why, profile)


def _source(source, why, profile):
    """A Source with the name of its pack: two sets of one name, or two versions, have two."""
    if source == "synthetic":
        return Source(source, why, f"synthetic-{profile.faces}")
    if source.lower().startswith("kaggle:"):
        owner_and_name = source.lower().removeprefix("kaggle:")
        return Source(source, why, owner_and_name.replace("/", "."))
    path = Path(source).expanduser().resolve()
    about: list = [str(path)]
    if path.is_file():
        about += [path.stat().st_size, path.stat().st_mtime_ns]
    digest = hashlib.sha256(repr(about).encode()).hexdigest()[:6]
    return Source(source, why, f"{path.name.split('.')[0]}-{digest}")


def kaggle_credentials():
    """Whether a Kaggle token is in the environment or where the kaggle client looks; asks no server."""
    if os.environ.get("KAGGLE_API_TOKEN") or {"KAGGLE_USERNAME", "KAGGLE_KEY"} <= os.environ.keys():
        return True
    folders = [Path.home() / ".kaggle", Path.home() / ".config" / "kaggle"]
    if os.environ.get("KAGGLE_CONFIG_DIR"):
        folders.append(Path(os.environ["KAGGLE_CONFIG_DIR"]))
    return any((folder / name).is_file() for folder in folders for name in ("kaggle.json", "access_token"))


# -- its pack


def pack_dir(source, size):
    """The folder of the pack that is made of a Source at a size."""
    path = data_dir() / "packs" / f"{source.name}-{size}"
    return _named_pack(source) or _pack_of_before(source, path, size) or path


def get_pack(source, profile, size=64):
    """The pack of a Source: opened, brought back from the kept folder, or made as notebook 01 does.

    A pack is made again where its source has changed since, and what has changed is printed. Where files of
    its source are only gone, it stays, and that is printed. A pack that the Source names itself is opened as
    it is. Raises GanlibError.
    """
    if _named_pack(source):
        return packs.load_pack(_named_pack(source))
    path = pack_dir(source, size)
    drawn_size = max(size, SMALLEST_DRAWN)
    with packs.pack_lock(path):
        packed = _open_or_bring_back(path)
        if packed:
            changed, lost = what_changed(packed, source.source, profile.faces, drawn_size)
            if lost:
                print(_kept_as_it_is(packed, lost))
            if not changed:
                return keep_pack(packed)
            print(readable(f"The pack {path.name} is made again: {changed}."))
        raw = fetch(source.source, n=profile.faces, size=drawn_size)
        report = clean(raw, size=size)
        if report.passed_over:
            print(not_taken(report.passed_over))
        return keep_pack(packs.pack(report, path))


def _named_pack(source):
    """The folder that a Source names, where that is a pack already, or None."""
    path = Path(source.source).expanduser()
    return path if (path / "pack.json").is_file() else None


def _pack_of_before(source, path, size):
    """Where an older version put the pack of a Kaggle set, or None: its name was without the set's owner.

    Not where there is a pack at `path` already, nor where the older one holds something else.
    """
    found = re.fullmatch(r"kaggle:[\w-]+/([\w-]+)", source.source, re.IGNORECASE)
    if not found:
        return None
    if any((copy / "pack.json").is_file() for copy in _copies(path)):
        return None
    before = path.with_name(f"{found[1]}-{size}")
    infos = [info for copy in _copies(before) if (info := packs.read_info(copy))]
    return before if infos and _is_of(source.source, found[1], size, infos[0]) else None


def _is_of(kaggle, folder, size, info):
    """Whether a pack's info tells of this Kaggle set at this size; the oldest packs know the folder only."""
    settings = info.get("settings") or {}
    source = settings.get("source", kaggle)
    return (info.get("size") == size and str(settings.get("folder")).lower() == folder.lower()
            and source.lower() == kaggle.lower())


def _kept_as_it_is(packed, lost):
    """The line for a pack whose source has lost files: here and in the kept folder it stays."""
    copies = readable(" and ".join(map(str, _copies(packed.path))))
    return (f"The pack {readable(packed.path.name)} is used as it is, though {lost}. To make it anew from "
            f"what is there, remove {copies}.")


# -- the folder that outlives the session


def keep_pack(packed):
    """Copy a pack to the folder that outlives the session, if there is one. Returns the pack.

    Where that fails, as on a full Drive, a warning says so: what was kept before stays, the pack is used from
    this disk, and the next call tries again.
    """
    if kept_dir() is None:
        return packed
    kept = _kept_pack(packed.path)
    try:
        mend_folder(kept)
        if not _same_files(packed.path, kept):
            copy_folder(packed.path, kept)
    except OSError as error:
        warnings.warn(f"The pack {packed.path.name} could not be copied to {kept.parent} "
                      f"({error.strerror or error}): it is used from this disk, "
                      "and the next call tries again.", stacklevel=2)
    return packed


def _kept_pack(path):
    return kept_dir() / "packs" / path.name


def _copies(path):
    """Where the pack at `path` may lie: there, and in the folder that outlives the session."""
    return [path] if kept_dir() is None else [path, _kept_pack(path)]


def _same_files(folder, other):
    """Whether two folders of a pack hold the same: files of the same sizes, and of .json the same text."""
    if not (other / "pack.json").is_file():
        return False
    sizes = _sizes(folder)
    if sizes != _sizes(other):
        return False
    texts = [name for name in sizes if name.suffix == ".json"]
    return all((folder / name).read_bytes() == (other / name).read_bytes() for name in texts)


def _sizes(folder):
    return {path.relative_to(folder): path.stat().st_size for path in folder.rglob("*") if path.is_file()}


def _open_or_bring_back(path):
    """The pack at `path`, from the kept folder where it is not here, or None."""
    mend_folder(path)
    if (path / "pack.json").is_file():
        return packs.load_pack(path)
    if kept_dir() is None or path.exists():
        return None
    kept = _kept_pack(path)
    try:
        mend_folder(kept)
        if not (kept / "pack.json").is_file():
            return None
        copy_folder(kept, path)  # training reads from the local disk, never from Drive
        return packs.load_pack(path)
    except (OSError, GanlibError) as error:
        remove_folder(path)
        warnings.warn(f"The pack kept in {kept} cannot be used, and is made again ({error}).", stacklevel=2)
        _bring_back_review(kept, path)
        return None


def _bring_back_review(kept, path):
    with contextlib.suppress(OSError, GanlibError):
        if files := packs.read_review(kept):
            packs.write_review(path, files)


def run_dir(name, profile, pack=None):
    """The folder of a run on a pack: under $GANLIB_KEEP where that is set, else under data/.

    It carries the pack's name and the beginning of its hash: runs on other pictures have other folders. A run
    on these very pictures is found again under another name of the pack, as that of an archive that was
    uploaded anew, and in runs/<profile>/<name>, where an older version put it. What belongs to no pack goes
    there as well.
    """
    runs = (kept_dir() or data_dir()) / "runs" / profile.name
    if pack is None:
        return runs / name
    folder = runs / f"{pack.path.name}-{pack.hash[:6]}" / name
    others = [group / name for group in sorted(runs.glob(f"*-{pack.hash[:6]}"))]
    for begun in (runs / name, folder, *others):
        with contextlib.suppress(GanlibError):
            if read_config(begun).data == pack.hash:
                return begun
    return folder


def mount_drive(folder="ganlib"):
    """On Colab: mount Google Drive and keep packs and runs in a folder of it from now on."""
    if not importlib.util.find_spec("google.colab"):
        raise GanlibError("There is no Google Drive here (this is not Colab): leave USE_DRIVE = False. "
                          "Runs stay on this disk; set GANLIB_KEEP to keep them in another folder.")
    from google.colab import drive
    drive.mount("/content/drive")
    os.environ["GANLIB_KEEP"] = f"/content/drive/MyDrive/{folder}"
