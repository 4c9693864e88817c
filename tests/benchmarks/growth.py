"""What a pack of 5 million images costs: to open, in memory, and in time per image.

    python tests/benchmarks/growth.py [--images 5000000] [--rounds 15] [--steps 6]

It has 64x64 images, 61 GB of them, but they are a hole in a file: no disk is needed but for the manifest, of
some 110 MB. So nothing here is waited for from a disk. It is compared with a pack of 1,000 images, black as
well. DCGAN is trained in the profile `cpu` with batches of 64, on one thread.

The most memory is that of a process that trains on the large pack, and then takes 4,000 more batches from it.
The times are of another process, which trains on the two packs in turn, round after round. Exits with 1
where a limit is missed: 1 second to open, 2.5 GB, 1.05 of the small pack's time.
"""
import argparse
import contextlib
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from resource import RUSAGE_SELF, getrusage

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

OPEN_SECONDS, RESIDENT_GB, TIMES = 1.0, 2.5, 1.05


def seconds_of_training(pack, run, steps):
    """Of an image, in a new run of so many steps."""
    from ganlib.presets import preset
    from ganlib.training.loop import train

    config = preset("dcgan", "cpu", batch=64, images=64 * steps, threads=1, device="cpu",
                    frames=0, generators=0)
    return train(config, pack, run, progress=False).train_seconds / config.images


def open_and_train(path, folder, steps):
    """Of a process that does nothing else: {open: seconds, resident: GB}."""
    from ganlib.data.batching import batches
    from ganlib.data.packs import load_pack

    begun = time.perf_counter()
    pack = load_pack(path)
    seconds = time.perf_counter() - begun
    seconds_of_training(pack, folder / "alone", steps)
    stream = batches(pack, 64)
    for _ in range(4_000):
        next(stream)
    return {"open": seconds, "resident": getrusage(RUSAGE_SELF).ru_maxrss / 1e6}


def compare(large, small, folder, steps, rounds):
    """{pack: seconds of an image, one a round}; the first round, in which all is set up, does not count."""
    from ganlib.data.packs import load_pack

    packs = {"large": load_pack(large), "small": load_pack(small)}
    found = {name: [] for name in packs}
    for k in range(rounds + 1):
        for name in list(packs)[::1 if k % 2 else -1]:
            seconds = seconds_of_training(packs[name], folder / f"{name}{k}", steps)
            if k:
                found[name].append(seconds)
    return found


def in_a_process(task, *words):
    command = [sys.executable, __file__, "--task", task, *map(str, words)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def measure(images, steps, rounds):
    from helpers import make_report
    from sparse_packs import make_sparse_pack

    from ganlib.data.packs import pack

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        large = make_sparse_pack(folder / "large", images)
        small = pack(make_report(np.zeros((1_000, 64, 64, 3), np.uint8)), folder / "small").path
        alone = in_a_process("alone", large, folder, steps)
        print(f"opened {images:,} images in {1000 * alone['open']:.1f} ms (limit {OPEN_SECONDS:.0f} s)")
        print(f"at most {alone['resident']:.2f} GB resident (limit {RESIDENT_GB} GB)")
        found = in_a_process("compare", large, small, folder, steps, rounds)
    for which, seconds in found.items():
        low, *_, high = sorted(1000 * s for s in seconds)
        print(f"{which}: {1000 * statistics.median(seconds):.2f} ms an image ({low:.2f} to {high:.2f})")
    ratio = statistics.median(found["large"]) / statistics.median(found["small"])
    print(f"large over small: {ratio:.3f}, the ratio of medians of {rounds} rounds (limit {TIMES})")
    return alone["open"] > OPEN_SECONDS or alone["resident"] > RESIDENT_GB or ratio > TIMES


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--images", type=int, default=5_000_000)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--task", nargs="+", help=argparse.SUPPRESS)  # of the processes that it starts
    args = parser.parse_args()
    if not args.task:
        return measure(args.images, args.steps, args.rounds)
    task, *words = args.task
    paths, numbers = [Path(w) for w in words if not w.isdigit()], [int(w) for w in words if w.isdigit()]
    with contextlib.redirect_stdout(sys.stderr):
        found = (open_and_train if task == "alone" else compare)(*paths, *numbers)
    print(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
