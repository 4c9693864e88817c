"""The convolutional pair: its parameters and shapes, the plain networks as they were, and all variants."""
import copy
import itertools

import pytest
import torch
from torch import nn

from ganlib.errors import GanlibError
from ganlib.models.build import build_networks
from ganlib.models.dcgan import NORMS, RESOLUTIONS, DCGANDiscriminator, DCGANGenerator, dcgan_widths
from ganlib.models.store import load_generator
from ganlib.presets import preset
from ganlib.training.losses import LOSSES, PENALTIES

NARROW = (32, 16, 8)  # of 32 pixels
VARIANTS = [dict(norm=norm, residual=residual, spectral=spectral, dropout=dropout)
            for norm, residual, spectral, dropout in itertools.product(
                NORMS, (False, True), (False, True), (0.0, 0.3))]


def parameters(module):
    return sum(p.numel() for p in module.parameters())


def test_parameter_counts_are_those_of_the_published_example():
    assert parameters(DCGANGenerator()) == 3_576_704
    assert parameters(DCGANDiscriminator()) == 2_765_568


@pytest.mark.parametrize("resolution", RESOLUTIONS)
def test_shapes_and_range(resolution):
    w = dcgan_widths(resolution, 4, 16)
    x = DCGANGenerator(resolution, w, 10)(torch.randn(2, 10))
    assert x.shape == (2, 3, resolution, resolution) and x.abs().max() <= 1
    assert DCGANDiscriminator(resolution, w)(x).shape == (2,)


def test_widths_double_towards_4x4_up_to_the_limit():
    assert dcgan_widths(64) == [512, 256, 128, 64]
    assert dcgan_widths(256, 64, 512) == [512, 512, 512, 256, 128, 64]
    assert dcgan_widths(32, 8) == [32, 16, 8]
    assert dcgan_widths(28, 8) == dcgan_widths(64, 8) == [64, 32, 16, 8]
    with pytest.raises(GanlibError, match="48"):
        dcgan_widths(48)


def test_initial_weights():
    G, D = build_networks(preset("dcgan", seed=1))
    for network in (G, D):
        for m in network.modules():
            if isinstance(m, (nn.Conv2d, nn.ConvTranspose2d)) and m.weight.numel() > 10_000:
                assert m.weight.mean().abs() < 1e-3 and m.weight.std().item() == pytest.approx(0.02, abs=1e-3)
            if isinstance(m, nn.BatchNorm2d):
                assert m.weight.mean().item() == pytest.approx(1, abs=0.01)
                assert m.weight.std().item() == pytest.approx(0.02, abs=0.006)
                assert not m.bias.any()


def test_initial_weights_depend_on_the_seed_only():
    torch.manual_seed(5)
    a = build_networks(preset("dcgan", width=4, seed=1))[0].state_dict()
    after = torch.rand(1)
    torch.manual_seed(6)
    b = build_networks(preset("dcgan", width=4, seed=1))[0].state_dict()
    c = build_networks(preset("dcgan", width=4, seed=2))[0].state_dict()
    assert all(torch.equal(a[k], b[k]) for k in a)
    assert not torch.equal(a["to_rgb.weight"], c["to_rgb.weight"])
    torch.manual_seed(5)
    assert torch.equal(after, torch.rand(1))  # the caller's random state is left alone


def test_the_last_layers_stay_in_fp32_under_autocast():
    G, D = build_networks(preset("dcgan", width=4))
    seen = {}
    for m in (G.layers[1][0], G.to_rgb, D.layers[0], D.to_logit):
        m.register_forward_hook(lambda m, i, o: seen.__setitem__(m, o.dtype))
    with torch.autocast("cpu", torch.bfloat16):
        D(G(torch.randn(2, 100)))
    assert seen[G.layers[1][0]] == seen[D.layers[0]] == torch.bfloat16
    assert seen[G.to_rgb] == seen[D.to_logit] == torch.float32


# -- what runs and shipped generators rely on


PLAIN_G = [
    "layers.0.0.weight", "layers.0.1.weight", "layers.0.1.bias",
    "layers.1.0.weight", "layers.1.1.weight", "layers.1.1.bias",
    "layers.2.0.weight", "layers.2.1.weight", "layers.2.1.bias",
    "to_rgb.weight",
]
PLAIN_D = [
    "layers.0.weight",
    "layers.2.0.weight", "layers.2.1.weight", "layers.2.1.bias",
    "layers.3.0.weight", "layers.3.1.weight", "layers.3.1.bias",
    "to_logit.weight",
]


def test_the_plain_networks_are_what_they_were():
    # names, and weights of a seed as the first version of this file drew them
    torch.manual_seed(3)
    G, D = DCGANGenerator(32, NARROW, 12), DCGANDiscriminator(32, NARROW)
    assert [n for n, _ in G.named_parameters()] == PLAIN_G and [n for n, _ in D.named_parameters()] == PLAIN_D
    last = [p.flatten()[-1].item() for m in (G, D) for n, p in m.named_parameters() if "bias" not in n]
    assert last == pytest.approx([-0.004772, 0.981588, 0.011446, 1.017451, -0.003228, 1.004169, 0.011471]
                                 + [0.030256, 0.004247, 0.951592, -0.001914, 1.038167, -0.028188], abs=2e-6)
    assert torch.rand(1).item() == pytest.approx(0.8821236, abs=1e-7)  # as many draws as then


def test_the_shipped_generator_loads_and_gives_faces():
    G = load_generator("dcgan").G
    x = G(torch.randn(4, 100, generator=torch.Generator().manual_seed(0)))
    assert x.shape == (4, 3, 64, 64) and x.std() > 0.3
    assert PLAIN_G[:9] == [n for n, _ in G.named_parameters()][:9]


# -- variants


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda v: "-".join(str(x) for x in v.values()))
def test_every_discriminator_judges_and_learns_in_all_its_parameters(variant):
    torch.manual_seed(0)
    D = DCGANDiscriminator(32, NARROW, **variant)
    x = torch.randn(6, 3, 32, 32)
    logits = D(x)
    assert logits.shape == (6,) and 1e-3 < logits.std() < 10
    logits.square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() and p.grad.any() for p in D.parameters())
    assert (sum(isinstance(m, nn.Dropout) for m in D.modules()) > 0) == (variant["dropout"] > 0)


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("residual", [False, True])
def test_only_batch_norm_makes_a_logit_depend_on_the_others_of_its_batch(norm, residual):
    torch.manual_seed(0)
    D = DCGANDiscriminator(32, NARROW, norm=norm, residual=residual)
    x = torch.randn(6, 3, 32, 32)
    together, alone = D(x), torch.cat([D(x[i:i + 2]) for i in range(0, 6, 2)])
    assert torch.allclose(together, alone, atol=1e-5) == (norm != "batch")


@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize("activation", ["relu", "leaky_relu"])
@pytest.mark.parametrize("values", ["-1..1", "0..1"])
def test_every_generator_draws_and_learns_in_all_its_parameters(residual, activation, values):
    torch.manual_seed(0)
    G = DCGANGenerator(32, NARROW, 8, activation, residual, values)
    assert {type(m) for m in G.modules() if "ReLU" in type(m).__name__} == {
        nn.ReLU if activation == "relu" else nn.LeakyReLU}
    x = G(torch.randn(6, 8))
    assert x.shape == (6, 3, 32, 32) and 1e-3 < x.std() < 1 and x.abs().max() <= 1
    (x * torch.randn_like(x)).sum().backward()
    assert all(p.grad.isfinite().all() and p.grad.any() for p in G.parameters())


def test_the_range_zero_to_one_is_inside_only():
    torch.manual_seed(0)
    G, D = DCGANGenerator(32, NARROW, 8, values="0..1").eval(), DCGANDiscriminator(32, NARROW, values="0..1")
    outputs, inputs = [], []
    G.to_rgb.register_forward_hook(lambda m, i, o: outputs.append(o.detach()))
    D.layers[0].register_forward_hook(lambda m, i, o: inputs.append(i[0].detach()))
    x = G(torch.randn(4, 8)).detach()
    D(x)
    assert torch.allclose(x, 2 * outputs[0].sigmoid() - 1, atol=1e-6)
    assert torch.allclose(inputs[0], outputs[0].sigmoid(), atol=1e-6)
    D(torch.tensor([-1.0, 1.0])[:, None, None, None].expand(2, 3, 32, 32))
    assert inputs[1].amin((1, 2, 3)).tolist() == inputs[1].amax((1, 2, 3)).tolist() == [0, 1]


@pytest.mark.parametrize("resolution", [r for r in RESOLUTIONS if r != 28])
def test_residual_blocks_at_every_size_that_doubles(resolution):
    w = dcgan_widths(resolution, 4, 8)
    x = DCGANGenerator(resolution, w, 5, residual=True)(torch.randn(2, 5))
    assert x.shape == (2, 3, resolution, resolution)
    assert DCGANDiscriminator(resolution, w, norm="layer", residual=True)(x).shape == (2,)


@pytest.mark.parametrize("network", [DCGANGenerator, DCGANDiscriminator])
def test_residual_blocks_refuse_28_pixels(network):
    with pytest.raises(GanlibError, match="residual=True at 28 pixels.* 2, 4, 7, 14, 28"):
        network(28, dcgan_widths(28, 4), residual=True)


def test_residual_blocks_add_their_input():
    torch.manual_seed(0)
    D = DCGANDiscriminator(32, NARROW, norm="none", residual=True)
    block = D.layers[2]
    for conv in (m for m in block.main if isinstance(m, nn.Conv2d)):
        nn.init.zeros_(conv.weight)
    x = torch.randn(2, 8, 16, 16)
    pooled = nn.functional.avg_pool2d(x, 2)
    skip = torch.einsum("oi,bihw->bohw", block.skip[1].weight[:, :, 0, 0], pooled)
    assert torch.allclose(block(x), nn.functional.leaky_relu(skip / 2**0.5, 0.2), atol=1e-5)


def test_norms_normalise_over_what_their_names_say():
    x = torch.randn(5, 6, 8, 8, generator=torch.Generator().manual_seed(0)) * 3 + 2
    for norm, over in (("batch", (0, 2, 3)), ("layer", (1, 2, 3)), ("instance", (2, 3))):
        module = NORMS[norm](6)
        assert [n for n, _ in module.named_parameters()] == ["weight", "bias"]
        expected = (x - x.mean(over, keepdim=True)) / x.std(over, correction=0, keepdim=True)
        assert torch.allclose(module(x), expected, atol=1e-4), norm
    assert NORMS["none"](6)(x) is x


@pytest.mark.parametrize("norm", NORMS)
def test_all_discriminators_but_those_with_batch_norm_see_contrast(norm):
    D, x = DCGANDiscriminator(32, NARROW, norm=norm), torch.rand(16, 3, 32, 32) * 2 - 1
    if D.layers[0].bias is not None:
        nn.init.normal_(D.layers[0].bias, 0, 0.1)
    with torch.no_grad():
        change = (D(x) - D(x / 2)).abs().max() / D(x).std()
    assert (change > 0.1) == (norm != "batch")


def test_without_a_norm_there_are_biases_and_the_signal_lasts():
    torch.manual_seed(0)
    D = DCGANDiscriminator(64, (64, 32, 16, 8), norm="none")
    assert all(m.bias is not None and not m.bias.any() for m in D.modules() if isinstance(m, nn.Conv2d))
    x = torch.randn(16, 3, 64, 64)
    for layer in D.layers:  # He's initialisation keeps the size; N(0, 0.02) would leave less than a hundredth
        x = layer(x)
        assert 0.5 < x.square().mean().sqrt() < 2


def test_five_layers_at_28_pixels():
    G, D = DCGANGenerator(28, dcgan_widths(28, 8), 10), DCGANDiscriminator(28, dcgan_widths(28, 8))
    sides = []
    for m in (*G.modules(), *D.modules()):
        if isinstance(m, nn.ConvTranspose2d | nn.Conv2d):
            m.register_forward_hook(lambda m, i, o: sides.append(o.shape[2]))
    D(G(torch.randn(2, 10)))
    assert sides == [2, 4, 7, 14, 28] + [14, 7, 4, 2, 1]


def test_dropout_is_random_in_training_only():
    torch.manual_seed(0)
    D = DCGANDiscriminator(32, NARROW, norm="layer", dropout=0.4)
    assert list(D.state_dict()) == list(DCGANDiscriminator(32, NARROW, norm="layer").state_dict())
    x = torch.randn(2, 3, 32, 32)
    assert not torch.equal(D(x), D(x))
    D.eval()
    assert torch.equal(D(x), D(x))
    # one after each activation
    assert [m.p for m in D.modules() if isinstance(m, nn.Dropout)] == [0.4] * 3


@pytest.mark.parametrize("residual", [False, True])
def test_spectral_norm_brings_every_convolution_to_one(residual):
    torch.manual_seed(0)
    D = DCGANDiscriminator(32, NARROW, norm="none", spectral=True, residual=residual)
    convolutions = [m for m in D.modules() if isinstance(m, nn.Conv2d)]
    x = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        for conv in convolutions:  # as after large updates
            conv.parametrizations.weight.original.mul_(3).add_(0.1 * torch.randn_like(conv.weight))
        for _ in range(60):
            D(x)
    D.eval()
    for conv in convolutions:
        assert torch.linalg.matrix_norm(conv.weight.flatten(1), 2).item() == pytest.approx(1, abs=0.02)


def test_spectral_norm_survives_saving_and_copying():
    # resuming bit for bit needs the vectors of the power iteration, which move at every forward pass
    config = preset("dcgan", resolution=32, width=4, spectral_norm=True)
    D, other = (build_networks(config.replace(seed=seed))[1] for seed in (1, 2))
    x = torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    for _ in range(3):
        D(x)
    with torch.no_grad():
        for k, v in other.state_dict().items():  # the way that states are loaded
            v.copy_(D.state_dict()[k])
    twin = copy.deepcopy(D)
    for _ in range(3):
        a, b, c = D(x), other(x), twin(x)
        assert torch.equal(a, b) and torch.equal(a, c)
    assert all(torch.equal(v, other.state_dict()[k]) for k, v in D.state_dict().items())
    assert sum(k.endswith("._u") for k in D.state_dict()) == 4


def test_spectral_norm_begins_with_the_seed_too():
    config = preset("dcgan", resolution=32, width=4, spectral_norm=True, seed=1)
    a, b = (build_networks(config)[1].state_dict() for _ in range(2))
    assert all(torch.equal(a[k], b[k]) for k in a)


@pytest.mark.parametrize("penalty", [name for name in PENALTIES if name != "none"])
def test_penalties_reach_every_weight_of_every_critic(penalty):
    for variant in VARIANTS:
        if variant["norm"] == "batch":
            continue
        torch.manual_seed(0)
        D = DCGANDiscriminator(32, (8, 4, 4), **variant)
        value = PENALTIES[penalty](D, torch.randn(2, 3, 32, 32), torch.randn(2, 3, 32, 32))
        value.backward()
        for name, p in D.named_parameters():
            if not name.endswith("bias"):  # the last bias moves no gradient
                assert p.grad is not None and p.grad.isfinite().all() and p.grad.any(), (variant, name)


@pytest.mark.parametrize("loss", LOSSES)
def test_a_discriminator_learns_to_tell_two_colours(loss):
    torch.manual_seed(0)
    D = DCGANDiscriminator(32, (8, 4, 4), norm="layer")
    opt = torch.optim.Adam(D.parameters(), 0.002)
    for _ in range(40):
        noise = 0.3 * torch.randn(2, 8, 3, 32, 32)
        real, fake = D(noise[0] + 0.5), D(noise[1] - 0.5)
        opt.zero_grad()
        LOSSES[loss][0](real, fake).backward()
        opt.step()
    assert (real > fake.max()).all()


# -- calibrate


@pytest.mark.parametrize("residual", [False, True])
def test_calibrate_takes_the_statistics_of_its_latents(residual):
    torch.manual_seed(0)
    G = DCGANGenerator(32, NARROW, 8, residual=residual)
    for _ in range(3):
        G(5 * torch.randn(16, 8))  # statistics of something else, and a running average
    zs = torch.randn(3, 40, 8)
    for mode in (True, False):
        G.train(mode).calibrate(list(zs))
        assert not any(m.training for m in G.modules())
    bn, first = G.layers[0][1], G.layers[0][0]
    features = first(zs[:, :, :, None, None].flatten(0, 1)).detach()  # (120, C, 4, 4), by hand
    assert torch.allclose(bn.running_mean, features.mean((0, 2, 3)), atol=1e-5)
    assert torch.allclose(bn.running_var, features.var((0, 2, 3)), rtol=0.05)  # the mean over batches
    assert all(m.momentum == 0.1 for m in G.modules() if isinstance(m, nn.BatchNorm2d))
    # what comes after batch norm is normal again, in eval mode
    out = G.layers[0][1](features)
    assert torch.allclose(out.mean((0, 2, 3)), torch.zeros(32), atol=1e-4)
