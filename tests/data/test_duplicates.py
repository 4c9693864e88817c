"""Copies and mirror images: signatures, the search, the comparison."""
import io
import time

import numpy as np
from PIL import Image
from raw_files import clean_quietly, portrait, reasons

from ganlib.data.duplicates import (
    DIFFERENT,
    HAMMING,
    area_average,
    near_pairs,
    picture_difference,
    signatures,
)


def test_copies_go_and_variants_stay(folder):
    base = portrait(1)
    base.save(folder / "base.png")
    base.save(folder / "copy.png")
    base.save(folder / "jpeg.jpg", quality=60)
    base.resize((48, 48), Image.LANCZOS).save(folder / "resized.png")
    base.resize((150, 150), Image.BICUBIC).save(folder / "enlarged.jpg", quality=85)
    base.transpose(Image.FLIP_LEFT_RIGHT).save(folder / "mirror.png")
    base.transpose(Image.FLIP_LEFT_RIGHT).save(folder / "mirror.jpg", quality=70)
    variants = {"mouth": {"mouth": 5}, "pin": {"pin": True}, "eyes": {"eye": (230, 30, 30)}}
    for name, options in variants.items():
        portrait(1, **options).save(folder / f"variant-{name}.png")
    for seed in range(2, 12):
        portrait(seed).save(folder / f"other{seed}.png")
    report = clean_quietly(folder)
    found = reasons(report)
    others = {f"other{i}.png" for i in range(2, 12)}
    assert {file for file, reason in found.items() if reason == ""} == (
        {"enlarged.jpg", "variant-mouth.png", "variant-pin.png", "variant-eyes.png"} | others)
    assert found["mirror.png"] == found["mirror.jpg"] == "mirrored"
    assert found["base.png"] == found["copy.png"] == found["jpeg.jpg"] == found["resized.png"] == "duplicate"
    assert {row.match for row in report.rows if row.reason} == {"enlarged.jpg"}  # the largest source is kept


def test_the_first_by_name_is_kept_among_equals(folder):
    for name in ("c", "a", "b"):
        portrait(4).save(folder / f"{name}.png")
    assert reasons(clean_quietly(folder)) == {"a.png": "", "b.png": "duplicate", "c.png": "duplicate"}


def test_likenesses_do_not_chain(folder):
    """A slow fade from one picture to another: neighbours are alike, the ends are not."""
    a, b = (np.asarray(portrait(s), float) for s in (1, 2))
    for i, share in enumerate(np.linspace(0, 1, 60)):
        Image.fromarray((a + share * (b - a)).round().astype(np.uint8)).save(folder / f"{i:02d}.png")
    report = clean_quietly(folder)
    kept = {row.file: report.images[row.index] for row in report.rows if not row.reason}
    assert 2 < len(kept) < 60 and "00.png" in kept
    for row in report.rows:
        if row.reason:
            assert picture_difference(report.images[row.index], kept[row.match]) < DIFFERENT


def test_a_thousand_copies_are_no_problem(folder):
    data = io.BytesIO()
    portrait(5).save(data, "PNG")
    for i in range(1_000):
        (folder / f"{i:04d}.png").write_bytes(data.getvalue())
    begun = time.monotonic()
    assert clean_quietly(folder).summary() == {"kept": 1, "duplicate": 999}
    assert time.monotonic() - begun < 20


def test_signatures_of_known_pictures():
    """A ramp that gets brighter to the right: every cell is darker than the next."""
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


def test_a_mouth_that_is_gone_is_a_difference_and_blur_is_none():
    a = np.asarray(portrait(1, 64))
    faint = a.astype(float)
    faint[44:46, 28:33] *= 0.92  # a faint mouth on smooth skin
    assert picture_difference(a, faint.round().astype(np.uint8)) > DIFFERENT
    small = np.asarray(Image.fromarray(a).resize((32, 32), Image.BILINEAR).resize((64, 64), Image.LANCZOS))
    assert picture_difference(a, small) < DIFFERENT
