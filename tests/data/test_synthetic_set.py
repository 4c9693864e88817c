"""The drawn set: its files, its labels, and the faults it has on purpose."""
import csv

import numpy as np
import pytest
from PIL import Image

from ganlib.data import synthetic
from ganlib.data.sources import fetch

pytestmark = pytest.mark.usefixtures("data")


def test_synthetic_files_and_labels(data):
    folder = fetch("synthetic", n=12, size=32, progress=False)
    assert folder.parent == data and folder.name.startswith("synthetic-12x32-")
    assert [p.name for p in sorted((folder / "faces").iterdir())] == [f"{i:06d}.png" for i in range(12)]
    pixels, labels = synthetic.face(7, size=32)
    assert np.array_equal(np.asarray(Image.open(folder / "faces/000007.png")), pixels)
    with open(folder / "labels.csv", newline="") as file:
        rows = {row["file"]: row for row in csv.DictReader(file)}
    assert rows["faces/000007.png"] == {"file": "faces/000007.png", **labels}
    assert all((folder / name).is_file() for name in rows) and len(rows) == 12 + 9 + 1


def test_synthetic_faults_are_what_they_are_named():
    spoiled = fetch("synthetic", n=9, size=64, progress=False) / "spoiled"
    assert (spoiled / "empty.png").stat().st_size == 0
    for name in ("empty.png", "truncated.png", "text.jpg"):
        with pytest.raises(OSError):
            Image.open(spoiled / name).load()
    image = {p.name: Image.open(p) for p in spoiled.iterdir() if p.name not in ("empty.png", "text.jpg")}
    assert image["tiny.png"].size == (8, 8) and image["wide.png"].size == (512, 64)
    assert image["grey.png"].mode == "L" and image["rgba.png"].mode == "RGBA"
    assert np.ptp(np.asarray(image["uniform.png"])) <= 3
    originals = [np.asarray(Image.open(spoiled.parent / f"faces/{i:06d}.png"), int) for i in range(9)]
    for k in range(3):
        assert np.array_equal(np.asarray(image[f"mirrored-{k}.png"])[:, ::-1], originals[3 * k])
        assert np.abs(np.asarray(image[f"reencoded-{k}.jpg"]) - originals[3 * k + 1]).mean() < 8
        assert image[f"resized-{k}.png"].size == (96, 96)
    assert {"crop-corner.png", "crop-shifted.png", "pattern.png"} < set(image)
