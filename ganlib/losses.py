"""Adversarial losses: pure functions of logits, one pair (for D, for G) per name in LOSSES."""
import torch
from torch.nn.functional import binary_cross_entropy_with_logits as bce


def bce_d(real, fake, real_label=1.0, fake_label=0.0):
    """L_D = 1/2 (CE(D(x), real_label) + CE(D(G(z)), fake_label)), the report's step 4.

    real, fake: logits (B,). Labels such as 0.9 and 0.1 are the report's "fuzzy labels"
    (label smoothing, Salimans et al. 2016, https://arxiv.org/abs/1606.03498).
    """
    return 0.5 * (bce(real, torch.full_like(real, real_label)) + bce(fake, torch.full_like(fake, fake_label)))


def bce_g(fake, g_label=1.0):
    """L_G = CE(D(G(z)), g_label): the non-saturating loss of Goodfellow et al. 2014.

    fake: logits (B,).
    """
    return bce(fake, torch.full_like(fake, g_label))


LOSSES = {"bce": (bce_d, bce_g)}
