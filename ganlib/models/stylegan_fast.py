"""The published progressive StyleGAN, a style-based pair for little compute, and the projected discriminator.

Karras et al. 2017 (ProGAN, https://arxiv.org/abs/1710.10196), 2018 (StyleGAN, 1812.04948) and 2019 (StyleGAN2,
1912.04958), Huang et al. 2024 (R3GAN, 2501.05441), Sauer et al. 2021 (Projected GAN, 2111.01007).
"""
import torch
from torch import nn

from .layers import (
    SQRT2,
    EqualConv,
    EqualLinear,
    down,
    head,
    lrelu,
    modulated_conv,
    sizes_of,
    up_smooth,
)
from .stylegan import StyleGenerator


class ModulatedLayer(nn.Module):
    """Modulated convolution - [upsample] - noise - bias - leaky ReLU; at the low resolution it costs a quarter."""

    def __init__(self, c_in, c_out, w_dim, up=False):
        super().__init__()
        self.conv, self.up = EqualConv(c_in, c_out), up
        self.style = EqualLinear(w_dim, c_in, gain=1.0, ones=c_in)
        self.strength = nn.Parameter(torch.zeros(()))  # of the noise

    def forward(self, x, w, noise):
        x = modulated_conv(x, self.conv.weight * self.conv.scale, self.style(w), gain=SQRT2)
        x = up_smooth(x) if self.up else x
        return lrelu(x + (noise * self.strength).to(x.dtype) + self.conv.bias[:, None, None].to(x.dtype))


class FastGenerator(StyleGenerator):
    """StyleGAN2's skip generator for little compute, narrow where the pictures are large."""

    def __init__(self, resolution=64, widths=(256, 128, 64, 32, 16), z_dim=256, w_dim=256, mapping_layers=4, mixing=0.9):
        super().__init__(resolution, sizes_of(resolution, widths), z_dim, w_dim, mapping_layers, mixing)
        self.const = nn.Parameter(torch.randn(1, widths[0], 4, 4))
        self.layers = nn.ModuleList()
        for i, (c_in, c_out) in enumerate(zip((widths[0], *widths), widths)):
            self.layers += [ModulatedLayer(c_in, c_out, w_dim, up=i > 0), ModulatedLayer(c_out, c_out, w_dim)]
        self.rgb_style = nn.ModuleList(EqualLinear(w_dim, c, gain=1.0, ones=c) for c in widths)
        self.to_rgb = nn.ModuleList(EqualLinear(c, 3, gain=0.5) for c in widths)  # 1x1, in fp32

    def synthesis(self, ws, noise=None):
        noise = self.fixed_noise() if noise is None else noise
        x, rgb = self.const.repeat(len(ws), 1, 1, 1), None
        for i, layer in enumerate(self.layers):
            x = layer(x, ws[:, i], noise[i])
            if i % 2:  # the pictures of all resolutions add up
                new = x.permute(0, 2, 3, 1) * self.rgb_style[i // 2](ws[:, i])[:, None, None]  # (B, H, W, C)
                new = self.to_rgb[i // 2](new).permute(0, 3, 1, 2)
                rgb = new if rgb is None else new + up_smooth(rgb)
        return rgb


class ResidualBlock(nn.Module):
    """Half the resolution, c_in to c_out channels, no normalisation; both branches start at variance 1/2."""

    def __init__(self, c_in, c_out):
        super().__init__()
        self.conv1, self.conv2 = EqualConv(c_in, c_in), EqualConv(c_in, c_out, gain=1.0)
        self.skip = EqualConv(c_in, c_out, 1, gain=1 / SQRT2)

    def forward(self, x):
        return self.skip(down(x)) + lrelu(self.conv2(down(lrelu(self.conv1(x)))))


class FastDiscriminator(nn.Module):
    """Residual discriminator, after StyleGAN2 and R3GAN: images (B, 3, R, R) to logits (B,)."""

    def __init__(self, resolution=64, widths=(256, 128, 64, 32, 16)):
        super().__init__()
        sizes_of(resolution, widths)  # which checks that they fit
        self.resolution, self.from_rgb = resolution, EqualConv(3, widths[-1])
        self.blocks = nn.Sequential(*[ResidualBlock(c, low) for low, c in zip(widths, widths[1:])][::-1])
        self.head = head(widths[0])

    def forward(self, x, c=None):
        return self.head(self.blocks(lrelu(self.from_rgb(x))))
