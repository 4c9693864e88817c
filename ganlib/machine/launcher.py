"""One call that trains on several processes: torchrun has them, and this process follows the run.

torchrun comes with PyTorch. It starts the processes, tells each its rank, and ends all where one fails. The
process of rank 0 writes a line of JSON for each record of the run. They are read here, as they come.
"""
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import torch

from ..errors import ElsewhereError, GanlibError, LostError
from ..files import write_atomic
from .interrupts import interruptible
from .processes import started
from .progress import say

LOOK_EVERY = 0.1  # seconds between two looks at what the processes have written
GRACE = 40.0  # seconds for torchrun to end its processes; it kills them after 30
TAIL = 20  # lines of a failed process's last words that are shown
TORCHRUN = (sys.executable, "-m", "torch.distributed.run", "--standalone")


def how_many(processes):
    """How many processes a training takes: as told, or for 0 as many as there are GPUs, and at least one."""
    if isinstance(processes, bool) or not isinstance(processes, int) or processes < 0:
        raise GanlibError(f"processes={processes!r}: expected a number, such as 2 for two GPUs, or 0 for all "
                          "GPUs of this machine.")
    processes = processes or max(1, torch.cuda.device_count())
    if processes > 1 and started()[1] > 1:
        raise GanlibError(f"processes={processes}, and this process was started as one of several already: "
                          "leave processes out.")
    return processes


class Launched:
    """A training on several processes.

        with Launched(config, pack, run, processes) as launched:
            for record in launched:
                ...
        print(launched.ended)

    config: a Config as a dict; pack, run: folders. Iterating gives each record of the log once it is there.
    An interrupt stops the training after the step at hand, with a checkpoint; the iteration goes on until
    then. ended: what `train` returned in the process of rank 0, as a dict.

    Raises the GanlibError of one of the processes. Another error in one of them is a ChildProcessError with
    the last words of that process. No process is left when the block ends.
    """

    def __init__(self, config, pack, run, processes):
        self.config, self.pack, self.run, self.processes = config, pack, run, processes
        self.ended = None

    def __enter__(self):
        self.stack = contextlib.ExitStack()
        folder = tempfile.TemporaryDirectory(prefix="ganlib-", ignore_cleanup_errors=True)
        self.folder = Path(self.stack.enter_context(folder))
        recipe = self.folder / "recipe.json"
        write_atomic(recipe, json.dumps(self.config).encode(), durable=False)
        command = [*TORCHRUN, "--nproc-per-node", self.processes, "--log-dir", self.folder / "logs",
                   "--redirects", "3", "-m", "ganlib", "train", recipe, self.pack, self.run, "--driven"]
        # the threads of this machine's CPU, shared
        threads = str(max(1, torch.get_num_threads() // self.processes))
        self.page = self.stack.enter_context(tempfile.TemporaryFile())  # what torchrun itself says
        self.child = subprocess.Popen(  # noqa: S603 - this very program
            [str(word) for word in command],
            stdin=subprocess.PIPE,  # it ends with this process, however that ends: then the training stops
            stdout=self.page,
            stderr=self.page,
            env=os.environ | {"OMP_NUM_THREADS": threads, "PYTHONUNBUFFERED": "1"},
            start_new_session=True,  # Ctrl-C in a terminal is for this process, which hands it on
        )
        self.interrupt = self.stack.enter_context(interruptible())
        self.output = _Lines(self.folder, "logs/*/attempt_0/0/stdout.log")
        return self

    def __iter__(self):
        running = True
        while running:
            running = self.child.poll() is None  # asked before the look: so nothing is missed at the end
            if self.interrupt.is_set():
                self._stop()
            yield from self._news()
            if running:
                time.sleep(LOOK_EVERY)
        if self.ended:
            return
        if self.interrupt.is_set():  # before the training had begun
            raise KeyboardInterrupt
        raise self._failure()

    def __exit__(self, kind, *_):
        self._stop()
        with self.stack:
            try:
                if kind and issubclass(kind, KeyboardInterrupt):  # a second one
                    raise KeyboardInterrupt
                self.child.wait()
            except KeyboardInterrupt:
                self._break()
                raise

    def _break(self):
        """End the training at once, without a checkpoint."""
        self.child.send_signal(signal.SIGINT)
        try:
            self.child.wait(GRACE)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()

    def _stop(self):
        """Have the training stop after its step, with a checkpoint."""
        assert self.child.stdin  # noqa: S101 - for mypy
        self.child.stdin.close()

    def _news(self):
        """The records that are new. What else was said is said here."""
        for line in self.output.new():
            message = _message(line)
            if "record" in message:
                yield message["record"]
            elif "ended" in message:
                self.ended = message["ended"]
            else:
                say(line)

    def _failure(self):
        """The error that ended the training."""
        lost = None
        for folder, kind, words in self._errors():
            if kind == GanlibError.__name__:
                return GanlibError(words)
            if kind == LostError.__name__:
                lost = GanlibError(words)
            elif kind != ElsewhereError.__name__:
                last = _tail((folder / "stderr.log").read_text(errors="replace"))
                return ChildProcessError(f"Process {folder.name} of {self.processes} has failed:\n{last}")
        self.page.seek(0)
        page = self.page.read().decode(errors="replace")
        numbers = [int(number) for number in re.findall(r"exitcode\s*: -(\d+)", page)]
        numbers.sort(key=lambda number: number == signal.SIGTERM)  # last: torchrun ends by it what is left
        if numbers:
            name = _signal_name(numbers[0])
            return GanlibError(f"{name} has ended a process of this run, and so all of them. The run stands "
                               "at its last checkpoint: make the same call again. A system that is short of "
                               "memory ends processes by SIGKILL: lower the batch then.")
        return lost or ChildProcessError(f"torchrun has failed:\n{self._last_words() or _tail(page)}")

    def _errors(self):
        """(folder of the process, kind of error, words) of each process that told of one, by rank."""
        files = self.folder.glob("logs/*/attempt_0/*/error.json")
        for file in sorted(files, key=lambda file: int(file.parent.name)):
            kind, _, words = json.loads(file.read_text())["message"]["message"].partition(": ")
            yield file.parent, kind, words

    def _last_words(self):
        """What processes wrote that could tell of no error."""
        files = sorted(self.folder.glob("logs/*/attempt_0/*/stderr.log"))
        return "\n".join(filter(None, (_tail(file.read_text(errors="replace")) for file in files)))


def tell(**message):
    """A line for the process that follows this one."""
    print(json.dumps(message), flush=True)


def stop_when_told():
    """Stop this process as SIGTERM does, when the standard input ends or has something to read.

    It ends with the process that has its other end, however that one ends.
    """
    def wait():
        os.read(0, 1)
        signal.raise_signal(signal.SIGTERM)

    threading.Thread(target=wait, daemon=True).start()


class _Lines:
    """The whole lines of a file that comes to be, as they come."""

    def __init__(self, folder, pattern):
        self.folder, self.pattern = folder, pattern
        self.read = 0  # bytes

    def new(self):
        for file in self.folder.glob(self.pattern):
            with open(file, "rb") as stream:
                stream.seek(self.read)
                whole = stream.read().rpartition(b"\n")[0]
            self.read += len(whole) + bool(whole)
            yield from whole.decode(errors="replace").splitlines()


def _message(line):
    """The dict of a line that `tell` wrote; an empty one of any other line."""
    try:
        message = json.loads(line)
    except ValueError:
        return {}
    return message if isinstance(message, dict) else {}


def _tail(text):
    """The last lines of a text."""
    return "\n".join(text.splitlines()[-TAIL:])


def _signal_name(number):
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
