"""State files to resume from, and generator files to sample from. Both are safetensors; no pickle."""
import contextlib
import errno
import hashlib
import json
import os
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from . import dcgan, stylegan
from .config import Config, nearest, phase
from .errors import GanlibError

FORMAT = 1
SHIPPED = Path(__file__).resolve().parent.parent / "data" / "generators"


def build_networks(config):
    """(G, D) for a Config, with freshly drawn weights that depend on its seed only."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        if config.model == "dcgan":
            widths = dcgan.widths(config.resolution, config.width, config.max_width)
            G = dcgan.Generator(config.resolution, widths, config.z_dim, config.g_act, config.residual, config.values)
            D = dcgan.Discriminator(config.resolution, widths, config.d_norm, config.residual, config.dropout,
                                    config.spectral_norm, config.values)
        else:
            G, D = _style_based(config)
    return G, D


def _style_based(config):
    def channels(width):  # from 4x4 to the full resolution, `width` at 64x64
        return [min(max(1, width * 64 // 2**i), config.max_width) for i in range(2, config.resolution.bit_length())]

    latent = config.z_dim, config.w_dim, config.mapping_layers, config.mixing
    Generator, Discriminator = ((stylegan.Generator, stylegan.Discriminator) if config.model == "stylegan" else
                                (stylegan.FastGenerator, stylegan.FastDiscriminator))
    G = Generator(config.resolution, channels(config.width), *latent)
    if config.model == "stylegan-projected":
        return G, stylegan.ProjectedDiscriminator(config.resolution)
    return G, Discriminator(config.resolution, channels(config.d_width or config.width))


def write_atomic(path, data):
    """Write bytes to a temporary file in the same folder, then move it into place: all or nothing."""
    path = Path(path)
    part = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(part, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            part.unlink()
        full = error.errno == errno.ENOSPC
        raise GanlibError(f"Could not write {path} ({len(data) / 1e6:.1f} MB): "
                          f"{'no space left on the disk' if full else error.strerror or error}. "
                          f"{'Free some space' if full else 'Choose another folder'}, and make the same call again; "
                          "what was there before is untouched.") from error


# -- state: everything that resuming needs


def _moments(opt, name):
    """Flat {key: tensor} of an optimizer's state, numbered in the order of its parameters."""
    params = [p for group in opt.param_groups for p in group["params"]]
    return {f"{name}.{i}.{key}": value for i, p in enumerate(params) for key, value in opt.state[p].items()
            if torch.is_tensor(value)}


def save_state(run, images, modules, optimizers, ema, progress):
    """Write run/state-<images>.safetensors and its checksum; keep the newest two.

    modules, optimizers: dicts by name; ema: the averaged generator, of which the parameters are kept;
    progress: a JSON-able dict that comes back from `load_state`. All randomness follows from the seed and
    the images seen, so there is no random state to store beside them.
    """
    tensors = {f"{name}.{k}": v for name, m in modules.items() for k, v in m.state_dict().items()}
    tensors |= {f"ema.{k}": p for k, p in ema.named_parameters()}
    for name, opt in optimizers.items():
        tensors |= _moments(opt, name)
    if bad := not_finite(tensors):
        raise GanlibError(f"{bad} holds NaN or infinite values at {images:,} images: not saved.")
    # safetensors keeps plain contiguous tensors only
    data = save({k: v.detach().cpu().contiguous() for k, v in tensors.items()},
                {"format": str(FORMAT), "progress": json.dumps(progress)})
    path = Path(run) / f"state-{images:09d}.safetensors"
    # the checksum goes first: alone it does no harm, and a state without one would count as cut short
    write_atomic(f"{path}.sha256", f"{hashlib.sha256(data).hexdigest()}  {path.name}\n".encode())
    write_atomic(path, data)
    for old in state_files(run)[2:]:
        old.unlink()
        Path(f"{old}.sha256").unlink(missing_ok=True)
    return path


def not_finite(tensors):
    """The first key of {key: tensor} whose values are not all finite, or None."""
    return next((k for k, v in tensors.items() if v.is_floating_point() and not v.isfinite().all()), None)


def state_files(run):
    """The state files of a run, newest first."""
    return sorted(Path(run).glob("state-*.safetensors"), reverse=True)


def load_state(run, modules, optimizers, ema, say=print):
    """Fill the modules and optimizers from the newest intact state; its progress dict, or None.

    A state that is cut short or altered is passed over, and said so. Values are copied into the memory of
    the existing tensors, because a loaded tensor's contiguous layout beside channels-last parameters
    makes fused Adam wrong without an error.
    """
    found = state_files(run)
    for path in found:
        tensors, metadata = _read_state(path)
        if tensors is None:
            say(f"{path.name} is cut short or altered: falling back to the one before.")
            continue
        expected = {f"{name}.{k}": v.shape for name, module in modules.items() for k, v in module.state_dict().items()}
        if any(k not in tensors or tensors[k].shape != shape for k, shape in expected.items()):
            raise GanlibError(f"{path} is of other networks, as another version of ganlib had them: name another folder to "
                              "train anew. Its generator.safetensors still works.")
        with torch.no_grad():
            for name, module in modules.items():
                for k, v in module.state_dict().items():
                    v.copy_(tensors[f"{name}.{k}"])
            for k, p in ema.named_parameters():
                p.copy_(tensors[f"ema.{k}"])
            for name, opt in optimizers.items():
                pairs = [(group, p) for group in opt.param_groups for p in group["params"]]
                for i, (group, p) in enumerate(pairs):
                    prefix = f"{name}.{i}."
                    opt.state[p] = {k.removeprefix(prefix): _like(p, v, group.get("fused"))
                                    for k, v in tensors.items() if k.startswith(prefix)}
        return json.loads(metadata["progress"])
    if found:
        raise GanlibError(f"None of the {len(found)} state files in {run} is intact. To train anew, move that "
                          "folder away or name another one; its generator.safetensors still works.")
    return None


def _like(p, value, fused):
    """`value` in the layout and on the device of the parameter p; Adam's step, a scalar, there only if fused."""
    if value.shape == p.shape:
        return torch.zeros_like(p).copy_(value)
    return value.to(p.device if fused else "cpu", copy=True)


def _read_state(path):
    try:
        data = path.read_bytes()
        if Path(f"{path}.sha256").read_text().split()[0] != hashlib.sha256(data).hexdigest():
            return None, None
        metadata = read_metadata(data)
        return (load(data), metadata) if int(metadata["format"]) <= FORMAT else (None, None)
    except (OSError, KeyError, IndexError, ValueError, SafetensorError):
        return None, None


def read_metadata(data):
    """The metadata of a safetensors file given as bytes: 8 bytes of length, then JSON."""
    length = int.from_bytes(data[:8], "little")
    return json.loads(data[8:8 + length])["__metadata__"]


# -- generators: what sampling needs, nothing else


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
                      + (nearest(source, shipped) if shipped else ""))


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
