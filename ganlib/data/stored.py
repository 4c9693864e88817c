"""The images of a pack as its file has them, for packs that are larger than the memory."""
import os

import numpy as np

from ..errors import GanlibError

READ_AT_ONCE = 2 ** 24  # bytes, where all images are read


class StoredImages:
    """The images of a pack, read from images.npy when they are asked for.

    A memory-mapped image counts as this program's memory once it was looked at. One that is read here does
    not. images: what `np.load` gave as a memory map.
    """

    def __init__(self, images):
        self.path, self.offset, self.shape = images.filename, images.offset, images.shape
        self.size = images[0].nbytes if len(images) else 0  # bytes of an image
        self.file = open(self.path, "rb", buffering=0)  # noqa: SIM115 closed by close()

    def __len__(self):
        return self.shape[0]

    def read(self, indices):
        """The images of n indices, uint8 (n, H, W, 3). Raises GanlibError."""
        images = np.empty((len(indices), *self.shape[1:]), np.uint8)
        for i, image in zip(indices, images, strict=True):
            self._read_from(i, image)
        return images

    def blocks(self, start=0, stop=None):
        """The images from `start` to `stop` in their order, some at a time: (index of the first, images).

        Images: uint8 (n, H, W, 3), of some READ_AT_ONCE bytes. The next ones are written over them.
        """
        stop = len(self) if stop is None else min(stop, len(self))
        count = max(1, READ_AT_ONCE // max(1, self.size))
        block = np.empty((min(count, stop - start), *self.shape[1:]), np.uint8)
        for first in range(start, stop, count):
            part = block[:stop - first]
            self._read_from(first, part)
            yield first, part

    def expect(self, indices):
        """Tell the disk which images will be read soon: it can fetch them while something else is done."""
        if hasattr(os, "posix_fadvise"):
            for i in indices:
                os.posix_fadvise(self.file.fileno(), self._place(i), self.size, os.POSIX_FADV_WILLNEED)

    def close(self):
        self.file.close()

    def _place(self, i):
        return self.offset + i * self.size

    def _read_from(self, i, out):
        """Fill `out` from image i on."""
        try:
            self.file.seek(self._place(i))
            done = self.file.readinto(out)
        except OSError as error:
            raise GanlibError(f"{self.path} could not be read at image {i:,} ({error.strerror}): look "
                              "whether its disk is still there, then make the same call again.") from error
        if done != out.nbytes:
            raise GanlibError(f"{self.path} ends before image {i:,} does: it was cut off while it was in "
                              "use: make the pack again.")
