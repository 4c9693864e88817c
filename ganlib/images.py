"""Pictures as arrays: from tensors to pixels, to a grid, to the bytes of a file."""
import io

import numpy as np
import torch
from PIL import Image
from torch.nn.functional import adaptive_avg_pool2d

from .errors import GanlibError

# How pictures get another size: softer than Lanczos, which draws pale seams along lines and round eyes
SMOOTH = Image.Resampling.BICUBIC


def to_uint8(x):
    """(B, 3, H, W) in [-1, 1] to uint8 (B, H, W, 3), rounded to nearest."""
    return x.float().add(1).mul(127.5).round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1)


def spread(images):
    """How varied pictures are, from 0 to 1: the mean distance between two. uint8 (N, H, W, 3), N at least 2.

    The distance is the root mean square over 8x8 regions and three colours. It falls when modes collapse, and
    ignores fine noise.
    """
    x = torch.from_numpy(np.asarray(images)).permute(0, 3, 1, 2).float() / 255
    regions = adaptive_avg_pool2d(x, 8).flatten(1)  # (N, 3 * 8 * 8)
    return (torch.pdist(regions) / regions.shape[1] ** 0.5).mean().item()


def encoded(save, format="png", **options):
    """The bytes that `save`, the save method of a picture or a figure, writes in a format."""
    file = io.BytesIO()
    save(file, format=format, **options)
    return file.getvalue()


def resized(picture, size):
    """A PIL image in another size, (width, height) in pixels, smoothly. There is no other way here."""
    size = max(1, round(size[0])), max(1, round(size[1]))
    return picture if size == picture.size else picture.resize(size, SMOOTH)


def enlarged(images, scale):
    """Pictures `scale` times as wide and as high, smoothly: uint8 (N, H, W, 3), or one PIL image.

    scale: a number above 0. What comes back is of the kind that was given. Raises GanlibError for another
    scale, and for an array that is none of images.
    """
    if not (isinstance(scale, int | float | np.number) and 0 < scale < float("inf")):
        raise GanlibError(f"scale={scale!r}: expected a number above 0, as 2 for twice as wide and as high.")
    if isinstance(images, Image.Image):
        return resized(images, (scale * images.width, scale * images.height))
    x = pixels_of(images)
    if scale == 1:
        return x
    return np.stack([np.asarray(enlarged(Image.fromarray(one), scale)) for one in x])


def grid(images, columns=8, padding=2, scale=1):
    """Images side by side as one PIL image, with white lines of `padding` pixels between and around them.

    images: uint8 (N, H, W, 3) or float tensor (N, 3, H, W) in [-1, 1]. scale: how many times as large each
    picture is shown, as for `enlarged`; the lines stay as they are. Raises GanlibError for anything else.
    """
    x = enlarged(images, scale)
    columns = min(columns, len(x))
    missing = -len(x) % columns  # places that stay white in the last row
    x = np.pad(x, ((0, missing), (0, padding), (0, padding), (0, 0)), constant_values=255)
    _, height, width, _ = x.shape  # each with the lines below it and to its right
    x = x.reshape(-1, columns, height, width, 3)  # (rows, columns, ...)
    x = x.swapaxes(1, 2).reshape(-1, columns * width, 3)  # (rows * height, columns * width, 3)
    return Image.fromarray(np.pad(x, ((padding, 0), (padding, 0), (0, 0)), constant_values=255))


def cut(sheet, columns=8, padding=2):
    """The pictures of a sheet that `grid` made, a PIL image: uint8 (rows, columns, H, W, 3)."""
    pitch = (sheet.width - padding) // columns  # from picture to picture
    rows = (sheet.height - padding) // pitch
    x = np.asarray(sheet.convert("RGB"))[padding:padding + rows * pitch, padding:padding + columns * pitch]
    x = x.reshape(rows, pitch, columns, pitch, 3).swapaxes(1, 2)
    return x[:, :, :pitch - padding, :pitch - padding]


def pixels_of(images):
    """uint8 (N, H, W, 3) of such an array, or of a float tensor (N, 3, H, W) in [-1, 1].

    Raises GanlibError for anything else.
    """
    x = images
    if isinstance(x, torch.Tensor):
        x = x.detach()
        if x.is_floating_point() and x.ndim == 4:
            x = to_uint8(x)
        x = x.cpu().numpy()
    dtype, shape = getattr(x, "dtype", None), tuple(getattr(x, "shape", ()))
    if dtype != np.uint8 or len(shape) != 4 or shape[3] != 3 or 0 in shape:
        found = f"{dtype or type(x).__name__} of shape {shape}"
        raise GanlibError(f"These are no images: found {found}; expected uint8 (N, H, W, 3) or float "
                          "(N, 3, H, W) in [-1, 1], with N at least 1.")
    return x
