"""Drawing with a generator: latents of a seed, styles and their truncation, noise, pictures.

z (n, z_dim) ~ N(0, 1) goes into every generator. ws (n, L, w_dim), one style per layer, goes into style-
based ones only. A parameter G is a network here; a LoadedGenerator is taken as well.
"""
import contextlib
import math
import warnings

import numpy as np
import torch

from ..errors import GanlibError, did_you_mean, memory_advice
from ..images import enlarged, to_uint8
from ..machine.threads import ThreadChooser
from ..seeding import seed_numbers, seeded
from .asking import drawn_labels
from .store import network

BLOCK = 64  # latents are drawn in blocks, so that the first n of a seed are the same for every n
ON_GPU = 2**20  # pixels that a GPU draws together: 256 pictures of 64x64, 1 GB for the widest layer of all
MANY = 8 * BLOCK  # images, from which on it pays to try how many threads draw them fastest


def latents(n, z_dim, seed=0, start=0):
    """z ~ N(0, 1) (n, z_dim): numbers start to start + n of a seed (number i depends on (seed, i) only)."""
    if n < 1:
        raise GanlibError(f"n={n}: expected at least one sample.")
    first = start // BLOCK
    last = (start + n - 1) // BLOCK
    draws = [seeded(seed, number, "latents") for number in range(first, last + 1)]
    z = torch.cat([torch.randn(BLOCK, z_dim, generator=draw) for draw in draws])
    begin = start - first * BLOCK
    return z[begin:begin + n]


def seed_latents(G, seeds):
    """z (n, z_dim), the first latent of each seed; seeds as for `seed_numbers`: a list, or as in "1,2,3"."""
    z_dim = network(G).z_dim
    return torch.cat([latents(1, z_dim, seed) for seed in seed_numbers(seeds)])


def seed_labels(G, seeds, labels=None):
    """c (n, K), the first labels of each seed, as of `drawn_labels`; None where G has learned none.

    labels: for all of them, as in {"hair": "pink"}, or a class for each, as in {"hair": ["pink", "blue"]}.
    """
    numbers = seed_numbers(seeds)
    each: list[dict] = [{} for _ in numbers]
    for name, asked in (labels or {}).items():
        classes = [asked] * len(numbers) if isinstance(asked, str | None) else list(asked)
        if len(classes) != len(numbers):
            raise GanlibError(f"{name}={asked!r}: expected one class, or one for each of the {len(numbers)} "
                              "faces.")
        for one, name_of_class in zip(each, classes, strict=True):
            one[name] = name_of_class
    found = [drawn_labels(G, 1, seed, 0, one) for seed, one in zip(numbers, each, strict=True)]
    return torch.cat(found) if network(G).attributes else None


@torch.no_grad()
def generate(G, z, batch=None, noise="fixed", c=None):
    """Images of latents z (n, z_dim) or ws (n, L, w_dim): uint8 array (n, H, W, 3). G is put in eval mode.

    c: labels (n, K) for z, of a generator that has learned labels; None: all are unknown.

    batch: images that are drawn together. noise, of a style-based G: "fixed", "off", or a seed for fresh
    noise. Pictures of a growing generator are enlarged to their final size, smoothly. A single w
    for all layers, (n, w_dim) as of `G.mapping`, becomes ws by `w[:, None].repeat(1, G.num_layers, 1)`.
    """
    return drawn(G, z, batch, noise, c).cpu().numpy()


@torch.no_grad()
def drawn(G, z, batch=None, noise="fixed", c=None):
    """As `generate`, a tensor on the device of G: the host does not wait until they are drawn."""
    G = network(G).eval()
    if z.ndim == 2 and (noise != "fixed" or c is not None):
        z = styles(G, z, c=c) if G.has_styles else G.told(z, c)
    check_latents(G, z)
    z = z.to(next(G.parameters()).device)
    batch = batch or _at_once(G)
    images = []
    with thread_chooser(G, len(z)) as chooser:
        for start in range(0, len(z), batch):
            part = z[start:start + batch]
            with chooser.piece(len(part)):
                x = G(part) if z.ndim == 2 else G.synthesis(part, _noise(G, noise, start, len(part)))
                images.append(to_uint8(x))
    x = torch.cat(images)
    scale = G.resolution // x.shape[1]
    return torch.from_numpy(enlarged(x.cpu().numpy(), scale)).to(x.device) if scale > 1 else x


def _at_once(G):
    """How many pictures of G are drawn together."""
    if next(G.parameters()).device.type == "cuda":
        return max(1, ON_GPU // G.resolution**2)
    return max(1, min(BLOCK, 2**18 // G.resolution**2))


def _noise(G, noise, start, n):
    """The noise inputs of n images from number `start` on; None for the fixed ones of G."""
    if noise == "fixed":
        return None
    if noise == "off":
        return [torch.zeros_like(x) for x in G.fixed_noise()]
    if not isinstance(noise, int):
        raise GanlibError(f"noise={noise!r}: expected 'fixed', 'off' or a whole number, the seed of fresh "
                          "noise.")
    draws = [seeded(noise, start + i, "noise") for i in range(n)]  # one per image, whatever the batches are

    def fresh(fixed):
        return torch.cat([torch.randn(fixed.shape, generator=draw) for draw in draws]).to(fixed.device)

    return [fresh(fixed) for fixed in G.fixed_noise()]


def thread_chooser(G, n):
    """The ThreadChooser for drawing n images of G; for few, and on a GPU, it leaves the threads alone."""
    on_cpu = next(network(G).parameters()).device.type == "cpu"
    return ThreadChooser("auto" if on_cpu and n >= MANY else torch.get_num_threads())


def sample_parts(generator, n=64, seed=0, psi=1.0, chooser=None, labels=None):
    """The images of `sample` in parts, uint8 arrays (b, H, W, 3): for more than fit the memory.

    b is 64 or less; on a GPU more. chooser: a `thread_chooser`, from a caller that does no work of its own on
    many threads between the parts.
    """
    return (part.cpu().numpy() for part in drawn_parts(generator, n, seed, psi, chooser, labels))


def drawn_parts(generator, n=64, seed=0, psi=1.0, chooser=None, labels=None):
    """As `sample_parts`, tensors on the generator's device."""
    G = network(generator)
    size = max(BLOCK, _at_once(G))
    for start in range(0, max(1, n), size):
        z = latents(min(size, n - start), G.z_dim, seed, start)
        c = drawn_labels(G, len(z), seed, start, labels)
        timed = chooser.piece(len(z)) if chooser else contextlib.nullcontext()
        with timed:
            images = drawn(G, styles(G, z, psi, c)) if psi != 1 else drawn(G, z, c=c)
        yield images


def sample(generator, n=64, seed=0, psi=1.0, labels=None):
    """n images of a generator (as `load_generator` gives it): uint8 array (n, H, W, 3); psi as for `styles`.

    labels: what to ask for, as in {"hair": "pink"}; see `drawn_labels`. Raises GanlibError where the
    generator has learned no such label, and where n images do not fit the memory.
    """
    side = network(generator).resolution
    advice = f"{n:,} images of {side}x{side} take {n * side**2 * 3 / 1e9:,.1f} GB: lower n."
    with memory_advice(advice), thread_chooser(generator, n) as chooser:
        images = np.empty((max(0, n), side, side, 3), np.uint8)
        start = 0
        for part in sample_parts(generator, n, seed, psi, chooser, labels):
            images[start:start + len(part)] = part
            start += len(part)
    return images


def check_latents(G, z):
    """Raise GanlibError unless z is (n, z_dim), or ws (n, L, w_dim) of a style-based G, with n at least 1."""
    expected = [len(layers_of(G)), len(G.w_avg)] if z.ndim == 3 else [G.z_dim]
    if not len(z):
        raise GanlibError(f"Latents of shape {[*z.shape]}: expected at least one.")
    if not G.has_styles and z.ndim == 2 and z.shape[1] == G.inputs:
        return  # z and the vector of its labels
    check_shape(z[0], expected)


def check_shape(x, expected):
    """Raise GanlibError unless the last dimensions of x are those expected."""
    if [*x.shape[-len(expected):]] != expected or x.ndim < len(expected):
        raise GanlibError(f"Latents of shape {[*x.shape]} each: expected {expected}. "
                          "Are they of another model?")


def layer_groups(G):
    """{"coarse", "middle", "fine": range of layers}: up to 8x8 pixels, up to 32x32, and above.

    So Karras et al. 2018, sec. 3.1. In a small model fine is the last resolution at least, and middle the
    one before. Raises GanlibError where G has no styles.
    """
    G = network(G)
    if not G.has_styles:
        raise GanlibError("This generator has no styles: it draws straight from z, and there is no w to "
                          "truncate, mix or change. Take a style-based one, as of the preset stylegan.")
    fine = min(8, G.num_layers - 2)
    middle = max(2, min(4, fine - 2))
    return {"coarse": range(middle), "middle": range(middle, fine), "fine": range(fine, G.num_layers)}


def layers_of(G, layers="all"):
    """The layers (a range) of "coarse", "middle", "fine" or "all", or of a pair (first, end)."""
    groups = layer_groups(G)
    L = groups["fine"].stop
    groups["all"] = range(L)
    if isinstance(layers, str):
        if layers not in groups:
            raise GanlibError(f"There are no layers {layers!r}.{did_you_mean(layers, groups)}")
        return groups[layers]
    begin, end = layers
    if not 0 <= begin <= end <= L:
        raise GanlibError(f"layers={layers}: expected a first and an end with 0 <= first <= end <= {L}.")
    return range(begin, end)


@torch.no_grad()
def styles(G, z, psi=1.0, c=None):
    """ws (n, L, w_dim) of z (n, z_dim), or of ws, truncated: w_avg + psi (w - w_avg).

    So Karras et al. 2018, app. B. c: labels (n, K) for z; None: all are unknown. The mean face has those
    labels as well, and so pink hair stays pink. psi: a number (0: the mean face, 1: no truncation), or
    one for each of several groups of layers, as in {"coarse": 0.5, "middle": 0.7}.
    """
    G = network(G)
    values = _psi_of_layers(G, psi)
    check_latents(G, z)
    device = G.w_avg.device
    z, c = z.to(device), None if c is None else c.to(device)
    w = z if z.ndim == 3 else G.mapping(z, c)[:, None].repeat(1, G.num_layers, 1)
    mean = G.w_avg if c is None else (G.w_avg + G.shift(c) - G.shift())[:, None]
    return torch.lerp(mean, w, values.to(w.device))  # exact at psi 0 and 1


def _psi_of_layers(G, psi):
    """(L, 1): psi, a number or a dict by group of layers, for each layer."""
    values = torch.ones(len(layers_of(G)), 1)
    by_group = psi if isinstance(psi, dict) else {"all": psi}
    for name, value in by_group.items():
        try:
            values[list(layers_of(G, name))] = float(value)
        except (TypeError, ValueError):
            values.fill_(math.nan)
    if not values.isfinite().all():
        raise GanlibError(f"psi={psi!r}: expected a number, or one for each of several groups of layers, as "
                          "in {'coarse': 0.5, 'fine': 0.7}.")
    if not ((values >= -1) & (values <= 2)).all():
        warnings.warn(f"psi={psi}: outside of -1 to 2 faces fall apart; 1 is no truncation.", stacklevel=4)
    return values
