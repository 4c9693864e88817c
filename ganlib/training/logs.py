"""What a run's log holds, and what it says in words: `read_log`, `diagnosis`."""
import contextlib
import json
import math
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from ..config import Config
from ..errors import GanlibError
from .losses import SIGMOID


def folder_of(run):
    """The folder of a run: given itself, or as what `train` returned."""
    return Path(getattr(run, "path", run))


def read_log(run):
    """(training records, event records) of a run's log.jsonl; a line that was cut off is left out."""
    path, records = folder_of(run) / "log.jsonl", []
    if not path.is_file():
        raise GanlibError(f"{path.parent} has no log.jsonl: expected a run's folder, as `train` writes it.")
    for line in path.read_text().splitlines():
        with contextlib.suppress(ValueError):
            records.append(json.loads(line))
    return [r for r in records if "event" not in r], [r for r in records if "event" in r]


def logs_of(*runs):
    """What figures and `diagnosis` need of runs. number: of one among several, else None; kind: what can share axes."""
    paths, logs = [folder_of(run) for run in runs], []
    twice = len({p.name for p in paths}) < len(paths)
    for i, p in enumerate(paths):
        records, events = read_log(p)
        for r in records:
            r["estimate"] = r["d_real"] - r["d_fake"]  # for a critic: of the Wasserstein distance
        config = Config.load(p / "config.json")
        logs.append(SimpleNamespace(
            name=f"{p.parent.name}/{p.name}" if twice else p.name, number=i if len(paths) > 1 else None, config=config,
            kind="answer" if config.loss in SIGMOID else config.loss, records=records, events=events))
    if empty := [log.name for log in logs if not log.records] or ["no run"] * (not logs):
        raise GanlibError(f"No training record in {', '.join(empty)}: name runs that have trained a while.")
    return logs


def values_of(records, key):
    """(values, images seen) of the records that have a finite value of this key."""
    found = [(r[key], r["images"]) for r in records if math.isfinite(r.get(key, math.nan))]
    return np.array(found, float).reshape(-1, 2).T
