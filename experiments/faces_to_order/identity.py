"""Whether a face stays the same face when one label changes.

Faces of a few latents z are drawn with every class of an attribute, the other attributes held. The shape of a
face is where its edges are, and where its eyes, nose, mouth and chin are. How far two faces of one z are from
each other is divided by how far faces of two z are: 0 says that the shape stays, 1 that it is another face.
"""
from itertools import combinations

import numpy as np
import torch
from torch.nn import functional as F

from ganlib.models.sampling import sample

from .landmarks import landmarks

SEED = 7_000
SOBEL = torch.tensor([[-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0], [-1.0, 0.0, 1.0]])


def edges(images):
    """The edges of pictures, uint8 (N, S, S, 3): float (N, S * S), whatever their contrast.

    They are the lengths of Sobel's gradients of the luminance, over their mean around each place.
    """
    light = torch.from_numpy(images @ np.array([0.299, 0.587, 0.114], np.float32))[:, None]  # (N, 1, S, S)
    light = F.pad(light, (1, 1, 1, 1), mode="replicate")
    length = F.conv2d(light, torch.stack([SOBEL, SOBEL.T])[:, None]).square().sum(1, keepdim=True).sqrt()
    around = F.avg_pool2d(length, 9, 1, 4, count_include_pad=False)
    return (length / (around + 8)).flatten(1).numpy()


def held(generator, attribute, attributes, each=6, draw=sample):
    """{"edges", "landmarks", "faces"}: the two ratios, and in how many pictures a face is found.

    attributes: {attribute: class names} of the generator; each: latents for every class of the others, which
    are held. A number that cannot be told is not there, such as the landmarks without the detector.
    """
    others = {name: classes for name, classes in attributes.items() if name != attribute}
    groups = []
    for k in range(max(map(len, others.values()), default=1)):
        rest = {name: classes[k % len(classes)] for name, classes in others.items()}
        groups.append([draw(generator, each, seed=SEED + k, labels={attribute: name} | rest)
                       for name in attributes[attribute]])
    images = np.array(groups)  # (group, class, z, S, S, 3)
    flat = images.reshape(-1, *images.shape[3:])
    found = {"edges": ratio(edges(flat).reshape(*images.shape[:3], -1))}
    points = landmarks(flat)
    if points is not None:
        found["landmarks"] = ratio(points.reshape(*images.shape[:3], -1))
        found["faces"] = float(np.isfinite(points[:, 0, 0]).mean())
    return {key: value for key, value in found.items() if np.isfinite(value)}


def ratio(x):
    """How far apart x (group, class, z, D) are for one z and two classes, over two z and one class.

    The distance is the root of the mean square. Only faces of one group are compared. One with a NaN does not
    count. NaN where no two faces are left, or where z changes nothing.
    """
    over_classes = [pair for group in x for one_z in group.swapaxes(0, 1) for pair in combinations(one_z, 2)]
    over_z = [pair for group in x for one_class in group for pair in combinations(one_class, 2)]
    return _mean_distance(over_classes) / (_mean_distance(over_z) or np.nan)


def _mean_distance(pairs):
    distances = [np.sqrt(np.mean((a - b) ** 2)) for a, b in pairs]
    known = [distance for distance in distances if np.isfinite(distance)]
    return float(np.mean(known)) if known else np.nan
