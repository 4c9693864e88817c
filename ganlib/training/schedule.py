"""Where a run is in its schedule: pure functions of its recipe and of the images seen.

An image is seen when D is shown it. Progressive growing follows Karras et al. 2017,
https://arxiv.org/abs/1710.10196.
"""
from dataclasses import dataclass

from ..typed import steps_of


@dataclass(frozen=True)
class Moment:
    """What the schedule says at one number of images seen."""

    resolution: int  # pixels, height and width
    fade: float  # how much the newest resolution counts, from 0 to 1
    batch: int  # images
    rate: float  # factor of both learning rates
    noise: float  # standard deviation of the instance noise
    penalised: bool  # whether D's update here has the penalty
    hidden: float = 0.0  # how often a label is hidden
    g_waits: bool = False  # whether D learns alone: G's learning rate is 0


def moment(recipe, images):
    """The Moment of a recipe at a number of images seen."""
    resolution, fade = _growth(recipe, images)
    batch = int(_at(recipe.batches, resolution, recipe.batch))
    return Moment(
        resolution=resolution,
        fade=fade,
        batch=batch,
        rate=_at(recipe.rates, resolution, 1.0),
        noise=_noise(recipe, images),
        penalised=recipe.penalty != "none" and images // batch % recipe.penalty_every == 0,
        hidden=_hidden(recipe, images),
        g_waits=images < 1000 * recipe.g_waits_kimg,
    )


def ema_decay(recipe, images, new):
    """How much of the averaged generator stays after `new` more images, from 0 to 1.

    Its half-life is ema_kimg, and at most the share ema_rampup of the images seen.
    """
    half_life = min(1000 * recipe.ema_kimg, recipe.ema_rampup * images)
    return 0.5 ** (new / half_life) if half_life > 0 else 0.0


def _growth(recipe, images):
    """(resolution, fade) at a number of images seen; without growing the full resolution throughout."""
    if not recipe.grow:
        return recipe.resolution, 1.0
    resolution, fade = 4, 1.0
    for size, kimg in steps_of(recipe.grow).items():
        if size <= recipe.resolution and images >= 1000 * kimg:
            since = images / 1000 - kimg  # thousands of images
            resolution = size
            fade = min(1.0, since / recipe.fade_kimg) if recipe.fade_kimg else 1.0
    return resolution, fade


def _at(table, resolution, default):
    """The last value of a table whose resolution is reached."""
    reached = [value for size, value in steps_of(table).items() if size <= resolution]
    return reached[-1] if reached else default


def _hidden(recipe, images):
    """The probability that a label is hidden: 1 at first, and less and less from half of labels_kimg on."""
    half = 500 * recipe.labels_kimg
    shown = min(1.0, max(0.0, images / half - 1)) if half else 1.0
    return recipe.hidden_labels + (1 - shown) * (1 - recipe.hidden_labels)


def _noise(recipe, images):
    """The standard deviation of the instance noise: it falls to zero over noise_kimg, where that is set."""
    if not recipe.noise_kimg:
        return recipe.instance_noise
    return recipe.instance_noise * max(0.0, 1 - images / (1000 * recipe.noise_kimg))
