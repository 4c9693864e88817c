"""From latents to pictures, and back: truncation, mixing, walks, directions, latent files, inversion.

z (n, z_dim) ~ N(0, 1) goes into every generator; ws (n, L, w_dim), one style per layer, into style-based ones only.
"""
import hashlib
import json
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load, save

from ..errors import GanlibError
from ..files import write_atomic
from ..models.store import read_metadata


def identity(G):
    """What tells a generator (as `load_generator` gives it) from others, in words, down to a hash of its weights."""
    weights = hashlib.sha256()
    for name, value in sorted(G.state_dict().items()):
        weights.update(name.encode() + value.cpu().numpy().tobytes())
    return (f"{G.config.preset}, {G.resolution}x{G.resolution}, {int(G.info['images']):,} images seen, "
            f"data {G.config.data or 'unknown'}, weights {weights.hexdigest()[:12]}")


def save_latents(path, G, z, **settings):
    """Write z (n, z_dim) or ws (n, L, w_dim) as safetensors, with their model and settings (noise, psi, seeds, ...)."""
    about = {"format": "1", "kind": "ganlib latents", "model": identity(G), "settings": json.dumps(settings)}
    write_atomic(path, save({"latents": z.detach().cpu().contiguous()}, about))


def load_latents(path, G):
    """(z or ws, settings) as `save_latents` wrote them; raises GanlibError if they are of another model than G."""
    try:
        data = Path(path).read_bytes()
        about, z = read_metadata(data), load(data)["latents"]
        if about["format"] != "1" or about["kind"] != "ganlib latents":
            raise ValueError(f"format {about['format']} of {about['kind']}")
        model, settings = about["model"], json.loads(about["settings"])
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise GanlibError(f"{path} is not a latent file that this version can read ({error}).") from error
    if model != identity(G):
        raise GanlibError(f"{path} belongs to another model: {model}.\nThis is {identity(G)}.")
    return z, settings
