"""Fixtures of the tests of raw pictures."""
import os
import sys
import time

import pytest
from kaggle_stand_in import BODY, KaggleStandIn
from raw_files import tree

KAGGLES = ("kaggle", "kagglehub", "kagglesdk")


@pytest.fixture
def data(tmp_path, monkeypatch):
    """Everything goes below tmp_path; returns the raw folder there."""
    monkeypatch.setenv("GANLIB_DATA", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "data" / "raw"


@pytest.fixture
def limit(monkeypatch):
    """Sets the most files and bytes that an archive may hold."""
    def limit(files=10**6, size=10**10):
        monkeypatch.setattr("ganlib.data.archives.MAX_FILES", files)
        monkeypatch.setattr("ganlib.data.archives.MAX_BYTES", size)
    return limit


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "raw"
    folder.mkdir()
    return folder


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A home without credentials, and the clients imported there: they read some of their settings then."""
    home = tmp_path_factory.mktemp("home")
    (home / "k").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.upper().startswith(("KAGGLE_", "XDG_"))]:
            patch.delenv(name)
        for name in [name for name in sys.modules if name.split(".")[0] in KAGGLES]:
            patch.delitem(sys.modules, name)
        for name, value in {"HOME": home, "USERPROFILE": home, "KAGGLE_CONFIG_DIR": home / "k",
                            "KAGGLE_API_ENVIRONMENT": "LOCALHOST"}.items():
            patch.setenv(name, str(value))
        yield home
        for name in [name for name in sys.modules if name.split(".")[0] in KAGGLES]:
            del sys.modules[name]
        assert not tree(home)


@pytest.fixture
def kaggle(home, monkeypatch):
    """A stand-in that holds BODY, and a user who has a valid key."""
    with KaggleStandIn(BODY) as server:
        login = {"KAGGLE_USERNAME": "someone", "KAGGLE_KEY": "secret"}
        for name, value in (server.environment() | login).items():
            monkeypatch.setenv(name, value)
        real_sleep = time.sleep
        monkeypatch.setattr(time, "sleep", lambda seconds: real_sleep(min(seconds, 0.01)))
        yield server
        (home / "k/kaggle.json").unlink(missing_ok=True)


@pytest.fixture
def public(kaggle, monkeypatch):
    """The same stand-in, whose set is public, and a user without an account."""
    monkeypatch.delenv("KAGGLE_USERNAME")
    monkeypatch.delenv("KAGGLE_KEY")
    kaggle.public = True
    return kaggle
