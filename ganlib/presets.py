"""PRESETS, the recipes by name, and PROFILES, how much of them a machine can do: two tables and their use.

A row of PRESETS is what differs from the row it derives from ("base"). Without one, it is what differs from
the defaults of Config. "source" says where it is from. "profiles" is what a profile changes in this row
alone. "least_batch" of a profile: smaller batches become this large, so that a GPU has enough to do; the
learning rates grow with them (`_larger_batch`).
"""
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from .config import Config
from .errors import GanlibError, did_you_mean
from .machine.gpus import gpu_size

REPORT_EPOCH = 21_551  # images in the Kaggle set that the report trains on: one of its epochs
REPORT = "Wu, Xu & Lu, Artificial Anime Character Design (the report)"
ANIME_FACES_WITH_GAN = "the AnimeFacesWithGAN repository"

# In few minutes, smaller batches and a faster D go further. D is blind to contrast: without noise, faces turn
# grey in a longer run
SMALL_BATCHES = dict(batch=16, lr_g=0.0004, lr_d=0.0006)
NOISE = dict(instance_noise=0.1)
DCGAN_PROFILES = {"demo": SMALL_BATCHES, "cpu": SMALL_BATCHES | NOISE, "colab": NOISE, "big": NOISE}
# With batches of 16, twice the published learning rates
WGAN_SMALL = dict(batch=16, lr_g=0.0001, lr_d=0.0001)
WGAN_GP_SMALL = dict(batch=16, lr_g=0.0002, lr_d=0.0002)
# On few cores many small steps are worth more than wide layers, and relativistic pairs learn faster
RELATIVISTIC_PAIRS = dict(width=16, batch=16, loss="relativistic", penalty="r1r2")
# A GAN that is told its labels from the start learns to draw later: at 31,392 images stylegan-fast in the
# profile cpu had twice the FD-lite (880 in the place of 457)
CONDITIONAL = ("Mirza & Osindero 2014; Miyato & Koyama 2018 (projection); Odena et al. 2017 (classifier); "
               "Shahbazi et al. 2022 (labels come later)")
LABELS = dict(labels="hair,eyes", guess_weight=0.2, labels_kimg=80)
SOONER = {"smoke": dict(labels_kimg=0.4), "demo": dict(labels_kimg=12)}
# 10,000 iterations of 64 images, whatever the report's epochs are
TEN_THOUSAND_ITERATIONS = {"paper": dict(images=640_000)}
HARD_LABELS = dict(real_label=1, fake_label=0)
STYLE_SMOKE = dict(z_dim=32, w_dim=32, max_width=16)
QUARTER = dict(width=64, max_width=256, penalty_every=8)
STYLEGAN_PROFILES = {
    "smoke": STYLE_SMOKE | dict(width=8, batches="4:32", grow="8:0.2 16:0.4 32:0.6", fade_kimg=0.1),
    # at most 128 channels: the published widths see an image a second on two cores. On few cores steps are
    # scarce: batches of 16 throughout
    "demo": dict(z_dim=64, w_dim=64, width=16, max_width=64, batch=16, batches="", penalty_every=8,
                 grow="8:3 16:7 32:13 64:23", fade_kimg=2),
    "cpu": dict(z_dim=128, w_dim=128, width=32, max_width=128, batch=16, batches="", penalty_every=8,
                grow="8:6 16:16 32:30 64:48", fade_kimg=4),
    # A quarter of the published widths: an image takes 31 GFLOP at 64x64, and 321 with the published ones, of
    # which a T4 sees 37 a second. By tests/benchmarks/flops.py a T4 is at 64x64 after a third of the minutes;
    # an H100 in the profile big after a quarter, an A100 after a half
    "colab": QUARTER | dict(batches="128:32 256:16", fade_kimg=100,
                            grow="8:100 16:350 32:800 64:1500 128:2100 256:2700"),
    "big": QUARTER | dict(batches="128:128 256:64", fade_kimg=200,
                          grow="8:200 16:700 32:1700 64:3200 128:5000 256:6500"),
}
# The shipped generator's widths: 6.8 MB in half precision. It has learned at 0.004 in batches of 32. 0.005 is
# the published 0.0025 in batches of 64 (StyleGAN2-ADA, Karras et al. 2020) times the root of 4. The half-life
# of the average is as published there: batch * 10 / 32, in thousands of images
FAST_PROFILES = {
    "smoke": STYLE_SMOKE, "demo": RELATIVISTIC_PAIRS, "cpu": RELATIVISTIC_PAIRS,
    "colab": dict(max_width=192, lr_g=0.004, lr_d=0.004, ema_kimg=20),
    "big": dict(max_width=192, lr_g=0.005, lr_d=0.005, ema_kimg=80),
}



def _joined(one, other):
    """The profiles of two tables, with the values of both."""
    return {name: one.get(name, {}) | other.get(name, {}) for name in one | other}


PRESETS: dict[str, dict[str, Any]] = {
    "dcgan": dict(
        source=f"{REPORT}, sec. 4; networks: Radford et al. 2015", profiles=DCGAN_PROFILES),
    "lsgan": dict(
        base="dcgan", source=f"{REPORT}, sec. 5; loss: Mao et al. 2016", profiles=DCGAN_PROFILES,
        loss="mse", **HARD_LABELS),
    # The strength of its label noise is not given; hard labels and D first as in the published DCGAN
    "dcgan-10k": dict(
        base="dcgan", source="AnimeCharacterDCGANGeneration; 10,000 iterations of 64 images",
        profiles=TEN_THOUSAND_ITERATIONS,
        **HARD_LABELS, label_noise=0.1, lr_g=0.0004, lr_d=0.0004, weight_decay=1e-8, first="d",
        images=640_000),
    "dcgan-residual": dict(
        base="dcgan-10k", source="AnimeCharacterDCGANGeneration, its suggested next step",
        profiles=TEN_THOUSAND_ITERATIONS,
        residual=True),
    # Generation of Anime Faces using GANs: 28x28 pictures in 0..1; the numbers are Radford et al.'s
    "dcgan-28": dict(
        base="dcgan", source="Menon & Dubey 2022; Radford et al. 2015",
        resolution=28, values="0..1", batch=128, lr_g=0.0002, lr_d=0.0002, **HARD_LABELS, first="d"),
    "dcgan-28-rmsprop": dict(base="dcgan-28", source="Menon & Dubey 2022", optimizer="rmsprop"),
    "dcgan-28-sgd": dict(
        base="dcgan-28", source="Menon & Dubey 2022", optimizer="sgd", lr_g=0.01, lr_d=0.01),
    "dcgan-28-mse": dict(base="dcgan-28", source="Menon & Dubey 2022", loss="mse"),
    "wgan": dict(
        base="dcgan", source="Menon & Dubey 2022; numbers: Arjovsky et al. 2017, algorithm 1",
        profiles={"demo": WGAN_SMALL, "cpu": WGAN_SMALL},
        loss="wasserstein", clip=0.01, optimizer="rmsprop", lr_g=5e-5, lr_d=5e-5, d_steps=5, first="d"),
    "wgan-gp": dict(
        base="wgan", source="Menon & Dubey 2022; numbers: Gulrajani et al. 2017, algorithm 1",
        profiles={"demo": WGAN_GP_SMALL, "cpu": WGAN_GP_SMALL},
        clip=0, penalty="wgan-gp", d_norm="layer", optimizer="adam", lr_g=0.0001, lr_d=0.0001,
        beta1=0, beta2=0.9),
    "wgan-gp-ttur": dict(
        base="wgan-gp", source="Heusel et al. 2017, two time-scales", d_steps=1, lr_d=0.0003),
    # Its gates are compared with L_D as losses.py has it: half of the sum for real and generated. The
    # notebook that v1 starts from has the sum: gates on the sum are of half the size here (0.1 for its 0.2)
    "v1": dict(
        base="dcgan", source=f"{ANIME_FACES_WITH_GAN}, v1: the Jovian notebook",
        batch=128, z_dim=128, lr_g=0.0002, lr_d=0.0002, **HARD_LABELS, first="d"),
    "v2": dict(base="v1", source=f"{ANIME_FACES_WITH_GAN}, v2", g_act="leaky_relu"),
    "v3": dict(
        base="v1", source=f"{ANIME_FACES_WITH_GAN}, v3 (v2 is taken back)", real_label=0.9, d_gate=0.2),
    "v4.1": dict(base="v3", source=f"{ANIME_FACES_WITH_GAN}, v4.1", d_gate=0.1),
    "v4.2": dict(base="v3", source=f"{ANIME_FACES_WITH_GAN}, v4.2", d_gate=0.3),
    "v4.3": dict(base="v3", source=f"{ANIME_FACES_WITH_GAN}, v4.3", g_gate=4.0),
    # What the literature offers for the same networks
    "dragan": dict(
        base="dcgan", source="Kodali et al. 2017, used on anime faces by Jin et al. 2017",
        # the published weight of 10 is for the sum of D's losses, not half of it
        penalty="dragan", penalty_weight=5, d_norm="layer", lr_g=0.0002, lr_d=0.0002,
        **HARD_LABELS, first="d"),
    "sngan": dict(
        base="dcgan", source="Miyato et al. 2018, with the hinge loss",
        loss="hinge", spectral_norm=True, d_norm="none", lr_g=0.0002, lr_d=0.0002, first="d"),
    "rpgan": dict(
        base="dcgan", source="Huang et al. 2024: relativistic pairing with R1 and R2",
        loss="relativistic", penalty="r1r2", penalty_weight=1, d_norm="none", first="d",
        lr_g=0.0002, lr_d=0.0002, beta1=0, beta2=0.99),
    "dcgan-labels": dict(
        base="dcgan", source=CONDITIONAL, profiles=_joined(DCGAN_PROFILES, SOONER), **LABELS),
    # Style-based. L_D is half of the sum here, so a penalty_weight of 5 is the published gamma of 10
    "stylegan": dict(
        source=f"{REPORT}, sec. 6; Karras et al. 2017, 2018, with a schedule for millions instead of 25 "
               "million images",
        profiles=STYLEGAN_PROFILES,
        model="stylegan", z_dim=512, width=256, batch=32, batches="4:128 32:64 64:32 128:16 256:8",
        lr_g=0.001, lr_d=0.001, rates="128:1.5 256:2", beta1=0, beta2=0.99, **HARD_LABELS, first="d",
        penalty="r1", penalty_weight=5, grow="8:150 16:450 32:750 64:1050 128:1350 256:1650"),
    "stylegan-fast": dict(
        source="Karras et al. 2019 (scaled convolutions, skip and residual networks), with widths for two "
               "CPU cores",
        profiles=FAST_PROFILES,
        model="stylegan-fast", z_dim=256, w_dim=256, mapping_layers=4, max_width=256, batch=32,
        lr_g=0.004, lr_d=0.004, beta1=0, beta2=0.99, **HARD_LABELS, first="d",
        penalty="r1", penalty_weight=1, penalty_every=8),
    "stylegan-labels": dict(
        base="stylegan-fast", source=CONDITIONAL, profiles=_joined(FAST_PROFILES, SOONER), **LABELS),
    "stylegan-projected": dict(
        base="stylegan-fast", source="Sauer et al. 2021: D on frozen EfficientNet-Lite0 features",
        profiles={"smoke": STYLE_SMOKE, "demo": dict(width=16), "cpu": dict(width=16),
                  # the published 0.002 in batches of 64, by the square-root rule
                  "big": dict(lr_g=0.004, lr_d=0.004)},
        model="stylegan-projected", loss="hinge", penalty="none", batch=64,
        augment="color,translation,cutout"),
}

# What a profile changes in every preset; "faces" is the size of the synthetic set where that is the data.
PROFILES: dict[str, dict[str, Any]] = {
    "smoke": dict(
        faces=160, resolution=32, width=8, batch=32, images=1_280, log_images=128, frames=6, generators=3),
    "demo": dict(faces=3_000, width=32, minutes=6, frames=48, log_images=320),
    "cpu": dict(faces=6_000, width=32, minutes=25),
    # GPUs such as a T4 (15 GB, compute capability 7.5); such as an A100 or an H100
    "colab": dict(faces=20_000, minutes=100, least_batch=64, log_images=5_000),
    "big": dict(faces=20_000, minutes=20, least_batch=256, log_images=20_000),
    "paper": dict(faces=REPORT_EPOCH, images=150 * REPORT_EPOCH),
}
OF_GPU = {"large": "big", "medium": "colab", "small": "cpu"}  # a small one runs the networks for a CPU


@dataclass(frozen=True)
class Profile:
    """How much to do on the hardware at hand: a name, the reason, and the synthetic set's size."""

    name: str
    why: str
    faces: int

    def __str__(self):
        return f"Profile {self.name!r}: {self.why}."


def pick_profile():
    """The profile that fits the hardware; the environment variable GANLIB_PROFILE overrides it."""
    name = os.environ.get("GANLIB_PROFILE")
    if name:
        why = "set by GANLIB_PROFILE"
    elif torch.cuda.is_available():
        size, words = gpu_size()
        name, why = OF_GPU[size], f"there is a {size} GPU ({words})"
    else:
        name, why = "cpu", "there is no GPU here; set GANLIB_PROFILE to demo for a shorter run"
    if name not in PROFILES:
        raise GanlibError(f"GANLIB_PROFILE={name!r} is not a profile.{did_you_mean(name, PROFILES)}")
    return Profile(name, why, PROFILES[name]["faces"])


def preset(name, profile=None, /, **changes):
    """The Config of a row of PRESETS, with a profile's values and your own changes on top.

    profile: a name of PROFILES, or what `pick_profile` gave. Raises GanlibError for names that are not known
    and for values out of their range.
    """
    values = {k: v for k, v in _row(name).items() if k not in ("base", "source", "profiles")}
    if profile is not None:
        values |= _profile_values(name, getattr(profile, "name", profile))
    return Config().replace(**(values | {"preset": name} | changes))


def preset_or_file(name, profile=None, /, **changes):
    """As `preset`; `name` may also be the path of a config.json, as a run's folder has it."""
    if not str(name).endswith(".json"):
        return preset(name, profile, **changes)
    if profile is not None:
        raise GanlibError(f"{name} has its budget and its widths already: leave the profile {profile!r} out, "
                          "or name a preset in the place of the file.")
    return Config.load(Path(name)).replace(**changes)


def _profile_values(name, profile):
    """What a profile changes in a row."""
    if profile not in PROFILES:
        raise GanlibError(f"There is no profile {profile!r}.{did_you_mean(profile, PROFILES)}")
    values = {k: v for k, v in PROFILES[profile].items() if k not in ("faces", "least_batch")}
    values |= _larger_batch(preset(name), PROFILES[profile].get("least_batch", 0))
    return values | PRESETS[name].get("profiles", {}).get(profile, {})


def _larger_batch(config, least):
    """What makes the batch of a Config at least so large: the batch, and learning rates that fit it.

    Rates grow with the square root of the batch, which keeps the noise of Adam's and RMSprop's steps per
    image as it was (Malladi et al. 2022, https://arxiv.org/abs/2205.10287), and SGD's with the batch itself
    (Goyal et al. 2017, https://arxiv.org/abs/1706.02677).
    """
    times = least / config.batch
    if times <= 1:
        return {}
    factor = times if config.optimizer == "sgd" else times**0.5
    rates = {key: float(f"{getattr(config, key) * factor:.2g}") for key in ("lr_g", "lr_d")}
    return {"batch": least} | rates


def _row(name):
    """A row of PRESETS with the rows it derives from filled in."""
    if name not in PRESETS:
        raise GanlibError(f"There is no preset {name!r}.{did_you_mean(name, PRESETS)}")
    row = PRESETS[name]
    return (_row(row["base"]) if "base" in row else {}) | row
