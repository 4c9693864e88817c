"""Batches of a pack: shuffled anew in every epoch, mirrored at random, on the device."""
import contextlib
import math
from typing import Any

import torch

from ..errors import GanlibError
from ..seeding import mixed
from ..training.schedule import moment
from ..typed import steps_of
from .order import images_at
from .packs import read_info
from .stored import StoredImages


def batches(pack, batch_size, seed=0, start=0, device="cpu", flip=True, rank=0, world=1, columns=None,
            table=None):
    """Endless (images, labels): float32 (B, 3, H, W) in [-1, 1] and int64 (B, K), both on `device`.

    Every epoch is a fresh permutation. Order and flips depend on (seed, position) alone: with `start` =
    images seen, a stream goes on exactly where another one stopped. A GPU draws other flips than a CPU.
    batch_size: an int, or a function of the images seen. The pack is kept in a GPU's memory when it takes
    less than half of what is free there. columns: which of the pack's labels, as numbers; None: all K.
    table: the numbers of the images to take, int64 (M,), where some are to come more often than others.

    Where `world` processes train together, `batch_size` and `start` count the images of all of them. Process
    `rank` gets every world-th image of a batch, from place `rank` on: B = batch_size / world. Together they
    see what one process alone would see. GanlibError where a batch cannot be shared so.
    """
    device = torch.device(device)
    dice = torch.Generator(device if device.type == "cuda" else "cpu")
    with contextlib.closing(_Source(pack, device, columns)) as source:
        table = None if table is None else table.to(source.place)
        while True:
            n = batch_size(start) if callable(batch_size) else batch_size
            _check_share(n, world)
            index = _images(pack, table, seed, start, n, source.place)[rank::world]
            images, labels = (part.to(device, non_blocking=source.pinned) for part in source.take(index))
            if source.is_file:  # the disk fetches the next images while the training computes
                source.images.expect(_images(pack, table, seed, start + n, n)[rank::world].tolist())
            if flip:
                dice.manual_seed(mixed(seed, start, "flip"))
                mirrored = torch.rand(n, generator=dice, device=dice.device)[rank::world] < 0.5
                images = torch.where(mirrored.to(device)[:, None, None, None], images.flip(2), images)
            images = images.permute(0, 3, 1, 2)  # (B, 3, H, W), channels-last in memory
            yield images.float().div_(127.5).sub_(1), labels.long()
            start += n


def _images(pack, table, seed, start, n, place="cpu"):
    """The numbers of the images at n positions from `start` on."""
    if table is None:
        return images_at(len(pack), seed, start, n, place)
    return table[images_at(len(table), seed, start, n, place)]


def _check_share(n, world):
    if n % world:
        near = n - n % world or world
        raise GanlibError(f"A batch of {n} images cannot be shared evenly by {world} processes: choose one "
                          f"that {world} divides, such as {near}.")


def need_two_batches(pack, config):
    """Raise GanlibError for a pack of fewer images than two batches: D would see nearly all each time."""
    begins = [0, *(math.ceil(1000 * kimg) for kimg in steps_of(config.grow).values())]  # of all batch sizes
    batch = max(moment(config, images).batch for images in begins)
    most = len(pack) // 2
    if batch <= most:
        return
    without_table = ' with batches=""' if config.batches else ""
    lower = f"set batch={most} or lower{without_table}, or " if most >= 2 else ""
    raise GanlibError(f"The pack {pack.path} has {len(pack):,} images, fewer than two batches of {batch}: "
                      f"{lower}add pictures.")


class _Source:
    """Where the images of a pack are taken from: a GPU's memory if they fit there, the host's, or their file.

    place: the device that an index has to be on; is_file: whether images stay in their file.
    """

    images: Any  # a tensor (N, H, W, 3) uint8, or StoredImages

    def __init__(self, pack, device, columns):
        if pack.is_large and read_info(pack.path).get("hash") != pack.hash:
            raise GanlibError(f"The pack {pack.path} was made anew after it was opened: open it again.")
        self.images = StoredImages(pack.images) if pack.is_large else torch.from_numpy(pack.images)
        self.labels = torch.from_numpy(pack.labels if columns is None else pack.labels[:, columns])
        fits = 2 * pack.images.nbytes < _free_on(device)
        if fits:
            self.images, self.labels = _copied(self.images, device), self.labels.to(device)
        self.pinned = device.type == "cuda" and not fits  # from there a GPU copies while the host goes on
        self.place = self.labels.device
        self.is_file = isinstance(self.images, StoredImages)

    def take(self, index):
        """Images (B, H, W, 3) uint8 and labels (B, K) int16 of an index (B,)."""
        if self.is_file:
            images = torch.from_numpy(self.images.read(index.tolist()))
        else:
            images = self.images.index_select(0, index)
        labels = self.labels.index_select(0, index)
        return (images.pin_memory(), labels.pin_memory()) if self.pinned else (images, labels)

    def close(self):
        if self.is_file:
            self.images.close()


def _free_on(device):
    """Bytes that are free on a GPU; 0 for other devices, on which no copy of a pack is kept."""
    return torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else 0


def _copied(images, device):
    """A copy of a pack's images on a device; those of a file are copied piece by piece."""
    if isinstance(images, torch.Tensor):
        return images.to(device)
    copy = torch.empty(images.shape, dtype=torch.uint8, device=device)
    with contextlib.closing(images):
        for start, block in images.blocks():
            copy[start:start + len(block)] = torch.from_numpy(block)
    return copy
