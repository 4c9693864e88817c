"""Interrupts that wait for a good moment."""
import contextlib
import signal
import threading


@contextlib.contextmanager
def interruptible():
    """Signals set an event instead of breaking a step in two; a second Ctrl-C breaks it.

    SIGINT (Ctrl-C, a notebook's stop button), SIGTERM, and SIGHUP (a closed terminal), but for a SIGHUP
    that the process was told to ignore, as by nohup. Outside the main thread nothing is caught.
    """
    event = threading.Event()

    def handle(number, frame):
        if event.is_set() and number == signal.SIGINT:
            raise KeyboardInterrupt
        event.set()

    with _handled(handle):
        yield event


@contextlib.contextmanager
def breakable():
    """The same signals raise KeyboardInterrupt: for work that may be broken off at any moment."""
    def handle(number, frame):
        raise KeyboardInterrupt

    with _handled(handle):
        yield


@contextlib.contextmanager
def _handled(handle):
    """A function handles the signals in a block."""
    before = {}
    if threading.current_thread() is threading.main_thread():
        for name in ("SIGINT", "SIGTERM", "SIGHUP"):
            number = getattr(signal, name, None)
            if number is None:  # Windows has no SIGHUP
                continue
            if name == "SIGHUP" and signal.getsignal(number) is signal.SIG_IGN:  # by nohup
                continue
            before[number] = signal.signal(number, handle)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler or signal.SIG_DFL)
