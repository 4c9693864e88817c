"""The published progressive StyleGAN, a style-based pair for little compute, and the projected discriminator.

Karras et al. 2017 (ProGAN, https://arxiv.org/abs/1710.10196), 2018 (StyleGAN, 1812.04948) and 2019 (StyleGAN2,
1912.04958), Huang et al. 2024 (R3GAN, 2501.05441), Sauer et al. 2021 (Projected GAN, 2111.01007).
"""
import math
from functools import partial

import torch
from torch import nn
from torch.nn import functional as F

from ..errors import GanlibError

SQRT2 = math.sqrt(2)  # He's gain for a layer that a leaky ReLU follows
lrelu = partial(F.leaky_relu, negative_slope=0.2)
up = partial(F.interpolate, scale_factor=2)  # nearest neighbour
up_smooth = partial(F.interpolate, scale_factor=2, mode="bilinear")
down = partial(F.avg_pool2d, kernel_size=2)


def sizes_of(resolution, widths):
    sizes = [4 * 2**i for i in range(len(widths))]
    if sizes[-1:] != [resolution]:
        raise GanlibError(f"The widths {widths} are for {sizes} pixels, not up to {resolution}: expected one per size.")
    return sizes


def in_fp32(x):
    return torch.autocast(x.device.type, enabled=False)


def blur(x):
    """The binomial filter [1, 2, 1] in both directions, zeros beyond the border."""
    kernel = torch.tensor([1.0, 2.0, 1.0], dtype=x.dtype, device=x.device) / 4
    return F.conv2d(x, torch.outer(kernel, kernel).expand(x.shape[1], 1, 3, 3), padding=1, groups=x.shape[1])


class EqualLinear(nn.Module):
    """Linear layer in fp32 with equalised learning rate (ProGAN, sec. 4.1): weights N(0, 1), scaled at run time.

    `lr` multiplies its learning rate; the first `ones` biases start at 1 (scales, in the learned affine A of styles).
    """

    def __init__(self, n_in, n_out, gain=SQRT2, lr=1.0, ones=0):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(n_out, n_in) / lr)
        self.bias = nn.Parameter((torch.arange(n_out) < ones).float())
        self.scale, self.lr = gain * lr / math.sqrt(n_in), lr

    def forward(self, x):
        with in_fp32(x):
            return F.linear(x.float(), self.weight * self.scale, self.bias * self.lr)


class EqualConv(nn.Module):
    """Convolution with equalised learning rate."""

    def __init__(self, c_in, c_out, kernel=3, gain=SQRT2):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(c_out, c_in, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(c_out))
        self.scale, self.padding = gain / math.sqrt(c_in * kernel**2), (kernel - 1) // 2

    def forward(self, x):
        return F.conv2d(x, self.weight * self.scale, self.bias, padding=self.padding)


def adain(x, scale, bias):
    """AdaIN(x, y) = y_s (x - mean(x)) / std(x) + y_b (StyleGAN, eq. 1), in fp32. x (B, C, H, W); the others (B, C)."""
    with in_fp32(x):
        y = x.float()
        y = y - y.mean((2, 3), keepdim=True)  # on CPUs torch.var_mean takes three times as long
        std = (y.square().mean((2, 3), keepdim=True) + 1e-8).sqrt()
        return (y * (scale[:, :, None, None] / std) + bias[:, :, None, None]).to(x.dtype)


def modulated_conv(x, weight, style, gain=1.0):
    """Modulated, demodulated convolution (StyleGAN2, eqs. 1 and 3), one dense convolution for the batch; times `gain`.

    x (B, I, H, W), weight (O, I, k, k), style s (B, I). Multiplying weights per sample by s_i is to scale the inputs,
    dividing them by sqrt(sum_ik (s_i w_oik)^2) to scale the outputs.
    """
    with in_fp32(x):
        d = gain * (style.square() @ weight.square().sum((2, 3)).T + 1e-8).rsqrt()  # (B, O)
    x = F.conv2d(x * style[:, :, None, None].to(x.dtype), weight, padding=weight.shape[-1] // 2)
    return x * d[:, :, None, None].to(x.dtype)


class MinibatchStd(nn.Module):
    """One more channel: the standard deviation within groups of up to 4 samples, averaged (ProGAN, sec. 3)."""

    def forward(self, x):
        n = math.gcd(len(x), 4)
        y = x.float().reshape(n, -1, *x.shape[1:])
        std = ((y - y.mean(0)).square().mean(0) + 1e-8).sqrt()  # (B / n, C, H, W)
        std = std.mean((1, 2, 3), keepdim=True).repeat(n, 1, 1, 1)  # sample i is in group i mod (B / n)
        return torch.cat([x, std.to(x.dtype).expand(-1, 1, *x.shape[2:])], 1)


def head(channels):
    """The end of a discriminator: (B, C, 4, 4) to logits (B,)."""
    return nn.Sequential(MinibatchStd(), EqualConv(channels + 1, channels), nn.LeakyReLU(0.2), nn.Flatten(),
                         EqualLinear(16 * channels, channels), nn.LeakyReLU(0.2),
                         EqualLinear(channels, 1, gain=1.0), nn.Flatten(0))
