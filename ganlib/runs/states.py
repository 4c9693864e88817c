"""States: everything that resuming needs, as safetensors with a checksum beside them; no pickle."""
import json
from pathlib import Path

import torch

from ..errors import GanlibError
from ..models.store import FORMAT
from ..tensors import checksum_file, not_finite, read_checked, write_safetensors


def state_files(run):
    """The state files of a run, newest first."""
    return sorted(Path(run).glob("state-*.safetensors"), reverse=True)


def save_state(run, images, networks, optimizers, ema, progress):
    """Write run/state-<images>.safetensors and its checksum; keep the newest two.

    networks, optimizers: dicts by name. ema: the averaged generator, of which the parameters are kept.
    progress: a JSON-able dict that comes back from `load_state`. All randomness follows from the seed and
    the images seen, so there is no random state to store beside them.
    """
    tensors = {f"ema.{key}": parameter for key, parameter in ema.named_parameters()}
    for name, network in networks.items():
        tensors |= {f"{name}.{key}": value for key, value in network.state_dict().items()}
    for name, optimizer in optimizers.items():
        tensors |= _moments(optimizer, name)
    if bad := not_finite(tensors):
        raise GanlibError(f"{bad} holds NaN or infinite values at {images:,} images: not saved.")
    path = Path(run) / f"state-{images:09d}.safetensors"
    write_safetensors(path, tensors, {"format": str(FORMAT), "progress": json.dumps(progress)}, checked=True)
    for old in state_files(run)[2:]:
        remove_state(old)
    return path


def remove_state(path):
    path.unlink()
    checksum_file(path).unlink(missing_ok=True)


def load_state(run, networks, optimizers, ema, say=print):
    """Fill networks and optimizers from the newest intact state; its progress dict, or None without a state.

    A state that is cut short or altered is passed over, and said so. Raises GanlibError where none of
    several is intact, or the networks are others.
    """
    files = state_files(run)
    for path in files:
        found = read_checked(path)
        if found is None or int(found[1].get("format", 0)) > FORMAT:
            say(f"{path.name} is cut short or altered: falling back to the one before.")
            continue
        tensors, metadata = found
        _refuse_other_networks(path, tensors, networks)
        _fill(tensors, networks, optimizers, ema)
        return json.loads(metadata["progress"])
    if files:
        raise GanlibError(f"None of the {len(files)} state files in {run} is intact. To train anew, move "
                          "that folder away or name another one; its generator.safetensors still works.")
    return None


def _moments(optimizer, name):
    """Flat {key: tensor} of an optimizer's state, numbered in the order of its parameters."""
    return {f"{name}.{i}.{key}": value
            for i, (_, parameter) in enumerate(_parameters(optimizer))
            for key, value in optimizer.state[parameter].items() if torch.is_tensor(value)}


def _parameters(optimizer):
    """(group, parameter) of an optimizer, in their order."""
    return [(group, parameter) for group in optimizer.param_groups for parameter in group["params"]]


def _refuse_other_networks(path, tensors, networks):
    for name, network in networks.items():
        for key, value in network.state_dict().items():
            found = tensors.get(f"{name}.{key}")
            if found is None or found.shape != value.shape:
                raise GanlibError(f"{path} is of other networks, as another version of ganlib had them: name "
                                  "another folder to train anew. Its generator.safetensors still works.")


@torch.no_grad()
def _fill(tensors, networks, optimizers, ema):
    """Copy values into the memory of the tensors that are there.

    A loaded tensor's contiguous layout beside channels-last parameters makes fused Adam wrong without an
    error.
    """
    for name, network in networks.items():
        for key, value in network.state_dict().items():
            value.copy_(tensors[f"{name}.{key}"])
    for key, parameter in ema.named_parameters():
        parameter.copy_(tensors[f"ema.{key}"])
    for name, optimizer in optimizers.items():
        for i, (group, parameter) in enumerate(_parameters(optimizer)):
            prefix = f"{name}.{i}."
            optimizer.state[parameter] = {
                key.removeprefix(prefix): _like(parameter, value, group)
                for key, value in tensors.items() if key.startswith(prefix)}


def _like(parameter, value, group):
    """`value` in the layout and on the device of a parameter; the count of steps there only if need be."""
    if value.shape == parameter.shape:
        return torch.zeros_like(parameter).copy_(value)
    there = group.get("fused") or group.get("capturable")
    return value.to(parameter.device if there else "cpu", copy=True)
