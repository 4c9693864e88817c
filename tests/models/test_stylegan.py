"""What style-based generators share, of both models, and the published pair that grows."""
import pytest
import torch
from style_pairs import SIZES, faithful, give_noise_a_strength, with_gradient
from torch.nn import functional as F

from ganlib.errors import GanlibError
from ganlib.models.build import build_networks
from ganlib.models.layers import EqualConv, EqualLinear, blur, lrelu
from ganlib.models.sampling import styles
from ganlib.models.stylegan import AdaINLayer, StyleGANDiscriminator, StyleGANGenerator
from ganlib.models.stylegan_fast import FastDiscriminator, FastGenerator
from ganlib.presets import preset
from ganlib.training.losses import LOSSES, r1

# -- what both models share


def test_shapes(pair):
    G, D = pair
    x = G(torch.randn(3, 12))
    assert x.shape == (3, 3, 32, 32) and D(x).shape == (3,)
    w = G.mapping(torch.randn(3, 12))
    assert w.shape == (3, 10) and G.num_layers == 2 * len(G.sizes) == len(G.new_noise(3))
    assert torch.equal(G.mapping(2 * torch.ones(1, 12)), G.mapping(5 * torch.ones(1, 12)))  # z is normalised


def test_every_network_starts_with_weights_of_unit_variance_and_scales_of_one(pair):
    for network in pair:
        for name, module in network.named_modules():
            if isinstance(module, (EqualConv, EqualLinear)) and module.weight.numel() > 200:
                std = module.weight.std().item() * getattr(module, "lr", 1)
                assert std == pytest.approx(1, abs=0.2), name
    for layer in pair[0].layers:
        scales, rest = layer.style.bias.detach()[:layer.style.bias.numel()], None
        if isinstance(layer, AdaINLayer):
            scales, rest = layer.style.bias.detach().chunk(2)
        assert (scales == 1).all() and (rest is None or not rest.any())


@pytest.mark.parametrize("pair, steps, gamma, batch", [("faithful", 600, 1.0, 32), ("fast", 300, 0.3, 16)])
def test_training_learns_both_colours_of_a_set_of_two(pair, steps, gamma, batch):
    """Steps at 4x4 and 8x8 (growing, where the network does) on pictures that are red or blue."""
    torch.manual_seed(0)
    if pair == "faithful":
        G, D = StyleGANGenerator(8, (16, 16), 8, 16, 2, mixing=0), StyleGANDiscriminator(8, (16, 16))
    else:
        G, D = FastGenerator(8, (16, 16), 8, 16, 2, mixing=0), FastDiscriminator(8, (16, 16))
    opt_g, opt_d = (torch.optim.Adam(m.parameters(), 0.01, (0.0, 0.99)) for m in (G, D))
    colours = torch.tensor([[0.8, -0.6, -0.6], [-0.6, -0.6, 0.8]])
    loss_d, loss_g = LOSSES["bce"]
    for step in range(steps):
        size = 8
        if pair == "faithful":
            size, fade = (4, 1.0) if step < 200 else (8, min(1.0, (step - 200) / 100))
            G.grow(size, fade)
            D.grow(size, fade)
        real = colours[torch.randint(2, (batch,))][:, :, None, None]
        real = real + 0.05 * torch.randn(batch, 3, size, size)
        fake = G(torch.randn(batch, 8))
        loss = loss_d(D(real), D(fake.detach()))
        if step % 4 == 0:
            loss = loss + 4 * gamma * r1(D, real)
        opt_d.zero_grad()
        loss.backward()
        opt_d.step()
        opt_g.zero_grad()
        loss_g(D(fake)).backward()
        opt_g.step()
    with torch.no_grad():
        found = G.eval()(torch.randn(200, 8)).mean((2, 3))
    far = (found[:, None] - colours).abs().amax(2)  # (200, 2); the two colours are 1.4 apart
    near = (far < 0.5).float().mean(0)
    assert near.min() > 0.05 and far.min(1).values.mean() < 0.4, (near, far.min(1).values.mean())


def test_psi_0_gives_one_image_whatever_z(pair):
    G = pair[0].eval()
    z = torch.randn(4, 12)
    G.calibrate([torch.randn(64, 12) for _ in range(3)])
    for psi, same in ((0, True), (1, False)):
        x = G.synthesis(styles(G, z, psi))
        assert torch.allclose(x[0], x[1], atol=1e-5) == same
    assert torch.allclose(x, G(z), atol=1e-5)  # psi 1 changes nothing
    assert torch.allclose(styles(G, z, 0.25), G.w_avg + 0.25 * (styles(G, z) - G.w_avg), atol=1e-6)


def test_mixing_at_both_ends_gives_the_parents_and_the_layers_in_between(pair):
    G = pair[0].eval()
    a, b, L = G.mapping(torch.randn(2, 12)), G.mapping(torch.randn(2, 12)), G.num_layers
    all_a, all_b = (w[:, None].repeat(1, L, 1) for w in (a, b))
    assert torch.equal(G.cross_over(a, b, L), all_a) and torch.equal(G.cross_over(a, b, 0), all_b)
    ws = G.cross_over(a, b, 2)
    assert torch.equal(ws[:, :2], all_a[:, :2]) and torch.equal(ws[:, 2:], all_b[:, 2:])
    for parent in (all_a, all_b):
        assert not torch.allclose(G.synthesis(ws), G.synthesis(parent))
    each = G.cross_over(a, b, torch.tensor([[1], [L]]))
    assert torch.equal(each[0], torch.cat([all_a[0, :1], all_b[0, 1:]])) and torch.equal(each[1], all_a[1])


def test_training_mixes_with_the_probability_asked_for(pair, monkeypatch):
    G = pair[0].train()
    seen = []
    monkeypatch.setattr(G, "synthesis", lambda ws, noise: seen.append(ws))
    for mixing, share in ((0.0, 0), (0.7, 0.7), (1.0, 1)):
        G.mixing = mixing
        G(torch.randn(1000, 12))
        changes = (seen[-1][:, 1:] != seen[-1][:, :-1]).any(-1)  # (B, L - 1)
        assert (changes.sum(1) <= 1).all()
        assert changes.any(1).float().mean().item() == pytest.approx(share, abs=0.05)
    places = G.num_layers - 1  # of the crossover, all as likely
    assert changes.float().mean(0).tolist() == pytest.approx([1 / places] * places, abs=0.06)


def test_noise_and_mixing_only_in_train_mode_and_from_the_global_generator(pair):
    G = pair[0]
    z = torch.randn(2, 12)
    G.eval()
    state = torch.get_rng_state()
    assert torch.equal(G(z), G(z)) and torch.equal(state, torch.get_rng_state())
    ws, noise = G.mapping(z)[:, None].repeat(1, G.num_layers, 1), G.new_noise(2)
    assert torch.equal(G.synthesis(ws), G.synthesis(ws, G.fixed_noise()))
    for i in range(G.num_layers):  # the noise of every layer shows
        other = G.fixed_noise()[:i] + [noise[i]] + G.fixed_noise()[i + 1:]
        assert not torch.allclose(G.synthesis(ws), G.synthesis(ws, other)), i
    G.train()
    torch.manual_seed(7)
    first, second = G(z), G(z)
    torch.manual_seed(7)
    assert torch.equal(first, G(z)) and not torch.allclose(first, second)


def test_the_mean_of_w_follows_the_mapping(pair):
    G = pair[0]
    assert not G.w_avg.any()
    zs = [torch.randn(40, 12), torch.randn(8, 12)]
    G.calibrate(zs)
    expected = sum(G.mapping(z).sum(0) for z in zs) / 48
    assert torch.allclose(G.w_avg, expected, atol=1e-5)
    with torch.no_grad():
        G.map[-1][0].bias += 1.0 / 0.01
    before = G.w_avg.clone()
    G.calibrate(zs)
    assert (G.w_avg - before).mean() > 0.1
    assert "w_avg" in G.state_dict() and "w_avg" not in dict(G.named_parameters())


def test_every_style_layer_changes_the_image(pair):
    G = pair[0].eval()
    ws = G.mapping(torch.randn(1, 12))[:, None].repeat(1, G.num_layers, 1)
    x = G.synthesis(ws)
    for i in range(G.num_layers):
        changed = ws.clone()
        changed[:, i] = G.mapping(torch.randn(1, 12))
        assert not torch.allclose(G.synthesis(changed), x), i


def test_under_autocast_sums_that_matter_stay_in_fp32(pair):
    G, D = pair
    z = torch.randn(4, 12)
    with torch.autocast("cpu", torch.bfloat16):
        x = G.eval()(z)
        logits = D(x)
        w = G.mapping(z)
    assert x.dtype == logits.dtype == w.dtype == torch.float32
    assert torch.equal(w, G.mapping(z))
    assert (x - G(z)).abs().mean() < 0.05 * x.std() and (logits - D(x)).abs().max() < 0.1
    seen = []
    hook = G.layers[-1].register_forward_hook(lambda m, i, o: seen.append(o.dtype))
    with torch.autocast("cpu", torch.bfloat16):
        G(z)
    hook.remove()
    assert seen == [torch.bfloat16]  # but the bulk is computed in bf16


def test_channels_last_changes_nothing_but_the_layout(pair):
    G, D = pair[0].eval(), pair[1]
    z = torch.randn(4, 12)
    x = G(z)
    logits = D(x)
    G, D = (m.to(memory_format=torch.channels_last) for m in (G, D))
    assert torch.allclose(G(z), x, atol=1e-4) and torch.allclose(D(x), logits, atol=1e-4)


def test_r1_reaches_every_parameter_of_d(pair):
    D = pair[1]
    x = torch.randn(8, 3, 32, 32, requires_grad=True)
    gradient, = torch.autograd.grad(D(x).sum(), x, create_graph=True)
    penalty = gradient.square().sum((1, 2, 3)).mean()
    penalty.backward()
    grads = {k: p.grad for k, p in D.named_parameters() if p.grad is not None}
    assert penalty > 0 and all(g.isfinite().all() for g in grads.values())
    assert sum(k.endswith("weight") and g.any().item() for k, g in grads.items()) > 5

    def value():
        gradient, = torch.autograd.grad(D(x).sum(), x)
        return gradient.square().sum((1, 2, 3)).mean().item()

    name = max(grads, key=lambda k: grads[k].abs().max())
    parameter, i, h = D.get_parameter(name).detach().view(-1), grads[name].abs().argmax(), 1e-3
    parameter[i] += h  # the derivative with respect to one weight, by a central difference
    above = value()
    parameter[i] -= 2 * h
    assert (above - value()) / (2 * h) == pytest.approx(grads[name].view(-1)[i].item(), rel=0.1)


# -- the published pair


def test_published_widths():
    """StyleGAN, table 2 of Karras et al. 2017: 512 channels up to 32x32, then half at every doubling."""
    published = [512, 512, 512, 512, 256, 128, 64]
    for size, widths in (32, published[:4]), (64, published[:5]), (128, published[:6]), (256, published):
        assert preset_widths("stylegan", "paper", size) == widths
    assert preset_widths("stylegan", "cpu", 64) == [128, 128, 128, 64, 32]


def preset_widths(name, profile, size):
    grow = " ".join(f"{2**i}:0" for i in range(3, size.bit_length()))
    with torch.device("meta"):
        G = build_networks(preset(name, profile, resolution=size, grow=grow))[0]
    return [layer.conv.weight.shape[0] for layer in G.layers[1::2]]


def test_published_number_of_style_layers():
    with torch.device("meta"):
        G = StyleGANGenerator()
    assert G.num_layers == 10 and G.sizes == [4, 8, 16, 32, 64] and len(G.map) == 8


def test_an_adain_layer_by_hand():
    torch.manual_seed(0)
    layer = AdaINLayer(3, 2, 4, doubles=True)
    torch.nn.init.normal_(layer.strength)
    torch.nn.init.normal_(layer.conv.bias)
    x, w, noise = torch.randn(1, 3, 4, 4), torch.randn(1, 4), torch.randn(1, 1, 8, 8)
    y = F.conv2d(x.repeat_interleave(2, 2).repeat_interleave(2, 3), layer.conv.weight * (2 / 27) ** 0.5,
                 layer.conv.bias, padding=1)
    binomial = torch.tensor([[1.0, 2, 1], [2, 4, 2], [1, 2, 1]]) / 16
    y = F.conv2d(y, binomial.repeat(2, 1, 1, 1), padding=1, groups=2) + layer.strength * noise
    scale, bias = (layer.style.weight @ w[0] / 2 + layer.style.bias).split(2)
    y = F.instance_norm(torch.where(y > 0, y, 0.2 * y), weight=scale, bias=bias, eps=1e-8)
    assert torch.allclose(layer(x, w, noise), y, atol=1e-5)


def test_the_discriminators_blocks_by_hand():
    torch.manual_seed(0)
    D = StyleGANDiscriminator(8, [3, 2])
    x = torch.randn(1, 3, 8, 8)
    y = lrelu(D.conv1[0](lrelu(D.from_rgb[1](x))))
    y = F.avg_pool2d(D.conv2[0](blur(y)), 2)
    assert torch.allclose(D(x), D.head(lrelu(y)), atol=1e-5)


@pytest.mark.parametrize("resolution", SIZES[1:])
def test_growing_is_exact_at_both_ends(resolution):
    torch.manual_seed(0)
    (G, D), low = faithful(), resolution // 2
    give_noise_a_strength(G.eval())
    z, image = torch.randn(2, 12), torch.randn(4, 3, resolution, resolution)
    G.grow(low)
    D.grow(low)
    small, logits = G(z), D(F.avg_pool2d(image, 2))
    G.grow(resolution, 0.0)
    D.grow(resolution, 0.0)
    assert torch.equal(G(z), small.repeat_interleave(2, 2).repeat_interleave(2, 3))
    assert torch.equal(D(image), logits)
    G.grow(resolution, 1.0)
    D.grow(resolution, 1.0)
    grown, judged = G(z), D(image)
    assert grown.shape[1:] == image.shape[1:]
    assert not torch.allclose(grown, F.interpolate(small, scale_factor=2))
    with torch.no_grad():  # what the old output layers are no longer matters
        for layer in (G.to_rgb[G.stage - 1], D.from_rgb[D.stage - 1]):
            layer.weight += 1
    assert torch.equal(G(z), grown) and torch.equal(D(image), judged)


def test_halfway_an_image_is_the_mean_of_old_and_new():
    torch.manual_seed(0)
    G = faithful()[0].eval()
    z, x = torch.randn(2, 12), {}
    for fade in (0.0, 0.5, 1.0):
        G.grow(16, fade)
        x[fade] = G(z)
    assert torch.allclose(x[0.5], (x[0.0] + x[1.0]) / 2, atol=1e-6)
    assert G.fade.shape == () and "fade" in G.state_dict()


def test_a_grown_pair_is_the_pair_built_at_that_resolution():
    torch.manual_seed(0)
    (G, D), (small_g, small_d) = faithful(32), faithful(16)
    for big, small in ((G, small_g), (D, small_d)):
        small.load_state_dict({k: v for k, v in big.state_dict().items() if k in small.state_dict()})
        big.grow(16)
    z, x = torch.randn(2, 12), torch.randn(4, 3, 16, 16)
    assert torch.equal(G.eval()(z), small_g.eval()(z)) and torch.equal(D(x), small_d(x))


def test_gradients_reach_every_block_in_every_phase():
    for resolution in SIZES:
        for fade in (0.5, 1.0):
            torch.manual_seed(0)
            G, D = faithful()
            G.grow(resolution, fade)
            D.grow(resolution, fade)
            D(G(torch.randn(4, 12))).sum().backward()
            stage = SIZES.index(resolution)
            rgb = {stage} | ({stage - 1} if fade < 1 and stage else set())  # the old ones while they fade
            expected = {f"map.{i}" for i in range(3)} | {f"layers.{i}" for i in range(2 * stage + 2)}
            expected |= {f"to_rgb.{i}" for i in rgb} | {"const"}
            assert with_gradient(G) == {k for k, _ in G.named_parameters() if belongs(k, expected)}
            expected = {f"from_rgb.{i}" for i in rgb} | {"head"}
            expected |= {f"conv{k}.{i}" for i in range(stage) for k in (1, 2)}
            assert with_gradient(D) == {k for k, _ in D.named_parameters() if belongs(k, expected)}


def belongs(name, prefixes):
    return any(name == p or name.startswith(p + ".") for p in prefixes)


def test_a_resolution_that_is_not_in_the_model():
    G, D = faithful()
    for network in (G, D):
        for wrong in (64, 12):
            with pytest.raises(GanlibError, match=rf"no {wrong} pixels.*\[4, 8, 16, 32\]"):
                network.grow(wrong)
    for build in (StyleGANGenerator, StyleGANDiscriminator, FastGenerator, FastDiscriminator):
        for resolution, n in ((64, 3), (64, 6), (48, 4), (28, 3)):
            with pytest.raises(GanlibError, match="widths.*pixels"):
                build(resolution, [8] * n)
