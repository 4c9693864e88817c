"""What only a GPU can show: training, resuming, half precision, and pictures and measures like a CPU's."""

import numpy as np
import pytest
import torch
from helpers import make_pack, random_images, tiny

from ganlib.data.batching import batches
from ganlib.data.packs import load_pack
from ganlib.evaluation import scores
from ganlib.evaluation.distances import frechet
from ganlib.evaluation.features import features, gaussian
from ganlib.models.sampling import generate, latents, sample, styles
from ganlib.models.store import load_generator
from ganlib.presets import preset
from ganlib.runs.folder import kept_generators, read_log, read_scores
from ganlib.training.loop import train

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU that CUDA can use")


@pytest.fixture(scope="module")
def pack(tmp_path_factory):
    path = tmp_path_factory.mktemp("cuda") / "pack"
    make_pack(path)
    return load_pack(path)


def small(name, **changes):
    return preset(
        name,
        "smoke",
        **(
            dict(images=256, batch=16, log_images=64, frames=2, generators=1, device="cuda", precision="fp32")
            | changes
        ),
    )


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
@pytest.mark.parametrize("name", ["dcgan", "wgan-gp", "stylegan", "stylegan-fast", "rpgan"])
def test_presets_train_on_the_gpu_in_every_precision(name, precision, pack, tmp_path):
    extra = dict(grow="8:0.05 16:0.1 32:0.15", fade_kimg=0.02, batches="") if name == "stylegan" else {}
    run = train(small(name, precision=precision, **extra), pack, tmp_path / "run", progress=False)
    assert run.images >= 256 and run.stopped == "budget"
    records, _ = read_log(run.path)
    assert all(np.isfinite([r["loss_g"], r["loss_d"]]).all() for r in records)
    faces = sample(load_generator(run.path, "cuda"), 8)
    assert faces.shape == (8, 32, 32, 3) and faces.std() > 0


@pytest.mark.parametrize("name, precision", [("dcgan", "fp32"), ("stylegan-fast", "fp32"), ("dcgan", "fp16")])
def test_a_resumed_run_is_as_near_to_an_uncut_one_as_that_is_to_itself(name, precision, pack, tmp_path):
    def weights(leg, *budgets):
        for images in budgets:
            train(config.replace(images=images), pack, tmp_path / leg, progress=False)
        return torch.cat([p.flatten() for p in load_generator(tmp_path / leg).G.parameters()])

    config = small(name, precision=precision)  # GPUs add in another order each time
    whole, again, legs = weights("whole", 256), weights("again", 256), weights("legs", 128, 256)
    moved = (whole - weights("start", 16)).norm()
    assert (legs - whole).norm() <= 3 * (again - whole).norm() + 1e-3 * moved


def test_a_run_moves_from_the_cpu_to_the_gpu_and_back(pack, tmp_path):
    config = tiny(images=64)
    train(config, pack, tmp_path, progress=False)
    train(config.replace(images=128, device="cuda"), pack, tmp_path, progress=False)
    run = train(config.replace(images=160, device="cpu"), pack, tmp_path, progress=False)
    assert run.images == 160 and run.stopped == "budget"


def test_the_gpu_draws_the_cpus_pictures(pack, tmp_path):
    pytest.importorskip("matplotlib")  # a lent machine may lack it, which the other tests do not need
    from ganlib.play.styles import mix

    run = train(small("stylegan-fast"), pack, tmp_path / "run", progress=False).path
    cpu, gpu = load_generator(run).G, load_generator(run, "cuda").G
    z = latents(16, cpu.z_dim)
    assert np.abs(generate(cpu, z).astype(int) - generate(gpu, z)).max() <= 2
    tables = [mix(G, styles(G, z[:3]), styles(G, z[3:6]), noise=5) for G in (cpu, gpu)]
    assert np.abs(tables[0].astype(int) - tables[1]).max() <= 2


@pytest.mark.parametrize("graphs", ["off", "on"])
def test_scores_while_training_are_those_of_the_cpu_afterwards(graphs, pack, tmp_path, monkeypatch):
    """Of the same generators, drawn beside recorded updates. The weights are as near as those of two runs."""
    monkeypatch.setenv("GANLIB_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(scores, "SAMPLES", 256)
    config = small("stylegan-fast", generators=4, graphs=graphs)
    plain, again = (train(config.replace(score="off"), pack, tmp_path / name, progress=False).path
                    for name in ("plain", "again"))
    run = train(config.replace(score="while training"), pack, tmp_path / "run", progress=False).path
    found, kept = read_scores(run), kept_generators(run)
    assert len(found) == 4 and found.keys() == kept.keys()
    measure = scores.scorer(pack, torch.device("cpu"), progress=False)
    for images, fd in found.items():  # the files have half precision
        assert measure(load_generator(kept[images]))["fd"] == pytest.approx(fd, rel=0.02)

    def weights(run):
        return torch.cat([p.flatten() for p in load_generator(run).G.parameters()])

    apart = (weights(again) - weights(plain)).norm()
    begun = weights(kept_generators(plain)[16])
    assert (weights(run) - weights(plain)).norm() <= 3 * apart + 1e-3 * (weights(plain) - begun).norm()


def test_auto_scores_on_the_gpu_while_training(pack, tmp_path, monkeypatch):
    monkeypatch.setenv("GANLIB_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(scores, "SAMPLES", 64)
    monkeypatch.setattr("ganlib.runs.scores.WORTH_IT", 0)
    run = train(small("dcgan", generators=3), pack, tmp_path / "run", progress=False).path
    _, events = read_log(run)
    order = [event["event"] for event in events if event["event"] in ("score", "stop")]
    assert order == ["score", "score", "score", "stop"]


@pytest.fixture(params=["on the GPU", "in memory", "in its file"])
def placed(request, pack, monkeypatch):
    """A pack whose images are kept where they would be if it fitted there and no nearer."""
    if request.param != "on the GPU":
        monkeypatch.setattr("ganlib.data.batching._free_on", lambda device: 0)
    if request.param == "in its file":
        monkeypatch.setattr("ganlib.data.packs.READ_WHOLE", 0)
    return load_pack(pack.path)


def taken(pack, count=9, **kwargs):
    return list(zip(range(count), batches(pack, 16, 3, **({"device": "cuda"} | kwargs))))


def test_batches_of_the_gpu_are_those_of_the_cpu(placed):
    """But for the flips. 9 batches of 16 are one and a half epochs of 96."""
    pairs = zip(taken(placed, flip=False), taken(placed, flip=False, device="cpu"))
    for (_, (x, labels)), (_, (x_cpu, labels_cpu)) in pairs:
        assert x.is_cuda and x.is_contiguous(memory_format=torch.channels_last)
        assert torch.allclose(x.cpu(), x_cpu, atol=1e-6)
        assert labels.dtype == torch.int64 and torch.equal(labels.cpu(), labels_cpu)


def test_flips_of_the_gpu_follow_from_seed_and_position(placed):
    whole, plain = taken(placed), taken(placed, flip=False)
    count = 0
    for (_, (x, _)), (_, (y, _)) in zip(whole, plain):
        for one, straight in zip(x, y):
            flipped = torch.equal(one, straight.flip(2))
            assert flipped or torch.equal(one, straight)
            count += flipped
    assert 45 < count < 99  # of 144
    for (_, (x, _)), (_, (y, _)) in zip(whole[4:], taken(placed, 5, start=64)):  # goes on as if never stopped
        assert torch.equal(x, y)
    for rank in range(2):
        for (_, (x, _)), (_, (share, _)) in zip(whole, taken(placed, rank=rank, world=2)):
            assert torch.equal(share, x[rank::2])


def test_the_host_never_waits_for_a_batch(placed):
    """A call that waits for the GPU is an error here; the stream passes into a second epoch and a third."""
    stream = batches(placed, 16, 3, device="cuda")
    next(stream)
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("error")
    try:
        for _ in range(14):
            next(stream)
    finally:
        torch.cuda.set_sync_debug_mode("default")


def test_distances_of_the_gpu_are_those_of_the_cpu():
    images = random_images(300, 64)
    found = [features(images, device=device, progress=False) for device in ("cpu", "cuda")]
    assert np.allclose(*found, rtol=1e-3, atol=1e-3)
    assert frechet(*map(gaussian, found)) < 0.01
