"""Random numbers that follow from a seed and a position in the run, so that a resumed run draws the same."""
import hashlib

import torch


def mixed(seed, position, stream):
    """An int of 63 bits that depends on (seed, position in the run, name of the stream) and nothing else."""
    key = hashlib.blake2b(f"{stream}/{seed}/{position}".encode(), digest_size=8).digest()
    return int.from_bytes(key, "big") >> 1


def seeded(seed, position, stream):
    """A torch.Generator on the CPU, seeded by `mixed`."""
    return torch.Generator().manual_seed(mixed(seed, position, stream))
