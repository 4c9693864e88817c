"""What diagnosis says of logs, and of real runs that were made to fail."""
import math

import numpy as np
import pytest
from helpers import make_pack, make_report, tiny
from run_folders import START, full_records, records, write_log

from ganlib.colors import GREEN, ORANGE, RED
from ganlib.data.packs import pack
from ganlib.data.synthetic import face
from ganlib.errors import GanlibError
from ganlib.models.dcgan import DCGANGenerator
from ganlib.presets import preset
from ganlib.training.loop import train
from ganlib.view.curves import curves
from ganlib.view.diagnosis import diagnosis

FAULTS = {  # what stands in the second half of the log, and the preset's row
    "healthy": ({}, "dcgan"),
    "the losses exploded": ({"loss_g": 1e6}, "dcgan"),
    "the critic's scores explode": ({"d_real": 2000.0, "d_fake": -1500.0}, "wgan"),
    "the gate never lets D through": ({"skipped_d": 1.0}, "v3"),
    "the gate never lets G through": ({"skipped_g": 1.0}, "v4.3"),
    "the discriminator has won": ({"d_real": 0.895, "d_fake": 0.105, "accuracy": 0.999}, "dcgan"),
    "samples are collapsing": ({"diversity": 0.4}, "dcgan"),
    "the generator has won: D has no opinion": ({"d_real": 0.5, "d_fake": 0.49, "accuracy": 0.52}, "dcgan"),
}


@pytest.mark.parametrize("state", FAULTS)
def test_diagnosis_of_a_log(tmp_path, state):
    values, row = FAULTS[state]
    log = full_records(40, diversity=0.8)
    log[20:] = [r | {k: v for k, v in values.items() if k in r or k != "diversity"} for r in log[20:]]
    found = diagnosis(write_log(tmp_path / "one", log, row=row))
    assert found.state == state and len(found.findings) == 1
    assert str(found).startswith(f"one: {state}. ") and "\n  Try: " in str(found) and "nan" not in str(found)
    color = {"healthy": GREEN, "the generator has won: D has no opinion": ORANGE}.get(state, RED)
    assert found._repr_html_().startswith(f'<div style="border-left: 8px solid {color}')
    # the same at the start of a run that mends is nothing to warn of
    log = full_records(80, diversity=0.8)
    log[:20] = [r | {k: v for k, v in values.items() if k in r or k != "diversity"} for r in log[:20]]
    assert diagnosis(write_log(tmp_path / "mended", log, row=row)).state == "healthy"


def scored(values, n=40):
    """A healthy log of n thousand images, with scores at equal distances from the first to the last."""
    log = full_records(n, diversity=0.8)
    at = [1000 * (1 + i * (n - 1) // (len(values) - 1)) for i in range(len(values))]
    return [*log, *(START | {"event": "score", "images": images, "fd": fd, "n": 2_048}
                    for images, fd in zip(at, values, strict=True))]


@pytest.mark.parametrize("values, state, color, shows", [
    ([300, 200, 150, 120, 100, 82, 110], "it was better before", RED,
     "FD-lite is 110, and was 82 at 33,000 images"),
    ([300, 200, 150, 120, 100, 82, 90], "it was a little better before", ORANGE,
     "FD-lite is 90, and was 82 at 33,000 images"),
    ([300, 200, 150, 120, 100, 82, 84], "healthy", GREEN, "FD-lite is 84, as good as it has been."),
    ([300, 200, 150, 120, 100, 82, 81], "healthy", GREEN, "FD-lite is 81, as good as it has been."),
    ([300, 100, 101, 102, 101, 100.5, 101], "it learns no more", ORANGE,
     "FD-lite is 101, and has not fallen in the second half."),
    ([300, 100, 101, 102, 101, 99, 100], "healthy", GREEN, "FD-lite is 100, as good as it has been."),
    ([300, 90, 100, 90], "healthy", GREEN, "FD-lite is 90"),  # too few to tell a standstill
])
def test_diagnosis_of_scores(tmp_path, values, state, color, shows):
    found = diagnosis(write_log(tmp_path, scored(values)))
    assert found.state == state and len(found.findings) == 1 and shows in str(found)
    assert color in found._repr_html_()
    assert (":best" in str(found)) == ("before" in state)


def test_early_scores_say_little(tmp_path):
    assert diagnosis(write_log(tmp_path, scored([100, 150, 200, 250], 8))).state == "too early to tell"


def test_a_run_may_collapse_in_more_than_one_way(tmp_path):
    """What D says comes first; the scores tell which generator is left."""
    log = [r | ({"diversity": 0.3} if r.get("images", 0) > 20_000 and "diversity" in r else {})
           for r in scored([300, 100, 80, 120, 200])]
    states = [one.state for one in diagnosis(write_log(tmp_path, log)).findings]
    assert states == ["samples are collapsing", "it was better before"]


def test_diagnosis_numbers_by_hand(tmp_path):
    log = full_records(40, diversity=[1.0] * 20 + [0.5] * 20, loss_g=[1.0] * 20 + [2.0] * 10 + [3.0] * 10)
    found = diagnosis(write_log(tmp_path, log))
    assert found.findings[0].shows == "The fixed samples are 50% as varied as the data (at best 100%)."
    won = [r | {"d_real": 0.9, "d_fake": 0.1, "accuracy": 0.99} for r in log]
    found = diagnosis(write_log(tmp_path, won))
    assert "99.0% of pairs apart, with little doubt; G's loss is 3.00 (2.00 before)" in str(found)
    # how near D is to its targets depends on them: 0.9 and 0.1 are met above, hard labels by four fifths
    assert diagnosis(write_log(tmp_path, won, row="v1")).state == "samples are collapsing"


@pytest.mark.parametrize("row, loss_d, won", [
    ("sngan", 0.1, True),
    ("sngan", 0.5, False),
    ("rpgan", 0.03, True),
    ("rpgan", 0.2, False),
    ("wgan", 0.0, False),
])
def test_diagnosis_without_labels_goes_by_the_loss(tmp_path, row, loss_d, won):
    log = full_records(40, diversity=0.8, loss_d=loss_d, d_real=3.0, d_fake=-3.0, accuracy=0.999)
    found = diagnosis(write_log(tmp_path, log, row=row))
    assert found.state == ("the discriminator has won" if won else "healthy")


def test_diagnosis_of_old_short_and_broken_logs(tmp_path):
    assert diagnosis(write_log(tmp_path, records(40))).state == "healthy"
    equal = [r | {"d_real": 0.5, "d_fake": 0.5} for r in records(40)]
    assert "D tells 50%" in str(diagnosis(write_log(tmp_path, equal)))
    assert diagnosis(write_log(tmp_path, full_records(5))).state == "too early to tell"
    alike = full_records(40, diversity=0.1)
    assert diagnosis(write_log(tmp_path, alike)).state == "samples are all alike so far"
    late = [r | {"images": 5 * r["images"]} for r in alike]
    assert diagnosis(write_log(tmp_path, late)).state == "samples are collapsing"
    broken = full_records(40)
    broken[10]["loss_d"] = math.nan
    assert diagnosis(write_log(tmp_path, broken)).state == "the losses exploded"
    assert len(curves(tmp_path).axes[0].lines[2].get_xdata()) == 39  # the rest can still be drawn
    with pytest.raises(GanlibError, match="No training record"):
        diagnosis(write_log(tmp_path, [START]))


RUNS = {  # real runs, made to fail in seconds: preset and changes
    "the discriminator has won": ("dcgan", dict(lr_d=0.01, lr_g=1e-5, images=4_800)),
    "the generator has won: D has no opinion": (
        "dcgan", dict(lr_d=1e-6, lr_g=0.01, batch=128, images=10_240)),
    "the gate never lets D through": ("v3", dict(d_gate=5.0, images=1_600)),
    "the critic's scores explode": ("wgan", dict(clip=10.0, lr_d=0.005, images=6_400)),
}


@pytest.mark.parametrize("state", RUNS)
def test_diagnosis_of_runs_made_to_fail(tmp_path, state):
    row, changes = RUNS[state]
    config = tiny(batch=32, log_images=160, frames=3)
    config = preset(row, **(config.engine() | dict(resolution=32, width=4, z_dim=8, batch=32) | changes))
    found = diagnosis(train(config, make_pack(tmp_path / "pack", 256), tmp_path / "run", progress=False))
    assert found.state == state


def test_diagnosis_of_a_healthy_run_and_of_its_collapse(tmp_path, monkeypatch):
    """On drawn faces: a run that goes well, and the same once its generator no longer listens to z."""
    faces = pack(make_report(np.stack([face(i, size=32)[0] for i in range(64)])), tmp_path / "pack")
    config = preset("dcgan", **(tiny(log_images=160, frames=20).engine() | dict(
        resolution=32, width=8, z_dim=8, batch=32, lr_g=0.002, lr_d=0.0005, images=10_240)))
    run = train(config, faces, tmp_path / "run", progress=False)
    assert diagnosis(run).state == "healthy"

    hear = DCGANGenerator.forward
    monkeypatch.setattr(DCGANGenerator, "forward", lambda G, z, *rest: hear(G, 0 * z, *rest))
    run = train(config.replace(images=14_080), faces, tmp_path / "run", progress=False)
    assert diagnosis(run).state == "samples are collapsing"
