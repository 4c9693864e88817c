import os
import shutil

import pytest

from ganlib.data.folders import image_files
from ganlib.data.origins import MARKER, contents, listing, marker, origin_of


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "raw" / "sub").mkdir(parents=True)
    (tmp_path / "raw" / "a.png").write_bytes(b"a")
    (tmp_path / "raw" / "sub" / "b.png").write_bytes(b"b")
    return tmp_path / "raw"


def listed(folder):
    return listing(folder, image_files(folder))


def digested(folder):
    return contents(folder, image_files(folder))


def test_a_copy_has_the_same_contents_and_another_listing(folder, tmp_path):
    copy = shutil.copytree(folder, tmp_path / "copy")
    assert listed(copy) == listed(folder)  # copytree takes the dates along
    os.utime(copy / "a.png", (1, 1))
    assert listed(copy) != listed(folder) and digested(copy) == digested(folder)


@pytest.mark.parametrize("change", [
    lambda folder: (folder / "c.png").write_bytes(b"c"),
    lambda folder: (folder / "a.png").unlink(),
    lambda folder: (folder / "a.png").write_bytes(b"c"),
    lambda folder: (folder / "a.png").rename(folder / "c.png"),
    lambda folder: (folder / "labels.csv").touch(),
    lambda folder: (folder / os.fsdecode(b"\x8a.png")).touch(),
])
def test_a_change_shows(folder, change):
    before = listed(folder), digested(folder)
    change(folder)
    assert listed(folder) != before[0] and digested(folder) != before[1]


def test_what_is_no_picture_does_not_matter(folder, tmp_path):
    before = listed(folder), digested(folder)
    (folder / ".DS_Store").touch()
    (folder / "README.txt").write_text("mine")
    (folder / "sub" / "labels.csv").write_text("file,hair\n")  # not the one that is used
    (folder / "sub" / "all.zip").write_bytes(b"PK")
    (tmp_path / "beside.png").write_bytes(b"c")
    (folder / "above").symlink_to(tmp_path)  # never followed
    (folder / "sub" / "up").symlink_to(folder)
    (folder / "nowhere").symlink_to(folder / "none")
    for name in "pipe", "pipe.png":
        os.mkfifo(folder / name)
    assert (listed(folder), digested(folder)) == before


def test_where_a_folder_is_from(folder):
    files = image_files(folder)
    origin = origin_of(folder, files)
    assert (origin["source"], origin["identity"], origin["labels_file"]) == (str(folder), "", "")
    (folder / "labels.csv").touch()
    (folder / MARKER).write_text('{"source": "kaggle:a/b", "n": 1}')
    one = origin_of(folder, files)
    (folder / MARKER).write_text('{"source": "kaggle:a/b", "n": 2}')
    two = origin_of(folder, files)
    assert one["labels_file"] == "labels.csv"
    assert one["source"] == two["source"] == "kaggle:a/b" and one["identity"] != two["identity"]


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", "\xff"])
def test_a_marker_that_is_damaged_counts_as_none(folder, text):
    (folder / MARKER).write_text(text, encoding="latin-1")
    assert marker(folder) is None
