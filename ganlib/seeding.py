"""Random numbers that follow from a seed and a position in the run, so that a resumed run draws the same."""
import hashlib

import torch

from .machine.processes import world


def mixed(seed, position, stream):
    """An int of 63 bits that depends on (seed, position in the run, name of the stream) and nothing else."""
    key = hashlib.blake2b(f"{stream}/{seed}/{position}".encode(), digest_size=8).digest()
    return int.from_bytes(key, "big") >> 1


def seeded(seed, position, stream):
    """A torch.Generator on the CPU, seeded by `mixed`."""
    return torch.Generator().manual_seed(mixed(seed, position, stream))


def draw(function, size, dice=None, dim=0):
    """What `function(size, generator=dice)` draws for the images of this process, such as torch.rand.

    size: of this process's images, whose dimension is `dim`. Where several processes train together, each
    draws for the whole batch, and keeps its own images' part: an image gets the same numbers in any case.
    """
    here = world()
    if here.size == 1:
        return function(size, generator=dice)
    whole = [n * here.size if i == dim else n for i, n in enumerate(size)]
    drawn = function(whole, generator=dice).movedim(dim, 0)
    return drawn[here.rank::here.size].movedim(0, dim)


def normal_like(x, dice=None):
    """Numbers ~ N(0, 1) in the shape and the memory layout of images x (B, ...), drawn as by `draw`."""
    return draw(lambda size, generator: _empty(size, x).normal_(generator=generator), x.shape, dice)


def uniform_like(x, dice=None):
    """Numbers ~ U(0, 1), likewise."""
    return draw(lambda size, generator: _empty(size, x).uniform_(generator=generator), x.shape, dice)


def bernoulli_like(x, p, dice=None):
    """Ones with the probability p, else zeros, likewise."""
    return draw(lambda size, generator: _empty(size, x).bernoulli_(p, generator=generator), x.shape, dice)


def _empty(size, x):
    """An empty tensor in the layout of x (B, ...), for as many images as `size` says."""
    return torch.empty_strided(size, torch.empty_like(x).stride(), dtype=x.dtype, device=x.device)
