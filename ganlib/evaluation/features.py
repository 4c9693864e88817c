"""Images to features, the numbers by which a network describes a picture, and features to a Gaussian."""
import functools
import io
import json
import zipfile
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import nn
from torch.nn.functional import interpolate

from ..config import changed_keys
from ..errors import GanlibError, memory_advice
from ..files import data_dir, write_atomic
from ..machine.bars import Bar
from ..machine.threads import ThreadChooser
from ..pretrained.inception import INCEPTION_SHA256, inception
from ..pretrained.lite0 import LITE0_SHA256, lite0

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
    net, describe = (_lite(), _describe_lite) if kind == "lite" else (inception(), _describe_inception)
    return functools.partial(describe, net.eval().to(device, memory_format=torch.channels_last))


def _lite():
    """EfficientNet-Lite0 with batch norm folded into the convolutions: the same function, faster."""
    net = lite0()
    for module in list(net.modules()):
        for (conv_name, conv), (norm_name, norm) in pairwise(list(module.named_children())):
            if isinstance(norm, nn.BatchNorm2d):
                setattr(module, conv_name, nn.utils.fuse_conv_bn_eval(conv, norm))
                setattr(module, norm_name, nn.Identity())
    return net


def _describe_lite(net, x):
    x = interpolate(x, (128, 128), mode="bicubic", antialias=True).clamp(0, 1)
    # The range in which the weights were trained; the example of their package has another
    return net.extract_features((x * 255 - 127) / 128).mean((2, 3))  # (B, 1280, 4, 4) -> (B, 1280)


def _describe_inception(net, x):
    return net(2 * interpolate(x, (299, 299), mode="bilinear") - 1)


def features(images, kind="lite", device=DEVICE, batch=None, progress=True):
    """Features of images as float32 (N, D): D = 1280 ("lite") or 2048 ("inception").

    images: uint8 (N, H, W, 3), memory-mapped or not, or an iterable of such arrays. In fp32 on every device:
    bf16 moves FD-lite by 1 to 14 (tests/benchmarks/metrics.py), and 0.1 would be tolerable.
    """
    describe = feature_network(kind, device)
    batch = batch or (16 if device == "cpu" else 256)  # few at a time stay in a CPU's cache
    parts, total = ([images], len(images)) if hasattr(images, "shape") else (images, None)
    found = []
    with (
        torch.inference_mode(),
        torch.backends.cudnn.flags(enabled=True, allow_tf32=False),
        memory_advice(f"Take fewer images (a lower n), or a batch below {batch}."),
        Bar(total=total, desc=kind, unit="img", disable=not progress, mininterval=1, leave=False) as bar,
        ThreadChooser() as threads,
    ):
        for part in parts:
            for start in range(0, len(part), batch):
                pictures = np.array(part[start:start + batch])
                with threads.piece(len(pictures)):
                    x = torch.from_numpy(pictures).to(device).permute(0, 3, 1, 2)  # (B, 3, H, W)
                    found.append(describe(x.float() / 255).float().cpu().numpy())
                bar.update(len(pictures))
    return np.concatenate(found)


def gaussian(x):
    """(mu, sigma), the mean (D,) and the covariance (D, D) in float64, of features x (N, D)."""
    if len(x) < 2:
        raise GanlibError(f"Features of {len(x)} image(s) have no covariance: expected two or more.")
    if not np.isfinite(x).all():
        raise GanlibError("The features hold NaN or infinite values: look at the images that they come from.")
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
