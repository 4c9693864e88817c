"""Writing files: all or nothing."""
import errno
import os

import pytest

from ganlib.errors import GanlibError
from ganlib.files import write_atomic


def test_a_parent_that_is_a_file(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(GanlibError, match="Could not write.*another folder"):
        write_atomic(tmp_path / "file" / "x", b"data")


def test_a_full_disk_leaves_what_was_there(tmp_path, monkeypatch):
    path = tmp_path / "file"
    write_atomic(path, b"old")

    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(GanlibError, match="no space left"):
        write_atomic(path, b"new")
    assert path.read_bytes() == b"old" and [p.name for p in tmp_path.iterdir()] == ["file"]
