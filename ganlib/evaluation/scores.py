"""The score of a generator: FD-lite of few samples, which follows a training and finds its best moment."""
import functools

from ..errors import GanlibError
from ..models.sampling import drawn_parts
from .distances import LEAST, frechet
from .features import features, gaussian, real_statistics

SAMPLES = 2_048


def scorer(pack, device, progress=True):
    """A function of a generator that gives {"fd": FD-lite to the images of a pack, "n": samples}.

    All generators draw from the same latents. device: the torch device where they lie. The function raises
    GanlibError where the pack is too small.
    """
    place = str(device) if device.type == "cuda" else "cpu"

    real = functools.cache(lambda: real_statistics(pack, device=place, progress=progress)[1])

    def score(generator):
        if len(pack) < LEAST:
            raise GanlibError(f"the pack has {len(pack)} images, and FD-lite needs {LEAST}.")
        found = features(drawn_parts(generator, SAMPLES), device=place, progress=False)
        return {"fd": round(frechet(real(), gaussian(found)), 3), "n": SAMPLES}

    return score
