"""How many CPU threads get a loop of equal pieces done fastest, found by trying.

On an idle machine all cores together are fastest. Where another process takes a core, a team of threads waits
at every layer for the member that has none, and one thread alone can be ten times as fast as two.
"""
import contextlib
import statistics
import time

import torch

LEAST_PIECES = 3  # timed pieces for each number of threads,
LEAST_SECONDS = 0.3  # ... and how long they take together,
MOST_PIECES = 12  # ... but not more pieces than this
HOPELESS = 2.0  # a number of threads that is so many times slower than the best is tried no further
FALLEN = 0.5  # of the rate that was found: when it is lower
PATIENCE = 3.0  # ... for so many seconds, all numbers are tried anew
AGAIN = 60.0  # seconds after which more threads are tried in any case: a core may have become free


class ThreadChooser:
    """Sets torch's number of CPU threads for a loop of equal pieces, and keeps it right.

        with ThreadChooser() as chooser:
            for piece in pieces:
                with chooser.piece(len(piece)):
                    work(piece)

    threads: "auto", or a number that is kept. say(threads, rates) is called when a number is chosen for the
    first time, and when another one is; rates: {threads: amount per second}. When the block ends, torch has
    the number of threads that it had before.
    """

    def __init__(self, threads="auto", say=None):
        self.fixed = None if threads == "auto" else int(threads)
        self.say = say
        self.kind = None
        self.chosen = 0  # none yet
        self.untried: list[int] = []
        self.rates: dict[int, float] = {}

    def __enter__(self):
        self.most = torch.get_num_threads()
        if self.fixed:
            torch.set_num_threads(self.fixed)
        return self

    def __exit__(self, *_):
        torch.set_num_threads(self.most)

    @contextlib.contextmanager
    def piece(self, amount, kind=""):
        """Time a block that does so much; pieces of another kind have another rate."""
        if self.fixed or self.most == 1:
            yield
            return
        if kind != self.kind or not self.chosen and not self.untried:
            self.kind = kind
            self._try_from(1)
        begun = time.perf_counter()
        yield
        seconds = max(time.perf_counter() - begun, 1e-9)
        if self.untried:
            self._add_try(amount / seconds, seconds)
        else:
            self._watch(amount / seconds)

    def _try_from(self, least):
        """Try numbers of threads from the next piece on, from few to many."""
        numbers = {self.most, *(2**i for i in range(self.most.bit_length()))}
        self.untried = sorted(n for n in numbers if least <= n <= self.most)
        self.rates = {}
        self._try_next()

    def _try_next(self):
        torch.set_num_threads(self.untried[0])
        self.tried = []  # rates with this number
        self.seconds = 0.0
        self.is_first = True

    def _add_try(self, rate, seconds):
        best = max(self.rates.values(), default=0.0)
        patience = 2 * HOPELESS if self.is_first else HOPELESS
        hopeless = rate * patience < best
        if self.is_first and not hopeless:  # it made threads and memory, and does not count
            self.is_first = False
            return
        self.tried.append(rate)
        self.seconds += seconds
        enough = len(self.tried) >= LEAST_PIECES and self.seconds >= LEAST_SECONDS
        if not (hopeless or enough or len(self.tried) == MOST_PIECES):
            return
        self.rates[self.untried.pop(0)] = statistics.median(self.tried)
        if self.untried:
            self._try_next()
        else:
            self._choose()

    def _choose(self):
        before = self.chosen
        self.chosen = max(self.rates, key=lambda threads: self.rates[threads])
        torch.set_num_threads(self.chosen)
        self.slow_since = None
        self.chosen_at = time.perf_counter()
        if self.say and self.chosen != before:
            self.say(self.chosen, self.rates)

    def _watch(self, rate):
        """Try anew where the rate stays low for some seconds; and once in a while, whether more do better."""
        now = time.perf_counter()
        if rate > FALLEN * self.rates[self.chosen]:
            self.slow_since = None
        elif self.slow_since is None:
            self.slow_since = now
        if self.slow_since is not None and now - self.slow_since > PATIENCE:
            self._try_from(1)
        elif now - self.chosen_at > AGAIN and self.chosen < self.most:
            self._try_from(self.chosen)
