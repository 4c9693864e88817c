"""fetch(): raw pictures from Kaggle, an archive, a folder or the synthetic faces, as one folder of files."""
import difflib
import hashlib
import io
import json
import os
import re
import shutil
import sys
from contextlib import redirect_stdout
from functools import partial
from pathlib import Path

from filelock import FileLock

from ..errors import GanlibError
from ..files import data_dir
from . import synthetic
from .archives import BadArchive, unpack
from .folders import WAYS, image_files
from .origins import MARKER, marker
from .synthetic import draw_set


def fetch(source, dest=None, *, n=4000, size=64, progress=True):
    """Folder (Path) of raw image files from `source`, a str or Path:

    "kaggle:owner/name"  a Kaggle data set, downloaded (one that was cut off goes on from there) and unpacked
    an archive's path    unpacked: images and .csv files, of at most MAX_FILES members and MAX_BYTES bytes
    a folder's path      as it is, checked to hold images; `dest` is not used
    "synthetic"          `n` drawn faces of `size`×`size` pixels in faces/, a few files with known faults in
                         spoiled/, and labels.csv (file,hair,eyes): all a function of (n, size)

    `dest` defaults to a folder of its own under data_dir()/raw. It appears complete or not at all, is used again
    by the next call, and is never replaced: remove it to fetch anew. Raises GanlibError."""
    name, identity = identify(source, n, size)
    if source == "synthetic":
        return _into(dest, name, identity, partial(draw_set, n, size, progress))
    if identity["source"].startswith("kaggle:"):
        return _into(dest, name, identity, partial(_from_kaggle, str(source)[len("kaggle:"):], progress))
    path = Path(os.path.expanduser(source))
    if name is None:
        image_files(path)
        return path
    return _into(dest, name, identity, partial(unpack, path, progress))


def identify(source, n=4000, size=64):
    """(name of its folder under data_dir()/raw, identity) of a source, as `fetch` takes them. Nothing is fetched.

    identity: {"source": ..., ...}, what tells it from other sources and from what it was before: it goes into
    the folder. A folder of pictures is used where it lies: its name is None. Raises GanlibError.
    """
    if not isinstance(source, (str, Path)) or not str(source).strip() or source == Path():
        raise GanlibError(f"No source of images given (got {source!r}): expected {WAYS}.")
    if source == "synthetic":
        if not isinstance(n, int) or n < 1:
            raise GanlibError(f"Cannot draw n={n!r} synthetic faces: give an integer of at least 1.")
        synthetic.face(0, size=size)  # refuses a bad size
        code = hashlib.sha256(Path(synthetic.__file__).read_bytes()).hexdigest()[:8]  # new code draws new faces
        identity = {"source": source, "n": n, "size": int(size), "code": code}
        return f"synthetic-{n}x{size}-{code}", identity
    if str(source).lower().startswith("kaggle:"):
        dataset = re.fullmatch(r"kaggle:[\w-]+/([\w-]+)(?:/\d+)?", str(source), re.I)
        if not dataset:
            raise GanlibError(f'"{source}" names no Kaggle data set: expected "kaggle:owner/name", the end '
                              'of its page\'s address, for example "kaggle:soumikrakshit/anime-faces".')
        return dataset[1], {"source": str(source).lower()}
    path = Path(os.path.expanduser(source))
    if os.path.isdir(path):
        return None, {"source": str(path.resolve())}
    if not os.path.isfile(path):
        raise GanlibError(f"{path} not found{_hint(path)}. Expected {WAYS}.")
    identity = {"source": str(path.resolve()), "size": path.stat().st_size, "mtime_ns": path.stat().st_mtime_ns}
    name = re.sub(r"\.(zip|tar|tgz|tbz2?|txz|tar\.\w+)$", "", path.name, flags=re.I) or "archive"
    return name, identity


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


def _hint(path):
    """What may have been meant by a path that is not there."""
    near = path.parent.iterdir() if os.access(path.parent, os.R_OK | os.X_OK) else []
    guesses = [p for p in (data_dir() / path, data_dir() / "raw" / path) if os.path.exists(p)]
    guesses += difflib.get_close_matches(str(path), ["synthetic", *map(str, near)], n=1, cutoff=0.7)
    if page := re.search(r"(?:^|kaggle\.com/(?:datasets/)?)([\w-]+/[\w-]+)$", path.as_posix()):
        guesses.append(f"kaggle:{page[1]}")
    return f": did you mean {guesses[0]}?" if guesses else ""


def _into(dest, name, identity, fill):
    """Make the folder `dest` of what `fill(folder)` writes, or nothing; `identity` recognises it later."""
    dest = raw_folder(name, identity) if dest is None else Path(dest).expanduser()
    real = dest.resolve()
    new = real.with_name(f".{real.name}.new")
    try:
        real.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(real.with_name(f".{real.name}.lock")):  # let go by the system when a process dies
            if real.exists() and not (real.is_dir() and not any(real.iterdir())):
                found = marker(real) or {"source": "elsewhere"}
                if identity.items() <= found.items():
                    return dest
                was, now = found["source"], identity["source"]
                raise GanlibError(f"{real} holds files from {was}, " + ("before that changed" if was == now else f"not {now}")
                                  + ": remove it, or give another dest.")
            shutil.rmtree(new, ignore_errors=True)
            new.mkdir()
            try:
                fill(new)
                (new / MARKER).write_text(json.dumps(identity))
                os.replace(new, real)
            finally:
                shutil.rmtree(new, ignore_errors=True)
    except OSError as error:
        raise GanlibError(f"{error.filename or dest} cannot be read or written ({error.strerror or error}): "
                          "mend that, or give another dest.") from error
    return dest


def _from_kaggle(dataset, progress, folder):
    """Download `dataset` with the Kaggle client to a folder that outlives failure, then unpack it."""
    store = folder.with_name(f"{folder.name.removesuffix('.new')}.{dataset.replace('/', '-')}.download")
    token = ("make one at https://www.kaggle.com/settings (API), then set KAGGLE_API_TOKEN, or "
             "KAGGLE_USERNAME and KAGGLE_KEY, or put kaggle.json into ~/.kaggle.\nWithout an account: "
             'give the path of an archive or of a folder of images, or "synthetic".')
    stdin, sys.stdin = sys.stdin, io.StringIO()  # without a token the client prints help and calls exit(),
    try:                                         # which closes stdin
        with redirect_stdout(io.StringIO()):
            from kaggle.api.kaggle_api_extended import KaggleApi
            (api := KaggleApi()).authenticate()
        api.dataset_download_files(dataset, path=str(store), quiet=not progress)
    except (Exception, SystemExit) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # the disk's fault
        status = getattr(getattr(error, "response", None), "status_code", None)
        why = str(error).split(" for url")[0][:200] or type(error).__name__
        if status == 401 or isinstance(error, (SystemExit, NameError)):  # NameError: IPython hides exit()
            found = "refused yours (401)" if status else "none that works was found"
            raise GanlibError(f"Kaggle needs a token, and {found}: {token}") from error
        if status in (403, 404):
            raise GanlibError(f"Kaggle has no {dataset} for you ({status}: {why}): check the name, and "
                              f"accept its rules, at https://www.kaggle.com/datasets/{dataset}.") from error
        if type(error) is ValueError:  # a wrong size: the client takes the text of an error reply for data
            shutil.rmtree(store, ignore_errors=True)
        raise GanlibError(f"The download of {dataset} from Kaggle broke off ({why}): call again to go on.")
    finally:
        sys.stdin = stdin
    try:
        unpack(store / f"{dataset.split('/')[1]}.zip", progress, folder)
    except BadArchive as error:
        shutil.rmtree(store)
        raise GanlibError(f"What Kaggle sent was removed, call again to get it anew: {error}") from error
    shutil.rmtree(store)
