"""Fixtures of the tests of raw pictures."""
import pytest


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
