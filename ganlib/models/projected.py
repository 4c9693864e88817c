"""The published progressive StyleGAN, a style-based pair for little compute, and the projected discriminator.

Karras et al. 2017 (ProGAN, https://arxiv.org/abs/1710.10196), 2018 (StyleGAN, 1812.04948) and 2019 (StyleGAN2,
1912.04958), Huang et al. 2024 (R3GAN, 2501.05441), Sauer et al. 2021 (Projected GAN, 2111.01007).
"""
import math

import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

from .backbone import lite0
from .layers import in_fp32, up


class ProjectedDiscriminator(nn.Module):
    """Small heads on frozen ImageNet features that fixed random convolutions mix across channels and scales.

    Images (B, 3, R, R), enlarged to 128 pixels, to logits (B,): the mean of four heads, on maps of 32, 16, 8 and 4.
    """

    TAPS = {2: 24, 4: 40, 10: 112, 15: 320}  # after these blocks of Lite0: channels

    def __init__(self, resolution=64, width=32):
        super().__init__()
        self.resolution, self.frozen = resolution, [lite0()]  # a list: not in this module's parameters and state
        self.heads = nn.ModuleList()
        for i, c in enumerate(self.TAPS.values()):
            self.register_buffer(f"channels_{i}", torch.randn(width, c, 1, 1) / math.sqrt(c))
            self.register_buffer(f"scales_{i}", torch.randn(width, width, 3, 3) / math.sqrt(9 * width))
            layers = []  # down to 4x4
            for k in range(3 - i):
                c = width * 2**k
                layers += [spectral_norm(nn.Conv2d(c, 2 * c, 4, 2, 1)), nn.GroupNorm(8, 2 * c), nn.LeakyReLU(0.2)]
            layers += [spectral_norm(nn.Conv2d(width * 2**(3 - i), 1, 4)), nn.Flatten(0)]
            self.heads.append(nn.Sequential(*layers))

    def _apply(self, fn, recurse=True):
        self.frozen[0]._apply(fn, recurse)  # it follows to devices and memory formats
        return super()._apply(fn, recurse)

    def forward(self, x, c=None):
        net, features, logits, y = self.frozen[0], [], [], 0
        x = net._swish(net._bn0(net._conv_stem(F.interpolate(x, (128, 128), mode="bilinear"))))
        for i, block in enumerate(net._blocks):
            x = block(x)
            features += [x] if i in self.TAPS else []
        for i in reversed(range(4)):  # from coarse to fine
            y = F.conv2d(features[i], getattr(self, f"channels_{i}")) + y
            y = F.conv2d(y, getattr(self, f"scales_{i}"), padding=1)
            with in_fp32(y):
                logits.append(self.heads[i](y.float()))
            y = up(y)
        return torch.stack(logits).mean(0)
