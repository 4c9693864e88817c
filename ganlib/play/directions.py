"""Panels to play with a generator: walk, mix, directions, design a character, find a picture in it.

Core ipywidgets only, so that Colab, JupyterLab and VS Code can all show them. A face to click is a picture under a
transparent button of the same size, both in one cell of a GridBox: no CSS and no script of our own.
"""
import json

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from ..errors import GanlibError, did_you_mean
from ..files import write_atomic
from ..models.sampling import (
    check_shape,
    generate,
    latents,
    layer_groups,
    layers_of,
    seed_latents,
    styles,
)
from ..models.store import find_generator, load_generator, read_metadata
from .latent_files import identity
from .styles import swap

# What the labels of real faces look like in a pack of the Kaggle set (the mean `face_colours` of each)
HAIR_COLOURS = dict(black=(83, 78, 86), blonde=(237, 204, 152), blue=(110, 119, 164), brown=(153, 113, 96),
            green=(137, 160, 135), orange=(228, 162, 119), pink=(232, 163, 173), purple=(150, 114, 155),
            red=(185, 88, 98), white=(231, 209, 196))
EYE_COLOURS = dict(aqua=(63, 86, 93), black=(85, 78, 78), blue=(59, 70, 106), brown=(87, 64, 54), green=(62, 87, 69),
            orange=(110, 72, 59), pink=(102, 65, 78), purple=(88, 57, 96), red=(111, 50, 58), yellow=(112, 89, 59))
# Sliders for colours: what a step changes in red, green, blue of hair, then of eyes, in levels of 256
LOOKS = {"hair: dark – light": (20, 20, 20, 0, 0, 0), "hair: blue – red": (20, 0, -20, 0, 0, 0),
         "eyes: dark – light": (0, 0, 0, 10, 10, 10), "eyes: blue – red": (0, 0, 0, 10, 0, -10)}
STAY = "as it is"
NEIGHBOURS = 6


def edit(G, ws, direction, strength, layers="all"):
    """ws + strength * direction (w_dim,) in `layers` only."""
    check_shape(direction, [len(G.w_avg)])
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


def find_directions(G, names=(), n=4_000):
    """({"closed": (10, w_dim), "colours": (6, w_dim)}, about): a step of closed is a spread of w along it.

    names: what the first closed-form directions do, once someone looked; n: of how many faces colours are learnt.
    """
    closed, ws = factorise(G)[0], styles(G, latents(1_000, G.z_dim))[:, 0]
    closed = closed * ((ws - G.w_avg) @ closed.T).std(0)[:, None]
    names = [*names, *(f"direction {i + 1}" for i in range(len(names), len(closed)))]
    about = {"format": "1", "kind": "ganlib directions", "model": identity(G), "names": json.dumps(names)}
    return {"closed": closed.cpu().contiguous(), "colours": colour_directions(G, n).cpu().contiguous()}, about


def make_directions(source, names=(), n=4_000):
    """Write what `find_directions` finds as directions.safetensors beside the generator; returns the path."""
    path = find_generator(source).with_name("directions.safetensors")
    write_atomic(path, save(*find_directions(load_generator(source), names, n)))
    return path


def directions(G):
    """({name: (w_dim,)}, (6, w_dim)), from the file beside G's; without one (or of another model), a quick search."""
    if not hasattr(G, "directions"):
        layer_groups(G)  # it has styles, or an error says that it has none
        try:
            data = (G.folder / "directions.safetensors").read_bytes()
            tensors, about = load(data), read_metadata(data)
            if about["model"] != identity(G):
                raise ValueError
        except (AttributeError, OSError, ValueError, KeyError, SafetensorError):
            tensors, about = find_directions(G, n=500)
        G.directions = dict(zip(json.loads(about["names"]), tensors["closed"])), tensors["colours"]
    return G.directions


def neighbours(G, ws, dice, amount=0.4, psi=0.7):
    """ws (6, L, w_dim) near ws (1, L, w_dim): turned towards new faces, as far from the mean face as before."""
    new = styles(G, latents(NEIGHBOURS, G.z_dim, dice), psi)
    return G.w_avg + (1 - amount**2) ** 0.5 * (ws - G.w_avg) + amount * (new - G.w_avg)


def origin(G, seed=0, psi=0.7, steps=(), start=None):
    """ws (1, L, w_dim) of a seed (or start, if given) after steps (dice, which neighbour, amount)."""
    ws = styles(G, seed_latents(G, [seed]), psi) if start is None else start
    for dice, number, amount in steps:
        ws = neighbours(G, ws, dice, amount, psi)[number:number + 1]
    return ws


def character(G, seed=0, psi=0.7, steps=(), start=None, base=None, hair=STAY, hair_amount=1.0, eyes=STAY, eyes_amount=1.0,
         changes=None, hold=False):
    """ws (1, L, w_dim) of a face from its settings alone, as the panels show them; base: what `origin` gave for them.

    hair, eyes: a name in HAIR_COLOURS, EYE_COLOURS, reached at amount 1; changes: {slider: strength}. With hold, colours leave the
    coarse layers alone (the shape), and closed-form directions are made orthogonal to those of colours.
    """
    named, colours = directions(G)
    for name, known in [(hair, [STAY, *HAIR_COLOURS]), (eyes, [STAY, *EYE_COLOURS]), *((k, [*LOOKS, *named]) for k in changes or ())]:
        if name not in known:
            raise GanlibError(f"There is no {name!r}.{did_you_mean(name, known)}")
    ws = origin(G, seed, psi, steps, start) if base is None else base
    wanted, chosen = torch.zeros(6), ((HAIR_COLOURS.get(hair), hair_amount), (EYE_COLOURS.get(eyes), eyes_amount))
    if any(target for target, _ in chosen):
        now = torch.from_numpy(face_colours(generate(G, ws))[0]).float()
        for k, (target, amount) in enumerate(chosen):
            if target:
                wanted[3 * k:3 * k + 3] = amount * (torch.tensor(target) - now[3 * k:3 * k + 3])
    shape, span = torch.zeros(len(G.w_avg)), torch.linalg.qr(colours.T)[0]
    for name, strength in (changes or {}).items():
        if name in LOOKS:
            wanted = wanted + strength * torch.tensor(LOOKS[name])
        else:
            shape = shape + strength * (named[name] - hold * (span @ (span.T @ named[name])))
    layers = (layer_groups(G)["middle"].start, G.num_layers) if hold else "all"
    return edit(G, edit(G, ws, shape, 1.0), wanted @ colours, 1.0, layers)
