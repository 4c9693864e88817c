"""DiffAugment: all that D sees is distorted at random, differentiably, always or as often as it is needed.

Zhao et al. 2020, https://arxiv.org/abs/2006.10738. Random numbers come from `dice`, a torch.Generator of the
device (None: torch's global one).
"""
from functools import partial

import torch
from torch import nn

from ..errors import GanlibError, did_you_mean
from ..machine.processes import world
from ..seeding import draw
from ..typed import names_of

OVER = 256  # images: four batches of 64, as published


def color(x, dice=None):
    """Brightness shifted by U(-0.5, 0.5), saturation times U(0, 2), contrast times U(0.5, 1.5), per image."""
    uniform = partial(torch.rand, device=x.device, dtype=x.dtype)
    brightness, saturation, contrast = draw(uniform, (3, len(x), 1, 1, 1), dice, dim=1)
    grey = x.mean(1, keepdim=True)
    x = torch.lerp(grey, x, 2 * saturation) + (brightness - 0.5)
    mean = x.mean((1, 2, 3), keepdim=True)
    return torch.lerp(mean, x, contrast + 0.5)


def translation(x, dice=None):
    """Shifted by up to 1/8 of the side both ways, with zeros (mid-grey) where nothing moves in."""
    n, _, side, _ = x.shape
    most = round(side / 8)
    start = draw(partial(torch.randint, 2 * most + 1, device=x.device), (2, n, 1), dice, dim=1)
    rows, columns = start + torch.arange(side, device=x.device)  # (n, side): a window on the padded image
    padded = torch.nn.functional.pad(x, [most] * 4).permute(0, 2, 3, 1)  # (n, H, W, C)
    image = torch.arange(n, device=x.device)[:, None, None]
    return padded[image, rows[:, :, None], columns[:, None]].permute(0, 3, 1, 2)


def cutout(x, dice=None):
    """A square of half the side is zero. Its centre is anywhere, so that it may reach beyond the edge."""
    side = x.shape[2]
    centre = draw(partial(torch.randint, side + 1, device=x.device), (2, len(x), 1), dice, dim=1)
    corner = centre - side // 4
    offset = torch.arange(side, device=x.device) - corner  # (2, n, side): from the square's top and left
    rows, columns = (offset >= 0) & (offset < side // 2)
    return x * ~(rows[:, None, :, None] & columns[:, None, None, :])


POLICIES = {"color": color, "translation": translation, "cutout": cutout}


def check_policy(policy):
    """'' for a policy of known names, else what is expected."""
    for name in names_of(policy):
        if name not in POLICIES:
            return f"names with commas between them. There is no {name!r}.{did_you_mean(name, POLICIES)[:-1]}"
    return ""


def augment(x, policy, dice=None, p=None):
    """Images x (B, 3, R, R) in [-1, 1], each distorted in its own way (colors may leave the range).

    policy: names of POLICIES, comma separated, applied in that order; "" returns x itself. p: the probability
    with which each of them is applied to an image, a scalar tensor; None: always. Raises GanlibError for
    other names.
    """
    if trouble := check_policy(policy):
        raise GanlibError(f"augment={policy!r}: expected {trouble}.")
    for name in names_of(policy):
        distorted = POLICIES[name](x, dice)
        x = distorted if p is None else torch.where(_chance(x, dice) < p, distorted, x)
    return x


def _chance(x, dice):
    """Numbers ~ U(0, 1), one for each image: (B, 1, 1, 1)."""
    return draw(partial(torch.rand, device=x.device), (len(x), 1, 1, 1), dice)


class Adaptive(nn.Module):
    """How often images are augmented: the probability p. It moves so that r_t comes to augment_target.

    r_t tells how sure D is of real images: E sign(D(x)), near 0 where it cannot tell, and 1 where it knows
    all of them by heart. The sign is of what the loss has D compare: for least squares D(x) and the middle of
    its two targets; for pairs (relativistic) and for a critic without a zero (wasserstein) D(x) and D(G(z)).
    Karras et al. 2020, https://arxiv.org/abs/2006.06676, sec. 3.1: their target is 0.6, their pace 500
    thousand images from never to always. Both numbers are part of a state.
    """

    p: torch.Tensor
    r_t: torch.Tensor  # over about OVER images

    def __init__(self, config):
        super().__init__()
        self.config = config
        self.register_buffer("p", torch.zeros(()))
        self.register_buffer("r_t", torch.zeros(()))

    @torch.no_grad()
    def follow(self, d_real, d_fake):
        """Take in D's logits (B,) of real and of generated images, of one update."""
        config, images = self.config, len(d_real) * world().size
        middle = (config.real_label + config.fake_label) / 2 if config.loss == "mse" else 0.0
        in_pairs = config.loss in ("relativistic", "wasserstein")
        newest = (d_real - (d_fake if in_pairs else middle)).sign().mean()
        world().average([newest])
        self.r_t.lerp_(newest, min(1.0, images / OVER))
        way = (self.r_t - config.augment_target).sign()
        self.p.add_(way, alpha=images / (1000 * config.augment_kimg)).clamp_(0, 1)
