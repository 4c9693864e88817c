"""What to lower where the memory is full; on a GPU by trying."""
import dataclasses

import torch

from ..errors import is_out_of_memory
from ..machine.device import global_generator
from ..machine.processes import world
from ..models.labels import all_unknown
from .schedule import moment
from .step import Step


def what_to_lower(config, images, device, dtype):
    """What to lower where the memory is full after so many images seen, as a sentence."""
    at = moment(config, images)
    table = f' by batches={config.batches!r}; set batches="" with it' if config.batches else ""
    batch = fitting_batch(config, at, device, dtype) if device.type == "cuda" and world().size == 1 else 0
    tried = f"; {batch} fits, as a try has shown" if batch else ""
    return (f"Lower batch (now {at.batch}{table}{tried}), width ({config.width}) or the "
            f"resolution ({config.resolution}), or close other programs that use the memory.")


def fitting_batch(config, at, device, dtype):
    """The first of half, a quarter, ... of a Moment's batch with which an update fits; 0 where none does."""
    batch = at.batch // 2
    while batch >= 2:
        try:
            _try_update(config, dataclasses.replace(at, batch=batch), device, dtype)
            return batch
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            batch //= 2
    return 0


def _try_update(config, at, device, dtype):
    """One update of fresh networks on grey pictures, with the penalty where the recipe has one."""
    step = Step(config, device, dtype)
    size = at.batch, 3, config.resolution, config.resolution
    real = torch.zeros(size, device=device).contiguous(memory_format=torch.channels_last)
    z = torch.zeros(at.batch, config.z_dim, device=device)
    labels = all_unknown(config.attributes(), at.batch, device)
    at = dataclasses.replace(at, penalised=config.penalty != "none")
    step(real, labels, z, at, global_generator(device), measure=True)
    if device.type == "cuda":
        torch.cuda.synchronize(device)
