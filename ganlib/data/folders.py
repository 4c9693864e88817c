"""Which files of a folder are pictures, and which are passed over and why."""
import os
from pathlib import Path

from ..errors import GanlibError
from .decoding import SUFFIXES

WAYS = 'the path of an archive (.zip, .tar.gz) or of a folder of images, "kaggle:owner/name" or "synthetic"'


def image_files(folder):
    """Sorted paths, relative to `folder`, of all files in it that are named as images and not hidden."""
    if not folder.is_dir() or not os.access(folder, os.R_OK | os.X_OK):
        raise GanlibError(f"There is no folder {folder} that can be read: "
                          "fetch images first, or name another.")
    if (folder / "images.npy").is_file() and (folder / "manifest.csv").is_file():
        raise GanlibError(f"{folder} is a pack already, cleaned and packed: open it with load_pack.")
    files = (Path(top, name).relative_to(folder) for top, _, names in os.walk(folder) for name in names)
    if found := sorted(file.as_posix() for file in files if is_wanted(file, SUFFIXES)):
        return found
    archives = [str(path) for path in folder.iterdir() if path.suffix in (".zip", ".tar", ".tgz", ".gz")]
    raise GanlibError(f"{folder} holds no image files ({SUFFIXES}): "
                      + (f"did you mean {min(archives)}?" if archives else f"expected {WAYS}."))


def is_wanted(path, suffixes=SUFFIXES + " .csv"):
    is_hidden = any(part[0] == "." or part == "__MACOSX" for part in path.parts)
    return path.suffix.lower() in suffixes.split() and not is_hidden
