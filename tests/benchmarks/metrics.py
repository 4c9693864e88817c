"""How long the metrics take, part by part, on either device; whether half precision would do.

    METRICS_PACK=data/packs/... METRICS_REAL=14246 METRICS_N=10000 METRICS_HALF=2000 \\
        METRICS_G=dcgan,stylegan-fast python tests/benchmarks/metrics.py

On a GPU where there is one. Limits for statistics of 14,246 real images, and for 10,000 samples generated and
scored by FD-lite: 120 and 90 s on two idle cores, with a peak below 3 GB of memory. For the samples it is
15 s on a T4-class GPU, and 5 s with compute capability 8.0 or above. The real images are a pack's, or drawn
faces again and again. Then each part is timed by itself. The last part computes FD-lite in half precision and
in fp32: where they differ by less than 0.1, half precision could be used.
"""
import os
import resource
import sys
import time

import numpy as np
import torch

from ganlib.data.detector import detector_trouble
from ganlib.data.packs import load_pack
from ganlib.data.synthetic import face
from ganlib.evaluation.distances import face_numbers, frechet, kid, prdc, random_rows
from ganlib.evaluation.features import DEVICE, features, gaussian
from ganlib.models.sampling import drawn_parts, latents, sample
from ganlib.models.store import load_generator

REAL, N, HALF = (
    int(os.environ.get(f"METRICS_{k}", v)) for k, v in (("REAL", 14_246), ("N", 10_000), ("HALF", 2_000))
)
GENERATORS = os.environ.get("METRICS_G", "dcgan,stylegan-fast").split(",")


def real_images():
    if "METRICS_PACK" in os.environ:
        return load_pack(os.environ["METRICS_PACK"]).images[:REAL]
    return np.resize(np.stack([face(i)[0] for i in range(min(REAL, 1_000))]), (REAL, 64, 64, 3))


def timed(name, work, n=0):
    """What `work` returns, and the seconds that it took; both the time and the pace are printed."""
    wait()
    begun, cpu = time.perf_counter(), time.process_time()
    found = work()
    wait()
    seconds = time.perf_counter() - begun
    pace = f", {n / seconds:,.0f} images/s" if n else ""
    print(f"{name}: {seconds:.2f} s{pace}, {time.process_time() - cpu:.1f} s of all cores", flush=True)
    return found, seconds


def wait():
    if DEVICE == "cuda":
        torch.cuda.synchronize()


def parts(generator, real, stats, faces=500):
    """Time what evaluating a generator consists of, one part after the other."""
    z_dim = generator.G.z_dim
    timed(f"  latents of {N:,}", lambda: latents(N, z_dim), N)
    pictures, _ = timed(f"  drawing {N:,}", lambda: [*drawn_parts(generator, N)], N)
    fake, _ = timed(f"  features of {N:,}", lambda: features(pictures, progress=False), N)
    found, _ = timed("  mean and covariance", lambda: gaussian(fake))
    timed("  Fréchet distance", lambda: frechet(stats, found))
    timed("  KID", lambda: kid(real, fake))
    least = min(len(real), len(fake))
    timed(f"  neighbours of {least:,}", lambda: prdc(random_rows(real, least), random_rows(fake, least)))
    if not detector_trouble():
        some = torch.cat(pictures)[:faces].cpu().numpy()
        timed(f"  faces of {len(some)}, on the CPU", lambda: face_numbers(some, progress=False), len(some))


def half_precision(images, generated):
    """Compare FD-lite in fp32 and in half precision."""
    dtype = torch.float16 if DEVICE == "cuda" else torch.bfloat16
    found = []
    for name, fast in (("fp32", False), (str(dtype).removeprefix("torch."), True)):
        with torch.autocast(DEVICE, dtype, enabled=fast):
            (a, b, c), _ = timed(name, lambda: [
                gaussian(features(x, progress=False))
                for x in (images[:HALF], images[HALF : 2 * HALF], generated)], 3 * HALF)
        found.append(np.array([frechet(a, b), frechet(a, c)]))
        print(f"  real against real {found[-1][0]:.2f}, generated {found[-1][1]:.2f}")
    difference = np.abs(found[0] - found[1]).max()
    verdict = "would do" if difference < 0.1 else "too much, so fp32 it is"
    print(f"largest difference {difference:.2f}: {verdict}")


def limit():
    """Seconds for 10,000 samples of a generator, generated and scored, on this device."""
    if DEVICE == "cpu":
        return 90
    return 5 if torch.cuda.get_device_capability()[0] >= 8 else 15


def main():
    about = torch.cuda.get_device_name() if DEVICE == "cuda" else f"cpu, {torch.get_num_threads()} threads"
    print(f"on {about}")
    images = real_images()
    real = features(images[:300], progress=False)  # loads the network and the libraries
    frechet(gaussian(real), gaussian(real[::2]))
    real, first = timed(f"features of {len(images):,} real images", lambda: features(images), len(images))
    stats, second = timed("their mean and covariance", lambda: gaussian(real))
    late = first + second > 120 * REAL / 14_246
    for name in GENERATORS:
        generator = load_generator(name, DEVICE)
        sample(generator, 300)

        def score(generator=generator):
            fake = features(drawn_parts(generator, N), progress=False)
            return frechet(stats, gaussian(fake))

        fd, seconds = timed(f"{name}: {N:,} samples generated and scored", score, N)
        print(f"  FD-lite {fd:.1f}")
        late |= seconds > limit() * N / 10_000
        parts(generator, real, stats)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(f"peak memory {peak:.2f} GB", flush=True)
    half_precision(images, sample(generator, HALF))
    if late or DEVICE == "cpu" and peak > 3:
        sys.exit("over a limit")


if __name__ == "__main__":
    main()
