"""What tells a pack from every other one: its hash, and checksums that tell which part was altered."""
import hashlib
import json
import zlib
from contextlib import closing

from ..machine.bars import Bar
from .stored import StoredImages

SUMMED = 2 ** 16  # images that have a checksum together


def pack_hash(images, labels, attributes, progress=False):
    """16 hexadecimal digits of a digest of images, labels and the names of classes.

    images: the memory map of images.npy; labels: int16 (N, K); progress: show how far it is.
    """
    digest = hashlib.sha256(json.dumps([images.shape, attributes]).encode())
    with (
        closing(StoredImages(images)) as stored,
        Bar(total=len(images), desc="images", unit="img", disable=not progress, leave=False) as bar,
    ):
        for _, block in stored.blocks():
            digest.update(block)
            bar.update(len(block))
    digest.update(labels.tobytes())
    return digest.hexdigest()[:16]


def checksums(images, labels):
    """A checksum (CRC-32) of the labels and of each SUMMED images, for pack.json: {name: numbers}."""
    with closing(StoredImages(images)) as stored:
        sums = [_checksum(stored, start) for start in range(0, len(images), SUMMED)]
    return {"labels": [zlib.crc32(labels.tobytes())], "images": sums}


def _checksum(stored, start):
    """Of the images from `start` on."""
    found = 0
    for _, block in stored.blocks(start, start + SUMMED):
        found = zlib.crc32(block, found)
    return found


def altered_part(recorded, images, labels):
    """What of a pack is not as it was made, in the plural: "its labels", "its images 0 to 65,535".

    recorded: what pack.json has of `checksums`; a pack of before has None there.
    """
    now = checksums(images, labels)
    if _shape(recorded) != _shape(now):
        return "its images or labels"
    if recorded["labels"] != now["labels"]:
        return "its labels"
    pairs = zip(recorded["images"], now["images"], strict=True)
    changed = [i for i, (before, after) in enumerate(pairs) if before != after]
    if not changed:
        return "the names of its classes"
    first, last = changed[0] * SUMMED, min(len(images), (changed[-1] + 1) * SUMMED) - 1
    return f"its images {first:,} to {last:,}"


def _shape(sums):
    """How many checksums there are under each name; None where these are none."""
    lists = isinstance(sums, dict) and all(isinstance(numbers, list) for numbers in sums.values())
    return {name: len(numbers) for name, numbers in sums.items()} if lists else None
