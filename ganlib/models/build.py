"""The networks of a config: MODELS names each kind, with the function that builds its G and its D."""
from collections.abc import Callable
from functools import partial

import torch

from . import dcgan, projected, stylegan, stylegan_fast


def _dcgan(config):
    widths = dcgan.dcgan_widths(config.resolution, config.width, config.max_width)
    G = dcgan.DCGANGenerator(
        config.resolution, widths, config.z_dim, config.g_act, config.residual, config.values,
        config.attributes())
    D = dcgan.DCGANDiscriminator(
        config.resolution, widths, config.d_norm, config.residual, config.dropout, config.spectral_norm,
        config.values, config.attributes())
    return G, D


def _style_based(generator, discriminator, config):
    latent = config.z_dim, config.w_dim, config.mapping_layers, config.mixing
    G = generator(config.resolution, _channels(config, config.width), *latent, config.attributes())
    D = discriminator(config.resolution, _channels(config, config.d_width or config.width),
                      config.attributes())
    return G, D


def _channels(config, width):
    """Channels from 4x4 to the full resolution: `width` at 64x64, and twice as many at half the size."""
    sizes = range(2, config.resolution.bit_length())  # as powers of two
    return [min(max(1, width * 64 // 2**size), config.max_width) for size in sizes]


def _projected(resolution, widths, attributes):
    """The projected discriminator, whose widths are its backbone's. It has no labels."""
    return projected.ProjectedDiscriminator(resolution)


# kind: function of a config that gives G and D, with weights from torch's global generator
MODELS: dict[str, Callable] = {
    "dcgan": _dcgan,
    "stylegan": partial(_style_based, stylegan.StyleGANGenerator, stylegan.StyleGANDiscriminator),
    "stylegan-fast": partial(_style_based, stylegan_fast.FastGenerator, stylegan_fast.FastDiscriminator),
    "stylegan-projected": partial(_style_based, stylegan_fast.FastGenerator, _projected),
}


def build_networks(config):
    """(G, D) for a Config, with freshly drawn weights that depend on its seed only."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        return MODELS[config.model](config)
