"""NCCL as part of a recorded step, with one process on one GPU, and that the process ends afterwards."""
import os
import socket
import subprocess
import sys

import pytest
import torch
import torch.distributed as dist

pytestmark = pytest.mark.skipif(not (torch.cuda.is_available() and dist.is_nccl_available()),
                                reason="needs a GPU that CUDA can use, and NCCL")
SCRIPT = """
import torch
import torch.distributed as dist
from ganlib.machine import processes
from ganlib.machine.graphs import Recorder

device = torch.device("cuda", 0)
torch.cuda.set_device(device)
processes._meet(device, "nccl")
world = processes.World(0, 2, dist.new_group(backend="gloo"))  # as if there were two: the sum is of one
assert world.is_on_nccl and world.most(3.0, True) == [3.0, 1.0] and world.means([4.0]) == [2.0]
assert world.first(lambda: "the answer") == "the answer"
norm = world.with_shared_norms(torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4)))
norm = norm.to(device, memory_format=torch.channels_last)
assert isinstance(norm[1], torch.nn.SyncBatchNorm)


def fail(text):
    raise SystemExit(text)


def step(x, y):
    norm.zero_grad()
    norm(x).square().mean().backward()
    grads = [p.grad for p in norm.parameters()]
    halves = [grad / 2 for grad in grads]
    world.average(grads)
    mine = [2 * y, y + 1]
    world.average(mine)
    off = torch.stack([(a - b).abs().max() for a, b in zip(grads, halves)]).max()
    return {"a": mine[0], "b": mine[1], "off": off}


recorder = Recorder(device, fail)
for number in range(8):
    x = torch.randn(5, 3, 8, 8, device=device).contiguous(memory_format=torch.channels_last)
    y = torch.full((3,), float(number), device=device)
    told = recorder("step", step, (x, y))
    assert told["a"].tolist() == [number] * 3 and told["b"].tolist() == [(number + 1) / 2] * 3
    assert told["off"].item() == 0
assert recorder.recordings
leave_alive = recorder if "error" in __import__("sys").argv else None
with recorder:
    if leave_alive:
        raise SystemExit("as an error that holds the frames")
print("all well")
"""


@pytest.mark.parametrize("end", ["normal", "error"])
def test_sums_over_processes_are_recorded_and_the_process_ends(end):
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    environment = os.environ | {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "RANK": "0",
                                "WORLD_SIZE": "1", "LOCAL_RANK": "0", "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", SCRIPT, end]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    wanted = "all well" if end == "normal" else "as an error that holds the frames"
    assert wanted in done.stdout + done.stderr, done.stdout + done.stderr
