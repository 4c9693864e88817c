"""Latent files: faces kept as their latents, with the model that they belong to and their settings."""
import hashlib
import json

from safetensors import SafetensorError
from safetensors.torch import save

from ..errors import GanlibError
from ..files import check_replaceable, write_atomic
from ..models.store import need_loaded
from ..tensors import read_safetensors

LATENTS_FORMAT = "1"
LATENTS_KIND = "ganlib latents"


def identity(generator):
    """What tells a LoadedGenerator from others, in words, down to a hash of its weights."""
    G, config = need_loaded(generator).G, generator.config
    weights = hashlib.sha256()
    for name, value in sorted(G.state_dict().items()):
        weights.update(name.encode() + value.cpu().numpy().tobytes())
    return (f"{config.preset}, {G.resolution}x{G.resolution}, {int(generator.info['images']):,} images seen, "
            f"data {config.data or 'unknown'}, weights {weights.hexdigest()[:12]}")


def save_latents(path, generator, z, **settings):
    """Write z (n, z_dim) or ws (n, L, w_dim) as safetensors, with their model and settings (psi, ...).

    Raises GanlibError where the path holds anything else than a latent file.
    """
    check_replaceable(path, _objection_to_latents)
    metadata = {"format": LATENTS_FORMAT, "kind": LATENTS_KIND, "model": identity(generator),
                "settings": json.dumps(settings)}
    write_atomic(path, save({"latents": z.detach().cpu().contiguous()}, metadata))


def _objection_to_latents(path):
    """What a file is in words, where latents must not take its place, such as a generator; else "".

    Raises OSError.
    """
    try:
        _, about = read_safetensors(path)
        kind = about["kind"]
    except (ValueError, KeyError, TypeError, SafetensorError):
        return "it is another kind of file"
    return "" if kind == LATENTS_KIND else f"it is a {kind}"


def load_latents(path, generator):
    """(z or ws, settings) as `save_latents` wrote them.

    Raises GanlibError where the file is no latent file, or where its latents are of another model.
    """
    try:
        tensors, about = read_safetensors(path)
        if about["format"] != LATENTS_FORMAT or about["kind"] != LATENTS_KIND:
            raise ValueError(f"format {about['format']} of {about['kind']}")
        z, model, settings = tensors["latents"], about["model"], json.loads(about["settings"])
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise GanlibError(f"{path} is not a latent file that this version can read ({error}).") from error
    if model != identity(generator):
        raise GanlibError(f"{path} belongs to another model: {model}.\nThis is {identity(generator)}.")
    return z, settings
