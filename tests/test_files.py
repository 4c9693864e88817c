"""Writing files and folders: all or nothing."""
import errno
import os
from pathlib import Path

import pytest

from ganlib.errors import GanlibError
from ganlib.files import (
    SIGNATURES,
    check_replaceable,
    copy_folder,
    data_dir,
    kept_dir,
    mend_folder,
    replaced_folder,
    told_apart,
    write_atomic,
)


def test_bytes_come_whole_or_in_pieces(tmp_path):
    pieces = (bytes([i]) * 3 for i in range(4))
    for name, data in (("pieces", pieces), ("view", memoryview(b"seen")), ("bytes", b"whole")):
        write_atomic(tmp_path / name, data, durable=False)
    found = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert found == {"pieces": b"\0\0\0\1\1\1\2\2\2\3\3\3", "view": b"seen", "bytes": b"whole"}


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


@pytest.fixture
def folder(tmp_path):
    """A folder with a file of the text "old"."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "a").write_text("old")
    return tmp_path / "folder"


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_folder_is_replaced_as_a_whole(folder):
    with replaced_folder(folder) as new:
        (new / "b").write_text("new")
        assert (folder / "a").read_text() == "old"
    assert names(folder) == ["b"] and names(folder.parent) == ["folder"]
    with replaced_folder(folder.parent / "deep" / "other") as new:
        (new / "c").touch()
    assert names(folder.parent / "deep") == ["other"]


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt, GanlibError])
def test_a_folder_stays_where_its_successor_fails(folder, error):
    with pytest.raises(error), replaced_folder(folder) as new:
        (new / "b").write_text("new")
        raise error()
    assert names(folder) == ["a"] and names(folder.parent) == ["folder"]


@pytest.mark.parametrize("moves", [0, 1])
def test_a_folder_stays_where_a_rename_fails(folder, monkeypatch, moves):
    rename = os.replace
    calls = []

    def fails_once(old, new):
        calls.append(new)
        if len(calls) == moves + 1:
            raise PermissionError(errno.EACCES, "Permission denied")
        rename(old, new)

    monkeypatch.setattr(os, "replace", fails_once)
    with pytest.raises(PermissionError), replaced_folder(folder):
        pass
    assert names(folder) == ["a"] and names(folder.parent) == ["folder"]


def test_a_death_between_the_renames_is_mended(folder):
    folder.rename(folder.with_name(".folder.old"))
    folder.with_name(".folder.new").mkdir()
    mend_folder(folder)
    assert names(folder) == ["a"]
    with replaced_folder(folder) as new:
        assert names(new) == []  # what the dead one left is gone
    assert names(folder.parent) == ["folder"]


def test_a_copy_takes_the_place_of_what_was_there(folder, tmp_path):
    (folder / "deep" / "er").mkdir(parents=True)
    (folder / "deep" / "er" / "b").write_text("b")
    target = tmp_path / "copy"
    target.mkdir()
    (target / "stale").touch()
    copy_folder(folder, target)
    assert names(target) == ["a", "deep"] and (target / "deep" / "er" / "b").read_text() == "b"


def test_data_dir_is_the_variable_then_the_repository_then_here(tmp_path, monkeypatch):
    monkeypatch.setenv("GANLIB_DATA", str(tmp_path / "data"))
    assert data_dir() == tmp_path / "data"
    monkeypatch.delenv("GANLIB_DATA")
    package = tmp_path / "checkout" / "ganlib"
    monkeypatch.setattr("ganlib.files.__file__", str(package / "files.py"))
    assert data_dir() == Path("data")
    package.mkdir(parents=True)
    (package.parent / "pyproject.toml").touch()
    assert data_dir() == tmp_path / "checkout" / "data"


# -- what an export may replace


@pytest.mark.parametrize("name", ["thesis.tex", "notes", "a.txt", "x.npz", "generator.safetensors"])
def test_files_that_ganlib_does_not_export_are_never_replaced(tmp_path, name):
    (tmp_path / name).write_bytes(b"what someone wrote")
    with pytest.raises(GanlibError, match=f"{name} is there already, and .*: choose another name"):
        check_replaceable(tmp_path / name)


@pytest.mark.parametrize("content", [
    b'{"recipe": {}, "engine": {}}',  # the config of a run
    b'{"rows": []}',
    b'["about", "rows"]',
    b'{"about": {}, "rows": [',
    b"\xff\xfe",
    b"[" * 100_000,
])
def test_json_that_is_no_table_is_never_replaced(tmp_path, content):
    (tmp_path / "x.json").write_bytes(content)
    with pytest.raises(GanlibError, match="it is no table of `ganlib evaluate`"):
        check_replaceable(tmp_path / "x.json")


def test_tables_and_files_of_the_right_kind_may_be_replaced(tmp_path):
    (tmp_path / "x.json").write_text('{"about": {}, "rows": []}')
    check_replaceable(tmp_path / "x.json")
    for suffix, (start, signature) in SIGNATURES.items():
        for name in (f"x{suffix}", f"X{suffix.upper()}"):
            (tmp_path / name).write_bytes(bytes(start) + signature + b"...")
            check_replaceable(tmp_path / name)
        (tmp_path / f"x{suffix}").write_bytes(b"what someone wrote")
        with pytest.raises(GanlibError, match=f"in spite of its name it is no {suffix[1:]} file"):
            check_replaceable(tmp_path / f"x{suffix}")


@pytest.mark.parametrize("name", ["x.png", "x.json", "x.tex", "x"])
def test_an_empty_file_may_be_replaced(tmp_path, name):
    check_replaceable(tmp_path / name)  # nothing is there
    (tmp_path / name).touch()  # as mktemp makes one
    check_replaceable(tmp_path / name)
    check_replaceable(tmp_path / name, lambda path: "it is a letter")


def test_what_else_speaks_against_replacing_a_file(tmp_path):
    (tmp_path / "x.png").write_bytes(b"Dear Anna")
    check_replaceable(tmp_path / "x.png", lambda path: "")
    with pytest.raises(GanlibError, match="x.png is there already, and it is a letter: choose another name"):
        check_replaceable(tmp_path / "x.png", lambda path: "it is a letter")


def test_paths_are_told_apart_by_as_few_folders_as_it_takes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert told_apart([]) == []
    assert told_apart(["runs/a", "runs/b"]) == ["a", "b"]
    assert told_apart(["one/a", "two/a", "b"]) == ["one/a", "two/a", f"{tmp_path.name}/b"]
    assert told_apart(["a", "./a"]) == ["a", "a"]  # one path
    assert told_apart(["a", "sub/a"]) == [f"{tmp_path.name}/a", "sub/a"]


@pytest.mark.parametrize("name, folder", [("GANLIB_DATA", data_dir), ("GANLIB_KEEP", kept_dir)])
def test_a_home_that_nobody_has_is_taken_as_it_is(name, folder, monkeypatch):
    monkeypatch.setenv(name, "~nobody-of-this-name/faces")
    assert folder() == Path("~nobody-of-this-name/faces")  # whoever writes there is told
