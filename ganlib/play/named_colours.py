"""Colours by name, for generators that have learned no labels: where to aim, and how a face gets there."""
import torch

from ..models.sampling import generate
from ..models.store import network
from .directions import face_colours
from .styles import swap

# What `face_colours` should measure, so that few would give the colour another name. They are the nearest
# points to the mean of real faces with that label at which 9 in 10 faces have it: `python
# experiments/named_colours.py --aims PACK`. Purple hair, black eyes and brown eyes are a little darker
HAIR_COLOURS = {
    "black": (73, 66, 76),
    "blonde": (243, 216, 159),
    "blue": (105, 116, 166),
    "brown": (139, 94, 77),
    "green": (132, 158, 129),
    "orange": (232, 157, 112),
    "pink": (238, 168, 178),
    "purple": (125, 85, 140),
    "red": (186, 89, 100),
    "white": (254, 233, 215),
}
EYE_COLOURS = {
    "aqua": (63, 92, 102),
    "black": (62, 57, 60),
    "blue": (61, 71, 107),
    "brown": (66, 46, 38),
    "green": (60, 85, 67),
    "orange": (127, 75, 56),
    "pink": (110, 71, 86),
    "purple": (88, 57, 97),
    "red": (114, 47, 56),
    "yellow": (118, 98, 58),
}
COLOURS = {"hair": HAIR_COLOURS, "eyes": EYE_COLOURS}
PLACES = {"hair": slice(3), "eyes": slice(3, 6)}  # of each in what `face_colours` gives
# Sliders for colours: what a step changes in red, green, blue of the hair, then of the eyes, in levels of 256
LOOKS = {
    "hair: dark – light": (20, 20, 20, 0, 0, 0),
    "hair: blue – red": (20, 0, -20, 0, 0, 0),
    "eyes: dark – light": (0, 0, 0, 10, 10, 10),
    "eyes: blue – red": (0, 0, 0, 10, 0, -10),
}
STEPS = 5  # towards a named colour
FARTHEST = 220  # levels to go along a direction at most: beyond, faces burn and come no nearer
CLOSE = 20  # levels from the aim, within which a colour has its name


def steps_to_named(G, ws, colours, wanted, layers="all"):
    """(n, 6): how many levels to go along `colours` (6, w_dim), so that ws (n, L, w_dim) get what is wanted.

    wanted: {"hair": name, "eyes": name}, or one of them; the other one's colour stays. w and colours are no
    straight lines of each other, and one step falls short. So each of STEPS steps looks at the picture, and
    goes as far as the colours still are from the aim.
    """
    G = network(G)
    way = torch.zeros(len(ws), len(colours))
    aim = None
    for _ in range(STEPS):
        there = swap(G, ws, ws + (way @ colours)[:, None].to(ws.device), layers)
        now = torch.from_numpy(face_colours(generate(G, there))).float()
        if aim is None:
            aim = _aim(now, wanted)
        way = (way + aim - now).clamp(-FARTHEST, FARTHEST)
    return way


def _aim(now, wanted):
    """The colours (n, 6) to arrive at: those of now, with the wanted ones in their places."""
    aim = now.clone()
    for name, colour in wanted.items():
        aim[:, PLACES[name]] = torch.tensor(COLOURS[name][colour]).float()
    return aim


def how_near(image, wanted):
    """A sentence on the colours that a face, uint8 (H, W, 3), did not reach; "" where it has all of them.

    wanted: as for `steps_to_named`.
    """
    now = torch.from_numpy(face_colours(image[None])).float()
    away = (_aim(now, wanted) - now)[0]
    missed = []
    for name, colour in wanted.items():
        levels = away[PLACES[name]].norm().item()
        if levels > CLOSE:
            missed.append(f"{colour} {name} (still {levels:.0f} of 441 levels away)")
    if not missed:
        return ""
    return f"This face comes no nearer to {' and '.join(missed)}. Try another face, or a lower boldness."
