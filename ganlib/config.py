"""What a run is made of: `Config`, the table of presets, the profiles."""
import dataclasses
import json
import math
from dataclasses import dataclass
from pathlib import Path

from .errors import GanlibError, did_you_mean
from .models.dcgan import RESOLUTIONS
from .training.schedule import steps_of

REPORT_EPOCH = 21_551  # images in the Kaggle set that the report trains on: one of its epochs
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
            need(getattr(self, key) in known, key, "a name that is known." + did_you_mean(getattr(self, key), known)[:-1])
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
            need(name in AUGMENTATIONS, "augment", f"names with commas between them.{did_you_mean(name, AUGMENTATIONS)[:-1]}")
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


def _parse(key, value):
    """The value of a config key from a string of the shell or from JSON."""
    if key not in TYPES:
        raise GanlibError(f"There is no config key {key!r}.{did_you_mean(key, TYPES)}")
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


def changed_keys(a, b):
    """The keys in which two dicts of settings differ: {key: (value in a, value in b)}."""
    return {k: (a.get(k), b.get(k)) for k in sorted(a.keys() | b.keys()) if a.get(k) != b.get(k)}
