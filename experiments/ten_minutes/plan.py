"""Which phase may take how long, and how one is run: as a process of its own, which is ended at its limit."""
import contextlib
import os
import signal
import subprocess
import threading
import time
from dataclasses import dataclass


@dataclass(frozen=True)
class Phase:
    """A part of the whole.

    sections: of the report, that it writes; share: of the time that is left, beside the shares of the phases
    after it; most: seconds at most, where another phase comes after it.
    """

    about: str
    sections: tuple
    share: float
    most: float = 1e9


PHASES = {
    "tests": Phase("the tests that need CUDA", ("tests",), 1, 90),
    "speeds": Phase("ceilings, images a second of the presets, precision of the penalties",
                    ("ceilings", "speeds", "drawing", "penalties"), 2, 150),
    "train": Phase("one training at full speed, and its quality on the way", ("train",), 4),
    "table": Phase("the models of docs/results.md at an equal number of images", ("table",), 3),
}
GRACE = 10  # seconds between asking a process to end and ending it
PARENT_CHECK = 0.5  # seconds between two looks whether the process that started this one is there


def limit_of(name, later, left):
    """Seconds that a phase may take, where `left` are left for it and for the phases named in `later`."""
    if not later:
        return left
    shares = sum(PHASES[other].share for other in later)
    return min(PHASES[name].most, left * PHASES[name].share / (PHASES[name].share + shares))


def limits(names, seconds):
    """{phase: seconds at most} of phases that come one after the other, each taking all that it may."""
    planned = {}
    for number, name in enumerate(names):
        planned[name] = limit_of(name, names[number + 1:], seconds)
        seconds -= planned[name]
    return planned


class Child:
    """A process that this one started, with what it prints: shown, and handed to `tell` line by line."""

    def __init__(self, command, tell, environment=None):
        self.process = subprocess.Popen(  # noqa: S603
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
            env=environment, start_new_session=True)
        self.reader = threading.Thread(target=self._read, args=(tell,), daemon=True)
        self.reader.start()

    def _read(self, tell):
        for line in self.process.stdout:
            tell(line)

    def wait(self, seconds):
        """Wait for its end, or end it. How it ended: "done", "failed (CODE)", or "stopped at its limit"."""
        try:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(seconds)
        finally:
            was_running = self.process.poll() is None
            if was_running:
                self.stop()
        self.reader.join(timeout=5)
        if was_running:
            return "stopped at its limit"
        return "done" if self.process.returncode == 0 else f"failed ({self.process.returncode})"

    def stop(self):
        """Ask it to end, as Ctrl-C does, and end it and what it started a little later."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(GRACE)
        with contextlib.suppress(ProcessLookupError):  # a process group may outlive its first process
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


def end_with_parent():
    """End this process as soon as the one that started it is gone: nothing trains on unseen after a kill."""
    parent = os.getppid()

    def watch():
        while os.getppid() == parent:
            time.sleep(PARENT_CHECK)
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, daemon=True).start()
