"""Small packs and configs that several test files use."""
from types import SimpleNamespace

import numpy as np

from ganlib.data.packs import pack
from ganlib.presets import preset


def make_report(images, labels=None, attributes=None, drop=()):
    """What `clean` returns, for images (N, S, S, 3) uint8; `drop` are indices dropped as 'uniform'."""
    attributes = {"hair": ["blue", "red"]} if attributes is None else attributes
    rows = [SimpleNamespace(file=f"{i:04d}.png", reason="uniform" if i in drop else "", detail="", index=i,
                            labels=(labels[i] if labels else {"hair": ("blue", "red", None)[i % 3]}))
            for i in range(len(images))]
    return SimpleNamespace(rows=rows, images=images, attributes=attributes,
                           settings={"size": images.shape[1], "fit": "crop"})


def random_images(n=96, size=32, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (n, size, size, 3), np.uint8)


def make_pack(path, n=96, size=32, seed=0, **kwargs):
    return pack(make_report(random_images(n, size, seed), **kwargs), path)


def tiny(**changes):
    """A DCGAN that trains in seconds: 32 pixels, 4 channels, batches of 16."""
    values = dict(resolution=32, width=4, z_dim=8, batch=16, images=160, log_images=32, frames=2,
                  generators=2, device="cpu", precision="fp32", threads=1, seed=3)
    return preset("dcgan", **(values | changes))
