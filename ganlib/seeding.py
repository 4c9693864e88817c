"""Packs (a set of images of one size in one memory-mapped file) and the batches made from them."""
import hashlib

import torch


def seeded(seed, position, stream):
    """A torch.Generator that depends on (seed, position in the run, name of the stream) and nothing else."""
    return torch.Generator().manual_seed(mixed(seed, position, stream))


def mixed(seed, position, stream):
    """A seed for one position in the run and one stream of random numbers."""
    key = hashlib.blake2b(f"{stream}/{seed}/{position}".encode(), digest_size=8).digest()
    return int.from_bytes(key, "big") >> 1
