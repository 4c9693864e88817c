"""Which images are taken, where things are kept, and what the next notebook knows of it."""
import json
import os
import shutil
import tarfile
import zipfile
from pathlib import Path

import pytest
from colab_stand_in import make_colab, settle
from helpers import make_pack, make_report, random_images

from ganlib.choice import find_keep, newest_pack, pick_source, recall, remember, use_keep
from ganlib.data.packs import pack
from ganlib.errors import GanlibError
from ganlib.files import data_dir, kept_dir
from ganlib.presets import Profile

CPU, GPU, SMOKE = Profile("cpu", "", 60), Profile("colab", "", 90), Profile("smoke", "", 8)


@pytest.fixture(autouse=True)
def nowhere(tmp_path, monkeypatch):
    settle(monkeypatch, tmp_path)
    monkeypatch.setattr("ganlib.drive.MOUNT", tmp_path / "drive")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")


def zip_of(path, *names):
    """An archive with a picture, of which nothing is read but that it is one."""
    with zipfile.ZipFile(path, "w") as out:
        for name in names or ("a.png",):
            out.writestr(name, b"\x89PNG\r\n\x1a\n")
    return path


@pytest.fixture
def archive(tmp_path):
    return zip_of(tmp_path / "here" / "faces.zip")


def choose_keep(keep):
    """What `start` does about keep=, where the faces are right."""
    use_keep(find_keep(keep))


def refused(faces, *words):
    """The GanlibError of a choice, which is on one line and has these words in it."""
    with pytest.raises(GanlibError) as error:
        pick_source(CPU, faces)
    text = str(error.value)
    assert "\n" not in text
    for word in words:
        assert word in text, text
    return text


# -- which images


def test_drawn_faces_without_anything_else():
    source = pick_source(CPU)
    assert source.source == "synthetic" and source.name == "synthetic-60"
    assert "drawn by this program" in str(source) and "kaggle:owner/name" in str(source)


def test_with_a_gpu_real_ones_are_one_word_away():
    assert 'one word away: faces="kaggle:soumikrakshit/anime-faces"' in str(pick_source(GPU))
    assert "one word away" in str(pick_source(GPU, "synthetic"))
    assert "one word away" not in str(pick_source(CPU))


def test_attached_data_is_offered(tmp_path):
    folder = tmp_path / "input" / "girls"
    folder.mkdir(parents=True)
    (folder / "a.png").write_bytes(b"\x89PNG")
    for profile in (CPU, GPU):
        assert f'attached here: faces="{folder}"' in str(pick_source(profile))
    assert pick_source(CPU, str(folder)).source == str(folder)
    assert "attached" not in str(pick_source(SMOKE))


def test_an_attached_kaggle_set_is_told(tmp_path):
    name = pick_source(CPU, "kaggle:someone/girls").name
    folder = tmp_path / "input" / "datasets" / "someone" / "girls"
    folder.mkdir(parents=True)
    refused("kaggle:someone/girls", f"faces='kaggle:someone/girls': {folder} is empty")
    (folder / "a.png").write_bytes(b"\x89PNG")
    source = pick_source(CPU, "kaggle:someone/girls")
    assert source.name == name and f"attached here as {folder}" in str(source)


def test_what_ganlib_faces_names_comes_first(monkeypatch, archive, tmp_path):
    monkeypatch.setenv("GANLIB_FACES", str(archive))
    source = pick_source(CPU, "kaggle:someone/faces")
    assert source.source == str(archive) and source.name.startswith("faces-")
    assert "named by GANLIB_FACES" in str(source)
    other = tmp_path / "faces.zip"
    shutil.copy(archive, other)
    monkeypatch.setenv("GANLIB_FACES", str(other))
    assert pick_source(CPU).name != source.name
    monkeypatch.setenv("GANLIB_FACES", "faces.zpi")
    with pytest.raises(GanlibError, match="GANLIB_FACES='faces.zpi'.*did you mean faces.zip"):
        pick_source(CPU)


def test_smoke_is_always_synthetic(monkeypatch):
    monkeypatch.setenv("GANLIB_FACES", "/faces.zip")
    assert pick_source(SMOKE, "kaggle:someone/faces").source == "synthetic"


def test_a_relative_path_and_a_home_become_absolute(archive, tmp_path):
    (tmp_path / "home" / "mine").mkdir(parents=True)
    (tmp_path / "home" / "mine" / "a.png").write_bytes(b"\x89PNG")
    assert pick_source(CPU, "faces.zip").source == pick_source(CPU, Path("faces.zip")).source == str(archive)
    assert pick_source(CPU, "~/mine").source == str(tmp_path / "home" / "mine")


def test_the_name_of_a_folder_is_no_word(tmp_path):
    (tmp_path / "here" / "drive").mkdir()
    (tmp_path / "here" / "drive" / "a.png").write_bytes(b"\x89PNG")
    assert pick_source(CPU, "./drive").source == str(tmp_path / "here" / "drive")
    refused("drive", "not Colab")


# -- bad input


@pytest.mark.parametrize("faces", [None, "", "  ", 7, 0.5, [], True, b"faces.zip", "a\0b"])
def test_no_choice(faces):
    refused(faces, f"faces={faces!r} is no choice", "synthetic", "kaggle:owner/name", '"drive"')


@pytest.mark.parametrize("faces, meant", [
    ("synthetc", "synthetic"), ("Synthetic", "synthetic"), ("drvie", "drive"), ("as befor", "as before"),
    ("Drive/art", "drive/art"), ("drvie/art", "drive/art"),
])
def test_a_word_that_is_misspelt(faces, meant, tmp_path):
    refused(faces, repr(faces), f"in {tmp_path / 'here'}, where this runs", f"did you mean '{meant}'?")


def test_a_file_that_is_not_there(archive, tmp_path):
    here = tmp_path / "here"
    refused("faces.zpi", f"faces='faces.zpi' not found in {here}, where this runs: did you mean faces.zip?")
    refused(str(here / "face.zip"), f"not found: did you mean {archive}? Expected the path of an archive")
    refused("../her/faces.zip", f"in {here}, where this runs (there is no ../her)", "did you mean ../here?")
    refused(str(here)[1:], f"where this runs (there is no {here.parts[1]}): did you mean {here}?")
    text = refused("/nowhere/at/all", "not found (there is no /nowhere). Expected the path of an archive")
    assert "where this runs" not in text


def test_a_kaggle_path_that_is_not_there(tmp_path):
    for name in ("anime-faces", "wild-faces"):
        (tmp_path / "input" / name).mkdir(parents=True)
    inputs = tmp_path / "input"
    refused(f"{inputs}/anime-face", f"not found: did you mean {inputs}/anime-faces?")
    refused("someone/anime-faces", "did you mean kaggle:someone/anime-faces?")
    refused("kaggle:anime-faces", "faces='kaggle:anime-faces' names no Kaggle data set", "kaggle:owner/name")
    refused("kaggle:a/b/c", "names no Kaggle data set")


def test_an_address_is_none():
    refused("https://example.com/faces.zip", "is an address, and none can be given.", "Download the file",
            "the path of an archive")
    refused("https://www.kaggle.com/datasets/someone/faces", "did you mean kaggle:someone/faces?")
    refused("https://drive.google.com/file/d/1", "is an address", 'faces="drive/sub/path"')


def test_an_empty_folder(tmp_path):
    (tmp_path / "here" / "mine").mkdir()
    refused("mine", "faces='mine' is empty: put pictures into this folder")


# -- what can never work


def test_a_file_that_is_no_archive_with_pictures(tmp_path):
    here = tmp_path / "here"
    (here / "notes.zip").write_text("my notes")
    refused("notes.zip", "faces='notes.zip' is no archive: it begins with", "Expected the path of an archive")
    (here / "nothing.zip").touch()
    refused("nothing.zip", "is no archive: it is empty")
    (here / "one.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    refused("one.png", "is no archive: it is a single picture")
    zip_of(here / "texts.zip", "a.txt", ".hidden.png", "__MACOSX/a.png")
    refused("texts.zip", "holds no image files", "hidden: 2")
    whole = zip_of(here / "whole.zip", "a.png").read_bytes()
    (here / "cut.zip").write_bytes(whole[:-10])
    refused("cut.zip", "faces='cut.zip' is cut short, damaged or encrypted", "get it anew")
    with tarfile.open(here / "none.tar.gz", "w:gz"):
        pass
    refused("none.tar.gz", "holds no image files")


def test_an_archive_is_opened_but_not_unpacked(tmp_path):
    zip_of(tmp_path / "here" / "mine.zip", "read.me", "deep/picture")  # known by how it begins
    with tarfile.open(tmp_path / "here" / "mine.tgz", "w:gz") as out:
        out.add(zip_of(tmp_path / "here" / "other.zip"), "labels.csv")
        (tmp_path / "here" / "b").write_bytes(b"\xff\xd8\xff" + bytes(50))
        out.add(tmp_path / "here" / "b", "b.jpeg")
    for name in ("mine.zip", "mine.tgz"):
        assert pick_source(CPU, name).source == str(tmp_path / "here" / name)
    assert not data_dir().exists()


def test_a_long_list_of_other_files_ends_the_look(tmp_path, monkeypatch):
    for module in ("archives", "sources"):
        monkeypatch.setattr(f"ganlib.data.{module}.GLANCED_AT", 3)
    names = [f"{i}.txt" for i in range(5)]
    zip_of(tmp_path / "here" / "many.zip", *names, "z.png")
    refused("many.zip", "no picture among its first 3 files", "give the folder")
    folder = tmp_path / "here" / "many"
    folder.mkdir()
    for name in names:
        (folder / name).touch()
    (folder / "z").mkdir()
    (folder / "z" / "a.png").touch()
    refused("many", "faces='many' has no picture among its first 3 files", "name the folder in it")
    assert pick_source(CPU, "many/z").source == str(folder / "z")


def test_a_folder_without_pictures(tmp_path):
    folder = tmp_path / "here" / "mine"
    (folder / "deep").mkdir(parents=True)
    (folder / "notes.txt").write_text("x")
    (folder / ".a.png").write_bytes(b"x")
    refused("mine", "faces='mine' holds no image files", "hidden: 1 (.a.png)")
    zip_of(folder / "mine.zip")
    refused("mine", "did you mean mine/mine.zip?")
    (folder / "deep" / "picture").write_bytes(b"\x89PNG\r\n\x1a\n")
    assert pick_source(CPU, "mine").source == str(folder)


def test_a_whole_disk_or_home_is_too_much(tmp_path):
    (tmp_path / "home" / "faces").mkdir(parents=True)
    (tmp_path / "home" / "a.png").touch()
    (tmp_path / "home" / "faces" / "a.png").touch()
    for faces in ("/", "~", str(tmp_path)):
        refused(faces, "is your home folder, or has it inside", "name the folder")
    assert pick_source(CPU, "~/faces").source == str(tmp_path / "home" / "faces")


def test_a_folder_that_cannot_be_read(tmp_path, monkeypatch):
    """As one of mode 000 is for all but root."""
    folder = tmp_path / "here" / "locked"
    folder.mkdir()
    (folder / "a.png").touch()

    def forbidden(path="."):
        raise PermissionError(13, "Permission denied", str(path))

    with monkeypatch.context() as patch:
        for name in ("scandir", "listdir"):
            patch.setattr(os, name, forbidden)
        refused("locked", "faces='locked' cannot be read (Permission denied): mend that, or name another.")
        refused("locked/x/y", "not found in", "(there is no locked/x)")


def test_an_archive_that_cannot_be_read(archive, monkeypatch):
    def forbidden(path, mode="r"):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("ganlib.data.archives.open", forbidden, raising=False)
    refused("faces.zip", "faces='faces.zip' cannot be read (Permission denied)")


def test_a_user_that_is_not_there():
    refused("~nobody-of-that-name/x", "faces='~nobody-of-that-name/x' not found")


def test_the_very_same_thing_is_not_offered(archive, tmp_path):
    here = tmp_path / "here"
    (here / "gone.zip").symlink_to(here / "elsewhere.zip")
    texts = [refused("gone.zip", f"is a link to {here}/elsewhere.zip, which is not there: mend the link.")]
    os.mkfifo(here / "pipe")
    texts += [refused("pipe", "faces='pipe' is neither a file nor a folder.")]
    texts += [refused("/dev/null", "faces='/dev/null' is neither a file nor a folder.")]
    texts += [refused("faces.zip/a", "not found: faces.zip is a file, not a folder.")]
    (here / "mine").mkdir()
    texts += [refused("mine/sub", "faces='mine/sub' not found")]
    assert not [text for text in texts if "did you mean" in text]


@pytest.mark.parametrize("faces", [
    "kaggle:https://www.kaggle.com/datasets/Someone/girls", "kaggle:datasets/Someone/girls",
    "kaggle:Someone/girls/", "kaggle: Someone/girls ", "Kaggle:kaggle.com/Someone/girls?select=a.png",
])
def test_other_ways_to_write_a_kaggle_set(faces):
    source = pick_source(CPU, faces)
    assert (source.source, source.name) == ("kaggle:Someone/girls", "someone.girls")
    assert pick_source(CPU, faces.replace("girls", "girls/versions/3", 1)).source == "kaggle:Someone/girls/3"


def test_other_pages_of_kaggle():
    text = refused("kaggle:https://www.kaggle.com/code/someone/notebook", "names no Kaggle data set")
    assert "Did you mean" not in text
    page = "kaggle:https://www.kaggle.com/datasets/someone/girls/data"
    refused(page, 'Did you mean "kaggle:someone/girls"?')


# -- kept


def test_keep_is_a_folder(tmp_path, monkeypatch):
    choose_keep("kept/here")
    assert kept_dir() == tmp_path / "here" / "kept" / "here" and not list(kept_dir().iterdir())
    choose_keep(tmp_path / "other")
    assert kept_dir() == tmp_path / "other"
    choose_keep("")  # as it is
    assert kept_dir() == tmp_path / "other"
    choose_keep("no")
    assert kept_dir() is None


def test_keep_in_the_drive(tmp_path, monkeypatch):
    with pytest.raises(GanlibError, match="not Colab"):
        choose_keep("drive")
    make_colab(monkeypatch, tmp_path)
    choose_keep("drive")
    assert kept_dir() == tmp_path / "drive" / "MyDrive" / "ganlib"


@pytest.mark.parametrize("keep", [None, 7, b"x", "  ", Path("  "), "yes", "as before", "a\0b"])
def test_no_folder_to_keep_in(keep):
    with pytest.raises(GanlibError, match="is no folder"):
        choose_keep(keep)


@pytest.mark.parametrize("keep, words", [
    ("Drive", "keep='Drive': did you mean 'drive'? A folder of that name is './Drive'."),
    ("gdrive", "did you mean 'drive'?"), (" drive", "did you mean 'drive'?"),
    ("Drive/x", "did you mean 'drive/x'?"), ("drvie/x", "did you mean 'drive/x'?"),
    ("No", "did you mean 'no'?"), ("none", "did you mean 'no'?"), ("off", "did you mean 'no'?"),
    ("https://x/y", "keep='https://x/y' is an address"), ("www.x.org/y", "is an address"),
])
def test_a_misspelt_word_makes_no_folder(keep, words, tmp_path):
    with pytest.raises(GanlibError) as error:
        choose_keep(keep)
    assert words in str(error.value) and "\n" not in str(error.value)
    assert not list((tmp_path / "here").iterdir()) and kept_dir() is None


def test_a_folder_whose_name_is_nearly_a_word(tmp_path):
    for keep in ("./Drive", Path("none"), "archive"):
        choose_keep(keep)
        assert kept_dir() == tmp_path / "here" / keep


def test_keep_in_a_folder_of_the_drive(tmp_path, monkeypatch):
    with pytest.raises(GanlibError, match="not Colab"):
        choose_keep("drive/art/gan")
    make_colab(monkeypatch, tmp_path)
    choose_keep("drive/art/gan")
    assert kept_dir() == tmp_path / "drive" / "MyDrive" / "art" / "gan" and kept_dir().is_dir()


def test_a_path_on_a_drive_that_is_not_mounted(tmp_path, monkeypatch):
    path = tmp_path / "drive" / "MyDrive" / "art"
    with pytest.raises(GanlibError, match="no Google Drive here"):
        choose_keep(path)
    assert not (tmp_path / "drive").exists()
    colab = make_colab(monkeypatch, tmp_path)
    choose_keep(path)
    assert colab.calls == [str(tmp_path / "drive")] and kept_dir() == path


def test_an_error_of_the_environment_names_it(archive, monkeypatch):
    for value, words in [("faces.zip", "is a file: name a folder"), ("faces.zip/x", "nothing can be written"),
                         ("Drive", "did you mean 'drive'"), ("none", "leave GANLIB_KEEP empty"),
                         ("  ", "is no folder")]:
        monkeypatch.setenv("GANLIB_KEEP", value)
        with pytest.raises(GanlibError) as error:
            choose_keep("")
        assert str(error.value).startswith(f"GANLIB_KEEP={value!r}") and words in str(error.value)


def test_a_home_of_nobody_is_no_folder(tmp_path):
    with pytest.raises(GanlibError, match="there is no user of that name"):
        choose_keep("~nobody-of-that-name/x")
    assert not list((tmp_path / "here").iterdir())


def test_a_file_to_keep_in(archive):
    with pytest.raises(GanlibError, match="faces.zip is a file: name a folder"):
        choose_keep("faces.zip")
    with pytest.raises(GanlibError, match="nothing can be written to .*faces.zip/x .*name another"):
        choose_keep("faces.zip/x")
    assert kept_dir() is None


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="no /proc")
def test_a_folder_that_cannot_be_written():
    with pytest.raises(GanlibError, match="nothing can be written to /proc/kept .*name another"):
        choose_keep("/proc/kept")


def test_what_was_kept_in_before(tmp_path, capsys):
    remember(keep=str(tmp_path / "kept"))
    choose_keep("")
    assert kept_dir() == tmp_path / "kept"
    choose_keep("no")
    remember(keep="drive")  # and now this is not Colab any more
    choose_keep("")
    told = capsys.readouterr().out
    assert kept_dir() is None and "stay on this disk" in told and "not Colab" in told
    assert told.count("\n") == 1


# -- what was chosen before


def test_a_choice_is_remembered_here_and_in_the_kept_folder(archive, tmp_path):
    choose_keep(tmp_path / "kept")
    remember(faces=str(archive), keep=str(tmp_path / "kept"))
    source = pick_source(CPU)
    assert source.source == str(archive) and "as before" in str(source)
    shutil.rmtree(data_dir())  # the session's disk is gone
    assert pick_source(CPU) == source and recall("keep") == str(tmp_path / "kept")


def test_what_is_not_chosen_stays():
    remember(faces="kaggle:someone/faces", keep="drive")
    remember(faces="synthetic")
    assert (recall("faces"), recall("keep")) == ("synthetic", "drive")
    remember(keep="")
    assert (recall("faces"), recall("keep")) == ("synthetic", "")


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[]", b"7", b'{"faces": 7}', b'{"faces": "  "}',
                                     b"[" * 100_000, b"null"])
def test_a_broken_memory_is_none(content):
    data_dir().mkdir()
    (data_dir() / "start.json").write_bytes(content)
    assert pick_source(CPU).source == "synthetic" and recall("keep") == ""
    remember(faces="kaggle:someone/faces")
    assert pick_source(CPU).source == "kaggle:someone/faces"


def test_a_memory_that_is_a_folder(recwarn):
    (data_dir() / "start.json").mkdir(parents=True)
    assert pick_source(CPU).source == "synthetic"
    remember(faces="kaggle:someone/faces")
    assert "will not know this choice" in str(recwarn[0].message)


def test_a_remembered_archive_that_is_gone(archive):
    remember(faces=str(archive))
    archive.unlink()
    source = pick_source(CPU)  # whoever needs the pictures is told then
    assert source.source == str(archive) and "not here any more" in str(source)


def test_a_remembered_archive_that_is_broken_is_told(archive):
    remember(faces=str(archive))
    archive.write_bytes(b"PK\3\4")
    told = str(pick_source(CPU))
    assert "as before, but it is cut short" in told


def pack_of(path, size=32, folder=None):
    """A pack that was made of what lies at `path`, as `get_pack` names it."""
    name = pick_source(CPU, str(path)).name
    report = make_report(random_images(8, size))
    report.settings |= {"source": str(path), "identity": "", "listing": "", "contents": "", "labels_file": ""}
    return pack(report, (folder or data_dir()) / "packs" / f"{name}-{size}"), name


@pytest.mark.parametrize("is_kept", [False, True])
@pytest.mark.parametrize("is_remembered", [False, True])
def test_the_pack_of_an_archive_that_is_gone_is_used(archive, tmp_path, is_kept, is_remembered):
    choose_keep(tmp_path / "kept")
    _, name = pack_of(archive, folder=tmp_path / "kept" if is_kept else None)
    if is_remembered:
        remember(faces=str(archive))
    archive.unlink()
    source = pick_source(CPU, "as before" if is_remembered else "faces.zip")
    assert source.name == name and source.source == str(archive)
    assert f"not here any more, but its pack {name}-32 is and is used" in str(source)
    refused("other.zip", "not found")


def test_of_several_packs_the_newest_is_used(archive, tmp_path):
    """Whatever their names are: these have a digest in them."""
    names = []
    for seconds in (50, 90, 10, 70):
        os.utime(archive, (1, len(names)))
        packed, name = pack_of(archive)
        os.utime(packed.path / "pack.json", (seconds, seconds))
        names.append(name)
    assert len(set(names)) == 4
    archive.unlink()
    assert pick_source(CPU, "faces.zip").name == names[1]
    choose_keep(tmp_path / "kept")  # one that was used since, in the kept folder
    shutil.copytree(data_dir() / "packs" / f"{names[2]}-32", kept_dir() / "packs" / f"{names[2]}-32")
    os.utime(kept_dir() / "packs" / f"{names[2]}-32" / "pack.json", (100, 100))
    assert pick_source(CPU, "faces.zip").name == names[2]


def test_a_pack_of_the_size_that_is_asked_for_is_looked_for(archive):
    _, small = pack_of(archive, 32)
    os.utime(archive, (1, 1))
    packed, large = pack_of(archive, 64)
    os.utime(packed.path / "pack.json", (1, 1))
    archive.unlink()
    assert pick_source(CPU, "faces.zip", 64).name == large != small
    assert pick_source(CPU, "faces.zip", 32).name == small
    words = f"its pack {small}-32 is, but with pictures of 32 pixels, not of 16; say size=32, or choose"
    with pytest.raises(GanlibError, match=f"'faces.zip' is not here any more: {words}"):
        pick_source(CPU, "faces.zip", 16)
    remember(faces=str(archive))
    assert "pictures of 32 pixels, not of 16; say size=32" in str(pick_source(CPU, size=16))
    assert newest_pack(str(archive), 16) is None


def test_the_pack_of_a_folder_that_is_emptied_is_used(tmp_path):
    folder = tmp_path / "here" / "mine"
    folder.mkdir()
    (folder / "a.png").write_bytes(b"\x89PNG")
    _, name = pack_of(folder)
    (folder / "a.png").unlink()
    assert pick_source(CPU, "mine").name == name


def test_a_memory_keeps_names_that_are_no_utf8(tmp_path):
    name = os.fsdecode(b"\x8a.zip")
    zip_of(tmp_path / "here" / name)
    remember(faces=pick_source(CPU, name).source)
    assert pick_source(CPU).source == str(tmp_path / "here" / name)
    assert json.loads((data_dir() / "start.json").read_bytes())["faces"].endswith(name)


def test_a_pack_can_be_chosen(tmp_path):
    p = make_pack(tmp_path / "here" / "mine", 8)
    assert pick_source(CPU, "mine").source == str(p.path)
