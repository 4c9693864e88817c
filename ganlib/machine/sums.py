"""Numbers that are added up on the device, and averages of tensors that follow others."""
import torch

from .processes import world


class Sums:
    """Adds up scalars by name. They stay on the device until they are read: the host need not wait for it."""

    def __init__(self):
        self.totals: dict[str, torch.Tensor] = {}
        self.counts: dict[str, int] = {}

    def add(self, values):
        """Add a dict of scalars, tensors or numbers."""
        new = {name: torch.as_tensor(value) for name, value in values.items()}
        known = [name for name in new if name in self.totals]
        if known:  # one kernel for all of them
            torch._foreach_add_([self.totals[name] for name in known], [new[name] for name in known])
        self.totals |= {name: value.clone() for name, value in new.items() if name not in self.totals}
        self.counts |= {name: self.counts.get(name, 0) + 1 for name in new}

    def read(self):
        """The mean of each since the last call, over all processes of the run. This waits for the device."""
        found = {name: float(total) / self.counts[name] for name, total in self.totals.items()}
        self.totals.clear()
        self.counts.clear()
        return over_processes(found)


def over_processes(values):
    """A dict of scalars as a dict of numbers, each its mean over all processes of the run."""
    numbers = [float(value) for value in values.values()]
    return dict(zip(values, world().means(numbers), strict=True))


def follow(averages, values, weight):
    """Move each of the tensors `averages` towards its partner in `values`, by `weight`, a scalar tensor."""
    if weight.device.type == "cpu":
        torch._foreach_lerp_(averages, values, weight.item())
        return
    steps = torch._foreach_sub(values, averages)  # few kernels for all of them together
    torch._foreach_mul_(steps, weight)
    torch._foreach_add_(averages, steps)
