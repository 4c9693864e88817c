"""Bad crops: the outlier measure, and the face detector where it is installed."""
import time

import numpy as np
import pytest
from PIL import Image
from raw_files import clean_quietly, reasons

from ganlib.data.cleaning import Row
from ganlib.data.detector import detector_trouble, find_bad_crops, find_faces, off_centre, outliers
from ganlib.data.synthetic import face
from ganlib.errors import GanlibError


@pytest.fixture(scope="module")
def drawn():
    """Drawn faces: uint8 (210, 32, 32, 3)."""
    return np.stack([face(i, size=32)[0] for i in range(210)])


def test_outliers_are_told_apart(drawn):
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (3, 8, 8, 3), np.uint8).repeat(4, 1).repeat(4, 2)
    distance, limit = outliers(np.concatenate([drawn, noise]))
    assert (distance[-3:] > limit).all() and (distance[:210] > limit).mean() < 0.05


def test_without_a_detector_auto_says_so(drawn, folder, monkeypatch):
    for i, pixels in enumerate(drawn):
        Image.fromarray(pixels).save(folder / f"{i:03d}.png")
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 256, (8, 8, 3), np.uint8)).resize((64, 64), 0).save(folder / "noise.png")
    monkeypatch.setattr("ganlib.data.detector.detector_trouble", lambda: "it is not there.")
    report = clean_quietly(folder, faces="auto")
    assert report.settings["faces"] == "found as outliers (no face detector: it is not there.)"
    assert reasons(report)["noise.png"] == "bad-crop" and report.summary()["bad-crop"] < 10
    with pytest.raises(GanlibError, match="cannot be used: it is not there"):
        clean_quietly(folder, faces="detector")
    assert clean_quietly(folder, faces="outlier").settings["faces"] == "found as outliers"


@pytest.mark.parametrize("where, trouble", [
    ((0.5, 0.55, 0.6), ""), (None, "no face"), ((0.8, 0.5, 0.6), "off-centre"),
    ((0.5, 0.25, 0.6), "off-centre"), ((0.5, 0.5, 0.3), "too small")])
def test_where_a_face_must_be(where, trouble):
    assert trouble in off_centre(where) and bool(trouble) == bool(off_centre(where))


@pytest.fixture(scope="module")
def detector():
    pytest.importorskip("animeface", reason="the extra `faces` is not installed")
    if why := detector_trouble():
        pytest.skip(why)


def test_the_detector_finds_drawn_faces_and_drops_what_is_none(detector, folder):
    for i in range(40):
        Image.fromarray(face(i, size=96)[0]).save(folder / f"face{i:02d}.png")
    for i in range(4):
        noise = Image.effect_noise((96, 96), 80).convert("RGB")
        noise.save(folder / f"noise{i}.png")
    report = clean_quietly(folder, faces="detector")
    found = reasons(report)
    assert all(found[f"noise{i}.png"] == "bad-crop" for i in range(4))
    assert sum(found[f"face{i:02d}.png"] == "" for i in range(40)) >= 30
    assert report.settings["faces"] == "found with the detector animeface"


def test_a_detector_that_crashes_is_an_error_not_a_hang(monkeypatch):
    monkeypatch.setenv("PYTHONHASHSEED", "nonsense")  # the worker's Python refuses to start
    with pytest.raises(GanlibError, match="stopped with code"):
        find_faces(np.zeros((1, 32, 32, 3), np.uint8))


@pytest.mark.parametrize("n", [64, 200, 401])
def test_the_bar_counts_the_pictures_that_are_looked_at(n, monkeypatch, capsys):
    monkeypatch.setattr("ganlib.data.detector.detector_trouble", lambda: "")
    monkeypatch.setattr("ganlib.data.detector.find_faces", lambda images: [(0.5, 0.5, 0.6, 0)] * len(images))
    find_bad_crops([Row("", 0) for _ in range(n)], np.zeros((1, 8, 8, 3), np.uint8), "detector", True)
    last = capsys.readouterr().err.strip().splitlines()[-1]
    assert "faces: 100%" in last and f" {n}/{n} " in last


def test_an_interrupt_waits_for_one_part_of_the_pictures_only(monkeypatch):
    def find_faces(images):
        time.sleep(0.2)
        raise KeyboardInterrupt

    monkeypatch.setattr("ganlib.data.detector.detector_trouble", lambda: "")
    monkeypatch.setattr("ganlib.data.detector.find_faces", find_faces)
    begun = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        find_bad_crops([Row("", 0)] * 50_000, np.zeros((1, 8, 8, 3), np.uint8), "auto", False)
    assert time.monotonic() - begun < 5  # all 250 parts would take 50 s of the cores
