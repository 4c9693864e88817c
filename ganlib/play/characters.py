"""A character: a face that is given by its settings alone, so that the same call brings it back."""
import torch

from ..errors import GanlibError, did_you_mean
from ..models.sampling import generate, latents, layer_groups, seed_latents, styles
from ..models.store import need_loaded, network
from .directions import directions, edit, face_colours

# What the labels of real faces look like in a pack of the Kaggle set: the mean of `face_colours` of each
HAIR_COLOURS = {
    "black": (83, 78, 86),
    "blonde": (237, 204, 152),
    "blue": (110, 119, 164),
    "brown": (153, 113, 96),
    "green": (137, 160, 135),
    "orange": (228, 162, 119),
    "pink": (232, 163, 173),
    "purple": (150, 114, 155),
    "red": (185, 88, 98),
    "white": (231, 209, 196),
}
EYE_COLOURS = {
    "aqua": (63, 86, 93),
    "black": (85, 78, 78),
    "blue": (59, 70, 106),
    "brown": (87, 64, 54),
    "green": (62, 87, 69),
    "orange": (110, 72, 59),
    "pink": (102, 65, 78),
    "purple": (88, 57, 96),
    "red": (111, 50, 58),
    "yellow": (112, 89, 59),
}
# Sliders for colours: what a step changes in red, green, blue of the hair, then of the eyes, in levels of 256
LOOKS = {
    "hair: dark – light": (20, 20, 20, 0, 0, 0),
    "hair: blue – red": (20, 0, -20, 0, 0, 0),
    "eyes: dark – light": (0, 0, 0, 10, 10, 10),
    "eyes: blue – red": (0, 0, 0, 10, 0, -10),
}
STAY = "as it is"  # a colour that is left alone
OFFERED = 6  # faces that are offered around one


def neighbours(G, ws, seed, amount=0.4, psi=0.7):
    """ws (6, L, w_dim) near ws (1, L, w_dim): turned to new faces, as far from the mean face as before."""
    G = network(G)
    new = styles(G, latents(OFFERED, G.z_dim, seed), psi)
    return G.w_avg + (1 - amount**2) ** 0.5 * (ws - G.w_avg) + amount * (new - G.w_avg)


def origin(G, seed=0, psi=0.7, steps=()):
    """ws (1, L, w_dim) of a seed, after steps from neighbour to neighbour.

    steps: of each the seed of the neighbours, which of them was taken (0 to 5), and how different they were.
    """
    ws = styles(G, seed_latents(G, [seed]), psi)
    for seed_of_step, number, amount in steps:
        ws = neighbours(G, ws, seed_of_step, amount, psi)[number:number + 1]
    return ws


def character(generator, seed=0, psi=0.7, steps=(), base=None, hair=STAY, hair_amount=1.0, eyes=STAY,
              eyes_amount=1.0, changes=None, hold=False):
    """ws (1, L, w_dim) of a face from its settings alone, as the panels show them.

    seed, psi, steps: where the face comes from, as for `origin`; base: ws in the place of these three.
    hair, eyes: a name in HAIR_COLOURS and EYE_COLOURS, reached at an amount of 1. changes: {slider:
    strength}, sliders being LOOKS and the names of `directions`. With hold, colours leave the coarse layers
    (the shape) alone, and the other directions leave the colours alone. Raises GanlibError for a name that
    there is not.
    """
    G = need_loaded(generator).G
    named, colours = directions(generator)
    changes = changes or {}
    _check_names([hair], [STAY, *HAIR_COLOURS])
    _check_names([eyes], [STAY, *EYE_COLOURS])
    _check_names(changes, [*LOOKS, *named])
    ws = origin(G, seed, psi, steps) if base is None else base
    colour = _to_named_colours(G, ws, hair, hair_amount, eyes, eyes_amount)
    shape = torch.zeros(len(G.w_avg))
    for name, strength in changes.items():
        if name in LOOKS:
            colour = colour + strength * torch.tensor(LOOKS[name])
        else:
            shape = shape + strength * (_without(named[name], colours) if hold else named[name])
    layers = (layer_groups(G)["middle"].start, G.num_layers) if hold else "all"
    return edit(G, edit(G, ws, shape, 1.0), colour @ colours, 1.0, layers)


def _check_names(names, known):
    for name in names:
        if name not in known:
            raise GanlibError(f"There is no {name!r}.{did_you_mean(name, known)}")


def _to_named_colours(G, ws, hair, hair_amount, eyes, eyes_amount):
    """(6,): the change, in levels of 256, from the colours of a face to those that are named."""
    change = torch.zeros(6)
    if hair == STAY and eyes == STAY:
        return change
    now = torch.from_numpy(face_colours(generate(G, ws))[0]).float()
    if hair != STAY:
        change[:3] = hair_amount * (torch.tensor(HAIR_COLOURS[hair]) - now[:3])
    if eyes != STAY:
        change[3:] = eyes_amount * (torch.tensor(EYE_COLOURS[eyes]) - now[3:])
    return change


def _without(direction, others):
    """The part of a direction (w_dim,) that is orthogonal to others (k, w_dim)."""
    span = torch.linalg.qr(others.T)[0]
    return direction - span @ (span.T @ direction)
