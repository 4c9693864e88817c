"""What training asks of the hardware, an image: arithmetic, memory traffic, kernels; and a card's pace.

    python tests/benchmarks/flops.py                      # every preset: colab on a T4, big on an H100
    python tests/benchmarks/flops.py stylegan --profile colab --set width=64 max_width=192
    python tests/benchmarks/flops.py --tflops 20 --gigabytes 250

Nothing is computed: tensors without data go through the real Step, both backward passes and the penalty
included, in half precision, and every operation is counted. A lazy penalty counts as often as it comes, and G
as often as it learns. The rates are assumptions, not measurements: TFLOP/s of convolutions in half precision
and GB/s of elementwise kernels. An image is taken to need the sum of both times, as if nothing overlapped and
launches were free (captured steps). "sees" is how many images the profile's minutes then show the networks.
"""
import argparse
import math
from dataclasses import dataclass, replace

import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from ganlib.presets import PRESETS, preset
from ganlib.training.schedule import moment, steps_of
from ganlib.training.step import Step

# Assumed: TFLOP/s, GB/s. The makers' peaks are 65 and 320, 312 and 1,555, 989 and 3,350
CARDS = {"T4": (15, 240), "A100": (120, 1_200), "H100": (250, 2_500)}
CARD_OF = {"colab": "T4", "big": "H100"}


@dataclass
class Cost:
    """Floating-point operations and bytes of an image, kernels of a step with one update of G."""

    flops: float
    bytes: float
    kernels: float

    def rate(self, tflops, gigabytes):
        """Images a second."""
        return 1 / (self.flops / (tflops * 1e12) + self.bytes / (gigabytes * 1e9))

    def __add__(self, other):
        return Cost(self.flops + other.flops, self.bytes + other.bytes, self.kernels + other.kernels)

    def __mul__(self, factor):
        return Cost(self.flops * factor, self.bytes * factor, self.kernels * factor)


class Counter(TorchDispatchMode):
    """Adds up what operations compute, by torch's formulas, and what they read and write.

    (FlopCounterMode has the same formulas. It follows modules as well, which a second backward pass breaks.)
    """

    def __init__(self):
        super().__init__()
        self.flops = self.bytes = self.kernels = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        if formula := flop_registry.get(func._overloadpacket):
            self.flops += formula(*args, **(kwargs or {}), out_val=out)
        if not func.is_view and func.name().startswith("aten::") and "detach" not in func.name():
            self.bytes += sum(x.numel() * x.element_size() for x in tensors_in([*args, out]))
            self.kernels += 1
        return out


def tensors_in(values):
    for value in values:
        if isinstance(value, torch.Tensor):
            yield value
        elif isinstance(value, list | tuple):
            yield from tensors_in(value)


def cost(config, images):
    """The Cost where so many images were seen: the mean over updates with and without penalty and G."""
    at = moment(config, images)
    config = config.replace(d_gate=0, g_gate=0)  # a gate reads a loss, and there are no numbers here
    step = Step(config, torch.device("cpu"), torch.bfloat16)  # bf16 counts as fp16 does
    with FakeTensorMode(allow_non_fake_inputs=True):
        _counted(step, at, True)  # the first makes the optimizers' memory, and does not count
        plain = _counted(step, replace(at, penalised=False), True)
        only_d = _counted(step, replace(at, penalised=False), False)
        penalised = _counted(step, replace(at, penalised=config.penalty != "none"), False)
    of_g = plain + only_d * -1
    of_penalty = penalised + only_d * -1
    whole = only_d + of_g * (1 / config.d_steps) + of_penalty * (1 / config.penalty_every)
    return Cost(whole.flops / at.batch, whole.bytes / at.batch, plain.kernels)


def _counted(step, at, with_g):
    size, batch = step.config.resolution, at.batch
    real = torch.zeros(batch, 3, size, size).contiguous(memory_format=torch.channels_last)
    c = torch.zeros(batch, 2, dtype=torch.int64)
    with Counter() as counter:
        step(real, c, torch.zeros(batch, step.config.z_dim), at, torch.Generator(), with_g)
    return Cost(counter.flops, counter.bytes, counter.kernels)


def stages(config):
    """[(resolution, images at which it begins), ...]; only the full one where nothing grows."""
    if not config.grow:
        return [(config.resolution, 0)]
    table = steps_of(config.grow).items()
    return [(4, 0), *((size, 1000 * kimg) for size, kimg in table if size <= config.resolution)]


def show(name, profile, changes, rates):
    """Print a line for each stage of a preset, and what its minutes are worth."""
    config = preset(name, profile, **changes)
    table = stages(config)
    seen = seconds = 0.0
    budget = 60 * config.minutes
    for (size, start), (_, end) in zip(table, [*table[1:], (0, math.inf)], strict=True):
        whole = start + 1000 * config.fade_kimg if start else 0  # after its fade
        found = cost(config, math.ceil(whole))
        rate = found.rate(*rates)
        print(f"{name:20} {size:4} px  batch {moment(config, math.ceil(start)).batch:4}"
              f"  {found.flops / 1e9:7.2f} GFLOP  {found.bytes / 1e6:6.0f} MB  {found.kernels:5.0f} kernels"
              f"  {rate:8,.0f} images/s  from {seconds / 60:5.1f} minutes on")
        more = min(end - start, max(0.0, budget - seconds) * rate)
        seen += more
        seconds += more / rate
    if budget:
        print(f"{name:20} sees {seen:,.0f} images in {config.minutes:g} minutes of {profile}, "
              f"lr {config.lr_g:g} and {config.lr_d:g}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("presets", nargs="*", default=list(PRESETS))
    parser.add_argument("--profile", action="append", help="colab and big, where none is named")
    parser.add_argument("--card", choices=CARDS, help="whose rates to assume, where not the profile's own")
    parser.add_argument("--tflops", type=float, help="assumed, in the place of the card's")
    parser.add_argument("--gigabytes", type=float, help="a second, assumed, in the place of the card's")
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", help="changes of the recipe")
    args = parser.parse_args()
    for profile in args.profile or CARD_OF:
        card = args.card or CARD_OF.get(profile, "T4")
        rates = args.tflops or CARDS[card][0], args.gigabytes or CARDS[card][1]
        print(f"profile {profile} on a {card}, assumed: {rates[0]:g} TFLOP/s, {rates[1]:g} GB/s")
        for name in args.presets:
            show(name, profile, dict(item.split("=", 1) for item in args.set), rates)


if __name__ == "__main__":
    main()
