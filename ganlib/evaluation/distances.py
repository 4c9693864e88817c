"""How far generated images are from real ones: images -> features -> statistics -> number, and a fair table of runs."""
import os

import numpy as np
import torch
from tqdm.contrib.concurrent import thread_map

from ..data.detector import find_faces
from ..errors import GanlibError
from .features import statistics


def frechet(a, b):
    """The Fréchet distance of two Gaussians (mu, sigma): |m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^(1/2)).

    The trace of the root is the sum of the roots of the eigenvalues of S1 S2, which are those of the symmetric
    S1^(1/2) S2 S1^(1/2). Heusel et al. 2017, https://arxiv.org/abs/1706.08500.
    """
    (m1, s1), (m2, s2) = a, b
    if m1.shape != m2.shape:
        raise GanlibError(f"Statistics of {len(m1)} and of {len(m2)} features do not compare: use one kind for both.")
    values, vectors = np.linalg.eigh(s1)
    root = (vectors * np.sqrt(values.clip(0))) @ vectors.T
    cross = np.sqrt(np.linalg.eigvalsh(root @ s2 @ root).clip(0)).sum()
    return float((m1 - m2) @ (m1 - m2) + np.trace(s1) + np.trace(s2) - 2 * cross)


def random_rows(x, n, seed=0):
    """n random rows of x (N, D), the same ones whatever order the rows are in."""
    return x[np.argsort(x.sum(1, dtype=np.float64))[np.random.default_rng(seed).permutation(len(x))[:n]]]


def frechet_infinity(stats, fake, points=8):
    """The Fréchet distance to `stats` of features `fake` (N, D) as N goes to infinity: where a straight line in 1/n
    through subsets of N/4 to N meets the axis. Chong & Forsyth 2020, https://arxiv.org/abs/1911.07023, sec. 3.
    """
    sizes = np.linspace(len(fake) / 4, len(fake), points).astype(int)
    return float(np.polyfit(1 / sizes, [frechet(stats, statistics(random_rows(fake, n, n))) for n in sizes], 1)[1])


def kid(real, fake, subsets=50, size=1_000):
    """(mean, standard deviation) over random subsets of the squared MMD with the kernel (x.y / D + 1)^3, unbiased.

    real, fake: features (N, D). Bińkowski et al. 2018, https://arxiv.org/abs/1801.01401, sec. 4.
    """
    size, values = min(size, len(real), len(fake)), []
    for seed in range(subsets):
        x, y = torch.from_numpy(random_rows(real, size, 2 * seed)), torch.from_numpy(random_rows(fake, size, 2 * seed + 1))
        xx, yy, xy = ((a @ b.T / x.shape[1] + 1).double() ** 3 for a, b in ((x, x), (y, y), (x, y)))
        within = (xx.sum() - xx.trace() + yy.sum() - yy.trace()) / (size * (size - 1))
        values.append(float(within - 2 * xy.mean()))
    return float(np.mean(values)), float(np.std(values))


def nearest_neighbours(queries, real, k=1):
    """(distances, indices), both (Q, k): the k rows of `real` nearest to each of `queries`, nearest first."""
    found = torch.cdist(torch.from_numpy(queries), torch.from_numpy(real)).topk(k, largest=False)
    return found.values.numpy(), found.indices.numpy()


def prdc(real, fake, k=5):
    """Precision and recall (Kynkäänniemi et al. 2019, https://arxiv.org/abs/1904.06991), density and coverage (Naeem et
    al. 2020, https://arxiv.org/abs/2002.09797) of features (N, D); and `nearest`: the median distance of a generated
    image to the nearest real one, over that of a real image to the nearest other (near 0: copies of training images).
    """
    radii, fake_radii = (nearest_neighbours(f, f, k + 1)[0] for f in (real, fake))  # in column 0 the image itself
    d = torch.cdist(torch.from_numpy(fake), torch.from_numpy(real)).numpy()  # (generated, real)
    hit, recalled = d < radii[:, k], d < fake_radii[:, k:]
    return {"precision": hit.any(1).mean(), "recall": recalled.any(0).mean(), "density": hit.sum(1).mean() / k,
            "coverage": hit.any(0).mean(), "nearest": np.median(d.min(1)) / np.median(radii[:, 1])}


def faces(images, progress=True):
    """{"faces": share of images (N, H, W, 3) with a face for animeface, "eye_gap": median RGB distance of the colours
    of its two eyes}."""
    parts = np.array_split(images, -(-len(images) // 100))
    found = sum(thread_map(find_faces, parts, desc="faces", max_workers=os.cpu_count(), disable=not progress), [])
    gaps = [face[3] for face in found if face]
    return {"faces": len(gaps) / len(images)} | ({"eye_gap": float(np.median(gaps))} if gaps else {})
