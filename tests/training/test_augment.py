import pytest
import torch
from helpers import tiny

from ganlib.errors import GanlibError
from ganlib.training.augment import POLICIES, Adaptive, augment


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def pictures(n=200, side=32):
    return torch.rand(n, 3, side, side) * 2 - 1


def test_no_policy_returns_the_images_themselves():
    x = pictures(2)
    assert augment(x, "") is x and augment(x, " ") is x


def test_an_unknown_name_gets_the_nearest():
    with pytest.raises(GanlibError, match="translation,colour.*Did you mean 'color'"):
        augment(pictures(1), "translation,colour")


@pytest.mark.parametrize("policy", ["color", "translation", "cutout", "color, translation,cutout"])
@pytest.mark.parametrize("side", [28, 64])
def test_shape_and_dtype_stay_and_every_image_is_distorted_in_its_own_way(policy, side):
    x = pictures(1, side).expand(64, -1, -1, -1)
    y = augment(x, policy)
    assert y.shape == x.shape and y.dtype == x.dtype and y.isfinite().all()
    assert y.flatten(1).unique(dim=0).shape[0] >= 32  # 49 shifts at least, so that two pictures may share one
    torch.manual_seed(1)
    a = augment(x, policy)
    torch.manual_seed(1)
    assert torch.equal(a, augment(x, policy))  # all randomness comes from the global generator


def test_order_of_the_policy():
    x = torch.ones(8, 3, 16, 16)
    torch.manual_seed(0)
    by_hand = POLICIES["color"](POLICIES["cutout"](x))
    torch.manual_seed(0)
    assert torch.equal(augment(x, "cutout,color"), by_hand)


def test_color_of_a_grey_image_is_brightness_alone():
    # saturation and contrast scale what deviates from the pixel's and the image's mean: nothing, here
    x = torch.full((2000, 3, 4, 4), 0.25)
    shift = augment(x, "color") - x
    assert (shift.amax((1, 2, 3)) - shift.amin((1, 2, 3))).max() < 1e-6
    shift = shift[:, 0, 0, 0]
    assert shift.abs().max() <= 0.5 + 1e-6 and shift.mean().item() == pytest.approx(0, abs=0.03)
    assert shift.std().item() == pytest.approx(1 / 12**0.5, abs=0.02)  # of U(-0.5, 0.5)


def test_saturation_and_contrast_by_their_factors():
    # red and cyan of one grey value: all deviation is saturation's, times contrast's
    x = torch.zeros(4000, 3, 2, 2)
    x[:, 0], x[:, 1:] = 0.6, -0.3
    y = augment(x, "color")
    factor = ((y[:, 0] - y[:, 1]) / 0.9)[:, 0, 0]  # U(0, 2) U(0.5, 1.5)
    assert factor.min() >= 0 and factor.max() <= 3 and factor.mean().item() == pytest.approx(1, abs=0.04)
    # black and white pixels: no saturation to change, so the span is contrast's alone
    x = torch.ones(4000, 3, 2, 2)
    x[:, :, 0] = -1
    y = augment(x, "color")
    factor = (y[:, 0, 1, 0] - y[:, 0, 0, 0]) / 2
    assert factor.min() >= 0.5 - 1e-5 and factor.max() <= 1.5 + 1e-5
    assert factor.mean().item() == pytest.approx(1, abs=0.02)
    assert factor.std().item() == pytest.approx(1 / 12**0.5, abs=0.02)


def test_translation_moves_the_content_by_up_to_an_eighth():
    x = torch.zeros(4000, 3, 32, 32)
    x[:, :, 10, 20] = 1
    y = augment(x, "translation")
    image, channel, row, column = y.nonzero(as_tuple=True)
    assert (
        y.sum().item() == 4000 * 3 and (y.amax((1, 2, 3)) == 1).all()
    )  # the point is moved, not copied or mixed
    for found, was in ((row, 10), (column, 20)):
        share = torch.bincount(found - was + 4, minlength=9) / len(found)
        assert len(share) == 9 and share.tolist() == pytest.approx([1 / 9] * 9, abs=0.025)
    assert abs(torch.corrcoef(torch.stack([row, column]).float())[0, 1]) < 0.05


def test_translation_fills_with_zeros_and_keeps_the_rest():
    x = pictures(100) + 3
    y = augment(x, "translation")
    for a, b in zip(x, y):
        rows, columns = (b[0] != 0).any(1).nonzero().flatten(), (b[0] != 0).any(0).nonzero().flatten()
        top, left, h, w = rows[0], columns[0], len(rows), len(columns)
        assert h >= 28 and w >= 28
        inside = b[:, top : top + h, left : left + w]
        source = a[:, (32 - h) * (top == 0) :, (32 - w) * (left == 0) :][:, :h, :w]
        assert torch.equal(inside, source)


@pytest.mark.parametrize("side", [28, 32])
def test_cutout_is_a_square_of_half_the_side_at_most(side):
    x = torch.ones(3000, 3, side, side)
    y = augment(x, "cutout")
    cut = y == 0
    assert torch.equal(y, 1 - cut.float()) and (cut == cut[:, :1]).all()
    share = cut[:, 0].float().mean((1, 2))
    assert share.max().item() == 0.25 and share.min() >= 1 / 16  # in a corner a quarter of the square is left
    # the centre is uniform over 0..side; what reaches beyond the edge is lost: about 7/16 of a side each way
    q = side // 4
    lengths = [min(c + q, side) - max(c - q, 0) for c in range(side + 1)]
    assert share.mean().item() == pytest.approx((sum(lengths) / len(lengths) / side) ** 2, abs=0.005)
    rows = cut[:, 0].any(2).sum(1)
    assert rows.max() == side // 2 and torch.equal(
        cut[:, 0].sum((1, 2)), rows * cut[:, 0].any(1).sum(1)
    )  # a rectangle


def test_four_pixels_are_served():
    # where growing networks begin: nothing to shift by, and a cut of 2 pixels
    x = pictures(100, 4)
    assert torch.equal(augment(x, "translation"), x)
    assert (augment(x, "cutout") == 0).sum((1, 2, 3)).max() == 12


def test_gradients_pass_through():
    # translation and cutout copy or drop: the sum's gradient is 1 where a pixel stays and 0 where it goes
    x = (pictures(50) + 3).requires_grad_()
    for policy in ("translation", "cutout"):
        y = augment(x, policy)
        (grad,) = torch.autograd.grad(y.sum(), x)
        assert set(grad.unique().tolist()) == {0.0, 1.0}
        assert grad.sum() == (y != 0).sum()
    x = (pictures(2, 8).double() * 0.5).requires_grad_()

    def same_draws(x):
        torch.manual_seed(7)
        return augment(x, "color,translation,cutout")

    assert torch.autograd.gradcheck(same_draws, x)


def test_with_a_probability_each_function_is_applied_to_some_of_the_images():
    x = pictures(4000, 8).clamp(0.1)  # no zeros of its own
    y = augment(x, "color,cutout", p=torch.tensor(0.3))
    is_cut = (y == 0).all(1).flatten(1).any(1)
    kept = torch.where(is_cut[:, None, None, None], x, y)
    is_coloured = (kept != x).flatten(1).any(1)
    assert is_cut.float().mean().item() == pytest.approx(0.3, abs=0.03)
    assert is_coloured[~is_cut].float().mean().item() == pytest.approx(0.3, abs=0.03)


def test_never_and_always():
    x = pictures(50)
    assert torch.equal(augment(x, "color,translation,cutout", p=torch.tensor(0.0)), x)
    torch.manual_seed(5)
    always = augment(x, "cutout")
    torch.manual_seed(5)
    assert torch.equal(augment(x, "cutout", p=torch.tensor(1.0)), always)  # the chance is drawn after it


def test_gradients_pass_through_what_is_and_what_is_not_augmented():
    x = (pictures(200, 8) + 3).requires_grad_()
    y = augment(x, "cutout", p=torch.tensor(0.5))
    (gradient,) = torch.autograd.grad(y.sum(), x)
    assert torch.equal(gradient, (y != 0).float()) and 0.05 < (y == 0).float().mean() < 0.2


def adaptive(**changes):
    return Adaptive(tiny(augment="cutout", augment_target=0.6, **changes))


def test_p_rises_while_d_is_too_sure_at_the_published_pace():
    found = adaptive(augment_kimg=0.8)
    sure, unsure = torch.full((16,), 3.0), torch.full((16,), -3.0)
    rates = []
    for _ in range(60):  # of 16 images: 50 of them go from never to always
        found.follow(sure, unsure)
        rates.append(found.p.item())
    risen = [i for i, p in enumerate(rates) if p > 0]
    assert risen[0] == 14  # r_t has a memory of 256 images: 1 - (1 - 1/16)^15 is above 0.6
    assert rates[30] - rates[20] == pytest.approx(10 * 16 / 800, abs=1e-6)
    for _ in range(60):
        found.follow(sure, unsure)
    assert found.p == 1
    for _ in range(200):
        found.follow(unsure, unsure)
    assert found.p == 0 and found.r_t.item() == pytest.approx(-1, abs=0.01)


@pytest.mark.parametrize("loss, real, fake, expected", [
    ("bce", [1.0, -1.0, 2.0, 3.0], [9.0] * 4, 0.5),  # the sign of D(x)
    ("hinge", [1.0, -1.0, -2.0, -3.0], [9.0] * 4, -0.5),
    ("mse", [0.6, 0.4, 0.7, 0.8], [9.0] * 4, 0.5),  # against the middle of 0.9 and 0.1
    ("relativistic", [5.0, 5.0, 5.0, 5.0], [4.0, 6.0, 4.0, 4.0], 0.5),  # of pairs
    ("wasserstein", [-5.0] * 4, [-6.0] * 4, 1.0),
])
def test_what_r_t_is_the_sign_of(loss, real, fake, expected):
    found = adaptive(loss=loss, d_norm="layer", clip=0.01)
    found.follow(torch.tensor(real), torch.tensor(fake))
    assert found.r_t.item() == pytest.approx(expected * 4 / 256)
