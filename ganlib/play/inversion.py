"""Inversion: find the styles with which a generator draws what is most like a given picture."""
import math

import numpy as np
import torch
from PIL import Image, ImageOps
from torch.nn import functional as F

from ..errors import GanlibError
from ..machine.bars import Bar
from ..models.sampling import latents, layers_of, styles
from ..models.store import network
from ..pretrained.lite0 import lite0, scales

HIGHEST_RATE = 0.1  # of learning
WEIGHT_OF_COLOURS = 4.0  # of the loss on 32x32 averages, beside that on features
WEIGHT_OF_DISTANCE = 0.01  # of the distance from the mean face


def invert(generator, image, steps=300, progress=True, callback=None):
    """(ws (1, L, w_dim), losses): the styles, one w per layer, that draw what is most like an image.

    image: uint8 (H, W, 3), cut to a square. Adam from w_avg (after Karras et al. 2019, app. D), on features
    of EfficientNet-Lite0, on 32x32 averages, and on the distance from w_avg in units of w's spread.
    callback(step, ws, loss) is called after every step. Raises GanlibError for anything that is no image.
    """
    losses = []
    bar = Bar(inversion(generator, image, steps), "finding the face", total=steps, disable=not progress)
    for step, (ws, loss) in enumerate(bar):
        losses.append(loss)
        bar.set_postfix_str(f"loss {loss:.3f}", refresh=False)
        if callback:
            callback(step, ws, loss)
    return ws, losses


def inversion(generator, image, steps=300):
    """Yield (ws, loss) after each step of `invert`, for a caller that has other things to do in between."""
    G = network(generator)
    layers_of(G)  # raises where there are no styles
    target = _target(image, G)
    net = lite0().to(G.w_avg.device)
    wanted = scales(net, target), F.adaptive_avg_pool2d(target, 32)
    spread = styles(G, latents(1_000, G.z_dim))[:, 0].std(0).square().mean().sqrt()
    offset = torch.zeros(1, G.num_layers, len(G.w_avg), device=G.w_avg.device, requires_grad=True)
    adam = torch.optim.Adam([offset])
    for step in range(steps):
        adam.param_groups[0]["lr"] = _rate(step, steps)
        loss = _unlikeness(net, G.synthesis(G.w_avg + spread * offset), wanted)
        loss = loss + WEIGHT_OF_DISTANCE * offset.square().mean()
        offset.grad, = torch.autograd.grad(loss, offset)
        adam.step()
        yield (G.w_avg + spread * offset).detach(), loss.item()


def _target(image, G):
    """The image as G would give it: (1, 3, R, R) in [-1, 1], the middle cut square."""
    if getattr(image, "dtype", None) != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        found = getattr(image, "shape", type(image))
        raise GanlibError(f"This is no image: found {found}; expected uint8 (H, W, 3).")
    square = ImageOps.fit(Image.fromarray(image), (G.resolution, G.resolution), Image.Resampling.LANCZOS)
    pixels = torch.from_numpy(np.array(square)).to(G.w_avg.device)
    return pixels.permute(2, 0, 1)[None] / 127.5 - 1


def _unlikeness(net, x, wanted):
    """How far an image x (1, 3, R, R) is from the wanted (features at four scales, 32x32 averages)."""
    features, averages = wanted
    loss = sum((a - b).square().sum(1).mean() for a, b in zip(scales(net, x), features, strict=True))
    return loss + WEIGHT_OF_COLOURS * F.mse_loss(F.adaptive_avg_pool2d(x, 32), averages)


def _rate(step, steps):
    """The learning rate: up in the first twentieth, down to zero along a cosine in the last quarter."""
    t = (step + 0.5) / steps
    return HIGHEST_RATE * min(1, t / 0.05, math.sin(math.pi / 2 * min(1, 4 - 4 * t)) ** 2)
