"""Recorded steps: the numbers of steps that run as they are, and nothing that a recording cannot hold."""
import contextlib

import pytest
import torch
from helpers import make_pack, tiny
from recorded_recipes import RECIPES, recipe
from safetensors.torch import load_file
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from ganlib.machine import graphs
from ganlib.machine.graphs import Recorder, obstacle_to_recording, recorder_for
from ganlib.presets import PRESETS, preset
from ganlib.runs.folder import read_log
from ganlib.runs.states import state_files
from ganlib.training.loop import train
from ganlib.training.schedule import moment
from ganlib.training.step import Step

CPU, META = torch.device("cpu"), torch.device("meta")

@pytest.fixture(scope="module")
def pack(tmp_path_factory):
    return make_pack(tmp_path_factory.mktemp("recorded") / "pack", 60)


@pytest.mark.parametrize("name", RECIPES)
def test_a_recorded_run_is_bit_for_bit_one_that_is_not(name, pack, tmp_path, monkeypatch):
    """50 steps. The stand-in calls a function with its first arguments: what is not in tensors is stale."""
    replays = []
    replay = graphs._StandIn.replay
    monkeypatch.setattr(graphs._StandIn, "replay", lambda self, x: (replays.append(1), replay(self, x))[1])
    found, records = [], []
    for mode in ("off", "on"):
        run = train(recipe(name, graphs=mode), pack, tmp_path / mode, progress=False)
        found.append(load_file(state_files(run.path)[0]))
        records.append(read_log(run.path)[0])
    assert len(replays) > 20
    assert not [key for key in found[0] if not torch.equal(found[0][key], found[1][key])]
    assert records[0][-1]["images"] == recipe(name).images
    for a, b in zip(*records, strict=True):
        left_out = {"train_seconds", "images_per_second"}
        assert {k: a[k] for k in a.keys() - left_out} == {k: b[k] for k in b.keys() - left_out}


def test_a_run_may_be_recorded_from_a_state_on(pack, tmp_path):
    whole = train(recipe("stylegan-fast"), pack, tmp_path / "whole", progress=False)
    for images, mode in ((400, "off"), (800, "on")):
        config = recipe("stylegan-fast", images=images, graphs=mode)
        legs = train(config, pack, tmp_path / "legs", progress=False)
    a, b = (load_file(state_files(run.path)[0]) for run in (whole, legs))
    assert all(torch.equal(a[key], b[key]) for key in a)


class NothingOfTheHost(TorchDispatchMode):
    """An error where an operation takes or makes a tensor that is not on the device of data-less tensors."""

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        made = function(*args, **(kwargs or {}))
        for tensor in tree_leaves((args, kwargs, made)):
            if isinstance(tensor, torch.Tensor) and tensor.device.type != "meta":
                raise AssertionError(f"{function} works on the host")
        return made


class NoNumbersOfTheHost(TorchFunctionMode):
    """An error where a tensor is made of Python's numbers: on a GPU they would have to be copied there."""

    def __torch_function__(self, function, types, args=(), kwargs=None):
        if function in (torch.tensor, torch.as_tensor, torch.from_numpy):
            raise AssertionError(f"{function} works on the host")
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize("name", [name for name in PRESETS if not preset(name).d_gate + preset(name).g_gate])
def test_a_step_makes_nothing_on_the_host_and_asks_nothing(name, monkeypatch):
    """Data-less tensors have no values: to read one is an error. The optimizers are left out."""
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: contextlib.nullcontext())  # not for such a device
    config = preset(name, "smoke", instance_noise=0.1, augment="color,translation,cutout", augment_target=0.6)
    if config.labels:
        config = config.replace(classes='{"hair": ["pink", "blue"], "eyes": ["green", "red"]}')
    step = Step(config, META, torch.float32)
    for optimizer in step.optimizers.values():
        optimizer.step = lambda *_: None
    size = config.resolution
    real, z = torch.zeros(8, 3, size, size, device=META), torch.zeros(8, config.z_dim, device=META)
    labels = torch.zeros(8, len(config.attributes()), dtype=torch.long, device=META)
    at = moment(config, 0)
    step(real, labels, z, at, None, measure=True, ema=0.9)  # what is made once is made here
    with NothingOfTheHost(), NoNumbersOfTheHost():
        told = step.update(real, labels, z, at, None, True, True, True)
    assert told.averaged and told.newest


def test_what_reads_the_host_is_found():
    """Such as the filter [1, 2, 1], had it been made anew in each step."""
    for made in (lambda: torch.ones(2).to(META), lambda: torch.tensor([1.0, 2.0], device=META)):
        with pytest.raises(AssertionError, match="on the host"), NothingOfTheHost(), NoNumbersOfTheHost():
            made()


@pytest.mark.parametrize("mode, device, words, kind", [
    ("off", "cuda", "", None), ("auto", "cpu", "", None), ("on", "cpu", "", Recorder),
    ("on", "mps", "Steps run without CUDA graphs: mps has no CUDA graphs.", None)])
def test_what_is_recorded_where(mode, device, words, kind):
    said = []
    found = recorder_for(mode, torch.device(device), "", said.append)
    assert (found is None) == (kind is None) and said == ([words] if words else [])


@pytest.mark.parametrize("changes, dtype, words", [
    (dict(d_gate=0.1), torch.float32, "a gate (d_gate, g_gate) reads a loss in each of them"),
    (dict(optimizer="rmsprop"), torch.float16, "with precision='fp16' RMSprop asks"),
    (dict(optimizer="rmsprop"), torch.bfloat16, ""), ({}, torch.float16, "")])
def test_what_cannot_be_recorded_is_said_in_a_line(changes, dtype, words):
    reason = obstacle_to_recording(tiny(**changes), CPU, dtype)
    assert reason.startswith(words) and bool(reason) == bool(words)
    if reason:
        said = []
        assert recorder_for("on", CPU, reason, said.append) is None
        assert said == [f"Steps run without CUDA graphs: {reason}."]


def test_a_recording_that_fails_is_said_once_and_the_steps_go_on(monkeypatch):
    def fails(self, function, inputs):
        raise RuntimeError("operation not permitted when stream is capturing\nmore")
    monkeypatch.setattr(Recorder, "_record", fails)
    said, calls = [], []
    recorder = Recorder(CPU, said.append)

    def twice(x):
        calls.append(1)
        return {"y": 2 * x}
    for i in range(8):
        assert recorder("kind", twice, (torch.tensor(float(i)),))["y"] == 2 * i
    assert len(calls) == 8
    assert said == ["Steps run without CUDA graphs from here on: recording one failed (operation not "
                    "permitted when stream is capturing)."]


def test_what_a_replay_returns_lies_in_one_place():
    recorder = Recorder(CPU, print)

    def work(x):
        return {"y": 2 * x}, (x + 1,)
    outputs = [recorder("kind", work, (torch.tensor(float(i)),)) for i in range(6)]
    assert outputs[5][0]["y"] == 10 and outputs[5][1][0] == 6
    assert outputs[4][0]["y"].data_ptr() == outputs[5][0]["y"].data_ptr()
    assert outputs[0][0]["y"] == 0  # as it was: no recording yet


def test_a_new_stage_of_growth_drops_the_recordings_of_the_one_before(pack, tmp_path, monkeypatch):
    kept = []
    forget = Recorder.forget
    monkeypatch.setattr(Recorder, "forget", lambda self: (kept.append(len(self.recordings)), forget(self))[1])
    train(recipe("stylegan, growing", graphs="on"), pack, tmp_path / "run", progress=False)
    # 4, 8, 16 and 32 pixels, and the end; at the first there is nothing to drop
    assert len(kept) == 5 and all(kept[1:])


def test_sgd_takes_the_weights_that_join_a_growing_network(pack, tmp_path, capsys):
    config = recipe("stylegan, growing", optimizer="sgd", graphs="on")
    run = train(config, pack, tmp_path / "run", progress=False)
    assert run.images == 800
    assert "Steps run without CUDA graphs: SGD of networks that grow" in "".join(capsys.readouterr())
