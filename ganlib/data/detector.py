"""Cleaning: decode every file to one size, and drop duplicates and bad crops, each with a reason."""
import json
import math
import os
import subprocess
import sys

import numpy as np
from PIL import Image, ImageOps
from tqdm.contrib.concurrent import thread_map

from ..errors import GanlibError
from .duplicates import LUMA, area_average


def find_bad_crops(rows, images, faces, progress):
    """Give pictures without a face in the middle the reason "bad-crop". Returns how it was done, in words."""
    if faces == "off":
        return "not looked for"
    trouble = "" if faces == "outlier" else detector_trouble()
    if faces == "detector" and trouble:
        raise GanlibError(f"The face detector cannot be used: {trouble} Get ganlib[faces], or use 'outlier'.")
    if faces != "outlier" and not trouble:
        parts = [rows[start:start + 200] for start in range(0, len(rows), 200)]  # an interrupt waits for one each
        found = thread_map(lambda part: find_faces(images[[row.index for row in part]]), parts, desc="faces",
                           max_workers=os.cpu_count(), unit="img", unit_scale=200, disable=not progress)
        for row, face in zip(rows, sum(found, [])):
            row.detail = off_centre(face)
            row.reason = "bad-crop" if row.detail else ""
        return "found with the detector animeface"
    note = f" (no face detector: {trouble})" if trouble else ""
    if len(rows) < 200:
        return f"not looked for: fewer than 200 images are too few for the outlier measure{note}"
    distance, limit = outliers(images[[row.index for row in rows]])
    for row, d in zip(rows, distance):
        if d > limit:
            row.reason, row.detail = "bad-crop", f"outlier, {d:.1f} where {limit:.1f} is the limit"
    return f"found as outliers{note}"


def outliers(images):
    """(how unlike the others each picture is, the limit): what principal components leave of its brightness.

    Each picture is a thumbnail in grey of mean 0 and deviation 1. The limit is a Tukey fence: the upper quartile
    and twice the interquartile range. It drops few, mostly rightly; the detector sees much more.
    """
    parts = np.array_split(images, len(images) // 1024 + 1)
    x = np.concatenate([area_average(part @ LUMA, 16, 16).reshape(-1, 256) for part in parts])
    x = (x - x.mean(1, keepdims=True)) / (x.std(1, keepdims=True) + 1e-6)
    x -= x.mean(0)
    basis = np.linalg.eigh(x.T @ x)[1][:, -int(np.clip(len(x) // 40, 4, 32)):]
    rest = np.sqrt(np.square(x - (x @ basis) @ basis.T).mean(1))
    low, high = np.percentile(rest, (25, 75))
    return rest, high + 2 * (high - low)


def off_centre(face):
    """'' where a face (x, y, width in shares of the picture) is in the middle, else what is wrong."""
    if face is None:
        return "no face found"
    x, y, width, *_ = face
    if abs(x - 0.5) > 0.2 or abs(y - 0.5) > 0.2:
        return f"face off-centre, at {x:.0%} from the left and {y:.0%} from the top"
    return f"face too small, {width:.0%} of the width" if width < 0.35 else ""


def detector_trouble():
    """'' where animeface finds a face in a drawn picture, else why it cannot be used."""
    from .synthetic import face
    try:
        found = find_faces(np.stack([face(i)[0] for i in range(4)]))
    except GanlibError as error:
        return str(error)
    return "" if any(found) else f"animeface finds nothing (Pillow {Image.__version__}; it needs one before 12)."


def find_faces(images):
    """(x, y, width, gap) of the likeliest face of each picture, or None: by animeface in a process of its own, since it
    reaches into Pillow's memory. In shares of the picture; gap: the RGB distance of the two eyes' colours."""
    code, path = "from ganlib.data.detector import _answer; _answer()", os.pathsep.join(filter(None, sys.path))
    done = subprocess.run([sys.executable, "-c", code, str(images.shape[1])], input=images.tobytes(),
                          capture_output=True, env=os.environ | {"PYTHONPATH": path})
    if done.returncode:
        trouble = (done.stderr.decode(errors="replace").strip().splitlines() or ["no word"])[-1]
        raise GanlibError(f"animeface stopped with code {done.returncode} ({trouble}).")
    return json.loads(done.stdout)


def _answer():
    """The process: reads pictures of argv[1] pixels from stdin and prints a list of [x, y, width, gap] or null."""
    import animeface
    found, size = [], int(sys.argv[1])
    # a face that is missed is looked for again in other light and tilted: this finds two thirds of the missed ones
    looks = (lambda p: p, lambda p: ImageOps.autocontrast(p, 1), ImageOps.mirror,
             lambda p: p.rotate(15, Image.BICUBIC), lambda p: p.rotate(-15, Image.BICUBIC))
    for image in np.frombuffer(sys.stdin.buffer.read(), np.uint8).reshape(-1, size, size, 3):
        # enlarged to 96 and padded with 24 of its own border, or it misses faces that fill the picture
        padded = np.pad(image, [(size // 4, size // 4)] * 2 + [(0, 0)], mode="edge")
        picture, box = Image.fromarray(padded).resize((144, 144), Image.BICUBIC), None
        for look in looks:
            if faces := animeface.detect(look(picture)):
                likeliest = max(faces, key=lambda face: face.likelihood)
                at, (a, b) = likeliest.face.pos, (likeliest.left_eye.color, likeliest.right_eye.color)
                x, y = (at.x + at.width / 2 - 24) / 96, (at.y + at.height / 2 - 24) / 96
                gap = math.dist((a.r, a.g, a.b), (b.r, b.g, b.b))
                box = 1 - x if look is ImageOps.mirror else x, y, at.width / 96, gap
                break
        found.append(box)
    print(json.dumps(found))
