"""The experiment on 300 pictures of one's own: what it draws, trains, measures and keeps."""
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from helpers import make_pack

from ganlib.data.packs import load_pack
from ganlib.data.synthetic import face
from ganlib.errors import GanlibError
from ganlib.presets import preset
from ganlib.runs.origin import preset_from
from ganlib.training.loop import train

sys.path.insert(0, str(Path(__file__).parents[1] / "experiments"))
import own_pictures  # noqa: E402

SMALL = dict(resolution=32, width=4, max_width=8, z_dim=8, w_dim=8, mapping_layers=2, batch=8, images=16,
             frames=0, generators=0, device="cpu", precision="fp32", threads=1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("own")


@pytest.fixture(scope="module")
def whole(folder):
    return make_pack(folder / "faces", 80)


@pytest.fixture(scope="module")
def source(folder, whole):
    return train(preset("stylegan-fast", **SMALL), whole, folder / "source", progress=False).path


@pytest.fixture(autouse=True)
def few(monkeypatch, folder):
    """20 pictures, and configs that train in a second."""
    monkeypatch.setattr(own_pictures, "PICTURES", 20)
    monkeypatch.setattr(own_pictures, "SAMPLES", 64)
    monkeypatch.setenv("GANLIB_DATA", str(folder / "data"))
    engine = dict(resolution=32, batch=8, frames=0, generators=0, device="cpu", threads="1")
    monkeypatch.setattr(own_pictures, "preset_from", lambda name, profile, run=None, **changes:
                        preset_from(name, profile, run, **(changes | engine)))


def shell(*words, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["own_pictures.py", *map(str, words)])
    own_pictures.main()


def test_the_300_are_drawn_by_a_seed_and_the_others_kept_back(whole, tmp_path):
    small, others = own_pictures.own_pictures(whole, tmp_path)
    again, _ = own_pictures.own_pictures(whole, tmp_path)
    assert len(small) == 20 and len(others) == 60 and small.hash == again.hash
    both = np.concatenate([small.images, others]).reshape(80, -1)
    assert len(np.unique(both, axis=0)) == 80
    with pytest.raises(GanlibError, match="has 40 images: expected 60 or more"):
        own_pictures.own_pictures(make_pack(tmp_path / "few", 40), tmp_path)


def test_the_arms_differ_in_what_they_say(source):
    configs = {arm: own_pictures.config_of(arm, source, 1, 1000) for arm in own_pictures.ARMS}
    assert {config.width for config in configs.values()} == {4}
    assert [bool(config.start_from) for config in configs.values()] == [False, True, True, False]
    assert {config.g_waits_kimg for config in configs.values()} == {0}
    assert configs["careful"].freeze_d == 2 and configs["careful"].augment_target == 0.6
    assert not configs["tuned"].augment and configs["scratch-augmented"].augment
    assert {config.images for config in configs.values()} == {1000}


def test_copies_are_found():
    """Of drawn faces: a set of copies, mirrored ones among them, and one of new faces."""
    faces = np.stack([face(i, seed=3)[0] for i in range(120)])
    mine, others, new = faces[:20], faces[20:80], faces[80:]
    judge = own_pictures.Judge(mine, others)
    copies = judge.numbers(own_pictures.with_mirrors(mine))
    fair = judge.numbers(new)
    assert copies["seen"] == 1 and copies["ratio"] < 0.01
    assert 0.3 < fair["seen"] < 0.7 and 0.85 < fair["ratio"] < 1.15
    assert 0.2 < judge.real()["seen"] < 0.8


def test_a_tiny_one_from_end_to_end(whole, source, tmp_path, monkeypatch, capsys):
    results = tmp_path / "found.json"
    words = [whole.path, "--source", source, "--images", 32, "--seeds", "0,1", "--results", results]
    shell(*words, "scratch", "careful", monkeypatch=monkeypatch)
    found = json.loads(results.read_text())
    assert [key for key in found["rows"] if "seed" in key] == [
        "scratch, seed 0, 32 images", "careful, seed 0, 32 images",
        "scratch, seed 1, 32 images", "careful, seed 1, 32 images"]
    assert found["rows"]["careful, seed 0, 32 images"]["origin"]["images"] == 16
    assert found["rows"]["scratch, seed 0, 32 images"]["origin"] == {}
    before = results.read_text()
    shell(*words, "scratch", "careful", monkeypatch=monkeypatch)  # nothing is missing
    assert results.read_text() == before
    shell("--results", results, monkeypatch=monkeypatch)
    table = capsys.readouterr().out.splitlines()[-6:]
    assert [line.split("|")[2].strip() for line in table[2:]] == ["1", "1", "2", "2"]
    assert table[4].startswith("| from scratch") and "\N{PLUS-MINUS SIGN}" in table[4]
    shell("--results", results, "--figure", tmp_path / "figure.png", monkeypatch=monkeypatch)
    assert (tmp_path / "figure.png").stat().st_size > 5_000


def test_results_of_other_pictures_are_not_mixed(whole, source, tmp_path):
    results = tmp_path / "found.json"
    own_pictures.keep(results, own_pictures.claim(results, whole.hash, source))
    with pytest.raises(GanlibError, match="holds results of data=.* move that file away first"):
        own_pictures.claim(results, "another hash", source)


def test_what_is_missing_is_said(whole, source, tmp_path, monkeypatch):
    results = tmp_path / "found.json"
    for words, said in (([whole.path], "--source SOURCE"),
                        ([whole.path, "--source", source], "How many images are 15 minutes"),
                        ([whole.path, "tunde", "--source", source], "no arm 'tunde'")):
        with pytest.raises(SystemExit, match=said):
            shell(*words, "--results", results, monkeypatch=monkeypatch)
    assert load_pack(whole.path).hash == whole.hash
