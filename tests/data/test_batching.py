import json
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from helpers import make_pack
from sparse_packs import make_sparse_pack

from ganlib.data import batching
from ganlib.data.batching import batches
from ganlib.data.packs import load_pack
from ganlib.data.stored import StoredImages
from ganlib.errors import GanlibError
from ganlib.seeding import seeded


def take(stream, count):
    return [next(stream) for _ in range(count)]


def same(one, other):
    return all(torch.equal(a, b) for pair in zip(one, other) for a, b in zip(*pair))


@pytest.fixture
def large(monkeypatch):
    """Opens a pack as one that is larger than the memory."""
    def large(path):
        monkeypatch.setattr("ganlib.data.packs.READ_WHOLE", 0)
        opened = load_pack(path)
        assert opened.is_large and not opened.images.flags.writeable
        return opened
    return large


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


def test_a_pack_is_never_written_to_by_training(tmp_path):
    p = make_pack(tmp_path / "p", 8)
    x, _ = next(batches(p, 8))
    x.zero_()
    torch.from_numpy(p.images).zero_()  # copy-on-write
    assert load_pack(p.path).hash == p.hash


def test_a_pack_of_one_image_gives_batches(tmp_path):
    p = make_pack(tmp_path / "p", 1)
    x, labels = next(batches(p, 8))
    assert x.shape == (8, 3, 32, 32) and labels.tolist() == [[0]] * 8


def test_a_batch_size_may_follow_the_images_seen(tmp_path):
    p = make_pack(tmp_path / "p", 12)
    stream = batches(p, lambda images: 4 if images < 8 else 6, seed=4)
    sizes = [len(next(stream)[0]) for _ in range(4)]
    assert sizes == [4, 4, 6, 6]


def test_flips_are_those_of_old_runs(tmp_path):
    p = make_pack(tmp_path / "p", 12)
    flipped, plain = batches(p, 5, seed=4, start=20), batches(p, 5, seed=4, start=20, flip=False)
    for start in 20, 25, 30:
        mirrored = torch.rand(5, generator=seeded(4, start, "flip")) < 0.5
        x = next(plain)[0]
        assert torch.equal(next(flipped)[0], torch.where(mirrored[:, None, None, None], x.flip(3), x))


@pytest.mark.parametrize("world", [2, 3, 6])
def test_processes_together_see_what_one_sees(tmp_path, world):
    """Place j of process r is place j * world + r of the whole batch; the batch's size may change."""
    p = make_pack(tmp_path / "p", 25)
    size = lambda images: 6 if images < 30 else 12  # noqa: E731
    alone = take(batches(p, size, seed=4), 9)
    shares = [take(batches(p, size, seed=4, rank=rank, world=world), 9) for rank in range(world)]
    for k, (x, labels) in enumerate(alone):
        for rank in range(world):
            share, its_labels = shares[rank][k]
            assert torch.equal(share, x[rank::world]) and torch.equal(its_labels, labels[rank::world])
            assert share.is_contiguous(memory_format=torch.channels_last)


def test_a_batch_that_cannot_be_shared_is_refused(tmp_path):
    p = make_pack(tmp_path / "p", 12)
    with pytest.raises(GanlibError, match="batch of 7 images cannot be shared evenly by 2.*such as 6"):
        next(batches(p, 7, rank=1, world=2))
    with pytest.raises(GanlibError, match="batch of 1 images.*by 4.*such as 4"):
        next(batches(p, lambda images: 1, world=4))


def test_a_pack_larger_than_the_memory_gives_the_same_batches(tmp_path, large):
    p = make_pack(tmp_path / "p", 12)
    expected = take(batches(p, 5, seed=4), 9), take(batches(p, 6, seed=4, rank=1, world=3), 9)
    big = large(p.path)
    assert same(take(batches(big, 5, seed=4), 9), expected[0])
    assert same(take(batches(big, 6, seed=4, rank=1, world=3), 9), expected[1])


def test_the_disk_is_told_of_the_next_batch(tmp_path, large, monkeypatch):
    told, read = [], []
    expect, real = StoredImages.expect, StoredImages.read
    monkeypatch.setattr(StoredImages, "expect", lambda s, i: told.append(i) or expect(s, i))
    monkeypatch.setattr(StoredImages, "read", lambda s, i: read.append(i) or real(s, i))
    take(batches(large(make_pack(tmp_path / "p", 25).path), 6, seed=4, rank=1, world=2), 9)
    assert told[:-1] == read[1:] and all(len(images) == 3 for images in read)


@pytest.fixture
def opened(monkeypatch):
    """The files that batches read from."""
    opened = []

    class Noted(StoredImages):
        def __init__(self, images):
            super().__init__(images)
            opened.append(self.file)

    monkeypatch.setattr(batching, "StoredImages", Noted)
    return opened


def test_the_file_of_a_large_pack_is_closed_with_its_stream(tmp_path, large, opened):
    stream = batches(large(make_pack(tmp_path / "p", 12).path), 5)
    next(stream)
    assert [file.closed for file in opened] == [False]
    stream.close()
    assert [file.closed for file in opened] == [True]


@pytest.mark.parametrize("is_large", [False, True])
def test_a_pack_that_fits_a_gpu_is_copied_there(tmp_path, large, opened, monkeypatch, is_large):
    """The CPU stands in for the GPU: what is copied to it, in pieces of 5 images, gives the same batches."""
    p = make_pack(tmp_path / "p", 12)
    expected = take(batches(p, 5, seed=4), 9)
    monkeypatch.setattr("ganlib.data.stored.READ_AT_ONCE", 5 * p.images[0].nbytes)
    packed = large(p.path) if is_large else p
    monkeypatch.setattr(batching, "_free_on", lambda device: 2 * p.images.nbytes + 1)
    stream = batches(packed, 5, seed=4)
    first = next(stream)
    (p.path / "images.npy").unlink()  # no longer needed
    assert same([first, *take(stream, 8)], expected) and all(file.closed for file in opened)


def test_a_large_pack_that_was_made_anew_is_told_of(tmp_path, large):
    old = large(make_pack(tmp_path / "p", 12).path)
    make_pack(tmp_path / "p", 12, seed=1)
    with pytest.raises(GanlibError, match="made anew after it was opened: open it again"):
        next(batches(old, 5))


def test_a_file_that_is_cut_off_in_use_is_told_of(tmp_path, large):
    p = large(make_pack(tmp_path / "p", 12).path)
    stream = batches(p, 12)
    next(stream)
    os.truncate(p.path / "images.npy", 20_000)
    with pytest.raises(GanlibError, match="images.npy ends before image .* does: it was cut off"):
        next(stream)


def test_a_disk_that_is_gone_is_told_of(tmp_path, large, opened):
    stream = batches(large(make_pack(tmp_path / "p", 12).path), 5)
    next(stream)
    null = os.open(os.devnull, os.O_WRONLY)  # which cannot be read from
    os.dup2(null, opened[0].fileno())
    os.close(null)
    with pytest.raises(GanlibError, match="could not be read at image .*whether its disk is still there"):
        next(stream)


READ_MUCH = """
import json, sys
from resource import RUSAGE_SELF, getrusage
from ganlib.data.batching import batches
from ganlib.data.packs import load_pack

stream = batches(load_pack(sys.argv[1]), 64)
next(stream)
before = getrusage(RUSAGE_SELF).ru_maxrss
for _ in range(400):
    next(stream)
print(json.dumps(getrusage(RUSAGE_SELF).ru_maxrss - before))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="a hole takes disk elsewhere")
def test_what_was_read_of_a_large_pack_does_not_stay_in_memory(tmp_path):
    """Of 600 MB half are read, in a process of its own: the most memory it ever has hardly grows."""
    path = make_sparse_pack(tmp_path / "p", 50_000)
    assert load_pack(path).is_large
    done = subprocess.run([sys.executable, "-c", READ_MUCH, path], check=True, capture_output=True, text=True)
    assert json.loads(done.stdout) < 30_000  # kB
