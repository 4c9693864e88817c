"""The networks of a config: MODELS names each kind, with the functions that build its G and its D."""
import torch

from . import dcgan, projected, stylegan, stylegan_fast


def _dcgan(config):
    widths = dcgan.dcgan_widths(config.resolution, config.width, config.max_width)
    G = dcgan.DCGANGenerator(
        config.resolution, widths, config.z_dim, config.g_act, config.residual, config.values)
    D = dcgan.DCGANDiscriminator(
        config.resolution, widths, config.d_norm, config.residual, config.dropout, config.spectral_norm,
        config.values)
    return G, D


def _stylegan(config):
    G = stylegan.StyleGANGenerator(config.resolution, _channels(config, config.width), *_latent(config))
    return G, stylegan.StyleGANDiscriminator(config.resolution, _channels(config, _d_width(config)))


def _stylegan_fast(config):
    G = stylegan_fast.FastGenerator(config.resolution, _channels(config, config.width), *_latent(config))
    return G, stylegan_fast.FastDiscriminator(config.resolution, _channels(config, _d_width(config)))


def _stylegan_projected(config):
    G = stylegan_fast.FastGenerator(config.resolution, _channels(config, config.width), *_latent(config))
    return G, projected.ProjectedDiscriminator(config.resolution)


def _channels(config, width):
    """Channels from 4x4 to the full resolution: `width` at 64x64, and twice as many at half the size."""
    sizes = range(2, config.resolution.bit_length())  # as powers of two
    return [min(max(1, width * 64 // 2**size), config.max_width) for size in sizes]


def _latent(config):
    return config.z_dim, config.w_dim, config.mapping_layers, config.mixing


def _d_width(config):
    return config.d_width or config.width


# kind: function of a config that gives G and D, with weights from torch's global generator
MODELS = {
    "dcgan": _dcgan,
    "stylegan": _stylegan,
    "stylegan-fast": _stylegan_fast,
    "stylegan-projected": _stylegan_projected,
}


def build_networks(config):
    """(G, D) for a Config, with freshly drawn weights that depend on its seed only."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        return MODELS[config.model](config)
