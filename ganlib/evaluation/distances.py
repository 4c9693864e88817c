"""How far features of generated images are from those of real ones: Fréchet distance, KID, neighbours.

Features are arrays or tensors. Where there is a GPU, it does the work.
"""
import os

import numpy as np
import torch
from tqdm.contrib.concurrent import thread_map

from ..data.detector import find_faces
from ..errors import GanlibError
from ..machine.bars import Bar
from .features import gaussian, on_gpu

NEIGHBOURS = 5  # the k of precision, recall, density and coverage
LEAST = 16  # images: each in a half of the real ones has 5 neighbours, and a quarter of the half a covariance


def frechet(a, b):
    """The Fréchet distance of two Gaussians (mu, sigma): |m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^(1/2)).

    The trace of the root is the sum of the roots of the eigenvalues of S1 S2. The symmetric matrix
    S1^(1/2) S2 S1^(1/2) has the same. Heusel et al. 2017, https://arxiv.org/abs/1706.08500.
    """
    (m1, s1), (m2, s2) = a, b
    if m1.shape != m2.shape:
        raise GanlibError(f"Statistics of {len(m1)} and of {len(m2)} features do not compare: "
                          "use one kind for both.")
    m1, s1, m2, s2 = on_gpu(m1, s1, m2, s2)
    linalg = torch.linalg if isinstance(s1, torch.Tensor) else np.linalg
    values, vectors = linalg.eigh(s1)
    root = (vectors * values.clip(0) ** 0.5) @ vectors.T
    cross = (linalg.eigvalsh(root @ s2 @ root).clip(0) ** 0.5).sum()
    distance = (m1 - m2) @ (m1 - m2) + s1.trace() + s2.trace() - 2 * cross
    return max(0.0, float(distance))  # rounding can take a distance of nothing below 0


def random_rows(x, n, seed=0):
    """n random rows of x (N, D), the same ones whatever order the rows are in."""
    chosen = np.random.default_rng(seed).permutation(len(x))[:n]
    if isinstance(x, torch.Tensor):
        return x[x.sum(1, dtype=torch.float64).argsort()[torch.from_numpy(chosen).to(x.device)]]
    return x[np.argsort(x.sum(1, dtype=np.float64))[chosen]]


def frechet_infinity(real, fake, points=8):
    """The Fréchet distance of a Gaussian `real` and features `fake` (N, D), as N goes to infinity.

    A straight line in 1/n through subsets of N/4 to N meets the axis there; below 0 it is 0.
    Chong & Forsyth 2020, https://arxiv.org/abs/1911.07023, sec. 3.
    """
    sizes = np.linspace(len(fake) / 4, len(fake), points).astype(int)
    distances = [frechet(real, gaussian(random_rows(fake, n, n))) for n in sizes]
    return max(0.0, float(np.polyfit(1 / sizes, distances, 1)[1]))


def squared_mmd(x, y):
    """The squared MMD of features x and y, (n, D) both, with the kernel (x.y / D + 1)^3.

    Without bias: where there is no difference it is below 0 as often as above. Bińkowski et al. 2018,
    https://arxiv.org/abs/1801.01401, sec. 4.
    """
    n, dims = x.shape
    x, y = map(torch.as_tensor, (x, y))
    xx, yy, xy = ((a @ b.T / dims + 1).double() ** 3 for a, b in ((x, x), (y, y), (x, y)))  # (n, n)
    within = (xx.sum() - xx.trace() + yy.sum() - yy.trace()) / (n * (n - 1))
    return float(within - 2 * xy.mean())


def kid(real, fake, subsets=50, size=1_000):
    """The kernel distance of features (N, D): mean and deviation of `squared_mmd` over random subsets."""
    real, fake = on_gpu(real, fake)
    size = min(size, len(real), len(fake))
    values = []
    for i in range(subsets):
        values.append(squared_mmd(random_rows(real, size, 2 * i), random_rows(fake, size, 2 * i + 1)))
    return float(np.mean(values)), float(np.std(values))


def nearest_neighbours(queries, real, k=1):
    """(distances, indices), both (Q, k): the k rows of `real` nearest to each of `queries`, nearest first."""
    if len(real) < k:
        raise GanlibError(f"The {k} nearest of {len(real)} images: expected at least {k} to choose from.")
    queries, real = map(torch.as_tensor, on_gpu(queries, real))
    found = torch.cdist(queries, real).topk(k, largest=False)
    return found.values.cpu().numpy(), found.indices.cpu().numpy()


def prdc(real, fake, k=NEIGHBOURS):
    """What neighbours tell of features (N, D), as a dict of five numbers.

    precision, recall: Kynkäänniemi et al. 2019, https://arxiv.org/abs/1904.06991. density, coverage: Naeem et
    al. 2020, https://arxiv.org/abs/2002.09797. nearest: the median distance of a generated image to the
    nearest real one, over that of a real image to the nearest other (near 0: copies of training images).
    """
    real, fake = map(torch.as_tensor, on_gpu(real, fake))
    radii, fake_radii = (  # (N, k + 1): in column 0 the image itself
        torch.as_tensor(nearest_neighbours(x, x, k + 1)[0], device=x.device) for x in (real, fake))
    distances = torch.cdist(fake, real)  # (generated, real)
    near_real = distances < radii[:, k]
    near_fake = distances < fake_radii[:, k:]
    nearest, apart = distances.amin(1).quantile(0.5), radii[:, 1].quantile(0.5)  # medians
    found = {
        "precision": near_real.any(1).double().mean(),
        "recall": near_fake.any(0).double().mean(),
        "density": near_real.sum(1).double().mean() / k,
        "coverage": near_real.any(0).double().mean(),
        "nearest": nearest / apart.clamp(1e-9),  # it would be 0 where real images are there twice
    }
    return {key: float(value) for key, value in found.items()}


def face_numbers(images, progress=True):
    """{"faces": share of images (N, H, W, 3) in which animeface finds a face, "eye_gap": how far apart the
    colours of its two eyes are (median RGB distance)}. Without a face there is no eye_gap."""
    parts = np.array_split(images, -(-len(images) // 100))
    found = thread_map(find_faces, parts, desc="faces", max_workers=os.cpu_count(), disable=not progress,
                       tqdm_class=Bar)
    gaps = [face[3] for part in found for face in part if face]
    numbers = {"faces": len(gaps) / len(images)}
    if gaps:
        numbers["eye_gap"] = float(np.median(gaps))
    return numbers
