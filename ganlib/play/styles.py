"""The faces of seeds and labels: style mixing, walks from face to face, and a table of all labels.

z (n, z_dim) ~ N(0, 1) goes into every generator. ws (n, L, w_dim), one style per layer, goes into style-based
ones only.
"""
import itertools
import math
from pathlib import Path

import numpy as np
import torch

from ..errors import GanlibError
from ..models.asking import numbers_of
from ..models.sampling import (
    check_shape,
    generate,
    layers_of,
    seed_labels,
    seed_latents,
    styles,
)
from ..models.store import network
from ..seeding import seed_numbers
from ..view.pictures import table
from .latent_files import is_latent_file, load_latents


def swap(G, a, b, layers):
    """ws of a with the styles of b in `layers` (as for `layers_of`); a and b (..., L, w_dim) broadcast."""
    G = network(G)
    chosen = layers_of(G, layers)
    for ws in a, b:
        check_shape(ws, [G.num_layers, len(G.w_avg)])
    from_b = torch.tensor([[i in chosen] for i in range(G.num_layers)], device=a.device)  # (L, 1)
    return torch.where(from_b, b, a)


def mix(G, rows, cols, layers="coarse", noise="fixed"):
    """Style mixing, uint8 (R, C, H, W, 3), as in figure 3 of Karras et al. 2018 and the report's figure 8.

    `layers` come from the faces across, cols (C, L, w_dim); the others from those down, rows (R, L, w_dim).
    """
    ws = swap(G, rows[:, None], cols[None], layers)  # (R, C, L, w_dim)
    images = generate(G, ws.flatten(0, 1), noise=noise)
    return images.reshape(len(rows), len(cols), *images.shape[1:])


def points(generator, seeds, psi=1.0, labels=None):
    """The faces that `mix` and `walk` go by: ws, or z where the generator has no styles.

    seeds: as for `seed_latents`, or the path of a latent file (.safetensors, or a .png that holds one). In a
    list both may stand; then the file's first face counts, with its own labels.
    labels: what to ask for, as for `seed_labels`; "pink,blue" is one for each face, and a single seed is then
    the same face each time. What is not asked for stays as it is drawn for the seed, so that a face with
    other hair keeps its eyes.
    """
    G = network(generator)
    if isinstance(seeds, list | tuple) and any(is_latent_file(one) for one in seeds):
        each = [points(generator, one)[:1] if is_latent_file(one) else points(generator, [one], psi, labels)
                for one in seeds]
        return torch.cat(each)
    if is_latent_file(seeds):
        if labels:
            raise GanlibError(f"{seeds} holds faces whose labels are fixed: ask for labels with seeds.")
        z, c = load_latents(seeds, generator)[0], None
    else:
        seeds, labels = _one_for_each(G, seeds, labels or {})
        z, c = seed_latents(generator, seeds), labels_of(generator, seeds, labels)
    if G.has_styles or psi != 1:
        return styles(generator, z, psi, c)
    return z if c is None else G.told(z, c).detach()


def labels_of(generator, seeds, labels=None):
    """c (n, K) of the faces of seeds; None where the generator has learned no labels.

    labels: what to ask for, as for `seed_labels`. What is not asked for stays as it is drawn for the seed.
    """
    G = network(generator)
    asked = seed_labels(G, seeds, labels)
    c = seed_labels(G, seeds)
    for column, name in enumerate(G.attributes):
        if name in (labels or {}):
            c[:, column] = asked[:, column]
    return c


def _one_for_each(G, seeds, labels):
    """(seeds, labels) with "pink,blue" as a list, and a single seed as often as there are classes."""
    seeds = seed_numbers(seeds)
    each = {}
    for name, asked in labels.items():
        is_class = not isinstance(asked, str) or asked in G.attributes.get(name, ())
        each[name] = asked if is_class or "," not in asked else asked.split(",")
    most = max([len(asked) for asked in each.values() if isinstance(asked, list)], default=1)
    return (seeds * most if len(seeds) == 1 else seeds), each


def mixing_sheet(generator, row_seeds, col_seeds, layers="coarse", psi=1.0, scale=1, labels=None):
    """PIL image of the table of `mix`, with the parents in its first column and row.

    seeds, labels: as for `points`, the labels for all faces. scale: how many times as large each picture is
    shown.
    """
    layers_of(generator, layers)  # raises where there are none, before any work
    rows, cols = (points(generator, seeds, psi, labels) for seeds in (row_seeds, col_seeds))
    mixed = mix(generator, rows, cols, layers)  # (R, C, H, W, 3)
    cells = np.pad(mixed, [(1, 0)] * 2 + [(0, 0)] * 3, constant_values=255)
    cells[1:, 0] = generate(generator, rows)
    cells[0, 1:] = generate(generator, cols)
    down, across = (["", *_names(*of)] for of in ((row_seeds, rows), (col_seeds, cols)))
    which = layers if isinstance(layers, str) else f"{layers[0]} to {layers[1] - 1}"
    return table(cells, down, across, "other layers: seed", f"layers {which}: seed", scale)


def _names(seeds, faces):
    """The labels of faces in a table: their seeds, or their numbers in a latent file."""
    if is_latent_file(seeds):
        return [f"no. {number}" for number in range(len(faces))]
    seeds = seeds.split(",") if isinstance(seeds, str) else seeds
    return [Path(seed).stem if is_latent_file(seed) else str(seed).strip() for seed in seeds]


def slerp(a, b, t):
    """From a (t=0) to b (t=1) at a constant angular speed (Shoemake 1985), on the last axis.

    The length goes from that of a to that of b at an even pace.
    """
    length_a, length_b = (v.double().norm(dim=-1, keepdim=True) for v in (a, b))
    x, y = a / length_a, b / length_b
    angle = (x * y).sum(-1, keepdim=True).clamp(-1, 1).acos().clamp(1e-6, math.pi - 1e-6)  # sin > 0
    turned = (torch.sin((1 - t) * angle) * x + torch.sin(t * angle) * y) / torch.sin(angle)
    return (turned * ((1 - t) * length_a + t * length_b)).to(a.dtype)


def walk(stops, frames=60, kind=None, loop=False):
    """`frames` latents on the way through stops, z (n, z_dim) or ws (n, L, w_dim), at an even pace.

    kind: "spherical" (the default for z) or "straight" (for ws). A loop goes on to the first stop, and ends a
    frame before it.
    """
    kind = kind or ("spherical" if stops.ndim == 2 else "straight")
    if kind not in ("spherical", "straight"):
        raise GanlibError(f"kind={kind!r}: expected 'spherical' or 'straight'.")
    if len(stops) < 2 or frames < 2:
        what = f"frames={frames}" if len(stops) > 1 else f"{len(stops)} face"
        raise GanlibError(f"{what}: a walk needs two at least, as in seeds 1,2 and 60 frames.")
    between = slerp if kind == "spherical" else torch.lerp
    legs = len(stops) - 1 + loop
    stops = torch.cat([stops, stops[:1]])
    times = torch.linspace(0, legs, frames + loop, dtype=torch.float64)[:frames].tolist()  # in legs
    way = []
    for time in times:
        leg = min(int(time), legs - 1)
        way.append(between(stops[leg], stops[leg + 1], time - leg))
    return torch.stack(way)


def walk_through(generator, seeds, frames=60, psi=1.0, labels=None, loop=False):
    """`frames` latents of a `walk` through the faces of `points`, for `generate`.

    They go straight through w where there is one. Without styles z turns, and labels go straight.
    """
    G = network(generator)
    stops = points(generator, seeds, psi, labels)
    if G.has_styles or not G.attributes:
        return walk(stops, frames, loop=loop)
    z, vectors = G.told(stops).split([G.z_dim, G.inputs - G.z_dim], 1)
    turned, straight = walk(z, frames, loop=loop), walk(vectors, frames, "straight", loop)
    return torch.cat([turned, straight], 1)


@torch.no_grad()
def label_vectors(G, c):
    """What labels c (n, K) add, counted from unknown ones: to w (n, w_dim), or to the numbers beside z."""
    G = network(G)
    c = c.to(next(G.parameters()).device)
    return G.embed(c) - G.embed(torch.full_like(c, -1))


@torch.no_grad()
def with_vectors(G, faces, vectors):
    """Faces whose labels are unknown, ws (n, L, w_dim) or z (n, z_dim), with `label_vectors` of others."""
    G = network(G)
    if G.has_styles:
        return faces + vectors[:, None].to(faces.device)
    told = G.told(faces)  # (n, inputs)
    z, unknown = told[:, :G.z_dim], told[:, G.z_dim:]
    return torch.cat([z, unknown + vectors.to(z.device)], 1)


def label_sheet(generator, seed=0, psi=1.0, attributes=None, scale=1):
    """PIL image of a table of one face with every label: the first attribute down, the second across.

    attributes: the names of one or two, such as ["eyes", "hair"]; one alone is across. None: the first two
    that the generator has learned. Other attributes stay as they are drawn for the seed. psi: as for
    `styles`; a generator without styles has 1 only. scale: how many times as large each picture is shown.
    Raises GanlibError where the generator has learned no such labels.
    """
    G = network(generator)
    if not G.attributes:
        raise GanlibError("This generator has learned no labels: there are none to ask for. Take one that "
                          "has, as of the preset stylegan-labels.")
    names = [attributes] if isinstance(attributes, str) else [*(attributes or [*G.attributes][:2])]
    if len({*names}) != len(names) or len(names) not in (1, 2):
        raise GanlibError(f"attributes={attributes!r}: expected the names of one or two, each once. This "
                          f"generator has learned {', '.join(G.attributes)}.")
    numbers_of(G, dict.fromkeys(names))  # raises for what it has not learned
    classes = [G.attributes[name] for name in names]
    each = list(itertools.product(*classes))  # row by row
    labels = dict(zip(names, map(list, zip(*each, strict=True)), strict=True))
    faces = points(generator, seed_numbers([seed]) * len(each), psi, labels)
    pictures = generate(generator, faces)
    if len(names) == 1:
        return table(pictures, columns=classes[0], column_title=names[0], scale=scale)
    down, across = classes
    return table(pictures, down, across, names[0], names[1], scale)
