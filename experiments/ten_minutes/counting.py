"""How fast a preset trains, and what a step is made of: arithmetic, operations, kernels.

Images a second are those of `train` itself, with all that it does between its steps. A hook of it times some
records, counts during others, and breaks the training off. Arithmetic is counted with torch's formulas
(torch.utils.flop_counter), both backward passes of a penalty included.
"""
import contextlib
import tempfile

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from ganlib.machine.device import DTYPES, pick_device
from ganlib.training.loop import train

from .here import wait_for

RECORD_STEPS = 16  # steps between two records: each has as many with a penalty as the next
# The first records are slow: kernels are chosen in them. Captured steps of each kind run three times before
# they are captured, and one kind comes once a record
WARM_RECORDS = {"eager": 2, "captured": 5}


class Operations(TorchDispatchMode):
    """Counts operations of torch, and their arithmetic by torch's formulas.

    (FlopCounterMode follows modules as well, which a second backward pass breaks.)
    """

    def __init__(self):
        super().__init__()
        self.flop = self.number = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        if formula := flop_registry.get(func._overloadpacket):
            self.flop += formula(*args, **(kwargs or {}), out_val=out)
        self.number += not func.is_view
        return out

    def found(self, steps, images):
        """What a row says of it."""
        return {"flop_per_image": self.flop / images, "operations": self.number / steps}


class Kernels:
    """Counts the kernels that a GPU runs, how long it computes, and what the host launches."""

    def __init__(self, device):
        self.device = device
        self.number = self.launches = self.nanoseconds = 0

    def __enter__(self):
        wait_for(self.device)
        self.profiler = torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA])
        self.profiler.__enter__()

    def __exit__(self, *error):
        wait_for(self.device)
        self.profiler.__exit__(*error)
        for event in self.profiler.profiler.kineto_results.events():
            name = event.name()
            if event.device_type() == torch.autograd.DeviceType.CUDA:
                if not name.startswith(("Memcpy", "Memset")):
                    self.number += 1
                    self.nanoseconds += event.duration_ns()
            elif "Launch" in name and name.startswith(("cuda", "cu")):
                self.launches += 1

    def found(self, steps, images):
        """What a row says of it."""
        return {"kernels": self.number / steps, "launches": self.launches / steps,
                "kernel_seconds": self.nanoseconds / 1e9 / steps}


class Enough(Exception):
    """Ends a training whose speed is known."""


class Stopwatch:
    """A hook of `train`: leaves out the first records, times those after, counts in one each, and ends.

    seconds: of training to be timed at least; warm: how many records are left out; counters: what counts,
    each during one record.
    """

    def __init__(self, seconds, warm, counters):
        self.seconds, self.warm, self.waiting = seconds, warm, list(counters)
        self.records, self.counting = [], None

    def __call__(self, record):
        if self.counting:
            self.close()
        else:
            self.records.append((record["images"], record["train_seconds"]))
            if not self.is_timed():
                return
        if not self.waiting:
            raise Enough
        self.counting = self.waiting.pop(0)
        self.counting.__enter__()

    def close(self):
        """End a count that is going on."""
        if self.counting:
            self.counting.__exit__(None, None, None)
            self.counting = None

    def is_timed(self):
        timed = self.records[self.warm:]
        return len(timed) > 1 and timed[-1][1] - timed[0][1] >= self.seconds

    def rate(self):
        """Images a second between the first and the last record that count."""
        (first, begun), *_, (last, end) = self.records[self.warm:]
        return (last - first) / max(end - begun, 1e-9)


def measured(config, pack, seconds, work, record_steps=RECORD_STEPS):
    """{"images_per_second", "flop_per_image", "kernels", ...} of a training that is broken off.

    seconds: how long it is timed; work: a folder for its run. Raises GanlibError where it cannot be trained
    so, as for want of memory.
    """
    device, dtype = pick_device(config.device, config.precision)
    is_eager = getattr(config, "graphs", "off") == "off"
    counters = [Operations()] if is_eager or device.type == "cpu" else []
    counters += [Kernels(device)] if device.type == "cuda" else []
    watch = Stopwatch(seconds, WARM_RECORDS["eager" if is_eager else "captured"], counters)
    images = record_steps * config.d_steps * config.batch
    # an hour is a budget that is not reached: the stopwatch ends it before
    config = config.replace(images=0, minutes=60, log_images=images, frames=0, generators=0,
                            checkpoint_minutes=1_000)
    with (tempfile.TemporaryDirectory(dir=work) as folder, contextlib.suppress(Enough),
          contextlib.closing(watch)):
        train(config, pack, folder, hook=watch, progress=False)
    names = {of_name: name for name, of_name in DTYPES.items()}
    row = {"images_per_second": watch.rate(), "precision": names[dtype]}
    for counter in counters:
        row |= counter.found(record_steps, images)
    if "kernel_seconds" in row:
        step_seconds = config.d_steps * config.batch / row["images_per_second"]
        row["busy"] = row.pop("kernel_seconds") / step_seconds
    return row
