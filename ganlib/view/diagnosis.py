"""What a run's log says in words, and what to try."""
import html
import math
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np

from ..colors import GREEN, GREY, ORANGE, RED
from ..runs.scores import SPREAD, best_of
from .logs import logs_of, values_of

READ = ("loss_g", "loss_d", "estimate", "accuracy", "diversity", "skipped_g", "skipped_d")
EARLY = 10_000  # images seen, up to which little can be told
LATE = 100_000  # images seen, after which samples should no longer be alike
MUCH_WORSE = 1.2  # times the best FD-lite: a run that is above has lost much of what it could
# What to do with a run that was better before
RESCUE = ("the best generator, which is loaded with :best at the end of the run's name; in a new run "
          "stop_when_worse=1.3 and a lower lr_g")


@dataclass(frozen=True)
class Finding:
    """A state that a run is in, what its log shows of it, what to try, and a colour for how grave it is."""

    state: str
    shows: str
    advice: str
    color: str = RED


@dataclass(frozen=True)
class Diagnosis:
    """What `diagnosis` found, the gravest first. In a shell it is text, in a notebook a panel."""

    name: str
    findings: list[Finding]

    @property
    def state(self):
        """The gravest, as "healthy" or "the discriminator has won"."""
        return self.findings[0].state

    def __repr__(self):
        texts = [f"{one.state}. {one.shows}\n  Try: {one.advice}." for one in self.findings]
        return "\n".join(f"{self.name}: {text}" for text in texts)

    def _repr_html_(self):
        panels = []
        for one in self.findings:
            colors = f"border-left: 8px solid {one.color}; background: {one.color}20"
            title = f"<b>{html.escape(self.name)}: {one.state}.</b>"
            panels.append(f'<div style="{colors}; padding: 6px 12px; margin: 4px 0">{title} '
                          f"{one.shows}<br>Try: {one.advice}.</div>")
        return "".join(panels)


def diagnosis(run):
    """What a run's log shows, in words, and what to try: a Diagnosis."""
    log, = logs_of(run)
    now, before = _medians(log.records, 0.75), _medians(log.records, 0.5)
    now.images = log.records[-1]["images"]
    now.is_critic = log.config.loss == "wasserstein"
    now.is_broken = _is_broken(log)
    now.peak = max(values_of(log.records, "diversity")[0], default=math.nan)
    now.certainty = _certainty(log.config, now)
    now.scores = {score["images"]: score["fd"] for score in log.scores}
    if math.isnan(now.accuracy):  # an older log: about
        now.accuracy = (1 + now.certainty) / 2
    return Diagnosis(log.name, [*_grave_findings(now, before)] or [_other_finding(now)])


def _medians(records, start):
    """Medians over the quarter of a log that begins at `start`: spikes don't count. nan for what it lacks."""
    seen = records[-1]["images"]
    found = {}
    for key in READ:
        values, images = values_of(records, key)
        some = values[(images > start * seen) & (images <= (start + 0.25) * seen)]
        found[key] = np.median(some) if len(some) else math.nan
    return SimpleNamespace(**found)


def _is_broken(log):
    """Whether training stopped at a number that is none, or a loss was none."""
    finite = [len(values_of(log.records, key)[0]) for key in ("loss_g", "loss_d")]
    return min(finite) < len(log.records) or any(event["event"] == "diverged" for event in log.events)


def _certainty(config, now):
    """How sure D is: 0 where it says the same of real and generated images, 1 where it meets its targets."""
    if config.loss == "hinge":
        return 1 - now.loss_d / 2
    if config.loss == "relativistic":
        return 1 - now.loss_d / math.log(2)
    if config.loss == "wasserstein":
        return math.nan
    apart = 1 if config.loss == "minimax" else config.real_label - config.fake_label
    return now.estimate / apart if apart else math.nan


# The limits below were calibrated on runs of 32-pixel faces, made to fail and not. nan passes no test

def _grave_findings(now, before):
    """All grave signs of trouble, the gravest first."""
    if now.is_broken or not now.is_critic and max(abs(now.loss_g), abs(now.loss_d)) > 1e4:
        yield Finding("the losses exploded",
                      f"A loss is huge or not a number (G {now.loss_g:.3g}, D {now.loss_d:.3g}).",
                      "lower lr_g and lr_d in a new run; precision='fp32'")
    if now.is_critic and (now.estimate > 1000 or now.estimate > max(100, 1.5 * before.estimate)):
        yield Finding("the critic's scores explode",
                      f"The Wasserstein estimate is {now.estimate:.3g}, after {before.estimate:.3g} in the "
                      "quarter before.",
                      "a smaller clip, a larger penalty_weight, or a lower lr_d")
    if now.skipped_d > 0.98:
        yield Finding("the gate never lets D through", f"{now.skipped_d:.0%} of D's updates were skipped.",
                      "a lower d_gate, or none (0)")
    if now.skipped_g > 0.98:
        yield Finding("the gate never lets G through", f"{now.skipped_g:.0%} of G's updates were skipped.",
                      "a lower g_gate, or none (0)")
    if now.certainty > 0.9 and now.accuracy > 0.97:
        yield Finding("the discriminator has won",
                      f"D tells {now.accuracy:.1%} of pairs apart, with little doubt; G's loss is "
                      f"{now.loss_g:.2f} ({before.loss_g:.2f} before).",
                      "a lower lr_d or a higher lr_g; real_label=0.9, fake_label=0.1; dropout, "
                      "instance_noise, augment; early on: wait")
    fell = now.peak >= 0.35 and now.diversity < 0.6 * now.peak
    if fell or now.images >= LATE and now.diversity < 0.35:
        yield Finding("samples are collapsing",
                      f"The fixed samples are {now.diversity:.0%} as varied as the data "
                      f"(at best {now.peak:.0%}).",
                      "a lower lr_g; loss='relativistic' or 'wasserstein' with a penalty; augment; "
                      "an earlier snapshot")


    if now.images >= EARLY and now.scores and _last(now.scores) > MUCH_WORSE * min(now.scores.values()):
        yield Finding("it was better before", _better_before(now.scores), RESCUE)


def _last(scores):
    """The score of the last generator that is scored."""
    return [*scores.values()][-1]


def _better_before(scores):
    best = best_of(scores)
    return f"FD-lite is {_last(scores):.4g}, and was {scores[best]:.4g} at {best:,} images (lower is better)."


def _stands_still(now):
    """Whether no generator of the second half of a run is better than the best of the first half."""
    halves = [[fd for images, fd in now.scores.items() if (images > now.images / 2) == is_late]
              for is_late in (False, True)]
    return all(len(half) >= 3 for half in halves) and min(halves[1]) >= min(halves[0])


def _other_finding(now):
    """What a run without grave signs is like."""
    if now.images >= EARLY and now.accuracy < 0.6:
        return Finding("the generator has won: D has no opinion",
                       f"D tells {now.accuracy:.0%} of pairs apart; guessing gives 50%.",
                       "a higher lr_d or a lower lr_g; d_steps=2; a wider D; early on, or while samples get "
                       "better: wait", ORANGE)
    if now.images >= EARLY and now.diversity < 0.35:
        return Finding("samples are all alike so far",
                       f"The fixed samples are {now.diversity:.0%} as varied as the data.",
                       "wait: a DCGAN's first faces take some 60,000 images; after 100,000 a lower lr_g, or "
                       "another loss", ORANGE)
    if now.images < EARLY:
        return Finding("too early to tell", f"Only {now.images:,} images were seen.", "train on", GREY)
    if now.scores and _last(now.scores) > (1 + SPREAD) * min(now.scores.values()):
        return Finding("it was a little better before", _better_before(now.scores), RESCUE, ORANGE)
    if _stands_still(now):
        return Finding("it learns no more",
                       f"FD-lite is {_last(now.scores):.4g}, and has not fallen in the second half.",
                       "to stop here; a wider network, more pictures or another recipe; early in a run: wait",
                       ORANGE)
    quality = f" FD-lite is {_last(now.scores):.4g}, as good as it has been." if now.scores else ""
    return Finding("healthy", f"None of the known signs of trouble.{quality}", "train on", GREEN)
