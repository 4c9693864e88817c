import json
import os
import signal
import time

import numpy as np
import pytest
import torch
from helpers import make_pack, tiny
from processes import start, states, wait_for_checkpoint
from safetensors.torch import load_file

from ganlib.config import Config
from ganlib.errors import GanlibError
from ganlib.models.sampling import generate, latents, sample
from ganlib.models.store import load_generator
from ganlib.presets import preset
from ganlib.runs.folder import snapshot_files
from ganlib.runs.states import state_files
from ganlib.training.loop import train
from ganlib.training.losses import LOSSES
from ganlib.training.step import Step


@pytest.fixture(scope="module")
def pack(tmp_path_factory):
    return make_pack(tmp_path_factory.mktemp("data") / "pack", 40)


def records(run):
    return [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]


def test_a_run_leaves_the_files_of_the_contract(pack, tmp_path):
    seen = []
    result = train(tiny(), pack, tmp_path / "run", hook=seen.append, progress=False)
    run = result.path
    assert (result.images, result.stopped) == (160, "budget")
    config = Config.load(run / "config.json")
    assert config == tiny(data=pack.hash)
    log = records(run)
    assert [r.get("event") for r in log][0] == "start" and log[-1]["event"] == "stop"
    steps = [r for r in log if "event" not in r]
    assert steps == seen and steps[-1]["images"] == 160
    assert {r["images"] for r in steps} >= {32, 64, 96, 128, 160}  # every log_images
    for r in steps:
        keys = {
            "images",
            "train_seconds",
            "loss_g",
            "loss_d",
            "d_real",
            "d_fake",
            "d_fake_g",
            "accuracy",
            "grad_g",
            "grad_d",
            "images_per_second",
        }
        assert keys <= r.keys() <= keys | {"diversity"}
        assert 0 < r["d_real"] < 1 and 0 < r["d_fake"] < 1 and 0 <= r["accuracy"] <= 1 and r["grad_g"] > 0
    assert [r["images"] for r in steps if "diversity" in r] == [48, 160]  # of the snapshots
    assert log[0]["precision"] == "float32" and log[0]["engine"]["images"] == 160
    assert sorted(p.name for p in (run / "samples").iterdir()) == [
        "000000000.png",
        "000000048.png",
        "000000160.png",
        "real.png",
    ]
    assert [p.name for p in sorted((run / "snapshots").iterdir())] == [
        "000000048.safetensors",
        "000000160.safetensors",
    ]
    assert [f.name for f in state_files(run)] == ["state-000000160.safetensors"]
    images = sample(load_generator(run), 5)
    assert images.shape == (5, 32, 32, 3) and images.dtype == np.uint8
    assert images.std(axis=0).mean() > 0.1  # different latents, different pictures


def test_n_steps_and_n_more_are_two_n_bit_for_bit(pack, tmp_path):
    train(tiny(images=320), pack, tmp_path / "whole", progress=False)
    train(tiny(images=144), pack, tmp_path / "legs", progress=False)
    train(tiny(images=320), pack, tmp_path / "legs", progress=False)
    a, b = states(tmp_path / "whole"), states(tmp_path / "legs")
    assert a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)
    assert any(k.startswith("opt_d.0.exp_avg_sq") for k in a) and any(k.startswith("ema.") for k in a)
    ga, gb = (load_file(tmp_path / r / "generator.safetensors") for r in ("whole", "legs"))
    assert all(torch.equal(ga[k], gb[k]) for k in ga)
    losses = [
        [
            (r["images"], r["loss_g"])
            for r in records(tmp_path / run)
            if "event" not in r and r["images"] >= 192
        ]
        for run in ("whole", "legs")
    ]
    # records of the same stretch of images say the same
    common = [i for i in range(1, len(losses[0])) if losses[0][i - 1 : i + 1] == losses[1][i - 1 : i + 1]]
    assert common and losses[0][-1] == losses[1][-1]
    assert len([r for r in records(tmp_path / "legs") if r.get("event") == "start"]) == 2


def test_another_seed_is_another_run(pack, tmp_path):
    for seed in (1, 2):
        train(tiny(seed=seed, images=32), pack, tmp_path / str(seed), progress=False)
    a, b = states(tmp_path / "1"), states(tmp_path / "2")
    assert not torch.equal(a["g.to_rgb.weight"], b["g.to_rgb.weight"])


def test_a_finished_run_is_left_as_it_is(pack, tmp_path):
    train(tiny(), pack, tmp_path / "run", progress=False)
    before = {p: p.read_bytes() for p in (tmp_path / "run").rglob("*") if p.is_file()}
    assert train(tiny(), pack, tmp_path / "run", progress=False).images == 160
    assert {p: p.read_bytes() for p in (tmp_path / "run").rglob("*") if p.is_file()} == before


def test_killed_and_resumed_equals_never_killed(pack, tmp_path):
    process = start(pack, tmp_path / "killed", 10**9)
    wait_for_checkpoint(tmp_path / "killed", process)
    time.sleep(0.1)
    process.kill()
    process.wait()
    at = int(state_files(tmp_path / "killed")[0].stem.split("-")[1])
    # the log goes on past the checkpoint; a half-written line is what a kill can leave
    with open(tmp_path / "killed" / "log.jsonl", "a") as log:
        log.write(json.dumps({"images": at + 16, "loss_g": 99.0, "train_seconds": 1}) + '\n{"images": 1')
    (tmp_path / "killed" / "samples" / f"{at + 16:09d}.png").write_bytes(b"late")
    total = at + 320
    for run in ("killed", "whole"):
        process = start(pack, tmp_path / run, total)
        out = process.communicate()[0]
        assert process.returncode == 0 and f"{-(-total // 16) * 16:,} images" in out
    a, b = states(tmp_path / "whole"), states(tmp_path / "killed")
    assert all(torch.equal(a[k], b[k]) for k in a)
    seen = [r["images"] for r in records(tmp_path / "killed")]
    assert seen == sorted(seen) and 99.0 not in [r.get("loss_g") for r in records(tmp_path / "killed")]
    assert (
        (tmp_path / "killed" / "samples" / f"{at + 16:09d}.png").read_bytes() != b"late"
        if (tmp_path / "killed" / "samples" / f"{at + 16:09d}.png").exists()
        else True
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_interrupt_stops_cleanly_with_a_checkpoint(pack, tmp_path, number):
    run = tmp_path / "run"
    process = start(pack, run, 10**9)
    wait_for_checkpoint(run, process)
    process.send_signal(number)
    out = process.communicate(timeout=60)[0]
    assert process.returncode == 0 and "the same call goes on from here" in out and "Traceback" not in out
    last = records(run)[-1]
    assert last["event"] == "stop" and last["reason"] == "interrupt"
    assert state_files(run)[0].name == f"state-{last['images']:09d}.safetensors"


def test_a_damaged_newest_state_costs_one_checkpoint_and_is_cleared_away(pack, tmp_path, capsys):
    run = tmp_path / "run"
    for images in (96, 160):
        train(tiny(images=images, frames=6, generators=6), pack, run, progress=False)
    newest = state_files(run)[0]
    newest.write_bytes(newest.read_bytes()[:-100])
    (run / ".state-000000176.safetensors.part").write_bytes(b"left by a kill")
    train(tiny(images=128), pack, run, progress=False)
    assert "falling back" in capsys.readouterr().out
    assert [f.name for f in state_files(run)] == [
        "state-000000128.safetensors",
        "state-000000096.safetensors",
    ]
    assert max(r["images"] for r in records(run)) == 128
    for folder in ("samples", "snapshots"):
        assert max(int(p.stem) for p in (run / folder).iterdir() if p.stem.isdigit()) <= 128
    assert not list(run.glob(".*.part"))


def test_a_run_without_its_states_is_not_begun_anew(pack, tmp_path):
    run = train(tiny(), pack, tmp_path / "run", progress=False).path
    for file in state_files(run):
        file.unlink()
    before = {p: p.read_bytes() for p in run.rglob("*") if p.is_file()}
    with pytest.raises(GanlibError, match="holds a generator but no state"):
        train(tiny(images=320), pack, run, progress=False)
    assert {p: p.read_bytes() for p in run.rglob("*") if p.is_file() and p.name != "config.json"} == {
        p: b for p, b in before.items() if p.name != "config.json"
    }


def test_a_generator_lost_to_a_kill_is_written_again(pack, tmp_path):
    run = train(tiny(), pack, tmp_path / "run", progress=False).path
    whole = load_file(run / "generator.safetensors")
    (run / "generator.safetensors").unlink()
    train(tiny(), pack, run, progress=False)
    assert all(torch.equal(v, whole[k]) for k, v in load_file(run / "generator.safetensors").items())


def test_two_trainings_in_one_folder(pack, tmp_path):
    def again(record):
        with pytest.raises(GanlibError, match="Another training runs in"):
            train(tiny(images=64), pack, tmp_path / "run", progress=False)
        again.tried = True

    train(tiny(images=64), pack, tmp_path / "run", hook=again, progress=False)
    assert again.tried


def test_no_space_for_the_log_is_one_error(pack, tmp_path, monkeypatch):
    run = tmp_path / "run"
    train(tiny(images=64), pack, run, progress=False)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("ganlib.runs.folder.append_text", full)
    with pytest.raises(GanlibError, match="No space left.*last checkpoint"):
        train(tiny(images=160), pack, run, progress=False)
    monkeypatch.undo()
    assert train(tiny(images=160), pack, run, progress=False).images == 160


def test_the_signal_handlers_are_given_back(pack, tmp_path):
    before = signal.getsignal(signal.SIGINT)
    train(tiny(images=16), pack, tmp_path / "run", progress=False)
    assert signal.getsignal(signal.SIGINT) is before


def test_minutes_count_training_time_over_all_legs(pack, tmp_path):
    first = train(tiny(images=0, minutes=0.02), pack, tmp_path / "run", progress=False)
    assert 1.2 <= first.train_seconds < 2.5
    second = train(tiny(images=0, minutes=0.04), pack, tmp_path / "run", progress=False)
    assert 2.4 <= second.train_seconds < 3.7 and second.images > first.images


def test_another_recipe_is_refused_and_the_difference_told(pack, tmp_path):
    train(tiny(images=16), pack, tmp_path / "run", progress=False)
    before = {p: p.read_bytes() for p in (tmp_path / "run").rglob("*") if p.is_file()}
    with pytest.raises(GanlibError, match=r"lr_g: 0.0005 there, 0.001 now.*Name another folder"):
        train(tiny(images=32, lr_g=0.001), pack, tmp_path / "run", progress=False)
    other = make_pack(tmp_path / "other", 40, seed=9)
    with pytest.raises(GanlibError, match="data: "):
        train(tiny(images=32), other, tmp_path / "run", progress=False)
    assert {p: p.read_bytes() for p in (tmp_path / "run").rglob("*") if p.is_file()} == before


def test_a_start_that_failed_does_not_bind_the_folder(pack, tmp_path, monkeypatch):
    """Too large a batch; then the mended call. What the first one left is gone."""

    def full(*_, **__):
        raise RuntimeError(
            "[enforce fail at alloc_cpu.cpp:121] DefaultCPUAllocator: can't allocate memory: you tried "
            "to allocate 8589934592 bytes."
        )

    run = tmp_path / "run"
    with monkeypatch.context() as patch:
        patch.setattr("ganlib.models.dcgan.DCGANDiscriminator.forward", full)
        with pytest.raises(GanlibError, match=r"^Out of memory\. Lower batch \(now 16\).*width \(4\)"):
            train(tiny(), pack, run, progress=False)
    result = train(tiny(batch=8, width=8), pack, run, progress=False)
    assert result.images == 160 and Config.load(run / "config.json").batch == 8
    assert len([r for r in records(run) if r.get("event") == "start"]) == 1


@pytest.mark.parametrize("room, batch", [(18, 20), (8, 16)])
def test_out_of_memory_names_the_batch_in_use_and_the_table_that_gives_it(pack, tmp_path, monkeypatch, room,
                                                                          batch):
    """Of a growing run, whose `batch` alone changes nothing while `batches` is set; what is advised helps."""
    config = preset("stylegan", "smoke", images=200, batches="4:8 8:16" if room == 8 else "4:20 8:16",
                    grow="8:0.05 16:0.1 32:0.15", fade_kimg=0.02, batch=8, device="cpu", precision="fp32")
    step = Step.__call__

    def limited(self, real, labels, z, *rest):
        if len(z) > room:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return step(self, real, labels, z, *rest)

    monkeypatch.setattr(Step, "__call__", limited)
    with pytest.raises(GanlibError) as found:
        train(config, pack, tmp_path / "run", progress=False)
    advice = f'Lower batch (now {batch} by batches={config.batches!r}; set batches="" with it), width (8) or '
    assert str(found.value).startswith(f"Out of memory. {advice}")
    mended = config.replace(batch=4, batches="")
    assert train(mended, pack, tmp_path / "mended", progress=False).images == 200


def test_a_run_with_a_state_stays_bound_after_a_failed_resume(pack, tmp_path, monkeypatch):
    run = train(tiny(images=32), pack, tmp_path / "run", progress=False).path
    with monkeypatch.context() as patch:
        patch.setattr("ganlib.models.dcgan.DCGANDiscriminator.forward", lambda *_, **__: [0] * 10**18)
        with pytest.raises(GanlibError, match="Out of memory"):
            train(tiny(), pack, run, progress=False)
    with pytest.raises(GanlibError, match="another recipe"):
        train(tiny(batch=8), pack, run, progress=False)
    assert train(tiny(), pack, run, progress=False).images == 160


def test_other_pictures_are_told_in_words(pack, tmp_path):
    run = train(tiny(images=32), pack, tmp_path / "run", progress=False).path
    other = make_pack(tmp_path / "cats", 40, seed=9)
    with pytest.raises(GanlibError) as error:
        train(tiny(images=64), other, run, progress=False)
    words = str(error.value)
    assert "other pictures" in words and "pack" in words and "cats" in words
    assert pack.hash not in words and other.hash not in words


def test_a_config_of_something_else_is_left_alone(pack, tmp_path):
    """A model's folder from elsewhere has a config.json and pictures, too."""
    folder = tmp_path / "model"
    (folder / "samples").mkdir(parents=True)
    (folder / "config.json").write_text('{"architectures": ["LlamaForCausalLM"]}')
    (folder / "samples" / "mine.png").write_bytes(b"mine")
    with pytest.raises(GanlibError, match="is not a config.json that this version can read"):
        train(tiny(), pack, folder, progress=False)
    assert (folder / "samples" / "mine.png").read_bytes() == b"mine" and (folder / "config.json").is_file()


def test_a_run_whose_states_were_deleted_is_not_cleared_for_another_recipe(pack, tmp_path):
    run = train(tiny(), pack, tmp_path / "run", progress=False).path
    for file in (*state_files(run), run / "generator.safetensors"):
        file.unlink()
    kept = sorted(p.name for p in run.rglob("*.png"))
    with pytest.raises(GanlibError, match="another recipe"):
        train(tiny(batch=8), pack, run, progress=False)
    assert sorted(p.name for p in run.rglob("*.png")) == kept and (run / "log.jsonl").is_file()


def test_a_snapshot_of_another_name_is_no_snapshot(pack, tmp_path):
    run = train(tiny(), pack, tmp_path / "run", progress=False).path
    best = run / "snapshots" / "best.safetensors"
    best.write_bytes(snapshot_files(run)[-1].read_bytes())
    assert train(tiny(images=320), pack, run, progress=False).images == 320
    assert best.is_file() and best not in snapshot_files(run)


def test_a_closed_terminal_does_not_cost_the_checkpoint(pack, tmp_path):
    """Its output goes nowhere, then SIGHUP comes."""
    run = tmp_path / "run"
    reader, writer = os.openpty()
    process = start(pack, run, 10**9, stdout=writer)
    os.close(writer)
    wait_for_checkpoint(run, process)
    os.close(reader)
    time.sleep(0.3)
    process.send_signal(signal.SIGHUP)
    process.wait(timeout=60)
    last = records(run)[-1]
    assert last["event"] == "stop" and last["reason"] == "interrupt"
    assert state_files(run)[0].name == f"state-{last['images']:09d}.safetensors"


def test_nohup_goes_on_without_its_terminal(pack, tmp_path):
    run = tmp_path / "run"
    process = start(pack, run, 10**9, hangup=signal.SIG_IGN)
    wait_for_checkpoint(run, process)
    process.send_signal(signal.SIGHUP)
    time.sleep(0.5)
    assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert records(run)[-1]["reason"] == "interrupt"


def test_sleep_is_not_counted_as_training(pack, tmp_path):
    run = tmp_path / "run"

    def sleep_once(process):
        wait_for_checkpoint(run, process)
        process.send_signal(signal.SIGSTOP)
        time.sleep(7)
        process.send_signal(signal.SIGCONT)
        time.sleep(0.3)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)

    begun = time.monotonic()
    sleep_once(start(pack, run, 10**9))
    counted = records(run)[-1]["train_seconds"]
    assert counted < time.monotonic() - begun - 6.5


def test_the_number_of_threads_is_chosen_and_logged(pack, tmp_path):
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        run = train(tiny(images=800, threads="auto"), pack, tmp_path / "auto", progress=False).path
        assert torch.get_num_threads() == 2
        choices = [r for r in records(run) if r.get("event") == "threads"]
        assert (
            choices and choices[0]["threads"] in (1, 2) and set(choices[0]["images_per_second"]) == {"1", "2"}
        )
        run = train(tiny(images=32, threads=1), pack, tmp_path / "one", progress=False).path
        assert not [r for r in records(run) if r.get("event") == "threads"]
    finally:
        torch.set_num_threads(before)


def test_bad_input(pack, tmp_path):
    with pytest.raises(GanlibError, match="no budget"):
        train(tiny(images=0), pack, tmp_path / "run")
    with pytest.raises(GanlibError, match="32x32 images and the networks are for 64"):
        train(tiny(resolution=64), pack, tmp_path / "run")
    with pytest.raises(GanlibError, match="does not exist"):
        train(tiny(), tmp_path / "nothing", tmp_path / "run")
    with pytest.raises(GanlibError, match="device='cudda'"):
        train(tiny(device="cudda"), pack, tmp_path / "run")
    with pytest.raises(GanlibError, match="needs a GPU"):
        train(tiny(precision="fp16"), pack, tmp_path / "run")
    assert not (tmp_path / "run").exists()
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "text").write_text("x")
    with pytest.raises(GanlibError, match="is not a run"):
        train(tiny(), pack, tmp_path / "thesis")


def test_weights_that_are_not_finite_are_never_saved(pack, tmp_path):
    config = tiny(optimizer="sgd", lr_d=1e30, lr_g=1e30, checkpoint_minutes=0)
    with pytest.raises(GanlibError, match="is NaN or infinite at .* There is no checkpoint yet. Lower lr_g"):
        train(config, pack, tmp_path / "run", progress=False)
    left = [p.name for p in (tmp_path / "run").rglob("*") if p.suffix == ".safetensors"]
    assert not left
    # and the mended recipe may have the folder
    assert train(tiny(images=32), pack, tmp_path / "run", progress=False).images == 32


def test_losses_that_are_not_finite_stop_the_run(pack, tmp_path, monkeypatch):
    run = tmp_path / "run"
    train(tiny(images=64), pack, run, progress=False)
    good = state_files(run)[0]
    d, g = LOSSES["bce"]
    monkeypatch.setitem(LOSSES, "bce", (d, lambda *a: g(*a) * float("nan")))
    with pytest.raises(GanlibError, match=rf"loss_g.* is NaN.*{good.name}.*Lower lr_g"):
        train(tiny(images=160), pack, run, progress=False)
    assert state_files(run) == [good]
    monkeypatch.undo()
    assert train(tiny(images=160), pack, run, progress=False).images == 160


def test_a_full_disk_stops_with_one_error_and_the_last_state(pack, tmp_path, monkeypatch):
    run = tmp_path / "run"
    train(tiny(images=64), pack, run, progress=False)

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(GanlibError, match="no space left"):
        train(tiny(images=160), pack, run, progress=False)
    monkeypatch.undo()
    assert [f.name for f in state_files(run)] == ["state-000000064.safetensors"]
    assert train(tiny(images=160), pack, run, progress=False).images == 160


def test_order_of_the_updates_is_part_of_the_recipe(pack, tmp_path):
    for first in ("g", "d"):
        train(tiny(first=first, images=64), pack, tmp_path / first, progress=False)
    assert not torch.equal(
        states(tmp_path / "g")["g.to_rgb.weight"], states(tmp_path / "d")["g.to_rgb.weight"]
    )


def test_training_learns_the_mean_colours(tmp_path):
    """A DCGAN that works gets near the brightness of its data within a few hundred images."""
    from helpers import make_report

    from ganlib.data.packs import pack as write

    images = np.zeros((32, 32, 32, 3), np.uint8)
    images[:, :16], images[:, 16:] = (250, 60, 60), (60, 60, 250)
    images += np.random.default_rng(0).integers(0, 6, images.shape, np.uint8)
    p = write(make_report(images), tmp_path / "p")
    run = train(
        tiny(images=12_800, width=8, lr_g=0.001, lr_d=0.0004), p, tmp_path / "run", progress=False
    ).path
    out = sample(load_generator(run), 64).astype(float)
    top, bottom = out[:, 4:12].mean((0, 1, 2)), out[:, 20:28].mean((0, 1, 2))
    assert top[0] > top[2] + 80 and bottom[2] > bottom[0] + 80


def test_sampling_is_the_same_for_every_batch_size_and_n(pack, tmp_path):
    G = load_generator(train(tiny(images=32), pack, tmp_path / "run", progress=False).path)
    assert torch.equal(latents(70, 8, 5)[:3], latents(3, 8, 5))
    assert not torch.equal(latents(3, 8, 5), latents(3, 8, 6))
    a, b = generate(G, latents(70, 8), batch=64), generate(G, latents(70, 8), batch=7)
    assert np.abs(a.astype(int) - b).max() <= 1
