"""Frozen blocks of D: which they are, that they stay as they were, and that G learns through them."""
import pytest
import torch
from helpers import tiny

from ganlib.config import Config
from ganlib.errors import GanlibError
from ganlib.models.build import build_networks
from ganlib.presets import preset
from ganlib.runs.places import freeze
from ganlib.training.schedule import moment
from ganlib.training.step import Step

CPU = torch.device("cpu")
SMALL = dict(resolution=32, width=4, max_width=8, z_dim=8, w_dim=8, mapping_layers=2, batch=8)
EXPECTED = {  # preset: what is frozen of D with two blocks
    "dcgan": ["layers.0.", "layers.2."],
    "sngan": ["layers.0.", "layers.2."],
    "stylegan-fast": ["from_rgb.", "blocks.0.", "blocks.1."],
    "stylegan": ["from_rgb.3.", "from_rgb.2.", "conv1.2.", "conv1.1.", "conv2.2.", "conv2.1."],
}


def config_of(name, **changes):
    values = SMALL | dict(start_from="somewhere") | changes
    return preset(name, **({"grow": "", "batches": ""} if name == "stylegan" else {}), **values)


@pytest.mark.parametrize("name", EXPECTED)
def test_blocks_are_counted_from_the_picture_on(name):
    _, D = build_networks(config_of(name))
    learns = {id(parameter) for parameter in freeze(D, 2)}
    frozen = {key for key, parameter in D.named_parameters() if id(parameter) not in learns}
    assert frozen == {key for key, _ in D.named_parameters() if key.startswith(tuple(EXPECTED[name]))}
    assert not [key for key, p in D.named_parameters() if p.requires_grad == (key in frozen)]


@pytest.mark.parametrize("name", EXPECTED)
@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_frozen_blocks_stay_and_the_others_learn(name, count):
    config = config_of(name, freeze_d=count, penalty_every=1)
    step = Step(config, CPU, torch.float32)
    before = {key: p.clone() for key, p in step.D.named_parameters()}
    g_before = [p.clone() for p in step.G.parameters()]
    dice = torch.Generator().manual_seed(0)
    for images in range(0, 24, 8):
        real = torch.rand(8, 3, 32, 32, generator=dice) * 2 - 1
        z = torch.randn(8, config.z_dim, generator=dice)
        told = step(real, torch.zeros(8, 0, dtype=torch.long), z, moment(config, images), dice, measure=True)
    moved = {key for key, p in step.D.named_parameters() if not torch.equal(p, before[key])}
    learns = {id(parameter) for parameter in step.d_learns}
    may_move = {key for key, p in step.D.named_parameters() if id(p) in learns}
    must_move = {key for key in may_move if key.endswith(("weight", "original")) and "from_rgb" not in key}
    assert must_move <= moved <= may_move and must_move
    assert bool(count) == (len(learns) < len(before))
    assert told.newest["grad_g"] > 0
    assert not all(torch.equal(a, b) for a, b in zip(g_before, step.G.parameters(), strict=True))


def test_g_gets_the_same_gradient_through_frozen_blocks():
    found = []
    for count in (0, 3):
        config = config_of("stylegan-fast", freeze_d=count, first="g", lr_d=1e-30)
        step = Step(config, CPU, torch.float32)
        dice = torch.Generator().manual_seed(0)
        real, z = torch.zeros(8, 3, 32, 32), torch.randn(8, 8, generator=dice)
        step(real, torch.zeros(8, 0, dtype=torch.long), z, moment(config, 0), dice)
        found.append([p.grad.clone() for p in step.G.parameters() if p.grad is not None])
    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True)) and len(found[0]) > 10


@pytest.mark.parametrize("changes, words", [
    (dict(freeze_d=1), "freeze_d=1: expected 0 without start_from"),
    (dict(augment_target=0.6), "augment='': expected a policy with augment_target"),
    (dict(augment_target=1.0), "augment_target=1.0: expected a value in"),
    (dict(augment_kimg=0.0), "augment_kimg=0.0: expected at least 0.001"),
])
def test_what_does_not_go_together(changes, words):
    with pytest.raises(GanlibError, match=words):
        Config(resolution=32).replace(**changes)


@pytest.mark.parametrize("name, blocks", [(name, 3) for name in EXPECTED] + [("stylegan-projected", 0)])
def test_there_are_only_so_many_blocks(name, blocks):
    config = config_of(name, freeze_d=blocks + 1)
    with pytest.raises(GanlibError, match=f"freeze_d={blocks + 1}: expected {blocks} or less, as many"):
        Step(config, CPU, torch.float32)


def test_g_waits_for_the_first_images_and_is_told_of():
    config = tiny(g_waits_kimg=0.02, freeze_d=0)
    step = Step(config, CPU, torch.float32)
    assert [moment(config, images).g_waits for images in (0, 16, 32)] == [True, True, False]
    moved = []
    for images in (0, 16, 32):
        before = [p.clone() for p in step.G.parameters()], [p.clone() for p in step.D.parameters()]
        dice = torch.Generator().manual_seed(images)
        real, z = torch.zeros(16, 3, 32, 32), torch.randn(16, config.z_dim, generator=dice)
        told = step(real, torch.zeros(16, 0, dtype=torch.long), z, moment(config, images), dice)
        after = step.G.parameters(), step.D.parameters()
        moved.append([any(not torch.equal(a, b) for a, b in zip(*pair, strict=True))
                      for pair in zip(before, after, strict=True)])
        assert told.averaged["loss_g"] > 0
    assert moved == [[False, True], [False, True], [True, True]]
