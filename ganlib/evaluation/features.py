"""How far generated images are from real ones: images -> features -> statistics -> number, and a fair table of runs."""
import functools
import hashlib
import io
import json
import os
from itertools import pairwise
from pathlib import Path
from unittest import mock

import numpy as np
import torch
from torch import nn
from tqdm.auto import tqdm

from ..config import changed_keys
from ..errors import GanlibError
from ..files import data_dir, write_atomic
from ..models.backbone import LITE0_SHA256, lite0

FEATURES = {  # what a Fréchet distance of them is called, what they are, SHA-256 of the weights
    "lite": ("FD-lite", "EfficientNet-Lite0, 1280 features, bicubic to 128x128", LITE0_SHA256),
    "inception": ("FID", "Inception-v3 as in pytorch-fid, 2048 features, bilinear to 299x299",
                  "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2")}
INCEPTION = "https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/pt_inception-2015-12-05-6726825d.pth"
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


@functools.cache
def feature_network(kind, device):
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
    net, out = feature_network(kind, device), []
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
    feature_network(kind, device)  # which refuses an unknown kind, and fetches what is missing
    about = {"features": FEATURES[kind][1], "weights": FEATURES[kind][2], "images": f"{pack.images.shape} {pack.hash}"}
    path = data_dir() / "stats" / f"stats-{kind}-{len(pack)}-{pack.hash}.npz"
    if path.exists():
        with np.load(path) as file:
            if changed := changed_keys(json.loads(str(file["about"])), about):
                lines = "; ".join(f"{k}: {a} there, {b} now" for k, (a, b) in changed.items())
                raise GanlibError(f"{path} holds other statistics ({lines}): delete it and call again.")
            return file["features"], (file["mu"], file["sigma"])
    found, buffer = features(pack.images, kind, device, progress=progress), io.BytesIO()
    mu, sigma = statistics(found)
    np.savez(buffer, features=found, mu=mu, sigma=sigma, about=json.dumps(about))
    write_atomic(path, buffer.getvalue())
    return found, (mu, sigma)
