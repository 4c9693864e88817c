"""fetch(): raw pictures from Kaggle, an archive, a folder or the synthetic faces, as one folder of files."""
import difflib
import hashlib
import json
import os
import re
import shutil
from functools import partial
from pathlib import Path

from filelock import FileLock

from ..errors import GanlibError
from ..files import copy_folder, data_dir, move_folder, replaced_folder, write_atomic
from . import synthetic
from .archives import BadArchive, unpack
from .attached import attached_folder
from .decoding import readable
from .folders import WAYS, image_files
from .kaggle_client import download, kaggle_credentials
from .kagglehub_client import download_public
from .origins import MARKER, marker
from .synthetic_set import draw_set

ADDRESS = re.compile(r"(?:\w+://|www\.|kaggle\.com/)", re.IGNORECASE)
# The page of a Kaggle set, or what looks like the end of its address
KAGGLE_PAGE = re.compile(r"kaggle\.com/(?:datasets/)?([\w-]+/[\w-]+)|^([\w-]+/[\w-]+)$")


def fetch(source, dest=None, *, n=4000, size=64, progress=True):
    """Folder (Path) of raw image files from `source`, a str or Path:

    "kaggle:owner/name"  a Kaggle data set, downloaded (one that was cut off goes on from there) and unpacked;
                         as it is where Kaggle has attached it. Public sets need no account
    an archive's path    unpacked: images and .csv files, of at most MAX_FILES members and MAX_BYTES bytes
    a folder's path      as it is, checked to hold images (one below /kaggle/input, too); `dest` is not used
    "synthetic"          `n` drawn faces of `size`×`size` pixels in faces/, a few files with known faults in
                         spoiled/, and labels.csv (file,hair,eyes): all a function of (n, size)

    `dest` defaults to a folder of its own under data_dir()/raw. It appears complete or not at all, is used
    again by the next call, and is never replaced: remove it to fetch anew. Raises GanlibError.
    """
    name, identity = identify(source, n, size)
    if source == "synthetic":
        return _into(dest, name, identity, partial(draw_set, n, size, progress))
    if identity["source"].startswith("kaggle:"):
        dataset = str(source)[len("kaggle:"):]
        return _into(dest, name, identity, partial(_from_kaggle, dataset, progress))
    path = Path(os.path.expanduser(source))
    if name is None:
        if str(source).lower().startswith("kaggle:"):
            path = Path(identity["source"])
        image_files(path)
        return path
    return _into(dest, name, identity, partial(unpack, path, progress))


def identify(source, n=4000, size=64):
    """(name of its folder under data_dir()/raw, identity) of a source, as `fetch` takes it.

    Nothing is fetched. identity: {"source": ..., ...}, what tells it from other sources and from what it
    was before: it goes into the folder. A folder of pictures is used where it lies: its name is None.
    Raises GanlibError.
    """
    if not isinstance(source, (str, Path)) or not str(source).strip() or source == Path():
        raise GanlibError(f"No source of images given (got {source!r}): expected {WAYS}.")
    if source == "synthetic":
        return _identify_drawn(n, size)
    if str(source).lower().startswith("kaggle:"):
        return _identify_kaggle(str(source))
    if ADDRESS.match(str(source)):
        raise GanlibError(f"{source} is an address, and none can be given{_hint(Path(source))} Download "
                          f"the file, then give its path. Expected {WAYS}.")
    return _identify_path(Path(os.path.expanduser(source)))


def _identify_drawn(n, size):
    if not isinstance(n, int) or n < 1:
        raise GanlibError(f"Cannot draw n={n!r} synthetic faces: give an integer of at least 1.")
    synthetic.face(0, size=size)  # refuses a bad size
    code = hashlib.sha256(Path(synthetic.__file__).read_bytes()).hexdigest()[:8]  # new code draws new faces
    identity = {"source": "synthetic", "n": n, "size": int(size), "code": code}
    return f"synthetic-{n}x{size}-{code}", identity


def _identify_kaggle(source):
    dataset = re.fullmatch(r"kaggle:[\w-]+/([\w-]+)(?:/\d+)?", source, re.IGNORECASE)
    if not dataset:
        raise GanlibError(f'"{source}" names no Kaggle data set: expected "kaggle:owner/name", the end of '
                          'its page\'s address, for example "kaggle:soumikrakshit/anime-faces".')
    name, identity = dataset[1], {"source": source.lower()}
    attached = attached_folder(source[len("kaggle:"):])
    if attached and marker(raw_folder(name, identity)) is None:
        return _identify_path(attached)
    return name, identity


def _identify_path(path):
    if os.path.isdir(path):
        return None, {"source": str(path.resolve())}
    if not os.path.isfile(path):
        raise GanlibError(f"{readable(str(path))} not found{_where(path)}{_hint(path)} Expected {WAYS}.")
    about = path.stat()
    name = re.sub(r"\.(zip|tar|tgz|tbz2?|txz|tar\.\w+)$", "", path.name, flags=re.IGNORECASE) or "archive"
    return name, {"source": str(path.resolve()), "size": about.st_size, "mtime_ns": about.st_mtime_ns}


def raw_folder(name, identity):
    """The folder under data_dir()/raw for what `identify` told of a source.

    It is called by the name alone, unless that folder holds something else: another archive or Kaggle set of
    the same name, or this one as it was before. Then a digest of the identity is added.
    """
    folder = data_dir() / "raw" / name
    found = marker(folder)
    if found is None or identity.items() <= found.items():
        return folder
    digest = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:8]
    return folder.with_name(f"{name}-{digest}")


def _where(path):
    """Where a path that is not there was looked for, and how much of it is there."""
    folder, missing = _nearest_folder(path)
    looked_in = readable(os.getcwd())
    words = "" if os.path.isabs(path) else f" in {looked_in}, where this runs"
    if missing != os.path.basename(path):
        words += f" (there is no {readable(os.path.join(folder, missing))})"
    return words


def _nearest_folder(path):
    """(the deepest folder on the way to a path that is there, the first name that is missing in it)."""
    folder, missing = os.path.split(os.fspath(path))
    while folder and not os.path.isdir(folder) and os.path.dirname(folder) != folder:
        folder, missing = os.path.split(folder)
    return folder, missing


def _hint(path):
    """The end of a sentence: what may have been meant by a path that is not there, or by an address."""
    places = (data_dir(), data_dir() / "raw", Path("/"))
    guesses = [place / path for place in places if os.path.exists(place / path)]
    guesses += difflib.get_close_matches(str(path), ["synthetic"], n=1, cutoff=0.7)
    folder, missing = _nearest_folder(path)
    if os.access(folder or ".", os.R_OK | os.X_OK):
        close = difflib.get_close_matches(missing, sorted(os.listdir(folder or ".")), n=1, cutoff=0.7)
        guesses += [os.path.join(folder, name) for name in close]
    if page := KAGGLE_PAGE.search(path.as_posix()):
        guesses.append(f"kaggle:{page[1] or page[2]}")
    return f": did you mean {readable(str(guesses[0]))}?" if guesses else "."


def _into(dest, name, identity, fill):
    """Make the folder `dest` of what `fill(folder)` writes, or nothing; `identity` recognises it later."""
    dest = raw_folder(name, identity) if dest is None else Path(dest).expanduser()
    real = dest.resolve()
    try:
        real.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(real.with_name(f".{real.name}.lock")):  # let go by the system when a process dies
            if not _is_filled(real, identity):
                with replaced_folder(real) as new:
                    fill(new)
                    write_atomic(new / MARKER, json.dumps(identity).encode())
    except OSError as error:
        raise GanlibError(f"{error.filename or dest} cannot be read or written ({error.strerror or error}): "
                          "mend that, or give another dest.") from error
    return dest


def _is_filled(folder, identity):
    """Whether a folder holds this very thing already. Raises GanlibError where it holds something else."""
    if not folder.exists() or folder.is_dir() and not any(folder.iterdir()):
        return False
    found = marker(folder) or {"source": "elsewhere"}
    if identity.items() <= found.items():
        return True
    was = found["source"]
    now = "before that changed" if was == identity["source"] else f"not {identity['source']}"
    named = readable(str(folder))
    raise GanlibError(f"{named} holds files from {was}, {now}: remove it, or give another dest.")


def _from_kaggle(dataset, progress, folder):
    """Download `dataset` to a folder that outlives failure, then put it into `folder`."""
    store = folder.with_name(f"{folder.name.removesuffix('.new')}.{dataset.replace('/', '-')}.download")
    if kaggle_credentials():
        _with_token(dataset, store, progress, folder)
    else:
        found = download_public(dataset, store, progress)
        if found.resolve().is_relative_to(store.resolve()):
            move_folder(found, folder)
        else:
            copy_folder(found, folder)
    shutil.rmtree(store, ignore_errors=True)


def _with_token(dataset, store, progress, folder):
    download(dataset, store, progress)
    try:
        unpack(store / f"{dataset.split('/')[1]}.zip", progress, folder)
    except BadArchive as error:
        shutil.rmtree(store)
        raise GanlibError(f"What Kaggle sent was removed, call again to get it anew: {error}") from error
