"""The convolutional pair of Radford et al. 2015 (https://arxiv.org/abs/1511.06434), with variants."""
import math
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any

import torch
from torch import nn

from ..errors import GanlibError
from .labels import Judging, LabelEmbedding, LabelHead, WithRows, all_unknown
from .layers import Dropout, in_fp32

RESOLUTIONS = (28, 32, 64, 128, 256)  # pixels, height and width
ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": partial(nn.ReLU, inplace=True),
    "leaky_relu": partial(nn.LeakyReLU, 0.2, inplace=True),
}
NORMS: dict[str, Callable[[int], nn.Module]] = {
    "batch": nn.BatchNorm2d,
    "layer": partial(nn.GroupNorm, 1),
    "instance": partial(nn.InstanceNorm2d, affine=True),
    "none": nn.Identity,
}
LABEL_DIM = 64  # numbers that stand for the labels, beside z
# The range of pixels inside the networks: the factor before G's tanh, since 2 sigmoid(a) - 1 = tanh(a / 2)
VALUES = {"-1..1": 1, "0..1": 0.5}


def dcgan_widths(resolution, width=64, max_width=512):
    """Channels after each of the generator's layers but the last, from 4x4 up.

    64 pixels give [512, 256, 128, 64], and so do 28: their sides are 2, 4, 7, 14 and 28, five layers as well.
    """
    if resolution not in RESOLUTIONS:
        raise GanlibError(f"No networks for {resolution} pixels: expected one of {RESOLUTIONS}.")
    layers = 4 if resolution == 28 else round(math.log2(resolution)) - 2
    return [min(width * 2**i, max_width) for i in reversed(range(layers))]


def _kernels(resolution, widths, residual):
    """Kernels of the generator's layers: the side it begins with, then 4 to double it, or 3 from 4 to 7."""
    sides = [math.ceil(resolution / 2**i) for i in reversed(range(len(widths) + 1))]
    kernels = [4 if large == 2 * small else 3 for small, large in pairwise(sides)]
    if residual and 3 in kernels:
        raise GanlibError(f"residual=True at {resolution} pixels: skip connections double the side, and here "
                          f"it goes {', '.join(map(str, sides))}. Take residual=False, or 32 pixels or more.")
    return [sides[0], *kernels]


def _init(module):
    """N(0, 0.02) for weights, N(1, 0.02) for the scales of norms, zero for biases."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(module.weight, 0.0, 0.02)
    elif isinstance(module, nn.BatchNorm2d | nn.GroupNorm | nn.InstanceNorm2d):
        nn.init.normal_(module.weight, 1.0, 0.02)
    if getattr(module, "bias", None) is not None:
        nn.init.zeros_(module.bias)


class _Residual(nn.Module):
    """act((main(x) + skip(x)) / sqrt 2) (He et al. 2015, https://arxiv.org/abs/1512.03385)."""

    def __init__(self, main, skip, act):
        super().__init__()
        self.main = nn.Sequential(*main)
        self.skip = nn.Sequential(*skip)
        self.act = act

    def forward(self, x):
        return self.act((self.main(x) + self.skip(x)) * 0.5**0.5)


def _layer(strided, c_in, c_out, kernel, norm, act, residual):
    """Twice the side (strided: nn.ConvTranspose2d) or half of it (nn.Conv2d), and c_in to c_out channels."""
    conv = partial(nn.Conv2d, bias=norm == "none")
    main = [strided(c_in, c_out, kernel, 2, 1, bias=norm == "none"), NORMS[norm](c_out), act()]
    if not residual:
        return nn.Sequential(*main)
    main += [conv(c_out, c_out, 3, padding=1), NORMS[norm](c_out)]
    skip = [conv(c_in, c_out, 1), NORMS[norm](c_out)]  # at the smaller size, where it costs a quarter
    if strided is nn.ConvTranspose2d:
        skip.append(nn.Upsample(scale_factor=2))
    else:
        skip.insert(0, nn.AvgPool2d(2))
    return _Residual(main, skip, act())


class DCGANGenerator(nn.Module):
    """z (B, z_dim) ~ N(0, 1) to images (B, 3, R, R) in [-1, 1]: strided transposed convolutions.

    widths: channels from 4x4 up, as of `dcgan_widths`; activation: one of ACTIVATIONS; residual: with skip
    connections; values="0..1": ends in a sigmoid, stretched to [-1, 1], in the place of tanh.
    c: labels, whose vectors are LABEL_DIM more numbers beside z; dice is for models that draw.
    """

    has_styles = False
    embed: Any  # a LabelEmbedding, or None

    def __init__(self, resolution=64, widths=(512, 256, 128, 64), z_dim=100, activation="relu",
                 residual=False, values="-1..1", attributes=None):
        super().__init__()
        self.resolution, self.z_dim, self.attributes = resolution, z_dim, attributes or {}
        self.slope = VALUES[values]
        act = ACTIVATIONS[activation]
        conv = nn.ConvTranspose2d
        first, *doubling, last = _kernels(resolution, widths, residual)
        self.inputs = z_dim + LABEL_DIM if attributes else z_dim
        self.layers = nn.Sequential(  # (B, inputs, 1, 1) -> (B, C, 4, 4) -> ... -> (B, C, R / 2, R / 2)
            nn.Sequential(conv(self.inputs, widths[0], first, bias=False), nn.BatchNorm2d(widths[0]), act()))
        for (c_in, c_out), kernel in zip(pairwise(widths), doubling, strict=True):
            self.layers.append(_layer(conv, c_in, c_out, kernel, "batch", act, residual))
        self.to_rgb = conv(widths[-1], 3, last, 2, 1, bias=False)
        self.embed = LabelEmbedding(attributes, LABEL_DIM) if attributes else None
        self.apply(_init)

    def forward(self, z, c=None, dice=None):
        z = self.told(z, c)
        x = self.layers(z[:, :, None, None])  # (B, inputs) -> (B, inputs, 1, 1) -> (B, C, R / 2, R / 2)
        with in_fp32(x):
            return torch.tanh(self.slope * self.to_rgb(x.float()))

    def told(self, z, c=None):
        """z beside the vector of its labels: (B, z_dim) to (B, inputs), which `forward` takes as well."""
        if z.shape[1] == self.inputs:
            return z
        c = all_unknown(self.attributes, len(z), z.device) if c is None else c.to(z.device)
        return torch.cat([z, self.embed(c)], 1)

    def calibrate(self, zs):
        """Estimate the batch-norm statistics anew from batches of z (B, z_dim). Leaves G in eval mode."""
        self.eval()
        torch.optim.swa_utils.update_bn(zs, WithRows(self) if self.embed else self)


def _leaky(dropout):
    """A leaky ReLU, and dropout after it where there is some."""
    act = nn.LeakyReLU(0.2, inplace=True)
    return nn.Sequential(act, Dropout(dropout)) if dropout else act


class DCGANDiscriminator(Judging):
    """Images (B, 3, R, R) in [-1, 1] to logits (B,): strided convolutions, the generator's widths reversed.

    norm: one of NORMS; residual: with skip connections; dropout: a probability, after each activation;
    spectral: convolutions with a largest singular value of 1 (Miyato et al. 2018,
    https://arxiv.org/abs/1802.05957); values: the range that the first layer sees.
    """

    def __init__(self, resolution=64, widths=(512, 256, 128, 64), norm="batch", residual=False, dropout=0.0,
                 spectral=False, values="-1..1", attributes=None):
        super().__init__()
        self.resolution, self.values = resolution, values
        channels, act = widths[::-1], partial(_leaky, dropout)
        first, *halving, last = reversed(_kernels(resolution, widths, residual))
        # The first layer has no norm. Without a bias either, a picture of half the contrast gives half of
        # everything up to the next norm, which takes that away: D is blind to contrast. With batch norm the
        # published example is so, too
        self.layers = nn.Sequential(nn.Conv2d(3, channels[0], first, 2, 1, bias=norm != "batch"), act())
        for (c_in, c_out), kernel in zip(pairwise(channels), halving, strict=True):
            self.layers.append(_layer(nn.Conv2d, c_in, c_out, kernel, norm, act, residual))
        self.to_logit = nn.Conv2d(channels[-1], 1, last, bias=norm == "none")
        self.labels = LabelHead(attributes, channels[-1] * last**2, nn.Linear) if attributes else None
        self.apply(_init)
        for layer in [module for module in self.modules() if isinstance(module, nn.Conv2d | nn.Linear)]:
            if norm == "none":  # 0.02 counts on norms: without them the signal would fade from layer to layer
                nn.init.kaiming_normal_(layer.weight, 0.2)
            if spectral:  # its vectors of the power iteration are buffers, and so part of a state file
                nn.utils.parametrizations.spectral_norm(layer)

    def features(self, x):
        return self.layers(x if self.values == "-1..1" else (x + 1) / 2)  # (B, C, 4, 4)

    def logit(self, h):
        return self.to_logit(h).flatten()  # (B, 1, 1, 1) -> (B,)
