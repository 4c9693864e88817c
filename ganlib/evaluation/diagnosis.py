"""What a run's log holds, and what it says in words: `read_log`, `diagnosis`."""
import html
import math
from types import SimpleNamespace

import numpy as np

from ..training.logs import logs_of, values_of

GRAVE, DOUBTFUL, FINE, UNKNOWN = "#D55E00", "#E69F00", "#009E73", "#6b6b6b"
# Gravest first: state, colour, test, what the log shows, what to try. Values are medians (spikes don't count) over the
# last quarter of the log (_before: over the third); one that a log lacks is nan, which passes no test. certainty: 0
# where D says the same of real and generated images, 1 where it meets its targets. Calibrated on runs of 32-pixel
# faces, made to fail and not.
SIGNS = (
    ("the losses exploded", GRAVE, lambda s: s.broken or not s.critic and max(abs(s.loss_g), abs(s.loss_d)) > 1e4,
     "A loss is huge or not a number (G {loss_g:.3g}, D {loss_d:.3g}).",
     "lower lr_g and lr_d in a new run; precision='fp32'"),
    ("the critic's scores explode", GRAVE,
     lambda s: s.critic and (s.estimate > 1000 or s.estimate > max(100, 1.5 * s.estimate_before)),
     "The Wasserstein estimate is {estimate:.3g}, after {estimate_before:.3g} in the quarter before.",
     "a smaller clip, a larger penalty_weight, or a lower lr_d"),
    ("the gate never lets D through", GRAVE, lambda s: s.skipped_d > 0.98,
     "{skipped_d:.0%} of D's updates were skipped.", "a lower d_gate, or none (0)"),
    ("the gate never lets G through", GRAVE, lambda s: s.skipped_g > 0.98,
     "{skipped_g:.0%} of G's updates were skipped.", "a lower g_gate, or none (0)"),
    ("the discriminator has won", GRAVE, lambda s: s.certainty > 0.9 and s.accuracy > 0.97,
     "D tells {accuracy:.1%} of pairs apart, with little doubt; G's loss is {loss_g:.2f} ({loss_g_before:.2f} before).",
     "a lower lr_d or a higher lr_g; real_label=0.9, fake_label=0.1; dropout, instance_noise, augment; early on: wait"),
    ("samples are collapsing", GRAVE,
     lambda s: s.peak >= 0.35 and s.diversity < 0.6 * s.peak or s.images >= 100_000 and s.diversity < 0.35,
     "The fixed samples are {diversity:.0%} as varied as the data (at best {peak:.0%}).",
     "a lower lr_g; loss='relativistic' or 'wasserstein' with a penalty; augment; an earlier snapshot"),
    ("the generator has won: D has no opinion", DOUBTFUL, lambda s: s.images >= 10_000 and s.accuracy < 0.6,
     "D tells {accuracy:.0%} of pairs apart; guessing gives 50%.",
     "a higher lr_d or a lower lr_g; d_steps=2; a wider D; early on, or while samples get better: wait"),
    ("samples are all alike so far", DOUBTFUL, lambda s: s.images >= 10_000 and s.diversity < 0.35,
     "The fixed samples are {diversity:.0%} as varied as the data.",
     "wait: a DCGAN's first faces take some 60,000 images; after 100,000 a lower lr_g, or another loss"),
    ("too early to tell", UNKNOWN, lambda s: s.images < 10_000, "Only {images:,} images were seen.", "train on"),
    ("healthy", FINE, lambda s: True, "None of the known signs of trouble.", "train on"),
)


class Diagnosis:
    """What `diagnosis` found. state: the gravest, a name of SIGNS. In a shell it is text, in a notebook a panel."""

    def __init__(self, name, rows):
        self.name, self.rows, self.state = name, rows, rows[0][0]

    def __repr__(self):
        return "\n".join(f"{self.name}: {state}. {shows}\n  Try: {advice}." for state, _, shows, advice in self.rows)

    def _repr_html_(self):
        style = "border-left: 8px solid {0}; background: {0}20; padding: 6px 12px; margin: 4px 0"
        return "".join(f'<div style="{style.format(color)}"><b>{html.escape(self.name)}: {state}.</b> {shows}<br>'
                       f"Try: {advice}.</div>" for state, color, shows, advice in self.rows)


def diagnosis(run):
    """What a run's log shows, in words, and what to try: a Diagnosis, as "healthy" or "the discriminator has won"."""
    log, = logs_of(run)
    loss, records, seen = log.config.loss, log.records, log.records[-1]["images"]
    s = SimpleNamespace(images=seen, critic=loss == "wasserstein")
    for key in ("loss_g", "loss_d", "estimate", "accuracy", "diversity", "skipped_g", "skipped_d"):
        values, images = values_of(records, key)
        for name, start in (key, 0.75), (f"{key}_before", 0.5):
            some = values[(images > start * seen) & (images <= (start + 0.25) * seen)]
            setattr(s, name, np.median(some) if len(some) else math.nan)
    s.peak = max(values_of(records, "diversity")[0], default=math.nan)
    s.broken = any(e["event"] == "diverged" for e in log.events) or any(
        len(values_of(records, key)[0]) < len(records) for key in ("loss_g", "loss_d"))
    span = 1 if loss == "minimax" else log.config.real_label - log.config.fake_label or math.nan
    s.certainty = {"hinge": 1 - s.loss_d / 2, "relativistic": 1 - s.loss_d / math.log(2),
                   "wasserstein": math.nan}.get(loss, s.estimate / span)
    if math.isnan(s.accuracy):
        s.accuracy = (1 + s.certainty) / 2  # an older log: about
    found = [(state, color, shows.format(**vars(s)), advice) for state, color, test, shows, advice in SIGNS if test(s)]
    return Diagnosis(log.name, [row for row in found if row[1] == GRAVE] or found[:1])
