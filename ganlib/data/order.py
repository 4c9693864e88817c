"""In which order a pack's images come: another one in every epoch, and it follows from the seed."""
import math
from functools import lru_cache

import torch

from ..seeding import seeded

PART = 2 ** 20  # positions whose images are computed at a time: 8 MB
ROUNDS = 4  # of the mixing below, two halves each
BITS_32 = 2 ** 32 - 1


def images_at(count, seed, start, n, device="cpu"):
    """Which images come at the positions start to start + n of a run: int64 (n,) on `device`.

    count: images in the pack. An epoch is a stretch of `count` positions. Each image comes once in it.
    """
    found = []
    position = start
    while position < start + n:
        epoch, place = divmod(position, count)
        number, offset = divmod(place, PART)
        part = _part(count, seed, epoch, number, torch.device(device))
        found.append(part[offset:offset + start + n - position])
        position += len(found[-1])
    return torch.cat(found)


@lru_cache(maxsize=4)
def _part(count, seed, epoch, number, device):
    """The images at up to PART positions of an epoch, from position number * PART on.

    A pack of up to PART images is shuffled in memory. The order of a larger pack is computed part by part.
    """
    if count <= PART:
        order = torch.randperm(count, generator=seeded(seed, epoch, "order"))
        # the host does not wait for a copy from pinned memory
        return order.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else order.to(device)
    places = torch.arange(number * PART, min(count, (number + 1) * PART), device=device)
    keys = torch.randint(BITS_32 + 1, (ROUNDS, 2), generator=seeded(seed, epoch, "order")).tolist()
    return permuted(places, count, keys)


def permuted(places, count, keys):
    """Where a permutation of 0 to count - 1 takes each of `places`, int64 of any shape; no list is needed.

    keys: pairs of 32-bit ints; each choice of them is another permutation. A place is written as a row and a
    column of a table that is nearly square. In turn the one is moved by a hash of the other, as in a Feistel
    network, so that no two places meet. A place that ends in the table's unused rest is moved again until it
    does not ("cycle walking"). Both after Black and Rogaway 2002, Ciphers with Arbitrary Finite Domains.
    """
    columns = math.isqrt(count - 1) + 1
    rows = -(-count // columns)  # rounded up: rows * columns is count or a little more
    moved = _moved(places, rows, columns, keys)
    while (outside := moved >= count).any():
        moved[outside] = _moved(moved[outside], rows, columns, keys)
    return moved


def _moved(places, rows, columns, keys):
    """One pass of `permuted` over the whole table."""
    row, column = places // columns, places % columns
    for row_key, column_key in keys:
        row = (row + _hashed(column ^ row_key)) % rows
        column = (column + _hashed(row ^ column_key)) % columns
    return row * columns + column


def _hashed(x):
    """32 bits, in int64, that look random, from 32 bits: multiplications and shifts in turn.

    The factors have 31 bits, so that no product overflows.
    """
    x = (x ^ (x >> 16)) * 0x7FEB352D & BITS_32
    x = (x ^ (x >> 15)) * 0x31848BAB & BITS_32
    return x ^ (x >> 16)
