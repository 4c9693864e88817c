"""Does bf16 cost quality? bf16 and fp32 at equal images seen, two seeds each.

    python tests/benchmarks/precision.py

A narrow DCGAN (32 pixels, 24 channels) on 2,000 drawn faces, 96,000 images seen. The measure is the Fréchet
distance between 2,000 generated and the real images in a plain feature space, 8x8 thumbnails (192 numbers):
small networks and a rough measure, but the same for both. bf16 passes if its mean is within the seeds' spread
of fp32's mean.
"""
import os
import sys
import tempfile
from pathlib import Path

import numpy as np

from ganlib.data.duplicates import area_average
from ganlib.data.packs import load_pack, pack
from ganlib.data.synthetic import face
from ganlib.models.sampling import sample
from ganlib.models.store import load_generator
from ganlib.presets import preset
from ganlib.training.loop import train

sys.path.insert(0, str(Path(__file__).parents[1]))
from helpers import make_report  # noqa: E402

IMAGES = int(os.environ.get("PRECISION_IMAGES", 96_000))


def features(images):
    channels = [area_average(images[..., c].astype(np.float32), 8, 8) for c in range(3)]
    return np.stack(channels, -1).reshape(len(images), -1)


def frechet(a, b):
    """|m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^(1/2)), the last by the eigenvalues of S1 S2."""
    s1, s2 = np.cov(a.T), np.cov(b.T)
    root = np.sqrt(np.linalg.eigvals(s1 @ s2).real.clip(0)).sum()
    return ((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(s1) + np.trace(s2) - 2 * root


def main():
    with tempfile.TemporaryDirectory() as folder:
        images = np.stack([face(i, size=32)[0] for i in range(2_000)])
        pack(make_report(images), Path(folder) / "pack")
        packed, real = load_pack(Path(folder) / "pack"), features(images)
        print(f"half of the real images against the other half: {frechet(real[::2], real[1::2]):.0f}")
        scores = {}
        for precision in ("fp32", "bf16"):
            for seed in (0, 1):
                config = preset("dcgan", resolution=32, width=24, images=IMAGES, frames=0, generators=0,
                                seed=seed, lr_d=0.0004, precision=precision)
                run = train(config, packed, Path(folder) / f"{precision}-{seed}", progress=False)
                score = frechet(real, features(sample(load_generator(run.path), 2_000)))
                scores.setdefault(precision, []).append(score)
                print(f"{precision} seed {seed}: {score:.0f} after {run.images:,} images "
                      f"in {run.train_seconds:.0f} s", flush=True)
    means = {k: np.mean(v) for k, v in scores.items()}
    spread = max(np.ptp(v) for v in scores.values())
    print(f"means: fp32 {means['fp32']:.0f}, bf16 {means['bf16']:.0f}")
    print(f"largest difference between two seeds: {spread:.0f}")
    if means["bf16"] - means["fp32"] > spread:
        sys.exit("bf16 is worse than fp32 by more than the seeds' spread")


if __name__ == "__main__":
    main()
