"""Asking a generator for labels: class names to numbers, and labels drawn as they are in the data."""
import torch

from ..errors import GanlibError, did_you_mean
from ..seeding import seeded
from .labels import ROWS
from .store import network, shipped

UNKNOWN = "unknown"


def drawn_labels(G, n, seed=0, start=0, labels=None):
    """c int64 (n, K), numbers start to start + n of a seed; None where G has learned no labels.

    labels: {attribute: class} to ask for; the class "unknown" (or None) leaves it to G. Attributes that are
    not named are drawn as they occur together with those that are, in the data. Raises GanlibError for what G
    has not learned.
    """
    G = network(G)
    asked = numbers_of(G, labels or {})
    if not G.attributes:
        return None
    rows = _rows_with(G, asked)
    blocks = range(start // ROWS, (start + n - 1) // ROWS + 1)
    draws = [torch.randint(ROWS, (ROWS,), generator=seeded(seed, block, "labels")) for block in blocks]
    begin = start - blocks[0] * ROWS
    places = torch.cat(draws)[begin:begin + n]
    c = rows[places * len(rows) // ROWS]
    for column, number in asked.items():
        c[:, column] = number
    return c


def numbers_of(G, labels):
    """{column of c: number of the class} of {attribute: class}; GanlibError for what G has not learned."""
    G = network(G)
    found = {}
    for name, asked in labels.items():
        if name not in G.attributes:
            raise GanlibError(_no_attribute(G, name, asked))
        classes = G.attributes[name]
        if asked not in (None, UNKNOWN, *classes):
            raise GanlibError(f"{name}={asked!r}: there is no such class.{did_you_mean(asked, classes)}")
        found[list(G.attributes).index(name)] = classes.index(asked) if asked in classes else -1
    return found


def _no_attribute(G, name, asked):
    """Why G cannot be asked for an attribute, and what can."""
    if G.attributes:
        return (f"{name}={asked!r}: this generator has learned {', '.join(G.attributes)}, and no {name!r}."
                f"{did_you_mean(name, G.attributes)}")
    able = [source for source in shipped() if source.endswith("-labels")]
    others = f"Take one that comes with ganlib ({', '.join(able)}), or train" if able else "Train"
    return f"{name}={asked!r}: this generator has learned no labels. {others} one with labels='hair,eyes'."


def _rows_with(G, asked):
    """The rows of labels of training images that have what is asked for; all of them where none has."""
    rows = G.embed.rows.cpu()
    fits = torch.ones(len(rows), dtype=torch.bool)
    for column, number in asked.items():
        if number >= 0:
            fits &= rows[:, column] == number
    return rows[fits] if fits.any() else rows
