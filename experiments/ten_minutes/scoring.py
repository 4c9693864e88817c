"""FD-lite of generators, and how long drawing and scoring takes."""
import time

import torch

from ganlib.data.packs import load_pack
from ganlib.evaluation.distances import frechet, prdc
from ganlib.evaluation.features import features, gaussian, real_statistics
from ganlib.machine.device import pick_device
from ganlib.models.build import build_networks
from ganlib.models.sampling import drawn_parts, latents
from ganlib.models.store import LoadedGenerator, load_generator

from .here import wait_for
from .recipes import FLAGSHIP, recipe, told

SAMPLES = 10_000
CURVE_SAMPLES = 4_096
REHEARSED = 32  # samples in a rehearsal


class Scorer:
    """Scores generators against the real pictures of a pack, all alike: samples of seed 1, no truncation."""

    def __init__(self, job):
        self.device, _ = pick_device(job.device)
        self.rehearsal = job.rehearsal
        self.real, self.stats = real_statistics(load_pack(job.pack), device=self.device.type, progress=False)

    def count(self, n):
        """How many samples to take where n are meant."""
        return REHEARSED if self.rehearsal else n

    def features(self, generator, n):
        return features(drawn_parts(generator, n, seed=1), device=self.device.type, progress=False)

    def fd(self, path, n):
        """{"images", "n", "fd"} of a generator's file."""
        generator, n = load_generator(path, self.device), self.count(n)
        fd = frechet(self.stats, gaussian(self.features(generator, n)))
        return {"images": int(generator.info["images"]), "n": n, "fd": fd}

    def row(self, path):
        """As `fd`, of more samples, and with precision, recall, density and coverage."""
        generator, n = load_generator(path, self.device), self.count(SAMPLES)
        fake = self.features(generator, n)
        neighbours = {key: float(value) for key, value in prdc(self.real, fake).items()}
        fd = frechet(self.stats, gaussian(fake))
        return {"images": int(generator.info["images"]), "n": n, "fd": fd} | neighbours


def drawing(job):
    """{"draw_seconds", "score_seconds", "seconds", ...} of SAMPLES samples of the flagship, as yet untrained.

    A few samples come before, to warm up.
    """
    scorer = Scorer(job)
    device = scorer.device
    config = recipe(FLAGSHIP, job)
    G = build_networks(config)[0].to(device)
    if config.grow:
        G.grow(config.resolution, 1.0)
    with torch.no_grad():
        G.calibrate(latents(256, config.z_dim).to(device).split(64))
    generator = LoadedGenerator(G.requires_grad_(False), config, {})
    n = scorer.count(SAMPLES)
    scorer.features(generator, min(n, 512))
    wait_for(device)
    begun = time.perf_counter()
    pictures = list(drawn_parts(generator, n, seed=1))
    wait_for(device)
    drawn = time.perf_counter()
    found = features(pictures, device=device.type, progress=False)
    frechet(scorer.stats, gaussian(found))
    scored = time.perf_counter()
    widths = told({"width": config.width, "max_width": config.max_width})
    return {"n": n, "generator": f"{FLAGSHIP} {widths}", "draw_seconds": drawn - begun,
            "score_seconds": scored - drawn, "seconds": scored - begun}
