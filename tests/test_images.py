"""Pictures as arrays: grids, and what is no picture."""
import numpy as np
import pytest
import torch
from PIL import Image
from run_folders import SHADES, flat, noise
from torchvision.utils import make_grid

from ganlib.errors import GanlibError
from ganlib.images import enlarged, grid, resized, to_uint8


@pytest.mark.parametrize("n, columns, padding", [(64, 8, 2), (5, 3, 2), (3, 8, 1), (4, 2, 0)])
def test_grid_lays_pictures_as_torchvision_does(n, columns, padding):
    x = noise(n, 6)
    expected = make_grid(torch.from_numpy(x).permute(0, 3, 1, 2), columns, padding, pad_value=255)
    assert (np.asarray(grid(x, columns, padding)) == expected.permute(1, 2, 0).numpy()).all()


def test_grid_enlarges_pictures_and_not_the_lines_between():
    small = flat(SHADES[:3], 4)
    large = small.repeat(3, 1).repeat(3, 2)
    assert (np.asarray(grid(small, columns=2, scale=3)) == np.asarray(grid(large, columns=2))).all()


def slope(size):
    """A picture that goes evenly from black to white."""
    row = np.linspace(0, 255, size).round().astype(np.uint8)
    return row[None, None, :, None].repeat(size, 1).repeat(3, 3)


@pytest.mark.parametrize("scale", [2, 2.5, 4, np.float64(3)])
def test_enlarging_is_smooth(scale):
    """An even slope stays one, without stairs, and no colour comes in that was not there."""
    large = enlarged(slope(16), scale)
    assert large.shape == (1, round(16 * scale), round(16 * scale), 3) and large.dtype == np.uint8
    row = large[0, 0, :, 0].astype(int)
    inner = row[round(2 * scale):-round(2 * scale)]
    assert (np.diff(inner) > 0).all() and np.diff(inner).max() <= 1.4 * 17 / scale
    assert (enlarged(flat(SHADES), scale) == np.array(SHADES)[:, None, None]).all()


def test_enlarging_keeps_the_kind_and_takes_what_a_grid_takes():
    x = noise(3)
    picture = enlarged(Image.fromarray(x[0]), 2)
    assert (np.asarray(picture) == enlarged(x, 2)[0]).all()
    assert resized(Image.fromarray(x[0]), (32, 32)) == picture
    floats = torch.from_numpy(x).permute(0, 3, 1, 2) / 127.5 - 1
    assert (enlarged(floats, 2) == enlarged(x, 2)).all()
    assert (enlarged(x, 1) == x).all() and enlarged(x, 0.5).shape == (3, 8, 8, 3)


@pytest.mark.parametrize("scale", [0, -1, float("nan"), float("inf"), "2", None])
def test_a_scale_that_is_none_is_named(scale):
    with pytest.raises(GanlibError, match="scale=.*expected a number above 0"):
        enlarged(noise(1), scale)


def test_grid_takes_floats_and_single_pictures():
    x = torch.tensor([-1.0, 0.0, 1.0, 3.0])[:, None, None, None].expand(4, 3, 2, 2).requires_grad_()
    row = np.asarray(grid(x, columns=4, padding=0))
    assert row[0, ::2, 0].tolist() == [0, 128, 255, 255]
    assert grid(noise(1, 4)).size == (8, 8)


def test_every_level_survives_the_way_to_a_tensor_and_back():
    levels = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1).repeat(3, 3)
    x = torch.from_numpy(levels).permute(0, 3, 1, 2) / 127.5 - 1
    assert (to_uint8(x).numpy() == levels).all()
    assert to_uint8(torch.tensor([-9.0, 9.0]).view(1, 1, 1, 2)).flatten().tolist() == [0, 255]


@pytest.mark.parametrize("bad", [noise(3)[0], noise(2).astype(float), noise(0), [1, 2],
                                 torch.zeros(2, 8, 8, 3), torch.zeros(3, 8, 8)])
def test_grid_says_what_is_wrong(bad):
    with pytest.raises(GanlibError, match=r"These are no images.*expected uint8"):
        grid(bad)
