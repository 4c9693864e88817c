"""How far generated images are from real ones: images -> features -> statistics -> number, and a fair table of runs."""
import json
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm.auto import tqdm

from ..data.decoding import image_files, to_rgb
from ..data.detector import detector_trouble
from ..data.packs import Pack, load_pack
from ..errors import GanlibError
from ..files import write_atomic
from ..models.sampling import generate, latents
from ..models.store import load_generator, network
from .distances import faces, frechet, frechet_infinity, kid, prdc, random_rows
from .features import DEVICE, FEATURES, features, real_statistics, statistics


@dataclass
class Table:
    """Rows of numbers (dicts) and what holds for them all (`about`); prints, and shows in a notebook, as markdown."""

    rows: list
    about: dict

    def __str__(self):
        keys = [k for k in dict.fromkeys(k for row in self.rows for k in row) if k not in ("name", "spread", "same")]
        titles = {"fd": self.about["measure"], "kid": "KID x 1000", "kid_subsets": "± over its subsets"}
        lines = [["", "", *(titles.get(k, k.replace("_", " ")) for k in keys), "as good as"]]
        for i, row in enumerate(self.rows):
            cells = []
            for k in keys:
                scale, plus = 1000 if k.startswith("kid") else 1, row["spread"].get(k)
                value = row[k] * scale if k in row else None
                cells.append("" if value is None else (f"{value:,.0f}" if value >= 1000 else f"{value:.4g}")
                             + (f" ± {plus * scale:.2g}" if plus else ""))
            lines.append([str(i), row["name"], *cells, ", ".join(map(str, row["same"]))])
        widths = [max(map(len, column)) for column in zip(*lines)]
        lines.insert(1, ["-" * w for w in widths])
        return "\n".join([self.about["note"], ""] + [
            "| " + " | ".join(cell.ljust(w) for cell, w in zip(line, widths)) + " |" for line in lines])

    _repr_markdown_ = __str__

    def save(self, path):
        """Write {"about": ..., "rows": ...} as JSON."""
        write_atomic(path, (json.dumps({"about": self.about, "rows": self.rows}, indent=1) + "\n").encode())


def evaluate(pack, runs, n=10_000, kind="lite", draws=3, full=True, infinity=False, face_images=500, device=DEVICE,
             progress=True):
    """A Table of runs against the real images of a pack, every row measured alike.

    runs: a source, a list of sources, or a dict {name: source, or list of sources that differ in their seed}. A
    source is what `load_generator` takes, a folder of images, a .npy file, or (in a dict) a generator or an array.
    n: generated images in a draw; draws: of each source, fewer of images that are not enough; full: False for the
    Fréchet distance alone; infinity: also at infinite N; face_images: in how many to look for faces.
    """
    pack = pack if isinstance(pack, Pack) else load_pack(pack)
    if not isinstance(runs, dict):
        runs = {str(run): run for run in (runs if isinstance(runs, (list, tuple)) else [runs])}
    groups = {name: [_source(s, n, pack.size, device) for s in (group if isinstance(group, (list, tuple)) else [group])]
              for name, group in runs.items()}  # all are opened before any is measured
    if min(n, len(pack)) < 2_048:
        warnings.warn(f"{n:,} generated, {len(pack):,} real images: with fewer than 2,048 a Fréchet distance comes out "
                      "too high, about as much as row 0, and not equally for all. Take more.", stacklevel=2)
    real, stats = real_statistics(pack, kind, device, progress)
    look = face_images if full and face_images and not detector_trouble() else 0

    def score(real, stats, fake, shown=()):
        numbers, m = {"fd": frechet(stats, statistics(fake))}, min(len(real), len(fake))
        if infinity:
            numbers["fd_infinity"] = frechet_infinity(stats, fake)
        if full:
            numbers["kid"], numbers["kid_subsets"] = kid(real, fake)
            numbers |= prdc(random_rows(real, m), random_rows(fake, m))
        return numbers | (faces(shown, progress) if len(shown) else {})

    scores = []
    for seed in range(draws):
        a, b = np.array_split(np.random.default_rng(seed).permutation(len(real)), 2)
        scores.append(score(real[a], statistics(real[a]), real[b], () if seed else pack.images[b[:look]]))
    rows = [_row("real images, half against half", [scores])]
    for name, group in tqdm(groups.items(), "evaluating", disable=not progress):
        scores = []
        for draw, most, info in group:
            scores.append([score(real, stats, features(draw(seed, n), kind, device, progress=progress),
                                 () if seed or not look else np.concatenate(list(draw(seed, look))))
                           for seed in range(min(draws, most))])
            scores[-1][0] |= info
        rows.append(_row(name, scores))
    for i, a in enumerate(rows):  # which rows are as good, as far as one can tell
        a["same"] = [j for j, b in enumerate(rows) if i and j and i != j and abs(a["fd"] - b["fd"]) <= 2 * np.hypot(
            a["spread"].get("fd", 0), b["spread"].get("fd", 0))]
    measure, what, _ = FEATURES[kind]
    about = {"measure": measure, "features": what, "n": n, "real": len(real), "data": pack.hash, "note": (
        f"{measure}: {what}, fp32; {n:,} generated images (averaged generator, no truncation, uint8) against all "
        f"{len(real):,} real ones (data {pack.hash}). Neighbours: {min(n, len(real)):,} of each, k=5; faces: {look}. "
        f"±: standard deviation over {draws} draws, or over the runs of a row; rows within twice that are as good.")}
    return Table(rows, about)


def _row(name, runs):
    """Means and spread of the numbers of several draws (dicts) of several runs: over the runs, or the draws of one."""
    means = [{k: np.mean([draw[k] for draw in run if k in draw]) for k in run[0]} for run in runs]
    numbers = {k: [v[k] for v in (means if len(runs) > 1 else runs[0]) if k in v] for k in means[0]}
    return {"name": name} | {k: float(np.mean(v)) for k, v in numbers.items()} | {
        "spread": {k: float(np.std(v, ddof=1)) for k, v in numbers.items() if len(v) > 1}}


def _source(source, n, size, device):
    """(function of (seed, n) that gives uint8 arrays, how many seeds it takes, what is known of it) of a source."""
    path, info = Path(source) if isinstance(source, (str, Path)) else None, {}
    try:
        if path and path.suffix == ".npy":
            source = np.load(path, mmap_mode="r")
        elif path and path.is_dir() and not any((path / f).exists() for f in ("config.json", "generator.safetensors")):
            source = np.stack([np.asarray(to_rgb(Image.open(path / file))) for file in image_files(path)])
    except (OSError, ValueError, EOFError) as error:
        raise GanlibError(f"{path} cannot be read as images of one size ({error}).") from error
    if isinstance(source, np.ndarray):
        images, most = source, len(source) // n

        def draw(seed, n):
            return [images[seed * n:(seed + 1) * n]]
    else:
        generator, most = (load_generator(path, device) if path else source.to(device)), 2**31
        G = network(generator)
        images = generate(G, latents(1, G.z_dim))
        if path:
            info = {"images": float(generator.info["images"]), "minutes": float(generator.info["train_seconds"]) / 60}

        def draw(seed, n):
            return (generate(G, z) for z in latents(n, G.z_dim, seed).split(512))
    if images.dtype != np.uint8 or images.shape[1:] != (size, size, 3):
        raise GanlibError(f"{path or 'The source'} holds {images.dtype} {images.shape}: expected uint8 from 0 to 255, "
                          f"of the shape (N, {size}, {size}, 3) of the pack's images.")
    if not most:
        raise GanlibError(f"{path or 'The source'} holds {len(images):,} images, fewer than n={n:,}, on which the "
                          f"distance depends: make more, or take n={len(images)} for all.")
    return draw, most, info
