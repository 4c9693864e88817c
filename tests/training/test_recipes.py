"""What the loop does beyond a plain DCGAN: critic steps, gates, clipping, penalties, noise, growing."""
import json

import numpy as np
import pytest
import torch
from helpers import make_pack, tiny
from safetensors.torch import load_file

from ganlib.models.sampling import sample
from ganlib.models.store import load_generator
from ganlib.presets import PRESETS, preset
from ganlib.training.loop import GATE_STEPS, _optimizer, at_phase, spread, train
from ganlib.training.losses import LOSSES, PENALTIES
from ganlib.training.schedule import Phase
from ganlib.training.states import state_files

SMALL = dict(resolution=32, width=4, max_width=8, z_dim=8, w_dim=8, d_width=4, batch=16, images=160, minutes=0, log_images=32, frames=2,
             generators=0, device="cpu", precision="fp32", batches="", grow="")
GROWING = dict(grow="8:0.032 16:0.096 32:0.16", fade_kimg=0.048, batches="4:16 32:8")


@pytest.fixture(scope="module")
def packs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    return {size: make_pack(folder / f"pack{size}", 40, size) for size in (28, 32)}


@pytest.fixture(scope="module")
def pack(packs):
    return packs[32]


def records(run):
    return [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]


def state(run):
    return load_file(state_files(run)[0])


def steps(run):
    return [r for r in records(run) if "event" not in r]


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_trains_and_its_generator_loads(packs, tmp_path, name):
    size = 28 if "28" in name else 32
    config = preset(name, **(SMALL | dict(resolution=size)))
    run = train(config, packs[size], tmp_path / "run", progress=False).path
    last = steps(run)[-1]
    assert {"loss_g", "loss_d", "d_real", "d_fake", "accuracy", "diversity"} <= last.keys()
    assert ("penalty" in last) == (config.penalty != "none") and ("skipped_d" in last) == (config.d_gate > 0)
    images = sample(load_generator(run), 4)
    assert images.shape == (4, size, size, 3) and images.std() > 0


MIXTURES = {
    "rmsprop, clipping, five critic steps": ("wgan", {}),
    "two gates": ("v4.3", dict(d_gate=0.69, g_gate=0.69)),
    "momentum": ("dcgan-28-sgd", {}),
    "lazy penalty": ("wgan-gp", dict(penalty_every=3, d_steps=2)),
    "all that draws": ("dcgan", dict(dropout=0.3, spectral_norm=True, label_noise=0.1, instance_noise=0.1, noise_kimg=1,
                                     augment="color,translation,cutout", loss="relativistic", penalty="r1r2",
                                     d_norm="instance", residual=True)),
    "growing": ("stylegan", GROWING),
}


@pytest.mark.parametrize("name, changes", MIXTURES.values(), ids=MIXTURES)
def test_a_cut_off_run_ends_like_a_whole_one(packs, tmp_path, name, changes):
    size = 28 if "28" in name else 32
    changes = SMALL | dict(resolution=size) | changes
    train(preset(name, **(changes | dict(images=480))), packs[size], tmp_path / "whole", progress=False)
    # of the growing run: in a fade, between fades, where a block comes in, in the last fade, beyond
    for images in (48, 80, 96, 200, 480):
        train(preset(name, **(changes | dict(images=images))), packs[size], tmp_path / "legs", progress=False)
    a, b = state(tmp_path / "whole"), state(tmp_path / "legs")
    assert a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


@pytest.mark.parametrize("first", ["g", "d"])
def test_what_d_says_before_and_after_its_update(pack, tmp_path, first):
    """After it D says less of the same pictures, and looking does not change the run."""
    config = tiny(first=first, images=64, log_images=16, lr_d=0.01, lr_g=1e-9, frames=0, spectral_norm=True, dropout=0.1)
    often = train(config, pack, tmp_path / "often", progress=False).path
    before, after = (np.mean([r[key] for r in steps(often)]) for key in ("d_fake", "d_fake_g"))
    assert after < before - 0.01
    seldom = train(config.replace(log_images=64), pack, tmp_path / "seldom", progress=False).path
    a, b = state(often), state(seldom)
    assert all(torch.equal(a[k], b[k]) for k in a)


@pytest.mark.parametrize("name, kind, expected", [
    ("dcgan-10k", torch.optim.Adam, dict(lr=0.0004, betas=(0.5, 0.999), weight_decay=1e-8)),
    ("wgan", torch.optim.RMSprop, dict(lr=5e-5, weight_decay=0)),
    ("dcgan-28-sgd", torch.optim.SGD, dict(lr=0.01, momentum=0.9)),
    ("stylegan", torch.optim.Adam, dict(lr=0.001, betas=(0, 0.99))),
])
def test_optimizers_are_what_the_recipe_says(name, kind, expected):
    config = preset(name)
    optimizer = _optimizer(config, torch.nn.Linear(2, 2), config.lr_d, torch.device("cpu"))
    assert type(optimizer) is kind and {k: optimizer.param_groups[0][k] for k in expected} == expected


def test_critic_steps_and_clipping(pack, tmp_path):
    config = preset("wgan", **(SMALL | dict(images=240, clip=0.005)))
    run = train(config, pack, tmp_path / "run", progress=False)
    saved = state(run.path)
    assert run.images == 240  # every step of the critic shows it new images
    assert saved["opt_g.0.step"] == 3 and saved["opt_d.0.step"] == 15
    weights = [v for k, v in saved.items() if k.startswith("d.") and k.rsplit(".")[-1] in ("weight", "bias")]
    assert max(w.abs().max() for w in weights) <= 0.005 + 1e-9


@pytest.mark.parametrize("gate, name, other", [("d_gate", "d", "g"), ("g_gate", "g", "d")])
def test_a_gate_that_lets_nothing_through(pack, tmp_path, monkeypatch, capsys, gate, name, other):
    assert GATE_STEPS == 500
    monkeypatch.setattr("ganlib.training.loop.GATE_STEPS", 4)
    train(tiny(images=16), pack, tmp_path / "begun", progress=False)
    config = tiny(**{gate: 1e6})
    run = train(config, pack, tmp_path / "run", progress=False).path
    first, saved = state(tmp_path / "begun"), state(run)
    assert not any(k.startswith(f"opt_{name}.") for k in saved) and any(k.startswith(f"opt_{other}.") for k in saved)
    assert all(r[f"skipped_{name}"] == 1 for r in steps(run)) and f"skipped_{other}" not in steps(run)[0]
    weight = f"{name}.to_{'logit' if name == 'd' else 'rgb'}.weight"
    assert not torch.equal(first[weight], saved[weight])  # the other run has made an update
    warnings = [r["text"] for r in records(run) if r.get("event") == "warning"]
    assert len(warnings) == 1 and warnings[0].startswith(f"{gate}=1000000.0 has let no update of {name.upper()} through")
    assert warnings[0] in capsys.readouterr().out


def test_gates_open_by_the_loss_of_the_step(pack, tmp_path, monkeypatch):
    values = iter([0.3, 0.1, 0.2, 0.05, 0.9] + [0.5] * 99)
    loss_d, loss_g = LOSSES["bce"]
    monkeypatch.setitem(LOSSES, "bce",
                        (lambda *a: loss_d(*a) * 0 + next(values), loss_g))
    run = train(tiny(images=80, log_images=16, d_gate=0.2), pack, tmp_path / "run", progress=False).path
    assert [r["skipped_d"] for r in steps(run)] == [0, 1, 0, 1, 0]  # skipped while L_D is below the gate


def test_penalty_is_lazy_and_weighted(pack, tmp_path, monkeypatch):
    calls = []

    def penalty(D, real, fake):
        calls.append(len(real))
        return next(D.parameters()).sum() * 0 + 7.0

    monkeypatch.setitem(PENALTIES, "r1", penalty)
    config = tiny(images=16 * 8, penalty="r1", penalty_weight=2, penalty_every=4, d_norm="layer", log_images=16 * 8)
    run = train(config, pack, tmp_path / "run", progress=False).path
    assert calls == [16, 16] and steps(run)[-1]["penalty"] == 7.0


def test_instance_noise_and_augmentation_reach_real_and_generated_images(pack, tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr("ganlib.training.loop.augment", lambda x, policy: seen.append((x.detach().clone(), policy)) or x)
    train(tiny(images=32, frames=0, instance_noise=3.0, noise_kimg=0.032, augment="color"), pack, tmp_path / "run",
          progress=False)
    assert len(seen) == 6 and {policy for _, policy in seen} == {"color"}  # G's fakes, D's reals and fakes, two steps
    noise = [x.std().item() for x, _ in seen]
    assert all(n > 2.5 for n in noise[:3]) and all(1.4 < n < 2 for n in noise[3:])  # it has fallen by half


def test_label_noise_moves_the_targets(pack, tmp_path, monkeypatch):
    targets = []
    d, g = LOSSES["bce"]
    monkeypatch.setitem(LOSSES, "bce", (lambda r, f, a, b: targets.append((a, b)) or d(r, f, a, b), g))
    train(tiny(images=32, label_noise=0.05, real_label=0.7, fake_label=0.2), pack, tmp_path / "run", progress=False)
    real, fake = (torch.cat([t[i] for t in targets]) for i in (0, 1))
    assert real.shape == (32,) and abs(real.mean() - 0.7) < 0.04 and abs(fake.mean() - 0.2) < 0.04
    assert 0.02 < real.std() < 0.09 and len(real.unique()) == 32


def test_growing_runs_say_where_they_are(pack, tmp_path):
    config = preset("stylegan", **(SMALL | GROWING | dict(images=320, log_images=16, frames=8, generators=4)))
    run = train(config, pack, tmp_path / "run", progress=False).path
    sizes = {r["images"]: (r["resolution"], r["fade"]) for r in steps(run)}
    assert sizes[16] == (4, 1.0) and sizes[32] == (8, 0.0) and sizes[80] == (8, 1.0) and sizes[320][0] == 32
    assert sizes[48] == (8, pytest.approx(1 / 3, abs=1e-4))
    from PIL import Image
    assert len({Image.open(p).size for p in (run / "samples").glob("*.png")}) == 1  # enlarged to the final size
    early = load_generator(min((run / "snapshots").iterdir()))
    assert sample(early, 2).shape == (2, 32, 32, 3)
    with torch.no_grad():
        assert early.G(torch.zeros(1, 8)).shape[-1] < 32  # of a smaller network


def test_shrink_fades_real_images_like_the_networks():
    x = torch.rand(2, 3, 32, 32)
    small = torch.nn.functional.avg_pool2d(x, 4)
    assert torch.equal(at_phase(x, Phase(8, 1.0, 4, 1)), small)
    coarse = torch.nn.functional.avg_pool2d(x, 8).repeat_interleave(2, 2).repeat_interleave(2, 3)
    assert torch.allclose(at_phase(x, Phase(8, 0.0, 4, 1)), coarse, atol=1e-6)
    assert torch.allclose(at_phase(x, Phase(8, 0.25, 4, 1)), 0.75 * coarse + 0.25 * small, atol=1e-6)
    assert at_phase(x, Phase(32, 1.0, 4, 1)) is x


def test_spread_of_known_sets():
    same = np.full((6, 16, 16, 3), 90, np.uint8)
    assert spread(same) == 0
    halves = np.concatenate([np.zeros((2, 16, 16, 3), np.uint8), np.full((2, 16, 16, 3), 255, np.uint8)])
    assert spread(halves) == pytest.approx(4 / 6, abs=1e-6)  # 4 of 6 pairs are at distance 1
    checks = np.indices((16, 16)).sum(0)[None, ..., None] % 2 * 255 * np.ones((1, 1, 1, 3))
    fine = np.concatenate([checks, 255 - checks]).astype(np.uint8)
    assert spread(fine) < 0.01  # fine noise is not variety
