import csv
import json
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from helpers import make_pack, make_report, random_images

from ganlib.data.batching import batches
from ganlib.data.packs import load_pack, pack
from ganlib.errors import GanlibError
from ganlib.seeding import seeded


def test_pack_round_trip_with_labels_and_manifest(tmp_path):
    images = random_images(10)
    p = pack(make_report(images, drop={2, 5}), tmp_path / "p")
    kept = [i for i in range(10) if i not in (2, 5)]
    assert len(p) == 8 and p.size == 32 and p.images.dtype == np.uint8
    assert np.array_equal(p.images, images[kept])
    assert p.attributes == {"hair": ["blue", "red"]}
    assert p.labels.dtype == np.int16 and p.labels[:, 0].tolist() == [(0, 1, -1)[i % 3] for i in kept]
    rows = p.manifest()
    assert [r["file"] for r in rows] == [f"{i:04d}.png" for i in range(10)]
    assert rows[2]["index"] == "" and rows[2]["reason"] == "uniform" and rows[3]["index"] == "2"
    assert rows[0]["hair"] == "blue" and rows[2]["hair"] == ""
    assert load_pack(p.path).hash == p.hash
    assert not list(tmp_path.glob(".*"))  # nothing temporary stays


def test_the_hash_follows_images_and_labels(tmp_path):
    a = make_pack(tmp_path / "a", 8)
    assert make_pack(tmp_path / "b", 8).hash == a.hash
    assert make_pack(tmp_path / "c", 8, seed=1).hash != a.hash
    assert make_pack(tmp_path / "d", 8, labels=[{"hair": "red"}] * 8).hash != a.hash


def test_without_labels(tmp_path):
    p = make_pack(tmp_path / "p", 8, attributes={}, labels=[{}] * 8)
    assert p.labels.shape == (8, 0) and p.attributes == {}
    x, labels = next(batches(p, 4))
    assert labels.shape == (4, 0)


def test_packing_again_honours_the_review(tmp_path):
    report = make_report(random_images(6), drop={1, 3})
    p = pack(report, tmp_path / "p")
    (p.path / "review.json").write_text(json.dumps({"keep": ["0003.png"]}))
    p = pack(report, p.path)
    assert len(p) == 5 and (p.path / "review.json").exists()
    row = p.manifest()[3]
    assert row["index"] == "2" and row["reason"] == "" and "taken back" in row["detail"]
    (p.path / "review.json").write_text("{}")
    with pytest.raises(GanlibError, match="review.json"):
        pack(report, p.path)
    assert len(load_pack(p.path)) == 5


def test_pack_refuses_what_it_would_damage(tmp_path):
    report = make_report(random_images(4))
    other = tmp_path / "thesis"
    other.mkdir()
    (other / "chapter.txt").write_text("years of work")
    with pytest.raises(GanlibError, match="not a pack"):
        pack(report, other)
    assert (other / "chapter.txt").read_text() == "years of work"
    with pytest.raises(GanlibError, match="is a file"):
        pack(report, other / "chapter.txt")
    with pytest.raises(GanlibError, match="No image is left"):
        pack(make_report(random_images(2), drop={0, 1}), tmp_path / "p")


def test_a_pack_that_cannot_be_written_leaves_the_old_one(tmp_path, monkeypatch):
    old = make_pack(tmp_path / "p", 8)

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "save", full)
    with pytest.raises(GanlibError, match="No space left.*untouched"):
        make_pack(tmp_path / "p", 9)
    monkeypatch.undo()
    assert load_pack(tmp_path / "p").hash == old.hash and not list(tmp_path.glob(".*"))


def test_too_little_space_is_told_before_anything_is_written(tmp_path, monkeypatch):
    old = make_pack(tmp_path / "p", 8)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=20_000))
    with pytest.raises(GanlibError, match="No space left for 0 MB.*nothing was changed"):
        make_pack(tmp_path / "p", 9)
    monkeypatch.undo()
    assert load_pack(tmp_path / "p").hash == old.hash and not list(tmp_path.glob(".*"))


def test_a_swap_that_was_cut_off_is_mended(tmp_path):
    p = make_pack(tmp_path / "p", 8)
    (p.path / "review.json").write_text('{"keep": ["0003.png"]}')
    p.path.rename(tmp_path / ".p.old")  # what a kill between the two renames leaves
    assert load_pack(tmp_path / "p").hash == p.hash
    p.path.rename(tmp_path / ".p.old")
    assert len(make_pack(tmp_path / "p", 9)) == 9 and (p.path / "review.json").exists()


def test_damaged_packs_are_refused(tmp_path):
    p = make_pack(tmp_path / "p", 8)

    def damaged(change):
        copy = tmp_path / "copy"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(p.path, copy)
        change(copy)
        with pytest.raises(GanlibError) as error:
            load_pack(copy)
        return str(error.value)

    def drop_row(folder):
        rows = list(csv.reader(open(folder / "manifest.csv")))
        csv.writer(open(folder / "manifest.csv", "w")).writerows(rows[:-1])

    def alter(folder):
        images = np.load(folder / "images.npy")
        images[0, 0, 0, 0] ^= 1
        np.save(folder / "images.npy", images)

    assert "does not agree with its manifest" in damaged(drop_row)
    assert "does not agree" in damaged(lambda f: np.save(f / "labels.npy", p.labels[:-1]))
    assert "altered" in damaged(alter)
    assert "damaged" in damaged(lambda f: (f / "images.npy").write_bytes((f / "images.npy").read_bytes()[:-100]))
    assert "damaged" in damaged(lambda f: (f / "pack.json").write_text("{"))
    assert "damaged" in damaged(lambda f: (f / "manifest.csv").unlink())
    assert "does not exist" in damaged(shutil.rmtree)
    assert "is not a pack" in damaged(lambda f: (f / "pack.json").unlink())


def positions(p, start, count, **kwargs):
    """Which image each of `count` batches of 5 holds, told by its pixels."""
    known = {image.tobytes(): i for i, image in enumerate(p.images)}
    known |= {image[:, ::-1].tobytes(): i for i, image in enumerate(p.images)}
    stream = batches(p, 5, seed=4, start=start, **kwargs)
    out = []
    for _ in range(count):
        x, labels = next(stream)
        raw = x.add(1).mul(127.5).round().byte().permute(0, 2, 3, 1).numpy()
        out.append([known[np.ascontiguousarray(image).tobytes()] for image in raw])
        assert labels.tolist() == p.labels[out[-1]].tolist()
    return out


def test_batches_cover_every_epoch_once_and_carry_labels(tmp_path):
    p = make_pack(tmp_path / "p", 12)
    flat = sum(positions(p, 0, 12), [])  # 60 images: five epochs, with batches across their borders
    for epoch in range(5):
        assert sorted(flat[12 * epoch:12 * epoch + 12]) == list(range(12))
    assert flat[:12] != flat[12:24]


def test_batches_resume_exactly(tmp_path):
    p = make_pack(tmp_path / "p", 12)
    whole = batches(p, 5, seed=4)
    first = [next(whole) for _ in range(9)]
    rest = batches(p, 5, seed=4, start=30)
    for x, labels in first[6:]:
        x2, labels2 = next(rest)
        assert torch.equal(x, x2) and torch.equal(labels, labels2)


def test_batches_values_and_flips(tmp_path):
    p = make_pack(tmp_path / "p", 40)
    stream = batches(p, 40, seed=1)
    x, _ = next(stream)
    assert x.shape == (40, 3, 32, 32) and x.dtype == torch.float32
    assert x.is_contiguous(memory_format=torch.channels_last)
    assert x.min() == -1 and x.max() == 1
    order = torch.randperm(40, generator=seeded(1, 0, "order"))
    plain = torch.from_numpy(p.images[order.numpy()]).permute(0, 3, 1, 2) / 127.5 - 1
    flipped = [torch.equal(a, b.flip(2)) for a, b in zip(x, plain)]
    straight = [torch.equal(a, b) for a, b in zip(x, plain)]
    assert all(f != s for f, s in zip(flipped, straight)) and 8 < sum(flipped) < 32
    assert torch.equal(next(batches(p, 40, seed=1, flip=False))[0], plain)


def test_seeded_streams_are_independent():
    draw = lambda *key: torch.rand(4, generator=seeded(*key)).tolist()
    assert draw(0, 64, "z") == draw(0, 64, "z")
    assert len({tuple(draw(*k)) for k in ((0, 64, "z"), (1, 64, "z"), (0, 65, "z"), (0, 64, "flip"))}) == 4


def test_a_pack_is_never_written_to_by_training(tmp_path):
    p = make_pack(tmp_path / "p", 8)
    x, _ = next(batches(p, 8))
    x.zero_()
    torch.from_numpy(p.images).zero_()  # copy-on-write
    assert load_pack(p.path).hash == p.hash
