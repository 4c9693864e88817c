"""Labels in the networks: vectors that count from unknown's, agreement, guesses, what is hidden."""
import math
from functools import partial

import pytest
import torch
from torch import nn

from ganlib.models.build import build_networks
from ganlib.models.labels import ROWS, LabelEmbedding, LabelHead, WithRows, all_unknown, guess_loss, hidden
from ganlib.models.layers import EqualLinear
from ganlib.presets import preset
from ganlib.training.losses import PENALTIES

ATTRIBUTES = {"hair": ["blue", "pink", "red"], "eyes": ["brown", "green"]}
CLASSES = '{"hair": ["blue", "pink", "red"], "eyes": ["brown", "green"]}'
SMALL = dict(resolution=32, width=4, z_dim=8, labels="hair,eyes", classes=CLASSES)
STYLES = dict(w_dim=6, mapping_layers=2, max_width=16)
KINDS = {"dcgan": {}, "stylegan": STYLES | dict(grow=""), "stylegan-fast": STYLES}


@pytest.fixture(params=KINDS)
def pair(request):
    """G and D of a kind, which have learned different things of different labels."""
    G, D = build_networks(preset(request.param, **SMALL, **KINDS[request.param]))
    dice = torch.Generator().manual_seed(0)
    for module in (G.embed, D.labels):
        for weight in module.parameters():
            nn.init.normal_(weight, generator=dice)
    return G.eval(), D.eval()


def test_vectors_count_from_those_of_unknown():
    embed = LabelEmbedding(ATTRIBUTES, 5)
    assert [tuple(table.shape) for table in embed.tables] == [(4, 5), (3, 5)]
    for table in embed.tables:
        nn.init.normal_(table)
    hair, eyes = embed.tables
    c = torch.tensor([[2, 0], [-1, 1], [-1, -1]])
    by_hand = torch.stack([hair[3] + hair[2] + eyes[2] + eyes[0], hair[3] + eyes[2] + eyes[1],
                           hair[3] + eyes[2]])
    assert torch.allclose(embed(c), by_hand)
    assert torch.equal(LabelEmbedding(ATTRIBUTES, 5)(c), torch.zeros(3, 5))  # all begin alike
    assert torch.equal(all_unknown(ATTRIBUTES, 1, "cpu"), torch.tensor([[-1, -1]]))


def test_what_is_unknown_has_no_gradient_of_its_class():
    embed = LabelEmbedding(ATTRIBUTES, 5)
    embed(torch.tensor([[-1, 1]])).sum().backward()
    hair, eyes = (table.grad for table in embed.tables)
    assert hair[:3].abs().sum() == 0 and (hair[3] == 1).all()
    assert eyes[0].abs().sum() == 0 and (eyes[1:] == 1).all()


def test_g_draws_what_it_is_asked_for(pair):
    G, _ = pair
    z = torch.randn(2, 8, generator=torch.Generator().manual_seed(1))
    pictures = [G(z, torch.tensor([c, c])) for c in ([0, 0], [1, 0], [0, 1], [-1, -1])]
    assert all((pictures[0] - other).abs().max() > 1e-4 for other in pictures[1:])
    assert torch.equal(G(z), pictures[3])
    if G.has_styles:
        c = torch.tensor([[1, 0], [-1, 1]])
        assert torch.allclose(G.mapping(z, c) - G.mapping(z), G.shift(c) - G.shift(), atol=1e-5)


def test_an_unknown_label_adds_nothing_to_what_d_says(pair):
    _, D = pair
    x = torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(2)) * 2 - 1
    plain = D(x)
    assert torch.equal(D(x, torch.full((3, 2), -1)), plain)
    c = torch.tensor([[2, -1], [-1, 1], [0, 1]])
    h = D.features(x).flatten(1)
    hair, eyes = (layer(h) for layer in D.labels.project)
    by_hand = plain + torch.stack([hair[0, 2], eyes[1, 1], hair[2, 0] + eyes[2, 1]])
    assert torch.allclose(D(x, c), by_hand, atol=1e-5) and not torch.allclose(D(x, c), plain, atol=1e-3)
    logits, guesses = D(x, c, with_guesses=True)
    assert torch.equal(logits, D(x, c)) and [guess.shape for guess in guesses] == [(3, 3), (3, 2)]
    assert torch.allclose(guesses[1], D.labels.classify[1](h), atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_without_labels_d_guesses_nothing(kind):
    _, D = build_networks(preset(kind, **SMALL | dict(labels="", classes=""), **KINDS[kind]))
    x = torch.rand(2, 3, 32, 32)
    logits, guesses = D.eval()(x, None, with_guesses=True)
    assert torch.equal(logits, D(x)) and guesses == []


def test_guess_loss_by_hand():
    logits = [torch.tensor([[math.log(3), 0, 0], [0, 0, 0]]), torch.tensor([[0.0, 0], [0, math.log(9)]])]
    both = torch.tensor([[0, 1], [2, 1]])
    hair = (math.log(5 / 3) + math.log(3)) / 2
    eyes = (math.log(2) + math.log(10 / 9)) / 2
    assert guess_loss(logits, both).item() == pytest.approx(hair + eyes, abs=1e-6)
    some = torch.tensor([[0, -1], [-1, 1]])  # the mean is over all images, known or not
    expected = math.log(5 / 3) / 2 + math.log(10 / 9) / 2
    assert guess_loss(logits, some).item() == pytest.approx(expected, abs=1e-6)
    assert guess_loss(logits, torch.full((2, 2), -1)) == 0


def test_unknown_labels_teach_no_guesses():
    head = LabelHead(ATTRIBUTES, 7, partial(EqualLinear, gain=1.0))
    guess_loss(head.guesses(torch.randn(4, 7)), torch.tensor([[-1, 1]] * 4)).backward()
    hair, eyes = head.classify
    assert hair.weight.grad.abs().max() == 0 and eyes.weight.grad.abs().max() > 0
    assert all(layer.weight.grad is None for layer in head.project)


def test_labels_are_hidden_one_by_one():
    c = torch.tensor([[1, 0]]).repeat(20_000, 1)
    seen = hidden(c, 0.3, torch.Generator().manual_seed(0))
    gone = (seen == -1).double()
    assert set(seen.unique().tolist()) == {-1, 0, 1}
    assert (gone.mean(0) - 0.3).abs().max() < 0.015
    assert abs(gone.prod(1).mean() - 0.09) < 0.01  # each attribute by itself
    assert torch.equal(hidden(c, 0.0), c) and (hidden(c, 1.0) == -1).all()
    again = hidden(c, 0.3, torch.Generator().manual_seed(0))
    other = hidden(c, 0.3, torch.Generator().manual_seed(1))
    assert torch.equal(again, seen) and not torch.equal(other, seen)
    unknown = torch.tensor([[-1, 1]] * 50)
    assert (hidden(unknown, 0.5)[:, 0] == -1).all()


@pytest.mark.parametrize("n", [1, 7, ROWS, 3 * ROWS])
def test_a_generator_is_asked_for_the_labels_of_training_images(n):
    G = build_networks(preset("dcgan", **SMALL))[0].eval()
    G.embed.rows.copy_(torch.stack([torch.arange(ROWS) % 3, torch.arange(ROWS) * 2 // ROWS], 1))
    asked = []
    G.forward = lambda z, c: asked.append(c)
    WithRows(G)(torch.randn(n, 8))
    if n >= ROWS:  # all of them, as often as each other
        assert torch.equal(asked[0], G.embed.rows.repeat(n // ROWS, 1))
    else:  # from all over the rows
        places = torch.arange(n) * (ROWS // n)
        assert torch.equal(asked[0], G.embed.rows[places])


@pytest.mark.parametrize("name", [name for name, penalty in PENALTIES.items() if penalty])
def test_penalties_see_the_labels(pair, name):
    _, D = pair
    real, fake = torch.rand(2, 4, 3, 32, 32, generator=torch.Generator().manual_seed(3)) * 2 - 1

    def penalty(c):
        return PENALTIES[name](partial(D, c=c), real, fake, torch.Generator().manual_seed(4)).item()

    values = [penalty(torch.tensor([c] * 4)) for c in ([0, 0], [2, 1], [-1, -1])]
    assert len({round(value, 6) for value in values}) == 3
    assert values[2] == pytest.approx(penalty(None), rel=1e-6)


def test_batch_norm_is_estimated_with_labels():
    """The statistics of a DCGAN that is asked for something are not those of one that is not."""
    G = build_networks(preset("dcgan", **SMALL))[0]
    for table in G.embed.tables:
        nn.init.normal_(table, std=3, generator=torch.Generator().manual_seed(0))
    G.embed.rows.copy_(torch.tensor([[2, 1]]).expand(ROWS, 2))
    zs = [torch.randn(64, 8, generator=torch.Generator().manual_seed(5))]
    G.calibrate(zs)
    with torch.no_grad():
        x = G.layers[0][0](G.told(zs[0], torch.tensor([[2, 1]] * 64))[:, :, None, None])
    assert torch.allclose(G.layers[0][1].running_mean, x.mean((0, 2, 3)), atol=1e-5)
