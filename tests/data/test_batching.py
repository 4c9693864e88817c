import numpy as np
import torch
from helpers import make_pack

from ganlib.data.batching import batches
from ganlib.data.packs import load_pack
from ganlib.seeding import seeded


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
