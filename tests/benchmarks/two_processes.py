"""Two processes of one thread each against one process of two threads, on this machine's CPU.

    python tests/benchmarks/two_processes.py [--rounds 5] [--seconds 5]

`dcgan` and `stylegan-fast` in the profile `cpu`. torchrun starts the two; they send each other their
gradients through gloo. Both kinds make the same steps of the same batches: of 16 pictures, two processes take
8 each. They take turns, round after round. Printed are images a second, as medians with the least and the
most, and the median over rounds of their ratio. It has no bar: it says what a second process costs or brings.
"""
import argparse
import signal
import statistics
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
from step import CORES, ROOT, Child, in_words, packed_by  # noqa: E402

from ganlib.data.synthetic import face  # noqa: E402

TORCHRUN = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
VARIANTS = {"one process": ((), 2), "two processes": (TORCHRUN, 1)}  # (launcher, threads of each)


def measure(preset, args, packed, folder):
    """{variant: images/s, one a round} of a preset."""
    folder.mkdir()
    children = []
    with ExitStack() as stack:
        for name, (launcher, threads) in VARIANTS.items():
            job = {"preset": preset, "profile": "cpu", "changes": {}, "threads": threads,
                   "seconds": args.seconds, "pack": packed}
            children.append(Child(name, "ours", job, folder, ROOT, launcher))
            stack.callback(children[-1].end)
            children[-1].begin()
        for number in range(args.rounds):
            for child in children[::-1] if number % 2 else children:
                child.turn()
    return {child.name: child.rates for child in children}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=5, help="least length of a turn")
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # it clears up, as after Ctrl-C
    if CORES < 2:
        print("Skipped: two processes want two cores, and there is one.")
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        np.save(folder / "faces.npy", np.stack([face(i)[0] for i in range(200)]))
        packed = packed_by(ROOT, folder / "faces.npy", folder / "pack")
        for preset in ("dcgan", "stylegan-fast"):
            rates = measure(preset, args, packed, folder / preset)
            for variant, of_rounds in rates.items():
                print(f"{preset:14} {variant:14} {in_words(of_rounds)} images/s")
            pairs = zip(rates["two processes"], rates["one process"], strict=True)
            ratio = statistics.median(two / one for two, one in pairs)
            print(f"{preset:14} two processes have {ratio:.2f} of one's images/s", flush=True)


if __name__ == "__main__":
    main()
