"""Where data, runs and exports go, and how they are written: whole or not at all."""
import contextlib
import errno
import json
import os
import shutil
from pathlib import Path

from filelock import FileLock, Timeout

from .errors import GanlibError


def data_dir():
    """Where raw pictures, packs and runs go: $GANLIB_DATA, else data/ of an editable install, else ./data."""
    if os.environ.get("GANLIB_DATA"):
        return Path(os.path.expanduser(os.environ["GANLIB_DATA"]))
    root = Path(__file__).resolve().parent.parent
    return root / "data" if (root / "pyproject.toml").is_file() else Path("data")


def kept_dir():
    """$GANLIB_KEEP: a folder that outlives the session (a mounted Drive), or None."""
    folder = os.environ.get("GANLIB_KEEP")
    return Path(os.path.expanduser(folder)) if folder else None


def told_apart(paths):
    """The name of each path, with as many of the folders above it as tell them apart: ["one/a", "two/a"]."""
    parts = [Path(path).resolve().parts for path in paths]
    names = [one[-1] for one in parts]
    count = 1
    while len(set(names)) < len(set(parts)):
        count += 1
        names = [Path(*one[-count:]).as_posix() for one in parts]
    return names


def need_space(folder, size, advice):
    """Raise GanlibError where the disk of `folder` has less than `size` bytes left.

    To be asked before a memory-mapped file is made: on a full disk it would kill the process.
    """
    free = shutil.disk_usage(folder).free
    if size > free:
        raise GanlibError(f"No space left for {size / 1e6:,.0f} MB in {folder} "
                          f"({free / 1e6:,.0f} MB are free): {advice}")


def write_atomic(path, data, durable=True):
    """Write to a temporary file in the same folder, then move it into place: all or nothing.

    data: bytes, or pieces of bytes that are written one after the other as they come. durable: wait until
    the disk has them, so that a power cut loses nothing; False is for many small files that are easily
    made again.
    """
    path = Path(path)
    part = path.with_name(f".{path.name}.part")
    pieces = [data] if isinstance(data, bytes | bytearray | memoryview) else data
    written = 0
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(part, "wb") as file:
            for piece in pieces:
                written += len(piece)
                file.write(piece)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        os.replace(part, path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            part.unlink()
        if not isinstance(error, OSError):
            raise
        if error.errno == errno.ENOSPC:
            why, advice = "no space left on the disk", "Free some space"
        else:
            why, advice = error.strerror or str(error), "Choose another folder"
        raise GanlibError(f"Could not write {path} ({written / 1e6:.1f} MB): {why}. {advice}, and make the "
                          "same call again; what was there before is untouched.") from error


# How files of the kinds that ganlib exports are told: (where, which bytes)
SIGNATURES = {
    ".png": (0, b"\x89PNG"),
    ".jpg": (0, b"\xff\xd8\xff"),
    ".jpeg": (0, b"\xff\xd8\xff"),
    ".gif": (0, b"GIF8"),
    ".webp": (8, b"WEBP"),
    ".mp4": (4, b"ftyp"),
    ".svg": (0, b"<?xml"),
    ".pdf": (0, b"%PDF"),
    ".npy": (0, b"\x93NUMPY"),
}


def check_replaceable(path, objection=None):
    """Raise GanlibError where a file that is there already must not make room for an export.

    To be asked before any work. An empty file may be replaced, and so may a file that is what its name says
    and that ganlib could have written: a picture, a movie, a figure, an array, a table as JSON. Whose picture
    it is is not asked: who types the name of one allows that it is replaced.

    objection: function of the path of a file that is there, for another kind of export. It gives what speaks
    against replacing that file, as in "it is a letter", or "".
    """
    path = Path(path)
    if not path.exists():
        return
    if not path.is_file():
        raise GanlibError(f"{path} is there already, and it is no file: choose another name.")
    try:
        if path.stat().st_size == 0:
            return
        found = (objection or _objection)(path)
    except OSError as error:
        raise GanlibError(f"{path} is there already and cannot be read ({error.strerror}): "
                          "choose another name.") from error
    if found:
        raise GanlibError(f"{path} is there already, and {found}: choose another name, or remove it.")


def _objection(path):
    """Why a file is none that ganlib exports under such a name; "" where it is one. Raises OSError."""
    suffix = path.suffix.lower()
    if suffix == ".json":
        return "" if _is_table(path) else "it is no table of `ganlib evaluate`"
    if suffix not in SIGNATURES:
        return f"ganlib writes no {suffix} files" if suffix else "its name does not say what it is"
    start, signature = SIGNATURES[suffix]
    with open(path, "rb") as file:
        begins = file.read(start + len(signature))
    return "" if begins[start:] == signature else f"in spite of its name it is no {suffix[1:]} file"


def _is_table(path):
    """Whether a file holds a table as `ganlib evaluate` writes it. Raises OSError."""
    try:
        content = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        return False
    return isinstance(content, dict) and {"about", "rows"} <= content.keys()


def append_text(path, text):
    """Add text to the end of a file, which is closed again at once. Raises OSError."""
    with open(path, "a", encoding="utf-8") as file:
        file.write(text)


def remove_folder(path):
    """Remove a folder and all that is in it; what is not there, or cannot be removed, is passed over."""
    shutil.rmtree(path, ignore_errors=True)


@contextlib.contextmanager
def replaced_folder(path):
    """An empty folder to fill, which takes the place of the folder `path` when the block ends well.

    After an error, and after a death at any moment, what was in `path` is still there; `mend_folder` brings
    it back where the death came between the two renames. Two processes must not do this to one folder at a
    time. Raises OSError.
    """
    path = Path(path)
    new, old = _beside(path)
    mend_folder(path)
    remove_folder(new)
    try:
        new.mkdir(parents=True)
        yield new
        if path.exists():
            remove_folder(old)
            os.replace(path, old)
        os.replace(new, path)
    finally:
        mend_folder(path)
        remove_folder(new)
    remove_folder(old)


def mend_folder(path):
    """Bring a folder back where `replaced_folder` was cut off between its two renames. Raises OSError."""
    path = Path(path)
    _, old = _beside(path)
    if old.exists() and not path.exists():
        os.replace(old, path)


def copy_folder(source, target):
    """Copy a folder's files to the folder `target`, which is replaced as a whole. Raises OSError.

    Contents only, no dates and permissions: not every disk can take these.
    """
    source = Path(source)
    with replaced_folder(target) as new:
        for path in sorted(source.rglob("*")):  # a folder comes before what is in it
            copied = new / path.relative_to(source)
            if path.is_dir():
                copied.mkdir()
            else:
                shutil.copyfile(path, copied)


def move_folder(source, target):
    """Move a folder to the place of the empty folder `target` on the same disk. Raises OSError."""
    Path(target).rmdir()
    os.replace(source, target)


def _beside(path):
    """What replaces a folder, and what it is called while it is replaced."""
    return path.with_name(f".{path.name}.new"), path.with_name(f".{path.name}.old")


def locked(folder, words):
    """A lock on a folder, which is made; None on a file system without locks, as a mounted Drive.

    words: what the GanlibError says where another process has it.
    """
    lock = FileLock(Path(folder) / ".lock")
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise GanlibError(f"Cannot make the folder {folder} ({error.strerror or error}): name another "
                          "one.") from error
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise GanlibError(words) from None
    except (OSError, NotImplementedError):
        return None
    return lock


def json_line(line):
    """The dict on a line of JSON, or None where a kill cut the line short."""
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None
