"""Google Drive, with a stand-in for Colab."""
import os

import pytest
from colab_stand_in import make_colab, settle

from ganlib.drive import faces_on_drive, is_on_drive, kept_on_drive, mount_drive, mount_for
from ganlib.errors import GanlibError


@pytest.fixture(autouse=True)
def nowhere(tmp_path, monkeypatch):
    settle(monkeypatch, tmp_path)
    monkeypatch.setattr("ganlib.drive.MOUNT", tmp_path / "drive")


@pytest.fixture
def colab(tmp_path, monkeypatch):
    return make_colab(monkeypatch, tmp_path)


@pytest.fixture
def mine(colab, tmp_path):
    """The folder ganlib of a Drive that is mounted."""
    mount_drive()
    (tmp_path / "drive" / "MyDrive" / "ganlib").mkdir()
    return tmp_path / "drive" / "MyDrive" / "ganlib"


def refused(call, *words):
    with pytest.raises(GanlibError) as error:
        call()
    text = str(error.value)
    assert "\n" not in text
    for word in words:
        assert word in text, text


def test_no_drive_outside_colab():
    refused(mount_drive, "this is not Colab", 'leave "drive" out', "keep=")
    refused(lambda: faces_on_drive("drive"), "this is not Colab")
    assert os.environ["GANLIB_KEEP"] == ""


def test_mounting_keeps_packs_and_runs_in_the_drive(colab, tmp_path):
    assert mount_drive() == tmp_path / "drive" / "MyDrive" / "ganlib"
    assert os.environ["GANLIB_KEEP"] == str(tmp_path / "drive" / "MyDrive" / "ganlib")
    mount_drive("school")
    assert os.environ["GANLIB_KEEP"] == str(tmp_path / "drive" / "MyDrive" / "school")
    assert colab.calls == [str(tmp_path / "drive")]  # it is mounted once


def test_a_drive_that_is_refused(colab):
    colab.refusal = ValueError("mount failed")
    refused(mount_drive, "was not mounted (mount failed)", "allow it", 'leave "drive" out')
    assert os.environ["GANLIB_KEEP"] == ""


def test_a_drive_without_my_drive(colab):
    colab.is_empty = True
    refused(mount_drive, "was not mounted (MyDrive is not in it)")


def test_the_only_archive_is_found(mine):
    (mine / "packs").mkdir()
    (mine / "notes.txt").write_text("x")
    (mine / "girls.tar.gz").write_text("x")
    assert faces_on_drive("drive") == mine / "girls.tar.gz"


@pytest.mark.parametrize("name", ["faces.zip", "faces.tar.gz", "faces"])
def test_what_is_called_faces_comes_before_other_archives(mine, name):
    (mine / "girls.zip").write_text("x")
    if name == "faces":
        (mine / name).mkdir()
    else:
        (mine / name).write_text("x")
    assert faces_on_drive("drive") == mine / name


@pytest.mark.parametrize("names", [("a.zip", "b.tar"), ("faces.zip", "faces.tar")])
def test_several_are_named(mine, names):
    for name in names:
        (mine / name).write_text("x")
    refused(lambda: faces_on_drive("drive"), "2 sets", *(f'"drive/ganlib/{name}"' for name in names))
    assert faces_on_drive(f"drive/ganlib/{names[0]}") == mine / names[0]


def test_none_says_what_to_put_where(colab, tmp_path):
    words = (f"no pictures in {tmp_path}", "put faces.zip", "drive/sub/path")
    refused(lambda: faces_on_drive("drive"), *words)
    (tmp_path / "drive" / "MyDrive" / "ganlib").mkdir()  # it was not there at all
    refused(lambda: faces_on_drive("drive"), *words)


def test_a_path_below_my_drive(mine):
    folder = mine.parent / "art" / "my faces"
    folder.mkdir(parents=True)
    assert faces_on_drive("drive/art/my faces") == folder
    refused(lambda: faces_on_drive("drive/art/my face"), "no art/my face", str(mine.parent),
            'Did you mean faces="drive/art/my faces"?')
    refused(lambda: faces_on_drive("drive/atr/x"), "no atr/x")
    refused(lambda: faces_on_drive("drive/atr"), 'faces="drive/art"?')


def test_a_folder_to_keep_in(colab, tmp_path):
    mine = tmp_path / "drive" / "MyDrive"
    assert kept_on_drive("drive") == kept_on_drive("drive/") == mine / "ganlib"
    assert kept_on_drive("drive/art/gan") == mine / "art" / "gan"
    assert not list(mine.iterdir()) and os.environ["GANLIB_KEEP"] == ""  # nothing is made or set


def test_words_that_mean_the_drive():
    for word in "drive", "drive/", "drive/sub":
        assert is_on_drive(word)
    for word in "./drive", "drives", "Drive", None:
        assert not is_on_drive(word)


def test_a_path_on_the_drive_mounts_it(colab, tmp_path):
    mount_for(tmp_path / "elsewhere")
    assert not colab.calls
    mount_for(tmp_path / "drive" / "MyDrive" / "x")
    assert colab.calls == [str(tmp_path / "drive")]
