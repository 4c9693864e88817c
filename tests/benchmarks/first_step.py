"""How long a user waits: for the first training step, for a run to go on, and for 64 faces.

    python tests/benchmarks/first_step.py [--rounds 3] [--images 14000]

`ganlib train` on a pack of 14,000 faces of 64x64, in the profile `cpu`: seconds from the start of the command
to the record of its first step in the run's log, then the same for the command that goes on with the run.
`ganlib sample`: seconds until it has ended. Every command is a process of its own. Medians over rounds, with
the least and the most. Exits with 1 where a median is over its limit: 10 s, 5 s and 4 s.
"""
import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from ganlib.data.packs import pack
from ganlib.data.synthetic import face

sys.path.insert(0, str(Path(__file__).parents[1]))
from helpers import make_report  # noqa: E402

MODELS = ("dcgan", "stylegan-fast")  # presets, and names of shipped generators
LIMITS = {"first step": 10, "resume": 5, "64 faces": 4}  # seconds
PATIENCE = 300  # seconds after which a command counts as hung


def images_in_log(run):
    """The images seen at the last record of a run's log; 0 before the first one."""
    try:
        lines = (run / "log.jsonl").read_text().splitlines(keepends=True)
    except OSError:
        return 0
    records = [json.loads(line) for line in lines if line.endswith("\n")]  # the last may be half written
    return max([record["images"] for record in records if "event" not in record], default=0)


def seconds_to_step(command, run, errors):
    """Seconds from the start of `ganlib train` until its log has one more step. Then it is stopped."""
    before = images_in_log(run)
    begun = time.perf_counter()
    with open(errors, "w") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out)
    try:
        while images_in_log(run) <= before:
            if process.poll() is not None or time.perf_counter() - begun > PATIENCE:
                sys.exit(f"{' '.join(command)} made no step:\n{errors.read_text()}")
            time.sleep(0.01)
        seconds = time.perf_counter() - begun
        process.send_signal(signal.SIGINT)  # it saves a checkpoint, and ends
        process.wait(PATIENCE)
    finally:
        process.kill()
        process.wait()
    return seconds


def measure(name, packed, folder):
    """{what: seconds} of one model, once."""
    ganlib = [sys.executable, "-m", "ganlib"]
    # a record for every step, so that the first one shows; and no pictures before that record
    changes = ["log_images=16", "frames=0", "generators=0"]
    run = folder / "run"
    train = [*ganlib, "train", name, str(packed.path), str(run), "--profile", "cpu", "--set", *changes]
    found = {what: seconds_to_step(train, run, folder / "errors.txt") for what in ("first step", "resume")}
    begun = time.perf_counter()
    subprocess.run([*ganlib, "sample", name, str(folder / "faces.npy")], check=True, capture_output=True)
    found["64 faces"] = time.perf_counter() - begun
    assert np.load(folder / "faces.npy").shape == (64, 64, 64, 3)
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--images", type=int, default=14_000)
    args = parser.parse_args()
    found = {(name, what): [] for name in MODELS for what in LIMITS}
    with tempfile.TemporaryDirectory() as temporary:
        faces = np.stack([face(i)[0] for i in range(500)])
        images = np.resize(faces, (args.images, *faces.shape[1:]))  # again and again
        packed = pack(make_report(images), Path(temporary) / "pack")
        for number in range(args.rounds):
            for name in MODELS:
                folder = Path(temporary) / f"{number}-{name}"
                folder.mkdir()
                for what, seconds in measure(name, packed, folder).items():
                    found[name, what].append(seconds)
    if hasattr(os, "getloadavg"):
        print(f"load of the machine at the end: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    late = False
    for (name, what), seconds in found.items():
        median, limit = statistics.median(seconds), LIMITS[what]
        late = late or median > limit
        print(f"{name:14} {what:11} {median:5.1f} s ({min(seconds):.1f} to {max(seconds):.1f}), "
              f"at most {limit} s{': MISSED' if median > limit else ''}")
    return late


if __name__ == "__main__":
    sys.exit(main())
