import csv
import io
import os
import struct
import time
import zipfile

import numpy as np
import pytest
from PIL import Image, ImageDraw

from ganlib.data.cleaning import Row, clean
from ganlib.data.decoding import decode
from ganlib.data.detector import (
    detector_trouble,
    find_bad_crops,
    find_faces,
    off_centre,
    outliers,
)
from ganlib.data.duplicates import (
    DIFFERENT,
    HAMMING,
    area_average,
    near_pairs,
    picture_difference,
    signatures,
)
from ganlib.data.packs import pack
from ganlib.data.synthetic import face
from ganlib.errors import GanlibError


def portrait(seed, size=96, mouth=0, pin=False, eye=None):
    """A drawn head that differs from seed to seed in everything; options change a detail only."""
    rng = np.random.default_rng(seed)
    color = lambda: tuple(int(v) for v in rng.integers(30, 230, 3))
    image = Image.new("RGB", (size * 4, size * 4), tuple(int(v) for v in rng.integers(200, 256, 3)))
    d = ImageDraw.Draw(image)
    s = size * 4 / 96
    box = lambda *b: [v * s for v in b]
    hair, iris = color(), color() if eye is None else eye
    x, y, w = rng.integers(-8, 9), rng.integers(-6, 7), rng.integers(-6, 7)
    d.ellipse(box(10 + x, 4 + y, 84 + x + w, 80 + y), hair)
    for _ in range(7):
        a, b = rng.integers(0, 80, 2)
        d.rectangle(box(a, b, a + rng.integers(6, 26), b + rng.integers(6, 26)), color())
    d.ellipse(box(20 + x, 24 + y, 76 + x + w, 90 + y), (250, 220, 200))
    for cx in (36, 60):
        d.ellipse(box(cx - 7 + x, 44 + y, cx + 7 + x, 62 + y), iris)
    d.rectangle(box(44 + x, 74 + y, 54 + x, 76 + y + mouth), (170, 60, 60))
    if pin:
        d.rectangle(box(66, 12, 74, 20), (250, 210, 40))
    return image.resize((size, size), Image.LANCZOS)


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "raw"
    folder.mkdir()
    return folder


def run(folder, **kwargs):
    return clean(folder, **({"size": 64, "faces": "off", "progress": False} | kwargs))


def reasons(report):
    return {row.file: row.reason for row in report.rows}


# -- decoding


def rgb_of(path, size=64, **kwargs):
    pixels, reason, detail, _ = decode(path, size, **kwargs)
    assert reason == "", detail
    assert pixels.shape == (size, size, 3) and pixels.dtype == np.uint8
    return pixels.astype(int)


@pytest.mark.parametrize("mode, suffix", [("RGB", "png"), ("L", "png"), ("P", "png"), ("RGBA", "png"), ("LA", "png"),
                                          ("CMYK", "jpg"), ("YCbCr", "jpg"), ("1", "png"), ("RGB", "webp"),
                                          ("RGB", "bmp"), ("RGB", "tiff"), ("P", "gif"), ("CMYK", "tiff")])
def test_every_mode_becomes_rgb(tmp_path, mode, suffix):
    source = portrait(1)
    image = source.convert("L").convert("LA") if mode == "LA" else source.convert(mode)
    image.save(tmp_path / f"x.{suffix}")
    expected = image.convert("RGBA" if mode == "LA" else "RGB").convert("RGB").resize((64, 64), Image.LANCZOS)
    assert np.abs(rgb_of(tmp_path / f"x.{suffix}") - np.asarray(expected, int)).mean() < 6


def test_transparency_is_laid_on_white(tmp_path):
    image = Image.new("RGBA", (64, 64), (255, 0, 0, 0))
    ImageDraw.Draw(image).rectangle([0, 0, 31, 63], (0, 0, 255, 255))
    image.save(tmp_path / "a.png")
    x = rgb_of(tmp_path / "a.png")
    assert (x[:, :31] == (0, 0, 255)).all() and (x[:, 33:] == 255).all()
    palette = Image.new("P", (64, 64), 0)
    palette.putpalette([10, 20, 30, 200, 0, 0])
    ImageDraw.Draw(palette).rectangle([0, 0, 31, 63], 1)
    palette.save(tmp_path / "p.png", transparency=0)
    x = rgb_of(tmp_path / "p.png")
    assert (x[:, :31] == (200, 0, 0)).all() and (x[:, 33:] == 255).all()


def test_sixteen_bits_are_scaled_not_clipped(tmp_path):
    ramp = np.linspace(0, 65_535, 64 * 64).reshape(64, 64).astype(np.uint16)
    Image.fromarray(ramp).save(tmp_path / "x.png")
    x = rgb_of(tmp_path / "x.png")
    assert np.abs(x[..., 0] - ramp / 257).max() <= 1


def test_exif_rotation_is_applied(tmp_path):
    image = Image.new("RGB", (64, 64), "white")
    ImageDraw.Draw(image).rectangle([0, 0, 63, 20], "black")  # a black strip on top
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise
    image.save(tmp_path / "x.jpg", exif=exif, quality=95)
    x = rgb_of(tmp_path / "x.jpg")
    assert x[:, 48:].mean() < 20 and x[:, :40].mean() > 235


def test_first_frame_of_an_animation(tmp_path):
    frames = [portrait(i) for i in range(3)]
    frames[0].save(tmp_path / "x.gif", save_all=True, append_images=frames[1:])
    expected = np.asarray(frames[0].resize((64, 64), Image.LANCZOS), int)
    assert np.abs(rgb_of(tmp_path / "x.gif") - expected).mean() < 6


def test_crop_and_pad(tmp_path):
    image = Image.new("RGB", (120, 80), "red")
    ImageDraw.Draw(image).rectangle([30, 20, 90, 60], "blue")
    image.save(tmp_path / "x.png")
    crop, pad = rgb_of(tmp_path / "x.png", fit="crop"), rgb_of(tmp_path / "x.png", fit="pad")
    assert (crop[2, 32] == (255, 0, 0)).all()
    assert (pad[2, 32] == 255).all() and (pad[15, 2] == (255, 0, 0)).all() and (pad[32, 32] == (0, 0, 255)).all()


def test_the_resize_is_antialiased(tmp_path):
    stripes = np.zeros((512, 512, 3), np.uint8)
    stripes[:, ::2] = 255
    stripes[:256] = 30
    Image.fromarray(stripes).save(tmp_path / "x.png")
    assert np.abs(rgb_of(tmp_path / "x.png")[40:, 4:-4] - 127.5).max() < 3


# -- reasons


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
    report = run(folder)
    assert reasons(report) == {"good.png": "", "empty.png": "empty", "text.jpg": "unreadable", "cut.png": "unreadable",
                               "small.png": "too-small", "wide.png": "aspect", "white.png": "uniform"}
    assert report.summary() == {"kept": 1, "empty": 1, "unreadable": 2, "too-small": 1, "aspect": 1, "uniform": 1}
    assert all(row.detail for row in report.rows if row.reason)
    assert "kept" in str(report) and "uniform" in str(report)


def test_a_decompression_bomb_is_unreadable_and_cheap(folder):
    portrait(0).save(folder / "good.png")
    header = struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0)
    import zlib
    chunk = lambda kind, data: struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    (folder / "bomb.png").write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"0"))
                                      + chunk(b"IEND", b""))
    assert reasons(run(folder))["bomb.png"] == "unreadable"


def test_copies_go_and_variants_stay(folder):
    base = portrait(1)
    base.save(folder / "base.png")
    base.save(folder / "copy.png")
    base.save(folder / "jpeg.jpg", quality=60)
    base.resize((48, 48), Image.LANCZOS).save(folder / "resized.png")
    base.resize((150, 150), Image.BICUBIC).save(folder / "enlarged.jpg", quality=85)
    base.transpose(Image.FLIP_LEFT_RIGHT).save(folder / "mirror.png")
    base.transpose(Image.FLIP_LEFT_RIGHT).save(folder / "mirror.jpg", quality=70)
    for name, options in {"mouth": {"mouth": 5}, "pin": {"pin": True}, "eyes": {"eye": (230, 30, 30)}}.items():
        portrait(1, **options).save(folder / f"variant-{name}.png")
    for seed in range(2, 12):
        portrait(seed).save(folder / f"other{seed}.png")
    report = run(folder)
    found = reasons(report)
    assert {f for f, r in found.items() if r == ""} == (
        {"enlarged.jpg", "variant-mouth.png", "variant-pin.png", "variant-eyes.png"} | {f"other{i}.png" for i in range(2, 12)})
    assert found["mirror.png"] == found["mirror.jpg"] == "mirrored"
    assert found["base.png"] == found["copy.png"] == found["jpeg.jpg"] == found["resized.png"] == "duplicate"
    assert {row.match for row in report.rows if row.reason} == {"enlarged.jpg"}  # the largest source is kept


def test_the_first_by_name_is_kept_among_equals(folder):
    for name in ("c", "a", "b"):
        portrait(4).save(folder / f"{name}.png")
    assert reasons(run(folder)) == {"a.png": "", "b.png": "duplicate", "c.png": "duplicate"}


def test_likenesses_do_not_chain(folder):
    """A slow fade from one picture to another: neighbours are alike, the ends are not."""
    a, b = (np.asarray(portrait(s), float) for s in (1, 2))
    for i, share in enumerate(np.linspace(0, 1, 60)):
        Image.fromarray((a + share * (b - a)).round().astype(np.uint8)).save(folder / f"{i:02d}.png")
    report = run(folder)
    kept = {row.file: report.images[row.index] for row in report.rows if not row.reason}
    assert 2 < len(kept) < 60 and "00.png" in kept
    for row in report.rows:
        if row.reason:
            assert picture_difference(report.images[row.index], kept[row.match]) < DIFFERENT


def test_the_result_does_not_depend_on_the_workers(folder, monkeypatch):
    for seed in range(30):
        portrait(seed % 20).save(folder / f"{seed:02d}.jpg", quality=60 + seed)
    many = run(folder)
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    one = run(folder)
    assert [vars(r) for r in one.rows] == [vars(r) for r in many.rows]
    assert np.array_equal(one.images, many.images) and one.summary()["duplicate"] == 10


def test_a_thousand_copies_are_no_problem(folder):
    data = io.BytesIO()
    portrait(5).save(data, "PNG")
    for i in range(1_000):
        (folder / f"{i:04d}.png").write_bytes(data.getvalue())
    begun = time.monotonic()
    assert run(folder).summary() == {"kept": 1, "duplicate": 999}
    assert time.monotonic() - begun < 20


# -- signatures and the search


def test_signatures_of_known_pictures():
    """A ramp that gets brighter to the right: every cell is darker than the next, and nothing varies downwards."""
    ramp = np.arange(64, dtype=np.uint8)[None, None, :, None].repeat(64, 1).repeat(3, 3) * 4  # (1, 64, 64, 3)
    one, way_back = signatures(ramp), signatures(ramp[:, :, ::-1])
    assert one[0, 1] == 2**64 - 1 and way_back[0, 1] == 0
    x = np.stack([np.asarray(portrait(i, 64)) for i in range(5)])
    assert np.array_equal(signatures(x)[3:], signatures(x[3:])) and len(np.unique(signatures(x), axis=0)) == 5


def test_shrink_is_the_area_average():
    x = np.random.default_rng(0).random((2, 64, 48)).astype(np.float32)
    assert np.allclose(area_average(x, 8, 6), x.reshape(2, 8, 8, 6, 8).mean((2, 4)), atol=1e-5)
    assert np.allclose(area_average(x, 7, 5).mean((1, 2)), x.mean((1, 2)), atol=1e-5)


def test_near_pairs_against_brute_force():
    rng = np.random.default_rng(0)
    h = rng.integers(0, 2**64, (3_000, 2), np.uint64)
    for i in range(500):  # copies that differ in 0 to 7 bits
        h[2_500 + i] = h[i]
        for bit in rng.choice(128, i % 8, replace=False):
            h[2_500 + i, bit // 64] ^= np.uint64(1) << np.uint64(bit % 64)
    distance = np.bitwise_count(h[:, None] ^ h[None]).sum(-1)
    expected = set(map(tuple, np.argwhere(np.triu(distance <= 7, 1))))
    found = set(map(tuple, near_pairs(h)))
    assert len(expected) == 500 and expected <= found
    assert all(distance[a, b] <= HAMMING for a, b in found)


def test_difference_tells_copies_from_variants():
    a = np.asarray(portrait(1, 64))
    jpeg = io.BytesIO()
    Image.fromarray(a).save(jpeg, "JPEG", quality=50)
    assert picture_difference(a, a) == 0
    assert picture_difference(a, np.asarray(Image.open(jpeg))) < DIFFERENT
    small = np.asarray(Image.fromarray(a).resize((32, 32), Image.LANCZOS).resize((64, 64), Image.LANCZOS))
    assert picture_difference(a, small) < DIFFERENT
    faint = a.astype(int)
    faint[46:48, 30:35] -= (20, 45, 40)  # a mouth of ten pixels
    assert picture_difference(a, faint.clip(0, 255).astype(np.uint8)) > DIFFERENT


# -- bad crops


def test_outliers_are_told_apart():
    rng = np.random.default_rng(0)
    faces = np.stack([face(i, size=32)[0] for i in range(300)])
    noise = rng.integers(0, 256, (3, 8, 8, 3), np.uint8).repeat(4, 1).repeat(4, 2)
    distance, limit = outliers(np.concatenate([faces, noise]))
    assert (distance[-3:] > limit).all() and (distance[:300] > limit).mean() < 0.05


def test_without_a_detector_auto_says_so(folder, monkeypatch):
    for i in range(210):
        Image.fromarray(face(i, size=64)[0]).save(folder / f"{i:03d}.png")
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 256, (8, 8, 3), np.uint8)).resize((64, 64), 0).save(folder / "noise.png")
    monkeypatch.setattr("ganlib.data.detector.detector_trouble", lambda: "it is not there.")
    report = run(folder, faces="auto")
    assert report.settings["faces"] == "found as outliers (no face detector: it is not there.)"
    assert reasons(report)["noise.png"] == "bad-crop" and report.summary()["bad-crop"] < 10
    with pytest.raises(GanlibError, match="cannot be used: it is not there"):
        run(folder, faces="detector")
    assert run(folder, faces="outlier").settings["faces"] == "found as outliers"


@pytest.mark.parametrize("where, trouble", [((0.5, 0.55, 0.6), ""), (None, "no face"), ((0.8, 0.5, 0.6), "off-centre"),
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
    report = run(folder, faces="detector")
    found = reasons(report)
    assert all(found[f"noise{i}.png"] == "bad-crop" for i in range(4))
    assert sum(found[f"face{i:02d}.png"] == "" for i in range(40)) >= 30
    assert report.settings["faces"] == "found with the detector animeface"


def test_a_detector_that_crashes_is_an_error_not_a_hang(monkeypatch):
    monkeypatch.setenv("PYTHONHASHSEED", "nonsense")  # the worker's Python refuses to start
    with pytest.raises(GanlibError, match="stopped with code"):
        find_faces(np.zeros((1, 32, 32, 3), np.uint8))


def test_an_interrupt_waits_for_one_part_of_the_pictures_only(monkeypatch):
    asked = []

    def find_faces(images):
        asked.append(len(images))
        time.sleep(0.05)
        raise KeyboardInterrupt

    monkeypatch.setattr("ganlib.data.detector.detector_trouble", lambda: "")
    monkeypatch.setattr("ganlib.data.detector.find_faces", find_faces)
    with pytest.raises(KeyboardInterrupt):
        find_bad_crops([Row("", 0)] * 9_000, np.zeros((1, 8, 8, 3), np.uint8), "auto", False)
    assert set(asked) == {200} and len(asked) < 20


# -- labels, review, errors


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
    report = run(folder)
    assert report.attributes == {"hair": ["aqua", "red"], "eyes": ["blue", "pink"]}
    labels = {row.file: row.labels for row in report.rows}
    assert labels["0.png"] == {"hair": "red", "eyes": "blue"} and labels["2.png"] == {"hair": None, "eyes": None}
    assert labels["1.png"]["eyes"] is None
    assert labels["3-copy.png"] == {"hair": "red", "eyes": "pink"}  # from its copy
    assert "1 rows name no file" in str(report)


def test_bad_labels(folder, tmp_path):
    portrait(0).save(folder / "0.png")
    with pytest.raises(GanlibError, match="none.csv cannot be read"):
        run(folder, labels=tmp_path / "none.csv")
    wanted = "expected a CSV with the column file"
    for rows, match in (([["name", "hair"], ["0.png", "red"]], wanted), ([["file"], ["0.png"]], wanted),
                        ([["file", "hair"], ["x.png", "red"]], "No row"), ([], wanted)):
        with pytest.raises(GanlibError, match=match):
            run(folder, labels=write_labels(tmp_path, rows))


def test_bad_folders_and_options(tmp_path):
    with pytest.raises(GanlibError, match="no folder"):
        run(tmp_path / "none")
    with pytest.raises(GanlibError, match="holds no image files"):
        run(tmp_path)
    for bad in {"fit": "stretch"}, {"faces": "all"}, {"size": 4}:
        with pytest.raises(GanlibError, match="=.*expected"):
            run(tmp_path, **bad)


def test_nothing_that_can_be_decoded(folder):
    (folder / "a.png").write_text("x")
    (folder / "gone.png").symlink_to(folder / "nowhere.png")
    for faces in "off", "outlier":
        assert run(folder, faces=faces).summary() == {"unreadable": 2}


def test_too_little_space_for_decoding(folder, monkeypatch):
    portrait(0).save(folder / "0.png")
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("usage", (), {"free": 10_000}))
    with pytest.raises(GanlibError, match="No space left.*TMPDIR"):
        run(folder)


def test_the_sources_are_not_touched_and_nothing_stays(folder, tmp_path, monkeypatch):
    import tempfile
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    portrait(0).save(folder / "0.png")
    before = {p: (p.read_bytes(), p.stat().st_mtime_ns) for p in folder.iterdir()}
    report = run(folder)
    p = pack(report, tmp_path / "pack")
    assert len(p) == 1 and p.manifest()[0]["file"] == "0.png"
    del report
    assert {p: (p.read_bytes(), p.stat().st_mtime_ns) for p in folder.iterdir()} == before
    assert not list((tmp_path / "tmp").iterdir())


# -- real faces


def test_real_faces(real_faces, tmp_path, capsys):
    with zipfile.ZipFile(real_faces / "anime-faces.zip") as archive:
        archive.extractall(tmp_path / "raw")
    begun = time.monotonic()
    report = clean(tmp_path / "raw", faces="off", labels=real_faces / "anime-faces-labels.csv", progress=False)
    p = pack(report, tmp_path / "pack")
    seconds = time.monotonic() - begun
    with capsys.disabled():
        print(f"\n{report}\n{seconds:.0f} s for decoding, cleaning and packing")
    assert report.summary() == {"kept": 14_246, "duplicate": 506, "mirrored": 14_752}
    assert len(p) == 14_246 and (p.labels >= 0).mean() > 0.99


def test_hidden_files_are_passed_over_and_hidden_parents_are_not(tmp_path):
    folder = tmp_path / ".cache" / "raw"
    (folder / ".thumbnails").mkdir(parents=True)
    portrait(0).save(folder / "a.png")
    portrait(1).save(folder / ".thumbnails" / "b.png")
    portrait(2).save(folder / ".hidden.png")
    assert reasons(run(folder)) == {"a.png": ""}


def test_a_mouth_that_is_gone_is_a_difference_and_blur_is_none():
    a = np.asarray(portrait(1, 64))
    faint = a.astype(float)
    faint[44:46, 28:33] *= 0.92  # a faint mouth on smooth skin
    assert picture_difference(a, faint.round().astype(np.uint8)) > DIFFERENT
    small = np.asarray(Image.fromarray(a).resize((32, 32), Image.BILINEAR).resize((64, 64), Image.LANCZOS))
    assert picture_difference(a, small) < DIFFERENT


def test_a_postscript_file_is_never_run(tmp_path):
    (tmp_path / "x.jpg").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 100 100\n%%EndComments\nshowpage\n")
    pixels, reason, detail, _ = decode(tmp_path / "x.jpg", 64)
    assert pixels is None and reason == "unreadable" and detail.startswith("no picture of the formats AVIF, BMP")


def test_a_picture_of_very_many_pixels_is_not_decoded(tmp_path):
    Image.new("1", (10_000, 7_000)).save(tmp_path / "x.png")
    assert decode(tmp_path / "x.png", 64)[1:3] == ("unreadable", "10000x7000: more than 64 million pixels")


@pytest.mark.parametrize("fit", ["crop", "pad"])
def test_a_line_has_a_reason(tmp_path, fit):
    Image.effect_noise((9_000, 40), 90).save(tmp_path / "x.png")
    assert decode(tmp_path / "x.png", 64, fit)[1] == "aspect"
