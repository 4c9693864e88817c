"""A style-based pair for little compute: StyleGAN2's skip generator and a residual discriminator.

StyleGAN2: Karras et al. 2019, https://arxiv.org/abs/1912.04958; R3GAN: Huang et al. 2024,
https://arxiv.org/abs/2501.05441.
"""
from itertools import pairwise

import torch
from torch import nn

from .labels import Judging
from .layers import SQRT2, EqualConv, EqualLinear, halve, head, lrelu, modulated_conv, smooth2x, stage_sizes
from .stylegan import StyleGenerator, style_labels


class ModulatedLayer(nn.Module):
    """Modulated convolution - [double] - noise - bias - leaky ReLU; at the small size it costs a quarter."""

    def __init__(self, c_in, c_out, w_dim, doubles=False):
        super().__init__()
        self.conv, self.doubles = EqualConv(c_in, c_out), doubles
        self.style = EqualLinear(w_dim, c_in, gain=1.0, ones=c_in)
        self.strength = nn.Parameter(torch.zeros(()))  # of the noise

    def forward(self, x, w, noise):
        x = modulated_conv(x, self.conv.weight * self.conv.scale, self.style(w), gain=SQRT2)
        if self.doubles:
            x = smooth2x(x)
        return lrelu(x + (noise * self.strength).to(x.dtype) + self.conv.bias[:, None, None].to(x.dtype))


class FastGenerator(StyleGenerator):
    """StyleGAN2's skip generator for little compute, narrow where the pictures are large."""

    def __init__(self, resolution=64, widths=(256, 128, 64, 32, 16), z_dim=256, w_dim=256, mapping_layers=4,
                 mixing=0.9, attributes=None):
        super().__init__(resolution, widths, z_dim, w_dim, mapping_layers, mixing, attributes)
        self.const = nn.Parameter(torch.randn(1, widths[0], 4, 4))
        self.layers = nn.ModuleList()
        for i, (c_in, c_out) in enumerate(pairwise([widths[0], *widths])):
            self.layers.append(ModulatedLayer(c_in, c_out, w_dim, doubles=i > 0))
            self.layers.append(ModulatedLayer(c_out, c_out, w_dim))
        self.rgb_style = nn.ModuleList(EqualLinear(w_dim, c, gain=1.0, ones=c) for c in widths)
        self.to_rgb = nn.ModuleList(EqualLinear(c, 3, gain=0.5) for c in widths)  # 1x1 convolutions, in fp32

    def synthesis(self, ws, noise=None):
        noise = self.fixed_noise() if noise is None else noise
        x, rgb = self.const.repeat(ws.shape[0], 1, 1, 1), None  # (B, C, 4, 4)
        for i, layer in enumerate(self.layers):
            x = layer(x, ws[:, i], noise[i])
            if i % 2:  # the pictures of all resolutions add up
                scale = self.rgb_style[i // 2](ws[:, i])[:, None, None]  # (B, 1, 1, C)
                picture = self.to_rgb[i // 2](x.permute(0, 2, 3, 1) * scale)  # (B, r, r, 3)
                picture = picture.permute(0, 3, 1, 2)  # (B, 3, r, r)
                rgb = picture if rgb is None else picture + smooth2x(rgb)
        return rgb


class ResidualBlock(nn.Module):
    """Half the resolution, c_in to c_out channels, no normalisation; both branches start at variance 1/2."""

    def __init__(self, c_in, c_out):
        super().__init__()
        self.conv1 = EqualConv(c_in, c_in)
        self.conv2 = EqualConv(c_in, c_out, gain=1.0)
        self.skip = EqualConv(c_in, c_out, 1, gain=1 / SQRT2)

    def forward(self, x):
        return self.skip(halve(x)) + lrelu(self.conv2(halve(lrelu(self.conv1(x)))))


class FastDiscriminator(Judging):
    """Residual discriminator, after StyleGAN2 and R3GAN: images (B, 3, R, R) to logits (B,)."""

    def __init__(self, resolution=64, widths=(256, 128, 64, 32, 16), attributes=None):
        super().__init__()
        stage_sizes(resolution, widths)  # raises where they do not fit
        self.resolution = resolution
        self.from_rgb = EqualConv(3, widths[-1])
        blocks = [ResidualBlock(c, c_below) for c_below, c in pairwise(widths)]
        self.blocks = nn.Sequential(*blocks[::-1])
        self.head = head(widths[0])
        self.labels = style_labels(widths[0], attributes)

    def features(self, x):
        return self.head[:-2](self.blocks(lrelu(self.from_rgb(x))))

    def logit(self, h):
        return self.head[-2:](h)
