"""Several processes that train together: forked from one that has PyTorch already, which takes no time."""
import contextlib
import multiprocessing
import os
import socket
import subprocess
import threading

import torch
from tqdm import tqdm

from ganlib.runs.states import state_files
from ganlib.training.loop import train
from ganlib.training.step import Step

LIMIT = 240  # seconds


def together(size, function, *args):
    """The exit codes of `size` processes, each of which calls function(rank, *args)."""
    with running(size, function, *args) as processes:
        for process in processes:
            process.join(LIMIT)
        assert not any(process.is_alive() for process in processes), "not all of them end"
        return [process.exitcode for process in processes]


@contextlib.contextmanager
def running(size, function, *args):
    """Such processes while they run; what is left of them is killed in the end.

    They have the environment that torchrun gives, and accelerate's notebook_launcher as well.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["ganlib.training.loop", "ganlib.presets"])
    meeting = {"WORLD_SIZE": size, "LOCAL_WORLD_SIZE": size, "MASTER_ADDR": "127.0.0.1",
               "MASTER_PORT": free_port()}
    processes = [context.Process(target=_one, args=(rank, meeting, function, args)) for rank in range(size)]
    for process in processes:
        process.start()
    try:
        yield processes
    finally:
        for process in processes:
            process.kill()
            process.join()


def _one(rank, environment, function, args):
    values = {"RANK": rank, "LOCAL_RANK": rank} | environment
    os.environ.update({name: str(value) for name, value in values.items()})
    tqdm.set_lock(threading.RLock())  # its own is a semaphore of the system, which a killed process leaves
    function(rank, *args)


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def train_all(rank, configs, pack, folder):
    """Train each config of a dict in the folder of its name; what is said lies in said-RANK.txt."""
    with open(folder / f"said-{rank}.txt", "w") as said, contextlib.redirect_stdout(said):
        for name, config in configs.items():
            train(config, pack, folder / name, progress=False)


def beginning(config):
    """The tensors of a run before its first step, named as in a state file."""
    step = Step(config, torch.device("cpu"), torch.float32)
    return {f"{name}.{key}": value.clone() for name, network in step.networks.items()
            for key, value in network.state_dict().items()}


def distances(run, other, config):
    """{network: (distance of its weights in two runs, relative to their size, and to how far they moved)}."""
    from processes import states

    one, two, begun = states(run), states(other), beginning(config)
    assert one.keys() == two.keys() and state_files(run)[0].name == state_files(other)[0].name
    found = {}
    for name in ("g", "d", "ema"):
        keys = [key for key in one if key.startswith(f"{name}.") and one[key].is_floating_point()]
        before = [begun[key.replace("ema.", "g.")] for key in keys]
        a, b, c = (torch.cat([x.flatten().double() for x in xs])
                   for xs in ([one[key] for key in keys], [two[key] for key in keys], before))
        found[name] = ((a - b).norm() / b.norm()).item(), ((a - b).norm() / (b - c).norm()).item()
    return found


def pids_below(pid):
    """{pid: command} of the trainings, and of torchrun with trainings, that a process has started."""
    command = ["ps", "-A", "-ww", "-o", "pid=,ppid=,args="]  # ww: whole lines
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    rows = [line.split(None, 2) for line in listed.splitlines()]
    found, more = {}, {pid: ""}
    while more:
        found |= more
        more = {int(child): words for child, parent, words in rows
                if int(parent) in found and int(child) not in found}
    return {child: words for child, words in found.items() if "ganlib train" in words}
