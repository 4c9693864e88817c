"""What a training tells while it runs: the numbers of a record of the log, and the line of progress."""
import contextlib
import math
import time

from tqdm.auto import tqdm

# The keys of a record, in their order: averages since the last record, or what its last step tells
KEYS = ("loss_g", "loss_d", "d_real", "d_fake", "d_fake_g", "accuracy", "grad_g", "grad_d", "penalty",
        "skipped_g", "skipped_d")
GATE_STEPS = 500  # a gate that lets nothing through for so many steps is warned of


class Meter:
    """Adds up what steps tell. The sums stay on the device until a record is asked for."""

    def __init__(self, config, state):
        self.gates = {"g": config.g_gate, "d": config.d_gate}
        self.closed = {"g": 0, "d": 0}  # steps without an update, one after the other
        self.totals, self.newest = {}, {}
        self.since = state.images, state.seconds

    def add(self, told):
        """Add what one call of the Step Told; a warning in words, where a gate never opens, else ''."""
        for key, value in told.averaged.items():
            total, n = self.totals.get(key, (0.0, 0))
            self.totals[key] = total + value, n + 1
        self.newest |= told.newest
        return self._closed_gates(told)

    def read(self):
        """The numbers since the last record; this waits for the device. The sums begin anew."""
        values = {key: float(total) / n for key, (total, n) in self.totals.items()}
        values |= {key: float(value) for key, value in self.newest.items()}
        self.totals.clear()
        return values

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


class ProgressLine:
    """A bar with images seen, images per second, time gone and left, and the newest losses.

    What it cannot write, because a terminal was closed, is left unsaid: it never stops a training.
    """

    EVERY = 1.0  # seconds

    def __init__(self, agenda, state, show):
        self.agenda, self.losses = agenda, ""
        self.shown = time.monotonic(), state.images
        self.rate = None
        self.bar = tqdm(total=100, disable=not show, dynamic_ncols=True, mininterval=0,
                        bar_format="{percentage:3.0f}%|{bar}| {desc}")

    def update(self, state):
        """Show where the run is, once in a while."""
        now, (then, images) = time.monotonic(), self.shown
        if self.bar.disable or now - then < self.EVERY:
            return
        rate = (state.images - images) / (now - then)
        self.rate = rate if self.rate is None else 0.7 * self.rate + 0.3 * rate
        self.shown = now, state.images
        gone = tqdm.format_interval(state.seconds)
        left = tqdm.format_interval(self.agenda.seconds_left(state, self.rate))
        text = f"{state.images:,} images, {self.rate:.0f} images/s [{gone}<{left}]{self.losses}"
        with contextlib.suppress(OSError, ValueError):
            self.bar.n = round(100 * min(1, self.agenda.share(state)), 1)
            self.bar.set_description_str(text)

    def tell(self, record):
        """Show the losses of a record from now on."""
        self.losses = f", loss G {record['loss_g']:.2f} D {record['loss_d']:.2f}"

    def close(self):
        with contextlib.suppress(OSError, ValueError):
            self.bar.close()


def say(text):
    """A line of its own, above any bar; left unsaid where a terminal was closed."""
    with contextlib.suppress(OSError, ValueError):
        tqdm.write(text)
