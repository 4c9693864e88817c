"""Images to features, the numbers by which a network describes a picture, and features to a Gaussian."""
import functools
import io
import json
import zipfile
from dataclasses import dataclass

import numpy as np
import torch

from ..config import changed_keys
from ..errors import GanlibError, memory_advice
from ..files import data_dir, write_atomic
from ..machine.bars import Bar
from ..machine.threads import ThreadChooser
from ..pretrained.inception import INCEPTION_SHA256, inception, inception_features
from ..pretrained.lite0 import LITE0_SHA256, folded, lite0, lite0_features

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


@dataclass(frozen=True)
class FeatureKind:
    """What a Fréchet distance of these features is called, what they are, and the SHA-256 of the weights."""

    measure: str
    about: str
    sha256: str


FEATURES = {
    "lite": FeatureKind("FD-lite", "EfficientNet-Lite0, 1280 features, bicubic to 128x128", LITE0_SHA256),
    "inception": FeatureKind("FID", "Inception-v3 as in pytorch-fid, 2048 features, bilinear to 299x299",
                             INCEPTION_SHA256),
}


@functools.cache
def feature_network(kind, device):
    """The function from images (B, 3, H, W) in [0, 1] to features (B, D)."""
    if kind not in FEATURES:
        raise GanlibError(f"There are no features {kind!r}: expected {' or '.join(FEATURES)}.")
    lite = kind == "lite"
    net, describe = (folded(lite0()), lite0_features) if lite else (inception(), inception_features)
    return functools.partial(describe, net.eval().to(device, memory_format=torch.channels_last))


def features(images, kind="lite", device=DEVICE, batch=None, progress=True):
    """Features of images as float32 (N, D): D = 1280 ("lite") or 2048 ("inception").

    images: uint8 (N, H, W, 3), an array (memory-mapped or not) or a tensor on any device, or an iterable of
    such. In fp32 on every device: bf16 moves FD-lite by 1 to 14 (tests/benchmarks/metrics.py), and 0.1 would
    be tolerable. On a GPU all stays there until the end.
    """
    describe = feature_network(kind, device)
    batch = batch or (16 if device == "cpu" else 256)  # few at a time stay in a CPU's cache
    parts, total = ([images], len(images)) if hasattr(images, "shape") else (images, None)
    found = []
    with (
        torch.no_grad(),  # not inference_mode: what a generator keeps while it draws here may be trained with
        torch.backends.cudnn.flags(enabled=True, allow_tf32=False),
        memory_advice(f"Take fewer images (a lower n), or a batch below {batch}."),
        Bar(total=total, desc=kind, unit="img", disable=not progress, mininterval=1, leave=False) as bar,
        ThreadChooser() as threads,
    ):
        for part in parts:
            for start in range(0, len(part), batch):
                pictures = part[start:start + batch]
                if not isinstance(part, torch.Tensor):
                    pictures = torch.from_numpy(np.array(pictures))
                with threads.piece(len(pictures)):
                    x = pictures.to(device).permute(0, 3, 1, 2)  # (B, 3, H, W)
                    found.append(describe(x.float() / 255).float())
                bar.update(len(pictures))
        return torch.cat(found).cpu().numpy()


def on_gpu(*arrays):
    """Arrays or tensors as tensors on the GPU, where there is one; else as they are."""
    return [torch.as_tensor(x, device=DEVICE) for x in arrays] if DEVICE == "cuda" else arrays


def gaussian(x):
    """(mu, sigma), the mean (D,) and the covariance (D, D), float64 arrays, of features x (N, D).

    x: an array or a tensor; where there is a GPU, it does the work.
    """
    x, = on_gpu(x)
    if len(x) < 2:
        raise GanlibError(f"Features of {len(x)} image(s) have no covariance: expected two or more.")
    if not torch.as_tensor(x).isfinite().all():
        raise GanlibError("The features hold NaN or infinite values: look at the images that they come from.")
    if isinstance(x, torch.Tensor):
        x = x.double()
        return x.mean(0).cpu().numpy(), torch.atleast_2d(torch.cov(x.T)).cpu().numpy()
    return np.mean(x, 0, np.float64), np.atleast_2d(np.cov(x, rowvar=False, dtype=np.float64))


def real_statistics(pack, kind="lite", device=DEVICE, progress=True):
    """(features, (mu, sigma)) of a pack's images, kept in stats/stats-<kind>-<N>-<hash>.npz of data_dir()."""
    feature_network(kind, device)  # which refuses an unknown kind, and fetches what is missing
    about = {
        "features": FEATURES[kind].about,
        "weights": FEATURES[kind].sha256,
        "images": f"{pack.images.shape} {pack.hash}",
    }
    path = data_dir() / "stats" / f"stats-{kind}-{len(pack)}-{pack.hash}.npz"
    if path.exists():
        return _kept_statistics(path, about)
    found = features(pack.images, kind, device, progress=progress)
    mu, sigma = gaussian(found)
    file = io.BytesIO()
    np.savez(file, features=found, mu=mu, sigma=sigma, about=json.dumps(about))
    write_atomic(path, file.getvalue())
    return found, (mu, sigma)


def _kept_statistics(path, about):
    """What `real_statistics` wrote, unless it is about something else."""
    try:
        with np.load(path) as file:
            there = json.loads(str(file["about"]))
            found = file["features"], (file["mu"], file["sigma"])
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise GanlibError(f"{path} cannot be read ({error}): delete it and call again.") from error
    if changed := changed_keys(there, about):
        lines = "; ".join(f"{key}: {old} there, {new} now" for key, (old, new) in changed.items())
        raise GanlibError(f"{path} holds other statistics ({lines}): delete it and call again.")
    return found
