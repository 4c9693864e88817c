"""Phase (c): one training at full speed, and the quality of its generators on the way.

Every KEEP_SECONDS the newest generator, the log and the pictures are copied into the folder of results. When
the time for it is over, the generators saved on the way are scored, and the best is named.
"""
import hashlib
import json
import signal
import statistics
import time

from ganlib.errors import GanlibError
from ganlib.machine.device import pick_device
from ganlib.models.store import load_generator, save_generator
from ganlib.runs.folder import read_log, sample_files, snapshot_files
from ganlib.runs.states import state_files
from ganlib.training.loop import train

from .here import on, steps_as
from .recipes import recipe, told
from .results import Report, drop, fits, keep, keep_one_of, kept_parts, tar_of
from .scoring import CURVE_SAMPLES, SAMPLES, Scorer

KEEP_SECONDS = 20
SCORE_SHARE = 0.12  # of the time is kept for the scores
SCORE_LEAST, SCORE_MOST = 20, 90  # seconds
FINISH = 5  # seconds for the last state and generator
GENERATORS = 40  # saved on the way
PICTURES = 24  # sample grids on the way


def run(job):
    """Train until the time is over, or go on with a run of the same recipe that is there; then score."""
    changes = {"log_images": 5_000, "frames": PICTURES, "generators": GENERATORS, "checkpoint_minutes": 2,
               "score": "off"}  # they are scored here, on more samples
    if job.rehearsal:
        changes |= {"log_images": 64, "frames": 2, "generators": 2, "images": 256}
    config = recipe(job.train, job, **(steps_as("auto") | changes | job.settings))
    run_folder = job.work / "runs" / f"{job.train}-{digest_of(config)}"
    before = records_of(run_folder)[-1:]
    seen, seconds = (before[0]["images"], before[0]["train_seconds"]) if before else (0, 0)
    section = {"on": on(pick_device(job.device)[0]), "preset": job.train, "profile": job.profile,
               "settings": told(job.settings), "recipe": config.recipe(), "images": seen,
               "train_seconds": seconds, "images_per_second": 0}
    Report(job.out).put("train", section)
    allowed = job.left - score_seconds(job.left) - FINISH
    if job.minutes:
        allowed = min(allowed, 60 * job.minutes)
    config = config.replace(minutes=(seconds + max(1, allowed)) / 60)
    hook = Hook(job, run_folder, time.monotonic() + allowed)
    print(train(config, job.pack, run_folder, hook=hook, progress=False), flush=True)
    copy_out(job, run_folder)
    score(job, run_folder)


def score_seconds(seconds):
    """How much of the time for a training is kept for the scores of its generators."""
    return min(seconds / 3, max(SCORE_LEAST, min(SCORE_MOST, SCORE_SHARE * seconds)))


def digest_of(config):
    """What tells a recipe from others, in six characters."""
    return hashlib.sha256(json.dumps(config.recipe()).encode()).hexdigest()[:6]


def records_of(run_folder):
    """The training records of a run; none where it has not begun."""
    try:
        return read_log(run_folder)[0]
    except GanlibError:
        return []


class Hook:
    """Called by `train` with each record: tells how it goes, copies what is there, and ends it in time.

    end: the time (of time.monotonic) at which to stop. The budget of the config counts training alone,
    without the pictures and states in between.
    """

    def __init__(self, job, run_folder, end):
        self.job, self.run_folder, self.end = job, run_folder, end
        self.every = 1 if job.rehearsal else KEEP_SECONDS
        self.copied = time.monotonic()

    def __call__(self, record):
        now = time.monotonic()
        if now - self.copied >= self.every:
            self.copied = now
            copy_out(self.job, self.run_folder)
            print(f"{record['images']:11,} images, {record['images_per_second']:,.0f} a second, "
                  f"loss G {record['loss_g']:.2f} D {record['loss_d']:.2f}", flush=True)
        if now >= self.end:
            signal.raise_signal(signal.SIGINT)  # as Ctrl-C: it stops after this step, with a state


# -- what is brought out


def copy_out(job, run_folder):
    """Bring the newest generator, the log and the pictures of a run into the folder of results."""
    records, snapshots = records_of(run_folder), snapshot_files(run_folder)
    if records:
        report = Report(job.out)
        late = [record["images_per_second"] for record in records[len(records) // 3:]]
        now = {"images": records[-1]["images"], "train_seconds": records[-1]["train_seconds"],
               "images_per_second": statistics.median(late)}
        report.put("train", report.read()["train"] | now)
    if snapshots:
        keep_one_of(job.out, kept_name(snapshots[-1]), snapshots[-1].read_bytes(), "generator-")
    files = [run_folder / "config.json", run_folder / "log.jsonl", *run_folder.glob("state-*.sha256")]
    files += reversed(sample_files(run_folder))  # the newest first: the oldest are left out where it is much
    keep(job.out, "training.tar", tar_of({path.name: path for path in files if path.is_file()}))


def kept_name(snapshot):
    """A snapshot's name in the folder of results: it says how many images the generator has seen."""
    return f"generator-{snapshot.stem}.safetensors"


# -- how good it is


def score(job, run_folder):
    """Score the generators of a run and name the best; keep it, the newest and a state as far as they fit."""
    add_last_generator(run_folder)
    snapshots, report = snapshot_files(run_folder), Report(job.out)
    if not snapshots:
        return
    keep_all(job, in_order(snapshots), run_folder)
    try:
        scorer = Scorer(job)
    except GanlibError as error:  # as where the features' packages are missing
        report.put("train", report.read()["train"] | {"state": f"not scored: {error}"})
        return
    points = {}
    for path in in_order(snapshots):
        begun = time.monotonic()
        points[path] = scorer.fd(path, CURVE_SAMPLES)
        section = report.read()["train"]
        report.put("train", section | {"curve": sorted(points.values(), key=lambda point: point["images"])})
        print(f"{path.stem}: FD-lite {points[path]['fd']:.1f}", flush=True)
        if job.left < 6 * (time.monotonic() - begun) + 3:  # two scores of more samples, and the files
            break
    first = sorted(points, key=lambda path: points[path]["fd"])
    # a rehearsal takes few samples each time: once is enough
    finals = points if job.rehearsal else {path: scorer.fd(path, SAMPLES) for path in first[:2]}
    best = min(finals, key=lambda path: finals[path]["fd"])
    report.put("train", report.read()["train"] | {"best": {"file": kept_name(best)} | finals[best]})
    keep_all(job, [best, snapshots[-1], *first], run_folder)
    print(f"the best: {kept_name(best)}, FD-lite {finals[best]['fd']:.1f}", flush=True)


def add_last_generator(run_folder):
    """Save the run's last generator as a snapshot as well, where the run was broken off between two."""
    path = run_folder / "generator.safetensors"
    if path.is_file():
        generator = load_generator(path)
        images, seconds = int(generator.info["images"]), float(generator.info["train_seconds"])
        snapshot = run_folder / "snapshots" / f"{images:09d}.safetensors"
        if not snapshot.exists():
            save_generator(snapshot, generator.G, generator.config, images, seconds, half=True)


def in_order(snapshots):
    """Snapshots in the order in which they tell most: the last, every fourth before it, and those between."""
    late = list(reversed(snapshots))
    return [*late[::4], *late[2::4], *late[1::2]]


def keep_all(job, wanted, run_folder):
    """Keep the best generator, and as there is room the newest, a state to resume from, and more generators.

    wanted: the generators in that order. One file is left free, for the pictures of the table.
    """
    best = kept_name(wanted[0])
    if not fits(job.out, wanted[0].stat().st_size, [best]):
        for other in kept_parts(job.out):
            if other.startswith("generator-") and other != best:
                drop(job.out, other)
    keep(job.out, best, wanted[0].read_bytes())
    for path in wanted[1:2]:
        keep_if_it_fits(job, kept_name(path), path)
    for state in state_files(run_folder)[:1]:
        if not keep_if_it_fits(job, state.name, state):
            print(f"{state.name} ({state.stat().st_size / 1e6:.0f} MB) has no room in the results: "
                  "--files and --megabytes give more.", flush=True)
    for path in wanted[2:]:
        keep_if_it_fits(job, kept_name(path), path)


def keep_if_it_fits(job, name, path):
    """Keep a file, unless it is there or there is no room. Whether it is there then."""
    if name not in kept_parts(job.out) and fits(job.out, path.stat().st_size, spare=1):
        keep(job.out, name, path.read_bytes())
    return name in kept_parts(job.out)
