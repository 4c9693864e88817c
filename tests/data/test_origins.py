import os
import shutil

import pytest

from ganlib.data.origins import MARKER, contents, listing, marker, origin_of


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "raw" / "sub").mkdir(parents=True)
    (tmp_path / "raw" / "a.png").write_bytes(b"a")
    (tmp_path / "raw" / "sub" / "b.png").write_bytes(b"b")
    return tmp_path / "raw"


def test_a_copy_has_the_same_contents_and_another_listing(folder, tmp_path):
    copy = shutil.copytree(folder, tmp_path / "copy")
    assert listing(copy) == listing(folder)  # copytree takes the dates along
    os.utime(copy / "a.png", (1, 1))
    assert listing(copy) != listing(folder) and contents(copy) == contents(folder)


@pytest.mark.parametrize("change", [
    lambda folder: (folder / "c.png").write_bytes(b"c"),
    lambda folder: (folder / "a.png").unlink(),
    lambda folder: (folder / "a.png").write_bytes(b"c"),
    lambda folder: (folder / "a.png").rename(folder / "c.png"),
    lambda folder: (folder / "labels.csv").touch(),
    lambda folder: (folder / os.fsdecode(b"\x8a.png")).touch(),
])
def test_a_change_shows(folder, change):
    before = listing(folder), contents(folder)
    change(folder)
    assert listing(folder) != before[0] and contents(folder) != before[1]


def test_hidden_files_links_in_a_circle_and_pipes_do_not_matter(folder):
    before = listing(folder), contents(folder)
    (folder / ".DS_Store").touch()
    (folder / "sub" / "up").symlink_to(folder)
    (folder / "nowhere").symlink_to(folder / "none")
    os.mkfifo(folder / "pipe")
    assert (listing(folder), contents(folder)) == before


def test_where_a_folder_is_from(folder):
    assert origin_of(folder)["source"] == str(folder) and origin_of(folder)["identity"] == ""
    (folder / MARKER).write_text('{"source": "kaggle:a/b", "n": 1}')
    one = origin_of(folder)
    (folder / MARKER).write_text('{"source": "kaggle:a/b", "n": 2}')
    two = origin_of(folder)
    assert one["source"] == two["source"] == "kaggle:a/b" and one["identity"] != two["identity"]


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", "\xff"])
def test_a_marker_that_is_damaged_counts_as_none(folder, text):
    (folder / MARKER).write_text(text, encoding="latin-1")
    assert marker(folder) is None
