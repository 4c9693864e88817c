"""The style-based pair for little compute: its layers by hand, and where gradients and styles go."""
import pytest
import torch
from style_pairs import fast, with_gradient
from torch.nn import functional as F

from ganlib.models.stylegan_fast import ModulatedLayer, ResidualBlock


def test_a_modulated_layer_by_hand():
    torch.manual_seed(0)
    layer = ModulatedLayer(3, 2, 4, doubles=True)
    torch.nn.init.normal_(layer.strength)
    torch.nn.init.normal_(layer.conv.bias)
    x, w, noise = torch.randn(1, 3, 4, 4), torch.randn(1, 4), torch.randn(1, 1, 8, 8)
    style = layer.style.weight @ w[0] / 2 + layer.style.bias
    weight = layer.conv.weight * style[:, None, None]
    weight = 2**0.5 * weight / weight.square().sum((1, 2, 3), keepdim=True).sqrt()
    y = F.interpolate(F.conv2d(x, weight, padding=1), scale_factor=2, mode="bilinear")
    y = y + layer.strength * noise + layer.conv.bias[:, None, None]
    assert torch.allclose(layer(x, w, noise), torch.where(y > 0, y, 0.2 * y), atol=1e-4)


def test_both_branches_of_a_residual_block_start_at_half_the_variance():
    torch.manual_seed(0)
    block = ResidualBlock(64, 128)
    y = block(torch.randn(8, 64, 16, 16))
    assert y.shape == (8, 128, 8, 8) and 0.2 < y.square().mean() < 0.8
    # a pooled unit-variance input has variance 1/4, and pooled features correlate little at the start
    skip = block.skip(F.avg_pool2d(torch.randn(8, 64, 16, 16), 2))
    assert skip.square().mean().item() == pytest.approx(1 / 8, abs=0.02)


def test_colours_take_the_style_of_their_resolutions_second_layer():
    G, seen = fast()[0].eval(), []
    for style in G.rgb_style:
        style.register_forward_hook(lambda m, inputs, o: seen.append(inputs[0]))
    ws = torch.randn(1, 8, 10)
    G.synthesis(ws)
    assert torch.equal(torch.stack(seen, 1), ws[:, [1, 3, 5, 7]])


def test_gradients_reach_every_parameter_of_the_fast_pair():
    torch.manual_seed(0)
    G, D = fast()
    D(G(torch.randn(8, 12))).sum().backward()
    for network in (G, D):
        assert with_gradient(network) == dict(network.named_parameters()).keys()
