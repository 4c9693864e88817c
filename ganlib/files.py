"""The one exception that ganlib raises for input a user can mend, and the check for space on a disk."""
import contextlib
import errno
import os
import shutil
from pathlib import Path

from .errors import GanlibError


def need_space(folder, size, advice):
    """Raise GanlibError where the disk of `folder` has less than `size` bytes left.

    To be asked before a memory-mapped file is made: on a full disk it would kill the process.
    """
    free = shutil.disk_usage(folder).free
    if size > free:
        raise GanlibError(f"No space left for {size / 1e6:,.0f} MB in {folder} ({free / 1e6:,.0f} MB are free): {advice}")


def data_dir():
    """Folder for raw pictures, packs and runs: $GANLIB_DATA, else data/ of an editable install, else ./data."""
    if os.environ.get("GANLIB_DATA"):
        return Path(os.environ["GANLIB_DATA"]).expanduser()
    root = Path(__file__).resolve().parent.parent
    return root / "data" if (root / "pyproject.toml").is_file() else Path("data")


def kept_dir():
    """$GANLIB_KEEP: a folder that outlives the session (a mounted Drive), or None."""
    return Path(os.environ["GANLIB_KEEP"]).expanduser() if os.environ.get("GANLIB_KEEP") else None


def write_atomic(path, data):
    """Write bytes to a temporary file in the same folder, then move it into place: all or nothing."""
    path = Path(path)
    part = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(part, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            part.unlink()
        full = error.errno == errno.ENOSPC
        raise GanlibError(f"Could not write {path} ({len(data) / 1e6:.1f} MB): "
                          f"{'no space left on the disk' if full else error.strerror or error}. "
                          f"{'Free some space' if full else 'Choose another folder'}, and make the same call again; "
                          "what was there before is untouched.") from error

SHIPPED = Path(__file__).resolve().parent.parent / "data" / "generators"
