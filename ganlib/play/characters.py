"""A character: a face that is given by its settings alone, so that the same call brings it back."""
import math

import torch

from ..errors import GanlibError, did_you_mean
from ..models.asking import numbers_of
from ..models.labels import all_unknown
from ..models.sampling import latents, layer_groups, styles
from ..models.store import need_loaded, network
from .directions import directions, edit
from .named_colours import COLOURS, LOOKS, PLACES, steps_to_named
from .styles import label_vectors, labels_of, points, swap

STAY = "as it is"  # a colour that is left alone
OFFERED = 6  # faces that are offered around one


def neighbours(G, ws, seed, amount=0.4, psi=0.7, c=None):
    """ws (6, L, w_dim) near ws (1, L, w_dim): turned to new faces, as far from the mean face as before.

    c: the labels (1, K) of ws, which its neighbours have as well; None: they are unknown.
    """
    G = network(G)
    z = latents(OFFERED, G.z_dim, seed)
    c = None if c is None else c.expand(OFFERED, -1)
    mean, new = styles(G, z, 0, c), styles(G, z, psi, c)
    return mean + (1 - amount**2) ** 0.5 * (ws - mean) + amount * (new - mean)


def origin(G, seed=0, psi=0.7, steps=()):
    """ws (1, L, w_dim) of a seed, with its labels, after steps from neighbour to neighbour.

    steps: of each the seed of the neighbours, which of them was taken (0 to 5), and how different they were.
    """
    c = labels_of(G, [seed])
    ws = points(G, [seed], psi)
    for seed_of_step, number, amount in steps:
        ws = neighbours(G, ws, seed_of_step, amount, psi, c)[number:number + 1]
    return ws


def character(generator, seed=None, psi=0.7, steps=(), base=None, hair=STAY, hair_amount=1.0, eyes=STAY,
              eyes_amount=1.0, changes=None, hold=False, labels=None):
    """ws (1, L, w_dim) of a face from its settings alone, as the panels show them.

    seed, psi, steps: where the face comes from, as for `origin`; seed None is 0. base: ws (n, L, w_dim) of
    one or more faces in the place of psi and steps, with the labels of the seed; without a seed they are
    unknown.
    labels: of a generator that has learned some, {attribute: class}, or a mixture, as in {"hair": {"pink":
    0.7, "blue": 0.3}}. "as it is" may be a part of it. Pose and shape stay.
    hair, eyes: a name, reached at an amount of 1. It is such a label where the generator has learned it.
    Where not, it is a colour of `named_colours`, and the way there are directions in w.
    changes: {slider: strength}, sliders being LOOKS and the names of `directions`. With hold, colours leave
    the coarse layers (the shape) alone, and the other directions leave the colours alone. Raises GanlibError
    for a name that there is not.
    """
    G = need_loaded(generator).G
    named, colours = directions(generator)
    changes = changes or {}
    looks = {"hair": (hair, hair_amount), "eyes": (eyes, eyes_amount)}
    asked, measured = _told_apart(G, looks)
    _check_names(changes, [*LOOKS, *named])
    are_known = base is None or seed is not None
    c = labels_of(G, [seed or 0]) if are_known else all_unknown(G.attributes, 1, "cpu")
    ws = origin(G, seed or 0, psi, steps) if base is None else base
    layers = (layer_groups(G)["middle"].start, G.num_layers) if hold else "all"
    ws = edit(G, ws, _to_labels(G, c, asked | (labels or {})), 1.0, layers)
    colour = _to_named_colours(G, ws, colours, measured, layers)  # (n or 1, 6)
    shape = torch.zeros(len(G.w_avg))
    for name, strength in changes.items():
        if name in LOOKS:
            colour = colour + strength * torch.tensor(LOOKS[name])
        else:
            shape = shape + strength * (_without(named[name], colours) if hold else named[name])
    ws = edit(G, ws, shape, 1.0)
    return swap(G, ws, ws + (colour @ colours)[:, None].to(ws.device), layers)


def _check_names(names, known):
    for name in names:
        if name not in known:
            raise GanlibError(f"There is no {name!r}.{did_you_mean(name, known)}")


def _told_apart(G, looks):
    """({attribute: mixture} of labels that G has learned, {name: (colour, amount)} of the others).

    looks: {"hair": (name, amount), ...}; the names of those that G has not learned are checked.
    """
    asked, measured = {}, {}
    for name, (wanted, amount) in looks.items():
        if name not in G.attributes:
            _check_names([wanted], [STAY, *COLOURS[name]])
            measured[name] = wanted, amount
        elif wanted != STAY:
            asked[name] = {STAY: 1 - amount, wanted: amount}
    return asked, measured


def _to_labels(G, c, asked):
    """(w_dim,): the change of w from labels c (1, K) to what is asked, {attribute: class or mixture}."""
    change = torch.zeros_like(G.w_avg)
    for name, mixture in asked.items():
        for each, part in _parts(name, mixture).items():
            numbers = numbers_of(G, {name: None if each == STAY else each})  # raises for what there is not
            if each != STAY:
                wanted = c.clone()
                wanted[:, [*numbers]] = torch.tensor([*numbers.values()])
                change += part * (label_vectors(G, wanted) - label_vectors(G, c))[0]
    return change


def _parts(name, mixture):
    """{class: its part} of a class, or of a mixture {class: share}; the parts add up to 1."""
    try:
        shares = mixture if isinstance(mixture, dict) else {mixture: 1.0}
        whole = sum(shares.values())
        parts = {each: share / whole for each, share in shares.items()}
        if parts and all(math.isfinite(part) for part in parts.values()):
            return parts
    except (TypeError, ZeroDivisionError):
        pass  # the same sentence
    raise GanlibError(f"{name}={mixture!r}: expected a class, or how much of each of several classes, as in "
                      "{'pink': 0.7, 'blue': 0.3}.")


def _to_named_colours(G, ws, colours, looks, layers):
    """(n, 6): how many levels to go along `colours` for those that are named; (1, 6) zeros where none is.

    looks: {"hair": (name, amount), "eyes": ...}.
    """
    wanted = {name: colour for name, (colour, _) in looks.items() if colour != STAY}
    if not wanted:
        return torch.zeros(1, len(colours))
    way = steps_to_named(G, ws, colours, wanted, layers)
    amounts = torch.full((len(colours),), float(looks[next(iter(wanted))][1]))
    for name in wanted:
        amounts[PLACES[name]] = looks[name][1]
    return amounts * way


def _without(direction, others):
    """The part of a direction (w_dim,) that is orthogonal to others (k, w_dim)."""
    span = torch.linalg.qr(others.T)[0]
    return direction - span @ (span.T @ direction)
