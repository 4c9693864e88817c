"""What a run is made of: `Config`, the table of presets, the profiles."""
import dataclasses
import difflib
import json
import math
import os
from dataclasses import dataclass
from pathlib import Path

import torch

from .errors import GanlibError

REPORT_EPOCH = 21_551  # images in the Kaggle set that the report trains on: one of its epochs
RESOLUTIONS = (28, 32, 64, 128, 256)
CHOICES = {
    "model": ("dcgan", "stylegan", "stylegan-fast", "stylegan-projected"),
    "g_act": ("relu", "leaky_relu"),
    "values": ("-1..1", "0..1"),
    "d_norm": ("batch", "layer", "instance", "none"),
    "loss": ("minimax", "bce", "mse", "wasserstein", "hinge", "relativistic"),
    "penalty": ("none", "wgan-gp", "dragan", "r1", "r1r2"),
    "optimizer": ("adam", "rmsprop", "sgd"),
    "first": ("g", "d"),
    "precision": ("auto", "fp32", "bf16", "fp16"),
}
AUGMENTATIONS = ("color", "translation", "cutout")
OF_DCGAN = ("g_act", "residual", "values", "d_norm", "dropout", "spectral_norm")  # what style-based networks don't have
ALSO = {"gan": "minimax", "cross-entropy": "bce", "lsgan": "mse", "least squares": "mse", "wgan": "wasserstein"}  # names of losses


@dataclass(frozen=True)
class Recipe:
    """What decides the result. Fixed for a run: resuming under another recipe is refused."""

    preset: str = "dcgan"
    # networks
    model: str = "dcgan"
    resolution: int = 64  # pixels, height and width
    z_dim: int = 100
    width: int = 64  # channels at half the resolution (style-based: at 64x64); doubles towards 4x4
    max_width: int = 512
    g_act: str = "relu"  # G's activation (DCGAN)
    residual: bool = False  # residual blocks in both networks (DCGAN)
    values: str = "-1..1"  # the range of pixel values that the networks see; "0..1" ends G in a sigmoid
    d_norm: str = "batch"  # D's normalisation (DCGAN)
    dropout: float = 0.0  # in D
    spectral_norm: bool = False  # in D
    w_dim: int = 512  # style-based: size of w
    mapping_layers: int = 8
    mixing: float = 0.9  # probability of mixing regularisation
    d_width: int = 0  # style-based: D's width; 0: as G's
    # progressive growing
    grow: str = ""  # "8:150 16:450": from so many thousand images on that resolution is faded in; "" is off
    fade_kimg: float = 150.0  # how long a fade takes, in thousands of images
    batches: str = ""  # "4:128 64:32": the batch at that resolution and above; "" is `batch` throughout
    rates: str = ""  # "128:1.5": factor of both learning rates at that resolution and above
    # adversarial loss
    loss: str = "bce"
    real_label: float = 0.9  # D's target for real images ("fuzzy labels")
    fake_label: float = 0.1  # D's target for generated images
    g_label: float = 1.0  # the target that G wants D to give its images
    label_noise: float = 0.0  # standard deviation of normal noise on D's targets
    penalty: str = "none"  # on D's gradient
    penalty_weight: float = 10.0
    penalty_every: int = 1  # lazy regularisation: on one of so many updates, and so many times as strong
    clip: float = 0.0  # D's weights are clipped to [-clip, clip]; 0 is off
    # what keeps the two in balance
    d_steps: int = 1  # updates of D per update of G
    d_gate: float = 0.0  # D is not updated while its loss is below; 0 is off
    g_gate: float = 0.0  # G is updated only while its loss is above; 0 is off
    instance_noise: float = 0.0  # standard deviation of the noise on all that D sees
    noise_kimg: float = 0.0  # ... which falls to zero over so many thousand images; 0: it stays
    augment: str = ""  # DiffAugment of all that D sees: "color,translation,cutout"
    # optimisation
    first: str = "g"  # which network is updated first in a step: "g" or "d"
    optimizer: str = "adam"
    batch: int = 64
    lr_g: float = 0.0005
    lr_d: float = 0.0001
    beta1: float = 0.5
    beta2: float = 0.999
    momentum: float = 0.9  # of SGD
    weight_decay: float = 0.0
    ema_kimg: float = 10.0  # half-life of the averaged generator, in thousands of images
    ema_rampup: float = 0.05  # ... and never more than this share of the images seen so far
    # data and randomness
    flip: bool = True  # random horizontal flips
    seed: int = 0
    data: str = ""  # hash of the pack; train() fills it in


@dataclass(frozen=True)
class Engine:
    """How far and how a run is computed. May change when a run is resumed."""

    images: int = 0  # budget in images seen (0: no such limit)
    minutes: float = 0.0  # budget in minutes of train_seconds (0: no such limit)
    log_images: int = 1_000  # one log record per so many images
    checkpoint_minutes: float = 5.0
    frames: int = 60  # sample grids along the budget, denser at the start
    generators: int = 20  # saved generators along the budget, likewise
    device: str = "auto"  # "auto", "cpu", "cuda", "cuda:1", "mps"
    precision: str = "auto"  # "auto", "fp32", "bf16", "fp16"


@dataclass(frozen=True)
class Config(Recipe, Engine):
    """Recipe and engine of one run, flat. Make one with `preset`, change one with `replace`."""

    def __post_init__(self):
        def need(ok, key, expected):
            if not ok:
                raise GanlibError(f"{key}={getattr(self, key)!r}: expected {expected}.")

        for key, known in CHOICES.items():
            need(getattr(self, key) in known, key, "a name that is known." + nearest(getattr(self, key), known)[:-1])
        need(self.resolution in RESOLUTIONS, "resolution", f"one of {RESOLUTIONS}")
        if self.model != "dcgan":
            need(self.resolution != 28, "resolution", "32 or more: style-based networks double from 4x4")
            for key in OF_DCGAN:
                need(getattr(self, key) == DEFAULTS[key], key,
                     f"{DEFAULTS[key]!r} with model={self.model!r}: only DCGAN's networks can have it")
        for key in ("z_dim", "w_dim", "width", "max_width", "mapping_layers", "d_steps", "penalty_every",
                    "log_images"):
            need(getattr(self, key) >= 1, key, "at least 1")
        need(self.batch >= 2, "batch", "at least 2 (batch norm needs more than one image)")
        need(0 <= self.seed < 2**63, "seed", "a whole number from 0 to 2^63 - 1")
        for key in ("real_label", "fake_label", "g_label"):
            need(0 <= getattr(self, key) <= 1, key, "a label between 0 and 1")
        for key in ("lr_g", "lr_d"):
            need(0 < getattr(self, key) < math.inf, key, "a positive learning rate")
        for key in ("beta1", "beta2", "momentum", "dropout"):
            need(0 <= getattr(self, key) < 1, key, "a value in [0, 1)")
        need(0 <= self.mixing <= 1, "mixing", "a probability")
        for key in ("ema_kimg", "ema_rampup", "images", "minutes", "checkpoint_minutes", "frames", "generators",
                    "label_noise", "penalty_weight", "d_gate", "g_gate", "instance_noise", "noise_kimg",
                    "weight_decay", "fade_kimg"):
            need(0 <= getattr(self, key) < math.inf, key, "zero or more")
        need(0 <= self.clip < math.inf, "clip", "a positive bound on D's weights, or 0 for no clipping")
        if self.loss == "wasserstein":
            need(self.clip > 0 or self.penalty != "none", "clip",
                 "more than 0: the Wasserstein loss needs weight clipping or a penalty, such as penalty='wgan-gp'")
        if self.penalty != "none" and self.model == "dcgan":
            need(self.d_norm != "batch", "d_norm", f"'layer', 'instance' or 'none' with penalty={self.penalty!r}, "
                 "since batch norm makes an image's gradient depend on the others of its batch")
        need(not (self.residual and self.resolution == 28), "residual",
             "False at 28 pixels, whose layers do not all double the side (residual blocks need 32 pixels or more)")
        for name in filter(None, map(str.strip, self.augment.split(","))):
            need(name in AUGMENTATIONS, "augment", f"names with commas between them.{nearest(name, AUGMENTATIONS)[:-1]}")
        for key, least in ("grow", 0), ("batches", 2), ("rates", 1e-9):
            table = steps_of(getattr(self, key), key)
            need(list(table) == sorted(table) and all(r in (4, 8, 16, *RESOLUTIONS[1:]) for r in table), key,
                 "rising resolutions of 4, 8, 16, ...")
            need(all(least <= v < math.inf and (key != "batches" or v % 1 == 0) for v in table.values()), key,
                 {"grow": "thousands of images, zero or more", "batches": "whole batches of 2 or more",
                  "rates": "positive factors"}[key])
        table = steps_of(self.grow)
        need(not table or self.model == "stylegan", "grow", "'' for a model that does not grow")
        if table:
            way = [2**i for i in range(3, self.resolution.bit_length())]
            need([r for r in table if r <= self.resolution] == way, "grow",
                 f"a start for each of {', '.join(map(str, way))}, since the run is to end at {self.resolution} pixels")
            need([*table.values()] == sorted(table.values()), "grow", "starts that rise with the resolution")

    def replace(self, /, **changes):
        """A copy with some keys changed; unknown keys and unreadable values raise GanlibError."""
        return dataclasses.replace(self, **{k: _parse(k, v) for k, v in changes.items()})

    def recipe(self):
        return {f.name: getattr(self, f.name) for f in dataclasses.fields(Recipe)}

    def engine(self):
        return {f.name: getattr(self, f.name) for f in dataclasses.fields(Engine)}

    def to_dict(self):
        return {"format": 1, "recipe": self.recipe(), "engine": self.engine()}

    @classmethod
    def load(cls, path):
        """Read a config.json; absent keys take their defaults."""
        try:
            saved = json.loads(Path(path).read_text())
            if saved["format"] > 1:
                raise GanlibError(f"it has format {saved['format']}, written by a newer ganlib")
            return cls().replace(**saved["recipe"], **saved["engine"])
        except (OSError, ValueError, KeyError, TypeError, AttributeError, GanlibError) as error:
            raise GanlibError(f"{path} is not a config.json that this version can read ({error}).") from error


TYPES = {f.name: f.type for f in dataclasses.fields(Config)}
DEFAULTS = {f.name: f.default for f in dataclasses.fields(Config)}


def steps_of(text, key="table"):
    """{resolution: number} of a table such as "8:150 16:450"."""
    try:
        return {int(r): float(v) for r, v in (item.split(":") for item in text.split())}
    except ValueError:
        raise GanlibError(f"{key}={text!r}: expected resolution:number pairs such as '8:150 16:450'.") from None


@dataclass(frozen=True)
class Phase:
    """Where a run is in its schedule."""

    resolution: int
    fade: float  # of the newest resolution, from 0 to 1
    batch: int
    rate: float  # factor of the learning rates


def phase(config, images):
    """The Phase of a run at a number of images seen (Karras et al. 2017; without growing there is but one)."""
    resolution, fade = (4, 1.0) if config.grow else (config.resolution, 1.0)
    for r, kimg in steps_of(config.grow).items():
        if r <= config.resolution and images >= 1000 * kimg:
            resolution, fade = r, min(1.0, (images / 1000 - kimg) / config.fade_kimg) if config.fade_kimg else 1.0

    def at(table, default):
        return [default, *(v for r, v in steps_of(table).items() if r <= resolution)][-1]

    return Phase(resolution, fade, int(at(config.batches, config.batch)), at(config.rates, 1.0))


def nearest(word, known):
    """' Did you mean ...?' for an unknown word, and the list of what there is."""
    word = str(word).lower()
    close = [ALSO[word]] if ALSO.get(word) in known else difflib.get_close_matches(word, known, n=1, cutoff=0.4)
    return (f" Did you mean {close[0]!r}?" if close else "") + f" Known: {', '.join(sorted(known))}."


def _parse(key, value):
    """The value of a config key from a string of the shell or from JSON."""
    if key not in TYPES:
        raise GanlibError(f"There is no config key {key!r}.{nearest(key, TYPES)}")
    kind = TYPES[key]
    try:
        if kind is bool and isinstance(value, str):
            return {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}[value.lower()]
        if kind is int and not isinstance(value, bool):
            if isinstance(value, int) or isinstance(value, str) and value.strip().lstrip("+-").isdigit():
                return int(value)
            if float(value) == int(float(value)):
                return int(float(value))
        if kind is float and not isinstance(value, bool):
            return float(value)
        if isinstance(value, kind) and kind in (bool, str):
            return value
    except (ValueError, KeyError, TypeError, OverflowError):
        pass
    raise GanlibError(f"{key}={value!r}: expected a value of type {kind.__name__}.")


# One row per model and per experiment: what differs from the row it derives from ("base"; without one, from the defaults
# of Recipe), and where it is from ("source"). "profiles" has what a profile changes in this row alone.
REPORT = "Wu, Xu & Lu, Artificial Anime Character Design (the report)"
V = "the AnimeFacesWithGAN repository"
FAST = dict(batch=16, lr_g=0.0004, lr_d=0.0006)  # smaller batches and a faster D make the most of few minutes
FEW = {"demo": FAST, "cpu": FAST | dict(instance_noise=0.1)}  # D is blind to contrast: without noise, faces turn grey in time
FEW_W, FEW_GP = (dict.fromkeys(FEW, dict(batch=16, lr_g=rate, lr_d=rate)) for rate in (0.0001, 0.0002))  # twice the published
PAIRS = dict(width=16, batch=16, loss="relativistic", penalty="r1r2")
TEN_K = {"paper": dict(images=640_000)}  # 10,000 iterations of 64 images, whatever the report's epochs are
PRESETS = {
    "dcgan": dict(source=f"{REPORT}, sec. 4; networks: Radford et al. 2015", profiles=FEW),
    "lsgan": dict(base="dcgan", source=f"{REPORT}, sec. 5; loss: Mao et al. 2016", loss="mse", real_label=1, fake_label=0, profiles=FEW),
    # The strength of its label noise is not given; hard labels and D first as in the published DCGAN
    "dcgan-10k": dict(base="dcgan", source="AnimeCharacterDCGANGeneration; 10,000 iterations of 64 images", profiles=TEN_K,
        lr_g=0.0004, lr_d=0.0004, weight_decay=1e-8, real_label=1, fake_label=0, label_noise=0.1, first="d", images=640_000),
    "dcgan-residual": dict(base="dcgan-10k", source="AnimeCharacterDCGANGeneration, its suggested next step",
        residual=True, profiles=TEN_K),
    # Generation of Anime Faces using GANs (Menon & Dubey): 28x28 pictures in 0..1; the numbers are Radford et al.'s
    "dcgan-28": dict(base="dcgan", source="Menon & Dubey 2022; Radford et al. 2015",
        resolution=28, values="0..1", batch=128, lr_g=0.0002, lr_d=0.0002, real_label=1, fake_label=0, first="d"),
    "dcgan-28-rmsprop": dict(base="dcgan-28", source="Menon & Dubey 2022", optimizer="rmsprop"),
    "dcgan-28-sgd": dict(base="dcgan-28", source="Menon & Dubey 2022", optimizer="sgd", lr_g=0.01, lr_d=0.01),
    "dcgan-28-mse": dict(base="dcgan-28", source="Menon & Dubey 2022", loss="mse"),
    "wgan": dict(base="dcgan", source="Menon & Dubey 2022; numbers: Arjovsky et al. 2017, algorithm 1", profiles=FEW_W,
        loss="wasserstein", clip=0.01, optimizer="rmsprop", lr_g=5e-5, lr_d=5e-5, d_steps=5, first="d"),
    "wgan-gp": dict(base="wgan", source="Menon & Dubey 2022; numbers: Gulrajani et al. 2017, algorithm 1", profiles=FEW_GP,
        clip=0, penalty="wgan-gp", d_norm="layer", optimizer="adam", lr_g=0.0001, lr_d=0.0001, beta1=0, beta2=0.9),
    "wgan-gp-ttur": dict(base="wgan-gp", source="Heusel et al. 2017, two time-scales", d_steps=1, lr_d=0.0003),
    # AnimeFacesWithGAN. Its gates are compared with L_D as losses.py has it: half of the sum for real and generated. The
    # notebook that v1 starts from has the sum; gates on the sum are of half the size here (d_gate=0.1 for its 0.2)
    "v1": dict(base="dcgan", source=f"{V}, v1: the Jovian notebook",
        batch=128, z_dim=128, lr_g=0.0002, lr_d=0.0002, real_label=1, fake_label=0, first="d"),
    "v2": dict(base="v1", source=f"{V}, v2", g_act="leaky_relu"),
    "v3": dict(base="v1", source=f"{V}, v3 (v2 is taken back)", real_label=0.9, d_gate=0.2),
    "v4.1": dict(base="v3", source=f"{V}, v4.1", d_gate=0.1),
    "v4.2": dict(base="v3", source=f"{V}, v4.2", d_gate=0.3),
    "v4.3": dict(base="v3", source=f"{V}, v4.3", g_gate=4.0),
    # What the literature offers for the same networks
    "dragan": dict(base="dcgan", source="Kodali et al. 2017, used on anime faces by Jin et al. 2017",
        penalty="dragan", penalty_weight=5,  # the published 10 is for the sum of D's losses, not half of it
        d_norm="layer", lr_g=0.0002, lr_d=0.0002, real_label=1, fake_label=0, first="d"),
    "sngan": dict(base="dcgan", source="Miyato et al. 2018, with the hinge loss",
        loss="hinge", spectral_norm=True, d_norm="none", lr_g=0.0002, lr_d=0.0002, first="d"),
    "rpgan": dict(base="dcgan", source="Huang et al. 2024: relativistic pairing with R1 and R2", loss="relativistic", first="d",
        penalty="r1r2", penalty_weight=1, d_norm="none", lr_g=0.0002, lr_d=0.0002, beta1=0, beta2=0.99),
    # Style-based. L_D is half of the sum here, so a penalty_weight of 5 is the published gamma of 10
    "stylegan": dict(
        source=f"{REPORT}, sec. 6; Karras et al. 2017, 2018, with a schedule for millions instead of 25 million images",
        model="stylegan", z_dim=512, width=256, batch=32, batches="4:128 32:64 64:32 128:16 256:8", lr_g=0.001,
        lr_d=0.001, rates="128:1.5 256:2", beta1=0, beta2=0.99, real_label=1, fake_label=0, first="d",
        penalty="r1", penalty_weight=5, grow="8:150 16:450 32:750 64:1050 128:1350 256:1650",
        # at most 128 channels: the published widths see an image a second on two cores
        profiles={"smoke": dict(z_dim=32, w_dim=32, width=8, max_width=16, batches="4:32", grow="8:0.2 16:0.4 32:0.6",
                                fade_kimg=0.1),
                  # on few cores steps are scarce: batches of 16 throughout
                  "demo": dict(z_dim=64, w_dim=64, width=16, max_width=64, batch=16, batches="", penalty_every=8,
                               grow="8:3 16:7 32:13 64:23", fade_kimg=2),
                  "cpu": dict(z_dim=128, w_dim=128, width=32, max_width=128, batch=16, batches="", penalty_every=8,
                              grow="8:6 16:16 32:30 64:48", fade_kimg=4),
                  # the published widths; by their arithmetic a T4 is at 64x64 after a quarter of the 100 minutes
                  "colab": dict(penalty_every=8, grow="8:30 16:90 32:180 64:320 128:600 256:900", fade_kimg=30)},
    ),
    "stylegan-fast": dict(
        source="Karras et al. 2019 (scaled convolutions, skip and residual networks), with widths for two CPU cores",
        model="stylegan-fast", z_dim=256, w_dim=256, mapping_layers=4, max_width=256, batch=32,
        lr_g=0.004, lr_d=0.004, beta1=0, beta2=0.99, real_label=1, fake_label=0, first="d", penalty="r1",
        penalty_weight=1, penalty_every=8,
        # on few cores many small steps are worth more than wide layers, and relativistic pairs (Huang et al. 2024) learn faster
        profiles={"smoke": dict(z_dim=32, w_dim=32, max_width=16), "demo": PAIRS, "cpu": PAIRS},
    ),
    "stylegan-projected": dict(base="stylegan-fast", source="Sauer et al. 2021: D on frozen EfficientNet-Lite0 features",
        model="stylegan-projected", loss="hinge", penalty="none", batch=64, augment="color,translation,cutout",
        profiles={"smoke": dict(z_dim=32, w_dim=32, max_width=16), "demo": dict(width=16), "cpu": dict(width=16)}),
}

# What a profile changes in every preset; "faces" is the size of the synthetic set where that is the data.
PROFILES = {
    "smoke": dict(faces=160, resolution=32, width=8, batch=32, images=1_280, log_images=128, frames=6, generators=3),
    "demo": dict(faces=3_000, width=32, minutes=7, frames=48, log_images=320),
    "cpu": dict(faces=6_000, width=32, minutes=25),
    "colab": dict(faces=20_000, minutes=100),
    "paper": dict(faces=REPORT_EPOCH, images=150 * REPORT_EPOCH),
}


def preset(name, profile=None, /, **changes):
    """The Config of a row of PRESETS, with a profile's values and your own changes on top."""
    values = {k: v for k, v in _row(name).items() if k not in ("base", "source", "profiles")}
    if profile is not None:
        name_of_profile = getattr(profile, "name", profile)
        if name_of_profile not in PROFILES:
            raise GanlibError(f"There is no profile {name_of_profile!r}.{nearest(name_of_profile, PROFILES)}")
        values |= {k: v for k, v in PROFILES[name_of_profile].items() if k != "faces"}
        values |= PRESETS[name].get("profiles", {}).get(name_of_profile, {})
    return Config().replace(**(values | {"preset": name} | changes))


def _row(name):
    """A row of PRESETS with the rows it derives from filled in."""
    if name not in PRESETS:
        raise GanlibError(f"There is no preset {name!r}.{nearest(name, PRESETS)}")
    row = PRESETS[name]
    return (_row(row["base"]) if "base" in row else {}) | row


def difference(a, b):
    """The keys in which two dicts of settings differ: {key: (value in a, value in b)}."""
    return {k: (a.get(k), b.get(k)) for k in sorted(a.keys() | b.keys()) if a.get(k) != b.get(k)}


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
        name, why = "colab", f"there is a GPU ({torch.cuda.get_device_name()})"
    else:
        name, why = "cpu", "there is no GPU here; set GANLIB_PROFILE to demo for a shorter run"
    if name not in PROFILES:
        raise GanlibError(f"GANLIB_PROFILE={name!r} is not a profile.{nearest(name, PROFILES)}")
    return Profile(name, why, PROFILES[name]["faces"])
