"""Generator files: save one, find one, load one. They are safetensors with metadata; no pickle is read.

Two names are kept apart in the whole package. A `generator` is a LoadedGenerator: the network and what is
known about it. A `G` is the network alone.
"""
import json
from dataclasses import dataclass, field
from pathlib import Path

from safetensors import SafetensorError
from torch import nn

from ..config import Config
from ..errors import GanlibError, did_you_mean
from ..pretrained.hub_files import fetch_from_hub, is_on_hub
from ..tensors import not_finite, read_safetensors, write_safetensors
from ..training.schedule import moment
from .build import build_networks

FORMAT = 1
SHIPPED = Path(__file__).resolve().parent.parent / "shipped"  # <name>/generator.safetensors


@dataclass(eq=False)
class LoadedGenerator:
    """A generator as `load_generator` gives it.

    G: the network, in eval mode and without gradients; config: the Config that it was trained with; info: the
    file's metadata (among them images and train_seconds, as text); folder: where the file lies, or None.
    """

    G: nn.Module = field(repr=False)
    config: Config
    info: dict
    folder: Path | None = None

    @property
    def has_styles(self):
        """Whether there is a w to truncate, mix and edit."""
        return self.G.has_styles

    def to(self, device):
        """Move the network to a device; returns this generator."""
        self.G.to(device)
        return self


def network(generator):
    """The network of a LoadedGenerator. A network is passed through, so that a call may take either."""
    G = generator.G if isinstance(generator, LoadedGenerator) else generator
    if not isinstance(G, nn.Module):
        raise GanlibError(f"This is no generator: found {type(G).__name__}; expected what "
                          "load_generator(...) returns.")
    return G


def need_loaded(generator):
    """The LoadedGenerator itself; raises GanlibError for anything else, such as a network alone."""
    if not isinstance(generator, LoadedGenerator):
        raise GanlibError(f"This is no loaded generator: found {type(generator).__name__}; expected what "
                          "load_generator(...) returns, not its network .G alone.")
    return generator


def save_generator(path, G, config, images=0, train_seconds=0.0, half=False):
    """Write the network G with what is needed to build it again (its Config) in the metadata.

    images, train_seconds: how long it was trained. half: store 16 bits a number.
    """
    tensors = G.state_dict()
    if bad := not_finite(tensors):
        raise GanlibError(f"{bad} of the generator holds NaN or infinite values at {images:,} images: "
                          "not saved.")
    if half:
        tensors = {k: v.half() if v.is_floating_point() else v for k, v in tensors.items()}
    metadata = {"format": str(FORMAT), "kind": "ganlib generator", "config": json.dumps(config.recipe()),
                "images": str(images), "train_seconds": f"{train_seconds:.1f}"}
    write_safetensors(path, tensors, metadata)


def shipped():
    """The names of the generators that come with ganlib, in alphabetical order."""
    return sorted(path.parent.name for path in SHIPPED.glob("*/generator.safetensors"))


def find_generator(source):
    """The generator file of a run folder, of a file, or of a shipped generator's name ("dcgan").

    With ":best" at its end, as in "runs/first:best", the best generator of a run instead of the last. Of
    "hf:name/repository" the file in the cache, which is fetched from the Hugging Face Hub if need be.
    """
    if not isinstance(source, str | Path):
        raise GanlibError(f"This is no source of a generator: found {type(source).__name__}; expected a run "
                          "folder, a generator file, or the name of a generator that comes with ganlib.")
    if is_on_hub(source):
        return fetch_from_hub(source)
    run, source = Path(str(source).removesuffix(":best")), Path(source)
    if source.is_file():
        return source
    if run != source and run.is_dir() and not source.exists():
        return _best_of(run)
    for folder in (source, SHIPPED / source):
        if (folder / "generator.safetensors").is_file():
            return folder / "generator.safetensors"
    if source.is_dir():
        raise GanlibError(f"{source} has no generator.safetensors: it is no run, or has not reached its "
                          "first checkpoint.")
    names = shipped()
    raise GanlibError(f"There is no run {str(source)!r}, nor a shipped generator of that name."
                      + (did_you_mean(source, names) if names else ""))


def _best_of(run):
    """The generator of a run with the best score."""
    if not (run / "best.safetensors").is_file():
        raise GanlibError(f"{run} has no best.safetensors, as none of its generators is scored: make the "
                          "call that trained it again, with score='after' (no training is repeated).")
    return run / "best.safetensors"


def load_generator(source="dcgan", device="cpu"):
    """The LoadedGenerator of a file. Its G maps z (B, z_dim) ~ N(0, 1) to images (B, 3, R, R) in [-1, 1].

    source: a run folder, a generator or snapshot file, or the name of a shipped generator. The end ":best",
    as in "runs/first:best", takes a run's best generator by its score instead of the last. Also
    "hf:name/repository", or "hf:name/repository@revision": a generator on the Hugging Face Hub.
    Raises GanlibError where there is no such file, or where it is no generator.
    """
    path = find_generator(source)
    try:
        tensors, info = read_safetensors(path)
        if info.get("kind") != "ganlib generator" or int(info["format"]) > FORMAT:
            kind = info.get("kind", "file of another kind")
            raise ValueError(f"it is a {kind}, format {info.get('format')}")
        config = Config().replace(**json.loads(info["config"]))
        G = build_networks(config)[0]
        G.load_state_dict({k: v.float() if v.is_floating_point() else v for k, v in tensors.items()})
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError, GanlibError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise GanlibError(f"{path} is not a generator that this version can read ({reason}).") from error
    if config.grow:
        now = moment(config, int(info["images"]))
        G.grow(now.resolution, now.fade)
    G.eval().requires_grad_(False).to(device)
    return LoadedGenerator(G, config, info, path.parent)
