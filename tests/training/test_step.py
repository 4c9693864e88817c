"""One update of D and of G: what comes in decides what comes out, and tricks do what they say."""

import pytest
import torch
from helpers import tiny

from ganlib.machine.device import global_generator
from ganlib.models.build import build_networks
from ganlib.presets import preset
from ganlib.training.optimizers import build_optimizer
from ganlib.training.schedule import Moment, ema_decay, moment
from ganlib.training.step import Step, at_moment

CPU = torch.device("cpu")
B = 16


def a_step(config):
    return Step(config, CPU, torch.float32)


def draws(config, seed=0):
    """(real, labels, z) as the loop gives them."""
    dice = torch.Generator().manual_seed(seed)
    real = torch.rand(B, 3, config.resolution, config.resolution, generator=dice) * 2 - 1
    real = real.contiguous(memory_format=torch.channels_last)
    return real, torch.zeros(B, 1, dtype=torch.long), torch.randn(B, config.z_dim, generator=dice)


def update(step, images=0, seed=0, dice=None, **more):
    dice = dice or torch.Generator().manual_seed(seed)
    return step(*draws(step.config, seed), moment(step.config, images), dice, **more)


def weights(step):
    return {f"{name}.{k}": v.clone() for name, network in step.networks.items()
            for k, v in network.state_dict().items()}


RANDOM = {
    "dcgan": ("dcgan", dict(instance_noise=0.1, label_noise=0.1, augment="color,translation,cutout")),
    "penalty": ("wgan-gp", {}),
    "near penalty": ("dragan", {}),
    "style-based": ("stylegan-fast", dict(z_dim=8, w_dim=8, width=4, penalty_every=1)),
    "growing": ("stylegan", dict(z_dim=8, w_dim=8, width=4, max_width=8, grow="", batches="")),
}


@pytest.mark.parametrize("name, changes", RANDOM.values(), ids=RANDOM)
def test_all_that_is_random_comes_in(name, changes):
    config = preset(name, **(dict(resolution=32, width=4, z_dim=8, batch=B, max_width=16) | changes))
    found = []
    for seed in 1, 2:
        step = a_step(config)
        torch.manual_seed(seed)
        before = torch.get_rng_state()
        update(step)
        assert torch.equal(torch.get_rng_state(), before)
        found.append(weights(step))
    assert all(torch.equal(found[0][k], found[1][k]) for k in found[0])
    other = a_step(config)
    other(*draws(config), moment(config, 0), torch.Generator().manual_seed(9))
    assert any(not torch.equal(found[0][k], v) for k, v in weights(other).items())


def test_dropout_follows_the_global_generator():
    config = tiny(dropout=0.5)
    found = []
    for _ in range(2):
        step = a_step(config)
        dice = global_generator(CPU)
        dice.manual_seed(5)
        update(step, dice=dice)
        found.append(weights(step))
    assert all(torch.equal(found[0][k], found[1][k]) for k in found[0])


def test_g_learns_only_when_told_to():
    step = a_step(tiny())
    before = weights(step)
    told = update(step, with_g=False)
    after = weights(step)
    learned = {k[0] for k in before if not torch.equal(before[k], after[k]) and k.endswith("weight")}
    assert learned == {"d"} and "loss_g" not in told.averaged
    assert "loss_g" in update(step).averaged


@pytest.mark.parametrize("first", ["g", "d"])
def test_measuring_changes_nothing(first):
    config = tiny(first=first, spectral_norm=True)
    plain, measured = a_step(config), a_step(config)
    update(plain)
    told = update(measured, measure=True)
    a, b = weights(plain), weights(measured)
    assert all(torch.equal(a[k], b[k]) for k in a)
    assert told.newest["grad_g"] > 0 and told.newest["grad_d"] > 0


@pytest.mark.parametrize("first", ["g", "d"])
def test_after_its_update_d_says_less_of_the_same_pictures(first):
    step = a_step(tiny(first=first, lr_d=0.01, lr_g=1e-9))
    told = update(step, measure=True)
    after = told.newest.get("d_fake_g", told.averaged.get("d_fake_g"))
    assert after < told.averaged["d_fake"] - 0.01


@pytest.mark.parametrize("name, kind, expected", [
    ("dcgan-10k", torch.optim.Adam, dict(lr=0.0004, betas=(0.5, 0.999), weight_decay=1e-8)),
    ("wgan", torch.optim.RMSprop, dict(lr=5e-5, weight_decay=0)),
    ("dcgan-28-sgd", torch.optim.SGD, dict(lr=0.01, momentum=0.9)),
    ("stylegan", torch.optim.Adam, dict(lr=0.001, betas=(0, 0.99))),
])
def test_optimizers_are_what_the_recipe_says(name, kind, expected):
    config = preset(name)
    optimizer = build_optimizer(config, torch.nn.Linear(2, 2), config.lr_d)
    assert type(optimizer) is kind
    assert {k: optimizer.param_groups[0][k] for k in expected} == expected


def test_where_fp16_is_too_small_a_gradient_is_told_as_none():
    """The scaler leaves such an update out, and lowers its scale: nothing has diverged."""
    step = a_step(tiny())
    gradients = [torch.tensor([3.0]), torch.tensor([4.0])]
    for broken in (torch.inf, torch.nan):
        assert not step._length([*gradients, torch.tensor([broken])]).isfinite()
        step.scaler = torch.amp.GradScaler("cpu")
        assert step._length([*gradients, torch.tensor([broken])]) == 0
        assert step._length(gradients) == 5
        step.scaler = torch.amp.GradScaler("cpu", enabled=False)


def test_an_update_that_broke_off_leaves_none_of_d_frozen(monkeypatch):
    """As where recording it fails: the next one runs as it is."""
    step, whole = a_step(tiny(first="d")), a_step(tiny(first="d"))

    def broken(*args):
        raise RuntimeError("broken off")

    with monkeypatch.context() as patch, pytest.raises(RuntimeError, match="broken off"):
        patch.setattr(step, "loss_g", broken)
        patch.setattr(step, "update_d", lambda *args: None)
        update(step)
    step.D.load_state_dict(whole.D.state_dict())  # it has looked at pictures: its statistics moved
    step.G.load_state_dict(whole.G.state_dict())
    update(step)
    update(whole)
    a, b = weights(step), weights(whole)
    assert all(torch.equal(a[key], b[key]) for key in a)


def test_clipping_bounds_every_parameter_of_d():
    step = a_step(preset("wgan", resolution=32, width=4, z_dim=8, clip=0.005))
    update(step)
    assert max(p.abs().max() for p in step.D.parameters()) <= 0.005
    assert max(p.abs().max() for p in step.G.parameters()) > 0.005


@pytest.mark.parametrize("name, gate, open_at", [
    ("d", 0.25, [0.5, 0.25]),  # D learns while its loss is not below the gate
    ("g", 0.25, [0.5]),  # G while its loss is above
])
def test_gates_open_by_the_loss_of_the_step(name, gate, open_at):
    for loss in (0.5, 0.125, 0.25, 0.0625):
        step = a_step(tiny(**{f"{name}_gate": gate}))
        function = getattr(step, f"loss_{name}")
        setattr(step, f"loss_{name}", lambda *a, f=function, loss=loss: f(*a) * 0 + loss)
        told = update(step)
        moved = step.optimizers[name].state  # filled by the first update
        assert bool(moved) == (loss in open_at)
        assert told.averaged[f"skipped_{name}"] == float(loss not in open_at)


def test_the_penalty_is_lazy_and_weighted():
    """Between its updates there is none; where it is, it counts penalty_every times its weight."""
    config = tiny(penalty="r1", penalty_weight=2, penalty_every=4, d_norm="layer")
    told = [update(a_step(config), images=B * k).averaged for k in range(8)]
    assert ["penalty" in t for t in told] == [True, False, False, False] * 2
    step = a_step(config)
    update(step)
    lazy = {k: p.grad.clone() for k, p in step.D.named_parameters()}
    plain = a_step(config.replace(penalty_weight=8, penalty_every=1))
    update(plain)
    assert all(torch.allclose(p.grad, lazy[k]) for k, p in plain.D.named_parameters())


def test_noise_and_augmentation_reach_all_that_d_sees():
    config = tiny(instance_noise=3.0, noise_kimg=0.032, augment="cutout")
    for images, std in ((0, 3.0), (16, 1.5)):
        step = a_step(config)
        seen = []
        step.D.register_forward_pre_hook(lambda module, x, seen=seen: seen.append(x[0].detach().clone()))
        update(step, images=images)
        assert len(seen) == 3  # G's pictures; real ones and G's again, for D
        for x in seen:
            hidden = (x == 0).all(1).float().mean().item()
            assert 0.05 < hidden < 0.35  # of the pixels, by the square
            assert abs(x[x != 0].std().item() - std) < 0.25 * std


def test_label_noise_moves_the_targets():
    step = a_step(tiny(label_noise=0.05, real_label=0.7, fake_label=0.2))
    real, fake = step._targets(4_000, torch.Generator().manual_seed(0))
    assert abs(real.mean() - 0.7) < 0.005 and abs(fake.mean() - 0.2) < 0.005
    assert abs(real.std() - 0.05) < 0.005 and abs(fake.std() - 0.05) < 0.005


def test_the_averaged_generator_follows_by_its_half_life():
    step = a_step(tiny(ema_kimg=0.05, ema_rampup=100))
    expected = step.G_ema.to_rgb.weight.clone()
    for images in (16, 32, 48):
        update(step, images=images - 16, seed=images, ema=ema_decay(step.config, images, 16))
        expected = expected.lerp(step.G.to_rgb.weight, 1 - 0.5 ** (16 / 50))
    assert torch.allclose(step.G_ema.to_rgb.weight, expected, atol=1e-7)
    assert not torch.equal(step.G_ema.to_rgb.weight, step.G.to_rgb.weight)


def test_without_a_half_life_the_average_is_the_generator():
    step = a_step(tiny(ema_kimg=0))
    update(step, ema=ema_decay(step.config, 16, 16))
    assert torch.equal(step.G_ema.to_rgb.weight, step.G.to_rgb.weight)


def test_batch_norm_of_the_averaged_generator_is_estimated_anew():
    step = a_step(tiny())
    update(step, ema=ema_decay(step.config, 16, 16))
    z = torch.randn(256, 8, generator=torch.Generator().manual_seed(1))
    G = step.averaged_generator(moment(step.config, 16), z.split(64))
    norm, inputs = G.layers[0][1], []
    norm.register_forward_pre_hook(lambda module, x: inputs.append(x[0]))
    with torch.no_grad():
        G(z)
    x = torch.cat(inputs)
    assert torch.allclose(norm.running_mean, x.mean((0, 2, 3)), atol=1e-4)
    assert torch.allclose(norm.running_var, x.var((0, 2, 3)), rtol=0.05)


def test_learning_rates_and_resolution_follow_the_schedule():
    config = preset("stylegan", resolution=32, width=4, max_width=8, z_dim=8, w_dim=8, batches="", batch=B,
                    grow="8:0.1 16:0.2 32:0.3", fade_kimg=0.1, rates="16:1.5", lr_g=0.002, lr_d=0.004)
    step = a_step(config)
    update(step, images=250)
    assert step.optimizers["g"].param_groups[0]["lr"] == pytest.approx(0.003)
    assert step.optimizers["d"].param_groups[0]["lr"] == pytest.approx(0.006)
    with torch.no_grad():
        assert step.G(torch.zeros(1, 8)).shape == (1, 3, 16, 16)


def test_the_initial_networks_are_those_of_the_seed():
    step = a_step(tiny(seed=7))
    G, D = build_networks(tiny(seed=7))
    for network, fresh in ((step.G, G), (step.G_ema, G), (step.D, D)):
        assert all(torch.equal(v, network.state_dict()[k]) for k, v in fresh.state_dict().items())


def test_real_images_fade_like_the_networks():
    x = torch.rand(2, 3, 32, 32)
    small = torch.nn.functional.avg_pool2d(x, 4)
    coarse = torch.nn.functional.avg_pool2d(x, 8).repeat_interleave(2, 2).repeat_interleave(2, 3)

    def at(resolution, fade):
        return at_moment(x, Moment(resolution, fade, 4, 1, 0, False))

    assert torch.equal(at(8, 1.0), small)
    assert torch.allclose(at(8, 0.0), coarse, atol=1e-6)
    assert torch.allclose(at(8, 0.25), 0.75 * coarse + 0.25 * small, atol=1e-6)
    assert at(32, 1.0) is x


def test_labels_reach_both_networks():
    step = a_step(tiny())
    labels, seen = draws(step.config)[1], []

    def watch(network):
        forward = network.forward

        def watched(x, c=None, *more, **named):
            seen.append(c)
            return forward(x, c, *more, **named)
        network.forward = watched

    watch(step.G)
    watch(step.D)
    update(step)
    assert len(seen) == 4 and all(torch.equal(c, labels) for c in seen)
