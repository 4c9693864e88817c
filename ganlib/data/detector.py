"""Bad crops: pictures without a face in the middle, found with animeface or, without it, as outliers."""
import json
import math
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
from PIL import Image, ImageOps

from ..errors import GanlibError
from ..machine.bars import Bar
from .duplicates import LUMA, area_average

SHARE = 200  # pictures that one process of the detector looks at; an interrupt waits for one part each
FEWEST = 200  # pictures that the outlier measure needs
OFF_CENTRE = 0.2  # how far from the middle a face may be, in shares of the picture
LONGER_SIDE = 480  # pixels of the longer side, in which a face is looked for in a picture of any shape,
TURNED = (0, -25, 25, -50, 50)  # ... and degrees by which that is turned
SMALL = 0.35  # narrower faces are too small, in shares of the picture's width


def find_bad_crops(rows, images, faces, progress):
    """Give pictures without a face in the middle the reason "bad-crop". Returns how it was done, in words.

    rows: of the pictures to look at; images: uint8 (N, S, S, 3), in which row.index is the place of each.
    faces: "off", "outlier", "detector", or "auto", the detector where it works. Raises GanlibError where the
    detector is asked for and does not work.
    """
    if faces == "off":
        return "not looked for"
    trouble = "" if faces == "outlier" else detector_trouble()
    if faces == "detector" and trouble:
        raise GanlibError(f"The face detector cannot be used: {trouble} Get ganlib[faces], or use 'outlier'.")
    if faces != "outlier" and not trouble:
        _by_detector(rows, images, progress)
        return "found with the detector animeface"
    note = f" (no face detector: {trouble})" if trouble else ""
    if len(rows) < FEWEST:
        return f"not looked for: fewer than {FEWEST} images are too few for the outlier measure{note}"
    _by_outliers(rows, images)
    return f"found as outliers{note}"


def _by_detector(rows, images, progress):
    parts = [rows[start:start + SHARE] for start in range(0, len(rows), SHARE)]
    with (Bar(total=len(rows), desc="faces", unit="img", disable=not progress) as bar,
          ThreadPoolExecutor(os.cpu_count()) as pool):
        found = pool.map(partial(_faces_of, images), parts)
        for part, faces in zip(parts, found, strict=True):
            for row, face in zip(part, faces, strict=True):
                row.detail = off_centre(face)
                row.reason = "bad-crop" if row.detail else ""
            bar.update(len(part))


def _faces_of(images, rows):
    return find_faces(images[[row.index for row in rows]])


def _by_outliers(rows, images):
    distances, limit = outliers(images[[row.index for row in rows]])
    for row, distance in zip(rows, distances, strict=True):
        if distance > limit:
            row.reason = "bad-crop"
            row.detail = f"outlier, {distance:.1f} where {limit:.1f} is the limit"


def outliers(images):
    """(how unlike the others each picture is, the limit): what principal components leave of its brightness.

    images: uint8 (N, S, S, 3). Each picture is a thumbnail in grey of mean 0 and deviation 1. The limit is a
    Tukey fence: the upper quartile and twice the interquartile range. It drops few, mostly rightly; the
    detector sees much more.
    """
    parts = np.array_split(images, len(images) // 1024 + 1)
    x = np.concatenate([area_average(part @ LUMA, 16, 16).reshape(-1, 256) for part in parts])
    x = (x - x.mean(1, keepdims=True)) / (x.std(1, keepdims=True) + 1e-6)
    x -= x.mean(0)
    rest = _unexplained(x, components=int(np.clip(len(x) // 40, 4, 32)))
    low, high = np.percentile(rest, (25, 75))
    return rest, high + 2 * (high - low)


def _unexplained(x, components):
    """The root mean square of what the first principal components leave of each row of x (N, D).

    In one thread: where another program takes a core, the eigenvectors take a hundred times as long in two.
    """
    import torch

    from ..machine.threads import ThreadChooser

    with ThreadChooser(1):
        rows = torch.from_numpy(x)
        basis = torch.linalg.eigh(rows.T @ rows)[1][:, -components:]
        rest = rows - (rows @ basis) @ basis.T
        return rest.square().mean(1).sqrt().numpy()


def off_centre(face):
    """'' where a face (x, y, width in shares of the picture) is in the middle, else what is wrong."""
    if face is None:
        return "no face found"
    x, y, width, *_ = face
    if abs(x - 0.5) > OFF_CENTRE or abs(y - 0.5) > OFF_CENTRE:
        return f"face off-centre, at {x:.0%} from the left and {y:.0%} from the top"
    return f"face too small, {width:.0%} of the width" if width < SMALL else ""


def detector_trouble():
    """'' where animeface finds a face in a drawn picture, else why it cannot be used."""
    from .synthetic import face

    try:
        found = find_faces(np.stack([face(i)[0] for i in range(4)]))
    except GanlibError as error:
        return str(error)
    if any(found):
        return ""
    return f"animeface finds nothing (Pillow {Image.__version__}; it needs one before 12)."


def find_large_face(picture):
    """(x, y, width, angle) of the likeliest face in a picture of any shape, uint8 (H, W, 3), or None.

    x, y (the face's centre) and width are in pixels. angle: degrees by which the face is turned to the right
    (clockwise). Raises GanlibError as `find_faces` does.
    """
    scale = max(1, max(picture.shape[:2]) / LONGER_SIDE)
    small = Image.fromarray(picture)
    if scale > 1:
        small = small.resize([max(1, round(side / scale)) for side in small.size], Image.Resampling.BICUBIC)
    pixels = np.asarray(small)
    code = "from ganlib.data.detector import _answer_large; _answer_large()"
    found = _ask(code, [str(side) for side in pixels.shape[:2]], pixels)
    if found is None:
        return None
    x, y, width, angle = found
    return x * scale, y * scale, width * scale, angle


def find_faces(images):
    """The likeliest face of each picture (uint8 (N, S, S, 3)), or None: a list of (x, y, width, gap).

    x, y (the face's centre) and width are shares of the picture; gap is the RGB distance of the two eyes'
    colours. animeface runs in a process of its own, since it reaches into Pillow's memory. Raises GanlibError
    where that stops.
    """
    return _ask("from ganlib.data.detector import _answer; _answer()", [str(images.shape[1])], images)


def _ask(code, arguments, pixels):
    """What a process that runs `code` prints as JSON, with pixels on its stdin."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run([sys.executable, "-c", code, *arguments],  # noqa: S603 our own code
                          input=pixels.tobytes(), capture_output=True, env=environment)
    if done.returncode:
        trouble = (done.stderr.decode(errors="replace").strip().splitlines() or ["no word"])[-1]
        raise GanlibError(f"animeface stopped with code {done.returncode} ({trouble}).")
    return json.loads(done.stdout)


def _answer():
    """The process: reads pictures of argv[1] pixels from stdin and prints a list of faces as JSON."""
    size = int(sys.argv[1])
    images = np.frombuffer(sys.stdin.buffer.read(), np.uint8).reshape(-1, size, size, 3)
    print(json.dumps([_likeliest_face(image) for image in images]))


def _likeliest_face(image):
    """(x, y, width, gap) of a picture (S, S, 3), or None."""
    import animeface

    # enlarged to 96 and padded with 24 of its own border, or it misses faces that fill the picture
    edge = image.shape[0] // 4
    padded = np.pad(image, [(edge, edge), (edge, edge), (0, 0)], mode="edge")
    picture = Image.fromarray(padded).resize((144, 144), Image.Resampling.BICUBIC)
    for look in VIEWS:
        faces = animeface.detect(look(picture))
        if not faces:
            continue
        likeliest = max(faces, key=lambda face: face.likelihood)
        at = likeliest.face.pos
        x = (at.x + at.width / 2 - 24) / 96
        y = (at.y + at.height / 2 - 24) / 96
        a = likeliest.left_eye.color
        b = likeliest.right_eye.color
        gap = math.dist((a.r, a.g, a.b), (b.r, b.g, b.b))
        return 1 - x if look is ImageOps.mirror else x, y, at.width / 96, gap
    return None


def _as_it_is(picture):
    return picture


def _in_other_light(picture):
    return ImageOps.autocontrast(picture, 1)


def _tilted_left(picture):
    return picture.rotate(15, Image.Resampling.BICUBIC)


def _tilted_right(picture):
    return picture.rotate(-15, Image.Resampling.BICUBIC)


# A face that is missed is looked for again in other light and tilted: this finds two thirds of those missed.
VIEWS = (_as_it_is, _in_other_light, ImageOps.mirror, _tilted_left, _tilted_right)


def _answer_large():
    """The process of `find_large_face`: reads argv[1] x argv[2] pixels from stdin, prints a face as JSON."""
    height, width = int(sys.argv[1]), int(sys.argv[2])
    pixels = np.frombuffer(sys.stdin.buffer.read(), np.uint8).reshape(height, width, 3)
    print(json.dumps(_large_face(pixels)))


def _large_face(pixels):
    """(x, y, width, angle) of the likeliest face of a picture in all turns, or None.

    The picture gets a margin of its own border, or faces that fill it are missed.
    """
    import animeface

    margin = max(pixels.shape[:2]) // 4
    padded = Image.fromarray(np.pad(pixels, [(margin, margin), (margin, margin), (0, 0)], mode="edge"))
    middle = np.array(padded.size) / 2
    best = None
    for turn in TURNED:
        for face in animeface.detect(padded.rotate(turn, Image.Resampling.BICUBIC)):
            if best is None or face.likelihood > best[0]:
                at = face.face.pos
                away = np.array([at.x + at.width / 2, at.y + at.height / 2]) - middle
                cos, sin = math.cos(math.radians(turn)), math.sin(math.radians(turn))
                x, y = middle + (cos * away[0] - sin * away[1], sin * away[0] + cos * away[1]) - margin
                best = face.likelihood, (float(x), float(y), at.width, turn + _tilt(face))
    return best and best[1]


def _tilt(face):
    """By how many degrees the line through both eyes falls to the right."""
    one, other = (eye.pos for eye in (face.left_eye, face.right_eye))
    if not one.width or not other.width:
        return 0.0
    a, b = sorted([(one.x + one.width / 2, one.y + one.height / 2),
                   (other.x + other.width / 2, other.y + other.height / 2)])
    return math.degrees(math.atan2(b[1] - a[1], b[0] - a[0]))
