import numpy as np
import pytest
import torch

from ganlib.data import order
from ganlib.data.order import images_at, permuted
from ganlib.seeding import seeded


def keys(seed):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(2 ** 32, (order.ROUNDS, 2), generator=generator).tolist()


@pytest.fixture
def small_parts(monkeypatch):
    """Packs of more than 50 images count as too many for a list of them all."""
    monkeypatch.setattr(order, "PART", 50)
    order._part.cache_clear()
    yield
    order._part.cache_clear()


def test_the_order_of_a_pack_that_fits_is_that_of_old_runs():
    whole = torch.cat([torch.randperm(12, generator=seeded(4, epoch, "order")) for epoch in range(5)])
    assert torch.equal(images_at(12, 4, 0, 60), whole)
    assert torch.equal(images_at(12, 4, 7, 31), whole[7:38])


@pytest.mark.parametrize("count", [*range(1, 40), 97, 100, 101, 1023, 1024, 1025, 9_999, 99_991])
def test_a_computed_order_is_a_permutation(count):
    for seed in range(3):
        found = permuted(torch.arange(count), count, keys(seed))
        assert torch.equal(found.sort().values, torch.arange(count))


def test_a_place_of_a_huge_pack_is_computed_alone():
    """100 million images: those at some places, asked for in two ways, are the same, and none comes twice."""
    count = 10 ** 8
    places = torch.randint(count, (5_000,), generator=torch.Generator().manual_seed(0)).unique()
    found = permuted(places, count, keys(0))
    assert found.unique().numel() == len(places) and found.min() >= 0 and found.max() < count
    assert torch.equal(permuted(places[::7], count, keys(0)), found[::7])


def test_epochs_seeds_and_keys_differ(small_parts):
    orders = [images_at(1_000, seed, 1_000 * epoch, 1_000) for seed in range(3) for epoch in range(3)]
    for i, one in enumerate(orders):
        for other in orders[:i]:
            assert (one == other).sum() < 15  # by chance one image is at the same place


def test_a_computed_order_looks_random():
    """No image depends on its place, nor on its neighbour, nor on the one a row of the table away."""
    count = 1_000_003
    places = torch.arange(count)
    found = permuted(places, count, keys(1))
    for other, same in [(places, found), *((found[:-lag], found[lag:]) for lag in (1, 2, 1_000, 1_001))]:
        assert abs(np.corrcoef(other.double(), same.double())[0, 1]) < 4.5 / count ** 0.5
    for cells in 10, 100:  # as many of each tenth (hundredth) of the places come from each of the images
        table = torch.bincount(places * cells // count * cells + found * cells // count, minlength=cells ** 2)
        expected = count / cells ** 2
        chi2 = ((table - expected) ** 2 / expected).sum().item()
        free = (cells - 1) ** 2
        assert abs(chi2 - free) < 4.5 * (2 * free) ** 0.5


@pytest.mark.parametrize("count", [51, 120, 149, 150])
def test_an_epoch_in_parts_has_each_image_once(small_parts, count):
    whole = images_at(count, 3, 0, 4 * count)
    for epoch in whole.split(count):
        assert torch.equal(epoch.sort().values, torch.arange(count))
    batches = [images_at(count, 3, start, 7) for start in range(0, 4 * count - 7, 7)]
    assert torch.equal(torch.cat(batches), whole[:7 * len(batches)])


def test_no_list_of_all_images_is_made(small_parts, monkeypatch):
    made = []
    real = order.permuted
    monkeypatch.setattr(order, "permuted", lambda *args: made.append(real(*args)) or made[-1])
    monkeypatch.setattr(torch, "randperm", None)
    images_at(10 ** 12, 0, 10 ** 11, 64)
    assert [len(part) for part in made] == [50, 50]  # position 10 ** 11 begins a part
