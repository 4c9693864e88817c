"""Files of tensors: safetensors with metadata, and with a checksum beside them. No pickle is read."""
import hashlib
import json
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load, save

from .files import write_atomic


def not_finite(tensors):
    """The first key of {key: tensor} whose values are not all finite, or None."""
    return next((k for k, v in tensors.items() if v.is_floating_point() and not v.isfinite().all()), None)


def read_metadata(data):
    """The metadata of a safetensors file given as bytes: 8 bytes of length, then JSON."""
    length = int.from_bytes(data[:8], "little")
    return json.loads(data[8:8 + length])["__metadata__"]


def metadata_of(path):
    """The metadata of a safetensors file, which is not read whole. Raises what `open` and `json` raise."""
    with open(path, "rb") as file:
        length = file.read(8)
        return read_metadata(length + file.read(int.from_bytes(length, "little")))


def read_safetensors(path):
    """(tensors, metadata) of a safetensors file. Raises what `open`, `json` and safetensors raise."""
    data = Path(path).read_bytes()
    return load(data), read_metadata(data)


def write_safetensors(path, tensors, metadata, checked=False):
    """Write {key: tensor} and {key: text}; checked: with a checksum in a file beside it.

    The checksum goes first: alone it does no harm, and a file without one would count as cut short.
    """
    # safetensors keeps plain contiguous tensors only
    plain = {key: value.detach().cpu().contiguous() for key, value in tensors.items()}
    data = save(plain, metadata)
    if checked:
        write_atomic(checksum_file(path), f"{hashlib.sha256(data).hexdigest()}  {path.name}\n".encode())
    write_atomic(path, data)


def checksum_file(path):
    return Path(f"{path}.sha256")


def read_checked(path):
    """(tensors, metadata) of a file with a checksum; None where it is cut short or altered."""
    try:
        data = path.read_bytes()
        if checksum_file(path).read_text().split()[0] != hashlib.sha256(data).hexdigest():
            return None
        return load(data), read_metadata(data)
    except (OSError, KeyError, IndexError, ValueError, SafetensorError):
        return None
