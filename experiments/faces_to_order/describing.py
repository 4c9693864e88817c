"""What a judge sees of pictures. Two kinds of numbers describe the region in which an attribute shows.

plain    what EfficientNet-Lite0, which learned from photographs, makes of it: 1280 numbers, as for FD-lite
colours  which colours it has, and where; no network, and nothing of shapes and textures
"""
import numpy as np
import torch
from torch.nn.functional import adaptive_avg_pool2d

from ganlib.evaluation.features import features
from ganlib.machine.threads import ThreadChooser

KINDS = ("plain", "colours")
WHOLE = (0, 64, 0, 64)  # top, bottom, left, right in a picture of 64 pixels
BAND = (22, 36, 10, 54)  # where the eyes are
REGIONS = {"eyes": BAND}  # of all other attributes: the whole picture
# Of which parts of the region the colours are counted. Hair: its upper part, and its middle
PARTS = {"hair": [(2, 24, 0, 64), (2, 14, 14, 50)], "eyes": [(22, 36, 12, 26), (22, 36, 38, 52)]}
TONES = 4  # red, green and blue have so many each, which makes 64 colours
PLACES = {"eyes": (2, 8)}  # rows and columns of places whose mean colour is taken
AT_ONCE = 500  # pictures


def cut(images, rectangle):
    """A rectangle of pictures, uint8 (N, S, S, 3): uint8 (N, h, w, 3)."""
    unit = images.shape[1] / 64
    top, bottom, left, right = (round(edge * unit) for edge in rectangle)
    return images[:, top:bottom, left:right]


def describe(images, attribute, kind):
    """The numbers of a kind, float32 (N, D), of pictures uint8 (N, S, S, 3)."""
    if kind == "plain":
        return features(cut(images, REGIONS.get(attribute, WHOLE)), progress=False)
    chunks = [images[start:start + AT_ONCE] for start in range(0, len(images), AT_ONCE)]
    with ThreadChooser(1):  # where another program takes a core, two threads wait for each other
        return np.concatenate([_colours(np.asarray(chunk), attribute) for chunk in chunks])


def _colours(images, attribute):
    region = _unit(cut(images, REGIONS.get(attribute, WHOLE)))  # (N, h, w, 3)
    means = adaptive_avg_pool2d(region.permute(0, 3, 1, 2), PLACES.get(attribute, (4, 4))).flatten(1)
    parts = [histogram(_unit(cut(images, part))) for part in PARTS.get(attribute, [WHOLE])]
    return torch.cat([means, *parts], 1).numpy()


def _unit(images):
    return torch.from_numpy(np.array(images)).float() / 255


def histogram(x):
    """Roots of the shares of 64 colours, (N, 64), in pictures x (N, h, w, 3) in [0, 1].

    A pixel counts for the eight nearest of the colours, the more the nearer it is.
    """
    tones = torch.arange(TONES)
    near = (1 - (x.flatten(1, 2)[..., None] * (TONES - 1) - tones).abs()).clamp(0)  # (N, pixels, 3, TONES)
    red, green, blue = near.unbind(2)
    both = (red[..., :, None] * green[..., None, :]).flatten(2)  # (N, pixels, TONES^2)
    return (both.transpose(1, 2) @ blue / near.shape[1]).flatten(1).sqrt()
