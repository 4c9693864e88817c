"""How far scores differ from draw to draw, and what one takes.

    python tests/benchmarks/scores.py [PACK [SOURCE ...]]

A source is what `load_generator` takes: two generators of one run, say, or names of shipped ones. In each of
five draws all come from the same latents. It prints the scores, their standard deviation as a part of their
mean, that of their ratio to the scores of the first source, and the seconds of CPU for each.
"""
import sys
import time

import numpy as np
import torch

from ganlib.data.packs import load_pack
from ganlib.data.synthetic import face
from ganlib.evaluation.distances import frechet
from ganlib.evaluation.features import DEVICE, features, gaussian, real_statistics
from ganlib.evaluation.scores import SAMPLES
from ganlib.models.sampling import drawn_parts
from ganlib.models.store import load_generator

DRAWS = 5


def real(path):
    """The statistics of a pack, or of drawn faces."""
    if path:
        return real_statistics(load_pack(path), progress=False)[1]
    return gaussian(features(np.stack([face(i)[0] for i in range(500)]), progress=False))


def main(path=None, *sources):
    torch.set_num_threads(1)
    stats = real(path)
    first = None
    for source in sources or ("dcgan-cpu",):
        generator = load_generator(source, DEVICE)
        begun = time.process_time()
        draws = [features(drawn_parts(generator, SAMPLES, seed), progress=False) for seed in range(DRAWS)]
        found = np.array([frechet(stats, gaussian(draw)) for draw in draws])
        seconds = (time.process_time() - begun) / DRAWS
        first = found if first is None else first
        own, apart = (values.std(ddof=1) / values.mean() for values in (found, found / first))
        print(f"{source}: {' '.join(f'{fd:.2f}' for fd in found)}; spread {own:.2%}; of the ratio to the "
              f"first {apart:.2%}; {seconds:.1f} s of CPU each", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
