"""The published progressive StyleGAN, a style-based pair for little compute, and the projected discriminator.

Karras et al. 2017 (ProGAN, https://arxiv.org/abs/1710.10196), 2018 (StyleGAN, 1812.04948) and 2019 (StyleGAN2,
1912.04958), Huang et al. 2024 (R3GAN, 2501.05441), Sauer et al. 2021 (Projected GAN, 2111.01007).
"""
import torch
from torch import nn

from ..errors import GanlibError
from .layers import (
    EqualConv,
    EqualLinear,
    adain,
    blur,
    down,
    head,
    in_fp32,
    lrelu,
    sizes_of,
    up,
)


class Growing:
    def grow(self, resolution, fade=1.0):
        """Work at `resolution` from now on; its block counts `fade` (0 to 1), the one below the rest (ProGAN)."""
        if resolution not in self.sizes:
            raise GanlibError(f"This network has no {resolution} pixels: expected one of {self.sizes}.")
        self.stage = self.sizes.index(resolution)
        self.fade.fill_(fade)


class StyleGenerator(nn.Module):
    """What style-based generators share: z -> w, w_avg, noise, mixing. Two style layers per resolution, L in all.

    A subclass adds synthesis(ws, noise=None): ws (B, L, w_dim) to images (B, 3, R, R), nominally in [-1, 1] (nothing
    clamps them), without a random draw; noise: L tensors (1 or B, 1, r, r) as of `new_noise`, None: the fixed noise.
    """

    has_styles = True

    def __init__(self, resolution, sizes, z_dim, w_dim, mapping_layers, mixing):
        super().__init__()
        self.resolution, self.z_dim, self.w_dim, self.mixing = resolution, z_dim, w_dim, mixing
        self.sizes, self.stage, self.num_layers = sizes, len(sizes) - 1, 2 * len(sizes)
        dims = [z_dim] + [w_dim] * mapping_layers
        self.map = nn.Sequential(*(nn.Sequential(EqualLinear(a, b, lr=0.01), nn.LeakyReLU(0.2))
                                   for a, b in zip(dims, dims[1:])))
        self.register_buffer("w_avg", torch.zeros(w_dim))
        for i, noise in enumerate(self.new_noise(1)):
            self.register_buffer(f"noise_{i}", noise)

    def mapping(self, z, c=None):
        """z (B, z_dim) to w (B, w_dim), in fp32; z is normalised to length sqrt(z_dim) first."""
        return self.map(z.float() * (z.float().square().mean(1, keepdim=True) + 1e-8).rsqrt())

    def new_noise(self, batch, dice=None):
        """Fresh N(0, 1) noise: L tensors (batch, 1, r, r), drawn from `dice` (None: torch's global generator)."""
        return [torch.randn(batch, 1, r, r, device=self.w_avg.device, generator=dice)
                for r in self.sizes for _ in range(2)]

    def fixed_noise(self):
        return [getattr(self, f"noise_{i}") for i in range(self.num_layers)]

    def mix(self, a, b, crossover):
        """ws (B, L, w_dim): layers before `crossover` (0 to L; int or tensor (B, 1)) from a, the others from b."""
        values = torch.as_tensor(crossover)
        if values.is_floating_point() or not ((values >= 0) & (values <= self.num_layers)).all():
            raise GanlibError(f"crossover={crossover}: expected 0 to {self.num_layers}, the number of style layers.")
        return self._mix(a, b, crossover)

    def _mix(self, a, b, crossover):  # unchecked: looking at a tensor would make the host wait in every training step
        first = torch.arange(self.num_layers, device=a.device) < crossover  # (L,) or (B, L)
        return torch.where(first[..., None], a[:, None], b[:, None])

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
        draw = dict(size=(len(z), 1), device=z.device, generator=dice)
        crossover = torch.randint(1, 2 * self.stage + 2, **draw)  # among the layers in use
        crossover = torch.where(torch.rand(**draw) < self.mixing, crossover, self.num_layers)
        ws = self._mix(w, self.mapping(torch.empty_like(z).normal_(generator=dice), c), crossover)
        return self.synthesis(ws, self.new_noise(len(z), dice))


class AdaINLayer(nn.Module):
    """[upsample] - convolution - [blur] - noise - leaky ReLU - AdaIN; the first layer (c_in 0) has no convolution."""

    def __init__(self, c_in, c_out, w_dim, up=False):
        super().__init__()
        self.conv, self.up = EqualConv(c_in, c_out) if c_in else None, up
        self.strength = nn.Parameter(torch.zeros(c_out, 1, 1))  # of the noise, per channel
        self.style = EqualLinear(w_dim, 2 * c_out, gain=1.0, ones=c_out)

    def forward(self, x, w, noise):
        if self.conv:
            x = blur(self.conv(up(x))) if self.up else self.conv(x)
        x = lrelu(torch.addcmul(x, noise.to(x.dtype), self.strength.to(x.dtype)))
        return adain(x, *self.style(w).chunk(2, 1))


class StyleGANGenerator(Growing, StyleGenerator):
    """The published generator, growing. `widths`: channels from 4x4 up."""

    def __init__(self, resolution=64, widths=(512,) * 4 + (256,), z_dim=512, w_dim=512, mapping_layers=8, mixing=0.9):
        super().__init__(resolution, sizes_of(resolution, widths), z_dim, w_dim, mapping_layers, mixing)
        self.const = nn.Parameter(torch.ones(1, widths[0], 4, 4))
        self.layers = nn.ModuleList()
        for c_in, c_out in zip((0, *widths), widths):
            self.layers += [AdaINLayer(c_in, c_out, w_dim, up=True), AdaINLayer(c_out, c_out, w_dim)]
        self.to_rgb = nn.ModuleList(EqualConv(c, 3, 1, gain=1.0) for c in widths)
        self.register_buffer("fade", torch.ones(()))

    def synthesis(self, ws, noise=None):
        noise = self.fixed_noise() if noise is None else noise
        x = self.const.repeat(len(ws), 1, 1, 1)
        for i in range(2 * self.stage + 2):
            if i == 2 * self.stage:
                below = x  # (B, C, r / 2, r / 2)
            x = self.layers[i](x, ws[:, i], noise[i])
        with in_fp32(x):
            rgb = self.to_rgb[self.stage](x.float())
            if self.stage:
                rgb = torch.lerp(up(self.to_rgb[self.stage - 1](below.float())), rgb, self.fade)
        return rgb


class StyleGANDiscriminator(Growing, nn.Module):
    """The published discriminator, the generator reversed, growing: images (B, 3, r, r) to logits (B,)."""

    def __init__(self, resolution=64, widths=(512, 512, 512, 512, 256)):
        super().__init__()
        self.resolution, self.sizes, self.stage = resolution, sizes_of(resolution, widths), len(widths) - 1
        self.from_rgb = nn.ModuleList(EqualConv(3, c, 1) for c in widths)
        self.conv1 = nn.ModuleList(EqualConv(c, c) for c in widths[1:])  # block i: from 4 * 2^(i+1) pixels down
        self.conv2 = nn.ModuleList(EqualConv(c, low) for low, c in zip(widths, widths[1:]))
        self.head = head(widths[0])
        self.register_buffer("fade", torch.ones(()))

    def forward(self, x, c=None):
        image, x = x, lrelu(self.from_rgb[self.stage](x))
        for i in reversed(range(self.stage)):
            x = lrelu(down(self.conv2[i](blur(lrelu(self.conv1[i](x))))))
            if i == self.stage - 1:
                x = torch.lerp(lrelu(self.from_rgb[i](down(image))), x, self.fade.to(x.dtype))
        return self.head(x)
