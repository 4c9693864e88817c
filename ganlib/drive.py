"""Google Drive on Colab: mounting it, and finding pictures on it."""
import difflib
import importlib.util
import os
import re
from pathlib import Path

from .errors import GanlibError

MOUNT = Path("/content/drive")
FOLDER = "ganlib"  # of the user's Drive: packs, runs, and the pictures that faces="drive" finds
ARCHIVE = re.compile(r"\.(zip|tar|tgz|tbz2?|txz|tar\.\w+)$", re.IGNORECASE)


def mount_drive(folder=FOLDER):
    """On Colab: mount Google Drive, and keep packs and runs in a folder of it from now on. Returns it (Path).

    Raises GanlibError where this is not Colab, and where Drive is not mounted in the end.
    """
    kept = my_drive() / folder
    os.environ["GANLIB_KEEP"] = str(kept)
    return kept


def my_drive():
    """The folder MyDrive, mounted if it was not. Raises GanlibError."""
    mine = MOUNT / "MyDrive"
    if mine.is_dir():
        return mine
    if not _is_colab():
        raise GanlibError('There is no Google Drive here, this is not Colab: leave "drive" out. Packs and '
                          'runs stay on this disk; keep="/another/folder" keeps them there.')
    from google.colab import drive
    try:
        drive.mount(str(MOUNT))
        why = "MyDrive is not in it"
    except Exception as error:  # what Colab raises where the user says no is no public class
        why = str(error) or type(error).__name__
    if not mine.is_dir():
        raise GanlibError(f"Google Drive was not mounted ({why}): run the cell again and allow it, or leave "
                          '"drive" out.')
    return mine


def is_on_drive(choice):
    """Whether a choice, of faces or of a folder to keep things in, names something on Google Drive."""
    return isinstance(choice, str) and (choice == "drive" or choice.startswith("drive/"))


def kept_on_drive(words):
    """The folder that "drive" or "drive/sub/path" means as keep=, there or not. Raises GanlibError.

    "drive" is the folder ganlib of the Drive; "drive/sub/path" lies below MyDrive.
    """
    below = words.removeprefix("drive").strip("/")
    return my_drive() / (below or FOLDER)


def mount_for(path):
    """Mount Drive where a path lies on it: else a folder would be made in its place. Raises GanlibError."""
    if Path(path).is_relative_to(MOUNT):
        my_drive()


def _is_colab():
    try:
        return importlib.util.find_spec("google.colab") is not None
    except ModuleNotFoundError:  # there is no google at all
        return False


def faces_on_drive(words):
    """The path of the pictures that "drive" or "drive/sub/path" means.

    "drive" is what lies in the folder ganlib of the Drive: the folder faces or the archive faces, else the
    only archive there. "drive/sub/path" lies below MyDrive. Raises GanlibError.
    """
    mine = my_drive()
    below = words.removeprefix("drive").strip("/")
    if not below:
        return _only_faces(mine / FOLDER)
    path = mine / below
    if not path.exists():
        raise GanlibError(f"Your Drive has no {below} (looked for below {mine}).{_nearest(mine, below)}")
    return path


def _only_faces(folder):
    """The pictures in MyDrive/ganlib."""
    names = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    archives = [name for name in names if ARCHIVE.search(name)]
    named = [name for name in names if ARCHIVE.sub("", name) == "faces"]
    found = named or archives
    if not found:
        raise GanlibError(f'faces="drive" found no pictures in {folder}: put faces.zip, or a folder faces '
                          f"with pictures, into the folder {folder.name} of your Drive. Or name another "
                          'place, as in faces="drive/sub/path".')
    if len(found) > 1:
        choices = ", ".join(f'"drive/{folder.name}/{name}"' for name in found)
        raise GanlibError(f'faces="drive" found {len(found)} sets of pictures in {folder}: name one of them, '
                          f"faces={choices}.")
    return folder / found[0]


def _nearest(mine, below):
    """' Did you mean ...?' for a path that is not below MyDrive, or ''."""
    path = mine / below
    names = sorted(other.name for other in path.parent.iterdir()) if path.parent.is_dir() else []
    close = difflib.get_close_matches(path.name, names, n=1)
    if not close:
        return ""
    meant = path.with_name(close[0]).relative_to(mine).as_posix()
    return f' Did you mean faces="drive/{meant}"?'
