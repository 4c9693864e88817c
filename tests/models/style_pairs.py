"""Small style-based networks that several tests use: z (n, 12), w (n, 10), four sizes up to 32 pixels."""
import torch

from ganlib.models.stylegan import StyleGANDiscriminator, StyleGANGenerator
from ganlib.models.stylegan_fast import FastDiscriminator, FastGenerator

SIZES = [4, 8, 16, 32]
WIDTHS = [8, 8, 6, 4]
LATENT = {"z_dim": 12, "w_dim": 10, "mapping_layers": 3}


def faithful(resolution=32):
    """The published pair, which grows."""
    widths = WIDTHS[:SIZES.index(resolution) + 1]
    return StyleGANGenerator(resolution, widths, **LATENT), StyleGANDiscriminator(resolution, widths)


def fast():
    """The pair for little compute."""
    return FastGenerator(32, WIDTHS, **LATENT), FastDiscriminator(32, WIDTHS)


PAIRS = {"faithful": faithful, "fast": fast}


def give_noise_a_strength(G):
    """The learned strengths start at 0, where noise has no effect that a test could see."""
    for layer in G.layers:
        torch.nn.init.constant_(layer.strength, 0.3)


def with_gradient(module):
    """The names of the parameters that a gradient has reached."""
    return {name for name, p in module.named_parameters() if p.grad is not None and p.grad.any()}
