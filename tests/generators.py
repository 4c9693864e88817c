"""Small untrained generators as files, which several tests draw with."""
import json

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


CLASSES = {"hair": ["blue", "pink", "red"], "eyes": ["brown", "green"], "glasses": ["no", "yes"]}


def save_labelled(path, model="stylegan-fast", classes=CLASSES):
    """A generator with labels that can be seen. Who has red hair has green eyes; blue is often unknown."""
    labels = {"labels": ",".join(classes), "classes": json.dumps(classes)}
    changes = SMALL | labels if model != "dcgan" else dict(resolution=32, width=4, z_dim=16) | labels
    config = preset(model, **changes)
    G = build_networks(config)[0]
    dice = torch.Generator().manual_seed(0)
    for table in G.embed.tables:
        table.data.normal_(generator=dice)
    numbers = torch.arange(len(G.embed.rows))
    for column, names in enumerate(classes.values()):
        G.embed.rows[:, column] = numbers // (4 * 2**column) % len(names)
    if "eyes" in classes:
        G.embed.rows[G.embed.rows[:, 0] == 2, 1] = 1
        G.embed.rows[::8, 0] = -1
    G.calibrate([latents(500, G.z_dim)])
    save_generator(path, G, config, images=777)
    return path
