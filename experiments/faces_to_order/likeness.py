"""FD-lite of a generator: of all that it draws, and within each class of hair."""
import numpy as np
import torch

from ganlib.evaluation.distances import frechet
from ganlib.evaluation.features import features, gaussian, real_statistics
from ganlib.models.sampling import sample

WITHIN = "hair"  # the attribute whose classes are compared one by one
SEED = 1_000  # of the pictures of the first class


def over_all(generator, pack, n, draw=sample):
    """FD-lite of n pictures against all real ones, with labels as frequent as in the data."""
    _, real = real_statistics(pack, progress=False)
    return frechet(real, gaussian(features(draw(generator, n, seed=1), progress=False)))


def within_classes(generator, pack, names, most, draw=sample):
    """{class: [generated, real]}: FD-lite of faces with that hair to half of the real ones with that hair.

    Both are as many as that half: generated ones that were asked for, and the other real half. A Fréchet
    distance of few images is far too large. Here both are so alike, which is why only the two together mean
    something. most: images in a half at most.
    """
    x, _ = real_statistics(pack, progress=False)
    labels = np.asarray(pack.labels[:, [*pack.attributes].index(WITHIN)])
    found = {}
    for name in names:
        i = pack.attributes[WITHIN].index(name)
        rows = np.random.default_rng(SEED).permutation(np.flatnonzero(labels == i))
        half = min(len(rows) // 2, most)
        if half < 2:
            continue  # no covariance
        real, other = x[rows[:half]], x[rows[half:2 * half]]
        faces = features(draw(generator, half, seed=SEED + i, labels={WITHIN: name}), progress=False)
        found[name] = [frechet_of_few(real, faces), frechet_of_few(real, other)]
    return found


def frechet_of_few(a, b):
    """The Fréchet distance of features a and b, (N, D) each, as `frechet` has it; faster where N is below D.

    The trace of (S1 S2)^(1/2) is the sum of the singular values of A B', where S1 is A' A, and S2 is B' B.
    """
    distance, centred = 0.0, []
    for x in torch.from_numpy(a).double(), torch.from_numpy(b).double():
        deviation = (x - x.mean(0)) / (len(x) - 1) ** 0.5
        centred.append(deviation)
        distance += float(deviation.square().sum())
    step = a.mean(0, np.float64) - b.mean(0, np.float64)
    cross = float(torch.linalg.svdvals(centred[0] @ centred[1].T).sum())
    return max(0.0, float(step @ step) + distance - 2 * cross)
