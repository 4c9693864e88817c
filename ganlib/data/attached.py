"""Data that Kaggle attaches to a notebook: folders below /kaggle/input, read where they lie."""
import os
from pathlib import Path

from .folders import has_pictures

LOOKED_AT = 2_000  # files of a folder that are asked whether they are pictures


def kaggle_input():
    """Where Kaggle attaches data. KAGGLE_CACHE_MOUNT_FOLDER names another place, as it does for kagglehub."""
    return Path(os.environ.get("KAGGLE_CACHE_MOUNT_FOLDER") or "/kaggle/input")


def attached_folder(dataset):
    """The folder where the Kaggle set "owner/name" is attached, or None. Capitals count as small letters.

    It is known by its name alone where Kaggle attaches it under that. A set with a version, "owner/name/3",
    is None: nobody can tell which version is attached.
    """
    for place in _places(dataset):
        depth = len(place.relative_to(kaggle_input()).parts)
        same = [path for path in _below(kaggle_input(), "/".join("*" * depth)) if _is_same(path, place)]
        if same:
            return place if place in same else min(same)
    return None


def is_attached_as(dataset, folder):
    """Whether a folder, there or not, is one under which Kaggle attaches the set "owner/name"."""
    return any(_is_same(Path(folder), place.resolve()) for place in _places(dataset))


def _is_same(path, other):
    return str(path).lower() == str(other).lower()


def _places(dataset):
    owner, name, *version = dataset.split("/")
    return [] if version else [kaggle_input() / "datasets" / owner / name, kaggle_input() / name]


def attached_folders():
    """The attached folders (Path) that hold pictures, sorted."""
    root = kaggle_input()
    found = [path for path in _below(root, "*") if path.name != "datasets"]
    found += _below(root / "datasets", "*/*")
    return sorted(path for path in found if has_pictures(path, LOOKED_AT))


def _below(folder, pattern):
    try:
        return [path for path in folder.glob(pattern) if path.is_dir()]
    except OSError:
        return []
