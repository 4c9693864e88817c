"""Which configs are timed and trained: those of the presets, the flagship's, and the sizes of a rehearsal."""
from ganlib.presets import preset

FLAGSHIP = "stylegan-fast"
# Keys that change numbers and not what is computed: presets that differ in nothing else are as fast
ONLY_NUMBERS = {
    "preset", "real_label", "fake_label", "g_label", "penalty_weight", "lr_g", "lr_d", "beta1", "beta2",
    "momentum", "ema_kimg", "ema_rampup", "seed", "data", "noise_kimg", "fade_kimg",
}
# ... and those of which only zero is another matter
MAY_BE_ZERO = {"label_noise", "clip", "d_gate", "g_gate", "instance_noise", "weight_decay", "mixing"}


def recipe(name, job, **changes):
    """The Config of a preset on the job's device, in its profile and without a budget.

    The one that is to be trained has the settings of the job as well.
    """
    values = {"device": job.device, "images": 0, "minutes": 0}
    if job.rehearsal:
        values |= {"batch": 8, "threads": 1}
    if name == job.train:
        values |= job.settings
    return preset(name, "smoke" if job.rehearsal else job.profile, **(values | changes))


def at_full_size(config):
    """The config with networks that have grown up from the first image on, and one batch throughout."""
    if not config.grow:
        return config.replace(batches="", rates="")
    sizes = [2**i for i in range(3, config.resolution.bit_length())]
    grow = " ".join(f"{size}:0" for size in sizes)
    return config.replace(grow=grow, fade_kimg=0, batches="", rates="")


def kind_of(config):
    """What presets have in common that compute the same with other numbers."""
    values = {key: value for key, value in config.recipe().items() if key not in ONLY_NUMBERS}
    return tuple((key, bool(value) if key in MAY_BE_ZERO else value) for key, value in values.items())


def told(values):
    """{key: value} as the command line has it: key=value key=value."""
    return " ".join(f"{key}={value}" for key, value in values.items())
