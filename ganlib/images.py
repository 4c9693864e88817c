"""From latents to pictures, and back: truncation, mixing, walks, directions, latent files, inversion.

z (n, z_dim) ~ N(0, 1) goes into every generator; ws (n, L, w_dim), one style per layer, into style-based ones only.
"""
import io

import numpy as np
import torch
from PIL import Image

from .errors import GanlibError


def to_uint8(x):
    """(B, 3, H, W) in [-1, 1] to uint8 (B, H, W, 3), rounded to nearest."""
    return x.float().add(1).mul(127.5).round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1)


def encoded(save, format="png", **options):
    """The bytes that `save`, the save method of a picture or a figure, writes in a format."""
    file = io.BytesIO()
    save(file, format=format, **options)
    return file.getvalue()


def grid(images, columns=8, padding=2, scale=1):
    """Images side by side as one PIL image, with white lines of `padding` pixels between and around them.

    images: uint8 (N, H, W, 3) or float tensor (N, 3, H, W) in [-1, 1]; scale: a whole number by which small
    pictures are enlarged (nearest neighbour). Raises GanlibError for anything else.
    """
    x = images
    if hasattr(x, "detach"):
        x = (to_uint8(x.detach()) if x.is_floating_point() and x.ndim == 4 else x).cpu().numpy()
    if getattr(x, "dtype", None) != np.uint8 or x.ndim != 4 or x.shape[3] != 3 or not x.size:
        found = f"{getattr(x, 'dtype', type(x).__name__)} of shape {tuple(getattr(x, 'shape', ()))}"
        raise GanlibError(f"These are no images: found {found}; expected uint8 (N, H, W, 3) or float "
                          "(N, 3, H, W) in [-1, 1], with N at least 1.")
    columns, p = min(columns, len(x)), padding
    x = x.repeat(scale, 1).repeat(scale, 2)
    x = np.pad(x, ((0, -len(x) % columns), (0, p), (0, p), (0, 0)), constant_values=255)
    _, h, w, _ = x.shape  # with the lines below and to the right
    x = x.reshape(-1, columns, h, w, 3).swapaxes(1, 2).reshape(-1, columns * w, 3)  # (rows * h, ...)
    return Image.fromarray(np.pad(x, ((p, 0), (p, 0), (0, 0)), constant_values=255))
