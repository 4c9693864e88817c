import numpy as np
import pytest
from helpers import make_pack
from PIL import Image

from ganlib.data.cleaning import clean
from ganlib.errors import GanlibError
from ganlib.files import kept_dir
from ganlib.presets import Profile
from ganlib.start import (
    get_pack,
    keep_pack,
    mount_drive,
    pack_dir,
    pick_source,
    run_dir,
)

CPU, SMOKE = Profile("cpu", "", 60), Profile("smoke", "", 8)


@pytest.fixture(autouse=True)
def nowhere(tmp_path, monkeypatch):
    for name in ("GANLIB_FACES", "GANLIB_KEEP", "KAGGLE_API_TOKEN", "KAGGLE_USERNAME", "KAGGLE_KEY", "KAGGLE_CONFIG_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("GANLIB_DATA", str(tmp_path / "data"))


def test_drawn_faces_without_anything_else():
    source = pick_source(CPU)
    assert source.source == "synthetic" and "GANLIB_FACES" in str(source)


def test_what_ganlib_faces_names_comes_first(monkeypatch):
    monkeypatch.setenv("KAGGLE_API_TOKEN", "x")
    monkeypatch.setenv("GANLIB_FACES", "/faces/my-faces.tar.gz")
    source = pick_source(CPU, use_kaggle=True)
    assert source.source == "/faces/my-faces.tar.gz" and source.name.startswith("my-faces-")
    monkeypatch.setenv("GANLIB_FACES", "/others/my-faces.tar.gz")
    assert pick_source(CPU).name != source.name
    assert "named by GANLIB_FACES" in str(source)


def test_smoke_is_always_synthetic(monkeypatch):
    monkeypatch.setenv("GANLIB_FACES", "/faces.zip")
    monkeypatch.setenv("KAGGLE_API_TOKEN", "x")
    assert pick_source(SMOKE, use_kaggle=True).source == "synthetic"


def test_kaggle_only_on_the_users_word(monkeypatch, tmp_path):
    with pytest.raises(GanlibError, match="kaggle.com.*GANLIB_FACES"):
        pick_source(CPU, use_kaggle=True)
    (tmp_path / "home" / ".kaggle").mkdir(parents=True)
    (tmp_path / "home" / ".kaggle" / "kaggle.json").write_text("{}")
    source = pick_source(CPU)
    assert source.source == "synthetic" and "use_kaggle=True" in str(source)
    assert pick_source(CPU, use_kaggle=True).source == "kaggle:soumikrakshit/anime-faces"


def test_get_pack_makes_it_once(monkeypatch, tmp_path):
    from ganlib.data.synthetic import face
    (tmp_path / "faces").mkdir()
    for i in range(6):
        Image.fromarray(face(i, size=48)[0]).save(tmp_path / "faces" / f"{i}.png")
    monkeypatch.setenv("GANLIB_FACES", str(tmp_path / "faces"))
    monkeypatch.setattr("ganlib.start.clean", lambda folder, size: clean(
        folder, size=size, faces="off", progress=False))
    source = pick_source(CPU)
    p = get_pack(source, CPU, 32)
    assert p.path == tmp_path / "data" / "packs" / f"{source.name}-32" and len(p) == 6 and p.size == 32
    monkeypatch.setattr("ganlib.start.clean", lambda *a, **k: pytest.fail("made again"))
    assert get_pack(source, CPU, 32).hash == p.hash


def test_a_pack_can_be_named_itself(monkeypatch, tmp_path):
    p = make_pack(tmp_path / "mine", 8)
    monkeypatch.setenv("GANLIB_FACES", str(p.path))
    assert pack_dir(pick_source(CPU), 32) == p.path and get_pack(pick_source(CPU), CPU, 32).hash == p.hash


def test_a_kept_folder_outlives_the_session(monkeypatch, tmp_path):
    assert kept_dir() is None and run_dir("x", CPU) == tmp_path / "data" / "runs" / "cpu" / "x"
    monkeypatch.setenv("GANLIB_KEEP", str(tmp_path / "drive"))
    assert run_dir("x", CPU) == tmp_path / "drive" / "runs" / "cpu" / "x"
    source = pick_source(CPU)
    p = keep_pack(make_pack(pack_dir(source, 32), 8))
    keep_pack(p)  # again, over what is there
    import shutil
    shutil.rmtree(tmp_path / "data")  # the session's disk is gone
    again = get_pack(source, CPU, 32)
    assert again.hash == p.hash and again.path == p.path  # read from the local disk
    assert np.array_equal(again.images, p.images)


def test_no_drive_outside_colab():
    with pytest.raises(GanlibError, match="not Colab.*USE_DRIVE = False"):
        mount_drive()
