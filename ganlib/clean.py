"""Cleaning: decode every file to one size, and drop duplicates and bad crops, each with a reason."""
import csv
import functools
import json
import os
import subprocess
import sys
import tempfile
import threading
import warnings
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps
from tqdm.auto import tqdm

from .errors import GanlibError, need_space
from .fetch import IMAGE_SUFFIXES

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
    """What `clean` found: one Row per file in sorted order, and every decodable picture.

    images: uint8 (M, S, S, 3), memory-mapped in a temporary file that lives as long as the report.
    """

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
        lines = [f"{n:>8,}  {reason:<11} {REASONS.get(reason, '')}".rstrip() for reason, n in self.summary().items()]
        note = self.settings.get("labels_note", "")
        return "\n".join([f"{len(self.rows):,} files, {self.settings['fit']} to {self.settings['size']} pixels",
                          *lines, f"Bad crops: {self.settings['faces']}."] + [note] * bool(note))


def clean(folder, size=64, fit="crop", labels=None, keep=(), faces="auto", workers=None, progress=True):
    """Decode every image file under `folder` to size x size and say of each whether it is kept, or why not.

    fit: "crop" (to the centre square) or "pad" (with white), then one Lanczos resize. labels: a CSV with the columns
    file, hair, eyes, ...; folder/labels.csv is taken where it exists. keep: files that stay whatever is
    against them. faces: how bad crops are found: "detector" (the package animeface), "outlier", "off", or
    "auto", the detector where it works. No source file is changed. Returns a Report.
    """
    folder = Path(folder)
    if fit not in ("crop", "pad"):
        raise GanlibError(f"fit={fit!r}: expected 'crop' or 'pad'.")
    if faces not in ("auto", "detector", "outlier", "off"):
        raise GanlibError(f"faces={faces!r}: expected 'auto', 'detector', 'outlier' or 'off'.")
    if size < 8:
        raise GanlibError(f"size={size}: expected pixels, such as 64.")
    if not folder.is_dir():
        raise GanlibError(f"There is no folder {folder}. Fetch images first, or name the folder they are in.")
    files = sorted(name for p in folder.rglob("*") if p.suffix.lower() in IMAGE_SUFFIXES and p.is_file()
                   and not f"/{(name := p.relative_to(folder).as_posix())}".count("/."))
    if not files:
        raise GanlibError(f"The folder {folder} holds no image files ({', '.join(sorted(IMAGE_SUFFIXES))}).")
    attributes, known = read_labels(labels or folder / "labels.csv", files, required=labels is not None)

    # Decode into a scratch file on disk
    scratch = tempfile.TemporaryDirectory(prefix="ganlib-", ignore_cleanup_errors=True)
    advice = "set TMPDIR to a folder on a larger disk."
    need_space(scratch.name, len(files) * size * size * 3, advice)
    try:
        images = np.lib.format.open_memmap(Path(scratch.name) / "images.npy", "w+", np.uint8,
                                           (len(files), size, size, 3))
        rows = [Row(file, labels={k: known.get(file, {}).get(k) for k in attributes}) for file in files]

        def work(i):
            image, rows[i].reason, rows[i].detail, rows[i].size = decode(folder / files[i], size, fit)
            if image is not None:
                images[i], rows[i].index = image, i

        with ThreadPoolExecutor(workers or os.cpu_count()) as pool:
            list(tqdm(pool.map(work, range(len(files))), "decoding", len(files), unit="img", disable=not progress,
                      mininterval=1))
    except OSError as error:
        raise GanlibError(f"Could not write the decoded images to {scratch.name} ({error.strerror}): {advice}") from error

    keep = set(keep)
    find_duplicates(rows, images, keep, progress)
    left = [row for row in rows if row.index >= 0 and not row.reason]
    method = find_bad_crops(left, images, faces, keep, workers, progress)
    for row in rows:
        if row.file in keep and row.index >= 0 and row.reason:
            row.detail, row.reason = f"taken back ({row.reason})", ""
    settings = {"size": size, "fit": fit, "filter": "lanczos", "faces": method, "folder": folder.name}
    if attributes:
        lost = len(known.keys() - set(files))
        settings["labels_note"] = f"Labels: {', '.join(attributes)}" + (f"; {lost:,} rows name no file." if lost else ".")
    return Report(rows, images, attributes, settings, scratch)


# -- one file


def decode(path, size, fit="crop"):
    """(uint8 (size, size, 3) or None, reason, detail, (width, height)) of an image file."""
    if path.stat().st_size == 0:
        return None, "empty", "0 bytes", (0, 0)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(path, formats=FORMATS) as image:
                if image.width * image.height > MOST_PIXELS:
                    raise ValueError(f"{image.width}x{image.height}: more than {MOST_PIXELS / 1e6:.0f} million pixels")
                image = to_rgb(ImageOps.exif_transpose(image))
    except (OSError, ValueError, SyntaxError, EOFError, MemoryError, Image.DecompressionBombError, TypeError,
            KeyError, IndexError, OverflowError, NotImplementedError, RuntimeError) as error:
        return None, "unreadable", (str(error).splitlines() or [type(error).__name__])[0][:120], (0, 0)
    w, h = image.size
    crop = fit == "crop" or max(w, h) >= size * min(w, h)  # a line would be padded to nothing
    to_square, options = (ImageOps.fit, {}) if crop else (ImageOps.pad, {"color": (255, 255, 255)})
    pixels = np.asarray(to_square(image, (size, size), Image.LANCZOS, **options))
    reason = detail = ""
    if min(w, h) < size / 2:
        reason, detail = "too-small", f"{w}x{h}"
    elif max(w, h) > 2 * min(w, h):
        reason, detail = "aspect", f"{w}x{h}"
    elif (spread := pixels.reshape(-1, 3).std(0).max()) < UNIFORM:
        reason, detail = "uniform", f"standard deviation {spread:.1f}"
    return pixels, reason, detail, (w, h)


def to_rgb(image):
    """Any mode as RGB: transparency on white, 16 bits scaled to 8, the first frame of an animation."""
    if image.mode.startswith("I") or image.mode == "F":
        values = np.asarray(image, np.float64)
        top = 65_535 if image.mode.startswith("I") else max(values.max(), 1e-9)
        image = Image.fromarray((values.clip(0, top) * (255 / top)).round().astype(np.uint8))
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        image = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    return image.convert("RGB")


# -- labels


def read_labels(path, files, required=True):
    """({attribute: sorted class names}, {file: {attribute: class}}) of a CSV with the column `file`."""
    path = Path(path)
    if not path.is_file():
        if required:
            raise GanlibError(f"There is no labels file {path}: expected a CSV with the columns file,hair,eyes.")
        return {}, {}
    try:
        with open(path, newline="", encoding="utf-8-sig") as f:
            reader = csv.DictReader(f)
            names = [name for name in reader.fieldnames or [] if name and name != "file"]
            if "file" not in (reader.fieldnames or []) or not names:
                raise GanlibError(f"{path} has the columns {reader.fieldnames}: expected file and one or more attributes "
                                  "(file,hair,eyes).")
            known = {row["file"]: {k: (row[k] or "").strip() or None for k in names} for row in reader if row["file"]}
    except (UnicodeDecodeError, csv.Error) as error:
        raise GanlibError(f"{path} is not a readable CSV ({error}).") from error
    if not known.keys() & set(files):
        example = next(iter(known), "nothing")
        raise GanlibError(f"No row of {path} names a file of the folder (it has {example!r}, the folder {files[0]!r}).")
    classes = {k: sorted({known[f][k] for f in files if f in known and known[f][k]}) for k in names}
    return classes, known


# -- duplicates: signatures, candidates, confirmation


def signatures(images):
    """Two 64-bit perceptual hashes of each picture and of its mirror image: uint64 (2, N, 2).

    The first hash compares the 8x8 lowest frequencies of the brightness with their median (pHash), the second
    neighbouring cells of a 9x8 thumbnail (dHash). imagehash has both for one picture at a time, which
    takes minutes for a set of this size.
    """
    k = np.arange(32)
    basis = np.cos(np.pi * (k + 0.5) * np.arange(9)[:, None] / 32).astype(np.float32)  # DCT-II, the nine lowest
    out = np.empty((2, len(images), 2), np.uint64)
    for start in range(0, len(images), 2048):
        grey = np.asarray(images[start:start + 2048]) @ np.array([0.299, 0.587, 0.114], np.float32)  # (B, S, S)
        for side, g in enumerate((grey, grey[:, :, ::-1])):
            low = (basis @ shrink(g, 32, 32) @ basis.T)[:, 1:, :8].reshape(len(g), 64)
            cells = shrink(g, 8, 9)
            bits = (low > np.median(low, 1, keepdims=True), (cells[:, :, 1:] > cells[:, :, :-1]).reshape(-1, 64))
            for n, b in enumerate(bits):
                out[side, start:start + len(g), n] = np.packbits(b, axis=1).view(np.uint64)[:, 0]
    return out


def shrink(x, h, w):
    """Area averages of (B, H, W) on a grid of h x w, for any sizes."""
    return _weights(x.shape[1], h) @ x @ _weights(x.shape[2], w).T


@functools.cache
def _weights(n, m):
    """The share of each of n cells in each of m larger ones, (m, n); rows add up to one."""
    edges, cells = np.linspace(0, n, m + 1), np.arange(n)
    overlap = np.minimum(edges[1:, None], cells + 1) - np.maximum(edges[:-1, None], cells)
    return (overlap.clip(0) * m / n).astype(np.float32)


def near_pairs(hashes, window=WINDOW, most=HAMMING):
    """Pairs (P, 2) of rows of `hashes` (N, 2) uint64 that differ in at most `most` of their 128 bits.

    The rows are sorted eight times, each time with another 16 bits in front, and each is compared with its next
    `window` neighbours that share these bits (after Manku, Jain & Das Sarma, "Detecting near-duplicates for
    web crawling", 2007). N log N; finds every pair that differs in 7 bits or fewer, unless one 16-bit value
    is shared by more rows than the window, and most of those beyond.
    """
    found = []
    sixteen = hashes.view(np.uint16)  # (N, 8)
    for table in range(8):
        order = np.lexsort([sixteen[:, (table + k) % 8] for k in (3, 2, 1, 0)])
        front, a = sixteen[order, table], hashes[order]
        for step in range(1, min(window, len(order) - 1) + 1):
            here = np.flatnonzero(front[step:] == front[:-step])
            if not len(here):
                break
            bits = np.bitwise_count(a[here] ^ a[here + step]).sum(1)
            near = here[bits <= most]
            found.append(np.stack([order[near], order[near + step]], 1))
        if sum(map(len, found)) > 20_000_000:  # very many copies: fold them in between
            found = [np.unique(np.sort(np.concatenate(found), 1), axis=0)]
    return np.unique(np.sort(np.concatenate(found), 1), axis=0) if found else np.empty((0, 2), np.int64)


def difference(a, b):
    """The largest difference of local means of two pictures (S, S, 3), in grey levels.

    Brightness is averaged over windows of a sixteenth of the size, and the colours, which JPEG blurs, over an eighth;
    windows overlap by half. Re-encoding and resizing change brightness at edges, and hardly elsewhere, so it counts
    in proportion to the contrast around it in the plainer of the two pictures: a mouth that is gone is a small
    difference, on smooth skin. Below DIFFERENT are 99% of copies at JPEG quality 50 or half the size, and 17% of
    real faces whose mouth was painted over (80% without the proportion).
    """
    cells = shrink(np.moveaxis(np.stack([a, b]).astype(np.float32), 3, 1).reshape(6, *a.shape[:2]), 32, 32)
    cells = cells.reshape(2, 3, 32, 32)
    grey = np.einsum("c,nchw->nhw", np.array([0.299, 0.587, 0.114], np.float32), cells)
    around = np.pad(grey, ((0, 0), (1, 1), (1, 1)), mode="symmetric")
    variance = _windows(around ** 2, 3) - _windows(around, 3) ** 2
    contrast = np.sqrt(variance.clip(0)).min(0, keepdims=True)  # (1, 32, 32)
    d, light = cells[0] - cells[1], grey[:1] - grey[1:]
    light_part = np.abs(_windows(light, 2)) / (5 + 0.5 * _windows(contrast, 2))
    return float(max(DIFFERENT * light_part.max(), np.abs(_windows(d - light, 4)).max()))


def _windows(d, n):
    """Means over all n x n windows of (C, H, W)."""
    for axis in (1, 2):
        d = np.lib.stride_tricks.sliding_window_view(d, n, axis).mean(-1)
    return d


def find_duplicates(rows, images, keep, progress):
    """Give every copy of a picture that is kept the reason "duplicate" or "mirrored".

    Of a group the largest source stays, then the first by name. Every dropped file was compared with the
    very file that is kept, so that likenesses never chain.
    """
    usable = [row for row in rows if row.index >= 0 and not row.reason]
    if len(usable) < 2:
        return
    index = np.array([row.index for row in usable])
    plain, mirror = signatures(images[index])
    n = len(usable)
    # identical signatures are one entry, so that a thousand copies are not half a million pairs
    unique, first, member = np.unique(np.concatenate([plain, mirror]), axis=0, return_index=True, return_inverse=True)
    near = near_pairs(unique)
    neighbours = {i: [i] for i in range(len(unique))}
    for a, b in near:
        neighbours[a].append(b)
        neighbours[b].append(a)
    rank = sorted(range(n), key=lambda i: (-min(usable[i].size), usable[i].file))
    holds = {}  # entry -> [(kept picture, whether the entry is its mirrored signature)]
    member = member.reshape(2, n)
    for i in tqdm(rank, "duplicates", unit="img", disable=not progress, mininterval=1):
        row = usable[i]
        tried = sorted({(k, flipped) for entry in neighbours[member[0, i]] for k, flipped in holds.get(entry, ())},
                       key=lambda t: t[1])
        match = None
        if row.file not in keep:
            mine = images[row.index]
            for k, flipped in tried[:200]:
                other = images[usable[k].index]
                if (d := difference(mine, other[:, ::-1] if flipped else other)) < DIFFERENT:
                    match = (k, flipped, d)
                    break
        if match:
            k, flipped, d = match
            row.reason, row.match = "mirrored" if flipped else "duplicate", usable[k].file
            row.detail = f"of {row.match}, differs by {d:.1f}"
            for name, value in row.labels.items():
                usable[k].labels[name] = usable[k].labels.get(name) or value
        else:
            for flipped in (False, True):
                holds.setdefault(member[int(flipped), i], []).append((i, flipped))


# -- bad crops


def find_bad_crops(rows, images, faces, keep, workers, progress):
    """Give pictures without a face in the middle the reason "bad-crop". Returns how it was done, in words."""
    if faces == "off" or not rows:
        return "not looked for"
    if faces in ("auto", "detector"):
        why = detector_trouble()
        if not why:
            found = detect([row.index for row in rows], images, workers, progress)
            for row in rows:
                row.detail = off_centre(found.get(row.index))
                row.reason = "bad-crop" if row.detail and row.file not in keep else ""
            return "found with the detector animeface"
        if faces == "detector":
            raise GanlibError(f"The face detector cannot be used: {why} Install it with pip install 'ganlib[faces]', "
                              "or use faces='outlier'.")
    how = "found as outliers" if faces == "outlier" else f"found as outliers (no face detector: {why})"
    if len(rows) < 200:
        return "not looked for: fewer than 200 images are too few for the outlier measure" + (
            "" if faces == "outlier" else f", and no face detector ({why})")
    distance, limit = outliers(images[[row.index for row in rows]])
    for row, d in zip(rows, distance):
        if d > limit and row.file not in keep:
            row.reason, row.detail = "bad-crop", f"outlier, {d:.1f} where {limit:.1f} is the limit"
    return how


def outliers(images):
    """(how unlike the others each picture is, the limit): what principal components leave of its brightness.

    Each picture is a 16x16 thumbnail in grey, shifted and scaled to mean 0 and deviation 1, so that dark or
    colourful pictures are no outliers for that. The limit is a Tukey fence: the upper quartile and twice
    the interquartile range. It drops few, mostly rightly; the detector sees much more.
    """
    x = np.concatenate([shrink(part @ np.array([0.299, 0.587, 0.114], np.float32), 16, 16).reshape(len(part), -1)
                        for part in np.array_split(images, -(-len(images) // 1024))])
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
    x, y, width = face
    if abs(x - 0.5) > 0.2 or abs(y - 0.5) > 0.2:
        return f"face off-centre, at {x:.0%} from the left and {y:.0%} from the top"
    return f"face too small, {width:.0%} of the width" if width < 0.35 else ""


def detector_trouble():
    """'' where animeface finds a face in a drawn picture, else why it cannot be used."""
    from .synthetic import face
    pictures = np.stack([face(i, size=64)[0] for i in range(4)])
    with tempfile.TemporaryDirectory() as folder:
        np.save(Path(folder) / "images.npy", pictures)
        try:
            found = list(_ask(Path(folder) / "images.npy", range(4)))
        except GanlibError as error:
            return str(error)
    if any(box for _, box in found):
        return ""
    return f"animeface finds no face in a known picture (Pillow {Image.__version__}; it needs one before 12)."


def detect(indices, images, workers, progress):
    """{index: (x, y, width) of the likeliest face, or None}, found in worker processes."""
    found, workers, stop = {}, workers or os.cpu_count(), threading.Event()
    with tqdm(total=len(indices), desc="faces", unit="img", disable=not progress, mininterval=1) as bar, \
            ThreadPoolExecutor(workers) as pool:
        def work(part):
            for index, box in _ask(images.filename, part):
                found[index] = box
                bar.update()
                if stop.is_set():
                    return  # which ends the process as well
        try:
            list(pool.map(work, [indices[i::workers] for i in range(workers)]))
        except BaseException:  # an interrupt must not wait for thousands of pictures
            stop.set()
            raise
    return found


def _ask(path, indices):
    """Run the detector in a process of its own, since it reaches into Pillow's memory."""
    process = subprocess.Popen([sys.executable, "-c", "from ganlib.clean import _answer; _answer()", str(path)],
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                               env=os.environ | {"PYTHONPATH": os.pathsep.join([p for p in sys.path if p])})
    with process:
        try:
            process.stdin.write(json.dumps([int(i) for i in indices]))
            process.stdin.close()
        except BrokenPipeError:
            pass
        for line in process.stdout:
            yield tuple(json.loads(line))
        trouble = process.stderr.read().strip().splitlines()
    if process.returncode:
        raise GanlibError(f"animeface stopped with code {process.returncode} ({trouble[-1] if trouble else 'no word'}).")


def _answer():
    """The worker: for each index a line [index, [x, y, width] or null]."""
    import animeface
    images = np.load(sys.argv[1], mmap_mode="r")
    # a face that is missed is looked for again in other light and tilted: this finds two thirds of the missed ones
    looks = (lambda p: p, lambda p: ImageOps.autocontrast(p, 1), ImageOps.mirror,
             lambda p: p.rotate(15, Image.BICUBIC), lambda p: p.rotate(-15, Image.BICUBIC))
    for index in json.load(sys.stdin):
        # enlarged and padded with its own border, or it misses faces that fill the picture
        side = images.shape[1]
        edge = round(side * 0.25)
        padded = Image.fromarray(np.pad(images[index], ((edge, edge), (edge, edge), (0, 0)), mode="edge"))
        big = round(96 * 1.5)
        picture, box = padded.resize((big, big), Image.BICUBIC), None
        for look in looks:
            if faces := animeface.detect(look(picture)):
                best = max(faces, key=lambda f: f.likelihood).face.pos
                inner = big / 1.5  # the picture without its border
                x, y = best.x + best.width / 2 - big / 6, best.y + best.height / 2 - big / 6
                box = [round((inner - x if look is ImageOps.mirror else x) / inner, 3), round(y / inner, 3),
                       round(best.width / inner, 3)]
                break
        print(json.dumps([index, box]), flush=True)
