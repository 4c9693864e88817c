"""Inversion: a picture is found in a generator."""
import numpy as np
import pytest
import torch

from ganlib.errors import GanlibError
from ganlib.models.sampling import generate, latents, styles
from ganlib.play.inversion import invert


@pytest.fixture(scope="module")
def one(styled):
    return styled.G


def test_inversion_finds_its_own_face(one):
    ws, seen = styles(one, latents(1, 16, 3)), []
    image, start = (generate(one, x)[0].astype(float) for x in (ws, one.w_avg.expand(1, 8, 12)))
    picture = image.astype(np.uint8)
    found, losses = invert(one, picture, 40, progress=False, callback=lambda *step: seen.append(step))
    assert found.shape == (1, 8, 12) and len(losses) == 40 and losses[-1] < losses[0] / 3
    assert [step for step, _, _ in seen] == list(range(40))
    assert torch.equal(seen[-1][1], found) and seen[-1][2] == losses[-1]
    assert np.abs(generate(one, found)[0] - image).mean() < np.abs(start - image).mean() / 2
    assert all(p.grad is None for p in one.parameters())


def test_inversion_takes_pictures_of_any_size_and_nothing_else(one):
    found, losses = invert(one, np.full((50, 90, 3), 128, np.uint8), 2, progress=False)
    assert torch.isfinite(found).all() and len(losses) == 2
    for wrong in (np.zeros((32, 32), np.uint8), np.zeros((32, 32, 3)), "face.png"):
        with pytest.raises(GanlibError, match="no image"):
            invert(one, wrong)
