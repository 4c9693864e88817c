"""DiffAugment: all that D sees is distorted at random, differentiably (Zhao et al. 2020, arXiv:2006.10738)."""
import torch

from ..errors import GanlibError, did_you_mean


def color(x):
    """Brightness shifted by U(-0.5, 0.5), saturation scaled by U(0, 2), contrast by U(0.5, 1.5), for each image."""
    brightness, saturation, contrast = torch.rand(3, len(x), 1, 1, 1, device=x.device, dtype=x.dtype)
    x = torch.lerp(x.mean(1, keepdim=True), x, 2 * saturation) + (brightness - 0.5)  # away from each pixel's grey
    return torch.lerp(x.mean((1, 2, 3), keepdim=True), x, contrast + 0.5)  # away from each image's mean


def translation(x):
    """Shifted by up to 1/8 of the side both ways, with zeros (mid-grey) where nothing moves in."""
    n, _, side, _ = x.shape
    most = round(side / 8)  # rows and columns, (n, side) each: a window on the padded image
    rows, columns = torch.randint(2 * most + 1, (2, n, 1), device=x.device) + torch.arange(side, device=x.device)
    x = torch.nn.functional.pad(x, [most] * 4).permute(0, 2, 3, 1)
    return x[torch.arange(n, device=x.device)[:, None, None], rows[:, :, None], columns[:, None]].permute(0, 3, 1, 2)


def cutout(x):
    """A square of half the side is zero, its centre anywhere in the image, so that it may reach beyond the edge."""
    side = x.shape[2]
    corner = torch.randint(side + 1, (2, len(x), 1), device=x.device) - side // 4
    offset = torch.arange(side, device=x.device) - corner  # (2, n, side): from the square's top and left
    rows, columns = (offset >= 0) & (offset < side // 2)
    return x * ~(rows[:, None, :, None] & columns[:, None, None, :])

POLICIES = {"color": color, "translation": translation, "cutout": cutout}


def augment(x, policy):
    """Images x (B, 3, R, R) in [-1, 1], each distorted in its own way (colors may leave the range).

    policy: names of POLICIES, comma separated, applied in that order; "" returns x itself.
    """
    for name in filter(None, map(str.strip, policy.split(","))):
        if name not in POLICIES:
            raise GanlibError(f"There is no augmentation {name!r}.{did_you_mean(name, POLICIES)}")
        x = POLICIES[name](x)
    return x
