"""How long work takes, without the time in which the machine slept."""
import threading
import time

BEAT = 1.0  # seconds
FROZEN = 5.0  # seconds without a beat: the machine slept, or the process was stopped


class Clock:
    """Seconds of work between ticks, without what is left out by `restart`, and without sleep.

    A thread beats once a second. On a busy machine it is late by little, and work may take as long as it
    likes. Where it is late by seconds, nothing ran at all.
    """

    def __enter__(self):
        self.lock = threading.Lock()
        self.ended = threading.Event()
        self.beat_at = time.perf_counter()
        self.restart()
        threading.Thread(target=self._keep_beating, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.ended.set()

    def restart(self):
        """What was done since the last tick does not count."""
        self.slept = 0.0
        self.ticked_at = self._beat()

    def tick(self):
        """(seconds of work since the last tick, seconds that were slept)."""
        now = self._beat()
        slept, self.slept = self.slept, 0.0
        seconds = max(0.0, now - self.ticked_at - slept)
        self.ticked_at = now
        return seconds, slept

    def _beat(self):
        """Note the time, and how long nothing ran before; returns the time."""
        with self.lock:
            now = time.perf_counter()
            gap, self.beat_at = now - self.beat_at, now
            if gap > FROZEN:
                self.slept += gap - BEAT
        return now

    def _keep_beating(self):
        while not self.ended.wait(BEAT):
            self._beat()
