"""fetch(): raw pictures from Kaggle, an archive, a folder or the synthetic faces, as one folder of files."""
import bz2
import csv
import difflib
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
from types import SimpleNamespace

import numpy as np
from filelock import FileLock
from PIL import Image, ImageOps
from tqdm.auto import tqdm

from . import synthetic
from .errors import GanlibError, need_space

SUFFIXES = ".bmp .gif .jfif .jpeg .jpg .png .tif .tiff .webp"  # of image files
MAX_FILES, MAX_BYTES = 10**6, 2 * 10**10  # what an archive may hold
WAYS = 'the path of an archive (.zip, .tar.gz) or of a folder of images, "kaggle:owner/name" or "synthetic"'
MARKER = ".ganlib-fetch.json"  # in every folder that fetch filled: from what


class _BadArchive(GanlibError):
    """The archive itself is at fault, so that getting it anew can help."""


def data_dir():
    """Folder for raw pictures, packs and runs: $GANLIB_DATA, else data/ of an editable install, else ./data."""
    if os.environ.get("GANLIB_DATA"):
        return Path(os.environ["GANLIB_DATA"]).expanduser()
    root = Path(__file__).resolve().parent.parent
    return root / "data" if (root / "pyproject.toml").is_file() else Path("data")


def fetch(source, dest=None, *, n=4000, size=64, progress=True):
    """Folder (Path) of raw image files from `source`, a str or Path:

    "kaggle:owner/name"  a Kaggle data set, downloaded (one that was cut off goes on from there) and unpacked
    an archive's path    unpacked: images and .csv files, of at most MAX_FILES members and MAX_BYTES bytes
    a folder's path      as it is, checked to hold images; `dest` is not used
    "synthetic"          `n` drawn faces of `size`×`size` pixels in faces/, a few files with known faults in
                         spoiled/, and labels.csv (file,hair,eyes): all a function of (n, size)

    `dest` defaults to data_dir()/raw/<name>. It appears complete or not at all, is used again by the next call,
    and is never replaced: remove it to fetch anew. Raises GanlibError."""
    if not isinstance(source, (str, Path)) or not str(source).strip() or source == Path():
        raise GanlibError(f"No source of images given (got {source!r}): expected {WAYS}.")
    if source == "synthetic":
        if not isinstance(n, int) or n < 1:
            raise GanlibError(f"Cannot draw n={n!r} synthetic faces: give an integer of at least 1.")
        synthetic.face(0, size=size)  # refuses a bad size
        code = hashlib.sha256(Path(synthetic.__file__).read_bytes()).hexdigest()[:8]  # new code draws new faces
        identity = {"source": source, "n": n, "size": int(size), "code": code}
        return _into(dest, f"synthetic-{n}x{size}-{code}", identity, partial(_draw, n, size, progress))
    if str(source).lower().startswith("kaggle:"):
        dataset = re.fullmatch(r"kaggle:([\w-]+/([\w-]+)(?:/\d+)?)", str(source), re.I)
        if not dataset:
            raise GanlibError(f'"{source}" names no Kaggle data set: expected "kaggle:owner/name", the end '
                              'of its page\'s address, for example "kaggle:soumikrakshit/anime-faces".')
        fill = partial(_from_kaggle, dataset[1], progress)
        return _into(dest, dataset[2], {"source": str(source).lower()}, fill)
    path = Path(os.path.expanduser(source))
    if os.path.isdir(path):
        image_files(path)
        return path
    if not os.path.isfile(path):
        raise GanlibError(f"{path} not found{_hint(path)}. Expected {WAYS}.")
    identity = {"source": str(path.resolve()), "size": path.stat().st_size, "mtime_ns": path.stat().st_mtime_ns}
    name = re.sub(r"\.(zip|tar|tgz|tbz2?|txz|tar\.\w+)$", "", path.name, flags=re.I) or "archive"
    return _into(dest, name, identity, partial(_unpack, path, progress))


def image_files(folder):
    """Sorted paths, relative to `folder`, of all files in it that are named as images and not hidden."""
    if not folder.is_dir() or not os.access(folder, os.R_OK | os.X_OK):
        raise GanlibError(f"There is no folder {folder} that can be read: fetch images first, or name another.")
    if (folder / "images.npy").is_file() and (folder / "manifest.csv").is_file():
        raise GanlibError(f"{folder} is a pack already, cleaned and packed: open it with load_pack.")
    files = (Path(top, name).relative_to(folder) for top, _, names in os.walk(folder) for name in names)
    if found := sorted(file.as_posix() for file in files if _wanted(file, SUFFIXES)):
        return found
    archives = [str(path) for path in folder.iterdir() if path.suffix in (".zip", ".tar", ".tgz", ".gz")]
    raise GanlibError(f"{folder} holds no image files ({SUFFIXES}): "
                      + (f"did you mean {min(archives)}?" if archives else f"expected {WAYS}."))


def _wanted(path, suffixes=SUFFIXES + " .csv"):
    return path.suffix.lower() in suffixes.split() and not any(p[0] == "." or p == "__MACOSX" for p in path.parts)


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
    dest = data_dir() / "raw" / name if dest is None else Path(dest).expanduser()
    real = dest.resolve()
    new, marker = real.with_name(f".{real.name}.new"), real / MARKER
    try:
        real.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(real.with_name(f".{real.name}.lock")):  # let go by the system when a process dies
            if real.exists() and not (real.is_dir() and not any(real.iterdir())):
                found = json.loads(marker.read_text()) if marker.is_file() else {"source": "elsewhere"}
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


def _unpack(archive, progress, folder):
    """Unpack an untrusted archive into the empty `folder`: anything odd refuses the whole of it."""
    others, images, total = Counter(), 0, 0
    need_space(folder, archive.stat().st_size, "free some, or give another dest.")  # pictures hardly shrink
    try:
        members = tqdm(_members(archive), f"unpacking {archive.name}", unit=" files", disable=not progress)
        for count, (name, is_plain, size, read) in enumerate(members, 1):
            total += size  # zipfile and tarfile give no more than this, whatever the data says
            if count > MAX_FILES or total > MAX_BYTES:
                raise GanlibError(f"{archive} unpacks to more than {MAX_FILES:,} files or {MAX_BYTES / 1e9:g} GB, "
                                  "the limits: if you trust it, unpack it yourself and give the folder.")
            path = PurePosixPath(name.replace("\\", "/"))
            if path.is_absolute() or ".." in path.parts or re.search(r"[\0-\x1f]|(^|/)\w:", str(path)):
                raise _BadArchive(f"{archive} is refused: its member {name!r} points outside the folder.")
            if not is_plain:
                raise _BadArchive(f"{archive} is refused: its member {name!r} is a link or a device.")
            if not _wanted(path):
                others[path.suffix.lower() or "without suffix"] += 1
                continue
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            with read() as data, open(folder / path, "wb") as out:
                shutil.copyfileobj(data, out)
            images += _wanted(path, SUFFIXES)
    except Exception as error:  # zipfile, tarfile, zlib and the rest have a dozen kinds for bad data
        if isinstance(error, GanlibError) or isinstance(error, OSError) and error.errno is not None:
            raise  # not the archive's fault, but the disk's
        raise _BadArchive(f"{archive} is cut short, damaged or encrypted ({error or type(error).__name__}): "
                          "get it anew, or unpack it yourself and give the folder.") from error
    if not images:
        held = ", ".join(f"{k} {suffix}" for suffix, k in others.most_common(4)) or "nothing"
        raise GanlibError(f"{archive} holds no image files ({SUFFIXES}), but {held}.")


def _members(archive):
    """Yield (name, whether it is a plain file, size, function that opens it) of every file in an archive."""
    with open(archive, "rb") as file:
        head = file.peek(1024)
        unpacked = {b"\x1f\x8b\x08": gzip.open, b"BZh": bz2.open, b"\xfd7z": lzma.open}.get(head[:3])
        if head[:4] in (b"PK\3\4", b"PK\5\6"):
            for info in (z := zipfile.ZipFile(file)).infolist():
                if not info.is_dir():
                    kind = stat.S_IFMT(info.external_attr >> 16)
                    yield info.filename, kind in (0, stat.S_IFREG), info.file_size, partial(z.open, info)
        elif unpacked or tarfile.is_tarfile(archive):
            stream = unpacked(file) if unpacked else file

            def read(size):
                if size > 1 << 25:  # tarfile reads extended headers in one piece, and these may be huge
                    raise ValueError(f"a header of {size:,} bytes")
                return stream.read(size)

            tar = tarfile.open(fileobj=SimpleNamespace(read=read, seek=stream.seek, tell=stream.tell), mode="r:")
            while (member := tar.next()) is not None:
                tar.members = []  # a million of them would stay in memory
                if not member.isdir():
                    yield member.name, member.isreg(), member.size, partial(tar.extractfile, member)
            stream.seek(tar.offset)  # tarfile takes a damaged header for the end, a block of zeros
            if read(512) != bytes(512):
                raise EOFError("no end mark")
            while read(1 << 20):  # gzip and xz check their sums at the very end
                pass
        else:
            is_page = re.match(rb"(\xef\xbb\xbf)?\s*<(!doctype|html|head|\?xml|!--)", head, re.I)
            what = "looks like an HTML page, perhaps a login or error page saved under that name" if is_page else (
                f"begins with {head[:8]!r}" if head else "is empty")
            raise _BadArchive(f"{archive} is no archive: it {what}. Expected {WAYS}.")


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
        _unpack(store / f"{dataset.split('/')[1]}.zip", progress, folder)
    except _BadArchive as error:
        shutil.rmtree(store)
        raise GanlibError(f"What Kaggle sent was removed, call again to get it anew: {error}") from error
    shutil.rmtree(store)


def _draw(n, size, progress, folder):
    """Draw `n` faces into the empty `folder`, and files named for faults that cleaning is to find."""
    far, y, x = size * 5 // 8, *np.mgrid[:size, :size] * (8 / size)
    waves = 128 + 100 * np.stack([np.sin(6 * x), np.sin(5 * y + x), np.cos(4 * x - 3 * y)], axis=2)
    noise = np.random.default_rng(0).integers(199, 202, (size, size, 3))
    opaque = 255 * (np.maximum(x, y) >= 1)  # but for a corner
    opaque, pattern, uniform = (Image.fromarray(pixels.astype(np.uint8)) for pixels in (opaque, waves, noise))
    files = [(f"faces/{i:06d}.png", i, lambda p: p) for i in range(n)]  # name, number of the face, its change
    for k in range(3):
        files += [(f"spoiled/mirrored-{k}.png", 3 * k * n // 9, ImageOps.mirror),
                  (f"spoiled/reencoded-{k}.jpg", (3 * k + 1) * n // 9, lambda p: p),
                  (f"spoiled/resized-{k}.png", (3 * k + 2) * n // 9,
                   lambda p: ImageOps.scale(p, 1.5, Image.LANCZOS))]
    files += [("spoiled/grey.png", n, ImageOps.grayscale),  # good, but shows no colours to label
              ("spoiled/rgba.png", n + 1, lambda p: Image.merge("RGBA", (*p.split(), opaque))),  # good
              ("spoiled/crop-corner.png", n + 2, lambda p: p.crop((0, 0, size // 4, size // 4)).resize(p.size)),
              ("spoiled/crop-shifted.png", n + 3, lambda p: p.transform(
                  p.size, Image.AFFINE, (1, 0, -far, 0, 1, -far), fillcolor=p.getpixel((0, 0)))),
              ("spoiled/truncated.png", n + 4, lambda p: p),
              ("spoiled/tiny.png", n + 5, lambda p: p.resize((8, 8))),
              ("spoiled/wide.png", n + 5, lambda p: p.resize((size * 8, size))),
              ("spoiled/pattern.png", n + 5, lambda p: pattern), ("spoiled/uniform.png", n + 5, lambda p: uniform)]
    (folder / "faces").mkdir()
    (folder / "spoiled").mkdir()
    rows = []
    for name, i, change in tqdm(files, "drawing faces", mininterval=0.5, disable=not progress):
        pixels, labels = synthetic.face(i, size=size)
        change(Image.fromarray(pixels)).save(folder / name, quality=90)
        rows += [[name, labels["hair"], labels["eyes"]]] if i < n or "rgba" in name else []
    os.truncate(folder / "spoiled/truncated.png", os.path.getsize(folder / "spoiled/truncated.png") // 2)
    (folder / "spoiled/empty.png").touch()
    (folder / "spoiled/text.jpg").write_text("This is not a picture.\n")
    with open(folder / "labels.csv", "w", newline="") as file:
        csv.writer(file).writerows([["file", "hair", "eyes"], *sorted(rows)])
