"""Recipes in which a step may go wrong when it is recorded, for tests on the CPU and on a GPU."""
from ganlib.presets import preset

RANDOM = dict(augment="color,translation,cutout", instance_noise=0.1, noise_kimg=1.5, label_noise=0.1)
RECIPES = {  # preset, what differs from it: all kinds of networks, penalties, optimizers, and what is drawn
    "dcgan": ("dcgan", dict(dropout=0.2, **RANDOM)),
    "dcgan, D first": ("dcgan-10k", dict(spectral_norm=True)),
    "two d steps": ("wgan-gp", dict(d_steps=2, penalty_every=4)),
    "clipped, RMSprop": ("wgan", {}),
    "SGD": ("dcgan-28-sgd", dict(resolution=32)),
    "near penalty": ("dragan", {}),
    "pairs": ("rpgan", {}),
    "stylegan, growing": ("stylegan", dict(batches="4:16", grow="8:0.16 16:0.32 32:0.48", fade_kimg=0.12,
                                           rates="16:1.5")),
    "stylegan-fast": ("stylegan-fast", dict(penalty_every=4, **RANDOM)),
    "adaptive, of pairs": ("stylegan-fast", dict(loss="relativistic", penalty="r1r2", augment_target=0.01,
                                                 augment_kimg=0.4, g_waits_kimg=0.2, **RANDOM)),
    "stylegan-projected": ("stylegan-projected", dict(batch=2, images=100, log_images=20)),
}


def recipe(name, **changes):
    """The Config of one of RECIPES: 50 steps on a CPU."""
    row, more = RECIPES[name]
    values = dict(images=800, batch=16, width=4, max_width=8, log_images=96, frames=2, generators=2,
                  device="cpu", precision="fp32", threads=1)
    return preset(row, "smoke", **(values | more | changes))
