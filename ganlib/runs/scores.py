"""The scores of a run's kept generators: when they are measured, and whether the run has got worse.

A score is a Fréchet distance to the real images: lower is better. How it is measured comes in as a function.
Each is an event of the run's log. The generator with the lowest one lies in best.safetensors.
"""
import math
import time

from ..errors import GanlibError, is_out_of_memory
from ..machine.bars import Bar
from ..machine.interrupts import breakable, interruptible
from ..models.store import load_generator
from .folder import kept_generators, read_log, read_scores

WORTH_IT = 60.0  # seconds of training, from which on "auto" scores
SHARE_OF_TIME = 0.1  # of the time trained that "auto" spends on scores after the run, at most
# Two scores of a run that are no further apart, as a share of them, count as equal. Over five draws of other
# latents, scores of five shipped generators had standard deviations of 0.6% to 3.7%. But all of a run come
# from the same latents: the ratio of two of them had one of 0.5%
SPREAD = 0.03
IN_A_ROW = 3  # scores, of which none may be worse than stop_when_worse allows


def best_of(scores):
    """The images seen at the lowest of the scores {images: fd}; None where there are none."""
    return min(scores, key=lambda images: scores[images], default=None)


def has_got_worse(scores, factor):
    """Whether the last three of the scores {images: fd} are all above `factor` times the lowest of all."""
    values = list(scores.values())
    return len(values) > IN_A_ROW and min(values[-IN_A_ROW:]) > factor * min(values)


class Scores:
    """The scores of a run that is being trained.

    folder: its RunFolder; config: its Config; device: where it is trained. measure: a function of a generator
    that gives {"fd": score, "n": samples}, and raises GanlibError where there can be no score. note(event,
    **values) adds an event to the log; say(text) tells the user.
    """

    def __init__(self, folder, config, device, measure, note, say):
        self.folder, self.config, self.device, self.measure = folder, config, device, measure
        self.note, self.say = note, say
        self.failed = False

    def add(self, G, images, seconds):
        """Score the generator that was just kept, where that is due; whether the run is to end by it.

        seconds: of training so far.
        """
        return self._is_due(seconds) and self._score(G, images, seconds) and self.are_worse()

    def are_worse(self):
        """Whether the run has got as much worse as stop_when_worse allows."""
        factor = self.config.stop_when_worse
        return bool(factor) and has_got_worse(read_scores(self.folder), factor)

    def complete(self, world, seconds, stopped, progress):
        """Score what has no score yet, after a run; whether an interrupt broke that off, in all processes.

        seconds: of training in all; stopped: why the run ended.
        """
        with interruptible():  # a process that waits for the first one must not die meanwhile
            return world.first(lambda: self._complete(seconds, stopped, progress))

    def _is_due(self, seconds):
        config = self.config
        if config.score == "while training" or config.stop_when_worse:
            return not self.failed
        on_gpu = self.device.type == "cuda"
        return config.score == "auto" and on_gpu and seconds >= WORTH_IT and not self.failed

    def _score(self, generator, images, seconds):
        """Measure and log a score, and keep the best generator; whether it could be measured."""
        begun = time.monotonic()
        try:
            found = self.measure(generator)
        except (GanlibError, RuntimeError, MemoryError) as error:
            if not isinstance(error, GanlibError) and not is_out_of_memory(error):
                raise
            self.failed = True  # a training is worth more than its scores
            self.say(f"The generators of this run are not scored: {error}")
            return False
        took = round(time.monotonic() - begun, 2)
        self.note("score", images=images, train_seconds=round(seconds, 3), seconds=took, **found)
        self.folder.update_best()
        return True

    def _complete(self, trained, stopped, progress):
        if stopped == "worse":
            self._tell_worse()
        missing = self._missing(trained)
        left = self._seconds_left(trained)
        if not missing or left <= 0:
            return False
        limit = f" for at most {left / 60:.1f} minutes" if left < math.inf else ""
        self.say(f"Scoring {len(missing)} kept generators{limit}, the newest first. An interrupt ends it, "
                 "and the same call goes on.")
        end = time.monotonic() + left
        interrupted = False
        try:
            with breakable(), Bar(missing, "scoring", unit="generator", disable=not progress) as bar:
                for path in bar:
                    if time.monotonic() >= end or self.failed:
                        break
                    self._score_file(path)
        except KeyboardInterrupt:
            interrupted = True
        self._tell_best(len(self._missing(trained)))
        return interrupted

    def _missing(self, trained):
        """The files of generators to be scored after a run, the newest first."""
        config = self.config
        too_little = config.score == "auto" and (trained < WORTH_IT or not config.generators)
        if config.score == "off" or too_little or self.failed:
            return []
        scored = read_scores(self.folder)
        files = kept_generators(self.folder)
        return [files[images] for images in sorted(files, reverse=True) if images not in scored]

    def _seconds_left(self, trained):
        """How long to score after the run: with "auto" a part of the time trained, less what was spent."""
        if self.config.score != "auto":
            return math.inf
        return SHARE_OF_TIME * trained - sum(event.get("seconds", 0) for event in read_log(self.folder)[1]
                                    if event["event"] == "score")

    def _score_file(self, path):
        try:
            generator = load_generator(path, self.device)
        except GanlibError as error:
            self.say(f"Not scored: {error}")
            return
        self._score(generator, int(generator.info["images"]), float(generator.info["train_seconds"]))

    def _tell_worse(self):
        scores = read_scores(self.folder)
        best = best_of(scores)
        *_, last = scores.values()
        self.say(f"The run has got worse: the last {IN_A_ROW} scores are above "
                 f"{self.config.stop_when_worse:g} times the best (FD-lite {scores[best]:.1f} at {best:,} "
                 f"images, now {last:.1f}). A larger stop_when_worse, or none, goes on.")

    def _tell_best(self, missing):
        """The best score, and how many there are not."""
        scores = read_scores(self.folder)
        if not scores:
            return
        best = best_of(scores)
        more = f" {missing} are not scored; score='after' scores all." if missing else ""
        self.say(f"The best of {len(scores)}: FD-lite {scores[best]:.1f} at {best:,} images, to be loaded as "
                 f"{self.folder.path}:best.{more}")
