"""The choice of threads: the fastest number is found, kept, and found again when the machine changes."""
import pytest
import torch

from ganlib.machine import threads
from ganlib.machine.threads import ThreadChooser


class Machine:
    """A machine whose pieces take as long as it is told, by the number of torch's threads."""

    def __init__(self, monkeypatch, seconds):
        self.now, self.seconds = 0.0, seconds
        monkeypatch.setattr(threads.time, "perf_counter", lambda: self.now)

    def work(self, chooser, pieces, kind=""):
        """How many threads each piece had."""
        used = []
        for _ in range(pieces):
            with chooser.piece(16, kind):
                used.append(torch.get_num_threads())
                self.now += self.seconds[torch.get_num_threads()]
        return used


@pytest.fixture(autouse=True)
def four_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    yield
    torch.set_num_threads(before)


def test_the_fastest_number_is_found_and_kept(monkeypatch):
    told = []
    machine = Machine(monkeypatch, {1: 0.2, 2: 0.1, 4: 0.15})
    with ThreadChooser(say=lambda number, rates: told.append((number, rates))) as chooser:
        used = machine.work(chooser, 30)
    assert set(used) == {1, 2, 4} and used[-15:] == [2] * 15
    assert len(told) == 1 and told[0][0] == 2
    assert told[0][1] == {1: pytest.approx(80), 2: pytest.approx(160), 4: pytest.approx(16 / 0.15)}
    assert torch.get_num_threads() == 4  # as it was before


def test_a_hopeless_number_is_tried_once(monkeypatch):
    machine = Machine(monkeypatch, {1: 0.1, 2: 1.0, 4: 5.0})
    with ThreadChooser() as chooser:
        used = machine.work(chooser, 30)
    assert used.count(2) == 1 and used.count(4) == 1 and used[-1] == 1


def test_a_core_that_is_taken_and_given_back_is_noticed(monkeypatch):
    machine = Machine(monkeypatch, {1: 0.2, 2: 0.1, 4: 0.05})
    with ThreadChooser() as chooser:
        assert machine.work(chooser, 60)[-1] == 4
        machine.seconds = {1: 0.2, 2: 0.5, 4: 2.0}
        begun = machine.now
        while machine.work(chooser, 1) != [1] or chooser.untried:
            assert machine.now - begun < 15
        machine.seconds = {1: 0.2, 2: 0.1, 4: 0.05}
        begun = machine.now
        while machine.work(chooser, 1) != [4] or chooser.untried:
            assert machine.now - begun < 70


def test_one_slow_piece_changes_nothing(monkeypatch):
    machine = Machine(monkeypatch, {1: 0.2, 2: 0.1, 4: 0.05})
    with ThreadChooser() as chooser:
        machine.work(chooser, 60)
        machine.seconds = {4: 5.0}
        machine.work(chooser, 1)
        machine.seconds = {1: 0.2, 2: 0.1, 4: 0.05}
        assert machine.work(chooser, 100) == [4] * 100


def test_pieces_of_another_kind_are_tried_anew(monkeypatch):
    machine = Machine(monkeypatch, {1: 0.2, 2: 0.1, 4: 0.05})
    with ThreadChooser() as chooser:
        machine.work(chooser, 60, "small")
        machine.seconds = {1: 0.2, 2: 0.9, 4: 0.9}
        assert machine.work(chooser, 30, "large")[-1] == 1


def test_a_number_is_kept(monkeypatch):
    machine = Machine(monkeypatch, {1: 0.2, 2: 0.1, 4: 0.05})
    with ThreadChooser("2") as chooser:
        assert machine.work(chooser, 50) == [2] * 50
    assert torch.get_num_threads() == 4
