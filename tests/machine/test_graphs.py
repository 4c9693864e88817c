"""What a Recorder does on a GPU, with a stand-in for CUDA: streams and pools are numbers here."""
import contextlib
from itertools import count

import pytest
import torch

from ganlib.machine import graphs
from ganlib.machine.graphs import Recorder

CUDA = torch.device("cuda:0")


class Dice:
    """A generator that can be broken and mended, as CUDA's."""

    state = "whole"

    def clone_state(self):
        other = Dice()
        other.state = self.state
        return other

    def graphsafe_set_state(self, other):
        self.state = other.state


class Machine:
    """What a Recorder asks of torch.cuda, and what recording a graph does to it."""

    def __init__(self, monkeypatch):
        self.stream, self.dice, self.pools, self.recorded_in = "main", Dice(), count(), []
        self.error = None
        for name, function in {
            "Stream": lambda device: "side", "graph_pool_handle": lambda: next(self.pools),
            "synchronize": lambda device: None, "current_stream": lambda device: self.stream,
            "set_stream": lambda stream: setattr(self, "stream", stream),
        }.items():
            monkeypatch.setattr(graphs.torch.cuda, name, function)
        monkeypatch.setattr(graphs, "global_generator", lambda device: self.dice)
        monkeypatch.setattr(graphs, "_Graph", self.graph)
        monkeypatch.setattr(Recorder, "_warm_up", lambda self, function, inputs: function(*inputs))

    def graph(self, function, inputs, stream, pool):
        self.recorded_in.append(pool)
        if self.error:
            self.stream, self.dice.state = stream, "in a recording"
            try:
                raise self.error
            except RuntimeError as first:
                raise RuntimeError("capture_end() failed") from first
        return graphs._StandIn(function, inputs)


@pytest.fixture
def machine(monkeypatch):
    return Machine(monkeypatch)


def double(x):
    return {"twice": 2 * x}


def test_recordings_share_a_pool_and_those_after_a_change_have_another(machine):
    """PyTorch refuses a pool all of whose graphs are gone while a tensor still lies in it."""
    recorder = Recorder(CUDA, pytest.fail)
    for _ in range(2):
        for kind in ("one", "other"):
            for _ in range(graphs.WARM_UP + 1):
                assert recorder(kind, double, (torch.ones(2),))["twice"].tolist() == [2, 2]
        recorder.forget()
    first, second, third, fourth = machine.recorded_in
    assert first == second and third == fourth and first != third


def test_a_recording_that_fails_leaves_stream_and_random_numbers_as_they_were(machine):
    said = []
    recorder = Recorder(CUDA, said.append)
    machine.error = RuntimeError("operation not permitted when stream is capturing\nmore lines")
    for _ in range(graphs.WARM_UP + 3):
        assert recorder("one", double, (torch.ones(2),))["twice"].tolist() == [2, 2]
        assert machine.stream == "main" and machine.dice.state == "whole"
    assert recorder.failed and len(machine.recorded_in) == 1
    assert said == ["Steps run without CUDA graphs from here on: recording one failed (operation not "
                    "permitted when stream is capturing)."]


@pytest.mark.parametrize("error", [None, ZeroDivisionError])
def test_recordings_are_gone_after_the_block_whatever_ends_it(machine, monkeypatch, error):
    """An error holds the frames that it passed, and with them the Recorder, until the process has ended."""
    waited = []
    monkeypatch.setattr(graphs.torch.cuda, "synchronize", waited.append)
    recorder = Recorder(CUDA, pytest.fail)
    with contextlib.suppress(ZeroDivisionError), recorder:
        for _ in range(graphs.WARM_UP + 1):
            recorder("one", double, (torch.ones(2),))
        assert recorder.recordings
        if error:
            raise error
    assert not recorder.recordings and waited == ([] if error else [CUDA])
