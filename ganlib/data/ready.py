"""Pictures that are ready to be scored: all of one size, in a folder or in a .npy file."""
import warnings

import numpy as np

from ..errors import GanlibError
from ..machine.bars import Bar
from .decoding import read_picture, readable
from .folders import look_through, not_taken


def read_npy(path):
    """The array of a .npy file, memory-mapped. Raises GanlibError where there is none."""
    try:
        images = np.load(path, mmap_mode="r")
    except (OSError, ValueError, EOFError) as error:
        raise GanlibError(f"{path} cannot be read as images of one size ({error}).") from error
    if not isinstance(images, np.ndarray):
        raise GanlibError(f"{path} holds several arrays: expected one, as numpy.save writes it.")
    return images


def read_pictures(folder, size, most, progress):
    """The pictures of a folder, uint8 (N, size, size, 3), at most so many.

    All are opened: one that is damaged, or of another size, is found wherever it stands. Warns of files that
    are no pictures.
    """
    files, passed_over = look_through(folder)
    if passed_over:
        warnings.warn(f"{readable(str(folder))}: {not_taken(passed_over)}", stacklevel=4)
    images = np.empty((min(most, len(files)), size, size, 3), np.uint8)
    for i, file in enumerate(Bar(files, "reading", unit="img", disable=not progress, leave=False)):
        picture = read_picture(folder / file)
        height, width, _ = picture.shape
        if (height, width) != (size, size):
            raise GanlibError(f"{readable(str(folder / file))} has {width}x{height} pixels: expected "
                              f"{size}x{size}, as the pack's images. Resize it, or take it out.")
        if i < most:
            images[i] = picture
    return images
