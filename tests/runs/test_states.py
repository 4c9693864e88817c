"""State files: exact to resume from, checked, and never a broken one in the place of a good one."""
import copy
from pathlib import Path

import pytest
import torch
from helpers import tiny

from ganlib.errors import GanlibError
from ganlib.files import write_atomic
from ganlib.models.build import build_networks
from ganlib.runs.states import _like, load_state, save_state, state_files


class Trainer:
    """Channels-last networks with fused Adam, and a step on random data."""

    def __init__(self, seed=0):
        self.G, self.D = (m.to(memory_format=torch.channels_last) for m in build_networks(tiny(seed=seed)))
        self.ema = copy.deepcopy(self.G)
        self.modules = {"g": self.G, "d": self.D}
        self.opts = {"opt_g": torch.optim.Adam(self.G.parameters(), 1e-3, fused=True),
                     "opt_d": torch.optim.Adam(self.D.parameters(), 1e-3, fused=True)}

    def step(self, i):
        torch.manual_seed(i)
        fake = self.G(torch.randn(4, 8))
        for opt, loss in (("opt_g", self.D(fake).mean()), ("opt_d", -self.D(fake.detach()).square().mean())):
            self.opts[opt].zero_grad()
            loss.backward()
            self.opts[opt].step()

    def save(self, run, images):
        return save_state(run, images, self.modules, self.opts, self.ema, {"images": images})

    def load(self, run, **kwargs):
        return load_state(run, self.modules, self.opts, self.ema, **kwargs)

    def weights(self):
        return [p.detach().clone() for m in (self.G, self.D) for p in m.state_dict().values()]


def same(a, b):
    return all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


def test_resume_is_exact_with_fused_adam_and_channels_last(tmp_path):
    a = Trainer()
    for i in range(3):
        a.step(i)
    a.save(tmp_path, 3)
    b = Trainer(seed=1)
    assert not same(a.weights(), b.weights())
    assert b.load(tmp_path) == {"images": 3}
    assert same(a.weights(), b.weights())
    p = b.G.layers[1][0].weight
    assert b.opts["opt_g"].state[p]["exp_avg"].stride() == p.stride()  # in the parameter's own layout
    for i in range(3, 6):
        a.step(i), b.step(i)
    assert same(a.weights(), b.weights())


def test_fused_adams_step_goes_to_the_device_of_its_parameter():
    p = torch.zeros(3, 2, device="meta")
    assert _like(p, torch.tensor(5.0), dict(fused=True)).device.type == "meta"
    assert _like(p, torch.tensor(5.0), dict(fused=None, capturable=True)).device.type == "meta"
    assert _like(p, torch.tensor(5.0), dict()).device.type == "cpu"
    assert _like(p, torch.ones(3, 2), dict()).device.type == "meta"


def test_a_kill_between_checksum_and_state_leaves_the_state_before(tmp_path, monkeypatch):
    a = Trainer()
    a.step(0)
    a.save(tmp_path, 16)
    write = write_atomic

    def killed(path, data):
        if str(path).endswith(".safetensors"):
            raise KeyboardInterrupt
        write(path, data)

    monkeypatch.setattr("ganlib.tensors.write_atomic", killed)
    with pytest.raises(KeyboardInterrupt):
        a.save(tmp_path, 32)
    monkeypatch.undo()
    assert Trainer().load(tmp_path, say=pytest.fail) == {"images": 16}


def test_the_newest_two_states_are_kept(tmp_path):
    a = Trainer()
    a.step(0)
    for images in (16, 32, 48):
        a.save(tmp_path, images)
    names = [file.name for file in state_files(tmp_path)]
    assert names == ["state-000000048.safetensors", "state-000000032.safetensors"]
    assert len(list(tmp_path.iterdir())) == 4  # two states, two checksums


@pytest.mark.parametrize("damage", ["cut", "altered", "no checksum", "empty"])
def test_a_damaged_state_falls_back_to_the_one_before(tmp_path, damage):
    a = Trainer()
    a.step(0)
    a.save(tmp_path, 16)
    before = a.weights()
    a.step(1)
    newest = a.save(tmp_path, 32)
    data = newest.read_bytes()
    if damage == "no checksum":
        Path(f"{newest}.sha256").unlink()
    else:
        damaged = {"cut": data[:-1000], "altered": data[:-5] + b"\0" + data[-4:], "empty": b""}
        newest.write_bytes(damaged[damage])
    said = []
    b = Trainer(seed=1)
    assert b.load(tmp_path, say=said.append) == {"images": 16}
    assert same(b.weights(), before)
    assert len(said) == 1 and "state-000000032" in said[0] and "falling back" in said[0]


def test_no_intact_state_is_an_error_and_none_at_all_is_not(tmp_path):
    a = Trainer()
    assert a.load(tmp_path) is None
    a.step(0)
    a.save(tmp_path, 16).write_bytes(b"x")
    with pytest.raises(GanlibError, match="None of the 1 state files"):
        a.load(tmp_path, say=lambda _: None)


def test_a_state_of_other_networks_is_refused_before_anything_is_filled(tmp_path):
    a = Trainer()
    a.step(0)
    a.save(tmp_path, 16)
    a.D.extra = torch.nn.Linear(2, 2)
    before = [p.clone() for p in a.D.parameters()]
    with pytest.raises(GanlibError, match="of other networks.*another folder"):
        a.load(tmp_path)
    assert all(torch.equal(p, q) for p, q in zip(before, a.D.parameters()))


def test_nan_weights_never_become_a_state(tmp_path):
    a = Trainer()
    a.step(0)
    a.save(tmp_path, 16)
    with torch.no_grad():
        a.D.to_logit.weight[0, 0, 0, 0] = float("nan")
    with pytest.raises(GanlibError, match="d.to_logit.weight.*NaN"):
        a.save(tmp_path, 32)
    assert [f.name for f in state_files(tmp_path)] == ["state-000000016.safetensors"]
