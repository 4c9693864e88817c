"""Small untrained generators as files, which several tests draw with."""
import torch

from ganlib.models.build import build_networks
from ganlib.models.sampling import latents
from ganlib.models.store import save_generator
from ganlib.presets import preset

SMALL = {
    "resolution": 32,
    "width": 4,
    "max_width": 16,
    "z_dim": 16,
    "w_dim": 12,
    "mapping_layers": 2,
    "grow": "",
}


def save_stylegan(path, seed=0, **changes):
    """A style-based generator with the mean of w set and noise that can be seen; z (n, 16), ws (n, 8, 12)."""
    config = preset("stylegan", **(SMALL | {"seed": seed} | changes))
    G = build_networks(config)[0]
    G.calibrate([latents(500, G.z_dim)])
    for layer in G.layers:
        torch.nn.init.constant_(layer.strength, 0.2)
    save_generator(path, G, config, images=1234 + seed)
    return path


def save_dcgan(path):
    """A generator without styles; z (n, 16)."""
    config = preset("dcgan", resolution=32, width=4, z_dim=16)
    save_generator(path, build_networks(config)[0], config)
    return path
