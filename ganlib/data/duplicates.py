"""Copies and mirror images among pictures: likely pairs by signatures, then each compared in its pixels."""
from collections import defaultdict

import numpy as np

from ..machine.bars import Bar

HAMMING = 24  # of the 128 bits of a signature, for a pair to be compared in pixels
WINDOW = 64  # how many neighbours in a sorted table are looked at
MOST_CANDIDATES = 200  # with which one picture is compared
DIFFERENT = 16.0  # largest difference of local means between two copies of one picture, in grey levels
LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # what red, green and blue add to brightness


def find_duplicates(rows, images, progress):
    """Give every copy of a picture that is kept the reason "duplicate" or "mirrored".

    rows: of the pictures to compare; images: uint8 (N, S, S, 3), in which row.index is the place of each.
    Of a group the largest source stays, then the first by name. Every dropped file was compared with the
    very file that is kept, so that likenesses never chain.
    """
    rows = sorted(rows, key=lambda row: (-min(row.size), row.file))
    plain, mirrored, near = _entries(images, [row.index for row in rows])
    kept: dict = defaultdict(list)  # entry -> [(whether it is that of the mirror image, which of the rows)]
    for i, row in enumerate(Bar(rows, "duplicates", unit="img", disable=not progress, mininterval=1)):
        candidates = {one for entry in (plain[i], *near[plain[i]]) for one in kept[entry]}
        if not _drop(row, sorted(candidates)[:MOST_CANDIDATES], rows, images):
            kept[plain[i]].append((False, i))
            kept[mirrored[i]].append((True, i))


def _entries(images, indices):
    """The signatures of pictures, as numbers: equal signatures are one entry.

    So a thousand copies are not half a million pairs. Returns the entry of each picture, that of each mirror
    image, and for each entry those that are near it.
    """
    parts = np.array_split(images, len(images) // 1024 + 1)  # so that the arithmetic takes little memory
    plain = np.concatenate([signatures(part) for part in parts])[indices]
    mirrored = np.concatenate([signatures(part[:, :, ::-1]) for part in parts])[indices]
    unique, entry = np.unique(np.concatenate([plain, mirrored]), axis=0, return_inverse=True)
    near = defaultdict(list)
    for a, b in near_pairs(unique).tolist():
        near[a].append(b)
        near[b].append(a)
    plain, mirrored = entry.reshape(2, -1).tolist()
    return plain, mirrored, near


def _drop(row, candidates, rows, images):
    """Give a row its reason where it is a copy of one of the candidates. Returns whether it is."""
    for flipped, k in candidates:
        original = images[rows[k].index]
        difference = picture_difference(images[row.index], original[:, ::-1] if flipped else original)
        if difference < DIFFERENT:
            row.reason = "mirrored" if flipped else "duplicate"
            row.match = rows[k].file
            row.detail = f"of {row.match}, differs by {difference:.1f}"
            for name, label in row.labels.items():  # what is known of the copy is known of the other
                rows[k].labels[name] = rows[k].labels[name] or label
            return True
    return False


def signatures(images):
    """Two 64-bit perceptual hashes of each picture: uint64 (N, 2).

    The first compares the 8x8 lowest frequencies of the brightness with their median (pHash), the second
    cells of a 9x8 thumbnail with their neighbours (dHash). imagehash has both, but takes minutes for a
    large set.
    """
    grey = images @ LUMA  # (N, S, S)
    # the cosine transform (DCT-II), its lowest nine frequencies
    basis = np.cos(np.pi / 32 * np.outer(np.arange(9), np.arange(32) + 0.5)).astype(np.float32)
    low = (basis @ area_average(grey, 32, 32) @ basis.T)[:, 1:, :8].reshape(-1, 64)
    cells = area_average(grey, 8, 9)
    brighter = (cells[:, :, 1:] > cells[:, :, :-1]).reshape(-1, 64)
    bits = [low > np.median(low, 1, keepdims=True), brighter]
    return np.packbits(np.stack(bits, 1), axis=2).view(np.uint64)[..., 0]


def area_average(x, h, w):
    """Area averages of (..., H, W) on a grid of h x w, for any sizes."""
    return _shares(x.shape[-2], h) @ x @ _shares(x.shape[-1], w).T


def _shares(n, m):
    """The share of each of n cells in each of m larger ones, (m, n)."""
    edges = np.linspace(0, n, m + 1)[:, None]
    return (np.diff((edges - np.arange(n)).clip(0, 1), axis=0) * m / n).astype(np.float32)


def near_pairs(hashes):
    """Pairs (P, 2) of rows of `hashes` (N, 2) uint64 that differ in at most HAMMING of their 128 bits.

    The rows are sorted eight times, each time with another 16 bits in front, and each is compared with its
    next WINDOW neighbours that share these bits (after Manku, Jain & Das Sarma, "Detecting near-duplicates
    for web crawling", 2007). Finds every pair that differs in 7 bits or fewer, unless more rows than the
    window share one 16-bit value, and most of those beyond, in N log N.
    """
    n = len(hashes)
    sixteen = hashes.view(np.uint16)  # (N, 8)
    pairs = np.empty(0, np.int64)  # each as smaller * n + larger, half the memory of two columns
    for table in range(8):
        order = np.lexsort([sixteen[:, (table + k) % 8] for k in (3, 2, 1, 0)])
        front = sixteen[order, table]
        sorted_hashes = hashes[order]
        found = [pairs]
        for step in range(1, min(WINDOW, n - 1) + 1):
            here = np.flatnonzero(front[step:] == front[:-step])
            if not len(here):
                break
            bits = np.bitwise_count(sorted_hashes[here] ^ sorted_hashes[here + step]).sum(1)
            near = here[bits <= HAMMING]
            a = order[near]
            b = order[near + step]
            found.append(np.minimum(a, b) * n + np.maximum(a, b))
        pairs = np.unique(np.concatenate(found))
    return np.stack(np.divmod(pairs, n), 1)


def picture_difference(a, b):
    """The largest difference of local means of two pictures (S, S, 3), in grey levels.

    Brightness is averaged over windows of a sixteenth of the size, and the colours, which JPEG blurs, over
    an eighth. Re-encoding and resizing change brightness at edges, and hardly elsewhere, so it counts in
    proportion to the contrast around it in the plainer of the two pictures: a mouth that is gone is a small
    difference, on smooth skin. Below DIFFERENT are 99% of copies at JPEG quality 50 or half the size, and
    17% of real faces whose mouth was painted over (80% without the proportion).
    """
    cells = area_average(np.stack([a, b]).transpose(0, 3, 1, 2).astype(np.float32), 32, 32)  # (2, 3, 32, 32)
    grey = np.einsum("c,nchw->nhw", LUMA, cells)
    around = np.pad(grey, ((0, 0), (1, 1), (1, 1)), mode="symmetric")
    variance = _window_means(around**2, 3) - _window_means(around, 3) ** 2
    contrast = np.sqrt(variance.clip(0)).min(0, keepdims=True)
    colour = cells[0] - cells[1]
    light = grey[:1] - grey[1:]
    light_part = np.abs(_window_means(light, 2)) / (5 + 0.5 * _window_means(contrast, 2))
    return float(max(DIFFERENT * light_part.max(), np.abs(_window_means(colour - light, 4)).max()))


def _window_means(x, n):
    """The means of all n x n windows of (C, S, S)."""
    band = np.tri(x.shape[-1] - n + 1, x.shape[-1], n - 1)
    band = (band - np.tri(*band.shape, -1)) / n
    return band @ x @ band.T
