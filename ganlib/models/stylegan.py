"""What style-based generators share, and the published StyleGAN, a pair that grows.

ProGAN: Karras et al. 2017, https://arxiv.org/abs/1710.10196; StyleGAN: Karras et al. 2018,
https://arxiv.org/abs/1812.04948.
"""
from functools import partial
from itertools import pairwise
from typing import Any

import torch
from torch import nn

from ..errors import GanlibError
from ..seeding import draw, normal_like
from .labels import Judging, LabelEmbedding, LabelHead, all_unknown
from .layers import EqualConv, EqualLinear, adain, blur, halve, head, in_fp32, lrelu, sharp2x, stage_sizes


class Growing:
    """What G and D share where they grow from small pictures to large ones (ProGAN, sec. 3)."""

    sizes: list[int]  # pixels of each stage, from 4 up
    stage: int  # the one in use, an index into sizes
    fade: torch.Tensor  # how much of it counts, 0 to 1; the rest is the stage below

    def grow(self, resolution, fade=1.0):
        """Work at `resolution` from now on; its block counts `fade` (0 to 1), the one below the rest."""
        if resolution not in self.sizes:
            raise GanlibError(f"This network has no {resolution} pixels: expected one of {self.sizes}.")
        self.stage = self.sizes.index(resolution)
        self.fade.fill_(fade)


class StyleGenerator(nn.Module):
    """What style-based generators share: z -> w, w_avg, noise, mixing.

    L is the number of style layers, two for each resolution. A subclass adds `synthesis`.
    """

    has_styles = True
    w_avg: torch.Tensor  # (w_dim,): the mean of w
    embed: Any  # a LabelEmbedding, or None

    def __init__(self, resolution, widths, z_dim, w_dim, mapping_layers, mixing, attributes=None):
        super().__init__()
        self.resolution, self.z_dim, self.w_dim, self.mixing = resolution, z_dim, w_dim, mixing
        self.sizes = stage_sizes(resolution, widths)
        self.stage = len(widths) - 1
        self.num_layers = 2 * len(widths)
        self.map = nn.Sequential()
        for n_in, n_out in pairwise([z_dim] + [w_dim] * mapping_layers):
            self.map.append(nn.Sequential(EqualLinear(n_in, n_out, lr=0.01), nn.LeakyReLU(0.2)))
        self.register_buffer("w_avg", torch.zeros(w_dim))
        for i, r in enumerate(self._sides()):
            self.register_buffer(f"noise_{i}", torch.randn(1, 1, r, r))
        self.attributes = attributes or {}
        self.embed = LabelEmbedding(attributes, w_dim) if attributes else None

    def mapping(self, z, c=None):
        """z (B, z_dim) to w (B, w_dim), in fp32; z is normalised to length sqrt(z_dim) first.

        c: labels, added as of `shift`.
        """
        z = z.float()
        w = self.map(z * (z.square().mean(1, keepdim=True) + 1e-8).rsqrt())
        return w + self.shift(c) if self.embed else w

    def shift(self, c=None):
        """How labels c (B, K) move w: (B, w_dim). Each colour is a direction. c None: unknown, (1, w_dim)."""
        return self.embed(all_unknown(self.attributes, 1, self.w_avg.device) if c is None else c)

    def synthesis(self, ws, noise=None):
        """ws (B, L, w_dim) to images (B, 3, R, R), nominally in [-1, 1]: nothing clamps them. Draws nothing.

        noise: L tensors (1 or B, 1, r, r) as of `new_noise`; None: the fixed noise.
        """
        raise NotImplementedError

    def new_noise(self, batch, dice=None):
        """Fresh N(0, 1) noise: L tensors (batch, 1, r, r), drawn from `dice` (None: torch's global one)."""
        normal = partial(torch.randn, device=self.w_avg.device)
        return [draw(normal, (batch, 1, r, r), dice) for r in self._sides()]

    def _sides(self):
        """Pixels of each of the L layers."""
        return [size for size in self.sizes for _ in range(2)]

    def fixed_noise(self):
        """The L tensors (1, 1, r, r) of noise that are part of the generator."""
        return [getattr(self, f"noise_{i}") for i in range(self.num_layers)]

    def cross_over(self, a, b, crossover):
        """ws (B, L, w_dim) of two w (B, w_dim): layers before `crossover` from a, the others from b.

        crossover: 0 to L, a number or a tensor (B, 1). Not checked: the host would wait for it at every step.
        """
        from_a = torch.arange(self.num_layers, device=a.device) < crossover  # (L,) or (B, L)
        return torch.where(from_a[..., None], a[:, None], b[:, None])

    @torch.no_grad()
    def calibrate(self, zs):
        """Set w_avg to the mean of mapping(z) over a list of batches of z."""
        self.w_avg.copy_(torch.cat([self.mapping(z) for z in zs]).mean(0))

    def forward(self, z, c=None, dice=None):
        """In train mode with fresh noise, and two latents per image with probability `mixing`; else neither.

        What is drawn comes from `dice`, a torch.Generator of the device (None: torch's global one).
        """
        w = self.mapping(z, c)
        if not self.training:
            return self.synthesis(w[:, None].repeat(1, self.num_layers, 1))
        among_used = partial(torch.randint, 1, 2 * self.stage + 2, device=z.device)  # of the layers
        crossover = draw(among_used, (len(z), 1), dice)
        mixes = draw(partial(torch.rand, device=z.device), (len(z), 1), dice) < self.mixing
        crossover = torch.where(mixes, crossover, self.num_layers)
        other = self.mapping(normal_like(z, dice), c)
        return self.synthesis(self.cross_over(w, other, crossover), self.new_noise(len(z), dice))


class AdaINLayer(nn.Module):
    """[double] - convolution - [blur] - noise - leaky ReLU - AdaIN; the first (c_in 0) has no convolution."""

    def __init__(self, c_in, c_out, w_dim, doubles=False):
        super().__init__()
        self.conv = EqualConv(c_in, c_out) if c_in else None
        self.doubles = doubles
        self.strength = nn.Parameter(torch.zeros(c_out, 1, 1))  # of the noise, per channel
        self.style = EqualLinear(w_dim, 2 * c_out, gain=1.0, ones=c_out)

    def forward(self, x, w, noise):
        if self.conv and self.doubles:
            x = blur(self.conv(sharp2x(x)))
        elif self.conv:
            x = self.conv(x)
        x = lrelu(torch.addcmul(x, noise.to(x.dtype), self.strength.to(x.dtype)))
        scale, bias = self.style(w).chunk(2, 1)  # (B, 2 C) -> twice (B, C)
        return adain(x, scale, bias)


class StyleGANGenerator(Growing, StyleGenerator):
    """The published generator, growing. widths: channels from 4x4 up."""

    def __init__(self, resolution=64, widths=(512,) * 4 + (256,), z_dim=512, w_dim=512, mapping_layers=8,
                 mixing=0.9, attributes=None):
        super().__init__(resolution, widths, z_dim, w_dim, mapping_layers, mixing, attributes)
        self.const = nn.Parameter(torch.ones(1, widths[0], 4, 4))
        self.layers = nn.ModuleList()
        for c_in, c_out in pairwise([0, *widths]):
            self.layers += [AdaINLayer(c_in, c_out, w_dim, doubles=True), AdaINLayer(c_out, c_out, w_dim)]
        self.to_rgb = nn.ModuleList(EqualConv(c, 3, 1, gain=1.0) for c in widths)
        self.register_buffer("fade", torch.ones(()))

    def synthesis(self, ws, noise=None):
        noise = self.fixed_noise() if noise is None else noise
        x = self.const.repeat(ws.shape[0], 1, 1, 1)  # (B, C, 4, 4)
        for i in range(2 * self.stage + 2):
            if i == 2 * self.stage:
                below = x  # (B, C, r / 2, r / 2), what the stage below ends with
            x = self.layers[i](x, ws[:, i], noise[i])
        with in_fp32(x):
            rgb = self.to_rgb[self.stage](x.float())  # (B, 3, r, r)
            if self.stage == 0:
                return rgb
            rgb_below = self.to_rgb[self.stage - 1](below.float())  # (B, 3, r / 2, r / 2)
            return torch.lerp(sharp2x(rgb_below), rgb, self.fade)


class StyleGANDiscriminator(Growing, Judging):
    """The published discriminator, the generator reversed, growing: images (B, 3, r, r) to logits (B,)."""

    def __init__(self, resolution=64, widths=(512, 512, 512, 512, 256), attributes=None):
        super().__init__()
        self.resolution, self.sizes = resolution, stage_sizes(resolution, widths)
        self.stage = len(widths) - 1
        self.from_rgb = nn.ModuleList(EqualConv(3, c, 1) for c in widths)
        # Of both lists, number i belongs to the block that goes from 4 * 2^(i + 1) pixels down
        self.conv1 = nn.ModuleList(EqualConv(c, c) for c in widths[1:])
        self.conv2 = nn.ModuleList(EqualConv(c, c_below) for c_below, c in pairwise(widths))
        self.head = head(widths[0])
        self.register_buffer("fade", torch.ones(()))
        self.labels = style_labels(widths[0], attributes)

    def features(self, x):
        y = lrelu(self.from_rgb[self.stage](x))  # (B, C, r, r)
        for i in reversed(range(self.stage)):
            y = blur(lrelu(self.conv1[i](y)))
            y = lrelu(halve(self.conv2[i](y)))
            if i == self.stage - 1:
                y_below = lrelu(self.from_rgb[i](halve(x)))  # (B, C, r / 2, r / 2)
                y = torch.lerp(y_below, y, self.fade.to(y.dtype))
        return self.head[:-2](y)

    def logit(self, h):
        return self.head[-2:](h)


def style_labels(features, attributes):
    """The LabelHead of a style-based discriminator, or None where it has no attributes."""
    return LabelHead(attributes, features, partial(EqualLinear, gain=1.0)) if attributes else None
