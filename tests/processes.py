"""Trainings in processes of their own, to be interrupted and killed."""
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

from safetensors.torch import load_file

from ganlib.runs.states import state_files

SCRIPT = """
    import sys
    sys.path.insert(0, {tests!r})
    from helpers import tiny
    from ganlib.training.loop import train
    print(train(tiny(images={images}, checkpoint_minutes={every}, frames=8), {pack!r}, {run!r}))
"""


def start(pack, run, images, checkpoint_minutes=0.005, stdout=subprocess.PIPE, hangup=signal.SIG_DFL):
    """A training; what it does at SIGHUP is not what these tests were started with, as by nohup."""
    script = SCRIPT.format(tests=str(Path(__file__).parent), images=images, every=checkpoint_minutes,
                           pack=str(pack.path), run=str(run))
    return subprocess.Popen([sys.executable, "-c", textwrap.dedent(script)], stdout=stdout,
                            stderr=subprocess.STDOUT, text=True,
                            preexec_fn=lambda: signal.signal(signal.SIGHUP, hangup),
                            env=os.environ | {"OMP_NUM_THREADS": "1"})


def wait_for_checkpoint(run, process):
    for _ in range(2_400):
        if state_files(run):
            return
        assert process.poll() is None, process.stdout.read()
        time.sleep(0.05)
    raise AssertionError("no checkpoint after two minutes")


def states(run):
    """Everything that decides how training goes on."""
    return load_file(state_files(run)[0])
