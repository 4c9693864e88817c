"""Phase (d): the models of docs/results.md, each trained on an equal number of images, and scored.

Each is trained by a process of its own. Where one does not fill the GPU, several run at a time: as many as
together keep it busy, by what phase (b) found. Their generators would be too much to bring home: they are
scored here, and of each come 64 pictures.
"""
import json
import time

from ganlib.files import remove_folder, write_atomic
from ganlib.images import encoded, grid
from ganlib.machine.device import pick_device
from ganlib.models.sampling import sample
from ganlib.models.store import load_generator
from ganlib.presets import preset
from ganlib.training.loop import train

from .here import on, steps_as
from .plan import Child
from .results import Report, keep, tar_of
from .scoring import Scorer

IMAGES = 100_000  # where no speeds are known
REHEARSED = 128  # in a rehearsal
RATE = 2_000  # images a second of a model whose speed is not known
BUSY = 0.5  # of a GPU, by one training, where that is not known
MOST = 6  # trainings at a time
BEGIN = 15  # seconds until a process trains
SCORE = 15  # seconds for the score of a model


def models(job):
    """{name: (preset, profile, what differs)} of the table; two small ones in a rehearsal."""
    from equal_time import MODELS
    if job.rehearsal:
        return {name: (MODELS[name][0], "smoke", {}) for name in ("dcgan", "pairs")}
    return {name: (kind, profile, values) for name, (kind, profile, values, _) in MODELS.items()}


# -- the process that has the others train


class Model:
    """A model of the table: its speed, as far as it is known, and the process that trains it."""

    def __init__(self, job, name, speeds):
        self.name, self.child = name, None
        self.file = job.work / "table" / f"{name}.json"
        kind = models(job)[name][0]
        like = [row for row in speeds if kind in (row["preset"], *row["also"]) and "images_per_second" in row]
        self.rate = max((row["images_per_second"] for row in like), default=RATE)
        self.busy = max((row["busy"] for row in like if row.get("busy")), default=BUSY)  # 0: not seen

    def is_running(self):
        return self.child is not None and self.child.process.poll() is None

    def start(self, job, images):
        """Begin to train it, in a process of its own that ends in time by itself."""
        command = [*job.command, "--phase", "model", "--model", self.name, "--images", str(images),
                   "--limit", str(max(1, job.left - 2))]
        self.child = Child(command, lambda line: print(f"{self.name}: {line}", end="", flush=True))

    def row(self):
        """What the table has of it."""
        if self.file.is_file():
            return {"model": self.name} | json.loads(self.file.read_text())
        if self.is_running():
            return {"model": self.name, "state": "in training"}
        return {"model": self.name, "state": "no result" if self.child else "not begun"}


def run(job):
    """Have all models trained and scored, and put what is there into the report as it comes."""
    remove_folder(job.work / "table")
    speeds = Report(job.out).read().get("speeds", {"rows": []})["rows"]
    waiting = [Model(job, name, speeds) for name in models(job)]
    all_models = list(waiting)
    images = job.images or images_in(job.left - BEGIN - SCORE, all_models, bool(speeds))
    images = REHEARSED if job.rehearsal else images
    section = {"on": on(pick_device(job.device)[0]), "images": images, "together": 0}
    Scorer(job)  # the statistics of the real pictures are made once, and not by each of them
    try:
        while waiting or any(model.is_running() for model in all_models):
            running = [model for model in all_models if model.is_running()]
            if waiting and has_room(waiting[0], running):
                running.append(waiting.pop(0))
                running[-1].start(job, images)
            section["together"] = max(section["together"], len(running))
            put(job, section, all_models)
            time.sleep(0.5)
            if job.left < 2:
                break
    finally:
        for model in all_models:
            if model.is_running():
                model.child.stop()
        put(job, section, all_models)


def images_in(seconds, all_models, are_known):
    """How many images every model can see in the time that is there for all."""
    if not are_known:
        return IMAGES
    cost = sum(model.busy / model.rate for model in all_models)  # seconds of a whole GPU, an image
    return max(1_000, int(max(0, seconds) / cost) // 1_000 * 1_000)


def has_room(model, running):
    """Whether one training more would still find the GPU idle for a part of the time."""
    if not running:
        return True
    return len(running) < MOST and sum(other.busy for other in running) + model.busy <= 1


def put(job, section, all_models):
    """Put the table so far into the report, and the pictures beside it."""
    rows = [model.row() for model in all_models]
    if section.get("rows") == rows:
        return
    section["rows"] = rows
    Report(job.out).put("table", section)
    pictures = sorted((job.work / "table").glob("*.webp"))
    if pictures:
        keep(job.out, "table.tar", tar_of({path.name: path for path in pictures}))


# -- the process that trains one


def train_one(job):
    """Train and score one model of the table; its row goes to the folder `table` of the work."""
    kind, profile, values = models(job)[job.model]
    images = job.images or IMAGES
    changes = {"device": job.device, "images": images, "minutes": max(1, job.left - SCORE) / 60, "frames": 0,
               "generators": 0, "log_images": max(500, images // 20), "checkpoint_minutes": 60}
    if job.rehearsal:
        changes |= {"images": REHEARSED, "threads": 1}
    config = preset(kind, profile, **(values | changes | steps_as("auto")))
    done = train(config, job.pack, job.work / "table" / job.model, progress=False)
    generator = done.path / "generator.safetensors"
    pictures = grid(sample(load_generator(generator, pick_device(job.device)[0]), 64, seed=1))
    write_atomic(job.work / "table" / f"{job.model}.webp", encoded(pictures.save, "webp", quality=90))
    row = {"preset": kind, "profile": profile, "images": done.images, "train_seconds": done.train_seconds}
    row |= Scorer(job).row(generator)
    write_atomic(job.work / "table" / f"{job.model}.json", json.dumps(row).encode())
    print(f"{done.images:,} images, FD-lite {row['fd']:.1f}", flush=True)
