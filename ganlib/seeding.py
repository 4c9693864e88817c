"""Random numbers that follow from a seed and a position in the run, so that a resumed run draws the same."""
import hashlib
import operator
import re

import torch

from .errors import GanlibError
from .machine.processes import world


def mixed(seed, position, stream):
    """An int of 63 bits that depends on (seed, position in the run, name of the stream) and nothing else."""
    key = hashlib.blake2b(f"{stream}/{seed}/{position}".encode(), digest_size=8).digest()
    return int.from_bytes(key, "big") >> 1


def seed_numbers(seeds):
    """Seeds as a list of whole numbers: from a list, or from a text with commas or spaces between them.

    A word is a seed as well, such as a name: it stands for the number of `seed_of_word`. Raises GanlibError
    for anything else, such as 1.5, and where there is none.
    """
    try:
        numbers = [_seed_number(word) for word in _separated(seeds)]
        return numbers if numbers else [int("")]
    except (ValueError, TypeError):
        raise GanlibError(f"seeds={seeds!r}: expected whole numbers or words with commas between them, as in "
                          "1,2,3 or ann,bob.") from None


def _separated(seeds):
    """Seeds one by one, of a text with commas or spaces between them; a list is passed through."""
    return re.split(r"[,\s]+", seeds.strip(", \t\n")) if isinstance(seeds, str) else seeds


def _seed_number(seed):
    """A seed as a number; ValueError or TypeError where it is neither a whole number nor a word."""
    if not isinstance(seed, str):
        return operator.index(seed)
    return seed_of_word(seed.strip()) if _is_word(seed) else int(seed)


def _is_word(seed):
    return re.match(r"\s*[^\W\d_]", str(seed)) is not None  # begins with a letter


def seed_of_word(word):
    """The seed that a word stands for: below 2^32, the same on every machine (BLAKE2b of 4 bytes)."""
    return int.from_bytes(hashlib.blake2b(word.encode(), digest_size=4).digest(), "big")


def words_told(seeds):
    """What words among seeds stand for, as in "ann is seed 2,912,003,441"; "" where all are numbers."""
    return ", ".join(f"{word} is seed {seed_of_word(word):,}" for word in _separated(seeds) if _is_word(word))


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
