"""What is said where something else than a pack was named."""
import pytest
from helpers import make_pack
from raw_files import make_zip, portrait

from ganlib.__main__ import main
from ganlib.data.packs import load_pack
from ganlib.errors import GanlibError


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty working folder, with its data folder in it."""
    monkeypatch.setenv("GANLIB_DATA", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def said_of(path):
    with pytest.raises(GanlibError) as error:
        load_pack(path)
    return str(error.value)


def test_an_archive(here):
    make_zip(here / "mypics.zip")
    assert said_of("mypics.zip") == ("mypics.zip is an archive, not a pack. First: ganlib data mypics.zip "
                                     "data/packs/mypics, then use that pack.")
    make_zip(here / "my pics.zip")
    assert "ganlib data 'my pics.zip' 'data/packs/my pics', then" in said_of("my pics.zip")


@pytest.mark.parametrize("where", ["mypics", "mypics/inner"])
def test_a_folder_of_pictures(here, where):
    (here / where).mkdir(parents=True)
    portrait(0).save(here / where / "0.PNG")
    assert said_of("mypics") == ("mypics is a folder of pictures, not a pack. First: ganlib data mypics "
                                 "data/packs/mypics, then use that pack.")


@pytest.mark.parametrize("source, name", [("synthetic", "synthetic"), ("kaggle:owner/faces", "faces")])
def test_a_source(here, source, name):
    assert said_of(source) == (f"{source} is a source of pictures, not a pack. First: ganlib data {source} "
                               f"data/packs/{name}, then use that pack.")


def test_a_typo(here):
    make_pack(here / "data" / "packs" / "drawn", 4)
    make_pack(here / "elsewhere" / "faces", 4)
    for path in "data/packs/drwan", "packs/drwan", "drawn":
        assert said_of(path) == f"{path} does not exist. Did you mean the pack data/packs/drawn?"
    assert said_of("elsewhere/facse").endswith("Did you mean the pack elsewhere/faces?")


def test_what_is_nothing_of_that(here):
    make_pack(here / "data" / "packs" / "drawn", 4)
    (here / "run" / "samples").mkdir(parents=True)
    portrait(0).save(here / "run" / "samples" / "1000.png")
    (here / "run" / "generator.safetensors").touch()  # a run has pictures, too
    (here / "notes.txt").touch()
    assert said_of("mine") == ("mine does not exist. Make one with notebook 01 or `ganlib data SOURCE "
                               "mine`.")
    for path, name in ("run", "run"), ("notes.txt", "notes"):
        assert said_of(path) == (f"{path} is not a pack (no pack.json). Make one with notebook 01 or "
                                 f"`ganlib data SOURCE data/packs/{name}`.")


def test_the_command_that_is_told_works(here, capsys):
    (here / "mypics").mkdir()
    for i in range(3):
        portrait(i).save(here / "mypics" / f"{i}.png")
    assert main(["train", "dcgan", "mypics", "run", "--images", "10"]) == 2
    words = capsys.readouterr().err.partition("First: ganlib ")[2].partition(", then")[0]
    assert main([*words.split(), "--faces", "off"]) == 0
    assert len(load_pack("data/packs/mypics")) == 3
