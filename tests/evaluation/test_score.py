"""The score of a generator: a Fréchet distance like that of the table, of the same latents each time."""
import numpy as np
import pytest
import torch
from helpers import make_pack, tiny

from ganlib.errors import GanlibError
from ganlib.evaluation import scores
from ganlib.evaluation.distances import frechet
from ganlib.evaluation.features import features, gaussian
from ganlib.evaluation.scores import SAMPLES, scorer
from ganlib.models.build import build_networks
from ganlib.models.sampling import sample
from ganlib.models.store import load_generator, save_generator

CPU = torch.device("cpu")


def test_a_score_is_the_distance_of_samples_to_the_pack(thumbnails, tmp_path):
    """By hand, from the files; a generator and its network alone have the same."""
    pack = make_pack(tmp_path / "pack", 60)
    save_generator(tmp_path / "one.safetensors", build_networks(tiny())[0], tiny())
    generator = load_generator(tmp_path / "one.safetensors")
    measure = scorer(pack, CPU, progress=False)
    found = measure(generator)
    real = gaussian(features(np.array(pack.images), progress=False))
    drawn = gaussian(features(sample(generator, SAMPLES), progress=False))
    assert found == {"fd": round(frechet(real, drawn), 3), "n": 2_048} and found["fd"] > 0
    assert measure(generator.G) == measure(generator) == found


def test_the_real_images_are_looked_at_once(thumbnails, tmp_path, monkeypatch):
    pack = make_pack(tmp_path / "pack", 60)
    looked = []
    real_statistics = scores.real_statistics
    monkeypatch.setattr(scores, "real_statistics",
                        lambda *args, **words: (looked.append(1), real_statistics(*args, **words))[1])
    monkeypatch.setattr(scores, "SAMPLES", 16)
    measure = scorer(pack, CPU, progress=False)
    assert not looked
    G = build_networks(tiny())[0]
    assert measure(G) == measure(G) and len(looked) == 1


def test_a_pack_of_few_images_has_no_scores(thumbnails, tmp_path):
    measure = scorer(make_pack(tmp_path / "pack", 15), CPU, progress=False)
    with pytest.raises(GanlibError, match="has 15 images, and FD-lite needs 16"):
        measure(build_networks(tiny())[0])
