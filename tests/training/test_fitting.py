"""Which batch fits, where the memory is full: found by trying."""
import dataclasses

import pytest
import torch
from helpers import make_pack, tiny

from ganlib.errors import GanlibError
from ganlib.presets import preset
from ganlib.training import fitting
from ganlib.training.fitting import fitting_batch, what_to_lower
from ganlib.training.loop import train
from ganlib.training.schedule import moment
from ganlib.training.step import Step

CPU = torch.device("cpu")


@pytest.fixture
def room(monkeypatch):
    """A function that sets for how many images at a time there is memory; it gives the batches tried."""
    update, tried = Step.update, []

    def set_room(images, words="CUDA out of memory. Tried to allocate 2.00 GiB."):
        def watched(step, real, *more):
            tried.append(len(real))
            if len(real) > images:
                raise torch.OutOfMemoryError(words)
            return update(step, real, *more)
        monkeypatch.setattr(Step, "update", watched)
        return tried
    return set_room


@pytest.mark.parametrize("images, found, batches", [
    (16, 16, [32, 16]), (100, 32, [32]), (3, 2, [32, 16, 8, 4, 2]), (1, 0, [32, 16, 8, 4, 2])])
def test_the_batch_is_halved_until_it_fits(room, images, found, batches):
    config = tiny(batch=64)
    tried = room(images)
    assert fitting_batch(config, moment(config, 0), CPU, torch.float32) == found
    assert tried == batches


@pytest.mark.parametrize("name, changes", [
    ("stylegan-fast", dict(z_dim=8, w_dim=8)), ("wgan-gp", dict(penalty_every=2)),
    ("stylegan", dict(z_dim=8, w_dim=8, batches="4:16", grow="8:0.1 16:0.2 32:0.3"))])
def test_the_try_has_the_penalty_and_the_size_of_its_moment(name, changes, room, monkeypatch):
    config = preset(name, resolution=32, width=4, max_width=8, batch=16, **changes)
    at = dataclasses.replace(moment(config, 350), penalised=False)
    room(100)
    seen, update = [], Step.update
    monkeypatch.setattr(Step, "update", lambda step, real, c, z, at, *more: (
        seen.append(at), update(step, real, c, z, at, *more))[1])
    assert fitting_batch(config, at, CPU, torch.float32) == 8
    assert seen[0].penalised and seen[0].resolution == at.resolution and seen[0].batch == 8


def test_other_errors_come_out(room):
    room(4, "an illegal memory access was encountered")
    with pytest.raises(RuntimeError, match="illegal"):
        fitting_batch(tiny(), moment(tiny(), 0), CPU, torch.float32)


def test_the_advice_names_what_was_tried_on_a_gpu(room, monkeypatch):
    monkeypatch.setattr(fitting, "fitting_batch", lambda *_: 8)
    words = what_to_lower(tiny(), 0, torch.device("cuda"), torch.float32)
    assert words.startswith("Lower batch (now 16; 8 fits, as a try has shown), width (4) or ")
    assert "fits" not in what_to_lower(tiny(), 0, CPU, torch.float32)


def test_what_failed_is_free_before_the_try(room, monkeypatch, tmp_path):
    """Else the try would find the memory as full as before."""
    import gc
    import weakref
    made, found = [], []
    start = Step.__init__
    monkeypatch.setattr(
        Step, "__init__", lambda step, *more: (made.append(weakref.ref(step)), start(step, *more))[1])

    def look(*_):
        gc.collect()
        found.append(made[0]())
        return 8
    monkeypatch.setattr(fitting, "fitting_batch", look)
    monkeypatch.setattr("ganlib.training.loop.what_to_lower",
                        lambda config, images, *_: what_to_lower(config, images, torch.device("cuda"), None))
    room(4)
    with pytest.raises(GanlibError, match=r"^Out of memory\. Lower batch \(now 16; 8 fits"):
        train(tiny(), make_pack(tmp_path / "pack"), tmp_path / "run", progress=False)
    assert found == [None]
