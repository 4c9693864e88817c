"""Cleaning: decode every file to one size, and drop duplicates and bad crops, each with a reason."""
import csv
import json
import math
import os
import subprocess
import sys
import tempfile
import warnings
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps
from tqdm.auto import tqdm
from tqdm.contrib.concurrent import thread_map

from .errors import GanlibError, need_space
from .fetch import image_files

REASONS = {  # in the order in which a file is tested
    "empty": "no bytes",
    "unreadable": "not an image that can be decoded",
    "too-small": "a side shorter than half the pack's size",
    "aspect": "more than twice as wide as high, or the reverse",
    "uniform": "nearly one colour",
    "duplicate": "the same picture as a file that is kept",
    "mirrored": "the mirror image of a file that is kept",
    "bad-crop": "no face in the middle, or an outlier",
}
FORMATS = ["JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF"]  # not those that start other programs, as EPS does
MOST_PIXELS = 64e6  # a larger file is a bomb or no face: decoded it takes 0.2 GB and more in each worker
UNIFORM = 8.0  # largest standard deviation over the pixels, of the three channels, in grey levels
HAMMING = 24  # of the 128 bits of a signature, for a pair to be compared in pixels
WINDOW = 64  # how many neighbours in a sorted table are looked at
DIFFERENT = 16.0  # largest difference of local means between two copies of one picture, in grey levels
GREY = np.array([0.299, 0.587, 0.114], np.float32)  # what red, green and blue add to brightness


@dataclass
class Row:
    """One source file: index into Report.images (-1: not decoded), reason ("" where it is kept)."""
    file: str
    index: int = -1
    reason: str = ""
    detail: str = ""
    match: str = ""  # of a duplicate: the file that is kept
    size: tuple = (0, 0)  # width and height of the source
    labels: dict = field(default_factory=dict)


@dataclass
class Report:
    """What `clean` found: one Row per file in sorted order, and every decodable picture, uint8 (M, S, S, 3),
    memory-mapped in a temporary file that lives as long as the report."""
    rows: list
    images: np.ndarray
    attributes: dict
    settings: dict
    scratch: object = None

    def summary(self):
        """{"kept": number, reason: number, ...}, reasons that occur only."""
        count = Counter(row.reason or "kept" for row in self.rows)
        return {k: count[k] for k in ("kept", *REASONS) if count[k]}

    def __str__(self):
        s = self.settings
        lines = [f"{n:>8,}  {name:<11} {REASONS.get(name, '')}".rstrip() for name, n in self.summary().items()]
        return "\n".join([f"{len(self.rows):,} files, {s['fit']} to {s['size']} pixels", *lines,
                          f"Bad crops: {s['faces']}.", f"Labels: {s['labels'] or 'none'}."])


def clean(folder, size=64, fit="crop", labels=None, faces="auto", progress=True):
    """Decode every image file under `folder` to size x size and say of each whether it is kept, or why not.

    fit: "crop" (to the centre square) or "pad" (with white), then one Lanczos resize. labels: a CSV with columns
    file, hair, eyes, ...; folder/labels.csv is taken where it exists. faces: how bad crops are found: "detector"
    (the package animeface), "outlier", "off", or "auto", the detector where it works. No source file is changed.
    Returns a Report, from which `pack` makes a pack. Raises GanlibError.
    """
    folder = Path(folder)
    ways = {"fit": (fit, ("crop", "pad")), "faces": (faces, ("auto", "detector", "outlier", "off"))}
    for name, (value, expected) in ways.items():
        if value not in expected:
            raise GanlibError(f"{name}={value!r}: expected one of {', '.join(expected)}.")
    if size < 8:
        raise GanlibError(f"size={size}: expected pixels, such as 64.")
    files = image_files(folder)
    labels = labels or next(folder.glob("labels.csv"), None)
    attributes, known = read_labels(labels, files) if labels else ({}, {})
    rows = [Row(file, labels={k: known.get(file, {}).get(k) for k in attributes}) for file in files]
    scratch = tempfile.TemporaryDirectory(prefix="ganlib-", ignore_cleanup_errors=True)
    shape = len(files), size, size, 3
    need_space(scratch.name, np.prod(shape), "set TMPDIR to a folder on a larger disk.")
    images = np.lib.format.open_memmap(f"{scratch.name}/images.npy", "w+", np.uint8, shape)

    def work(i):
        image, rows[i].reason, rows[i].detail, rows[i].size = decode(folder / files[i], size, fit)
        if image is not None:
            images[i], rows[i].index = image, i

    with warnings.catch_warnings(action="ignore"):  # Pillow's, of files that are not quite well
        thread_map(work, range(len(files)), max_workers=os.cpu_count(), desc="decoding", unit="img",
                   disable=not progress, mininterval=1)
    find_duplicates([row for row in rows if not row.reason], images, progress)
    method = find_bad_crops([row for row in rows if not row.reason], images, faces, progress)
    settings = {"size": size, "fit": fit, "faces": method, "folder": folder.name, "labels": ", ".join(attributes)}
    if lost := len(known.keys() - set(files)):
        settings["labels"] += f"; {lost:,} rows name no file"
    return Report(rows, images, attributes, settings, scratch)


def decode(path, size, fit="crop"):
    """(uint8 (size, size, 3) or None, reason, detail, (width, height)) of an image file."""
    try:
        if path.stat().st_size == 0:
            return None, "empty", "0 bytes", (0, 0)
        with Image.open(path, formats=FORMATS) as image:
            if image.width * image.height > MOST_PIXELS:
                raise ValueError(f"{image.width}x{image.height}: more than {MOST_PIXELS / 1e6:.0f} million pixels")
            image = to_rgb(ImageOps.exif_transpose(image))
    except Exception as error:  # Pillow has a dozen kinds for a damaged file
        return None, "unreadable", (str(error).splitlines() or [type(error).__name__])[0][:120], (0, 0)
    w, h = image.size
    if fit == "crop" or max(w, h) >= size * min(w, h):  # a line would be padded to nothing
        image = ImageOps.fit(image, (size, size), Image.LANCZOS)
    else:
        image = ImageOps.pad(image, (size, size), Image.LANCZOS, color="white")
    pixels = np.asarray(image)
    spread = pixels.reshape(-1, 3).std(0).max()
    faults = {"too-small": min(w, h) < size / 2, "aspect": max(w, h) > 2 * min(w, h), "uniform": spread < UNIFORM}
    reason = next((name for name, found in faults.items() if found), "")
    return pixels, reason, f"{w}x{h}, standard deviation {spread:.1f}" if reason else "", (w, h)


def to_rgb(image):
    """Any mode as RGB: transparency on white, 16 bits scaled to 8, the first frame of an animation."""
    if image.mode[0] in "IF":  # integers of 16 bits, or floats of no known range
        values = np.asarray(image, np.float64)
        top = 65_535 if image.mode[0] == "I" else max(values.max(), 1e-9)
        image = Image.fromarray((values.clip(0, top) * (255 / top)).round().astype(np.uint8))
    if image.has_transparency_data:
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image.convert("RGBA"))
    return image.convert("RGB")


def read_labels(path, files):
    """({attribute: sorted class names}, {file: {attribute: class}}) of a CSV with the column `file`."""
    wanted = "expected a CSV with the column file and one or more attributes (file,hair,eyes)."
    try:
        with open(path, newline="", encoding="utf-8-sig") as f:
            reader = csv.DictReader(f)
            names = [name for name in reader.fieldnames or [] if name and name != "file"]
            if "file" not in (reader.fieldnames or []) or not names:
                raise GanlibError(f"{path} has the columns {reader.fieldnames}: {wanted}")
            known = {row["file"]: {k: (row[k] or "").strip() or None for k in names} for row in reader}
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise GanlibError(f"{path} cannot be read ({getattr(error, 'strerror', error)}): {wanted}") from error
    labelled = [known[file] for file in files if file in known]
    if not labelled:
        raise GanlibError(f"No row of {path} names a file of the folder (it has {next(iter(known), 'nothing')!r}, "
                          f"the folder {files[0]!r}).")
    return {k: sorted({row[k] for row in labelled} - {None}) for k in names}, known


def find_duplicates(rows, images, progress):
    """Give every copy of a picture that is kept the reason "duplicate" or "mirrored".

    Of a group the largest source stays, then the first by name. Every dropped file was compared with the
    very file that is kept, so that likenesses never chain.
    """
    rows = sorted(rows, key=lambda row: (-min(row.size), row.file))
    parts = np.array_split(images, len(images) // 1024 + 1)  # so that the arithmetic takes little memory
    hashes = np.concatenate([signatures(part[:, :, ::way]) for way in (1, -1) for part in parts])
    hashes = hashes.reshape(2, -1, 2)[:, [row.index for row in rows]]
    # identical signatures are one entry, so that a thousand copies are not half a million pairs
    unique, entry = np.unique(hashes.reshape(-1, 2), axis=0, return_inverse=True)
    plain, mirrored = entry.reshape(2, -1).tolist()
    near = defaultdict(list)
    for a, b in near_pairs(unique).tolist():
        near[a].append(b)
        near[b].append(a)
    kept = defaultdict(list)  # entry -> [(whether as a mirror image, which of the rows)]
    for i, row in enumerate(tqdm(rows, "duplicates", unit="img", disable=not progress, mininterval=1)):
        candidates = sorted({k for e in (plain[i], *near[plain[i]]) for k in kept[e]})
        for flipped, k in candidates[:200]:
            d = difference(images[row.index], images[rows[k].index][:, ::-1 if flipped else 1])
            if d < DIFFERENT:
                row.reason, row.match = "mirrored" if flipped else "duplicate", rows[k].file
                row.detail = f"of {row.match}, differs by {d:.1f}"
                rows[k].labels.update({name: rows[k].labels[name] or row.labels[name] for name in row.labels})
                break
        else:
            kept[plain[i]].append((False, i))
            kept[mirrored[i]].append((True, i))


def signatures(images):
    """Two 64-bit perceptual hashes of each picture: uint64 (N, 2).

    The first compares the 8x8 lowest frequencies of the brightness with their median (pHash), the second cells of
    a 9x8 thumbnail with their neighbours (dHash). imagehash has both, but takes minutes for a set of this size.
    """
    grey = images @ GREY  # (N, S, S)
    basis = np.cos(np.pi / 32 * np.outer(np.arange(9), np.arange(32) + 0.5)).astype(np.float32)  # DCT-II, lowest 9
    low = (basis @ shrink(grey, 32, 32) @ basis.T)[:, 1:, :8].reshape(-1, 64)
    cells = shrink(grey, 8, 9)
    bits = [low > np.median(low, 1, keepdims=True), (cells[:, :, 1:] > cells[:, :, :-1]).reshape(-1, 64)]
    return np.packbits(np.stack(bits, 1), axis=2).view(np.uint64)[..., 0]


def shrink(x, h, w):
    """Area averages of (..., H, W) on a grid of h x w, for any sizes."""
    def shares(n, m):  # of each of n cells in each of m larger ones, (m, n)
        edges = np.linspace(0, n, m + 1)[:, None]
        return (np.diff((edges - np.arange(n)).clip(0, 1), axis=0) * m / n).astype(np.float32)

    return shares(x.shape[-2], h) @ x @ shares(x.shape[-1], w).T


def near_pairs(hashes):
    """Pairs (P, 2) of rows of `hashes` (N, 2) uint64 that differ in at most HAMMING of their 128 bits.

    The rows are sorted eight times, each time with another 16 bits in front, and each is compared with its next
    WINDOW neighbours that share these bits (after Manku, Jain & Das Sarma, "Detecting near-duplicates for web
    crawling", 2007). Finds every pair that differs in 7 bits or fewer, unless more rows than the window share
    one 16-bit value, and most of those beyond, in N log N.
    """
    n, sixteen = len(hashes), hashes.view(np.uint16)  # (N, 8)
    pairs = np.empty(0, np.int64)  # each as smaller * n + larger, half the memory of two columns
    for table in range(8):
        order = np.lexsort([sixteen[:, (table + k) % 8] for k in (3, 2, 1, 0)])
        front, sorted_hashes, found = sixteen[order, table], hashes[order], [pairs]
        for step in range(1, min(WINDOW, n - 1) + 1):
            here = np.flatnonzero(front[step:] == front[:-step])
            if not len(here):
                break
            near = here[np.bitwise_count(sorted_hashes[here] ^ sorted_hashes[here + step]).sum(1) <= HAMMING]
            a, b = order[near], order[near + step]
            found.append(np.minimum(a, b) * n + np.maximum(a, b))
        pairs = np.unique(np.concatenate(found))
    return np.stack(np.divmod(pairs, n), 1)


def difference(a, b):
    """The largest difference of local means of two pictures (S, S, 3), in grey levels.

    Brightness is averaged over windows of a sixteenth of the size, and the colours, which JPEG blurs, over an
    eighth. Re-encoding and resizing change brightness at edges, and hardly elsewhere, so it counts in proportion
    to the contrast around it in the plainer of the two pictures: a mouth that is gone is a small difference, on
    smooth skin. Below DIFFERENT are 99% of copies at JPEG quality 50 or half the size, and 17% of real faces
    whose mouth was painted over (80% without the proportion).
    """
    def means(x, n):  # of all n x n windows of (C, S, S)
        band = np.tri(x.shape[-1] - n + 1, x.shape[-1], n - 1)
        band = (band - np.tri(*band.shape, -1)) / n
        return band @ x @ band.T

    cells = shrink(np.stack([a, b]).transpose(0, 3, 1, 2).astype(np.float32), 32, 32)  # (2, 3, 32, 32)
    grey = np.einsum("c,nchw->nhw", GREY, cells)
    around = np.pad(grey, ((0, 0), (1, 1), (1, 1)), mode="symmetric")
    contrast = np.sqrt((means(around ** 2, 3) - means(around, 3) ** 2).clip(0)).min(0, keepdims=True)
    colour, light = cells[0] - cells[1], grey[:1] - grey[1:]
    light_part = np.abs(means(light, 2)) / (5 + 0.5 * means(contrast, 2))
    return float(max(DIFFERENT * light_part.max(), np.abs(means(colour - light, 4)).max()))


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
    x = np.concatenate([shrink(part @ GREY, 16, 16).reshape(-1, 256) for part in parts])
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
    code, path = "from ganlib.clean import _answer; _answer()", os.pathsep.join(filter(None, sys.path))
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
