"""The layers of style-based networks, each against its formula written out."""
import pytest
import torch
from torch.nn import functional as F

from ganlib.models.layers import (
    EqualConv,
    EqualLinear,
    MinibatchStd,
    adain,
    blur,
    lrelu,
    modulated_conv,
)


def test_adain_is_instance_norm_with_styles():
    x, scale, bias = 3 + 2 * torch.randn(3, 5, 6, 6), torch.randn(3, 5), torch.randn(3, 5)
    for i, y in enumerate(adain(x, scale, bias)):
        expected = F.instance_norm(x[i:i + 1], weight=scale[i], bias=bias[i], eps=1e-8)[0]
        assert torch.allclose(y, expected, atol=1e-5)
    # by hand: mean 3, standard deviation 2
    x = torch.tensor([1.0, 1.0, 5.0, 5.0]).reshape(1, 1, 2, 2)
    y = adain(x, torch.tensor([[10.0]]), torch.tensor([[0.5]]))
    assert y.flatten().tolist() == pytest.approx([-9.5, -9.5, 10.5, 10.5])


def test_adain_does_not_lose_a_small_contrast_on_a_large_mean_in_bf16():
    x = (100 + torch.arange(16.0).reshape(1, 1, 4, 4)).bfloat16()  # bf16 holds these exactly up to 1/2
    with torch.autocast("cpu", torch.bfloat16):
        y = adain(x, torch.ones(1, 1), torch.zeros(1, 1)).float()
    assert y.dtype == torch.float32 and torch.allclose(y, F.instance_norm(x.float()), atol=0.01)


def test_one_dense_convolution_equals_weights_per_sample():
    x, weight, style = torch.randn(4, 6, 7, 7), torch.randn(5, 6, 3, 3), 1 + 0.5 * torch.randn(4, 6)
    w = style[:, None, :, None, None] * weight  # (4, 5, 6, 3, 3): modulated, as the paper writes it
    w = w / (w.square().sum((2, 3, 4), keepdim=True) + 1e-8).sqrt()  # demodulated
    expected = torch.cat([F.conv2d(x[i:i + 1], w[i], padding=1) for i in range(4)])
    assert torch.allclose(modulated_conv(x, weight, style), expected, atol=1e-5)
    assert torch.allclose(modulated_conv(x, weight, style, gain=3.0), 3 * expected, atol=1e-5)


def test_demodulated_outputs_have_variance_one_whatever_weights_and_styles():
    x = torch.randn(16, 32, 34, 34)
    y = modulated_conv(x, 7 * torch.randn(24, 32, 3, 3), 20 * torch.randn(16, 32))[..., 1:-1, 1:-1]
    assert y.var((2, 3)).mean().item() == pytest.approx(1, abs=0.03)
    assert y.var((0, 2, 3)).sub(1).abs().max() < 0.15


def test_equalised_learning_rate():
    torch.manual_seed(0)
    conv, linear, mapping = EqualConv(64, 96), EqualLinear(300, 200), EqualLinear(300, 200, lr=0.01)
    for module, n_in in ((conv, 9 * 64), (linear, 300)):
        assert module.weight.std().item() == pytest.approx(1, abs=0.02)
        assert module.scale == pytest.approx((2 / n_in) ** 0.5)
    assert mapping.weight.std().item() == pytest.approx(100, abs=2)  # Adam moves it a hundredth as far
    x = torch.randn(256, 300)
    assert linear(x).var().item() == pytest.approx(2, abs=0.1)  # He: a leaky ReLU halves it, nearly
    assert mapping(x).var().item() == pytest.approx(2, abs=0.1)
    y = lrelu(conv(torch.randn(4, 64, 18, 18))[..., 1:-1, 1:-1])
    assert y.square().mean().item() == pytest.approx(1.04, abs=0.1)
    for module, factor in ((linear, 1), (mapping, 0.01)):  # what one step of sign descent of 0.002 changes
        before = module(torch.ones(1, 300))
        with torch.no_grad():
            module.weight += 0.002
        change = (module(torch.ones(1, 300)) - before).mean().item()
        assert change == pytest.approx(0.002 * (2 * 300) ** 0.5 * factor, rel=0.05)
        before = module(torch.zeros(1, 300))
        with torch.no_grad():
            module.bias += 3
        assert torch.allclose(module(torch.zeros(1, 300)) - before, torch.tensor(3.0 * factor))


def test_blur_is_the_binomial_filter():
    x = torch.zeros(1, 2, 5, 5)
    x[0, 0, 2, 2] = 16
    expected = torch.zeros(2, 5, 5)
    expected[0, 1:4, 1:4] = torch.tensor([[1.0, 2, 1], [2, 4, 2], [1, 2, 1]])
    assert torch.equal(blur(x)[0], expected)


def test_minibatch_standard_deviation_by_hand():
    # 8 samples make groups of four: samples 0, 2, 4, 6 and samples 1, 3, 5, 7
    x = torch.zeros(8, 2, 4, 4)
    x[[0, 2]] = 6.0  # 6, 6, 0, 0: standard deviation 3
    x[1, 0] = 4.0  # 4, 0, 0, 0 in one channel of two: sqrt(3), averaged to sqrt(3) / 2
    y = MinibatchStd()(x)
    assert torch.equal(y[:, :2], x) and y.shape == (8, 3, 4, 4)
    expected = torch.tensor([3, 3**0.5 / 2] * 4)[:, None, None].expand(8, 4, 4)
    assert torch.allclose(y[:, 2], expected, atol=1e-3)
    assert MinibatchStd()(x[:1])[0, 2].max() < 1e-3  # a batch of one has no spread
