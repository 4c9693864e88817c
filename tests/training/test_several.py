"""Several processes that train one run: what they learn, how they stop, and what a kill leaves."""
import os
import signal
import time

import pytest
import torch
from helpers import make_pack, tiny
from processes import states
from several import distances, running, together, train_all

from ganlib.machine import processes
from ganlib.machine.processes import World
from ganlib.models.layers import Dropout
from ganlib.presets import preset
from ganlib.runs.folder import read_log
from ganlib.runs.states import state_files
from ganlib.training.loop import train

STEPS, BATCH = 20, 16
# Plain SGD: its steps are as small as the gradients. Those of Adam have one size, so that a gradient which is
# zero but for rounding moves a weight this way or that
SGD = dict(optimizer="sgd", lr_g=0.01, lr_d=0.01, momentum=0.0)
SMALL = dict(width=4, max_width=8, z_dim=8, w_dim=8, mapping_layers=2, batch=BATCH, images=STEPS * BATCH,
             minutes=0, frames=1, generators=1, log_images=5 * BATCH, device="cpu", precision="fp32",
             threads=1, seed=4)
# whatever a step can draw at random
RANDOM = dict(augment="color,translation,cutout", instance_noise=0.1, label_noise=0.05, mixing=0.9,
              penalty_every=1)


def fast(**changes):
    return preset("stylegan-fast", **(dict(resolution=32) | SMALL | RANDOM | SGD | changes))


def growing(**changes):
    """4x4 pixels, then 8x8, 16x16 and 32x32, each faded in."""
    stages = dict(lr_g=0.0005, batches="4:16", grow="8:0.08 16:0.16 32:0.24", fade_kimg=0.06)
    return preset("stylegan", resolution=32, **(SMALL | SGD | stages | changes))


EQUAL = {
    "fast": fast(),
    "gradient penalty": fast(loss="wasserstein", penalty="wgan-gp"),
    "adam": fast(optimizer="adam", lr_g=1e-4, lr_d=1e-4),
    "growing": growing(),
    "adaptive": fast(augment_target=0.01, augment_kimg=0.2),
}


@pytest.fixture(scope="module")
def pack(tmp_path_factory):
    return make_pack(tmp_path_factory.mktemp("data") / "pack", 40)


@pytest.fixture(scope="module")
def one(pack, tmp_path_factory):
    """A folder with a run of each recipe, of one process."""
    folder = tmp_path_factory.mktemp("one")
    train_all(0, EQUAL | {"half": fast(images=STEPS * BATCH // 2)}, pack, folder)
    return folder


@pytest.fixture(scope="module")
def two(pack, tmp_path_factory):
    """The same of two processes, and what they said."""
    folder = tmp_path_factory.mktemp("two")
    configs = EQUAL | {"half": fast(images=STEPS * BATCH // 2), "dcgan": tiny(images=64)}
    assert together(2, train_all, configs, pack, folder) == [0, 0]
    return folder


@pytest.mark.parametrize("name", EQUAL)
def test_two_processes_learn_what_one_learns(one, two, name):
    for network, (of_weights, of_movement) in distances(two / name, one / name, EQUAL[name]).items():
        assert of_weights < 1e-5 and of_movement < 1e-2, (network, of_weights, of_movement)


def test_they_agree_on_how_often_images_are_augmented(one, two):
    a, b = states(one / "adaptive"), states(two / "adaptive")
    assert a["augment.p"] == b["augment.p"] > 0
    assert a["augment.r_t"].item() == pytest.approx(b["augment.r_t"].item(), abs=1e-6)


def test_they_begin_with_the_same_weights(one, pack, tmp_path):
    config = fast(start_from=str(one / "adam"), images=4 * BATCH, freeze_d=1)
    train_all(0, {"one": config}, pack, tmp_path)
    assert together(2, train_all, {"two": config}, pack, tmp_path) == [0, 0]
    for of_weights, _ in distances(tmp_path / "two", tmp_path / "one", config).values():
        assert of_weights < 1e-5
    assert (tmp_path / "said-0.txt").read_text().count("Begins with") == 1
    assert (tmp_path / "said-1.txt").read_text() == ""


def test_four_processes_do_as_well(one, pack, tmp_path):
    assert together(4, train_all, {"half": fast(images=STEPS * BATCH // 2)}, pack, tmp_path) == [0] * 4
    for of_weights, of_movement in distances(tmp_path / "half", one / "half", fast()).values():
        assert of_weights < 1e-5 and of_movement < 1e-2
    assert read_log(tmp_path / "half")[1][0]["processes"] == 4


def test_their_log_is_that_of_one(one, two):
    (expected, events), (found, its_events) = read_log(one / "fast"), read_log(two / "fast")
    assert [event["processes"] for event in (events[0], its_events[0])] == [1, 2]
    assert len(found) == len(expected) == 4
    for a, b in zip(found, expected):
        assert a.keys() == b.keys()
        for key in a.keys() - {"train_seconds", "images_per_second"}:
            assert a[key] == pytest.approx(b[key], rel=1e-4, abs=2e-5), key


def test_what_two_began_one_goes_on_with_and_the_other_way_round(one, two, pack, tmp_path):
    assert train(fast(), pack, two / "half", progress=False).images == STEPS * BATCH
    assert together(2, train_all, {"half": fast()}, pack, one) == [0, 0]
    for run in (two / "half", one / "half"):
        for of_weights, of_movement in distances(run, one / "fast", fast()).values():
            assert of_weights < 1e-5 and of_movement < 1e-2
        assert sorted(event["processes"] for event in read_log(run)[1] if event["event"] == "start") == [1, 2]


def test_batch_norm_of_each_process_is_its_own_and_that_is_said_once(two):
    said = (two / "said-0.txt").read_text()
    assert said.count("each of the 2 processes normalises its own part of a batch") == 1
    assert (two / "said-1.txt").read_text() == ""
    assert len(said.splitlines()) == 1  # nothing else is worth a line


def test_dropout_is_the_same_in_one_and_in_several(monkeypatch):
    layer, x = Dropout(0.5).train(), torch.rand(8, 3, 4, 4)
    torch.manual_seed(0)
    whole = layer(x)
    for rank in range(2):
        monkeypatch.setattr(processes, "_here", World(rank, 2))
        torch.manual_seed(0)
        assert torch.equal(layer(x[rank::2]), whole[rank::2])
    assert 0.3 < (whole == 0).float().mean() < 0.7


# -- interrupts and kills


def endless(rank, config, pack, folder):
    """Train until stopped; how it ended lies in a file."""
    try:
        ended = train(config, pack, folder / "run", progress=False)
    except Exception as error:
        ended = f"{type(error).__name__}: {error}"
    (folder / f"ended-{rank}.txt").write_text(str(ended))


def stopped(pack, folder, number, rank):
    """How two processes end when one gets a signal, and how many seconds that takes."""
    config = tiny(images=10**9, checkpoint_minutes=0.005)
    with running(2, endless, config, pack, folder) as pair:
        deadline = time.monotonic() + 60
        while not state_files(folder / "run"):
            assert time.monotonic() < deadline and all(process.is_alive() for process in pair)
            time.sleep(0.05)
        os.kill(pair[rank].pid, number)
        begun = time.monotonic()
        for process in pair:
            process.join(60)
        return [process.exitcode for process in pair], time.monotonic() - begun


def test_a_signal_to_one_stops_all_at_the_same_image_with_a_checkpoint(pack, tmp_path):
    codes, _ = stopped(pack, tmp_path, signal.SIGTERM, 1)
    assert codes == [0, 0]
    first, second = ((tmp_path / f"ended-{r}.txt").read_text() for r in range(2))
    assert first == second and first.endswith("(interrupt)")
    images = int(state_files(tmp_path / "run")[0].stem.split("-")[1])
    assert f": {images:,} images" in first
    assert read_log(tmp_path / "run")[1][-1]["reason"] == "interrupt"


@pytest.mark.parametrize("rank", [0, 1])
def test_when_one_is_killed_the_other_ends_soon_and_the_run_goes_on(pack, tmp_path, rank):
    codes, seconds = stopped(pack, tmp_path, signal.SIGKILL, rank)
    assert codes[rank] == -signal.SIGKILL and codes[1 - rank] == 0 and seconds < 20
    ended = (tmp_path / f"ended-{1 - rank}.txt").read_text()
    assert ended.startswith("LostError: Another process of this run has ended") and "\n" not in ended
    assert "start the same command again" in ended
    saved = states(tmp_path / "run")  # whole: its checksum is that of its bytes
    assert saved
    images = int(state_files(tmp_path / "run")[0].stem.split("-")[1])
    assert train(tiny(images=images + 64), pack, tmp_path / "run", progress=False).images >= images + 64


def test_unequal_recipes_are_one_clear_error_in_each(pack, tmp_path):
    assert together(2, unequal, pack, tmp_path) == [0, 0]
    first, second = ((tmp_path / f"ended-{rank}.txt").read_text() for rank in range(2))
    words = ("The processes of this run have unequal recipes or budgets: process 0 has "
             "{'engine': {'images': 160}}, process 1 has {'engine': {'images': 161}}. Start all of them with "
             "the same command.")
    assert first == f"GanlibError: {words}" and second == f"ElsewhereError: {words}"


def unequal(rank, pack, folder):
    endless(rank, tiny(images=160 + rank), pack, folder)
