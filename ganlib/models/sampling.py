"""From latents to pictures, and back: truncation, mixing, walks, directions, latent files, inversion.

z (n, z_dim) ~ N(0, 1) goes into every generator; ws (n, L, w_dim), one style per layer, into style-based ones only.
"""
import math
import warnings

import torch

from ..errors import GanlibError, did_you_mean
from ..images import to_uint8
from ..seeding import seeded

BLOCK = 64  # latents are drawn in blocks, so that the first n of a seed are the same for every n


def latents(n, z_dim, seed=0):
    """z ~ N(0, 1) of shape (n, z_dim); number i depends on (seed, i) only."""
    if n < 1:
        raise GanlibError(f"n={n}: expected at least one sample.")
    blocks = [torch.randn(BLOCK, z_dim, generator=seeded(seed, i, "latents")) for i in range(-(-n // BLOCK))]
    return torch.cat(blocks)[:n]


def seed_latents(G, seeds):
    """z (n, z_dim), the first latent of each seed; seeds: whole numbers in a list, or as in "1,2,3"."""
    try:
        numbers = [int(str(s)) for s in (seeds.split(",") if isinstance(seeds, str) else seeds)]
        return torch.cat([latents(1, G.z_dim, seed) for seed in numbers])
    except (ValueError, TypeError, RuntimeError):
        raise GanlibError(f"seeds={seeds!r}: expected whole numbers with commas between them, as in 1,2,3.") from None


@torch.no_grad()
def generate(G, z, batch=None, noise="fixed"):
    """Images of latents z (n, z_dim) or ws (n, L, w_dim): uint8 array (n, H, W, 3). G is put in eval mode.

    One w for all layers, (n, w_dim) as of `G.mapping`, is `w[:, None].repeat(1, G.num_layers, 1)`. noise of a style-based G:
    "fixed", "off" or a seed for fresh noise. Pictures of a growing generator are enlarged (nearest neighbour) to their final size.
    """
    z = styles(G, z) if noise != "fixed" and z.ndim == 2 else z
    device, batch, images = next(G.eval().parameters()).device, batch or max(1, min(64, 2**18 // G.resolution**2)), []
    check_shape(z[0], [len(layers_of(G)), len(G.w_avg)] if z.ndim == 3 else [G.z_dim])
    for i in range(0, len(z), batch):
        part = z[i:i + batch].to(device)
        images.append(to_uint8(G(part) if z.ndim == 2 else G.synthesis(part, _noise(G, noise, i, len(part)))).cpu())
    images = torch.cat(images).numpy()
    scale = G.resolution // images.shape[1]
    return images.repeat(scale, 1).repeat(scale, 2) if scale > 1 else images


def check_shape(x, expected):
    if [*x.shape[-len(expected):]] != expected or x.ndim < len(expected):
        raise GanlibError(f"Latents of shape {[*x.shape]} each: expected {expected}. Are they of another model?")


def _noise(G, noise, start, n):
    if noise in ("fixed", "off"):
        return None if noise == "fixed" else [torch.zeros_like(x) for x in G.fixed_noise()]
    if not isinstance(noise, int):
        raise GanlibError(f"noise={noise!r}: expected 'fixed', 'off' or a whole number, the seed of fresh noise.")
    dice = [seeded(noise, start + i, "noise") for i in range(n)]  # one per image, whatever the batches are
    return [torch.cat([torch.randn(x.shape, generator=d) for d in dice]).to(x.device) for x in G.fixed_noise()]


def sample(G, n=64, seed=0, psi=1.0):
    """n images of a generator (as `load_generator` gives it): uint8 array (n, H, W, 3); psi as for `styles`."""
    z = latents(n, G.z_dim, seed)
    return generate(G, z if psi == 1 else styles(G, z, psi))


def layer_groups(G):
    """{"coarse", "middle", "fine": range of layers}: up to 8x8 pixels, up to 32x32, and above (Karras et al. 2018, sec.
    3.1); in a small model fine is the last resolution at least, and middle the one before."""
    if not hasattr(G, "mapping"):
        raise GanlibError("This generator has no styles: it draws straight from z, and there is no w to truncate, mix "
                          "or change. Take a style-based one, as of the preset stylegan.")
    fine = min(8, G.num_layers - 2)
    middle = max(2, min(4, fine - 2))
    return {"coarse": range(middle), "middle": range(middle, fine), "fine": range(fine, G.num_layers)}


def layers_of(G, layers="all"):
    """The layers (a range) of "coarse", "middle", "fine", "all", or from a to b (first, end; 0 <= a <= b <= L)."""
    groups = layer_groups(G) | {"all": range(G.num_layers)}
    if isinstance(layers, str) and layers not in groups:
        raise GanlibError(f"There are no layers {layers!r}.{did_you_mean(layers, groups)}")
    first, end = (groups[layers].start, groups[layers].stop) if isinstance(layers, str) else layers
    if not 0 <= first <= end <= G.num_layers:
        raise GanlibError(f"layers={layers}: expected a first and an end with 0 <= first <= end <= {G.num_layers}.")
    return range(first, end)


@torch.no_grad()
def styles(G, z, psi=1.0):
    """ws (n, L, w_dim) of z (n, z_dim), or of ws, truncated: w_avg + psi (w - w_avg) (Karras et al. 2018, app. B). psi: a number
    (0: the mean face, 1: no truncation) or several by group of layers, as in {"coarse": 0.5, "middle": 0.7}."""
    values = torch.ones(len(layers_of(G)), 1)
    for name, value in (psi if isinstance(psi, dict) else {"all": psi}).items():
        try:
            values[list(layers_of(G, name))] = float(value)
        except (TypeError, ValueError):
            values.fill_(math.nan)
    if not values.isfinite().all():
        raise GanlibError(f"psi={psi!r}: expected a number, or one for each of several groups of layers, as in "
                          "{'coarse': 0.5, 'fine': 0.7}.")
    if not ((values >= -1) & (values <= 2)).all():
        warnings.warn(f"psi={psi}: outside of -1 to 2 faces fall apart; 1 is no truncation.", stacklevel=3)
    check_shape(z[0], [G.num_layers, len(G.w_avg)] if z.ndim == 3 else [G.z_dim])
    z = z.to(G.w_avg.device)
    w = z if z.ndim == 3 else G.mapping(z)[:, None].repeat(1, G.num_layers, 1)
    return torch.lerp(G.w_avg, w, values.to(w.device))  # exact at psi 0 and 1
