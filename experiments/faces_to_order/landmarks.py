"""Where eyes, nose, mouth and chin of faces are, by the detector animeface.

It runs in a process of its own, since it reaches into Pillow's memory.
"""
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from ganlib.data.detector import detector_trouble
from ganlib.errors import GanlibError

EDGE = 0.25  # what is added around a picture, of its own border: faces that fill a picture are missed
SIDE = 144  # pixels of what the detector gets
POINTS = 5  # the two eyes, nose, mouth, chin


def landmarks(images):
    """Places of POINTS landmarks in shares of the picture, float (N, 5, 2); NaN where no face is found.

    images: uint8 (N, S, S, 3). None where the detector does not work here.
    """
    if detector_trouble():
        return None
    code = "from faces_to_order.landmarks import answer; answer()"
    places = [str(Path(__file__).resolve().parents[1]), *filter(None, sys.path)]
    done = subprocess.run([sys.executable, "-c", code, str(images.shape[1])],  # noqa: S603 our own code
                          input=images.tobytes(), capture_output=True,
                          env=os.environ | {"PYTHONPATH": os.pathsep.join(places)})
    if done.returncode:
        trouble = (done.stderr.decode(errors="replace").strip().splitlines() or ["no word"])[-1]
        raise GanlibError(f"animeface stopped with code {done.returncode} ({trouble}).")
    missed = [[np.nan, np.nan]] * POINTS
    return np.array([face or missed for face in json.loads(done.stdout)], float)


def answer():
    """The process: reads pictures of argv[1] pixels from stdin and prints landmarks as JSON."""
    size = int(sys.argv[1])
    images = np.frombuffer(sys.stdin.buffer.read(), np.uint8).reshape(-1, size, size, 3)
    print(json.dumps([_points(image) for image in images]))


def _points(image):
    """POINTS pairs (x, y) of the likeliest face of a picture (S, S, 3), or None."""
    import animeface

    edge = round(EDGE * len(image))
    padded = np.pad(image, [(edge, edge), (edge, edge), (0, 0)], mode="edge")
    faces = animeface.detect(Image.fromarray(padded).resize((SIDE, SIDE), Image.Resampling.BICUBIC))
    if not faces:
        return None
    face = max(faces, key=lambda one: one.likelihood)
    unit = SIDE * len(image) / len(padded)  # pixels of the detector to the width of the picture
    points = []
    for part in (face.left_eye, face.right_eye, face.nose, face.mouth, face.chin):
        x, y, width, height = _box(part.pos)
        points.append([(x + width / 2) / unit - EDGE, (y + height / 2) / unit - EDGE])
    return points


def _box(place):
    """(x, y, width, height) of a place; of a mere point the last two are 0."""
    return place.x, place.y, getattr(place, "width", 0), getattr(place, "height", 0)
