"""The logs of one or several runs, ready to be drawn or put into words."""
import math
from dataclasses import dataclass

import numpy as np

from ..config import Config
from ..errors import GanlibError
from ..files import told_apart
from ..runs.folder import folder_of, read_config, read_log, read_scores
from ..training.losses import SIGMOID


@dataclass
class RunLog:
    """The log of a run.

    number: among several runs, else None. records, events: lists of dicts, as `read_log` gives them; each
    record has "estimate" as well, which for a critic is its estimate of the Wasserstein distance. scores:
    FD-lite of kept generators, as lists of dicts with "images" and "fd", in the order of images.
    """

    name: str
    number: int | None
    config: Config
    records: list
    events: list
    scores: list

    def rows_of(self, key):
        """The dicts that may have a key."""
        return self.scores if key == "fd" else self.records

    @property
    def kind(self):
        """What can share axes: "answer" where D gives probabilities, else the name of the loss."""
        return "answer" if self.config.loss in SIGMOID else self.config.loss


def logs_of(*runs):
    """A RunLog for each run. Raises GanlibError where one has no training record yet."""
    folders = [folder_of(run) for run in runs]
    logs = []
    for number, (name, folder) in enumerate(zip(told_apart(folders), folders, strict=True)):
        records, events = read_log(folder)
        for record in records:
            record["estimate"] = record["d_real"] - record["d_fake"]
        scores = [{"images": images, "fd": fd} for images, fd in read_scores(folder).items()]
        numbered = number if len(runs) > 1 else None
        logs.append(RunLog(name, numbered, read_config(folder), records, events, scores))
    empty = [log.name for log in logs if not log.records]
    if empty or not logs:
        raise GanlibError(f"No training record in {', '.join(empty) or 'no run'}: name runs that have "
                          "trained a while.")
    return logs


def values_of(records, key):
    """(values, images seen) of the records that have a finite value of this key."""
    found = [(r[key], r["images"]) for r in records if math.isfinite(r.get(key, math.nan))]
    return np.array(found, float).reshape(-1, 2).T
