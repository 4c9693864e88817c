"""Images to features, the numbers by which a network describes a picture, and features to a Gaussian."""
import functools
import hashlib
import io
import json
import os
import zipfile
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn.functional import interpolate
from tqdm.auto import tqdm

from ..config import changed_keys
from ..errors import GanlibError, memory_advice
from ..files import data_dir, write_atomic
from ..machine.threads import ThreadChooser
from ..models.backbone import LITE0_SHA256, lite0

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
INCEPTION = ("https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/"
             "pt_inception-2015-12-05-6726825d.pth")


@dataclass(frozen=True)
class FeatureKind:
    """What a Fréchet distance of these features is called, what they are, and the SHA-256 of the weights."""

    measure: str
    about: str
    sha256: str


FEATURES = {
    "lite": FeatureKind("FD-lite", "EfficientNet-Lite0, 1280 features, bicubic to 128x128", LITE0_SHA256),
    "inception": FeatureKind("FID", "Inception-v3 as in pytorch-fid, 2048 features, bilinear to 299x299",
                             "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2"),
}


@functools.cache
def feature_network(kind, device):
    """The function from images (B, 3, H, W) in [0, 1] to features (B, D)."""
    if kind not in FEATURES:
        raise GanlibError(f"There are no features {kind!r}: expected {' or '.join(FEATURES)}.")
    net, describe = (_lite(), _describe_lite) if kind == "lite" else (_inception(), _describe_inception)
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


def _inception():
    """pytorch-fid's network: torchvision's, with other blocks. pytorch-fid itself would download weights."""
    from pytorch_fid.inception import FIDInceptionA, FIDInceptionC, FIDInceptionE_1, FIDInceptionE_2
    from torchvision.models import inception_v3

    net = inception_v3(weights=None, num_classes=1008, aux_logits=False, init_weights=False)
    for name, channels, pooled in (("Mixed_5b", 192, 32), ("Mixed_5c", 256, 64), ("Mixed_5d", 288, 64)):
        setattr(net, name, FIDInceptionA(channels, pool_features=pooled))
    for name, channels in (("Mixed_6b", 128), ("Mixed_6c", 160), ("Mixed_6d", 160), ("Mixed_6e", 192)):
        setattr(net, name, FIDInceptionC(768, channels_7x7=channels))
    net.Mixed_7b = FIDInceptionE_1(1280)
    net.Mixed_7c = FIDInceptionE_2(2048)
    net.load_state_dict(_inception_weights())
    net.fc = nn.Identity()  # the features are what it would classify by
    return net


def _describe_inception(net, x):
    return net(2 * interpolate(x, (299, 299), mode="bilinear") - 1)


def _inception_weights():
    """The weights at $GANLIB_INCEPTION, or where pytorch-fid has them: downloaded if missing, and checked."""
    cached = Path(torch.hub.get_dir(), "checkpoints", INCEPTION.rsplit("/", 1)[1])
    path = Path(os.environ.get("GANLIB_INCEPTION", cached))
    sha256 = FEATURES["inception"].sha256
    try:
        if not path.is_file():
            path.parent.mkdir(parents=True, exist_ok=True)
            torch.hub.download_url_to_file(INCEPTION, str(path), sha256)
    except (OSError, RuntimeError) as error:
        raise GanlibError(f"FID needs Inception's weights (96 MB), and the download failed ({error}).\n"
                          f"Get {INCEPTION} elsewhere and put it at {path}, or use the "
                          "features 'lite'.") from error
    if hashlib.sha256(path.read_bytes()).hexdigest() != sha256:
        raise GanlibError(f"{path} does not have the SHA-256 of the weights for 'inception': "
                          "delete it and get it anew.")
    return torch.load(path, map_location="cpu", weights_only=True)


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
        tqdm(total=total, desc=kind, unit="img", disable=not progress, mininterval=1, leave=False) as bar,
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
