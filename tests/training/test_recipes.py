"""What the loop does beyond a plain DCGAN: critic steps, gates, clipping, penalties, noise, growing."""

import importlib.util
import json
import sys
from pathlib import Path

import pytest
import torch
from helpers import make_pack, tiny
from safetensors.torch import load_file

from ganlib.data.labelled import with_pack
from ganlib.models.sampling import sample
from ganlib.models.store import load_generator
from ganlib.presets import PRESETS, PROFILES, preset
from ganlib.runs.states import state_files
from ganlib.training.loop import train
from ganlib.training.schedule import moment
from ganlib.training.step import Step

SMALL = dict(
    resolution=32,
    width=4,
    max_width=8,
    z_dim=8,
    w_dim=8,
    d_width=4,
    batch=16,
    images=160,
    minutes=0,
    log_images=32,
    frames=2,
    generators=0,
    device="cpu",
    precision="fp32",
    threads=1,
    batches="",
    grow="",
)
GROWING = dict(grow="8:0.032 16:0.096 32:0.16", fade_kimg=0.048, batches="4:16 32:8")


@pytest.fixture(scope="module")
def packs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    labels = [{"hair": ("blue", "red")[i % 2], "eyes": ("green", None)[i % 2]} for i in range(40)]
    known = {"hair": ["blue", "red"], "eyes": ["green"]}
    return {size: make_pack(folder / f"pack{size}", 40, size, labels=labels, attributes=known)
            for size in (28, 32)}


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


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_learns_in_every_profile(packs, name):
    """One update of the recipe that each profile makes: only sizes and the schedule are not its own."""
    size, done = 28 if "28" in name else 32, set()
    for profile in PROFILES:
        small = SMALL | dict(resolution=size, batch=4, penalty_every=1, d_gate=0, g_gate=0)
        config = with_pack(preset(name, profile, **small), packs[size])
        if str(config.recipe()) in done:  # at this size it is the recipe of another profile
            continue
        done.add(str(config.recipe()))
        step, dice = Step(config, torch.device("cpu"), torch.float32), torch.Generator().manual_seed(0)
        before = {k: [p.clone() for p in network.parameters()] for k, network in step.networks.items()}
        real = torch.rand(4, 3, size, size, generator=dice) * 2 - 1
        labels = torch.zeros(4, len(config.attributes()), dtype=torch.long)
        z = torch.randn(4, config.z_dim, generator=dice)
        told = step(real, labels, z, moment(config, 0), dice)
        assert all(float(value) == float(value) for value in told.averaged.values()), profile  # no NaN
        for k, network in step.networks.items():
            assert not all(map(torch.equal, before[k], network.parameters())), profile


@pytest.fixture(scope="module")
def flops():
    """The module that counts the arithmetic from which the profiles of GPUs follow."""
    path = Path(__file__).parents[1] / "benchmarks" / "flops.py"
    spec = importlib.util.spec_from_file_location("flops", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules["flops"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["flops"]


def test_arithmetic_and_traffic_are_counted(flops):
    x, weight = torch.zeros(2, 5, 8, 8, requires_grad=True), torch.zeros(7, 5, 3, 3, requires_grad=True)
    with flops.Counter() as counter:
        y = torch.nn.functional.conv2d(x, weight, padding=1)
    once = 2 * (2 * 8 * 8) * (7 * 5 * 3 * 3)  # a product and a sum for every place and weight
    assert counter.flops == once and counter.kernels == 1
    assert counter.bytes == 4 * (x.numel() + weight.numel() + y.numel())
    with flops.Counter() as counter:
        torch.autograd.grad(y, (x, weight), torch.zeros_like(y))
    assert counter.flops == 2 * once  # with respect to x, and to the weights


def test_a_lazy_penalty_and_a_lazy_generator_cost_less(flops):
    small = dict(SMALL, batch=4)
    every, lazy = (flops.cost(preset("wgan-gp", **small, penalty_every=n), 0).flops for n in (1, 4))
    none = flops.cost(preset("wgan", **small, d_norm="layer"), 0).flops
    assert lazy - none == pytest.approx((every - none) / 4, rel=1e-3)
    alone, always = (flops.cost(preset("wgan", **small, d_steps=n), 0).flops for n in (10**6, 1))
    fifth = flops.cost(preset("wgan", **small), 0).flops
    assert fifth - alone == pytest.approx((always - alone) / 5, rel=1e-3)


MIXTURES = {
    "rmsprop, clipping, five critic steps": ("wgan", {}),
    "two gates": ("v4.3", dict(d_gate=0.69, g_gate=0.69)),
    "momentum": ("dcgan-28-sgd", {}),
    "lazy penalty": ("wgan-gp", dict(penalty_every=3, d_steps=2)),
    "all that draws": (
        "dcgan",
        dict(
            dropout=0.3,
            spectral_norm=True,
            label_noise=0.1,
            instance_noise=0.1,
            noise_kimg=1,
            augment="color,translation,cutout",
            loss="relativistic",
            penalty="r1r2",
            d_norm="instance",
            residual=True,
        ),
    ),
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
    monkeypatch.setattr("ganlib.training.meter.GATE_STEPS", 4)
    train(tiny(images=16), pack, tmp_path / "begun", progress=False)
    config = tiny(**{gate: 1e6})
    run = train(config, pack, tmp_path / "run", progress=False).path
    first, saved = state(tmp_path / "begun"), state(run)
    assert not any(k.startswith(f"opt_{name}.") for k in saved) and any(
        k.startswith(f"opt_{other}.") for k in saved
    )
    assert all(r[f"skipped_{name}"] == 1 for r in steps(run)) and f"skipped_{other}" not in steps(run)[0]
    weight = f"{name}.to_{'logit' if name == 'd' else 'rgb'}.weight"
    assert not torch.equal(first[weight], saved[weight])  # the other run has made an update
    warnings = [r["text"] for r in records(run) if r.get("event") == "warning"]
    assert len(warnings) == 1 and warnings[0].startswith(
        f"{gate}=1000000.0 has let no update of {name.upper()} through"
    )
    assert warnings[0] in capsys.readouterr().out


def test_growing_runs_say_where_they_are(pack, tmp_path):
    config = preset("stylegan", **(SMALL | GROWING | dict(images=320, log_images=16, frames=8, generators=4)))
    run = train(config, pack, tmp_path / "run", progress=False).path
    sizes = {r["images"]: (r["resolution"], r["fade"]) for r in steps(run)}
    assert sizes[16] == (4, 1.0) and sizes[32] == (8, 0.0) and sizes[80] == (8, 1.0) and sizes[320][0] == 32
    assert sizes[48] == (8, pytest.approx(1 / 3, abs=1e-4))
    from PIL import Image

    assert (
        len({Image.open(p).size for p in (run / "samples").glob("*.png")}) == 1
    )  # enlarged to the final size
    early = load_generator(min((run / "snapshots").iterdir()))
    assert sample(early, 2).shape == (2, 32, 32, 3)
    with torch.no_grad():
        assert early.G(torch.zeros(1, 8)).shape[-1] < 32  # of a smaller network
