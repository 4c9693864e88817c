import numpy as np
import pytest
import torch

from ganlib.seeding import mixed, seed_numbers, seed_of_word, seeded, words_told


def draw(*key):
    return torch.rand(4, generator=seeded(*key)).tolist()


def test_streams_are_independent():
    assert draw(0, 64, "z") == draw(0, 64, "z")
    keys = (0, 64, "z"), (1, 64, "z"), (0, 65, "z"), (0, 64, "flip")
    assert len({tuple(draw(*key)) for key in keys}) == 4


def test_seeds_are_those_of_earlier_versions():
    """A run that was begun before draws the same when it goes on."""
    assert mixed(0, 0, "z") == 956283901037048032
    assert mixed(3, 64, "flip") == 268872765344735046


@pytest.mark.parametrize("seeds, numbers", [
    ("1,2,3", [1, 2, 3]), ("1 2 3", [1, 2, 3]), (" 1, 2\t3, ", [1, 2, 3]), ("-4", [-4]),
    ([1, "2", np.int64(3)], [1, 2, 3]), ("ann, 7", [3936924788, 7]), ("änne", [3956684476]),
    (["ann lee"], [3791223605]),
])
def test_numbers_and_words_are_seeds(seeds, numbers):
    assert seed_numbers(seeds) == numbers


def test_what_words_stand_for_is_told():
    ann, bob = (f"{name} is seed {seed_of_word(name):,}" for name in ("ann", "bob"))
    assert words_told("ann 7, bob") == f"{ann}, {bob}"
    assert words_told("1, 2") == "" and words_told([3, "ann"]) == ann
