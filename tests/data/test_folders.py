"""Which files of a folder are taken, and what is said of the rest."""
import os
import socket
from pathlib import Path

import pytest
from PIL import features
from raw_files import clean_quietly, make_zip, png, portrait, reasons, whole_tree

from ganlib.data.folders import image_files, look_through, not_taken
from ganlib.errors import GanlibError


def fill(folder, *names):
    """Write a small picture under each name."""
    for number, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(png(number))


def test_pictures_are_found_in_order_at_any_depth(folder):
    fill(folder, "b.png", "a/deep/c.JPG", "a.webp")
    assert image_files(folder) == ["a.webp", "a/deep/c.JPG", "b.png"]


def test_hidden_files_are_passed_over_and_hidden_parents_are_not(tmp_path):
    folder = tmp_path / ".cache" / "raw"
    fill(folder, "a.png", ".thumbnails/b.png", ".hidden.png", "__MACOSX/._a.png")
    files, passed_over = look_through(folder)
    assert files == ["a.png"]
    assert passed_over == [(".hidden.png", "hidden"), (".thumbnails", "hidden"), ("__MACOSX", "hidden")]


@pytest.mark.parametrize("name", [
    "without", "a.jpg_large", "b.jpeg!d", "photo.001", "README", "x.dat", "y.PNG "])
def test_a_picture_is_taken_by_its_content(folder, name):
    portrait(1).save(folder / name, format="JPEG")
    assert reasons(clean_quietly(folder)) == {name: ""}


@pytest.mark.skipif(not features.check("avif"), reason="this Pillow reads no AVIF")
def test_avif_is_taken(folder):
    portrait(1).save(folder / "a.avif")
    assert reasons(clean_quietly(folder)) == {"a.avif": ""}


def test_a_picture_that_is_damaged_after_its_beginning_has_a_row(folder):
    (folder / "without").write_bytes(png()[:40])
    assert reasons(clean_quietly(folder)) == {"without": "unreadable"}


def test_what_is_no_picture_is_counted(folder):
    fill(folder, "a.png", "list.txt", "more.csv")  # these two are never looked into
    make_zip(folder / "inside.zip")
    (folder / "movie.heic").write_bytes(b"\0\0\0\x18ftypheic")
    (folder / "empty").touch()
    files, passed_over = look_through(folder)
    assert files == ["a.png"]
    assert dict(passed_over) == {
        "empty": "no picture that can be read, without suffix",
        "inside.zip": "archive inside, to be unpacked first",
        "list.txt": "no picture that can be read, .txt",
        "more.csv": "no picture that can be read, .csv",
        "movie.heic": "no picture that can be read, .heic"}


def test_what_is_passed_over_is_one_line():
    assert not_taken([]) == ""
    many = [(f"{i}.heic", "no picture that can be read, .heic") for i in range(2_000)]
    line = not_taken([(".git", "hidden"), *many])
    assert line == ("Not taken: no picture that can be read, .heic: 2,000 (0.heic, 1.heic, ...); "
                    "hidden: 1 (.git).")


def test_the_labels_are_not_passed_over(folder):
    fill(folder, "a.png")
    (folder / "labels.csv").write_text("file,hair\na.png,red\n")
    assert look_through(folder) == (["a.png"], [])


def test_labels_that_are_not_used_are_passed_over(folder):
    fill(folder, "x/a.png", "y/b.png")
    for name in "x/labels.csv", "more.csv":
        (folder / name).write_text("file,hair\nx/a.png,red\n")
    unused = ("x/labels.csv", "labels.csv that is not used")
    assert unused in look_through(folder)[1]
    (folder / "labels.csv").write_text("file,hair\nx/a.png,blue\n")
    report = clean_quietly(folder)
    assert report.attributes == {"hair": ["blue"]} and unused in report.passed_over
    report = clean_quietly(folder, labels=folder / "more.csv")
    assert ("labels.csv", "labels.csv that is not used") in report.passed_over


# -- links


def test_linked_folders_and_files_are_followed(folder, tmp_path):
    fill(tmp_path, "elsewhere/1.png", "elsewhere/deep/2.png", "single.png")
    fill(folder, "own/0.png")
    (folder / "more").symlink_to(tmp_path / "elsewhere")
    (folder / "one.png").symlink_to(tmp_path / "single.png")
    assert look_through(folder) == (["more/1.png", "more/deep/2.png", "one.png", "own/0.png"], [])


def test_a_folder_of_links_only_is_no_empty_one(folder, tmp_path):
    fill(tmp_path, "elsewhere/1.png")
    (folder / "more").symlink_to(tmp_path / "elsewhere")
    assert image_files(folder) == ["more/1.png"]


def test_the_folder_itself_may_be_a_link(folder, tmp_path):
    fill(folder, "a/1.png")
    (tmp_path / "link").symlink_to(folder)
    assert image_files(tmp_path / "link") == ["a/1.png"]


def test_links_that_lead_back_end(folder, tmp_path):
    fill(folder, "a/1.png")
    (folder / "a" / "loop").symlink_to(folder / "a")
    (folder / "root").symlink_to(folder)
    (folder / "up").symlink_to(tmp_path)
    (folder / "everything").symlink_to("/")
    files, passed_over = look_through(folder)
    assert files == ["a/1.png"]
    assert dict(passed_over) == {
        "a/loop": "linked folder that is taken already",
        "root": "linked folder that leads back up",
        "up": "linked folder that leads back up",
        "everything": "linked folder that leads back up"}


def test_links_to_one_folder_give_its_pictures_once(folder, tmp_path):
    fill(tmp_path, "x/1.png", "x/deep/2.png")
    for name in ("a", "b"):
        (folder / name).symlink_to(tmp_path / "x")
    (folder / "c").symlink_to(tmp_path / "x" / "deep")
    files, passed_over = look_through(folder)
    assert files == ["a/1.png", "a/deep/2.png"]
    assert [name for name, _ in passed_over] == ["b", "c"]


def test_a_link_above_one_that_was_followed_gives_the_rest(folder, tmp_path):
    fill(tmp_path, "x/1.png", "x/deep/2.png")
    (folder / "a").symlink_to(tmp_path / "x" / "deep")
    (folder / "b").symlink_to(tmp_path / "x")
    assert image_files(folder) == ["a/2.png", "b/1.png"]


def test_links_to_nothing(folder):
    fill(folder, "a.png")
    (folder / "gone.png").symlink_to(folder / "nowhere.png")
    (folder / "gone").symlink_to(folder / "nowhere")
    (folder / "itself").symlink_to(folder / "itself")
    files, passed_over = look_through(folder)
    assert files == ["a.png", "gone.png"]  # which has a row, and a reason there
    assert [name for name, _ in passed_over] == ["gone", "itself"]
    assert all(why.startswith("file that cannot be read") for _, why in passed_over)


# -- what cannot be read


@pytest.fixture
def forbid(monkeypatch):
    """Makes folders and files unreadable, for root as well: their modes do not bind it."""
    locked = set()
    scandir, real_open = os.scandir, open

    def guarded(function):
        def call(path, *rest, **options):
            if isinstance(path, (str, Path)) and Path(path) in locked:
                raise PermissionError(13, "Permission denied", os.fspath(path))
            return function(path, *rest, **options)
        return call

    monkeypatch.setattr(os, "scandir", guarded(scandir))
    monkeypatch.setattr("ganlib.data.folders.open", guarded(real_open), raising=False)
    return locked.add


def test_a_folder_that_cannot_be_read_is_named(folder, forbid):
    fill(folder, "a/1.png", "b/2.png")
    forbid(folder / "b")
    assert look_through(folder) == (["a/1.png"], [("b", "folder that cannot be read, Permission denied")])
    assert "Not taken: folder that cannot be read, Permission denied: 1 (b)." in str(clean_quietly(folder))


def test_an_error_says_what_was_passed_over(folder, forbid):
    fill(folder, "b/2.png")
    forbid(folder / "b")
    with pytest.raises(GanlibError, match=r"holds no image files .* Permission denied: 1 \(b\)"):
        image_files(folder)


def test_a_file_without_suffix_that_cannot_be_read_is_named(folder, forbid):
    fill(folder, "a.png", "without")
    forbid(folder / "without")
    assert look_through(folder)[1] == [("without", "file that cannot be read, Permission denied")]


def test_pipes_and_sockets_are_not_waited_for(folder, monkeypatch):
    fill(folder, "a.png")
    os.mkfifo(folder / "pipe")
    os.mkfifo(folder / "pipe.png")
    monkeypatch.chdir(folder)  # a socket's path must be short
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket")
        report = clean_quietly(folder)
    assert reasons(report)["pipe.png"] == "empty"
    assert [name for name, _ in report.passed_over] == ["pipe", "socket"]


# -- names that are no UTF-8, or odd


@pytest.mark.parametrize("raw", [b"\x8a\xe7.png", b"a\nb.png", b"\x83\\.png", b"CON.png", b"12:30.png",
                                 b"dot..png", b"\xff/1.png", b"x" * 251 + b".png"])
def test_odd_names_are_kept(folder, raw):
    path = os.path.join(os.fsencode(folder), raw)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        portrait(1).save(file, "PNG")
    assert [os.fsencode(name) for name in image_files(folder)] == [raw]
    report = clean_quietly(folder)
    assert report.summary() == {"kept": 1}
    str(report).encode()
    report.rows[0].file.encode()  # can be written


def test_a_folder_that_cannot_be_written_to_is_enough(folder, tmp_path):
    """As below /kaggle/input: nothing is written into it, so nothing changes."""
    fill(folder, "a/1.png")
    before = whole_tree(tmp_path)
    clean_quietly(folder)
    assert whole_tree(tmp_path) == before
