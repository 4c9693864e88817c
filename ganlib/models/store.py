"""State files to resume from, and generator files to sample from. Both are safetensors; no pickle."""
import json
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load, save

from ..config import Config
from ..errors import GanlibError, did_you_mean
from ..files import SHIPPED, write_atomic
from ..training.schedule import phase
from .build import build_networks

FORMAT = 1


def not_finite(tensors):
    """The first key of {key: tensor} whose values are not all finite, or None."""
    return next((k for k, v in tensors.items() if v.is_floating_point() and not v.isfinite().all()), None)


def read_metadata(data):
    """The metadata of a safetensors file given as bytes: 8 bytes of length, then JSON."""
    length = int.from_bytes(data[:8], "little")
    return json.loads(data[8:8 + length])["__metadata__"]


def save_generator(path, G, config, images=0, train_seconds=0.0, half=False):
    """Write a generator with what is needed to build it again (its Config) in the metadata."""
    tensors = {k: v.detach().cpu().contiguous() for k, v in G.state_dict().items()}
    if bad := not_finite(tensors):
        raise GanlibError(f"{bad} of the generator holds NaN or infinite values at {images:,} images: not saved.")
    if half:
        tensors = {k: v.half() if v.is_floating_point() else v for k, v in tensors.items()}
    metadata = {"format": str(FORMAT), "kind": "ganlib generator", "config": json.dumps(config.recipe()),
                "images": str(images), "train_seconds": f"{train_seconds:.1f}"}
    write_atomic(path, save(tensors, metadata))


def find_generator(source):
    """The generator file of a run folder, of a file, or of a shipped generator's name ("dcgan")."""
    source = Path(source)
    if source.is_file():
        return source
    for folder in (source, SHIPPED / source):
        if (folder / "generator.safetensors").is_file():
            return folder / "generator.safetensors"
    if source.is_dir():
        raise GanlibError(f"{source} has no generator.safetensors: it is no run, or has not reached its first "
                          "checkpoint.")
    shipped = [p.parent.name for p in SHIPPED.glob("*/generator.safetensors")]
    raise GanlibError(f"There is no run {str(source)!r}, nor a shipped generator of that name."
                      + (did_you_mean(source, shipped) if shipped else ""))


def load_generator(source="dcgan", device="cpu"):
    """A generator in eval mode: G(z) with z (B, G.z_dim) ~ N(0, 1) gives (B, 3, R, R) in [-1, 1].

    source: a run folder, a generator or snapshot file, or the name of a shipped generator.
    G.config is the Config it was trained with, G.info the file's metadata (images, train_seconds).
    """
    path = find_generator(source)
    try:
        data = path.read_bytes()
        info, tensors = read_metadata(data), load(data)
        if info.get("kind") != "ganlib generator" or int(info["format"]) > FORMAT:
            raise ValueError(f"it is a {info.get('kind', 'file of another kind')}, format {info.get('format')}")
        config = Config().replace(**json.loads(info["config"]))
        G = build_networks(config)[0]
        G.load_state_dict({k: v.float() if v.is_floating_point() else v for k, v in tensors.items()})
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError, GanlibError) as error:
        reason = str(error).splitlines()[0]
        raise GanlibError(f"{path} is not a generator that this version can read ({reason}).") from error
    if config.grow:
        now = phase(config, int(info["images"]))
        G.grow(now.resolution, now.fade)
    G.config, G.info = config, info
    return G.eval().requires_grad_(False).to(device)
