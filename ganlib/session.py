"""What the first cells of the notebooks ask for: the data, the pack made of it, and where things go."""
import contextlib
import difflib
import os
import re
import warnings
from dataclasses import dataclass, field
from pathlib import Path

from .choice import Source, find_keep, newest_pack, pick_source, remember, use_keep
from .config import TYPES, Config
from .data import packs
from .data.changes import what_changed
from .data.cleaning import clean
from .data.decoding import readable
from .data.folders import not_taken
from .data.sources import fetch
from .drive import is_on_drive
from .errors import GanlibError
from .files import copy_folder, data_dir, kept_dir, mend_folder, remove_folder
from .presets import Profile, pick_profile
from .runs.folder import read_config
from .runs.origin import preset_from

OF_START = ("faces", "keep", "size")  # what `start` takes beside the keys of a config
SMALLEST_DRAWN = 32  # pixels: faces are drawn at no fewer, and `clean` makes them smaller


@dataclass(frozen=True, repr=False)
class Start:
    """What a notebook works with: train(here.config, here.pack, here.run). `start` makes it.

    profile, source, config: how much this machine can do, the images, and the recipe.
    """

    profile: Profile
    source: Source
    config: Config
    name: str  # of the preset
    given: dict = field(default_factory=dict)  # {"resolution": size} where `start` was given a size
    _packs: dict = field(default_factory=dict, init=False)  # size in pixels: Pack, once it was asked for

    def __repr__(self):
        recipe = f"Preset {self.name!r} at {self.size}x{self.size} pixels."
        return f"{self.profile}\n{self.source}\n{recipe}\nPack: {readable(str(self.pack_dir))}"

    @property
    def size(self):
        """The side of a picture in pixels."""
        return self.config.resolution

    @property
    def pack(self):
        """The Pack of the images, made or opened when it is first asked for. Raises GanlibError."""
        return self.pack_at(self.size)

    @property
    def pack_dir(self):
        """The folder where `pack` is, or will be."""
        return pack_dir(self.source, self.size)

    @property
    def run(self):
        """The folder of this preset's run on the pack; one that starts from a source has its own."""
        source = Path(self.config.start_from).stem.replace(":", "-")
        return self.folder(f"{self.name}-from-{source}" if source else self.name)

    def folder(self, name):
        """The folder of the run `name` on the same pack. Raises GanlibError."""
        return run_dir(name, self.profile, self.pack)

    def preset(self, name, **changes):
        """The Config of another preset in the same profile, and of the size that `start` was given."""
        return preset_from(name, self.profile, None, **(self.given | changes))

    def pack_at(self, size):
        """The Pack of the same images at another size in pixels. Raises GanlibError.

        The one that was opened before is given again, unless another has been packed in its place since.
        """
        opened = self._packs.get(size)
        if opened is None or packs.read_info(opened.path).get("hash") != opened.hash:
            self._packs[size] = get_pack(self.source, self.profile, size)
        return self._packs[size]

    def fetch(self):
        """The folder of the raw images, as `ganlib.fetch` gives it. Raises GanlibError."""
        return _fetch(self.source, self.profile, self.size)


def start(name="dcgan", *, faces="as before", keep="", size=None, **changes):
    """A Start: the profile for this hardware, the images, and the config of the preset `name`.

    faces: which images. "synthetic" (drawn); "kaggle:owner/name" or "kaggle:owner/name/version"; the path of
        an archive, of a folder of images (as "/kaggle/input/...") or of a pack; "drive" or "drive/sub/path",
        on Google Drive (see `faces_on_drive`), where packs and runs are then kept as well; or "as before":
        what the last `start` chose in this data folder, else drawn ones. GANLIB_FACES comes before it.
    keep: the folder where packs and runs outlive the session, "drive" for the folder ganlib of Google Drive,
        "drive/sub/path" for another one there, "" as before (or GANLIB_KEEP), "no" for none.
    size: pixels, where not the preset's; changes: keys of the config, as `preset_from` takes them.

    Prints the profile, the images, and where packs and runs are kept. Nothing is fetched or packed before it
    is asked for. What is chosen is remembered for the next call. Where a choice is refused, nothing is made,
    set or remembered. Raises GanlibError.
    """
    if not isinstance(name, str):
        raise GanlibError(f"{name!r} is not the name of a preset: expected one such as 'dcgan'.")
    profile = pick_profile()
    given = _given_size(size, changes)
    config = preset_from(name, profile, None, **(changes | given))
    is_drawn = profile.name == "smoke"
    if not keep and not is_drawn and is_on_drive(os.environ.get("GANLIB_FACES") or faces):
        keep = "drive"
    kept = find_keep(keep)
    places = [folder for folder in (data_dir(), kept.folder) if folder]
    source = pick_source(profile, faces, config.resolution, places)
    _check_size(source, config.resolution)
    kept = use_keep(kept)
    _remember(source, faces, keep, kept, is_drawn)
    print(profile)
    print(source)
    if kept.folder:
        print(kept)
    return Start(profile, source, config, name, given)


def _given_size(size, changes):
    """{"resolution": size} where a size was given, by one name or the other. Raises GanlibError."""
    for word in changes:
        close = difflib.get_close_matches(word.lower(), [*OF_START, *TYPES], n=1, cutoff=0.7)
        if word not in TYPES and close and close[0] in OF_START:
            raise GanlibError(f"There is no choice {word!r}. Did you mean {close[0]!r}?")
    sizes = [value for value in (size, changes.get("resolution")) if value is not None]
    if len(sizes) == 2 and str(sizes[0]) != str(sizes[1]):
        raise GanlibError(f"size={sizes[0]!r} and resolution={sizes[1]!r} are two words for one thing: give "
                          "one of them.")
    return {"resolution": sizes[0]} if sizes else {}


def _check_size(source, size):
    """Refuse a pack that was named itself and has pictures of another size."""
    named = _named_pack(source)
    found = packs.read_info(named).get("size") if named else None
    if found not in (None, size):
        raise GanlibError(_other_size(named, found, size))


def _remember(source, faces, keep, kept, is_drawn):
    """Note what the caller chose, and not what the environment or the profile did."""
    chosen = {}
    if faces != "as before" and not is_drawn and not os.environ.get("GANLIB_FACES"):
        chosen["faces"] = source.source
    if keep:
        chosen["keep"] = kept.words
    if chosen:
        remember(**chosen)


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
        return _checked(packs.load_pack(_named_pack(source)), size)
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
        elif older := _pack_of_file_before(source, path, size):
            changed = f"{source.source} has changed since"
            print(readable(f"The pack {older.name} is made again, as {path.name}: {changed}."))
        raw = _fetch(source, profile, size)
        report = clean(raw, size=size)
        if report.passed_over:
            print(not_taken(report.passed_over))
        return keep_pack(packs.pack(report, path))


def _pack_of_file_before(source, path, size):
    """The newest pack of an archive as it was before it changed, or None."""
    older = newest_pack(source.source, size) if os.path.isfile(source.source) else None
    return older if older and older.name != path.name else None


def _checked(named, size):
    """A pack that the user named, where it is of the size that is asked for."""
    if named.size != size:
        raise GanlibError(_other_size(named.path, named.size, size))
    return named


def _other_size(path, found, size):
    return (f"The pack {readable(str(path))} has pictures of {found} pixels, not of {size}: call start with "
            f"size={found}, or name the pictures it was made of.")


def _fetch(source, profile, size):
    return fetch(source.source, n=profile.faces, size=max(size, SMALLEST_DRAWN))


def _named_pack(source):
    """The folder that a Source names, where that is a pack already, or None."""
    path = Path(os.path.expanduser(source.source))
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
