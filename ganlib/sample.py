"""From latents to pictures."""
import numpy as np
import torch

from .data import seeded
from .errors import GanlibError

BLOCK = 64  # latents are drawn in blocks, so that the first n of a seed are the same for every n


def latents(n, z_dim, seed=0):
    """z ~ N(0, 1) of shape (n, z_dim); number i depends on (seed, i) only."""
    if n < 1:
        raise GanlibError(f"n={n}: expected at least one sample.")
    blocks = [torch.randn(BLOCK, z_dim, generator=seeded(seed, i, "latents")) for i in range(-(-n // BLOCK))]
    return torch.cat(blocks)[:n]


def to_uint8(x):
    """(B, 3, H, W) in [-1, 1] to uint8 (B, H, W, 3), rounded to nearest."""
    return x.float().add(1).mul(127.5).round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1)


@torch.no_grad()
def generate(G, z, batch=64):
    """Images of the latents z (n, z_dim): uint8 array (n, H, W, 3). G is put in eval mode.

    Pictures of a generator that is still growing are enlarged (nearest neighbour) to their final size.
    """
    G.eval()
    device = next(G.parameters()).device
    images = np.concatenate([to_uint8(G(part.to(device))).cpu().numpy() for part in z.split(batch)])
    scale = G.resolution // images.shape[1]
    return images.repeat(scale, 1).repeat(scale, 2) if scale > 1 else images


def sample(G, n=64, seed=0):
    """n images of a generator (as `load_generator` gives it): uint8 array (n, H, W, 3)."""
    return generate(G, latents(n, G.z_dim, seed))
