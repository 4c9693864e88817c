"""Framing: the part of a picture that shows a face as the faces of a pack do, upright and square."""
import math
from dataclasses import dataclass

import numpy as np
from PIL import Image

from ..data.detector import find_large_face
from ..errors import GanlibError

FACE = 0.7  # how wide the detector's face is in a frame; in the pictures of a pack 0.76, and hair is cut


@dataclass(frozen=True)
class Frame:
    """A square in a picture. x, y: its middle, in pixels; side: in pixels; angle: degrees clockwise."""

    x: float
    y: float
    side: float
    angle: float = 0.0


def middle_of(picture):
    """The Frame of the middle square of a picture, uint8 (H, W, 3)."""
    height, width = picture.shape[:2]
    return Frame(width / 2, height / 2, min(height, width))


def frame_of(picture):
    """(Frame, a sentence) of the likeliest face of a picture; of its middle where none is found."""
    try:
        found = find_large_face(picture)
    except GanlibError:
        return middle_of(picture), "There is no face detector, so this is the middle of the picture."
    if found is None:
        return middle_of(picture), "No face was found, so this is the middle of the picture."
    x, y, width, angle = found
    return Frame(x, y, width / FACE, angle), "This is the face that was found."


def shrunk(picture, frame, most):
    """A picture and the Frame in it, so much smaller that the frame's side has `most` pixels at most."""
    scale = frame.side / most
    if scale <= 1:
        return picture, frame
    height, width = (max(1, round(side / scale)) for side in picture.shape[:2])
    smaller = Image.fromarray(picture).resize((width, height), Image.Resampling.LANCZOS)
    return np.asarray(smaller), Frame(frame.x / scale, frame.y / scale, frame.side / scale, frame.angle)


def framed(picture, frame, size):
    """What a Frame shows, upright: uint8 (size, size, 3). Beyond the picture its border goes on."""
    half = frame.side / 2
    reach = math.ceil(half * 2**0.5) + 2  # of the square, turned by any angle
    left, top = math.floor(frame.x - reach), math.floor(frame.y - reach)
    rows = np.clip(np.arange(top, top + 2 * reach), 0, picture.shape[0] - 1)
    columns = np.clip(np.arange(left, left + 2 * reach), 0, picture.shape[1] - 1)
    around = Image.fromarray(picture[rows[:, None], columns])
    middle = frame.x - left, frame.y - top
    upright = around.rotate(frame.angle, Image.Resampling.BICUBIC, center=middle)
    box = middle[0] - half, middle[1] - half, middle[0] + half, middle[1] + half
    return np.asarray(upright.resize((size, size), Image.Resampling.LANCZOS, box=box))
