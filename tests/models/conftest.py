"""Fixtures of the tests of networks."""
import pytest
import torch
from style_pairs import PAIRS, give_noise_a_strength


@pytest.fixture(params=PAIRS)
def pair(request):
    """A small G and D, of either style-based model, with noise that can be seen."""
    torch.manual_seed(0)
    G, D = PAIRS[request.param]()
    give_noise_a_strength(G)
    return G, D
