"""The numbers of a record of the log, added up from what steps tell."""
import math

from ..machine.sums import Sums, over_processes

# The keys of a record, in their order: averages since the last record, or what its last step tells
KEYS = ("loss_g", "loss_d", "d_real", "d_fake", "d_fake_g", "accuracy", "grad_g", "grad_d", "penalty",
        "guess_g", "guess_d", "augment_p", "r_t", "skipped_g", "skipped_d")
GATE_STEPS = 500  # a gate that lets nothing through for so many steps is warned of


class Meter:
    """Adds up what steps tell. The sums stay on the device until a record is asked for."""

    def __init__(self, config, state):
        self.gates = {"g": config.g_gate, "d": config.d_gate}
        self.closed = {"g": 0, "d": 0}  # steps without an update, one after the other
        self.sums, self.newest = Sums(), {}
        self.since = state.images, state.seconds

    def add(self, told):
        """Add what one call of the Step Told; a warning in words, where a gate never opens, else ''."""
        self.sums.add(told.averaged)
        self.newest |= {key: value.clone() for key, value in told.newest.items()}
        return self._closed_gates(told)

    def read(self):
        """The numbers since the last record; this waits for the device. The sums begin anew."""
        return self.sums.read() | over_processes(self.newest)

    def record(self, values, state, at):
        """The record of the log, a dict of plain numbers; at: the Moment, of a run that grows, or None."""
        images, seconds = self.since
        self.since = state.images, state.seconds
        rate = (state.images - images) / max(state.seconds - seconds, 1e-9)
        record = {"images": state.images, "train_seconds": round(state.seconds, 3)}
        record |= {key: round(values[key], 5) for key in KEYS if key in values}
        record["images_per_second"] = round(rate, 2)
        if at:
            record |= {"resolution": at.resolution, "fade": round(at.fade, 4)}
        return record

    def _closed_gates(self, told):
        for name, gate in self.gates.items():
            skipped = told.averaged.get(f"skipped_{name}")
            if skipped is None:
                continue
            self.closed[name] = self.closed[name] + 1 if skipped else 0
            if self.closed[name] == GATE_STEPS:
                loss = float(told.averaged[f"loss_{name}"])
                return (f"{name}_gate={gate} has let no update of {name.upper()} through for {GATE_STEPS} "
                        f"steps (its loss is {loss:.3f}): move the gate, or leave it out.")
        return ""


def not_finite_keys(record):
    """The keys of a record whose values are NaN or infinite."""
    return [key for key, value in record.items() if not math.isfinite(value)]
