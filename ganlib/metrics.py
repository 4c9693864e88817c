"""How far generated images are from real ones: images -> features -> statistics -> number, and a fair table of runs."""
import functools
import hashlib
import io
import json
import os
import warnings
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from unittest import mock

import numpy as np
import torch
from PIL import Image
from torch import nn
from tqdm.auto import tqdm
from tqdm.contrib.concurrent import thread_map

from .checkpoint import load_generator, write_atomic
from .clean import detector_trouble, find_faces, to_rgb
from .config import difference
from .data import Pack, load_pack
from .errors import GanlibError
from .fetch import data_dir, image_files
from .sample import generate, latents
from .stylegan import LITE0_SHA256, lite0

FEATURES = {  # what a Fréchet distance of them is called, what they are, SHA-256 of the weights
    "lite": ("FD-lite", "EfficientNet-Lite0, 1280 features, bicubic to 128x128", LITE0_SHA256),
    "inception": ("FID", "Inception-v3 as in pytorch-fid, 2048 features, bilinear to 299x299",
                  "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2")}
INCEPTION = "https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/pt_inception-2015-12-05-6726825d.pth"
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


@functools.cache
def _network(kind, device):
    """The function from images (B, 3, H, W) in [0, 1] to features (B, D)."""
    if kind not in FEATURES:
        raise GanlibError(f"There are no features {kind!r}: expected {' or '.join(FEATURES)}.")
    if kind == "inception":
        from pytorch_fid import inception
        cached = Path(torch.hub.get_dir(), "checkpoints", INCEPTION.rsplit("/", 1)[1])  # pytorch-fid has it there, too
        weights = _inception_weights(Path(os.environ.get("GANLIB_INCEPTION", cached)))
        with mock.patch.object(inception, "load_state_dict_from_url", lambda *_, **__: weights):  # would download
            net = inception.InceptionV3().eval().to(device, memory_format=torch.channels_last)
        return lambda x: net(x)[0].flatten(1)
    net = lite0()
    for module in list(net.modules()):  # batch norm folded into the convolutions: the same function, faster
        for (conv, a), (norm, b) in pairwise(list(module.named_children())):
            if isinstance(b, nn.BatchNorm2d):
                setattr(module, conv, nn.utils.fuse_conv_bn_eval(a, b))
                setattr(module, norm, nn.Identity())
    net.to(device, memory_format=torch.channels_last)

    def lite(x):
        x = nn.functional.interpolate(x, (128, 128), mode="bicubic", antialias=True).clamp(0, 1)
        # the range in which the weights were trained; the example of their package has another
        return net.extract_features((x * 255 - 127) / 128).mean((2, 3))
    return lite


def _inception_weights(path):
    """The weights at `path`, checked; downloaded where they are missing."""
    sha256 = FEATURES["inception"][2]
    try:
        if not path.is_file():
            path.parent.mkdir(parents=True, exist_ok=True)
            torch.hub.download_url_to_file(INCEPTION, str(path), sha256)
    except (OSError, RuntimeError) as error:
        raise GanlibError(f"FID needs Inception's weights (96 MB), and the download failed ({error}).\nGet {INCEPTION} "
                          f"elsewhere and put it at {path}, or use the features 'lite'.") from error
    if hashlib.sha256(path.read_bytes()).hexdigest() != sha256:
        raise GanlibError(f"{path} does not have the SHA-256 of the weights for 'inception': delete it and get it anew.")
    return torch.load(path, map_location="cpu", weights_only=True)


def features(images, kind="lite", device=DEVICE, batch=None, progress=True):
    """Features of images as float32 (N, D): D = 1280 ("lite") or 2048 ("inception").

    images: uint8 (N, H, W, 3), memory-mapped or not, or an iterable of such arrays. In fp32 on every device: bf16
    moves FD-lite by 1 to 14 (tests/benchmarks/metrics.py), and 0.1 would be tolerable.
    """
    net, out = _network(kind, device), []
    batch = batch or (16 if device == "cpu" else 256)  # few at a time stay in a CPU's cache
    parts, total = ([images], len(images)) if hasattr(images, "shape") else (images, None)
    with torch.inference_mode(), torch.backends.cudnn.flags(enabled=True, allow_tf32=False), \
            tqdm(total=total, desc=kind, unit="img", disable=not progress, mininterval=1, leave=False) as bar:
        for part in parts:
            for i in range(0, len(part), batch):
                x = torch.from_numpy(np.array(part[i:i + batch])).to(device)
                out.append(net(x.permute(0, 3, 1, 2).float() / 255).float().cpu().numpy())
                bar.update(len(x))
    return np.concatenate(out)


def statistics(features):
    """(mu, sigma), the mean and covariance in float64, of features (N, D)."""
    if not np.isfinite(features).all():
        raise GanlibError("The features hold NaN or infinite values: look at the images that they come from.")
    return np.mean(features, 0, np.float64), np.atleast_2d(np.cov(features, rowvar=False, dtype=np.float64))


def real_statistics(pack, kind="lite", device=DEVICE, progress=True):
    """(features, (mu, sigma)) of a pack's images, kept in data_dir()/stats/stats-<kind>-<N>-<data hash>.npz."""
    _network(kind, device)  # which refuses an unknown kind, and fetches what is missing
    about = {"features": FEATURES[kind][1], "weights": FEATURES[kind][2], "images": f"{pack.images.shape} {pack.hash}"}
    path = data_dir() / "stats" / f"stats-{kind}-{len(pack)}-{pack.hash}.npz"
    if path.exists():
        with np.load(path) as file:
            if changed := difference(json.loads(str(file["about"])), about):
                lines = "; ".join(f"{k}: {a} there, {b} now" for k, (a, b) in changed.items())
                raise GanlibError(f"{path} holds other statistics ({lines}): delete it and call again.")
            return file["features"], (file["mu"], file["sigma"])
    found, buffer = features(pack.images, kind, device, progress=progress), io.BytesIO()
    mu, sigma = statistics(found)
    np.savez(buffer, features=found, mu=mu, sigma=sigma, about=json.dumps(about))
    write_atomic(path, buffer.getvalue())
    return found, (mu, sigma)


def frechet(a, b):
    """The Fréchet distance of two Gaussians (mu, sigma): |m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^(1/2)).

    The trace of the root is the sum of the roots of the eigenvalues of S1 S2, which are those of the symmetric
    S1^(1/2) S2 S1^(1/2). Heusel et al. 2017, https://arxiv.org/abs/1706.08500.
    """
    (m1, s1), (m2, s2) = a, b
    if m1.shape != m2.shape:
        raise GanlibError(f"Statistics of {len(m1)} and of {len(m2)} features do not compare: use one kind for both.")
    values, vectors = np.linalg.eigh(s1)
    root = (vectors * np.sqrt(values.clip(0))) @ vectors.T
    cross = np.sqrt(np.linalg.eigvalsh(root @ s2 @ root).clip(0)).sum()
    return float((m1 - m2) @ (m1 - m2) + np.trace(s1) + np.trace(s2) - 2 * cross)


def _some(x, n, seed=0):
    """n random rows of x (N, D), the same ones whatever order the rows are in."""
    return x[np.argsort(x.sum(1, dtype=np.float64))[np.random.default_rng(seed).permutation(len(x))[:n]]]


def frechet_infinity(stats, fake, points=8):
    """The Fréchet distance to `stats` of features `fake` (N, D) as N goes to infinity: where a straight line in 1/n
    through subsets of N/4 to N meets the axis. Chong & Forsyth 2020, https://arxiv.org/abs/1911.07023, sec. 3.
    """
    sizes = np.linspace(len(fake) / 4, len(fake), points).astype(int)
    return float(np.polyfit(1 / sizes, [frechet(stats, statistics(_some(fake, n, n))) for n in sizes], 1)[1])


def kid(real, fake, subsets=50, size=1_000):
    """(mean, standard deviation) over random subsets of the squared MMD with the kernel (x.y / D + 1)^3, unbiased.

    real, fake: features (N, D). Bińkowski et al. 2018, https://arxiv.org/abs/1801.01401, sec. 4.
    """
    size, values = min(size, len(real), len(fake)), []
    for seed in range(subsets):
        x, y = torch.from_numpy(_some(real, size, 2 * seed)), torch.from_numpy(_some(fake, size, 2 * seed + 1))
        xx, yy, xy = ((a @ b.T / x.shape[1] + 1).double() ** 3 for a, b in ((x, x), (y, y), (x, y)))
        within = (xx.sum() - xx.trace() + yy.sum() - yy.trace()) / (size * (size - 1))
        values.append(float(within - 2 * xy.mean()))
    return float(np.mean(values)), float(np.std(values))


def nearest(queries, real, k=1):
    """(distances, indices), both (Q, k): the k rows of `real` nearest to each of `queries`, nearest first."""
    found = torch.cdist(torch.from_numpy(queries), torch.from_numpy(real)).topk(k, largest=False)
    return found.values.numpy(), found.indices.numpy()


def prdc(real, fake, k=5):
    """Precision and recall (Kynkäänniemi et al. 2019, https://arxiv.org/abs/1904.06991), density and coverage (Naeem et
    al. 2020, https://arxiv.org/abs/2002.09797) of features (N, D); and `nearest`: the median distance of a generated
    image to the nearest real one, over that of a real image to the nearest other (near 0: copies of training images).
    """
    radii, fake_radii = (nearest(f, f, k + 1)[0] for f in (real, fake))  # in column 0 the image itself
    d = torch.cdist(torch.from_numpy(fake), torch.from_numpy(real)).numpy()  # (generated, real)
    hit, recalled = d < radii[:, k], d < fake_radii[:, k:]
    return {"precision": hit.any(1).mean(), "recall": recalled.any(0).mean(), "density": hit.sum(1).mean() / k,
            "coverage": hit.any(0).mean(), "nearest": np.median(d.min(1)) / np.median(radii[:, 1])}


def faces(images, progress=True):
    """{"faces": share of images (N, H, W, 3) with a face for animeface, "eye_gap": median RGB distance of the colours
    of its two eyes}."""
    parts = np.array_split(images, -(-len(images) // 100))
    found = sum(thread_map(find_faces, parts, desc="faces", max_workers=os.cpu_count(), disable=not progress), [])
    gaps = [face[3] for face in found if face]
    return {"faces": len(gaps) / len(images)} | ({"eye_gap": float(np.median(gaps))} if gaps else {})


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
            numbers |= prdc(_some(real, m), _some(fake, m))
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
        G, most = (load_generator(path, device) if path else source.to(device)), 2**31
        images = generate(G, latents(1, G.z_dim))
        info = {"images": float(G.info["images"]), "minutes": float(G.info["train_seconds"]) / 60} if path else {}

        def draw(seed, n):
            return (generate(G, z) for z in latents(n, G.z_dim, seed).split(512))
    if images.dtype != np.uint8 or images.shape[1:] != (size, size, 3):
        raise GanlibError(f"{path or 'The source'} holds {images.dtype} {images.shape}: expected uint8 from 0 to 255, "
                          f"of the shape (N, {size}, {size}, 3) of the pack's images.")
    if not most:
        raise GanlibError(f"{path or 'The source'} holds {len(images):,} images, fewer than n={n:,}, on which the "
                          f"distance depends: make more, or take n={len(images)} for all.")
    return draw, most, info
