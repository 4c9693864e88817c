"""A stand-in for google.colab: a package on the path whose drive.mount makes a folder, or refuses to."""
import sys

MODULE = '''
"""What Colab has there, as far as mounting goes."""
from pathlib import Path

calls = []
refusal = None  # what mount raises
is_empty = False  # whether a mounted Drive lacks MyDrive


def mount(mountpoint):
    calls.append(mountpoint)
    if refusal:
        raise refusal
    Path(mountpoint).mkdir(parents=True)
    if not is_empty:
        (Path(mountpoint) / "MyDrive").mkdir()
'''


def make_colab(monkeypatch, folder):
    """Let this be Colab, whose Drive is mounted below `folder`. Returns the module google.colab.drive."""
    package = folder / "colab" / "google" / "colab"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "drive.py").write_text(MODULE)
    for name in ("google", "google.colab", "google.colab.drive"):
        monkeypatch.setitem(sys.modules, name, None)  # after the test it is as it was
        del sys.modules[name]
    monkeypatch.syspath_prepend(str(folder / "colab"))
    monkeypatch.setattr("ganlib.drive.MOUNT", folder / "drive")
    from google.colab import drive
    return drive


def settle(monkeypatch, folder):
    """Nobody's settings and nobody's home: everything of ganlib goes below `folder`."""
    for name in ("GANLIB_FACES", "GANLIB_PROFILE", "KAGGLE_API_TOKEN", "KAGGLE_USERNAME", "KAGGLE_KEY",
                 "KAGGLE_CONFIG_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GANLIB_KEEP", "")  # `start` sets it: it is put back after the test
    monkeypatch.setenv("HOME", str(folder / "home"))
    monkeypatch.setenv("GANLIB_DATA", str(folder / "data"))
    monkeypatch.setenv("KAGGLE_CACHE_MOUNT_FOLDER", str(folder / "input"))
