"""Phase (b): what the machine can do at best, and how near to that the presets train.

The share is a training's arithmetic a second over the rate of a large matrix product in the same precision.
"""
import contextlib
import traceback
from itertools import chain

import numpy as np
import torch
from PIL import Image

from ganlib.data.packs import load_pack
from ganlib.errors import GanlibError
from ganlib.images import resized
from ganlib.machine.device import pick_device
from ganlib.presets import PRESETS

from .carried import make_pack
from .ceilings import ceilings
from .counting import measured
from .here import can_choose_graphs, on, steps_as
from .penalties import penalties
from .recipes import at_full_size, kind_of, recipe
from .results import Report
from .scoring import drawing

BATCHES = (16, 32, 64, 128, 256, 512)
SPEED_FACES = 2_048  # of a size that the pack does not have


def kinds(job):
    """[(config, names of the presets that compute the same), ...], the one to be trained first."""
    found = {}
    for name in sorted(PRESETS, key=lambda name: name != job.train):
        config = at_full_size(recipe(name, job))
        found.setdefault(kind_of(config), (config, []))[1].append(name)
    return list(found.values())


def tasks(job):
    """(config, names, mode) in the order of their worth: the phase may end after any of them."""
    modes = ("eager", "captured") if can_choose_graphs() else ("eager",)
    best = modes[-1]
    (flagship, names), *others = kinds(job)

    def own(config, names):
        return [(config, names, mode) for mode in modes]

    def by_batch(config, names, mode):
        return [(config.replace(batch=batch), names, mode) for batch in BATCHES if batch != config.batch]

    yield from own(flagship, names)
    if job.rehearsal:
        yield from own(*others[0])
        return
    yield from by_batch(flagship, names, best)
    yield from chain.from_iterable(own(*kind) for kind in others)
    yield from chain.from_iterable(by_batch(*kind, best) for kind in others)
    if len(modes) > 1:
        yield from chain.from_iterable(by_batch(*kind, modes[0]) for kind in [(flagship, names), *others])


def key_of(row):
    """What tells a row from the others."""
    return row["preset"], row["batch"], row["steps"]


class Packs:
    """Packs of each size that presets are for, from the same faces."""

    def __init__(self, job):
        self.pack, self.work = load_pack(job.pack), job.work
        self.made = {self.pack.size: self.pack}

    def of(self, size):
        if size not in self.made:
            pictures = [Image.fromarray(image) for image in self.pack.images[:SPEED_FACES]]
            images = np.stack([np.asarray(resized(picture, (size, size))) for picture in pictures])
            self.made[size] = make_pack(self.work / f"pack-{size}", images)
        return self.made[size]


class Speeds:
    """The section of the report with images a second, and what is needed to add to it."""

    def __init__(self, job, rates):
        self.job, self.rates = job, rates
        self.report = Report(job.out)
        self.section = self.report.read().get("speeds", {"rows": []})
        self.section["on"] = on(pick_device(job.device)[0])
        self.packs = Packs(job)

    def flop(self, names):
        """The arithmetic of an image that was counted for these presets, or None."""
        found = [row["flop_per_image"] for row in self.section["rows"]
                 if row["preset"] == names[0] and "flop_per_image" in row]
        return found[0] if found else None

    def add(self, config, names, mode):
        """Measure one way of training, and put it into the report.

        It is there before as well, as begun: where it ends the whole process, the next one goes on behind it.
        """
        row = {"preset": names[0], "also": names[1:], "batch": config.batch, "steps": mode, "state": "begun"}
        if key_of(row) in map(key_of, self.section["rows"]):
            return
        self.section["rows"].append(row)
        self.report.put("speeds", self.section)
        try:
            with told_in(row):
                config = config.replace(**steps_as(mode))
                amount = {"seconds": 0, "record_steps": 2} if self.job.rehearsal else {"seconds": 1}
                row |= measured(config, self.packs.of(config.resolution), work=self.job.work, **amount)
        finally:
            self.fill(row, names)
            self.report.put("speeds", self.section)

    def fill(self, row, names):
        """Add what follows from other rows: FLOP/s, and their share of the matrix product's."""
        flop = row.get("flop_per_image") or self.flop(names)
        if flop and "images_per_second" in row:
            row["flop_per_image"] = flop
            # convolutions in fp32 may use TF32 on a GPU
            name = "tf32" if row["precision"] == "fp32" and "tf32" in self.rates else row["precision"]
            if name in self.rates:
                row["share"] = flop * row["images_per_second"] / self.rates[name]
        speed = f"{row['images_per_second']:,.0f} images/s" if "images_per_second" in row else row["state"]
        print(f"{row['preset']}, batch {row['batch']}, {row['steps']}: {speed}", flush=True)


@contextlib.contextmanager
def told_in(value):
    """Have value["state"] say whether a block measured what it was to measure, or why it did not.

    After an error of CUDA nothing works in a process any more: this one ends then, and the next goes on.
    """
    try:
        yield
        value["state"] = "measured"
    except GanlibError as error:
        value["state"] = str(error)
    except Exception as error:  # all else that may go wrong there and was never seen here
        traceback.print_exc()
        value["state"] = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
        if "CUDA error" in str(error):
            raise
    finally:
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def once(job, section, measure):
    """Put what `measure(job)` finds into a section of the report, unless an earlier process has tried to."""
    report = Report(job.out)
    if section not in report.read():
        value = {"on": on(pick_device(job.device)[0]), "state": "begun"}
        report.put(section, value)
        try:
            with told_in(value):
                value |= measure(job)
        finally:
            report.put(section, value)


def run(job):
    """All of this phase, the most telling first; it ends with the time, and each result is there at once."""
    once(job, "ceilings", ceilings)
    speeds = Speeds(job, Report(job.out).read()["ceilings"].get("matrix", {}))
    first = 2 if can_choose_graphs() else 1
    for number, task in enumerate(tasks(job)):
        if number == first:
            once(job, "drawing", drawing)
            once(job, "penalties", penalties)
        if job.left < 3:
            break
        speeds.add(*task)
