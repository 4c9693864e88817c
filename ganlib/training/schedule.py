"""What a run is made of: `Config`, the table of presets, the profiles."""
from dataclasses import dataclass

from ..errors import GanlibError


def steps_of(text, key="table"):
    """{resolution: number} of a table such as "8:150 16:450"."""
    try:
        return {int(r): float(v) for r, v in (item.split(":") for item in text.split())}
    except ValueError:
        raise GanlibError(f"{key}={text!r}: expected resolution:number pairs such as '8:150 16:450'.") from None


@dataclass(frozen=True)
class Phase:
    """Where a run is in its schedule."""

    resolution: int
    fade: float  # of the newest resolution, from 0 to 1
    batch: int
    rate: float  # factor of the learning rates


def phase(config, images):
    """The Phase of a run at a number of images seen (Karras et al. 2017; without growing there is but one)."""
    resolution, fade = (4, 1.0) if config.grow else (config.resolution, 1.0)
    for r, kimg in steps_of(config.grow).items():
        if r <= config.resolution and images >= 1000 * kimg:
            resolution, fade = r, min(1.0, (images / 1000 - kimg) / config.fade_kimg) if config.fade_kimg else 1.0

    def at(table, default):
        return [default, *(v for r, v in steps_of(table).items() if r <= resolution)][-1]

    return Phase(resolution, fade, int(at(config.batches, config.batch)), at(config.rates, 1.0))
