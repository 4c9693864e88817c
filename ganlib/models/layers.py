"""The layers that style-based networks are made of.

ProGAN: Karras et al. 2017, https://arxiv.org/abs/1710.10196; StyleGAN: Karras et al. 2018,
https://arxiv.org/abs/1812.04948; StyleGAN2: Karras et al. 2019, https://arxiv.org/abs/1912.04958.
"""
import math
from functools import cache, partial

import torch
from torch import nn
from torch.nn import functional as F

from ..errors import GanlibError
from ..seeding import bernoulli_like

SQRT2 = math.sqrt(2)  # He's gain for a layer that a leaky ReLU follows
lrelu = partial(F.leaky_relu, negative_slope=0.2)
sharp2x = partial(F.interpolate, scale_factor=2)  # nearest neighbour
smooth2x = partial(F.interpolate, scale_factor=2, mode="bilinear")
halve = partial(F.avg_pool2d, kernel_size=2)


def stage_sizes(resolution, widths):
    """[4, 8, ..., resolution]: pixels of each stage, of which there is one for each of the widths."""
    sizes = [4 * 2**i for i in range(len(widths))]
    if sizes[-1:] != [resolution]:
        raise GanlibError(f"The widths {widths} are for {sizes} pixels, not up to {resolution}: "
                          "expected one per size.")
    return sizes


def in_fp32(x):
    """A context in which autocast is off on the device of x: for sums that half precision would spoil."""
    return torch.autocast(x.device.type, enabled=False)


@cache
def _binomial(dtype, device):
    """[1, 2, 1] in both directions, (3, 3), with the sum 1: copied to the device once."""
    line = torch.tensor([1.0, 2.0, 1.0], dtype=dtype, device=device) / 4
    return torch.outer(line, line)


def blur(x):
    """The binomial filter [1, 2, 1] in both directions, zeros beyond the border."""
    channels = int(x.shape[1])  # a number also where the network is traced, as for ONNX
    kernels = _binomial(x.dtype, x.device).expand(channels, 1, 3, 3)
    return F.conv2d(x, kernels, padding=1, groups=channels)


class Dropout(nn.Dropout):
    """Dropout whose draws, from torch's global generator, are those of one process, as of `seeding.draw`."""

    def forward(self, x):
        if not self.training:
            return x
        return x * bernoulli_like(x, 1 - self.p).div(1 - self.p)


class EqualLinear(nn.Module):
    """A linear layer in fp32 with equalised learning rate (ProGAN, sec. 4.1): weights N(0, 1), scaled in use.

    lr: a factor of its learning rate; ones: how many biases start at 1 (the scales of a learned affine A).
    """

    def __init__(self, n_in, n_out, gain=SQRT2, lr=1.0, ones=0):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(n_out, n_in) / lr)
        self.bias = nn.Parameter((torch.arange(n_out) < ones).float())
        self.scale = gain * lr / math.sqrt(n_in)
        self.lr = lr

    def forward(self, x):
        with in_fp32(x):
            return F.linear(x.float(), self.weight * self.scale, self.bias * self.lr)


class EqualConv(nn.Module):
    """Convolution with equalised learning rate."""

    def __init__(self, c_in, c_out, kernel=3, gain=SQRT2):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(c_out, c_in, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(c_out))
        self.scale = gain / math.sqrt(c_in * kernel**2)
        self.padding = kernel // 2

    def forward(self, x):
        return F.conv2d(x, self.weight * self.scale, self.bias, padding=self.padding)


def adain(x, scale, bias):
    """AdaIN(x, y) = y_s (x - mean(x)) / std(x) + y_b (StyleGAN, eq. 1), in fp32.

    x (B, C, H, W); scale and bias (B, C).
    """
    with in_fp32(x):
        y = x.float()
        y = y - y.mean((2, 3), keepdim=True)  # on CPUs torch.var_mean takes three times as long
        std = (y.square().mean((2, 3), keepdim=True) + 1e-8).sqrt()  # (B, C, 1, 1)
        return (y * (scale[:, :, None, None] / std) + bias[:, :, None, None]).to(x.dtype)


def modulated_conv(x, weight, style, gain=1.0):
    """Modulated, demodulated convolution (StyleGAN2, eqs. 1 and 3), times `gain`.

    x (B, I, H, W), weight (O, I, k, k), style s (B, I). One dense convolution does for the batch: to multiply
    weights by s_i is to scale the inputs, to divide them by sqrt(sum_ik (s_i w_oik)^2) to scale the outputs.
    """
    with in_fp32(x):
        squares = weight.square().sum((2, 3))  # (O, I)
        demodulation = gain * (style.square() @ squares.T + 1e-8).rsqrt()  # (B, O)
    x = F.conv2d(x * style[:, :, None, None].to(x.dtype), weight, padding=weight.shape[-1] // 2)
    return x * demodulation[:, :, None, None].to(x.dtype)


class MinibatchStd(nn.Module):
    """One more channel: the mean standard deviation within groups of up to 4 samples (ProGAN, sec. 3)."""

    def forward(self, x):
        n = math.gcd(len(x), 4)
        y = x.float().reshape(n, -1, *x.shape[1:])  # (n, B / n, C, H, W): sample i is in group i mod (B / n)
        std = ((y - y.mean(0)).square().mean(0) + 1e-8).sqrt()  # (B / n, C, H, W)
        std = std.mean((1, 2, 3), keepdim=True).repeat(n, 1, 1, 1)  # (B, 1, 1, 1)
        return torch.cat([x, std.to(x.dtype).expand(-1, 1, *x.shape[2:])], 1)  # (B, C + 1, H, W)


def head(channels):
    """The end of a discriminator: (B, C, 4, 4) to features (B, C), and by two more layers to logits (B,)."""
    return nn.Sequential(
        MinibatchStd(), EqualConv(channels + 1, channels), nn.LeakyReLU(0.2), nn.Flatten(),  # (B, 16 C)
        EqualLinear(16 * channels, channels), nn.LeakyReLU(0.2),
        EqualLinear(channels, 1, gain=1.0), nn.Flatten(0))  # (B, 1) -> (B,)
