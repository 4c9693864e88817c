"""From latents to pictures, and back: truncation, mixing, walks, directions, latent files, inversion.

z (n, z_dim) ~ N(0, 1) goes into every generator; ws (n, L, w_dim), one style per layer, into style-based ones only.
"""
import math

import numpy as np
import torch
from PIL import Image, ImageOps
from torch.nn import functional as F
from tqdm.auto import tqdm

from ..errors import GanlibError
from ..models.backbone import lite0, scales
from ..models.sampling import latents, layers_of, styles


def invert(G, image, steps=300, progress=True, callback=None):
    """(ws (1, L, w_dim), losses): the styles, one w per layer, that draw what is most like image, uint8 (H, W, 3).

    Adam from w_avg (after Karras et al. 2019, app. D), on features of EfficientNet-Lite0, on 32x32 averages, and on
    the distance from w_avg in units of w's spread. callback(step, ws, loss) is called after every step.
    """
    layers_of(G)
    if getattr(image, "dtype", None) != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise GanlibError(f"This is no image: found {getattr(image, 'shape', type(image))}; expected uint8 (H, W, 3).")
    device, L, net, losses = G.w_avg.device, G.num_layers, lite0().to(G.w_avg.device), []
    picture = np.array(ImageOps.fit(Image.fromarray(image), (G.resolution,) * 2, Image.LANCZOS))  # cut square
    target = torch.from_numpy(picture).to(device).permute(2, 0, 1)[None] / 127.5 - 1
    features, small = scales(net, target), F.adaptive_avg_pool2d(target, 32)
    spread = styles(G, latents(1_000, G.z_dim))[:, 0].std(0).square().mean().sqrt()
    offset = torch.zeros(1, L, len(G.w_avg), device=device, requires_grad=True)
    adam = torch.optim.Adam([offset])
    for step in (bar := tqdm(range(steps), "finding the face", disable=not progress)):
        t = (step + 0.5) / steps
        adam.param_groups[0]["lr"] = 0.1 * min(1, t / 0.05, math.sin(math.pi / 2 * min(1, 4 - 4 * t)) ** 2)
        x = G.synthesis(G.w_avg + spread * offset)
        loss = sum((a - b).square().sum(1).mean() for a, b in zip(scales(net, x), features))
        loss = loss + 4 * F.mse_loss(F.adaptive_avg_pool2d(x, 32), small) + 0.01 * offset.square().mean()
        offset.grad, = torch.autograd.grad(loss, offset)
        adam.step()
        losses.append(loss.item())
        bar.set_postfix_str(f"loss {losses[-1]:.3f}", refresh=False)
        if callback:
            callback(step, (G.w_avg + spread * offset).detach(), losses[-1])
    return (G.w_avg + spread * offset).detach(), losses
