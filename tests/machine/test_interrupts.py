"""Signals: an event that waits for a good moment, or an end at once."""
import signal

import pytest

from ganlib.machine.interrupts import breakable, interruptible

SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


@pytest.fixture(autouse=True)
def handled(monkeypatch):
    """Each signal has a handler of its own, as tests may run under nohup; all are back at the end."""
    before = {number: signal.signal(number, lambda *_: None) for number in SIGNALS}
    mine = [signal.getsignal(number) for number in SIGNALS]
    yield
    assert [signal.getsignal(number) for number in SIGNALS] == mine
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_waits_or_breaks_off(number):
    with interruptible() as interrupt:
        assert not interrupt.is_set()
        signal.raise_signal(number)
        assert interrupt.is_set()
        with pytest.raises(KeyboardInterrupt), breakable():  # within: the inner one has it
            signal.raise_signal(number)
        signal.raise_signal(signal.SIGTERM)  # waits again


def test_a_second_ctrl_c_breaks_off():
    with pytest.raises(KeyboardInterrupt), interruptible():
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)


def test_what_nohup_ignores_stays_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with breakable():
        signal.raise_signal(signal.SIGHUP)
    assert signal.signal(signal.SIGHUP, before) is signal.SIG_IGN
