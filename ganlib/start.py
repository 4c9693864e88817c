"""What the first cells of the notebooks ask for: which data, where things go, Google Drive."""
import hashlib
import importlib.util
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from .data.cleaning import clean
from .data.packs import load_pack, pack
from .data.sources import fetch
from .errors import GanlibError
from .files import data_dir, kept_dir

KAGGLE_FACES = "kaggle:soumikrakshit/anime-faces"


@dataclass(frozen=True)
class Source:
    """Where the images come from (as `fetch` takes it, or a pack), why, and the name of the pack made of it."""

    source: str
    why: str
    name: str

    def __str__(self):
        return f"Images: {self.source} ({self.why})."


def pick_source(profile, use_kaggle=False):
    """What GANLIB_FACES names, else the Kaggle set if you say so, else synthetic faces.

    The smoke profile is always synthetic. Nothing is fetched here. Raises GanlibError where use_kaggle
    is set and there are no credentials.
    """
    named = os.environ.get("GANLIB_FACES")
    if profile.name == "smoke":
        return Source("synthetic", "the smoke profile always draws its own", f"synthetic-{profile.faces}")
    if named:
        if named.startswith("kaggle:"):
            return Source(named, "named by GANLIB_FACES", named.rsplit("/")[-1])
        path = Path(named).expanduser().resolve()
        about = [str(path)]  # two folders of one name are two sets, and so is an archive that was replaced
        if path.is_file():
            about += [path.stat().st_size, path.stat().st_mtime_ns]
        digest = hashlib.sha256(repr(about).encode()).hexdigest()[:6]
        return Source(named, "named by GANLIB_FACES", f"{path.name.split('.')[0]}-{digest}")
    if use_kaggle:
        if not kaggle_credentials():
            raise GanlibError("use_kaggle=True, but there are no Kaggle credentials: create a token on your "
                              "kaggle.com settings page and save it as ~/.kaggle/kaggle.json, or set KAGGLE_USERNAME "
                              "and KAGGLE_KEY. Without: set GANLIB_FACES to an archive or folder, or use_kaggle=False.")
        return Source(KAGGLE_FACES, "use_kaggle is set and there are credentials", "anime-faces")
    why = "set GANLIB_FACES to an archive or folder for other faces"
    if kaggle_credentials():
        why = "there are Kaggle credentials: set use_kaggle=True for the real faces"
    return Source("synthetic", why, f"synthetic-{profile.faces}")


def kaggle_credentials():
    """Whether a Kaggle token is in the environment or where the kaggle client looks; asks no server."""
    if os.environ.get("KAGGLE_API_TOKEN") or {"KAGGLE_USERNAME", "KAGGLE_KEY"} <= os.environ.keys():
        return True
    folders = [os.environ.get("KAGGLE_CONFIG_DIR"), Path.home() / ".kaggle", Path.home() / ".config" / "kaggle"]
    return any((Path(f) / name).is_file() for f in folders if f for name in ("kaggle.json", "access_token"))


def pack_dir(source, size):
    """The folder of the pack that is made of a Source at a size."""
    if (Path(source.source) / "pack.json").is_file():
        return Path(source.source)
    return data_dir() / "packs" / f"{source.name}-{size}"


def get_pack(source, profile, size=64):
    """The pack of a Source: opened where it exists, brought back from Drive, or made as notebook 01 does."""
    path = pack_dir(source, size)
    kept = kept_dir() and kept_dir() / "packs" / path.name
    if not path.exists() and kept and kept.exists():
        part = path.with_name(f".{path.name}.part")
        shutil.rmtree(part, ignore_errors=True)
        shutil.copytree(kept, part)  # training reads from the local disk, never from Drive
        part.replace(path)
    if (path / "pack.json").exists():
        return load_pack(path)
    # faces are drawn at 32 pixels or more; `clean` makes them smaller
    return keep_pack(pack(clean(fetch(source.source, n=profile.faces, size=max(size, 32)), size=size), path))


def keep_pack(packed):
    """Copy a pack to the folder that outlives the session, if there is one. Returns the pack."""
    if kept_dir():
        kept = kept_dir() / "packs" / packed.path.name
        new = kept.with_name(f".{kept.name}.new")
        shutil.rmtree(new, ignore_errors=True)
        shutil.copytree(packed.path, new)
        shutil.rmtree(kept, ignore_errors=True)
        new.replace(kept)
    return packed


def run_dir(name, profile):
    """The folder of a run: under $GANLIB_KEEP where that is set, else under data/."""
    return (kept_dir() or data_dir()) / "runs" / profile.name / name


def mount_drive(folder="ganlib"):
    """On Colab: mount Google Drive and keep packs and runs in a folder of it from now on."""
    if not importlib.util.find_spec("google.colab"):
        raise GanlibError("There is no Google Drive here (this is not Colab): leave USE_DRIVE = False. "
                          "Runs stay on this disk; set GANLIB_KEEP to keep them in another folder.")
    from google.colab import drive
    drive.mount("/content/drive")
    os.environ["GANLIB_KEEP"] = f"/content/drive/MyDrive/{folder}"
