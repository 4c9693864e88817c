"""fetch(): raw pictures from Kaggle, an archive, a folder or the synthetic faces, as one folder of files."""
import contextlib
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
from .archives import GLANCED_AT, BadArchive, glance_at, unpack
from .attached import attached_folder
from .decoding import SUFFIXES, readable
from .folders import WAYS, image_files, is_hidden
from .kaggle_client import download, kaggle_credentials
from .kagglehub_client import download_public
from .origins import MARKER, marker
from .synthetic_set import draw_set

ADDRESS = re.compile(r"(?:\w+://|www\.|kaggle\.com/)", re.IGNORECASE)
# The page of a Kaggle set, or what looks like the end of its address
KAGGLE_PAGE = re.compile(r"kaggle\.com/(?:datasets/)?(?!(?:c|code|competitions|models|learn|discussions)/)"
                         r"([\w-]+/[\w-]+)|^([\w-]+/[\w-]+)$", re.IGNORECASE)
# "kaggle:" and owner/name or owner/name/version, or the whole address of the page
KAGGLE_SET = re.compile(r"kaggle:\s*(?:(?:https?://)?(?:www\.)?kaggle\.com/)?(?:datasets/)?"
                        r"([\w-]+)/([\w-]+)(?:/(?:versions/)?(\d+))?/?(?:[?#].*)?\s*", re.IGNORECASE)


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
        dataset = kaggle_set(source)
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


def kaggle_set(source):
    """"owner/name" or "owner/name/version" of a source that begins with "kaggle:". Raises GanlibError.

    The address of the set's page is taken as well, as in "kaggle:https://www.kaggle.com/datasets/owner/name".
    """
    found = KAGGLE_SET.fullmatch(str(source))
    if not found:
        page = KAGGLE_PAGE.search(str(source)[len("kaggle:"):])
        meant = f' Did you mean "kaggle:{page[1] or page[2]}"?' if page else ""
        raise GanlibError(f'"{source}" names no Kaggle data set: expected "kaggle:owner/name", the end of '
                          f'its page\'s address, for example "kaggle:soumikrakshit/anime-faces".{meant}')
    return "/".join(part for part in found.groups() if part)


def _identify_kaggle(source):
    dataset = kaggle_set(source)
    name, identity = dataset.split("/")[1], {"source": f"kaggle:{dataset}".lower()}
    attached = attached_folder(dataset)
    if attached and marker(raw_folder(name, identity)) is None:
        return _identify_path(attached)
    return name, identity


def _identify_path(path):
    if os.path.isdir(path):
        return None, {"source": str(path.resolve())}
    if not os.path.isfile(path):
        raise GanlibError(f"{readable(str(path))} {_why_none(path)} Expected {WAYS}.")
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


def check_source(source, n=4000, size=64):
    """Raise GanlibError where `fetch` is sure to refuse a source. A quick look: nothing is fetched.

    Of a folder or an archive it is asked whether it can be read and has a picture, as far as its first files
    tell. A folder that is a pack already is none for `fetch`.
    """
    name, identity = identify(source, n, size)
    if source == "synthetic" or identity["source"].startswith("kaggle:"):
        return
    path = Path(os.path.expanduser(source))
    if str(source).lower().startswith("kaggle:"):
        path = Path(identity["source"])  # where it is attached
    try:
        if name is None:
            _glance_at_folder(path)
        else:
            glance_at(path)
    except OSError as error:
        raise GanlibError(f"{readable(str(path))} cannot be read ({error.strerror or error}): mend that, or "
                          "name another.") from error


def _glance_at_folder(folder):
    """Raise GanlibError where a folder has no pictures, cannot be read, or is a whole disk."""
    named = readable(str(folder))
    home = Path(os.path.expanduser("~")).resolve()
    if folder.resolve() in (home, *home.parents):
        raise GanlibError(f"{named} is your home folder, or has it inside: name the folder in it with the "
                          "pictures, and nothing else.")
    seen = 0
    for _, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not is_hidden(name))
        names = [name for name in names if not is_hidden(name)]
        if any(os.path.splitext(name)[1].lower() in SUFFIXES.split() for name in names):
            return
        seen += len(folders) + len(names)
        if seen > GLANCED_AT:
            raise GanlibError(f"{named} has no picture among its first {GLANCED_AT:,} files: name the folder "
                              "in it with the pictures.")
    if not seen and not os.listdir(folder):
        raise GanlibError(f"{named} is empty: put pictures into this folder.")
    image_files(folder)  # its few files are asked how they begin


def _why_none(path):
    """The words for a path at which there is no file and no folder."""
    if os.path.islink(path) and not os.path.exists(path):
        return f"is a link to {readable(os.readlink(path))}, which is not there: mend the link."
    if os.path.exists(path):
        return "is neither a file nor a folder."
    folder, missing = _nearest_folder(path)
    if missing != os.path.basename(path) and os.path.isfile(os.path.join(folder, missing)):
        return f"not found: {readable(os.path.join(folder, missing))} is a file, not a folder."
    return f"not found{_where(path)}{_hint(path)}"


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
    with contextlib.suppress(OSError):  # a folder that cannot be read
        close = difflib.get_close_matches(missing, sorted(os.listdir(folder or ".")), n=1, cutoff=0.7)
        guesses += [os.path.join(folder, name) for name in close]
    page = KAGGLE_PAGE.search(path.as_posix())
    if page and not os.path.isdir(path.parts[0]):
        guesses.append(f"kaggle:{page[1] or page[2]}")
    return f": did you mean {readable(str(guesses[0]))}?" if guesses else "."


def _into(dest, name, identity, fill):
    """Make the folder `dest` of what `fill(folder)` writes, or nothing; `identity` recognises it later."""
    advice = "give another dest"
    if dest is None:
        dest, advice = raw_folder(name, identity), "let GANLIB_DATA name another folder"
    dest = Path(os.path.expanduser(dest))
    real = dest.resolve()
    try:
        real.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(real.with_name(f".{real.name}.lock")):  # let go by the system when a process dies
            if not _is_filled(real, identity, advice):
                with replaced_folder(real) as new:
                    fill(new)
                    write_atomic(new / MARKER, json.dumps(identity).encode())
    except OSError as error:
        raise GanlibError(f"{error.filename or dest} cannot be read or written ({error.strerror or error}): "
                          f"mend that, or {advice}.") from error
    return dest


def _is_filled(folder, identity, advice):
    """Whether a folder holds this very thing already. Raises GanlibError where it holds something else."""
    if not folder.exists() or folder.is_dir() and not any(folder.iterdir()):
        return False
    found = marker(folder) or {"source": "elsewhere"}
    if identity.items() <= found.items():
        return True
    was = found["source"]
    now = "before that changed" if was == identity["source"] else f"not {identity['source']}"
    named = readable(str(folder))
    raise GanlibError(f"{named} holds files from {was}, {now}: remove it, or {advice}.")


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
