"""What a run is made of: `Config`, each of its keys with its meaning and its range beside it."""
import dataclasses
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import ranges
from .errors import GanlibError, did_you_mean
from .machine.device import DTYPES
from .machine.graphs import MODES
from .machine.processes import BACKENDS
from .models.build import MODELS
from .models.dcgan import ACTIVATIONS, NORMS, RESOLUTIONS, VALUES
from .training.augment import check_policy
from .training.losses import LOSSES, PENALTIES
from .training.optimizers import OPTIMIZERS
from .typed import steps_of, typed


def key(default, meaning, in_range=ranges.anything):
    """A field of a config: its default, what it means (with its unit), and its range."""
    return dataclasses.field(default=default, metadata={"meaning": meaning, "in_range": in_range})


SCORING = ("auto", "while training", "after", "off")
LABEL = ranges.from_0_to_1("a label between 0 and 1")
RATE = ranges.positive("a positive learning rate")


@dataclass(frozen=True)
class Recipe:
    """What decides the result. Fixed for a run: resuming under another recipe is refused."""

    preset: str = key("dcgan", "the row of PRESETS that it began with")
    # networks
    model: str = key("dcgan", "which networks", ranges.one_of(MODELS))
    resolution: int = key(64, "pixels, height and width", ranges.one_number_of(RESOLUTIONS))
    z_dim: int = key(100, "numbers in z", ranges.at_least(1))
    width: int = key(64, "channels at half the resolution (style-based: at 64x64)", ranges.at_least(1))
    max_width: int = key(512, "channels at most; they double towards 4x4", ranges.at_least(1))
    g_act: str = key("relu", "DCGAN: G's activation", ranges.one_of(ACTIVATIONS))
    residual: bool = key(False, "DCGAN: residual blocks in both networks")
    values: str = key("-1..1", "DCGAN: the range of pixel values in the networks", ranges.one_of(VALUES))
    d_norm: str = key("batch", "DCGAN: D's normalisation", ranges.one_of(NORMS))
    dropout: float = key(0.0, "DCGAN: probability of dropout in D", ranges.share)
    spectral_norm: bool = key(False, "DCGAN: D's layers have a largest singular value of 1")
    w_dim: int = key(512, "style-based: numbers in w", ranges.at_least(1))
    mapping_layers: int = key(8, "style-based: layers from z to w", ranges.at_least(1))
    mixing: float = key(0.9, "style-based: how often two styles mix", ranges.from_0_to_1("a probability"))
    d_width: int = key(0, "style-based: D's width; 0: as G's", ranges.zero_or_more)
    # progressive growing
    grow: str = key("", '"8:150 16:450": faded in from so many thousand images on; "": off')
    fade_kimg: float = key(150.0, "how long a fade takes, in thousands of images", ranges.zero_or_more)
    batches: str = key("", '"4:128 64:32": the batch at that resolution and above; "": `batch` throughout')
    rates: str = key("", '"128:1.5": factor of both learning rates at that resolution and above')
    # adversarial loss
    loss: str = key("bce", "the pair of losses", ranges.one_of(LOSSES))
    real_label: float = key(0.9, 'D\'s target for real images (the report\'s "fuzzy labels")', LABEL)
    fake_label: float = key(0.1, "D's target for generated images", LABEL)
    g_label: float = key(1.0, "the target that G wants D to give its images", LABEL)
    label_noise: float = key(0.0, "standard deviation of normal noise on D's targets", ranges.zero_or_more)
    penalty: str = key("none", "on D's gradient", ranges.one_of(PENALTIES))
    penalty_weight: float = key(10.0, "factor of the penalty", ranges.zero_or_more)
    penalty_every: int = key(1, "the penalty is on one of so many updates, and so many times as strong",
                             ranges.at_least(1))
    clip: float = key(0.0, "D's weights are kept in [-clip, clip]; 0: off",
                      ranges.at_least(0, "a positive bound on D's weights, or 0 for no clipping"))
    # what keeps the two in balance
    d_steps: int = key(1, "updates of D per update of G", ranges.at_least(1))
    d_gate: float = key(0.0, "D is not updated while its loss is below; 0: off", ranges.zero_or_more)
    g_gate: float = key(0.0, "G is updated only while its loss is above; 0: off", ranges.zero_or_more)
    instance_noise: float = key(0.0, "standard deviation of noise on all that D sees", ranges.zero_or_more)
    noise_kimg: float = key(0.0, "... which falls to zero over so many thousand images; 0: it stays",
                            ranges.zero_or_more)
    augment: str = key("", 'DiffAugment of all that D sees: "color,translation,cutout"', check_policy)
    augment_target: float = key(0.0, "... as often as brings D's r_t to this value; 0: always", ranges.share)
    augment_kimg: float = key(500.0, "... thousands of images from never to always", ranges.at_least(0.001))
    # optimisation
    first: str = key("g", "which network is updated first in a step", ranges.one_of(("g", "d")))
    optimizer: str = key("adam", "of both networks", ranges.one_of(OPTIMIZERS))
    batch: int = key(64, "images", ranges.at_least(2, "at least 2 (batch norm needs more than one image)"))
    lr_g: float = key(0.0005, "G's learning rate", RATE)
    lr_d: float = key(0.0001, "D's learning rate", RATE)
    beta1: float = key(0.5, "of Adam", ranges.share)
    beta2: float = key(0.999, "of Adam", ranges.share)
    momentum: float = key(0.9, "of SGD", ranges.share)
    weight_decay: float = key(0.0, "of both networks", ranges.zero_or_more)
    ema_kimg: float = key(10.0, "half-life of the averaged G, in thousands of images", ranges.zero_or_more)
    ema_rampup: float = key(0.05, "... and at most this share of the images seen", ranges.zero_or_more)
    # labels
    labels: str = key("", 'attributes of the pack that G is told: "hair,eyes"', ranges.names_once)
    classes: str = key("", "their classes, as JSON; train() fills it in", ranges.lists_of_names)
    hidden_labels: float = key(0.1, "how often a label is hidden from both networks",
                               ranges.from_0_to_1("a probability"))
    labels_kimg: float = key(0.0, "labels appear one by one, until so many thousand images are seen",
                             ranges.zero_or_more)
    balance: float = key(0.0, "0: classes are seen as often as the pack has them; 1: all equally often",
                         ranges.from_0_to_1("a value from 0 to 1"))
    guess_weight: float = key(0.0, "factor of the auxiliary classifier's loss, in both networks",
                              ranges.zero_or_more)
    # fine-tuning
    start_from: str = key("", "begin with the weights of this run, generator file or shipped generator")
    origin: str = key("", "what it began with, as JSON; train() fills it in")
    freeze_d: int = key(0, "so many of D's blocks, from the picture on, do not learn", ranges.at_least(0))
    g_waits_kimg: float = key(0.0, "D learns alone for so many thousand images", ranges.zero_or_more)
    # data and randomness
    flip: bool = key(True, "random horizontal flips")
    seed: int = key(0, "of every random draw", ranges.seed_range)
    data: str = key("", "hash of the pack; train() fills it in")


@dataclass(frozen=True)
class Engine:
    """How far and how a run is computed. May change when a run is resumed."""

    images: int = key(0, "budget in images seen; 0: no such limit", ranges.zero_or_more)
    minutes: float = key(0.0, "budget in minutes of training time; 0: no such limit", ranges.zero_or_more)
    log_images: int = key(1_000, "one log record per so many images", ranges.at_least(1))
    checkpoint_minutes: float = key(5.0, "between two states", ranges.zero_or_more)
    frames: int = key(60, "sample grids along the budget, denser at the start", ranges.zero_or_more)
    generators: int = key(20, "saved generators along the budget, likewise", ranges.zero_or_more)
    score: str = key("auto", 'FD-lite of these: "while training", "after", "off"; "auto": while training on '
                     "a GPU, else after, for a tenth of the time trained; not in its first minute",
                     ranges.one_of(SCORING))
    stop_when_worse: float = key(0.0, "ends a run whose last three scores are so many times its best; 0: off",
                                 ranges.zero_or_above_1)
    device: str = key("auto", '"auto", "cpu", "cuda", "cuda:1", "mps"')
    precision: str = key("auto", "of the forward passes", ranges.one_of(("auto", *DTYPES)))
    graphs: str = key("auto", "steps as CUDA graphs; on a CPU only if on", ranges.one_of(MODES))
    backend: str = key("auto", "between processes", ranges.one_of(("auto", *BACKENDS)))
    threads: str = key("auto", 'of a CPU; "auto" tries; a number: for exact runs', ranges.thread_count)


@dataclass(frozen=True)
class Config(Recipe, Engine):
    """Recipe and engine of one run, flat. Make one with `preset`, change one with `replace`.

    Raises GanlibError, in one line, for a value out of its range and for keys that do not go together.
    """

    def __post_init__(self):
        for field in dataclasses.fields(self):
            expected = field.metadata["in_range"](getattr(self, field.name))
            self._need(not expected, field.name, expected)
        self._check_networks()
        self._check_loss()
        self._check_tables()
        if self.grow:
            self._check_growth()
        self._need(not self.stop_when_worse or self.generators and self.score in SCORING[:2],
                   "stop_when_worse", "0 without scores while training (score='auto' and generators above 0)")

    def _need(self, ok, name, expected):
        if not ok:
            raise GanlibError(f"{name}={getattr(self, name)!r}: expected {expected}.")

    def _check_networks(self):
        if self.model != "dcgan":
            self._need(self.resolution != 28, "resolution",
                       "32 or more: style-based networks double from 4x4")
            for name in ("g_act", "residual", "values", "d_norm", "dropout", "spectral_norm"):
                self._need(getattr(self, name) == DEFAULTS[name], name,
                           f"{DEFAULTS[name]!r} with model={self.model!r}: only DCGAN's networks can have it")
        self._need(not (self.residual and self.resolution == 28), "residual",
                   "False at 28 pixels, whose layers do not all double the side "
                   "(residual blocks need 32 pixels or more)")
        self._need(not self.labels or self.model != "stylegan-projected", "labels",
                   "'' with model='stylegan-projected', whose discriminator cannot read them")
        self._need(not self.grow or self.model == "stylegan", "grow", "'' for a model that does not grow")
        self._need(not self.freeze_d or self.start_from, "freeze_d", "0 without start_from")
        self._need(self.augment or not self.augment_target, "augment", "a policy with augment_target")

    def _check_loss(self):
        if self.loss == "wasserstein":
            self._need(self.clip > 0 or self.penalty != "none", "clip",
                       "more than 0: the Wasserstein loss needs weight clipping or a penalty, such as "
                       "penalty='wgan-gp'")
        if self.penalty != "none" and self.model == "dcgan":
            self._need(self.d_norm != "batch", "d_norm",
                       f"'layer', 'instance' or 'none' with penalty={self.penalty!r}, since batch norm makes "
                       "an image's gradient depend on the others of its batch")

    def _check_tables(self):
        sizes = {4, 8, 16, *RESOLUTIONS[1:]}
        valid = {
            "grow": (lambda kimg: 0 <= kimg < math.inf, "thousands of images, zero or more"),
            "batches": (lambda n: 2 <= n < math.inf and n % 1 == 0, "whole batches of 2 or more"),
            "rates": (lambda factor: 0 < factor < math.inf, "positive factors"),
        }
        for name, (is_valid, words) in valid.items():
            table = steps_of(getattr(self, name), name)
            self._need(list(table) == sorted(table) and set(table) <= sizes, name,
                       "rising resolutions of 4, 8, 16, ...")
            self._need(all(map(is_valid, table.values())), name, words)

    def _check_growth(self):
        table = steps_of(self.grow)
        way = [2**i for i in range(3, self.resolution.bit_length())]
        self._need([r for r in table if r <= self.resolution] == way, "grow",
                   f"a start for each of {', '.join(map(str, way))}, since the run is to end at "
                   f"{self.resolution} pixels")
        starts = list(table.values())
        self._need(starts == sorted(starts), "grow", "starts that rise with the resolution")

    def replace(self, /, **changes):
        """A copy with some keys changed; unknown keys and unreadable values raise GanlibError."""
        return dataclasses.replace(self, **{k: _parsed(k, v) for k, v in changes.items()})

    def attributes(self):
        """{attribute: [classes]} that the networks have as labels; {} without."""
        if self.labels and not self.classes:
            raise GanlibError(f"labels={self.labels!r}: their classes are not known yet. They come from the "
                              "pack: with_pack(config, pack) fills them in, as train() does.")
        return json.loads(self.classes or "{}")

    def recipe(self):
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(Recipe)}

    def engine(self):
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(Engine)}

    def to_dict(self):
        return {"format": 1, "recipe": self.recipe(), "engine": self.engine()}

    @classmethod
    def load(cls, path):
        """Read a config.json; absent keys take their defaults."""
        if not Path(path).is_file():
            raise GanlibError(f"There is no file {path}: expected a config.json, as a run's folder has it.")
        try:
            saved = json.loads(Path(path).read_text())
            if saved["format"] > 1:
                raise GanlibError(f"it has format {saved['format']}, written by a newer ganlib")
            return cls().replace(**saved["recipe"], **saved["engine"])
        except (OSError, ValueError, KeyError, TypeError, AttributeError, GanlibError) as error:
            raise GanlibError(f"{path} is not a config.json that this version can read ({error}).") from error


TYPES: dict[str, Any] = {field.name: field.type for field in dataclasses.fields(Config)}
DEFAULTS = {field.name: field.default for field in dataclasses.fields(Config)}


def check_key(name):
    """Raise GanlibError, with the nearest known name, where there is no such config key."""
    if name not in TYPES:
        raise GanlibError(f"There is no config key {name!r}.{did_you_mean(name, TYPES)}")


def _parsed(name, value):
    """The value of a config key from a string of the shell or from JSON."""
    check_key(name)
    if name == "threads":  # "auto" or a number
        value = str(value)
    return typed(name, value, TYPES[name])


def changed_keys(a, b):
    """The keys in which two dicts of settings differ: {key: (value in a, value in b)}."""
    return {k: (a.get(k), b.get(k)) for k in sorted(a.keys() | b.keys()) if a.get(k) != b.get(k)}
