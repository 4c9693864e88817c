"""How long the metrics take, what they weigh, and whether bf16 would do.

    METRICS_PACK=data/packs/... METRICS_REAL=14246 METRICS_N=10000 METRICS_BF16=2000 \\
        python tests/benchmarks/metrics.py

Limits on two idle cores: statistics of 14,246 real images within 120 s, generating and scoring 10,000
samples of the shipped DCGAN within 90 s, peak memory under 3 GB. The real images are a pack's, or drawn faces
again and again. The last part computes FD-lite in bf16 and in fp32: where they differ by less than 0.1, bf16
could be used.
"""

import os
import resource
import sys
import time

import numpy as np
import torch

from ganlib.data.packs import load_pack
from ganlib.data.synthetic import face
from ganlib.evaluation.distances import frechet, kid, prdc
from ganlib.evaluation.features import features, gaussian
from ganlib.models.sampling import generate, latents, sample
from ganlib.models.store import load_generator

REAL, N, BF16 = (
    int(os.environ.get(f"METRICS_{k}", v)) for k, v in (("REAL", 14_246), ("N", 10_000), ("BF16", 2_000))
)


def main():
    if "METRICS_PACK" in os.environ:
        images = load_pack(os.environ["METRICS_PACK"]).images[:REAL]
    else:
        images = np.resize(np.stack([face(i)[0] for i in range(min(REAL, 1_000))]), (REAL, 64, 64, 3))
    G = load_generator("dcgan").G
    features(images[:64], progress=False)  # loads the network

    begun, cpu = time.perf_counter(), time.process_time()
    real = features(images)
    stats = gaussian(real)
    first = time.perf_counter() - begun
    print(
        f"statistics of {len(images):,} images: {first:.0f} s ({len(images) / first:.0f} images/s), "
        f"{time.process_time() - cpu:.0f} s of all cores",
        flush=True,
    )

    begun, cpu = time.perf_counter(), time.process_time()
    fake = features(generate(G, z) for z in latents(N, G.z_dim).split(512))
    fd = frechet(stats, gaussian(fake))
    second = time.perf_counter() - begun
    print(
        f"generating and scoring {N:,} samples: {second:.0f} s, "
        f"{time.process_time() - cpu:.0f} s of all cores; FD-lite {fd:.1f}",
        flush=True,
    )

    begun = time.perf_counter()
    kid(real, fake)
    third = time.perf_counter() - begun
    least = min(len(real), len(fake))
    prdc(real[:least], fake[:least])
    print(f"KID {third:.0f} s, neighbours of {least:,} {time.perf_counter() - begun - third:.0f} s")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(f"peak memory {peak:.2f} GB", flush=True)

    device, dtype = ("cuda", torch.float16) if torch.cuda.is_available() else ("cpu", torch.bfloat16)
    generated, found = sample(G, BF16), {}
    for name, fast in (("fp32", False), (str(dtype).removeprefix("torch."), True)):
        begun = time.perf_counter()
        with torch.autocast(device, dtype, enabled=fast):
            a, b, c = (
                gaussian(features(x, device=device, progress=False))
                for x in (images[:BF16], images[BF16 : 2 * BF16], generated)
            )
        found[fast] = np.array([frechet(a, b), frechet(a, c)])
        print(
            f"{name}: real against real {found[fast][0]:.2f}, generated {found[fast][1]:.2f}, "
            f"{(len(images[: 2 * BF16]) + BF16) / (time.perf_counter() - begun):.0f} images/s"
        )
    difference = np.abs(found[True] - found[False]).max()
    verdict = "would do" if difference < 0.1 else "too much, so fp32 it is"
    print(f"largest difference {difference:.2f}: {verdict}")
    scale = max(REAL / 14_246, 1e-9), max(N / 10_000, 1e-9)
    if first > 120 * scale[0] or second > 90 * scale[1] or peak > 3:
        sys.exit("over a limit")


if __name__ == "__main__":
    main()
