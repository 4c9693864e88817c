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


@dataclass(frozen=True)
class Recipe:
    """What decides the result. Fixed for a run: resuming under another recipe is refused."""

    preset: str = "dcgan"
    # networks
    model: str = "dcgan"
    resolution: int = 64  # pixels, height and width
    z_dim: int = 100
    width: int = 64  # channels of the layer at half the resolution; doubles towards 4x4
    max_width: int = 512
    # adversarial loss
    loss: str = "bce"
    real_label: float = 0.9  # D's target for real images ("fuzzy labels")
    fake_label: float = 0.1  # D's target for generated images
    g_label: float = 1.0  # the target that G wants D to give its images
    # optimisation
    first: str = "g"  # which network is updated first in a step: "g" or "d"
    batch: int = 64
    lr_g: float = 0.0005
    lr_d: float = 0.0001
    beta1: float = 0.5
    beta2: float = 0.999
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

        need(self.model in ("dcgan",), "model", "'dcgan'")
        need(self.loss in ("bce",), "loss", "'bce'")
        need(self.first in ("g", "d"), "first", "'g' or 'd'")
        need(self.resolution in RESOLUTIONS, "resolution", f"one of {RESOLUTIONS}")
        need(self.precision in ("auto", "fp32", "bf16", "fp16"), "precision", "auto, fp32, bf16 or fp16")
        for key in ("z_dim", "width", "max_width", "log_images"):
            need(getattr(self, key) >= 1, key, "at least 1")
        need(self.batch >= 2, "batch", "at least 2 (batch norm needs more than one image)")
        need(0 <= self.seed < 2**63, "seed", "a whole number from 0 to 2^63 - 1")
        for key in ("real_label", "fake_label", "g_label"):
            need(0 <= getattr(self, key) <= 1, key, "a label between 0 and 1")
        for key in ("lr_g", "lr_d"):
            need(0 < getattr(self, key) < math.inf, key, "a positive learning rate")
        for key in ("beta1", "beta2"):
            need(0 <= getattr(self, key) < 1, key, "a value in [0, 1)")
        for key in ("ema_kimg", "ema_rampup", "images", "minutes", "checkpoint_minutes", "frames", "generators"):
            need(0 <= getattr(self, key) < math.inf, key, "zero or more")

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


RESOLUTIONS = (28, 32, 64, 128, 256)
TYPES = {f.name: f.type for f in dataclasses.fields(Config)}


def nearest(word, known):
    """' Did you mean ...?' for an unknown word, and the list of what there is."""
    close = difflib.get_close_matches(str(word), known, n=1, cutoff=0.4)
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


# One row per model: what differs from the row it derives from ("base"), and where it is from ("source").
PRESETS = {
    "dcgan": dict(
        source="Wu, Xu & Lu, Artificial Anime Character Design (the report), sec. 4; networks: Radford et al. 2015",
    ),
}

# What a profile changes in every preset; "faces" is the size of the synthetic set where that is the data.
PROFILES = {
    "smoke": dict(faces=160, resolution=32, width=8, images=1_280, log_images=128, frames=6, generators=3),
    # minutes allow few steps: smaller batches and a faster D make the most of them
    "demo": dict(faces=3_000, resolution=64, width=32, batch=16, lr_g=0.0004, lr_d=0.0006, minutes=7, frames=48,
                 log_images=320),
    "cpu": dict(faces=6_000, resolution=64, width=32, minutes=25),
    "colab": dict(faces=20_000, resolution=64, minutes=100),
    "paper": dict(faces=REPORT_EPOCH, resolution=64, images=150 * REPORT_EPOCH),
}


def preset(name, profile=None, /, **changes):
    """The Config of a row of PRESETS, with a profile's values and your own changes on top."""
    row = _row(name)
    values = {k: v for k, v in row.items() if k not in ("base", "source")}
    if profile is not None:
        name_of_profile = getattr(profile, "name", profile)
        if name_of_profile not in PROFILES:
            raise GanlibError(f"There is no profile {name_of_profile!r}.{nearest(name_of_profile, PROFILES)}")
        values |= {k: v for k, v in PROFILES[name_of_profile].items() if k != "faces"}
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
