"""Run folders that look as if `train` had written them: logs and sample grids, made in no time."""
import json

import numpy as np

from ganlib.images import grid
from ganlib.presets import preset

START = {"event": "start", "images": 0, "train_seconds": 0.0}
# What a training may tell of beside its starts
OTHER_EVENTS = [
    START | {"event": "threads", "images": 3000, "threads": 2, "images_per_second": {"1": 100.0, "2": 170.0}},
    START | {"event": "slept", "images": 3000, "seconds": 4000.0},
    START | {"event": "warning", "images": 3000, "text": "a step was skipped"},
]
SHADES = [(200, 30, 30), (30, 160, 30), (30, 30, 200), (170, 160, 20)]


def noise(n, size=16, seed=0):
    """Random pictures, uint8 (n, size, size, 3)."""
    return np.random.default_rng(seed).integers(0, 256, (n, size, size, 3), np.uint8)


def flat(colors, size=16):
    """A picture of each colour."""
    return np.stack([np.full((size, size, 3), color, np.uint8) for color in colors])


def records(n, start=0):
    """One record a thousand images, at 125 images a second."""
    found = []
    for i in range(n):
        thousands = start + i + 1
        found.append({
            "images": 1000 * thousands,
            "train_seconds": 8.0 * thousands,
            "loss_g": 2 + i % 3,
            "loss_d": 1 - i / 100,
            "d_real": 0.7,
            "d_fake": 0.2,
            "images_per_second": 125.0,
        })
    return found


def full_records(n, **values):
    """Records with all keys; a value may be a list with one for each. Diversity is in every fourth."""
    more = {"d_fake_g": 0.1, "accuracy": 0.9, "grad_g": 3.0, "grad_d": 0.5} | values
    found = records(n)
    for i, record in enumerate(found):
        for key, value in more.items():
            if key != "diversity" or i % 4 == 3:
                record[key] = value[i] if isinstance(value, list) else value
    return found


def write_log(run, lines, tail="", row="dcgan", **changes):
    """A run's folder with a log and the config of a preset."""
    run.mkdir(parents=True, exist_ok=True)
    (run / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines) + tail)
    config = preset(row, **({"images": 100_000} | changes))
    (run / "config.json").write_text(json.dumps(config.to_dict()))
    return run


def write_samples(run, n, size=16, noisy=False):
    """real.png and n grids; grid k is of one shade (or of noise), 0, 1000, 2000 ... images seen."""
    if not (run / "config.json").exists():
        write_log(run, [])
    folder = run / "samples"
    folder.mkdir(parents=True, exist_ok=True)
    grid(flat([(20, 20, 20)] * 64, size)).save(folder / "real.png")
    for k in range(n):
        pictures = noise(64, size, k) if noisy else flat([SHADES[k % 4]] * 64, size)
        grid(pictures).save(folder / f"{1000 * k:09d}.png")
    (folder / ".000009000.png").write_bytes(b"half a file")  # what a kill can leave
    return run
