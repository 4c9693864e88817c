"""What a pack of 5 million images costs: to open, in memory, and in time per image.

    python tests/benchmarks/growth.py [--images 5000000] [--rounds 100]

It has 64x64 images, 61 GB of them, but they are a hole in a file: no disk is needed but for the manifest, of
some 110 MB. So nothing here is waited for from a disk. It is compared with a pack of 1,000 images, black as
well. DCGAN is trained in the profile `cpu` with batches of 64, on one thread.

The most memory is that of a process that trains on the large pack, and then takes 4,000 more batches from it.
The times are of one training, in another process, whose batches come from the two packs in turn: a round is a
step with each of them, now the one first, now the other. Other programs slow both down. Exits with 1 where a
limit is missed: 1 second to open, 2.5 GB, 1.05 of the small pack's time.
"""
import argparse
import contextlib
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections import deque
from itertools import cycle, islice
from pathlib import Path
from resource import RUSAGE_SELF, getrusage

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[1]))

OPEN_SECONDS, RESIDENT_GB, TIMES = 1.0, 2.5, 1.05
WARM_UP = 3  # rounds that do not count


def train_some(pack, run, steps):
    from ganlib.presets import preset
    from ganlib.training.loop import train

    config = preset("dcgan", "cpu", batch=64, images=64 * steps, threads=1, device="cpu",
                    frames=0, generators=0)
    train(config, pack, run, progress=False)


def open_and_train(path, folder):
    """Of a process that does nothing else: {what: how much}."""
    from ganlib.data import order
    from ganlib.data.batching import batches
    from ganlib.data.fingerprints import pack_hash
    from ganlib.data.packs import load_pack

    def seconds(task):
        begun = time.perf_counter()
        task()
        return time.perf_counter() - begun

    begun = time.perf_counter()
    pack = load_pack(path)
    found = {"open": time.perf_counter() - begun}
    train_some(pack, folder / "alone", 10)
    torch.set_num_threads(1)
    places = torch.arange(order.PART)
    found["order"] = seconds(lambda: order.permuted(places, len(pack), [(1, 2)] * order.ROUNDS))
    stream = batches(pack, 64)
    found["batch"] = seconds(lambda: deque(islice(stream, 4_000), maxlen=0)) / 4_000  # none is kept
    found["resident"] = getrusage(RUSAGE_SELF).ru_maxrss / 1e6  # GB
    some = pack.images[:20_000]
    found["check"] = some.nbytes / 1e6 / seconds(lambda: pack_hash(some, pack.labels, pack.attributes))
    return found


def compare(large, small, folder, rounds):
    """{pack: seconds of a step, one a round}."""
    from ganlib.data.packs import load_pack
    from ganlib.training import loop

    real = loop.batches
    packs = {"large": load_pack(large), "small": load_pack(small)}
    found = {name: [] for name in packs}

    def in_turn(_, *args, **kwargs):
        """The batches of both packs; from asking for one until the next is asked for is a step."""
        streams = {name: real(pack, *args, **kwargs) for name, pack in packs.items()}
        for name in cycle(["large", "small", "small", "large"]):
            begun = time.perf_counter()
            yield next(streams[name])
            found[name].append(time.perf_counter() - begun)

    loop.batches = in_turn
    train_some(packs["small"], folder / "in turn", 2 * (rounds + WARM_UP) + 1)
    return {name: seconds[WARM_UP:] for name, seconds in found.items()}


def in_a_process(task, *words):
    command = [sys.executable, __file__, "--task", task, *map(str, words)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def measure(images, rounds):
    from helpers import make_report
    from sparse_packs import make_sparse_pack

    from ganlib.data.packs import pack

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        large = make_sparse_pack(folder / "large", images)
        small = pack(make_report(np.zeros((1_000, 64, 64, 3), np.uint8)), folder / "small").path
        alone = in_a_process("alone", large, folder)
        print(f"opened {images:,} images in {1000 * alone['open']:.1f} ms (limit {OPEN_SECONDS:.0f} s)")
        print(f"at most {alone['resident']:.2f} GB resident (limit {RESIDENT_GB} GB)")
        print(f"the order of a million images in {1000 * alone['order']:.0f} ms, a batch of 64 in "
              f"{1000 * alone['batch']:.2f} ms, a check at {alone['check']:.0f} MB/s, all on one thread")
        found = in_a_process("compare", large, small, folder, rounds)
    for which, seconds in found.items():
        low, middle, high = (1000 * s / 64 for s in statistics.quantiles(seconds, n=4))
        print(f"{which}: {middle:.2f} ms an image (half of the steps: {low:.2f} to {high:.2f})")
    ratio = statistics.median(found["large"]) / statistics.median(found["small"])
    print(f"large over small: {ratio:.3f}, the ratio of medians of {rounds} rounds (limit {TIMES})")
    return alone["open"] > OPEN_SECONDS or alone["resident"] > RESIDENT_GB or ratio > TIMES


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--images", type=int, default=5_000_000)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--task", nargs="+", help=argparse.SUPPRESS)  # of the processes that it starts
    args = parser.parse_args()
    if not args.task:
        return measure(args.images, args.rounds)
    task, *words = args.task
    paths, numbers = [Path(w) for w in words if not w.isdigit()], [int(w) for w in words if w.isdigit()]
    with contextlib.redirect_stdout(sys.stderr):
        found = (open_and_train if task == "alone" else compare)(*paths, *numbers)
    print(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
