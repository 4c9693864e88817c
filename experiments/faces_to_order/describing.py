"""What a judge sees of pictures: numbers by a network that learned from photographs, not from these faces.

An attribute is looked for in a region of the picture. Two kinds of numbers describe the region:

plain   what EfficientNet-Lite0 makes of it: 1280 numbers, as for FD-lite
colour  the same, and what keeps more of the colours: means and deviations of four early layers, and the
        region's mean colours in a grid of 2 x 4 places
"""
import functools

import numpy as np
import torch
from torch.nn import functional as F

from ganlib.evaluation.features import DEVICE
from ganlib.machine.bars import Bar
from ganlib.machine.threads import ThreadChooser
from ganlib.pretrained.lite0 import ENDS, folded, lite0, lite0_features

KINDS = ("plain", "colour")
PLAIN = 1280  # numbers of the plain kind, which stand first
# Where the eyes are in a picture of 64 pixels: top, bottom, left, right
BAND = (22, 36, 10, 54)
REGIONS = {"eyes": BAND}  # of all other attributes: the whole picture


def region(images, attribute):
    """The part of pictures, uint8 (N, S, S, 3), that shows an attribute: uint8 (N, h, w, 3)."""
    if attribute not in REGIONS:
        return images
    unit = images.shape[1] / 64
    top, bottom, left, right = (round(edge * unit) for edge in REGIONS[attribute])
    return images[:, top:bottom, left:right]


def describe(images, progress=False):
    """All numbers of pictures, uint8 (N, h, w, 3) of any size: float32 (N, D). The plain ones stand first."""
    net, seen = _network(DEVICE)
    batch = 16 if DEVICE == "cpu" else 256  # few at a time stay in a CPU's cache
    found = []
    with (
        torch.no_grad(),
        torch.backends.cudnn.flags(enabled=True, allow_tf32=False),
        Bar(total=len(images), desc="judge", unit="img", disable=not progress, mininterval=1,
            leave=False) as bar,
        ThreadChooser() as threads,
    ):
        for start in range(0, len(images), batch):
            pictures = torch.from_numpy(np.array(images[start:start + batch]))
            with threads.piece(len(pictures)):
                x = pictures.to(DEVICE).permute(0, 3, 1, 2).float() / 255
                seen.clear()
                parts = [lite0_features(net, x), *seen, F.adaptive_avg_pool2d(x, (2, 4)).flatten(1)]
                found.append(torch.cat(parts, 1).cpu())
            bar.update(len(pictures))
    return torch.cat(found).numpy()


@functools.cache
def _network(device):
    """(EfficientNet-Lite0, a list into which it puts means and deviations of its early layers)."""
    net = folded(lite0()).to(device, memory_format=torch.channels_last)
    seen = []

    def look(_, __, output):
        """Keep the mean and the deviation of each channel: (B, 2 C)."""
        flat = output.flatten(2)
        seen.append(torch.cat([flat.mean(2), flat.std(2)], 1))

    for number in ENDS:
        net._blocks[number].register_forward_hook(look)
    return net, seen
