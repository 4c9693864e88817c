"""Batches of a pack: shuffled anew in every epoch, mirrored at random, on the device."""
from functools import lru_cache

import numpy as np
import torch

from ..seeding import seeded


def batches(pack, batch_size, seed=0, start=0, device="cpu", flip=True):
    """Endless (images, labels): float32 (B, 3, H, W) in [-1, 1] and int64 (B, K), both on `device`.

    Every epoch is a fresh permutation. Order and flips depend on (seed, position) alone: with `start` =
    images seen, a stream goes on exactly where another one stopped. batch_size: an int, or a function of the
    images seen. The pack is kept in the device's memory when it takes less than half of what is free there.
    """
    device = torch.device(device)
    images, labels = _tensors(pack, device)
    # the host does not wait for its copies
    to_device = {"device": device, "non_blocking": device.type == "cuda"}
    while True:
        n = batch_size(start) if callable(batch_size) else batch_size
        index = _indices(len(pack), seed, start, n).to(images.device, non_blocking=images.is_cuda)
        x = images.index_select(0, index).to(**to_device)  # (B, H, W, 3) uint8
        if flip:
            mirrored = torch.rand(n, generator=seeded(seed, start, "flip")) < 0.5
            x = torch.where(mirrored.to(**to_device)[:, None, None, None], x.flip(2), x)
        x = x.permute(0, 3, 1, 2)  # (B, 3, H, W), channels-last in memory
        yield x.float().div_(127.5).sub_(1), labels[index].to(**to_device)
        start += n


def _tensors(pack, device):
    """Images (N, H, W, 3) uint8 and labels (N, K) int64 of a pack: on the device, if there is room."""
    images = torch.from_numpy(pack.images)
    labels = torch.from_numpy(pack.labels.astype(np.int64))
    if device.type == "cuda" and 2 * pack.images.nbytes < torch.cuda.mem_get_info(device)[0]:
        return images.to(device), labels.to(device)
    return images, labels


def _indices(count, seed, start, n):
    """Which images, int64 (n,), come at the positions start to start + n of the run."""
    parts = []
    position = start
    while position < start + n:
        epoch, offset = divmod(position, count)
        part = _order(count, seed, epoch)[offset:offset + start + n - position]
        parts.append(part)
        position += len(part)
    return torch.cat(parts)


@lru_cache(maxsize=4)
def _order(count, seed, epoch):
    """The permutation of an epoch, int64 (count,)."""
    return torch.randperm(count, generator=seeded(seed, epoch, "order"))
