"""The convolutional pair of Radford et al. 2015 (https://arxiv.org/abs/1511.06434), with the recipes' variants."""
import math

import torch
from torch import nn

from ..errors import GanlibError

RESOLUTIONS = (28, 32, 64, 128, 256)  # pixels, height and width
ACTIVATIONS = {"relu": lambda: nn.ReLU(inplace=True), "leaky_relu": lambda: nn.LeakyReLU(0.2, inplace=True)}
# G's last layer: the factor of what goes into tanh, since 2 sigmoid(a) - 1 = tanh(a / 2)
VALUES = {"-1..1": 1, "0..1": 0.5}
NORMS = {"batch": nn.BatchNorm2d, "layer": lambda c: nn.GroupNorm(1, c),
         "instance": lambda c: nn.InstanceNorm2d(c, affine=True), "none": lambda c: nn.Identity()}


def widths(resolution, width=64, max_width=512):
    """Channels after each of the generator's layers but the last, from 4x4 up.

    64 pixels and a width of 64 give [512, 256, 128, 64], and so do 28: from 2x2 over 4, 7 and 14, five layers as well.
    """
    if resolution not in RESOLUTIONS:
        raise GanlibError(f"No networks for {resolution} pixels: expected one of {RESOLUTIONS}.")
    layers = 4 if resolution == 28 else round(math.log2(resolution)) - 2
    return [min(width * 2**i, max_width) for i in reversed(range(layers))]


def _kernels(resolution, widths, residual):
    """Kernels of the generator's layers: the side it begins with, then 4 to double it, or 3 for one less (4 to 7)."""
    sizes = [math.ceil(resolution / 2**i) for i in reversed(range(len(widths) + 1))]
    kernels = [4 if large == 2 * small else 3 for small, large in zip(sizes, sizes[1:])]
    if residual and 3 in kernels:
        raise GanlibError(f"residual=True at {resolution} pixels: the skip connections double the side, and here it "
                          f"goes {', '.join(map(str, sizes))}. Take residual=False, or 32 pixels or more.")
    return [sizes[0], *kernels]


def _init(module):
    """N(0, 0.02) for weights, N(1, 0.02) for the scales of norms, zero for biases."""
    if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
        nn.init.normal_(module.weight, 0.0, 0.02)
    elif isinstance(module, (nn.BatchNorm2d, nn.GroupNorm, nn.InstanceNorm2d)):
        nn.init.normal_(module.weight, 1.0, 0.02)
    if getattr(module, "bias", None) is not None:
        nn.init.zeros_(module.bias)


class _Residual(nn.Module):
    """act((more(main(x)) + skip(x)) / sqrt 2), act being the last of `more` (He et al. 2015, arXiv:1512.03385)."""

    def __init__(self, main, more, skip):
        super().__init__()
        self.main, self.skip, self.act = nn.Sequential(*main, *more[:-1]), nn.Sequential(*skip), more[-1]

    def forward(self, x):
        return self.act((self.main(x) + self.skip(x)) * 0.5**0.5)


class DCGANGenerator(nn.Module):
    """z (B, z_dim) ~ N(0, 1) to images (B, 3, R, R) in [-1, 1]: strided transposed convolutions.

    widths: channels from 4x4 up, as `widths()` gives them; activation: "relu" or "leaky_relu"; values="0..1" ends in a
    sigmoid, stretched to [-1, 1], in the place of tanh. `c` is for models with labels, `dice` for those that draw.
    """

    has_styles = False

    def __init__(self, resolution=64, widths=(512, 256, 128, 64), z_dim=100, activation="relu", residual=False,
                 values="-1..1"):
        super().__init__()
        self.z_dim, self.resolution = z_dim, resolution
        self.slope = VALUES[values]
        kernels, up = _kernels(resolution, widths, residual), nn.ConvTranspose2d

        def block(c_in, c_out, kernel, stride=2, padding=1, conv=nn.Conv2d):
            act = ACTIVATIONS[activation]()
            return conv(c_in, c_out, kernel, stride, padding, bias=False), nn.BatchNorm2d(c_out), act

        layers = [nn.Sequential(*block(z_dim, widths[0], kernels[0], 1, 0, up))]  # (B, z_dim, 1, 1) -> (B, C, 4, 4)
        for c_in, c_out, kernel in zip(widths, widths[1:], kernels[1:]):
            main = block(c_in, c_out, kernel, conv=up)
            if residual:  # a 1x1 convolution before the upsampling gives what it would after, for a quarter
                skip = *block(c_in, c_out, 1, 1, 0)[:2], nn.Upsample(scale_factor=2)
            layers.append(_Residual(main, block(c_out, c_out, 3, 1, 1), skip) if residual else nn.Sequential(*main))
        self.layers = nn.Sequential(*layers)
        self.to_rgb = nn.ConvTranspose2d(widths[-1], 3, kernels[-1], 2, 1, bias=False)
        self.apply(_init)

    def forward(self, z, c=None, dice=None):
        x = self.layers(z[:, :, None, None])
        with torch.autocast(x.device.type, enabled=False):  # the last layer stays in fp32
            return torch.tanh(self.slope * self.to_rgb(x.float()))

    def calibrate(self, zs):
        """Estimate the batch-norm statistics anew from batches of z (B, z_dim); leaves the generator in eval mode."""
        torch.optim.swa_utils.update_bn(zs, self.eval())


class DCGANDiscriminator(nn.Module):
    """Images (B, 3, R, R) in [-1, 1] to logits (B,): strided convolutions, the generator's widths reversed.

    norm: one of NORMS; dropout: a probability, after each activation; spectral: convolutions with a largest singular
    value of 1 (Miyato et al. 2018, https://arxiv.org/abs/1802.05957); values="0..1": what the first layer sees.
    """

    def __init__(self, resolution=64, widths=(512, 256, 128, 64), norm="batch", residual=False, dropout=0.0,
                 spectral=False, values="-1..1"):
        super().__init__()
        self.resolution, self.values = resolution, values
        kernels, widths = _kernels(resolution, widths, residual)[::-1], [3, *reversed(widths)]

        def block(c_in, c_out, kernel, stride=2, padding=1, bias=norm == "none"):
            act = nn.LeakyReLU(0.2, inplace=True)
            return (nn.Conv2d(c_in, c_out, kernel, stride, padding, bias=bias), NORMS[norm](c_out),
                    nn.Sequential(act, nn.Dropout(dropout)) if dropout else act)

        # No norm here. Without a bias either, a picture of half the contrast gives half of everything up to the next norm, which
        # takes that away: D is blind to contrast. With batch norm the published example is so, too
        layers = [*block(3, widths[1], kernels[0], bias=norm != "batch")[::2]]
        for c_in, c_out, kernel in zip(widths[1:], widths[2:], kernels[1:]):
            main = block(c_in, c_out, kernel)
            if residual:
                skip = nn.AvgPool2d(2), *block(c_in, c_out, 1, 1, 0)[:2]
            layers.append(_Residual(main, block(c_out, c_out, 3, 1, 1), skip) if residual else nn.Sequential(*main))
        self.layers = nn.Sequential(*layers)
        self.to_logit = nn.Conv2d(widths[-1], 1, kernels[-1], 1, 0, bias=norm == "none")
        self.apply(_init)
        for conv in [m for m in self.modules() if isinstance(m, nn.Conv2d)]:
            if norm == "none":  # 0.02 counts on norms: without them the signal would fade from layer to layer
                nn.init.kaiming_normal_(conv.weight, 0.2)
            if spectral:  # its vectors of the power iteration are buffers, and so part of a state file
                nn.utils.parametrizations.spectral_norm(conv)

    def forward(self, x, c=None):
        x = self.layers(x if self.values == "-1..1" else (x + 1) / 2)  # (B, C, 4, 4)
        with torch.autocast(x.device.type, enabled=False):
            return self.to_logit(x.float()).flatten()
