"""Trainings under torchrun, as someone starts them in a shell: stopped, killed, left alone (make faults)."""
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from helpers import make_pack, tiny
from several import free_port, pids_below

from ganlib.runs.folder import read_log
from ganlib.runs.states import state_files
from ganlib.training.loop import train

SMALL = ["width=4", "resolution=32", "z_dim=8", "batch=16", "device=cpu", "precision=fp32", "threads=1",
         "seed=3"]
PAIR = ["--standalone", "--nproc-per-node", "2"]


@pytest.fixture(scope="module")
def pack(tmp_path_factory):
    return make_pack(tmp_path_factory.mktemp("data") / "pack", 40)


def images_of(run):
    return int(state_files(run)[0].stem.split("-")[1])


def torchrun(options, pack, run, *words, images=10**9):
    """torchrun as a process, for a run of small networks."""
    command = [sys.executable, "-m", "torch.distributed.run", *options, "-m", "ganlib", "train", "dcgan",
               pack.path, run, "--images", images, "--set", *SMALL, "checkpoint_minutes=0.005", *words]
    return subprocess.Popen([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                            text=True, env=os.environ | {"OMP_NUM_THREADS": "1"})


def wait_for_state(run, process):
    while not state_files(run):
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)


def goes_on(pack, run):
    """Whether one process goes on from the run's checkpoint."""
    images = images_of(run)
    return train(tiny(images=images + 64), pack, run, progress=False).images == images + 64


def test_an_error_is_one_line_and_nobody_waits(pack, tmp_path):
    process = torchrun(PAIR, pack, tmp_path / "run", "resolution=64")
    _, said = process.communicate(timeout=60)
    assert process.returncode == 1 and said.count("ganlib train: ") == 1 and "holds 32x32 images" in said
    assert not (tmp_path / "run").exists()


def test_ctrl_c_stops_all_with_a_checkpoint(pack, tmp_path):
    process = torchrun(PAIR, pack, tmp_path / "run")
    wait_for_state(tmp_path / "run", process)
    process.send_signal(signal.SIGINT)
    printed, _ = process.communicate(timeout=60)
    assert process.returncode != 0
    images = images_of(tmp_path / "run")
    assert printed.count(f"run: {images:,} images") == 1 and "(interrupt)" in printed
    assert read_log(tmp_path / "run")[1][-1] | {"train_seconds": 0} == {
        "event": "stop", "images": images, "train_seconds": 0, "reason": "interrupt"}
    assert goes_on(pack, tmp_path / "run")


@pytest.mark.parametrize("place", [0, 1])
def test_a_kill_ends_all_soon(pack, tmp_path, place):
    process = torchrun(PAIR, pack, tmp_path / "run")
    wait_for_state(tmp_path / "run", process)
    workers = sorted(pid for pid, words in pids_below(process.pid).items() if "torch" not in words)
    assert len(workers) == 2
    os.kill(workers[place], signal.SIGKILL)
    begun = time.monotonic()
    process.communicate(timeout=60)
    assert process.returncode != 0 and time.monotonic() - begun < 30
    assert goes_on(pack, tmp_path / "run")


NOTEBOOK = """
    import sys
    sys.path.insert(0, {tests!r})
    from helpers import tiny
    from ganlib.training.loop import train
    train(tiny(images=10**9, checkpoint_minutes=0.005), {pack!r}, {run!r}, processes=2)
"""


def test_processes_do_not_outlive_the_notebook_that_started_them(pack, tmp_path):
    """Its kernel was killed: they stop with a checkpoint."""
    tests = str(Path(__file__).parent.parent)
    script = NOTEBOOK.format(tests=tests, pack=str(pack.path), run=str(tmp_path / "run"))
    kernel = subprocess.Popen([sys.executable, "-c", textwrap.dedent(script)], stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL, env=os.environ | {"TMPDIR": str(tmp_path)})
    wait_for_state(tmp_path / "run", kernel)
    below = set(pids_below(kernel.pid))
    assert len(below) == 3  # torchrun and two workers
    kernel.kill()
    kernel.wait()
    deadline = time.monotonic() + 60
    while below & alive():
        assert time.monotonic() < deadline
        time.sleep(0.1)
    last = read_log(tmp_path / "run")[1][-1]
    assert last["event"] == "stop" and last["reason"] == "interrupt"
    assert last["images"] == images_of(tmp_path / "run")
    assert goes_on(pack, tmp_path / "run")


def alive():
    command = ["ps", "-A", "-o", "pid=,stat="]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    rows = [line.split() for line in listed.splitlines()]
    return {int(pid) for pid, state in rows if not state.startswith("Z")}


def test_two_machines_as_two_agents_on_the_loopback(pack, tmp_path):
    """Each has a torchrun of its own, as docs/running.md shows."""
    port = free_port()
    meeting = ["--rdzv-backend", "c10d", "--rdzv-endpoint", f"127.0.0.1:{port}", "--rdzv-id", "ganlib"]
    options = ["--nnodes", "2", "--nproc-per-node", "1", *meeting]
    agents = [torchrun(options, pack, tmp_path / "run", images=64) for _ in range(2)]
    try:
        said = [agent.communicate(timeout=120) for agent in agents]
    finally:
        for agent in agents:
            agent.kill()
    assert [agent.returncode for agent in agents] == [0, 0], said
    assert "".join(printed for printed, _ in said).count("run: 64 images") == 1  # by one process
    assert not [err for _, err in said if "Warning" in err or "Traceback" in err]
    assert images_of(tmp_path / "run") == 64 and read_log(tmp_path / "run")[1][0]["processes"] == 2
