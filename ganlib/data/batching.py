"""Packs (a set of images of one size in one memory-mapped file) and the batches made from them."""
import numpy as np
import torch

from ..seeding import seeded


def batches(pack, batch_size, seed=0, start=0, device="cpu", flip=True):
    """Endless (images, labels): float32 (B, 3, H, W) in [-1, 1] and int64 (B, K), both on `device`.

    Every epoch is a fresh permutation. Order and flips depend on (seed, position) alone, so
    `start` = images seen goes on exactly where a run stopped. batch_size may be a function of the images seen.
    The pack is kept in the device's memory when it takes less than half of what is free there.
    """
    device = torch.device(device)
    images, labels = torch.from_numpy(pack.images), torch.from_numpy(pack.labels.astype(np.int64))
    if device.type == "cuda" and 2 * pack.images.nbytes < torch.cuda.mem_get_info(device)[0]:
        images, labels = images.to(device), labels.to(device)
    to = {"device": device, "non_blocking": device.type == "cuda"}  # the host does not wait for its copies
    epoch, order = -1, None
    while True:
        n, index = batch_size(start) if callable(batch_size) else batch_size, []
        while (have := sum(map(len, index))) < n:
            e, offset = divmod(start + have, len(pack))
            if e != epoch:
                epoch, order = e, torch.randperm(len(pack), generator=seeded(seed, e, "order"))
            index.append(order[offset:offset + n - have])
        index = torch.cat(index)
        here = index.to(images.device, non_blocking=to["non_blocking"])
        x = images.index_select(0, here).to(**to)  # (B, H, W, 3) uint8
        if flip:
            mirrored = torch.rand(n, generator=seeded(seed, start, "flip")) < 0.5
            x = torch.where(mirrored.to(**to)[:, None, None, None], x.flip(2), x)
        x = x.permute(0, 3, 1, 2)  # (B, 3, H, W), channels-last in memory
        yield x.float().div_(127.5).sub_(1), labels[here].to(**to)
        start += n
