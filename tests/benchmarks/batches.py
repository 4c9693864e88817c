"""What part of a CPU training step the batches take (the limit is 3%).

    python tests/benchmarks/batches.py

A DCGAN of the report's widths at 64x64, batch 64, on 14,000 random images. The two are timed in turn, five
times.
"""
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from ganlib.data.batching import batches
from ganlib.data.packs import pack
from ganlib.presets import preset
from ganlib.training.loop import train

sys.path.insert(0, str(Path(__file__).parents[1]))
from helpers import make_report  # noqa: E402


def main():
    with tempfile.TemporaryDirectory() as folder:
        images = np.random.default_rng(0).integers(0, 256, (14_000, 64, 64, 3), np.uint8)
        packed = pack(make_report(images), Path(folder) / "pack")
        stream, shares = batches(packed, 64), []
        for repeat in range(5):
            begun = time.perf_counter()
            for _ in range(100):
                next(stream)
            batch = (time.perf_counter() - begun) / 100
            run = train(preset("dcgan", images=64 * 20, frames=0, generators=0, seed=repeat), packed,
                        Path(folder) / f"run{repeat}", progress=False)
            step = run.train_seconds / 20
            shares.append(batch / step)
            print(f"batch {1000 * batch:.2f} ms of a step of {1000 * step:.0f} ms: {shares[-1]:.2%}")
        print(f"median {statistics.median(shares):.2%}")
    if statistics.median(shares) > 0.03:
        sys.exit("over the limit of 3%")


if __name__ == "__main__":
    main()
