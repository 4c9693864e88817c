"""Which images are taken, where things are kept, and what the next notebook knows of it."""
import json
import os
import shutil
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


@pytest.mark.parametrize("faces", [None, "", "  ", 7, 0.5, [], True, b"faces.zip"])
def test_no_choice(faces):
    refused(faces, f"faces={faces!r} is no choice", "synthetic", "kaggle:owner/name", '"drive"')


@pytest.mark.parametrize("faces, meant", [
    ("synthetc", "synthetic"), ("Synthetic", "synthetic"), ("drvie", "drive"), ("as befor", "as before"),
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


@pytest.mark.parametrize("keep", [None, 7, b"x"])
def test_no_folder_to_keep_in(keep):
    with pytest.raises(GanlibError, match="is no folder"):
        choose_keep(keep)


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
