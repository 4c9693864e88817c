import math

import pytest
import torch
from torch import nn

from ganlib.models.dcgan import DCGANDiscriminator
from ganlib.training.losses import (
    LABELLED,
    LOSSES,
    NEEDS_REAL,
    PENALTIES,
    SIGMOID,
    bce_d,
    bce_g,
    clip_weights,
    noisy_labels,
)

REAL, FAKE = (2.0, -1.0), (0.5, -3.0)


def softplus(x):
    return math.log1p(math.exp(x))


def logits(values):
    return torch.tensor(values, requires_grad=True)


# -- losses: L_D and L_G at REAL and FAKE, by hand


CE_09 = (
    sum(0.9 * softplus(-v) + 0.1 * softplus(v) for v in REAL) / 2
)  # CE(l, y) = y softplus(-l) + (1-y) softplus(l)
CE_01 = sum(0.1 * softplus(-v) + 0.9 * softplus(v) for v in FAKE) / 2
HAND = {
    "bce": ((CE_09 + CE_01) / 2, (softplus(-0.5) + softplus(3)) / 2),
    "minimax": ((CE_09 + CE_01) / 2, sum(math.log(1 - 1 / (1 + math.exp(-v))) for v in FAKE) / 2),
    # 1/2 ((1.1^2 + 1.9^2) / 2 + (0.4^2 + 3.1^2) / 2), 1/2 (0.5^2 + 4^2) / 2
    "mse": (0.5 * ((1.21 + 3.61) / 2 + (0.16 + 9.61) / 2), 0.5 * (0.25 + 16) / 2),
    "wasserstein": (-1.25 - 0.5, 1.25),
    "hinge": ((0 + 2) / 2 + (1.5 + 0) / 2, 1.25),
    "relativistic": ((softplus(-1.5) + softplus(-2)) / 2, (softplus(1.5) + softplus(2)) / 2),
}


@pytest.mark.parametrize("name", LOSSES)
def test_values_by_hand(name):
    loss_d, loss_g = LOSSES[name]
    real, fake = logits(REAL), logits(FAKE)
    assert loss_d(real, fake, 0.9, 0.1).item() == pytest.approx(HAND[name][0], abs=1e-6)
    assert loss_g(fake, 1.0, real=real).item() == pytest.approx(HAND[name][1], abs=1e-6)


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


# dL_D/d(real), dL_D/d(fake), dL_G/d(fake) for one pair of logits a, b and hard labels
SLOPES = {
    "bce": lambda a, b: ((sigmoid(a) - 1) / 2, sigmoid(b) / 2, sigmoid(b) - 1),
    "minimax": lambda a, b: ((sigmoid(a) - 1) / 2, sigmoid(b) / 2, -sigmoid(b)),
    "mse": lambda a, b: (a - 1, b, b - 1),
    "wasserstein": lambda a, b: (-1, 1, -1),
    "hinge": lambda a, b: (-1.0 * (a < 1), 1.0 * (b > -1), -1),
    "relativistic": lambda a, b: (-sigmoid(b - a), sigmoid(b - a), -sigmoid(a - b)),
}


@pytest.mark.parametrize("a, b", [(0.3, -0.2), (4.0, -5.0), (-3.0, 2.0)])
@pytest.mark.parametrize("name", LOSSES)
def test_slopes_in_closed_form(name, a, b):
    real, fake = logits([a]), logits([b])
    d = torch.autograd.grad(LOSSES[name][0](real, fake), (real, fake))
    g = torch.autograd.grad(LOSSES[name][1](fake, real=real), fake)
    assert [v.item() for v in (*d, *g)] == pytest.approx(SLOPES[name](a, b), abs=1e-6)


@pytest.mark.parametrize("name", LOSSES)
def test_gradients_on_a_linear_critic(name):
    # D(x) = w.x: dL/dw = sum_i dL/dl_i x_i
    torch.manual_seed(0)
    w, x, y = torch.randn(5, requires_grad=True), torch.randn(1, 5), torch.randn(1, 5)
    real, fake = x @ w, y @ w
    slopes = SLOPES[name](real.item(), fake.item())
    (grad,) = torch.autograd.grad(LOSSES[name][0](real, fake), w)
    assert torch.allclose(grad, slopes[0] * x[0] + slopes[1] * y[0], atol=1e-6)


def test_labels_are_used_by_the_losses_that_have_them_and_no_others():
    real, fake = torch.tensor(REAL), torch.tensor(FAKE)
    changed = {name for name, (d, g) in LOSSES.items() if d(real, fake, 0.9, 0.1) != d(real, fake, 1.0, 0.0)}
    assert changed == LABELLED
    changed = {name for name, (d, g) in LOSSES.items() if g(fake, 0.9, real=real) != g(fake, 1.0, real=real)}
    assert changed == {"bce", "mse"}


def test_only_the_named_losses_need_the_logits_of_real_images():
    assert {"relativistic"} == NEEDS_REAL
    for name, (_, g) in LOSSES.items():
        if name in NEEDS_REAL:
            with pytest.raises(TypeError):
                g(torch.zeros(2), 1.0)
        else:
            assert g(torch.zeros(2), 1.0).shape == ()


@pytest.mark.parametrize("name", sorted(SIGMOID))
def test_where_the_logits_are_log_odds_an_undecided_discriminator_costs_log_two(name):
    zero = torch.zeros(4)
    for labels in ((1.0, 0.0), (0.9, 0.1)):
        assert LOSSES[name][0](zero, zero, *labels).item() == pytest.approx(math.log(2), abs=1e-6)
    assert abs(LOSSES[name][1](zero).item()) == pytest.approx(math.log(2), abs=1e-6)


def test_fuzzy_labels_stop_pulling_at_their_own_odds():
    # the gradient of CE with label 0.9 vanishes where sigmoid(l) = 0.9, and pulls back beyond it
    for logit, sign in ((math.log(9), 0), (math.log(9) + 1, 1), (math.log(9) - 1, -1)):
        real = torch.tensor([logit], requires_grad=True)
        bce_d(real, torch.zeros(1), 0.9, 0.1).backward()
        assert real.grad.item() == pytest.approx(0.5 * (torch.tensor(logit).sigmoid().item() - 0.9), abs=1e-6)
        assert math.isclose(real.grad.item(), 0, abs_tol=1e-6) if sign == 0 else real.grad.item() * sign > 0


def test_bce_saturates_for_minimax_only():
    sure = torch.tensor([-20.0], requires_grad=True)  # D is sure that the picture is generated
    assert torch.autograd.grad(bce_g(sure), sure)[0].item() == pytest.approx(-1, abs=1e-6)
    assert torch.autograd.grad(LOSSES["minimax"][1](sure), sure)[0].item() == pytest.approx(0, abs=1e-6)


def test_extreme_logits_stay_finite():
    for name, (d, g) in LOSSES.items():
        real, fake = logits([-1e4, 1e4]), logits([1e4, -1e4])
        loss = d(real, fake) + g(fake, real=real)
        loss.backward()
        assert loss.isfinite() and real.grad.isfinite().all() and fake.grad.isfinite().all(), name


# -- labels with noise


def test_labels_of_every_image():
    labels = torch.tensor([1.0, 0.5])
    by_hand = (softplus(-2.0) + 0.5 * softplus(1.0) + 0.5 * softplus(-1.0)) / 2
    assert bce_d(torch.tensor(REAL), torch.full((2,), -50.0), labels, 0).item() == pytest.approx(
        by_hand / 2, abs=1e-6
    )


def test_noisy_labels_are_normal_and_kept_in_range():
    torch.manual_seed(0)
    labels = noisy_labels(0.5, 20_000, 0.1)
    assert labels.shape == (20_000,) and labels.mean().item() == pytest.approx(0.5, abs=0.003)
    assert labels.std().item() == pytest.approx(0.1, abs=0.003)
    labels = noisy_labels(1.0, 20_000, 0.1)
    assert labels.max() == 1 and (labels == 1).float().mean().item() == pytest.approx(0.5, abs=0.02)
    assert noisy_labels(0.1, 20_000, 0.1).min() == 0
    assert torch.equal(noisy_labels(0.9, 3, 0.0), torch.full((3,), 0.9))


# -- penalties


class Linear(nn.Module):
    """D(x) = w.x"""

    def __init__(self, w):
        super().__init__()
        self.w = nn.Parameter(w)

    def forward(self, x):
        return x.flatten(1) @ self.w


class Bowl(nn.Module):
    """D(x) = |x|^2 / 2, whose gradient is x"""

    def forward(self, x):
        return 0.5 * x.flatten(1).square().sum(1)


def pictures(n=4, side=2, seed=0):
    return torch.randn(2, n, 3, side, side, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("norm", [0.3, 1.0, 2.5])
def test_penalties_of_a_linear_critic_in_closed_form(norm):
    w = torch.randn(12, generator=torch.Generator().manual_seed(1))
    w *= norm / w.norm()
    # value and d/dw: (|w| - 1)^2 and 2 (|w| - 1) w / |w|; |w|^2 / 2 and w, and twice that
    expected = {
        "wgan-gp": ((norm - 1) ** 2, 2 * (norm - 1) / norm),
        "dragan": ((norm - 1) ** 2, 2 * (norm - 1) / norm),
        "r1": (norm**2 / 2, 1),
        "r1r2": (norm**2, 2),
    }
    assert set(expected) == set(PENALTIES) - {"none"}
    for name, (value, slope) in expected.items():
        D = Linear(w.clone())
        penalty = PENALTIES[name](D, *pictures())
        penalty.backward()
        assert penalty.item() == pytest.approx(value, abs=1e-5), name
        assert torch.allclose(D.w.grad, slope * w, atol=1e-5), name


def test_where_the_gradient_is_taken():
    # at x the gradient of |x|^2 / 2 is x itself, so that the penalty tells where it looked
    real, fake = torch.full((1, 3, 1, 1), 2.0), torch.full((1, 3, 1, 1), 6.0)
    assert PENALTIES["r1"](Bowl(), real, fake).item() == pytest.approx(0.5 * 12)
    assert PENALTIES["r1r2"](Bowl(), real, fake).item() == pytest.approx(0.5 * 12 + 0.5 * 108)
    torch.manual_seed(0)
    # wgan-gp: |x'| is uniform between |real| = 2 sqrt 3 and |fake| = 6 sqrt 3
    norms = torch.stack([PENALTIES["wgan-gp"](Bowl(), real, fake).sqrt() + 1 for _ in range(400)]) / 3**0.5
    assert norms.min() >= 2 - 1e-5 and norms.max() <= 6 + 1e-5
    assert norms.mean().item() == pytest.approx(4, abs=0.3)
    assert norms.std().item() == pytest.approx(4 / 12**0.5, abs=0.15)


def test_every_image_has_its_own_point_between_real_and_generated():
    seen = []

    class Watch(Bowl):
        def forward(self, x):
            seen.append(x.detach())
            return super().forward(x)

    real, fake = torch.zeros(50, 3, 4, 4), torch.ones(50, 3, 4, 4)
    PENALTIES["wgan-gp"](Watch(), real, fake)
    x = seen[0].flatten(1)  # (50, 48): one u for each picture, the same for all of its pixels
    assert (x.amax(1) - x.amin(1)).max() < 1e-6 and x[:, 0].unique().numel() == 50

    real, fake = pictures(50, 8)
    PENALTIES["dragan"](Watch(), real, fake)
    delta = (seen[1] - real).flatten(1)
    half = real.std().item() / 2
    assert (
        delta.min() >= -1e-6 and delta.max() <= half + 1e-6
    )  # between the real ones and half a deviation up
    assert delta.mean().item() == pytest.approx(half / 4, abs=half / 20)  # E u E delta = 1/2 * half/2
    assert delta.mean(1).std() > half / 20  # u differs from picture to picture


@pytest.mark.parametrize("name", sorted(PENALTIES.keys() - {"none"}))
def test_penalties_run_in_fp32_and_leave_the_pictures_alone(name):
    torch.manual_seed(0)
    D, (real, fake) = DCGANDiscriminator(32, (8, 4, 4), norm="layer"), pictures(2, 32)
    fake.requires_grad_()
    dtypes = []
    D.layers[0].register_forward_hook(lambda m, i, o: dtypes.append(o.dtype))
    with torch.autocast("cpu", torch.bfloat16):
        penalty = PENALTIES[name](D, real, fake)
        inner = D(real.detach())
    assert dtypes[:-1] == [torch.float32] * (len(dtypes) - 1) and dtypes[-1] == torch.bfloat16
    assert penalty.dtype == torch.float32 and penalty.shape == () and inner.shape == (2,)
    penalty.backward()
    assert fake.grad is None and not real.requires_grad  # G is not trained through the penalty
    assert all(
        p.grad is not None and p.grad.isfinite().all() and p.grad.any()
        for n, p in D.named_parameters()
        if "weight" in n
    )


@pytest.mark.parametrize("name", sorted(PENALTIES.keys() - {"none"}))
def test_a_flat_critic_has_finite_gradients(name):
    D = Linear(torch.zeros(12))
    penalty = PENALTIES[name](D, *pictures())
    penalty.backward()
    assert penalty.item() == (1.0 if name in ("wgan-gp", "dragan") else 0.0)
    assert not D.w.grad.any()


def test_penalties_against_finite_differences():
    # gradient of D by central differences in float64, on a small network
    torch.manual_seed(0)
    D = DCGANDiscriminator(32, (4, 4, 4), norm="none")
    real = torch.randn(1, 3, 32, 32)
    grad = torch.autograd.functional.jacobian(lambda x: D(x).sum(), real)
    for index in ((0, 0, 3, 5), (0, 2, 30, 1), (0, 1, 16, 16)):
        step = torch.zeros_like(real)
        step[index] = 1e-2
        assert ((D(real + step) - D(real - step)) / 2e-2).item() == pytest.approx(
            grad[index].item(), abs=2e-3
        )
    assert PENALTIES["r1"](D, real, None).item() == pytest.approx(0.5 * grad.square().sum().item(), rel=1e-4)


@pytest.mark.parametrize("c", [0.01, 0.5])
def test_clip_weights(c):
    torch.manual_seed(0)
    D = DCGANDiscriminator(32, (8, 4, 4))
    before = [p.clone() for p in D.parameters()]
    clip_weights(D, c)
    for old, new in zip(before, D.parameters()):
        assert torch.equal(new, old.clamp(-c, c)) and new.requires_grad
    assert max(p.abs().max() for p in D.parameters()) == torch.tensor(c)  # the scales, about 1, are cut
