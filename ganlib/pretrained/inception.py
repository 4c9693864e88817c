"""Inception-v3 with the weights of the original FID, for the metrics; downloaded when it is first used."""
import hashlib
import os
from pathlib import Path

import torch
from torch import nn
from torch.nn.functional import interpolate

from ..errors import GanlibError

INCEPTION = ("https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/"
             "pt_inception-2015-12-05-6726825d.pth")
INCEPTION_SHA256 = "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2"


def inception():
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
    net.load_state_dict(_weights())
    net.fc = nn.Identity()  # the features are what it would classify by
    return net


def inception_features(net, x):
    """What `net`, an `inception`, makes of x (B, 3, R, R) in [0, 1], bilinear to 299 pixels: (B, 2048)."""
    return net(2 * interpolate(x, (299, 299), mode="bilinear") - 1)


def _weights():
    """The weights at $GANLIB_INCEPTION, or where pytorch-fid has them: downloaded if missing, and checked."""
    cached = Path(torch.hub.get_dir(), "checkpoints", INCEPTION.rsplit("/", 1)[1])
    path = Path(os.environ.get("GANLIB_INCEPTION", cached))
    try:
        if not path.is_file():
            path.parent.mkdir(parents=True, exist_ok=True)
            torch.hub.download_url_to_file(INCEPTION, str(path), INCEPTION_SHA256)
    except (OSError, RuntimeError) as error:
        raise GanlibError(f"FID needs Inception's weights (96 MB), and the download failed ({error}).\n"
                          f"Get {INCEPTION} elsewhere and put it at {path}, or use the "
                          "features 'lite'.") from error
    if hashlib.sha256(path.read_bytes()).hexdigest() != INCEPTION_SHA256:
        raise GanlibError(f"{path} does not have the SHA-256 of the weights for 'inception': "
                          "delete it and get it anew.")
    return torch.load(path, map_location="cpu", weights_only=True)
