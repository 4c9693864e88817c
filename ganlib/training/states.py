"""State files to resume from, and generator files to sample from. Both are safetensors; no pickle."""
import hashlib
import json
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from ..errors import GanlibError
from ..files import write_atomic
from ..models.store import FORMAT, not_finite, read_metadata


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
