"""A discriminator on frozen features (Sauer et al. 2021, Projected GAN, https://arxiv.org/abs/2111.01007)."""
import math

import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

from ..pretrained.lite0 import block_outputs, lite0
from .labels import Judging
from .layers import in_fp32, sharp2x

TAPS = {2: 24, 4: 40, 10: 112, 15: 320}  # blocks of Lite0 after which features are taken: their channels


class ProjectedDiscriminator(Judging):
    """Small heads on frozen ImageNet features that fixed random convolutions mix across channels and scales.

    Images (B, 3, R, R), enlarged to 128 pixels, to logits (B,): the mean of heads on maps of 32, 16, 8 and 4.
    """

    def __init__(self, resolution=64, width=32):
        super().__init__()
        self.resolution = resolution
        self.frozen = [lite0()]  # a list: not in this module's parameters and state
        self.heads = nn.ModuleList()
        for i, channels in enumerate(TAPS.values()):
            mix_channels = torch.randn(width, channels, 1, 1) / math.sqrt(channels)
            mix_scales = torch.randn(width, width, 3, 3) / math.sqrt(9 * width)
            self.register_buffer(f"channels_{i}", mix_channels)
            self.register_buffer(f"scales_{i}", mix_scales)
            self.heads.append(_head(width, halvings=3 - i))

    def _apply(self, fn, recurse=True):
        self.frozen[0]._apply(fn, recurse)  # it follows to devices and memory formats
        return super()._apply(fn, recurse)

    def judge(self, x, c):
        features = block_outputs(self.frozen[0], x, [*TAPS])  # (B, channels, r, r), from fine to coarse
        logits = []
        y = x.new_zeros(())  # what comes from the coarser scale
        for i in reversed(range(4)):
            y = F.conv2d(features[i], getattr(self, f"channels_{i}")) + y  # (B, width, r, r)
            y = F.conv2d(y, getattr(self, f"scales_{i}"), padding=1)
            with in_fp32(y):
                logits.append(self.heads[i](y.float()))
            y = sharp2x(y)  # (B, width, 2 r, 2 r)
        return torch.stack(logits).mean(0), []  # (4, B) -> (B,)


def _head(width, halvings):
    """(B, width, 4 * 2^halvings, the same) to logits (B,)."""
    layers = []
    for k in range(halvings):
        c = width * 2**k
        layers += [spectral_norm(nn.Conv2d(c, 2 * c, 4, 2, 1)), nn.GroupNorm(8, 2 * c), nn.LeakyReLU(0.2)]
    last = spectral_norm(nn.Conv2d(width * 2**halvings, 1, 4))  # (B, 1, 1, 1)
    return nn.Sequential(*layers, last, nn.Flatten(0))
