"""Budget, and what is due."""
import numpy as np
import pytest
from helpers import tiny

from ganlib.training.agenda import Agenda, State, passed


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
    config = tiny(images=10**6, checkpoint_minutes=1, log_images=10**6, frames=0, generators=0)
    agenda = Agenda(config, State())
    due = [agenda.due(State(16 * k, 10.0 * k), False).state for k in range(1, 14)]
    assert [k for k, is_due in enumerate(due, 1) if is_due] == [6, 12]
