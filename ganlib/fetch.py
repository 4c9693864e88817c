"""fetch(): raw pictures from Kaggle, an archive, a folder or the synthetic faces, as one folder of files."""
import bz2
import csv
import difflib
import errno
import gzip
import hashlib
import io
import json
import lzma
import os
import re
import shutil
import stat
import sys
import tarfile
import zipfile
from collections import Counter
from contextlib import redirect_stdout
from functools import partial
from pathlib import Path, PurePosixPath

import numpy as np
from filelock import FileLock
from PIL import Image, ImageOps
from tqdm.auto import tqdm

from . import synthetic
from .errors import GanlibError

IMAGE_SUFFIXES = frozenset(".bmp .gif .jfif .jpeg .jpg .png .tif .tiff .webp".split())
WAYS = 'the path of an archive (.zip, .tar.gz) or of a folder of images, "kaggle:owner/name" or "synthetic"'
MARKER = ".ganlib-fetch.json"  # in every folder that fetch filled: from what, and how many files


class _BadArchive(GanlibError):
    """The archive itself is at fault, so that getting it anew can help."""


def data_dir():
    """Folder for raw pictures, packs and runs: $GANLIB_DATA, else data/ of the repository (when ganlib is
    installed editable), else ./data. It need not exist."""
    if os.environ.get("GANLIB_DATA"):
        return Path(os.environ["GANLIB_DATA"]).expanduser()
    root = Path(__file__).resolve().parent.parent
    return root / "data" if (root / "pyproject.toml").is_file() else Path("data")


def fetch(source, dest=None, *, n=4000, size=64, seed=0, max_files=10**6, max_bytes=2 * 10**10,
          progress=True):
    """Folder (Path) of raw image files from `source`, a str or Path:

    "kaggle:owner/name"  a Kaggle data set, downloaded (one that was cut off goes on from there) and unpacked
    an archive's path    unpacked: images and .csv files, at most `max_files` members and `max_bytes` bytes
    a folder's path      as it is, checked to hold images; `dest` is not used
    "synthetic"          `n` drawn faces of `size`×`size` pixels in faces/, a few files with known faults in
                         spoiled/, and labels.csv (file,hair,eyes): all a function of (n, size, seed)

    `dest` defaults to data_dir()/raw/<name>. It appears complete or not at all, and is used again as long as
    the archive (size and time), data set name or (n, size, seed) stays the same: remove it to fetch anew.
    What fetch did not put there, or was changed since, is never replaced. Raises GanlibError."""
    if not isinstance(source, (str, Path)) or not str(source).strip() or source == Path():
        raise GanlibError(f"No source of images given (got {source!r}): expected {WAYS}.")
    limits = max_files, max_bytes, progress
    if source == "synthetic":
        if not isinstance(n, int) or n < 1:
            raise GanlibError(f"Cannot draw n={n!r} synthetic faces: give an integer of at least 1.")
        synthetic.face(0, seed, size)  # refuses a bad seed or size
        code = hashlib.sha256(Path(synthetic.__file__).read_bytes()).hexdigest()[:16]
        identity = {"source": source, "n": n, "size": int(size), "seed": int(seed), "code": code}
        fill = partial(_draw, n, size, seed, progress)
        return _into(dest, f"synthetic-{n}x{size}-seed{seed}", identity, fill)
    if isinstance(source, str) and source.lower().startswith("kaggle:"):
        dataset = re.fullmatch(r"kaggle:([\w-]+/([\w-]+)(?:/\d+)?)", source, re.I)
        if not dataset:
            raise GanlibError(f'"{source}" names no Kaggle data set: expected "kaggle:owner/name", the end '
                              'of its page\'s address, for example "kaggle:soumikrakshit/anime-faces".')
        fill = partial(_from_kaggle, dataset[1], *limits)
        return _into(dest, dataset[2], {"source": source.lower()}, fill)
    if isinstance(source, str) and re.match(r"\w{2,}://", source):
        page = re.search(r"kaggle\.com/(?:datasets/)?([\w-]+/[\w-]+)", source)
        advice = f'give "kaggle:{page[1]}"' if page else "download the archive and give its path"
        raise GanlibError(f"{source} is an address, and ganlib does not fetch those: {advice}.")
    path = Path(os.path.expanduser(source))
    if os.path.isdir(path):
        return _checked(path)
    if not os.path.isfile(path):
        raise GanlibError(f"{path} not found{_hint(path)}. Expected {WAYS}.")
    about = path.stat()
    identity = {"source": str(path.resolve()), "size": about.st_size, "mtime_ns": about.st_mtime_ns}
    name = re.sub(r"\.(zip|tar|tgz|tbz2?|txz|tar\.\w+)$", "", path.name, flags=re.I) or "archive"
    return _into(dest, name, identity, partial(_unpack, path, *limits))


def _checked(folder):
    if (folder / "images.npy").is_file() and (folder / "manifest.csv").is_file():
        raise GanlibError(f"{folder} is a pack already, cleaned and packed: open it with load_pack.")
    if not os.access(folder, os.R_OK | os.X_OK):
        raise GanlibError(f"{folder} cannot be read: change its permissions, or give another folder.")
    if not _holds_images(folder):
        archives = [str(path) for path in folder.iterdir() if path.suffix in (".zip", ".tar", ".tgz", ".gz")]
        raise GanlibError(f"{folder} holds no image files ({' '.join(sorted(IMAGE_SUFFIXES))}): "
                          + (f"did you mean {min(archives)}?" if archives else f"expected {WAYS}."))
    return folder


def _files(folder):
    return (Path(top, name) for top, _, names in os.walk(folder) for name in names)


def _wanted(path, suffixes=IMAGE_SUFFIXES | {".csv"}):
    return path.suffix.lower() in suffixes and not any(p[0] == "." or p == "__MACOSX" for p in path.parts)


def _holds_images(folder):
    return any(_wanted(file.relative_to(folder), IMAGE_SUFFIXES) for file in _files(folder))


def _hint(path):
    """What may have been meant by a path that is not there."""
    near = path.parent.iterdir() if os.access(path.parent, os.R_OK | os.X_OK) else []
    guesses = [p for p in (data_dir() / path, data_dir() / "raw" / path) if os.path.exists(p)]
    guesses += difflib.get_close_matches(str(path), ["synthetic", *map(str, near)], n=1, cutoff=0.7)
    guesses += [f"kaggle:{path}"] if re.fullmatch(r"[\w-]+/[\w-]+", path.as_posix()) else []
    return f": did you mean {guesses[0]}?" if guesses else ""


def _into(dest, name, identity, fill):
    """Make the folder `dest` of what `fill(folder)` writes, or nothing; `identity` recognises it later."""
    dest = data_dir() / "raw" / name if dest is None else Path(dest).expanduser()
    real = dest.resolve()
    new, old = real.with_name(f".{real.name}.new"), real.with_name(f".{real.name}.old")
    try:
        if _done(real, identity):  # asked once more below, when a fetch under way elsewhere has ended
            return dest
        real.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(real.with_name(f".{real.name}.lock")):  # let go by the system when a process dies
            if old.exists() and not real.exists():  # killed between the two renames below
                os.rename(old, real)
            if _done(real, identity):
                return dest
            shutil.rmtree(new, ignore_errors=True)
            new.mkdir()
            try:
                fill(new)
                (new / MARKER).write_text(json.dumps(identity | {"files": sum(1 for _ in _files(new))}))
                shutil.rmtree(old, ignore_errors=True)
                if real.exists():
                    os.rename(real, old)
                os.rename(new, real)
                shutil.rmtree(old, ignore_errors=True)
            finally:
                shutil.rmtree(new, ignore_errors=True)
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        why = "no space is left" if full else error.strerror or error
        raise GanlibError(f"{error.filename or dest} cannot be read or written, {why}: "
                          f"{'free some' if full else 'mend that'}, or give another dest.") from error
    return dest


def _done(real, identity):
    """Whether `real` is the finished folder; raises where it is something that must not be replaced."""
    if not real.exists() or real.is_dir() and not any(real.iterdir()):
        return False
    try:
        found = json.loads((real / MARKER).read_text())
    except (OSError, ValueError):
        found = {"source": "elsewhere"}
    if identity.items() <= found.items() and _holds_images(real):
        return True
    times = [file.stat().st_mtime_ns for file in _files(real)]
    if found["source"] == identity["source"] and len(times) <= found["files"] + 1 and (
            max(times) == (real / MARKER).stat().st_mtime_ns):  # nothing was added or changed
        return False
    raise GanlibError(f"{real} holds files from {found['source']}, or changed since they were fetched, and "
                      f"is not replaced by {identity['source']}: give another dest, or move it away.")


def _unpack(archive, max_files, max_bytes, progress, folder):
    """Unpack an untrusted archive into the empty `folder`: anything odd refuses the whole of it."""
    others, images, written = Counter(), 0, 0
    too_big = GanlibError(f"{archive} unpacks to more than {max_files:,} files or {max_bytes / 1e9:g} GB, "
                          "the limits: raise max_files or max_bytes if you trust it.")
    members = _members(archive, folder, max_bytes, max_bytes + 2048 * max_files, too_big)
    bar = tqdm(desc=f"unpacking {archive.name}", total=archive.stat().st_size, unit="B", unit_scale=True,
               mininterval=0.5, disable=not progress)
    try:
        for count, (name, is_plain, read, position) in enumerate(members, 1):
            bar.update(max(0, position - bar.n))
            path = PurePosixPath(name.replace("\\", "/"))
            if count > max_files:
                raise too_big
            outside = path.is_absolute() or ".." in path.parts or re.search(r"[\0-\x1f]|(^|/)\w:", str(path))
            if outside or not is_plain:
                why = "points outside the folder" if outside else "is a link or a device"
                raise _BadArchive(f"{archive} is refused: its member {name!r} {why}.")
            if not _wanted(path):
                others[path.suffix.lower() or "without suffix"] += 1
                continue
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            with read() as data, open(folder / path, "wb") as out:
                while chunk := data.read(1 << 20):
                    written += len(chunk)  # what is written counts, whatever the headers say
                    if written > max_bytes:
                        raise too_big
                    out.write(chunk)
            images += path.suffix.lower() in IMAGE_SUFFIXES
        bar.update(bar.total - bar.n)
    except GanlibError:
        raise
    except Exception as error:  # zipfile, tarfile, zlib and the rest have a dozen kinds for bad data
        if isinstance(error, OSError) and error.errno is not None:
            raise  # the disk's fault
        raise _BadArchive(f"{archive} is cut short, damaged or encrypted ({error or type(error).__name__}): "
                          "get it anew, or unpack it yourself and give the folder.") from error
    finally:
        bar.close()
    if not images:
        held = ", ".join(f"{k} {suffix}" for suffix, k in others.most_common(4)) or "nothing"
        raise GanlibError(f"{archive} holds no image files ({' '.join(sorted(IMAGE_SUFFIXES))}), but {held}.")


def _members(archive, folder, max_bytes, max_stream, too_big):
    """Yield (name, whether it is a plain file, function that opens it, position in the archive) per file."""
    with open(archive, "rb") as file:
        head = file.read(1024)
        unpacked = {b"\x1f\x8b": gzip.open, b"BZ": bz2.open, b"\xfd7": lzma.open}.get(head[:2])
        is_tar = unpacked or head[257:262] == b"ustar" or tarfile.is_tarfile(archive)
        is_zip = not is_tar and (head[:4] == b"PK\3\4" or zipfile.is_zipfile(file))
        file.seek(0)
        if is_zip:
            with zipfile.ZipFile(file) as z:
                infos = [info for info in z.infolist() if not info.is_dir()]
                declared = sum(i.file_size for i in infos if _wanted(PurePosixPath(i.filename)))
                if declared > max_bytes:
                    raise too_big
                if declared > (free := shutil.disk_usage(folder).free):
                    raise GanlibError(f"{archive} needs {declared / 1e9:.2f} GB, but no space is left beyond "
                                      f"{free / 1e9:.2f} GB: free some, or give another dest.")
                for info in infos:
                    kind = stat.S_IFMT(info.external_attr >> 16)
                    yield info.filename, kind in (0, stat.S_IFREG), partial(z.open, info), info.header_offset
        elif is_tar:
            guarded = _Guarded(unpacked(file) if unpacked else file, max_stream, too_big)
            with tarfile.open(fileobj=guarded, mode="r:") as tar:
                while (member := tar.next()) is not None:
                    tar.members = []  # a million of them would stay in memory
                    if not member.isdir():
                        yield member.name, member.isreg(), partial(tar.extractfile, member), file.tell()
                guarded.seek(tar.offset)  # tarfile takes a damaged header for the end, a block of zeros
                if guarded.read(512) != bytes(512):
                    raise EOFError("no end mark")
                while guarded.read(1 << 20):  # gzip and xz check their sums at the very end
                    pass
        else:
            raise _BadArchive(f"{archive} is no archive: {_looks_like(head)}. Expected {WAYS}.")


class _Guarded:
    """A tar stream that is not read further, or in larger pieces, than honest pictures need."""

    def __init__(self, stream, limit, too_big):
        self.stream, self.limit, self.too_big, self.tell = stream, limit, too_big, stream.tell

    def read(self, size):
        if size > 1 << 25 or self.tell() > self.limit:  # tarfile reads extended headers in one piece
            raise self.too_big
        return self.stream.read(size)

    def seek(self, position):
        if position > self.limit:
            raise self.too_big
        return self.stream.seek(position)


def _looks_like(head):
    """What a file that should have been an archive seems to be, by its first bytes."""
    if not head:
        return "it is empty"
    if re.match(rb"\s*(<!doctype|<html|<head|<\?xml|<!--)", head.removeprefix(b"\xef\xbb\xbf"), re.I):
        return "it looks like an HTML page, perhaps a login or error page saved under that name"
    if head.startswith((b"Rar!", b"7z\xbc\xaf")):
        return "it is a RAR or 7-Zip file, so unpack it and give the folder"
    return "it looks like text" if head.isascii() and b"\0" not in head else "it is of no known kind"


def _from_kaggle(dataset, max_files, max_bytes, progress, folder):
    """Download `dataset` with the Kaggle client to a folder that outlives failure, then unpack it."""
    store = folder.with_name(f"{folder.name.removesuffix('.new')}.{dataset.replace('/', '-')}.download")
    token = ("make one at https://www.kaggle.com/settings (API), then set KAGGLE_API_TOKEN, or "
             "KAGGLE_USERNAME and KAGGLE_KEY, or put kaggle.json into ~/.kaggle.\nWithout an account: "
             'give the path of an archive or of a folder of images, or "synthetic".')
    stdin, sys.stdin = sys.stdin, io.StringIO()  # without a token the client prints help and calls exit(),
    try:                                         # which closes stdin
        with redirect_stdout(io.StringIO()):
            from kaggle.api.kaggle_api_extended import KaggleApi
            api = KaggleApi()
            api.authenticate()
        api.dataset_download_files(dataset, path=str(store), quiet=not progress)
    except ImportError as error:
        raise GanlibError(f"No Kaggle client ({error}): pip install kaggle, or give {WAYS}.") from error
    except (SystemExit, NameError) as error:  # NameError: IPython hides the exit() that the client calls
        raise GanlibError(f"Kaggle needs a token, and none that works was found: {token}") from error
    except Exception as error:
        status = getattr(getattr(error, "response", None), "status_code", None)
        why = str(error).split(" for url")[0][:200] or type(error).__name__
        if isinstance(error, OSError) and error.errno is not None:
            raise  # the disk's fault
        if type(error) is ValueError:  # a wrong size: the client takes the text of an error reply for data
            shutil.rmtree(store, ignore_errors=True)
        kept = sum(file.stat().st_size for file in _files(store) if file.suffix == ".zip") / 1e6
        if status == 401:
            raise GanlibError(f"Kaggle refused your token (401): {token}") from error
        if status in (403, 404) and not kept:
            raise GanlibError(f"Kaggle has no {dataset} for you ({status}: {why}): check the name, and "
                              f"accept its rules, at https://www.kaggle.com/datasets/{dataset}.") from error
        raise GanlibError(f"The download of {dataset} from Kaggle broke off ({why}): call again to "
                          + (f"go on from {kept:.1f} MB." if kept else "start anew.")) from error
    finally:
        sys.stdin = stdin
    try:
        _unpack(store / f"{dataset.split('/')[1]}.zip", max_files, max_bytes, progress, folder)
    except _BadArchive as error:
        shutil.rmtree(store)
        raise GanlibError(f"What Kaggle sent was removed, call again to get it anew: {error}") from error
    shutil.rmtree(store)


def _draw(n, size, seed, progress, folder):
    """Draw `n` faces into the empty `folder`, and files named for faults that cleaning is to find."""
    rows = []

    def drawn(index):
        pixels, labels = synthetic.face(index, seed, size)
        return Image.fromarray(pixels), [labels["hair"], labels["eyes"]]

    def save(name, picture, labels=None):
        picture.save(folder / name, quality=90)
        rows.extend([[name, *labels]] if labels else [])

    (folder / "faces").mkdir()
    (folder / "spoiled").mkdir()
    for i in tqdm(range(n), "drawing faces", mininterval=0.5, disable=not progress):
        save(f"faces/{i:06d}.png", *drawn(i))
    for k in range(3):
        for j, kind in enumerate(("mirrored-{}.png", "reencoded-{}.jpg", "resized-{}.png")):
            picture, labels = drawn((3 * k + j) * n // 9)
            larger = picture.resize((size * 3 // 2, size * 3 // 2), Image.Resampling.LANCZOS)
            save("spoiled/" + kind.format(k), (ImageOps.mirror(picture), picture, larger)[j], labels)
    (grey, _), (rgba, labels), (corner, _), (shifted, _), (cut, _), (small, _) = map(drawn, range(n, n + 6))
    rgba = rgba.convert("RGBA")
    rgba.paste((0, 0, 0, 0), (0, 0, size // 8, size // 8))
    off = Image.new("RGB", (size, size), shifted.getpixel((0, 0)))
    off.paste(shifted, (size * 5 // 8, size * 5 // 8))
    y, x = np.mgrid[:size, :size] * (8 / size)
    waves = 128 + 100 * np.stack([np.sin(6 * x), np.sin(5 * y + x), np.cos(4 * x - 3 * y)], axis=2)
    noise = np.random.default_rng(seed).integers(199, 202, (size, size, 3))
    save("spoiled/grey.png", grey.convert("L"))  # good, but shows no colours to label
    save("spoiled/rgba.png", rgba, labels)       # good
    for name, picture in (("crop-corner", corner.crop((0, 0, size // 4, size // 4)).resize((size, size))),
                          ("crop-shifted", off), ("pattern", Image.fromarray(waves.astype(np.uint8))),
                          ("uniform", Image.fromarray(noise.astype(np.uint8))), ("truncated", cut),
                          ("tiny", small.resize((8, 8))), ("wide", small.resize((size * 8, size)))):
        save(f"spoiled/{name}.png", picture)
    os.truncate(folder / "spoiled/truncated.png", os.path.getsize(folder / "spoiled/truncated.png") // 2)
    (folder / "spoiled/empty.png").touch()
    (folder / "spoiled/text.jpg").write_text("This is not a picture.\n")
    with open(folder / "labels.csv", "w", newline="") as file:
        csv.writer(file).writerows([["file", "hair", "eyes"], *sorted(rows)])
