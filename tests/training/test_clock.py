"""Budget, what is due, training time, and the device."""
import math

import numpy as np
import pytest
import torch
from helpers import tiny

from ganlib.device import pick_device
from ganlib.errors import GanlibError
from ganlib.training import clock
from ganlib.training.clock import Agenda, Clock, State, passed


def test_moments_lie_denser_at_the_start():
    share = np.linspace(0, 1, 10_001)
    due = [i for i in range(1, len(share)) if passed(share[i - 1], share[i], 10)]
    assert len(due) == 10 and due[-1] == 10_000
    assert np.allclose(share[due], [(k / 10) ** 2 for k in range(1, 11)], atol=2e-4)


def test_the_nearer_limit_ends_a_run():
    agenda = Agenda(tiny(images=1_000, minutes=1), State())
    assert agenda.share(State(500, 6)) == 0.5 and agenda.share(State(100, 30)) == 0.5
    assert agenda.due(State(1_008, 3), False).stop and agenda.due(State(16, 60), False).stop
    assert not agenda.due(State(16, 59), False).stop and agenda.due(State(32, 59), True).stop


@pytest.mark.parametrize("budget, rate, left", [
    (dict(images=1_000, minutes=0), 100, 5.0),
    (dict(images=0, minutes=1), 100, 50.0),
    (dict(images=1_000, minutes=1), 10, 50.0),
    (dict(images=1_000, minutes=1), 1_000, 0.5),
])
def test_the_time_left_follows_from_the_budget(budget, rate, left):
    assert Agenda(tiny(**budget), State()).seconds_left(State(500, 10), rate) == pytest.approx(left)


def test_states_are_due_by_training_time():
    agenda = Agenda(tiny(images=10**6, checkpoint_minutes=1, log_images=10**6, frames=0, generators=0), State())
    due = [agenda.due(State(16 * k, 10.0 * k), False).state for k in range(1, 14)]
    assert [k for k, is_due in enumerate(due, 1) if is_due] == [6, 12]


class Time:
    """A clock that is set by hand; the beat of the training's clock is given by hand as well."""

    def __init__(self, monkeypatch):
        self.now = 100.0
        monkeypatch.setattr(clock.time, "perf_counter", lambda: self.now)
        monkeypatch.setattr(clock, "BEAT", 1e9)

    def run(self, measured, seconds):
        """Time goes by while the process runs, on a busy machine."""
        end = self.now + seconds
        while self.now < end:
            self.now = min(end, self.now + 2)
            measured._beat()


def test_sleep_is_told_from_slow_steps(monkeypatch):
    now = Time(monkeypatch)
    with Clock() as measured:
        monkeypatch.setattr(clock, "BEAT", 1.0)
        for seconds in (0.1, 60.0, 4.0):
            now.run(measured, seconds)
            assert measured.tick() == (pytest.approx(seconds), 0.0)
        now.run(measured, 0.5)
        now.now += 35.0  # nothing ran
        now.run(measured, 0.5)
        seconds, slept = measured.tick()
    assert seconds + slept == pytest.approx(36.0)
    assert slept == pytest.approx(35.0, abs=2.1) and seconds < 3.1


def test_pictures_and_states_are_not_training_time(monkeypatch):
    now = Time(monkeypatch)
    with Clock() as measured:
        now.run(measured, 2)
        assert measured.tick() == (2.0, 0.0)
        now.run(measured, 50)
        measured.restart()
        now.run(measured, 1)
        assert measured.tick()[0] == 1.0
        assert math.isclose(measured.tick()[0], 0)


def test_device_and_precision(monkeypatch):
    assert pick_device("cpu", "fp32") == (torch.device("cpu"), torch.float32)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True)
    assert pick_device("cpu")[1] == torch.bfloat16
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
    assert pick_device("cpu")[1] == torch.float32
    # GPUs are decided by compute capability: a T4 (7.5) says that it supports bf16 and only emulates it
    monkeypatch.setattr(torch, "empty", lambda *a, **k: None)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda *a: True)
    for capability, dtype in (((7, 5), torch.float16), ((8, 0), torch.bfloat16), ((9, 0), torch.bfloat16)):
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda *a, c=capability: c)
        assert pick_device("cuda")[1] == dtype


def test_a_device_that_is_not_there():
    with pytest.raises(GanlibError, match="device='cudda' cannot be used here"):
        pick_device("cudda")
