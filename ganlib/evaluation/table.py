"""One fair table: runs, generators and pictures, all measured alike against the real images of a pack."""
import warnings

import numpy as np

from ..data.detector import detector_trouble
from ..data.packs import Pack, load_pack
from ..errors import GanlibError, memory_advice
from ..images import pixels_of
from ..machine.bars import Bar
from ..tables import Table, TableRow
from .candidates import open_candidate
from .distances import LEAST, NEIGHBOURS, face_numbers, frechet, frechet_infinity, kid, prdc, random_rows
from .features import DEVICE, FEATURES, features, gaussian, real_statistics

ENOUGH = 2_048  # images, for a Fréchet distance that is worth comparing


def evaluate(pack, runs, n=10_000, kind="lite", draws=3, full=True, infinity=False, face_images=500,
             device=DEVICE, progress=True):
    """A Table of runs against the real images of a pack, every row measured alike.

    runs: a source, a list of sources, or a dict {name: source, or list of sources that differ in their seed}.
    A source is what `load_generator` takes, a folder of images, a .npy file, or (in a dict) a generator or an
    array. n: generated images in a draw; draws: of each source, fewer of images that are not enough; full:
    False for the Fréchet distance alone; infinity: also at infinite N; face_images: in how many to look for
    faces. Raises GanlibError for a source that cannot be read, and for too few images.
    """
    pack = pack if isinstance(pack, Pack) else load_pack(pack)
    _check_numbers(pack, n, draws, face_images)
    if not isinstance(runs, dict):
        sources = runs if isinstance(runs, list | tuple) else [runs]
        runs = {str(source): source for source in sources}
    with memory_advice(f"Take fewer images: n is {n:,}."):
        groups = {}  # all are opened before any is measured
        most = max(n * draws, face_images)
        for name, group in runs.items():
            group = group if isinstance(group, list | tuple) else [group]
            if not group:
                raise GanlibError(f"{name!r} names no source: expected at least one.")
            groups[name] = [open_candidate(one, n, draws, most, pack.size, device, progress) for one in group]
        if min(n, len(pack)) < ENOUGH:
            warnings.warn(f"{n:,} generated, {len(pack):,} real images: with fewer than {ENOUGH:,} a Fréchet "
                          "distance comes out too high, about as much as row 0, and not equally for all. "
                          "Take more.", stacklevel=2)
        judge = _Judge(pack, kind, full, infinity, face_images, device, progress)
        floor = [judge.half_against_half(seed) for seed in range(draws)]
        rows = [_row("real images, half against half", [floor])]
        for name, group in Bar(groups.items(), "evaluating", disable=not progress):
            rows.append(_row(name, [judge.candidate(one, n) for one in group]))
    _mark_equals(rows)
    return Table(rows, judge.about(n, draws))


def _check_numbers(pack, n, draws, face_images):
    """Raise GanlibError for numbers of images that nothing can be computed of."""
    for name, value, least in (("draws", draws, 1), ("face_images", face_images, 0)):
        if value < least:
            raise GanlibError(f"{name}={value}: expected {least} or more.")
    for name, value in ((f"n={n}", n), (f"The pack {pack.path} holds {len(pack)} image(s)", len(pack))):
        if value < LEAST:
            raise GanlibError(f"{name}: expected {LEAST} or more. Fewer have no covariance and no "
                              f"{NEIGHBOURS} neighbours each; with {ENOUGH:,} a distance is worth comparing.")


class _Judge:
    """Measures draws of pictures, all alike, against the real images of a pack."""

    def __init__(self, pack, kind, full, infinity, face_images, device, progress):
        self.pack, self.kind, self.device, self.progress = pack, kind, device, progress
        self.full, self.infinity = full, infinity
        self.real, self.stats = real_statistics(pack, kind, device, progress)
        self.look = face_images if full and face_images and not detector_trouble() else 0

    def half_against_half(self, seed):
        """The numbers of one half of the real images, against the other."""
        a, b = np.array_split(np.random.default_rng(seed).permutation(len(self.real)), 2)
        numbers = self.distances(self.real[a], gaussian(self.real[a]), self.real[b])
        return numbers | self.faces([self.pack.images[b[:self.look]]], seed)

    def candidate(self, candidate, n):
        """The numbers of each draw of a Candidate."""
        found = []
        for seed in range(candidate.draws):
            fake = features(candidate.draw(n, seed), self.kind, self.device, progress=self.progress)
            numbers = self.distances(self.real, self.stats, fake)
            found.append(numbers | self.faces(candidate.draw(self.look, seed), seed))
        found[0] |= candidate.info
        return found

    def distances(self, real, stats, fake):
        numbers = {"fd": frechet(stats, gaussian(fake))}
        if self.infinity:
            numbers["fd_infinity"] = frechet_infinity(stats, fake)
        if self.full:
            numbers["kid"], numbers["kid_subsets"] = kid(real, fake)
            most = min(len(real), len(fake))
            numbers |= prdc(random_rows(real, most), random_rows(fake, most))
        return numbers

    def faces(self, parts, seed):
        """The numbers of faces: of the first draw only, they take long."""
        if not self.look or seed:
            return {}
        return face_numbers(np.concatenate([pixels_of(part) for part in parts]), self.progress)

    def about(self, n, draws):
        """What holds for all rows, and a note that says so."""
        kind, real = FEATURES[self.kind], len(self.real)
        note = (f"{kind.measure}: {kind.about}, fp32; {n:,} generated images (averaged generator, no "
                f"truncation, uint8) against all {real:,} real ones (data {self.pack.hash}). Neighbours: "
                f"{min(n, real):,} of each, k={NEIGHBOURS}; faces: {self.look}. ±: standard deviation over "
                f"{draws} draws, or over the runs of a row; rows within twice that are as good.")
        return {"measure": kind.measure, "features": kind.about, "n": n, "real": real,
                "data": self.pack.hash, "note": note}


def _row(name, runs):
    """The TableRow of several runs, each a list of its draws (dicts): the spread is over the runs.

    Of a single run it is over the draws. No number is below 0: where there is no difference, the unbiased KID
    is so half of the time.
    """
    samples = [_means(draws) for draws in runs] if len(runs) > 1 else runs[0]
    columns = _columns(samples)
    spread = {key: float(np.std(values, ddof=1)) for key, values in columns.items() if len(values) > 1}
    return TableRow(name, {key: max(0.0, mean) for key, mean in _means(samples).items()}, spread)


def _means(samples):
    return {key: float(np.mean(values)) for key, values in _columns(samples).items()}


def _columns(samples):
    """{key: values} of dicts that need not all have each key of the first."""
    return {key: [sample[key] for sample in samples if key in sample] for key in samples[0]}


def _mark_equals(rows):
    """Note which rows differ by less than two standard deviations. The real images stay out of it."""
    for i, a in enumerate(rows):
        for j, b in enumerate(rows):
            doubt = 2 * np.hypot(a.spread.get("fd", 0), b.spread.get("fd", 0))
            if i and j and i != j and abs(a.numbers["fd"] - b.numbers["fd"]) <= doubt:
                a.same.append(j)
