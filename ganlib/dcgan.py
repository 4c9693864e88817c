"""The convolutional pair of Radford et al. 2015 (https://arxiv.org/abs/1511.06434)."""
import math

import torch
from torch import nn

from .config import RESOLUTIONS
from .errors import GanlibError


def widths(resolution, width=64, max_width=512):
    """Channels after each of the generator's layers but the last, from 4x4 up.

    64 pixels and a width of 64 give [512, 256, 128, 64]; 28 pixels take the layers of 32.
    """
    if resolution not in RESOLUTIONS:
        raise GanlibError(f"No networks for {resolution} pixels: expected one of {RESOLUTIONS}.")
    layers = math.ceil(math.log2(resolution)) - 2
    return [min(width * 2**i, max_width) for i in reversed(range(layers))]


def _kernel(resolution, layer):
    # 28 pixels: 4 -> 7 -> 14 -> 28, so the step between 4 and 7 has a kernel of 3
    return 3 if resolution == 28 and layer == 0 else 4


def _init(module):
    """N(0, 0.02) for weights, N(1, 0.02) for the scales of batch norm."""
    if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
        nn.init.normal_(module.weight, 0.0, 0.02)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, 0.02)
        nn.init.zeros_(module.bias)


class Generator(nn.Module):
    """z (B, z_dim) ~ N(0, 1) to images (B, 3, R, R) in [-1, 1]: strided transposed convolutions.

    `widths` are the channels from 4x4 up, as `widths()` gives them. `c` is accepted for models with
    labels and not used here.
    """

    def __init__(self, resolution=64, widths=(512, 256, 128, 64), z_dim=100):
        super().__init__()
        self.z_dim, self.resolution = z_dim, resolution
        layers = [self._block(z_dim, widths[0], 4, 1, 0)]  # (B, z_dim, 1, 1) -> (B, C, 4, 4)
        for i, (c_in, c_out) in enumerate(zip(widths, widths[1:])):
            layers.append(self._block(c_in, c_out, _kernel(resolution, i), 2, 1))
        self.layers = nn.Sequential(*layers)
        self.to_rgb = nn.ConvTranspose2d(widths[-1], 3, 4, 2, 1, bias=False)
        self.apply(_init)

    @staticmethod
    def _block(c_in, c_out, kernel, stride, padding):
        return nn.Sequential(
            nn.ConvTranspose2d(c_in, c_out, kernel, stride, padding, bias=False),
            nn.BatchNorm2d(c_out),
            nn.ReLU(inplace=True),
        )

    def forward(self, z, c=None):
        x = self.layers(z[:, :, None, None])
        with torch.autocast(x.device.type, enabled=False):  # the last layer stays in fp32
            return torch.tanh(self.to_rgb(x.float()))


class Discriminator(nn.Module):
    """Images (B, 3, R, R) in [-1, 1] to logits (B,): strided convolutions, the generator's widths reversed.

    The sigmoid is part of the loss.
    """

    def __init__(self, resolution=64, widths=(512, 256, 128, 64)):
        super().__init__()
        widths = list(reversed(widths))
        layers = [nn.Conv2d(3, widths[0], 4, 2, 1, bias=False), nn.LeakyReLU(0.2, inplace=True)]
        for i, (c_in, c_out) in enumerate(zip(widths, widths[1:])):
            kernel = _kernel(resolution, len(widths) - 2 - i)
            layers.append(nn.Sequential(
                nn.Conv2d(c_in, c_out, kernel, 2, 1, bias=False),
                nn.BatchNorm2d(c_out),
                nn.LeakyReLU(0.2, inplace=True),
            ))
        self.layers = nn.Sequential(*layers)
        self.to_logit = nn.Conv2d(widths[-1], 1, 4, 1, 0, bias=False)
        self.apply(_init)

    def forward(self, x, c=None):
        x = self.layers(x)  # (B, C, 4, 4)
        with torch.autocast(x.device.type, enabled=False):
            return self.to_logit(x.float()).flatten()
