"""Latent files: faces kept as their latents, with the model that they belong to and their settings.

A PNG may hold a latent file as well, as a text. So a picture that the panels saved brings its face back.
"""
import base64
import hashlib
import io
import json
from pathlib import Path

import torch
from PIL import Image, PngImagePlugin
from safetensors import SafetensorError
from safetensors.torch import load, save

from ..errors import GanlibError
from ..files import check_replaceable, write_atomic
from ..images import encoded
from ..models.store import need_loaded
from ..tensors import read_metadata, read_safetensors

LATENTS_FORMAT = "1"
LATENTS_KIND = "ganlib latents"
IN_PICTURE = "ganlib face"  # the text of a PNG that holds a latent file
PNG_SIGNATURE = b"\x89PNG"
FLOATS = torch.float16, torch.bfloat16, torch.float32, torch.float64


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
    write_atomic(path, _latent_bytes(generator, z, settings))


def _latent_bytes(generator, z, settings):
    metadata = {"format": LATENTS_FORMAT, "kind": LATENTS_KIND, "model": identity(generator),
                "settings": json.dumps(settings)}
    return save({"latents": z.detach().cpu().contiguous()}, metadata)


def picture_with_latents(picture, generator, z, settings):
    """The bytes of a PNG of a PIL image, with a latent file in it: `load_latents` reads that as well.

    settings: a dict of what rebuilds z, for JSON.
    """
    text = PngImagePlugin.PngInfo()
    text.add_text(IN_PICTURE, base64.b64encode(_latent_bytes(generator, z, settings)).decode())
    return encoded(picture.save, pnginfo=text)


def is_latent_file(seeds):
    """Whether seeds are the path of a file that may hold faces: a latent file, or a picture."""
    return isinstance(seeds, str | Path) and Path(seeds).suffix.lower() in (".safetensors", ".png")


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
    """(z or ws, settings) as `save_latents` wrote them, or `picture_with_latents` in a PNG.

    Raises GanlibError where the file is no latent file, or where its latents are of another model.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise GanlibError(f"{path} is not a latent file that this version can read ({error}).") from error
    return latents_in(data, generator, path)


def latents_in(data, generator, name):
    """What `load_latents` gives, from the bytes of a file. name: what errors call it."""
    try:
        if bytes(data[:4]) == PNG_SIGNATURE:
            data = _latents_in(data)
        tensors, about = load(bytes(data)), read_metadata(data)
        if about["format"] != LATENTS_FORMAT or about["kind"] != LATENTS_KIND:
            raise ValueError(f"format {about['format']} of {about['kind']}")
        z, model, settings = tensors["latents"], about["model"], dict(json.loads(about["settings"]))
    except Exception as error:  # a hostile file finds ever new ones, such as a far too large picture
        raise GanlibError(f"{name} is not a latent file that this version can read ({error}).") from error
    if model != identity(generator):
        raise GanlibError(f"{name} belongs to another model: {model}.\nThis is {identity(generator)}.")
    _check_latents(z, generator.G, name)
    return z.float(), settings


def _check_latents(z, G, name):
    """Raise GanlibError for numbers that a generator cannot draw."""
    others = (G.num_layers, len(G.w_avg)) if G.has_styles else (G.inputs,)
    shapes = (G.z_dim,), others
    fits = z.ndim > 1 and len(z) and tuple(z.shape[1:]) in shapes and z.dtype in FLOATS
    if not fits or not z.isfinite().all():
        raise GanlibError(f"{name} holds latents that this model cannot draw ({str(z.dtype)[6:]} of shape "
                          f"{tuple(z.shape)}).")


def _latents_in(png):
    """The bytes of the latent file in those of a PNG. Raises what Pillow raises, and ValueError."""
    with Image.open(io.BytesIO(png)) as picture:
        text = picture.text.get(IN_PICTURE)
    if text is None:
        raise ValueError("there is no face in this picture")
    return base64.b64decode(text)
