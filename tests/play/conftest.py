"""A generator with styles and directions, which characters and panels are made of."""
import pytest
import torch

from ganlib.models.build import build_networks
from ganlib.models.sampling import latents
from ganlib.models.store import load_generator, save_generator
from ganlib.play.directions import make_directions
from ganlib.presets import preset


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """runs/faces, a style-based generator whose pictures differ, and runs/plain, a DCGAN; both untrained."""
    folder = tmp_path_factory.mktemp("data")
    small = dict(resolution=32, width=8, max_width=16, z_dim=16, w_dim=12, mapping_layers=2)
    configs = {"faces": preset("stylegan-fast", **small), "plain": preset("dcgan", resolution=32, width=4)}
    for name, config in configs.items():
        torch.manual_seed(0)
        G = build_networks(config)[0]
        if name == "faces":
            G.calibrate([latents(500, G.z_dim)])
            for layer in G.layers:
                torch.nn.init.constant_(layer.strength, 0.2)
        (folder / "runs" / name).mkdir(parents=True)
        save_generator(folder / "runs" / name / "generator.safetensors", G, config, images=5)
    make_directions(folder / "runs" / "faces", ["hair length"], n=200)
    return folder / "runs"


@pytest.fixture(scope="module")
def generator(runs):
    return load_generator(runs / "faces")


@pytest.fixture(scope="module")
def G(generator):
    return generator.G
