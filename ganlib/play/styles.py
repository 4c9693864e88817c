"""From latents to pictures, and back: truncation, mixing, walks, directions, latent files, inversion.

z (n, z_dim) ~ N(0, 1) goes into every generator; ws (n, L, w_dim), one style per layer, into style-based ones only.
"""
import math
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from ..errors import GanlibError
from ..models.sampling import check_shape, generate, layers_of, seed_latents, styles
from .latent_files import load_latents


def swap(G, a, b, layers):
    """ws of a with the styles of b in `layers` (as for `layers_of`); a and b (..., L, w_dim) broadcast."""
    chosen = layers_of(G, layers)
    for x in a, b:
        check_shape(x, [G.num_layers, len(G.w_avg)])
    return torch.where(torch.tensor([[i in chosen] for i in range(G.num_layers)], device=a.device), b, a)


def mix(G, rows, cols, layers="coarse", noise="fixed"):
    """Style mixing, uint8 (R, C, H, W, 3): `layers` from the faces across, cols (C, L, w_dim), the others from those
    down, rows (R, L, w_dim). Figure 3 of Karras et al. 2018, and the report's figure 8."""
    images = generate(G, swap(G, rows[:, None], cols[None], layers).flatten(0, 1), noise=noise)
    return images.reshape(len(rows), len(cols), *images.shape[1:])


def points(G, seeds, psi=1.0):
    """What `mix` and `walk` go by: ws of seeds (as for `seed_latents`), or what is in a latent file; z where G has no styles."""
    file = isinstance(seeds, str | Path) and Path(seeds).suffix == ".safetensors"
    z = load_latents(seeds, G)[0] if file else seed_latents(G, seeds)
    return styles(G, z, psi) if hasattr(G, "mapping") or psi != 1 else z


def mixing_sheet(G, row_seeds, col_seeds, layers="coarse", psi=1.0):
    """PIL image of the table of `mix`, with the parents in the first column and the first row; seeds as for `points`."""
    layers_of(G)  # or: why it has no styles
    rows, cols = points(G, row_seeds, psi), points(G, col_seeds, psi)
    table = np.pad(mix(G, rows, cols, layers), [(1, 0)] * 2 + [(0, 0)] * 3, constant_values=255)
    table[1:, 0], table[0, 1:] = generate(G, rows), generate(G, cols)
    table = np.pad(table, [(0, 0)] * 2 + [(1, 1)] * 2 + [(0, 0)], constant_values=255).swapaxes(1, 2)
    return Image.fromarray(table.reshape(len(table) * table.shape[1], -1, 3))


def slerp(a, b, t):
    """From a (t=0) to b (t=1) at constant angular speed (Shoemake 1985), on the last axis; the length goes straight."""
    r, s = (v.double().norm(dim=-1, keepdim=True) for v in (a, b))
    x, y = a / r, b / s
    angle = (x * y).sum(-1, keepdim=True).clamp(-1, 1).acos().clamp(1e-6, math.pi - 1e-6)  # sin > 0
    way = (torch.sin((1 - t) * angle) * x + torch.sin(t * angle) * y) / torch.sin(angle)
    return (way * ((1 - t) * r + t * s)).to(a.dtype)


def walk(points, frames=60, kind=None, loop=False):
    """`frames` latents on the way through points, z (n, z_dim) or ws (n, L, w_dim), at an even pace. kind: "spherical"
    (default for z) or "straight" (for ws). A loop goes on to the first point, and ends a frame before it."""
    kind, legs = kind or ("spherical" if points.ndim == 2 else "straight"), len(points) - 1 + loop
    if kind not in ("spherical", "straight"):
        raise GanlibError(f"kind={kind!r}: expected 'spherical' or 'straight'.")
    if len(points) < 2 or frames < 2:
        what = f"frames={frames}" if len(points) > 1 else f"{len(points)} face"
        raise GanlibError(f"{what}: a walk needs two at least, as in seeds 1,2 and 60 frames.")
    step, points = slerp if kind == "spherical" else torch.lerp, torch.cat([points, points[:1]])
    times = torch.linspace(0, legs, frames + loop, dtype=torch.float64)[:frames].tolist()
    return torch.stack([step(points[i], points[i + 1], t - i) for t in times for i in [min(int(t), legs - 1)]])
