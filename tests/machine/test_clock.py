"""The clock: sleep is not work, a slow step is."""
import math

import pytest

from ganlib.machine import clock
from ganlib.machine.clock import Clock


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
