import math

import pytest
import torch

from ganlib.losses import bce_d, bce_g


def softplus(x):
    return math.log1p(math.exp(x))


def test_bce_d_against_the_formula_by_hand():
    # CE(sigmoid(l), y) = y softplus(-l) + (1 - y) softplus(l)
    real, fake = torch.tensor([2.0, -1.0]), torch.tensor([0.5, -3.0])
    ce_real = sum(0.9 * softplus(-v) + 0.1 * softplus(v) for v in (2.0, -1.0)) / 2
    ce_fake = sum(0.1 * softplus(-v) + 0.9 * softplus(v) for v in (0.5, -3.0)) / 2
    assert bce_d(real, fake, 0.9, 0.1).item() == pytest.approx((ce_real + ce_fake) / 2, abs=1e-6)


def test_an_undecided_discriminator_costs_log_two():
    zero = torch.zeros(4)
    for labels in ((1.0, 0.0), (0.9, 0.1)):
        assert bce_d(zero, zero, *labels).item() == pytest.approx(math.log(2), abs=1e-6)
    assert bce_g(zero, 1.0).item() == pytest.approx(math.log(2), abs=1e-6)


def test_fuzzy_labels_stop_pulling_at_their_own_odds():
    # the gradient of CE with label 0.9 vanishes where sigmoid(l) = 0.9, and pulls back beyond it
    for logit, sign in ((math.log(9), 0), (math.log(9) + 1, 1), (math.log(9) - 1, -1)):
        real = torch.tensor([logit], requires_grad=True)
        bce_d(real, torch.zeros(1), 0.9, 0.1).backward()
        assert real.grad.item() == pytest.approx(0.5 * (torch.tensor(logit).sigmoid().item() - 0.9), abs=1e-6)
        assert math.isclose(real.grad.item(), 0, abs_tol=1e-6) if sign == 0 else real.grad.item() * sign > 0


def test_bce_g_gradient_does_not_saturate():
    fake = torch.tensor([-20.0], requires_grad=True)
    bce_g(fake).backward()
    assert fake.grad.item() == pytest.approx(-1, abs=1e-6)
