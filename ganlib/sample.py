"""From latents to pictures, and back: truncation, mixing, walks, directions, latent files, inversion.

z (n, z_dim) ~ N(0, 1) goes into every generator; ws (n, L, w_dim), one style per layer, into style-based ones only.
"""
import hashlib
import json
import math
import warnings
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch.nn import functional as F
from tqdm.auto import tqdm

from .checkpoint import read_metadata, write_atomic
from .config import nearest
from .data import seeded
from .errors import GanlibError
from .stylegan import lite0

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


def to_uint8(x):
    """(B, 3, H, W) in [-1, 1] to uint8 (B, H, W, 3), rounded to nearest."""
    return x.float().add(1).mul(127.5).round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1)


@torch.no_grad()
def generate(G, z, batch=None, noise="fixed"):
    """Images of latents z (n, z_dim) or ws (n, L, w_dim): uint8 array (n, H, W, 3). G is put in eval mode.

    One w for all layers, (n, w_dim) as of `G.mapping`, is `w[:, None].repeat(1, G.num_layers, 1)`. noise of a style-based G:
    "fixed", "off" or a seed for fresh noise. Pictures of a growing generator are enlarged (nearest neighbour) to their final size.
    """
    z = styles(G, z) if noise != "fixed" and z.ndim == 2 else z
    device, batch, images = next(G.eval().parameters()).device, batch or max(1, min(64, 2**18 // G.resolution**2)), []
    _check(z[0], [len(layers_of(G)), len(G.w_avg)] if z.ndim == 3 else [G.z_dim])
    for i in range(0, len(z), batch):
        part = z[i:i + batch].to(device)
        images.append(to_uint8(G(part) if z.ndim == 2 else G.synthesis(part, _noise(G, noise, i, len(part)))).cpu())
    images = torch.cat(images).numpy()
    scale = G.resolution // images.shape[1]
    return images.repeat(scale, 1).repeat(scale, 2) if scale > 1 else images


def _check(x, expected):
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
        raise GanlibError(f"There are no layers {layers!r}.{nearest(layers, groups)}")
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
    _check(z[0], [G.num_layers, len(G.w_avg)] if z.ndim == 3 else [G.z_dim])
    z = z.to(G.w_avg.device)
    w = z if z.ndim == 3 else G.mapping(z)[:, None].repeat(1, G.num_layers, 1)
    return torch.lerp(G.w_avg, w, values.to(w.device))  # exact at psi 0 and 1


def swap(G, a, b, layers):
    """ws of a with the styles of b in `layers` (as for `layers_of`); a and b (..., L, w_dim) broadcast."""
    chosen = layers_of(G, layers)
    for x in a, b:
        _check(x, [G.num_layers, len(G.w_avg)])
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


def movie(path, images, fps=20):
    """Write images (n, H, W, 3) as a GIF or MP4 (`path` decides), small ones enlarged to about 256 pixels."""
    from . import show  # needs what notebooks need, and is not light

    encode, scale = show.encoder(path), max(1, 256 // images.shape[1])
    frames = [Image.fromarray(image.repeat(scale, 0).repeat(scale, 1)) for image in images]
    write_atomic(path, encode(frames, [1 / fps] * len(frames), 256))


def edit(G, ws, direction, strength, layers="all"):
    """ws + strength * direction (w_dim,) in `layers` only."""
    _check(direction, [len(G.w_avg)])
    return swap(G, ws, ws + strength * direction.to(ws.device), layers)


def factorise(G, layers="all", k=10):
    """(directions (k, w_dim), singular values (k,)): the unit steps in w that change the styles of `layers` the most.

    The right singular vectors of the layers' style weights, stacked (SeFa: Shen & Zhou 2021,
    https://arxiv.org/abs/2007.06600, eq. 8); the largest component of each is positive.
    """
    weights = [G.layers[i].style.weight * G.layers[i].style.scale for i in layers_of(G, layers)]
    _, values, vectors = torch.linalg.svd(torch.cat(weights).detach().double(), full_matrices=False)
    vectors = vectors * vectors.gather(1, vectors.abs().argmax(1, keepdim=True)).sign()
    return vectors[:k].float(), values[:k].float()


def label_directions(w, labels):
    """Directions (k, w_dim): the mean change of w (n, w_dim) per unit of each of k labels (n, k), the others held.
    Least squares of w on the labels: it needs fewer samples than labels on w, and leads to where faces are."""
    w, y = w.double().cpu(), torch.as_tensor(labels).double().reshape(len(w), -1)
    if not (y.std(0) > 0).all():
        raise GanlibError(f"All {len(y)} samples have the same label: expected different ones.")
    return torch.linalg.lstsq(y - y.mean(0), w - w.mean(0)).solution.float()


def face_colours(images):
    """RGB of hair (median) and eyes (mean, the dark counts more), float (n, 6), of faces (n, H, W, 3) as in a pack.

    Looked up in fixed places: on 1,486 real faces they tell the hair label (of 12) of 79% and the eyes' (of 10) of 73%,
    the colours of the detector animeface only of 73% and 60%.
    """
    n, u = len(images), images.shape[1] / 64
    top, left, right = (images[:, round(a * u):round(b * u), round(c * u):round(d * u)].reshape(n, -1, 3).astype(float)
                        for a, b, c, d in ((2, 12, 16, 48), (24, 32, 16, 24), (24, 32, 40, 48)))
    eyes = np.concatenate([left, right], 1)  # (n, pixels, 3)
    dark = (256 - eyes.mean(2, keepdims=True)) ** 2
    return np.concatenate([np.median(top, 1), (eyes * dark).sum(1) / dark.sum(1)], 1)


def colour_directions(G, n=1_000, seed=0):
    """(6, w_dim): the mean change of w per level of red, green, blue of hair, then of eyes, over n generated faces.
    A direction to a colour is (wanted - face_colours(image)) @ these, with zeros for what shall stay."""
    ws = styles(G, latents(n, G.z_dim, seed))
    return label_directions(ws[:, 0], face_colours(generate(G, ws)))


def identity(G):
    """What tells a generator (as `load_generator` gives it) from others, in words, down to a hash of its weights."""
    weights = hashlib.sha256()
    for name, value in sorted(G.state_dict().items()):
        weights.update(name.encode() + value.cpu().numpy().tobytes())
    return (f"{G.config.preset}, {G.resolution}x{G.resolution}, {int(G.info['images']):,} images seen, "
            f"data {G.config.data or 'unknown'}, weights {weights.hexdigest()[:12]}")


def save_latents(path, G, z, **settings):
    """Write z (n, z_dim) or ws (n, L, w_dim) as safetensors, with their model and settings (noise, psi, seeds, ...)."""
    about = {"format": "1", "kind": "ganlib latents", "model": identity(G), "settings": json.dumps(settings)}
    write_atomic(path, save({"latents": z.detach().cpu().contiguous()}, about))


def load_latents(path, G):
    """(z or ws, settings) as `save_latents` wrote them; raises GanlibError if they are of another model than G."""
    try:
        data = Path(path).read_bytes()
        about, z = read_metadata(data), load(data)["latents"]
        if about["format"] != "1" or about["kind"] != "ganlib latents":
            raise ValueError(f"format {about['format']} of {about['kind']}")
        model, settings = about["model"], json.loads(about["settings"])
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise GanlibError(f"{path} is not a latent file that this version can read ({error}).") from error
    if model != identity(G):
        raise GanlibError(f"{path} belongs to another model: {model}.\nThis is {identity(G)}.")
    return z, settings


def _perceive(net, x):
    """Features of x (B, 3, R, R) in [-1, 1] at four scales, of length 1 at every position (as in LPIPS)."""
    x, found = net._swish(net._bn0(net._conv_stem(F.interpolate(x, (128, 128), mode="bilinear")))), []
    for i, block in enumerate(net._blocks[:11]):
        x = block(x)
        found += [F.normalize(x, dim=1)] if i in (0, 2, 4, 10) else []
    return found


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
    features, small = _perceive(net, target), F.adaptive_avg_pool2d(target, 32)
    spread = styles(G, latents(1_000, G.z_dim))[:, 0].std(0).square().mean().sqrt()
    offset = torch.zeros(1, L, len(G.w_avg), device=device, requires_grad=True)
    adam = torch.optim.Adam([offset])
    for step in (bar := tqdm(range(steps), "finding the face", disable=not progress)):
        t = (step + 0.5) / steps
        adam.param_groups[0]["lr"] = 0.1 * min(1, t / 0.05, math.sin(math.pi / 2 * min(1, 4 - 4 * t)) ** 2)
        x = G.synthesis(G.w_avg + spread * offset)
        loss = sum((a - b).square().sum(1).mean() for a, b in zip(_perceive(net, x), features))
        loss = loss + 4 * F.mse_loss(F.adaptive_avg_pool2d(x, 32), small) + 0.01 * offset.square().mean()
        offset.grad, = torch.autograd.grad(loss, offset)
        adam.step()
        losses.append(loss.item())
        bar.set_postfix_str(f"loss {losses[-1]:.3f}", refresh=False)
        if callback:
            callback(step, (G.w_avg + spread * offset).detach(), losses[-1])
    return (G.w_avg + spread * offset).detach(), losses
