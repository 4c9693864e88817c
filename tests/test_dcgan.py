import pytest
import torch
from torch import nn

from ganlib.checkpoint import build_networks
from ganlib.config import RESOLUTIONS, preset
from ganlib.dcgan import Discriminator, Generator, widths
from ganlib.errors import GanlibError


def parameters(module):
    return sum(p.numel() for p in module.parameters())


def test_parameter_counts_are_those_of_the_published_example():
    assert parameters(Generator()) == 3_576_704
    assert parameters(Discriminator()) == 2_765_568


@pytest.mark.parametrize("resolution", RESOLUTIONS)
def test_shapes_and_range(resolution):
    w = widths(resolution, 4, 16)
    x = Generator(resolution, w, 10)(torch.randn(2, 10))
    assert x.shape == (2, 3, resolution, resolution) and x.abs().max() <= 1
    assert Discriminator(resolution, w)(x).shape == (2,)


def test_widths_double_towards_4x4_up_to_the_limit():
    assert widths(64) == [512, 256, 128, 64]
    assert widths(256, 64, 512) == [512, 512, 512, 256, 128, 64]
    assert widths(28, 8) == widths(32, 8) == [32, 16, 8]
    with pytest.raises(GanlibError, match="48"):
        widths(48)


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
    for name, m in (("inner", G.layers[1][0]), ("rgb", G.to_rgb), ("d_inner", D.layers[0]), ("logit", D.to_logit)):
        m.register_forward_hook(lambda m, i, o, name=name: seen.__setitem__(name, o.dtype))
    with torch.autocast("cpu", torch.bfloat16):
        D(G(torch.randn(2, 100)))
    assert seen == {"inner": torch.bfloat16, "rgb": torch.float32, "d_inner": torch.bfloat16, "logit": torch.float32}
