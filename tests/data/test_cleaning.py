"""clean(): the reasons, the labels, the report."""
import csv
import io
import json
import os
import struct
import time
import zipfile
import zlib

import numpy as np
import pytest
from PIL import Image
from raw_files import clean_quietly, png_chunk, portrait, reasons

from ganlib.data.cleaning import clean
from ganlib.data.packs import pack
from ganlib.errors import GanlibError


def test_each_reason(folder):
    portrait(0).save(folder / "good.png")
    (folder / "empty.png").touch()
    (folder / "text.jpg").write_text("<html>not a picture</html>")
    whole = io.BytesIO()
    portrait(2).save(whole, "PNG")
    (folder / "cut.png").write_bytes(whole.getvalue()[:len(whole.getvalue()) // 2])
    portrait(3).resize((20, 20)).save(folder / "small.png")
    Image.effect_noise((300, 100), 90).save(folder / "wide.png")
    Image.new("RGB", (80, 80), (250, 250, 252)).save(folder / "white.png")
    (folder / "notes.txt").write_text("not an image, and not named like one")
    report = clean_quietly(folder)
    assert reasons(report) == {
        "good.png": "", "empty.png": "empty", "text.jpg": "unreadable", "cut.png": "unreadable",
        "small.png": "too-small", "wide.png": "aspect", "white.png": "uniform"}
    assert report.summary() == {
        "kept": 1, "empty": 1, "unreadable": 2, "too-small": 1, "aspect": 1, "uniform": 1}
    assert all(row.detail for row in report.rows if row.reason)
    assert "kept" in str(report) and "uniform" in str(report)


def test_a_decompression_bomb_is_unreadable_and_cheap(folder):
    portrait(0).save(folder / "good.png")
    header = struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0)
    chunks = png_chunk(b"IHDR", header), png_chunk(b"IDAT", zlib.compress(b"0")), png_chunk(b"IEND")
    (folder / "bomb.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunks))
    assert reasons(clean_quietly(folder))["bomb.png"] == "unreadable"


def test_the_result_does_not_depend_on_the_workers(folder, monkeypatch):
    for seed in range(30):
        portrait(seed % 20).save(folder / f"{seed:02d}.jpg", quality=60 + seed)
    many = clean_quietly(folder)
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    one = clean_quietly(folder)
    assert [vars(r) for r in one.rows] == [vars(r) for r in many.rows]
    assert np.array_equal(one.images, many.images) and one.summary()["duplicate"] == 10


def write_labels(folder, rows, name="labels.csv"):
    with open(folder / name, "w", newline="") as f:
        csv.writer(f).writerows(rows)
    return folder / name


def test_labels(folder):
    for i in range(4):
        portrait(i).save(folder / f"{i}.png")
    portrait(3).save(folder / "3-copy.png")  # sorted before 3.png, and without a label
    write_labels(folder, [["file", "hair", "eyes"], ["0.png", "red", "blue"], ["1.png", "aqua", ""],
                          ["3.png", "red", "pink"], ["gone.png", "green", "blue"]])
    report = clean_quietly(folder)
    assert report.attributes == {"hair": ["aqua", "red"], "eyes": ["blue", "pink"]}
    labels = {row.file: row.labels for row in report.rows}
    assert labels["0.png"] == {"hair": "red", "eyes": "blue"}
    assert labels["2.png"] == {"hair": None, "eyes": None}
    assert labels["1.png"]["eyes"] is None
    assert labels["3-copy.png"] == {"hair": "red", "eyes": "pink"}  # from its copy
    assert "1 rows name no file" in str(report)


def test_bad_labels(folder, tmp_path):
    portrait(0).save(folder / "0.png")
    with pytest.raises(GanlibError, match="none.csv cannot be read"):
        clean_quietly(folder, labels=tmp_path / "none.csv")
    wanted = "expected a CSV with the column file"
    for rows, match in (([["name", "hair"], ["0.png", "red"]], wanted), ([["file"], ["0.png"]], wanted),
                        ([["file", "hair"], ["x.png", "red"]], "No row"), ([], wanted)):
        with pytest.raises(GanlibError, match=match):
            clean_quietly(folder, labels=write_labels(tmp_path, rows))


def test_bad_folders_and_options(tmp_path):
    with pytest.raises(GanlibError, match="no folder"):
        clean_quietly(tmp_path / "none")
    with pytest.raises(GanlibError, match="holds no image files"):
        clean_quietly(tmp_path)
    for bad in {"fit": "stretch"}, {"faces": "all"}, {"size": 4}:
        with pytest.raises(GanlibError, match="=.*expected"):
            clean_quietly(tmp_path, **bad)


def test_nothing_that_can_be_decoded(folder):
    (folder / "a.png").write_text("x")
    (folder / "gone.png").symlink_to(folder / "nowhere.png")
    for faces in "off", "outlier":
        assert clean_quietly(folder, faces=faces).summary() == {"unreadable": 2}


def test_too_little_space_for_decoding(folder, monkeypatch):
    portrait(0).save(folder / "0.png")
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("usage", (), {"free": 10_000}))
    with pytest.raises(GanlibError, match="No space left.*TMPDIR"):
        clean_quietly(folder)


def test_the_sources_are_not_touched_and_nothing_stays(folder, tmp_path, monkeypatch):
    import tempfile
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    portrait(0).save(folder / "0.png")
    before = {p: (p.read_bytes(), p.stat().st_mtime_ns) for p in folder.iterdir()}
    report = clean_quietly(folder)
    p = pack(report, tmp_path / "pack")
    assert len(p) == 1 and p.manifest()[0]["file"] == "0.png"
    del report
    assert {p: (p.read_bytes(), p.stat().st_mtime_ns) for p in folder.iterdir()} == before
    assert not list((tmp_path / "tmp").iterdir())


def test_real_faces(real_faces, tmp_path, capsys):
    with zipfile.ZipFile(real_faces / "anime-faces.zip") as archive:
        archive.extractall(tmp_path / "raw")
    begun = time.monotonic()
    labels = real_faces / "anime-faces-labels.csv"
    report = clean(tmp_path / "raw", faces="off", labels=labels, progress=False)
    p = pack(report, tmp_path / "pack")
    seconds = time.monotonic() - begun
    with capsys.disabled():
        print(f"\n{report}\n{seconds:.0f} s for decoding, cleaning and packing")
    assert report.summary() == {"kept": 14_246, "duplicate": 506, "mirrored": 14_752}
    assert len(p) == 14_246 and (p.labels >= 0).mean() > 0.99


def test_the_report_knows_where_it_is_from(folder, tmp_path):
    for i in range(3):
        portrait(i).save(folder / f"{i}.png")
    (folder / "notes.txt").touch()
    report = clean_quietly(folder)
    assert report.settings["source"] == str(folder) and report.settings["files"] == 3
    assert report.settings["passed_over"] == {"no picture that can be read, .txt": 1}
    assert report.passed_over == [("notes.txt", "no picture that can be read, .txt")]
    assert str(report).splitlines()[-1] == "Not taken: no picture that can be read, .txt: 1 (notes.txt)."
    json.dumps(report.settings)  # a pack keeps them


def test_a_pack_of_names_that_are_no_utf8(folder, tmp_path):
    raw = os.path.join(os.fsencode(folder), b"\x8a\xe7.png")
    with open(raw, "wb") as file:
        portrait(1).save(file, "PNG")
    packed = pack(clean_quietly(folder), tmp_path / "pack")
    assert [row["file"] for row in packed.manifest()] == [r"\x8a\xe7.png"]


def test_names_that_look_alike_are_told_apart(folder):
    for number, name in enumerate([b"\x8a.png", rb"\x8a.png"]):
        with open(os.path.join(os.fsencode(folder), name), "wb") as file:
            portrait(number).save(file, "PNG")
    assert reasons(clean_quietly(folder)) == {r"\x8a.png": "", r"\\x8a.png": ""}
