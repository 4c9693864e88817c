"""State files to resume from, and generator files to sample from. Both are safetensors; no pickle."""
import torch

from . import dcgan, projected, stylegan, stylegan_fast


def build_networks(config):
    """(G, D) for a Config, with freshly drawn weights that depend on its seed only."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        if config.model == "dcgan":
            widths = dcgan.widths(config.resolution, config.width, config.max_width)
            G = dcgan.DCGANGenerator(config.resolution, widths, config.z_dim, config.g_act, config.residual, config.values)
            D = dcgan.DCGANDiscriminator(config.resolution, widths, config.d_norm, config.residual, config.dropout,
                                    config.spectral_norm, config.values)
        else:
            G, D = _style_based(config)
    return G, D


def _style_based(config):
    def channels(width):  # from 4x4 to the full resolution, `width` at 64x64
        return [min(max(1, width * 64 // 2**i), config.max_width) for i in range(2, config.resolution.bit_length())]

    latent = config.z_dim, config.w_dim, config.mapping_layers, config.mixing
    Generator, Discriminator = ((stylegan.StyleGANGenerator, stylegan.StyleGANDiscriminator) if config.model == "stylegan" else
                                (stylegan_fast.FastGenerator, stylegan_fast.FastDiscriminator))
    G = Generator(config.resolution, channels(config.width), *latent)
    if config.model == "stylegan-projected":
        return G, projected.ProjectedDiscriminator(config.resolution)
    return G, Discriminator(config.resolution, channels(config.d_width or config.width))
