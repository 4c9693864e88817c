"""A run in TensorBoard: what is written, what a run that goes on writes, and what is missing."""
import sys

import pytest
from helpers import make_pack, tiny
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from ganlib.__main__ import main
from ganlib.errors import GanlibError
from ganlib.runs.folder import read_log, read_scores
from ganlib.training.loop import train
from ganlib.view.tensorboard import QUALITY_TAG, TensorBoardHook


@pytest.fixture(scope="module")
def pack(tmp_path_factory):
    return make_pack(tmp_path_factory.mktemp("data") / "pack", 64)


def written(run):
    found = EventAccumulator(str(run / "tensorboard"), size_guidance={"scalars": 0, "images": 0})
    found.Reload()
    return found


def curve(found, name):
    return [(event.step, event.value) for event in found.Scalars(name)]


def test_curves_samples_and_scores(pack, tmp_path):
    run = tmp_path / "run"
    hook = TensorBoardHook(run)
    train(tiny(score="while training"), pack, run, hook=hook, progress=False)
    hook.close()
    records, _ = read_log(run)
    found = written(run)
    for key, name in (("loss_g", "loss/generator"), ("accuracy", "indicators/accuracy of D")):
        logged = [(record["images"], record[key]) for record in records]
        assert curve(found, name) == [(images, pytest.approx(value, rel=1e-6)) for images, value in logged]
    assert curve(found, QUALITY_TAG) == [(images, pytest.approx(fd, rel=1e-6))
                                     for images, fd in read_scores(run).items()]
    assert len(found.Images("samples")) >= 2
    assert "labels/guessed, real images" not in found.Tags()["scalars"]


def test_a_run_that_goes_on(pack, tmp_path):
    run = tmp_path / "run"
    for images in (96, 192):
        hook = TensorBoardHook(run)
        train(tiny(images=images), pack, run, hook=hook, progress=False)
        hook.close()
    steps = [images for images, _ in curve(written(run), "loss/generator")]
    assert steps == sorted(set(steps)) and steps[-1] == 192


def test_from_a_shell(pack, tmp_path):
    run = tmp_path / "run"
    command = ["train", "dcgan", str(pack.path), str(run), "--images", "64", "--tensorboard", "--set",
               "resolution=32", "width=4", "z_dim=8", "batch=16", "log_images=32", "device=cpu", "threads=1"]
    assert main(command) == 0
    assert curve(written(run), "loss/discriminator")[-1][0] == 64


def test_without_the_package(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(GanlibError, match="pip install tensorboard"):
        TensorBoardHook(tmp_path)
