"""Adversarial losses and penalties: pure functions. The step alone weighs and uses them.

LOSSES[name] is a pair of functions that give a scalar to minimise:
    d(real, fake, real_label, fake_label)
    g(fake, g_label, real)
real and fake are the logits (B,) of real and generated images. Labels are numbers or tensors (B,). Losses
that are not in LABELLED ignore the labels.

PENALTIES[name](D, real, fake, dice) gives a scalar, without its weight. Random numbers come from `dice`, a
torch.Generator of the device (None: torch's global one).
"""
from functools import partial
from typing import Any

import torch
from torch.nn.functional import binary_cross_entropy_with_logits, relu, softplus

from ..models.layers import in_fp32
from ..seeding import draw, uniform_like


def _ce(logits, label):
    return binary_cross_entropy_with_logits(logits, torch.zeros_like(logits) + label)


def bce_d(real, fake, real_label=1.0, fake_label=0.0):
    """L_D = 1/2 (CE(D(x), real_label) + CE(D(G(z)), fake_label)), the report's step 4. Its "fuzzy labels"
    are 0.9 and 0.1; 0.9 and 0 is one-sided smoothing (Salimans et al. 2016, https://arxiv.org/abs/1606.03498)."""
    return 0.5 * (_ce(real, real_label) + _ce(fake, fake_label))


def bce_g(fake, g_label=1.0, real=None):
    """L_G = CE(D(G(z)), g_label): the non-saturating loss of Goodfellow et al. 2014."""
    return _ce(fake, g_label)


def minimax_g(fake, g_label=1.0, real=None):
    """L_G = E log(1 - D(G(z))), D's side being `bce_d`: flat where D is sure (Goodfellow et al. 2014, eq. 1,
    https://arxiv.org/abs/1406.2661)."""
    return -softplus(fake).mean()


def mse_d(real, fake, real_label=1.0, fake_label=0.0):
    """L_D = 1/2 E(D(x) - 1)^2 + 1/2 E(D(G(z)))^2: LSGAN as in the report (Mao et al. 2016, eq. 9,
    https://arxiv.org/abs/1611.04076), with the labels in the place of 1 and 0."""
    return 0.5 * ((real - real_label).square().mean() + (fake - fake_label).square().mean())


def mse_g(fake, g_label=1.0, real=None):
    """L_G = 1/2 E(D(G(z)) - g_label)^2."""
    return 0.5 * (fake - g_label).square().mean()


def wasserstein_d(real, fake, real_label=None, fake_label=None):
    """L_D = E D(G(z)) - E D(x), the negative of the distance that the critic estimates; D must be kept
    Lipschitz, by `clip_weights` or a penalty (Arjovsky et al. 2017, eq. 3, https://arxiv.org/abs/1701.07875)."""
    return fake.mean() - real.mean()


def critic_g(fake, g_label=None, real=None):
    """L_G = -E D(G(z)): G's side of both `wasserstein_d` and `hinge_d`."""
    return -fake.mean()


def hinge_d(real, fake, real_label=None, fake_label=None):
    """L_D = E max(0, 1 - D(x)) + E max(0, 1 + D(G(z))) (Lim & Ye 2017, https://arxiv.org/abs/1705.02894)."""
    return relu(1 - real).mean() + relu(1 + fake).mean()


def relativistic_d(real, fake, real_label=None, fake_label=None):
    """L_D = E softplus(-(D(x) - D(G(z)))): each real one is paired with a generated one. Meant for the
    penalty "r1r2" (Huang et al. 2024, "The GAN is dead; long live the GAN!", https://arxiv.org/abs/2501.05441)."""
    return softplus(fake - real).mean()


def relativistic_g(fake, g_label=None, real=None):
    """L_G = E softplus(-(D(G(z)) - D(x))); real: the logits (B,) of as many real images."""
    return softplus(real - fake).mean()


LOSSES = {
    "minimax": (bce_d, minimax_g),
    "bce": (bce_d, bce_g),
    "mse": (mse_d, mse_g),
    "hinge": (hinge_d, critic_g),
    "wasserstein": (wasserstein_d, critic_g),
    "relativistic": (relativistic_d, relativistic_g),
}
SIGMOID = {"minimax", "bce"}  # their logits are log-odds: D's answer is a sigmoid of them
LABELLED = {"minimax", "bce", "mse"}  # they read real_label and fake_label
NEEDS_REAL = {"relativistic"}  # their G side reads D's logits of real images


def noisy_labels(label, n, std, device=None, dice=None):
    """n labels ~ N(label, std), kept in [0, 1]: beyond, CE(l, y) = softplus(l) - y l has no minimum."""
    noise = draw(partial(torch.randn, device=device), (n,), dice)
    return (label + std * noise).clamp(0, 1)


def _gradients(D, x):
    """dD(x)/dx, (B, C*H*W), in fp32 and differentiable. D must judge every image by itself: no batch norm."""
    x = x.detach().float().requires_grad_()
    with in_fp32(x):
        return torch.autograd.grad(D(x).sum(), x, create_graph=True)[0].flatten(1)


def _random_shares(x, dice):
    """u ~ U(0, 1) for each image of x: (B, 1, 1, 1)."""
    return draw(partial(torch.rand, device=x.device), (len(x), 1, 1, 1), dice)


def wgan_gp(D, real, fake, dice=None):
    """E(|grad D(x')| - 1)^2, two-sided, at x' = u x + (1 - u) G(z), u ~ U(0, 1).

    The paper's weight is 10 (Gulrajani et al. 2017, eq. 3, https://arxiv.org/abs/1704.00028).
    """
    between = torch.lerp(fake, real, _random_shares(real, dice))
    return (_gradients(D, between).norm(dim=1) - 1).square().mean()


def dragan(D, real, fake=None, dice=None):
    """E(|grad D(x')| - 1)^2 near real images: x' = x + u delta, delta ~ std(x)/2 U(0, 1)^d, u ~ U(0, 1).

    The paper's weight is 10 (Kodali et al. 2017, https://arxiv.org/abs/1705.07215). The noise is as in the
    authors' code.
    """
    size = _random_shares(real, dice) * 0.5 * real.std()
    near = real + size * uniform_like(real, dice)
    return (_gradients(D, near).norm(dim=1) - 1).square().mean()


def r1(D, real, fake=None, dice=None):
    """1/2 E|grad D(x)|^2 at real images (Mescheder et al. 2018, eq. 9, https://arxiv.org/abs/1801.04406)."""
    return 0.5 * _gradients(D, real).square().sum(1).mean()


def r1r2(D, real, fake, dice=None):
    """1/2 E|grad D(x)|^2 + 1/2 E|grad D(G(z))|^2 (Huang et al. 2024)."""
    return r1(D, real) + r1(D, fake)


# "none" is never asked for: the schedule says of no update that it has it
PENALTIES: dict[str, Any] = {"none": None, "wgan-gp": wgan_gp, "dragan": dragan, "r1": r1, "r1r2": r1r2}


@torch.no_grad()
def clip_weights(D, c):
    """Every parameter of D back into [-c, c], in place; the paper's c is 0.01.

    Arjovsky et al. 2017, algorithm 1, https://arxiv.org/abs/1701.07875.
    """
    for p in D.parameters():
        p.clamp_(-c, c)
