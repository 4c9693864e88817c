"""One call that trains on several processes: what comes back, how it is stopped, and how it fails."""
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from types import SimpleNamespace

import pytest
import torch
from helpers import make_pack, tiny
from several import pids_below, together
from torch.distributed.elastic.multiprocessing.errors import get_error_handler

from ganlib.__main__ import main
from ganlib.errors import ElsewhereError, GanlibError, LostError
from ganlib.machine.launcher import Launched, _Lines, how_many, stop_when_told
from ganlib.machine.progress import ProgressLine
from ganlib.runs.folder import read_log
from ganlib.runs.states import state_files
from ganlib.training.loop import train

SMALL = ["width=4", "resolution=32", "z_dim=8", "device=cpu", "precision=fp32", "frames=2", "threads=1"]


@pytest.fixture(scope="module")
def pack(tmp_path_factory):
    return make_pack(tmp_path_factory.mktemp("data") / "pack", 40)


def images_of(run):
    return int(state_files(run)[0].stem.split("-")[1])


def test_killed_then_stopped_then_ended_by_one(pack, tmp_path, capsys):
    """What two processes began goes on after a kill, stops as one process does, and one process ends it."""
    run = tmp_path / "run"
    config = tiny(images=10**9, checkpoint_minutes=0.005)

    def kill_one(record):
        if state_files(run) and not times:
            workers = [pid for pid, words in pids_below(os.getpid()).items() if "torch" not in words]
            assert len(workers) == 2
            os.kill(max(workers), signal.SIGKILL)
            times.append(time.monotonic())

    times = []
    with pytest.raises(GanlibError, match="SIGKILL has ended a process .* make the same call again"):
        train(config, pack, run, hook=kill_one, progress=False, processes=2)
    assert time.monotonic() - times[0] < 30
    assert not pids_below(os.getpid())
    saved = images_of(run)

    def interrupt(record):
        records.append(record)
        if len(records) == 3:
            os.kill(os.getpid(), signal.SIGINT)

    records = []
    result = train(config, pack, run, hook=interrupt, progress=False, processes=2)
    assert result.stopped == "interrupt" and result.path == run
    assert result.images == images_of(run) > saved
    assert not pids_below(os.getpid())
    logged, events = read_log(run)
    assert records == logged[-len(records):] and records[0]["images"] > saved
    assert [event["processes"] for event in events if event["event"] == "start"] == [2, 2]
    assert "Stopped at" in capsys.readouterr().out  # what the process of rank 0 says is said here
    goes_on = train(tiny(images=result.images + 64), pack, run, progress=False)
    assert goes_on.stopped == "budget" and goes_on.images == result.images + 64


def test_in_a_shell_an_error_of_the_processes_is_one_line(pack, tmp_path, capsys):
    words = ["train", "dcgan", str(pack.path), str(tmp_path / "run"), "--images", "90", "--processes", "2"]
    assert main([*words, "--set", *SMALL, "batch=15"]) == 2
    said = capsys.readouterr().err.splitlines()
    told = [line for line in said if "ganlib train" in line]
    assert told == ["ganlib train: A batch of 15 does not divide among 2 processes: take 14 or 16, or "
                    "another number of processes."]
    assert not [line for line in said if "torch" in line] and not (tmp_path / "run").exists()


# -- errors of the processes


@pytest.fixture
def failed(tmp_path):
    """A Launched whose processes have ended; failed.tell(rank, error, stderr) is what one has told."""
    launched = Launched({}, "pack", "run", 2)
    launched.folder = tmp_path

    def tell(rank, error=None, stderr=""):
        folder = tmp_path / "logs" / "none_x" / "attempt_0" / str(rank)
        folder.mkdir(parents=True)
        (folder / "stderr.log").write_text(stderr)
        if error:
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv("TORCHELASTIC_ERROR_FILE", str(folder / "error.json"))
                get_error_handler().record_exception(error)

    with tempfile.TemporaryFile() as launched.page:
        yield SimpleNamespace(tell=tell, page=launched.page, error=launched._failure)


def test_the_error_of_one_process_is_not_covered_by_those_that_lost_it(failed):
    failed.tell(0, LostError("Another process of this run has ended."))
    failed.tell(1, GanlibError("Out of memory. Lower batch: 16 (now)."))
    error = failed.error()
    assert type(error) is GanlibError and str(error) == "Out of memory. Lower batch: 16 (now)."


def test_an_error_that_nobody_expected_comes_with_the_last_words(failed):
    failed.tell(0, ElsewhereError("x"))
    failed.tell(1, KeyError("g"), "\n".join(["Traceback", *map(str, range(40)), "KeyError: 'g'"]))
    error = failed.error()
    assert isinstance(error, ChildProcessError)
    first, *words = str(error).splitlines()
    assert first == "Process 1 of 2 has failed:" and words == [*map(str, range(21, 40)), "KeyError: 'g'"]


def test_a_process_that_could_say_nothing(failed):
    failed.tell(0, LostError("Another process of this run has ended. (x)"))
    failed.tell(1)
    assert str(failed.error()) == "Another process of this run has ended. (x)"
    failed.page.write(b"[0]:\n  exitcode  : -15 (pid: 4)\n[1]:\n  exitcode  : -11 (pid: 5)\n")
    assert str(failed.error()).startswith("SIGSEGV has ended a process of this run")


def test_processes_that_did_not_begin(failed):
    failed.page.write(b"Traceback\nRuntimeError: no rendezvous\n")
    assert str(failed.error()) == "torchrun has failed:\nTraceback\nRuntimeError: no rendezvous"
    failed.tell(0, stderr="No module named ganlib\n")
    assert str(failed.error()) == "torchrun has failed:\nNo module named ganlib"


# -- small parts


def test_how_many(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert [how_many(n) for n in (0, 1, 3)] == [2, 1, 3]
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    assert how_many(0) == 1
    for wrong in (-1, 1.5, "two", True):
        with pytest.raises(GanlibError, match="expected a number, such as 2"):
            how_many(wrong)
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert how_many(1) == 1
    with pytest.raises(GanlibError, match="started as one of several already: leave processes out"):
        how_many(2)


def test_the_end_of_the_input_stops_a_process_as_a_signal_does(tmp_path):
    assert together(1, ended_input, tmp_path) == [-signal.SIGTERM]
    assert (tmp_path / "begun").exists()


def ended_input(rank, folder):
    reading, writing = os.pipe()
    os.dup2(reading, 0)
    stop_when_told()
    time.sleep(0.2)
    (folder / "begun").touch()
    os.close(writing)
    time.sleep(60)


def test_records_are_read_line_by_line(tmp_path):
    """Half a line waits for its other half."""
    launched = Launched({}, "pack", "run", 2)
    launched.output = _Lines(tmp_path, "*.log")
    assert list(launched._news()) == []
    with open(tmp_path / "a.log", "w") as file:
        file.write(json.dumps({"record": {"images": 1}}) + '\n{"record": {"ima')
        file.flush()
        assert list(launched._news()) == [{"images": 1}]
        file.write('ges": 2}}\n')
        file.flush()
        assert list(launched._news()) == [{"images": 2}]
        file.write(json.dumps({"ended": {"images": 3}}) + "\n")
        file.flush()
        assert list(launched._news()) == [] and launched.ended == {"images": 3}


def test_a_line_of_progress_takes_a_rate_that_is_known():
    line = ProgressLine(0, True)
    line.update(5_000, 10, 0.5, lambda rate: 5_000 / rate, at_once=True, rate=250.0)
    assert line.rate == 250
    line.close()


def test_the_threads_of_the_machine_are_shared(monkeypatch):
    """... among the processes; each inherits how many it has."""
    seen = {}
    monkeypatch.setattr(subprocess, "Popen", lambda words, **more: seen.update(more, words=words) or fake)
    fake = SimpleNamespace(stdin=SimpleNamespace(close=lambda: None), wait=lambda *_: 0)
    for threads, shared in ((8, "4"), (3, "1"), (1, "1")):
        monkeypatch.setattr(torch, "get_num_threads", lambda n=threads: n)
        with Launched({}, "pack", "run", 2):
            assert seen["env"]["OMP_NUM_THREADS"] == shared
    assert seen["words"][:3] == [sys.executable, "-m", "torch.distributed.run"]
