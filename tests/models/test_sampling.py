"""Latents of a seed, psi, noise, layers, and what is refused."""
import math

import numpy as np
import pytest
import torch

from ganlib.errors import GanlibError
from ganlib.images import enlarged, to_uint8
from ganlib.models.asking import drawn_labels
from ganlib.models.sampling import (
    ON_GPU,
    drawn,
    drawn_parts,
    generate,
    latents,
    layer_groups,
    layers_of,
    sample,
    sample_parts,
    seed_labels,
    seed_latents,
    styles,
)
from ganlib.models.store import load_generator
from ganlib.models.stylegan import StyleGenerator


@pytest.fixture(scope="module")
def one(styled):
    return styled.G


@pytest.fixture(scope="module", params=["stylegan", "fast"])
def G(generator_files, request):
    return load_generator(generator_files / f"{request.param}.safetensors").G


@pytest.fixture(scope="module")
def dcgan(plain):
    return plain.G


def test_faces_of_seeds(one):
    z = seed_latents(one, "7, 2")
    assert torch.equal(z, torch.cat([latents(1, 16, 7), latents(1, 16, 2)]))
    assert torch.equal(z, seed_latents(one, [7, 2]))


@pytest.mark.parametrize("seeds", ["1,2,?", "", "1.5", "1 -", [1, None], [1.5], 7, []])
def test_seeds_that_are_no_numbers(one, seeds):
    with pytest.raises(GanlibError, match="expected whole numbers or words"):
        seed_latents(one, seeds)


def test_psi(G):
    z = latents(6, 16, 3)
    w = G.mapping(z)
    assert torch.equal(styles(G, z), w[:, None].repeat(1, G.num_layers, 1))
    assert torch.allclose(styles(G, z, 0.5)[2, 3], (w[2] + G.w_avg) / 2, atol=1e-6)
    assert np.array_equal(generate(G, z), generate(G, styles(G, z)))
    flat = sample(G, 6, psi=0)
    assert (flat == flat[0]).all() and not (sample(G, 6, psi=0.2) == flat).all()
    z = latents(3, 16, 5)
    expected = (G.w_avg + 0.7 * (G.mapping(z) - G.w_avg))[:, None].expand(-1, G.num_layers, -1)
    assert torch.allclose(styles(G, z, 0.7), expected, atol=1e-6)
    assert np.array_equal(sample(G, 3, 5, psi=0.7), generate(G, styles(G, z, 0.7)))


def test_psi_by_group(G):
    z, groups = latents(2, 16), layer_groups(G)
    ws, whole = styles(G, z, {"coarse": 0, "fine": 0.5}), styles(G, z)
    assert torch.equal(ws[:, groups["coarse"]], G.w_avg.expand(2, len(groups["coarse"]), 12))
    assert torch.equal(ws[:, groups["middle"]], whole[:, groups["middle"]])
    assert torch.allclose(ws[:, groups["fine"]], (whole[:, groups["fine"]] + G.w_avg) / 2, atol=1e-6)


@pytest.mark.parametrize("psi", [-1.5, 2.1, {"fine": 3}])
def test_psi_out_of_range_warns(one, psi):
    with pytest.warns(UserWarning, match="outside of -1 to 2"):
        styles(one, latents(1, 16), psi)


@pytest.mark.parametrize("psi", [math.nan, math.inf, "x", [0.5], {"fine": None}])
def test_psi_that_is_no_number(one, psi):
    with pytest.raises(GanlibError, match="psi=.*expected a number"):
        styles(one, latents(1, 16), psi)


def test_noise_fixed_fresh_and_off(G):
    ws = styles(G, latents(5, 16))
    fixed, off = generate(G, ws), generate(G, ws, noise="off")
    with torch.no_grad():
        quiet = G.synthesis(ws, [torch.zeros(1, 1, x.shape[-1], x.shape[-1]) for x in G.fixed_noise()])
    expected = ((quiet + 1) * 127.5).round().clamp(0, 255).byte().permute(0, 2, 3, 1).numpy()
    assert np.array_equal(off, expected) and not np.array_equal(off, fixed)
    assert np.array_equal(off, generate(G, latents(5, 16), noise="off"))
    fresh = generate(G, ws, noise=4)
    assert np.array_equal(fresh, generate(G, ws, noise=4))
    assert not np.array_equal(fresh, generate(G, ws, noise=5))
    few = generate(G, ws, batch=2, noise=4).astype(int)
    assert abs(few - fresh).max() <= 1  # the noise of an image depends on its place, not on its batch
    same = generate(G, ws[:1].repeat(2, 1, 1), noise=4)
    assert not np.array_equal(same[0], same[1])
    with pytest.raises(GanlibError, match="noise='on'"):
        generate(G, ws, noise="on")


@pytest.mark.parametrize("psi", [1.0, 0.7])
def test_a_gpu_draws_the_same_pictures_in_larger_parts(generator_files, monkeypatch, psi):
    generator = load_generator(generator_files / "fast.safetensors")
    few = [*sample_parts(generator, 300, 5, psi)]
    assert [len(part) for part in few] == [64, 64, 64, 64, 44]
    monkeypatch.setattr("ganlib.models.sampling._at_once", lambda G: ON_GPU // 64**2)
    many = [*drawn_parts(generator, 300, 5, psi)]
    assert [len(part) for part in many] == [256, 44]
    assert all(part.dtype == torch.uint8 for part in many)
    drawn_so = torch.cat(many).numpy().astype(int)
    assert np.abs(drawn_so - np.concatenate(few)).max() <= 1  # but for how sums are rounded
    assert np.array_equal(drawn_so, sample(generator, 300, 5, psi))


def test_pictures_stay_tensors_until_they_are_asked_for(G):
    z = latents(5, 16)
    pictures = drawn(G, z)
    assert pictures.dtype == torch.uint8 and pictures.device == G.w_avg.device
    assert np.array_equal(pictures.numpy(), generate(G, z))


def test_pictures_of_a_growing_generator_are_enlarged(generator_files):
    G = load_generator(generator_files / "stylegan.safetensors").G
    G.grow(8)
    ws = styles(G, latents(2, 16))
    with torch.no_grad():
        small = to_uint8(G.synthesis(ws)).numpy()
    assert small.shape == (2, 8, 8, 3)
    assert np.array_equal(generate(G, ws), enlarged(small, 4))
    assert np.array_equal(drawn(G, ws).numpy(), enlarged(small, 4))


def test_latents_of_another_shape(one, dcgan):
    for G, z in ((one, torch.zeros(2, 7)), (one, torch.zeros(2, 8, 11)), (one, torch.zeros(2, 6, 12)),
                 (dcgan, torch.zeros(2, 7))):
        with pytest.raises(GanlibError, match="another model"):
            generate(G, z)


def test_layer_groups():
    def bounds(layers):
        sizes = [4 * 2**i for i in range(layers // 2)]
        groups = layer_groups(StyleGenerator(sizes[-1], sizes[:1] * len(sizes), 4, 4, 1, 0.9))
        assert [*groups["coarse"], *groups["middle"], *groups["fine"]] == list(range(layers))
        return groups["middle"].start, groups["fine"].start

    assert bounds(18) == (4, 8)  # 1024 pixels: as published
    assert bounds(10) == (4, 8)  # 64 pixels
    assert bounds(8) == (4, 6) and bounds(6) == (2, 4)


@pytest.mark.parametrize(
    "layers, words",
    [("corse", "Did you mean 'coarse'"), ((0, 9), "<= 8"), ((-1, 3), "<= 8"), ((5, 3), "<= 8")],
)
def test_layers_that_there_are_not(one, layers, words):
    with pytest.raises(GanlibError, match=words):
        layers_of(one, layers)


def test_faces_of_seeds_with_labels(labelled):
    c = seed_labels(labelled, "3,4,5")
    assert torch.equal(c, torch.cat([drawn_labels(labelled, 1, seed) for seed in (3, 4, 5)]))
    pink = seed_labels(labelled, [3, 4, 5], {"hair": "pink"})
    assert (pink[:, 0] == 1).all()
    each = seed_labels(labelled, [3, 4, 5], {"hair": ["red", "blue", "unknown"]})
    assert each[:, 0].tolist() == [2, 0, -1]
    with pytest.raises(GanlibError, match="expected one class, or one for each of the 3"):
        seed_labels(labelled, [3, 4, 5], {"hair": ["red", "blue"]})


def test_seeds_without_labels(one):
    assert seed_labels(one, "3,4") is None
    with pytest.raises(GanlibError, match="learned no labels"):
        seed_labels(one, "3,4", {"hair": "pink"})


def test_samples_with_labels(labelled):
    G = labelled.G
    images = sample(labelled, 70, 5, labels={"hair": "pink"})
    c = drawn_labels(G, 70, 5, 0, {"hair": "pink"})
    assert np.abs(images.astype(int) - generate(G, latents(70, 16, 5), c=c)).max() <= 1
    other = sample(labelled, 70, 5, labels={"hair": "red"})
    assert (images != other).any(axis=(1, 2, 3)).all()
    unknown = generate(G, latents(4, 16, 5), c=torch.full((4, 3), -1))
    assert np.array_equal(unknown, generate(G, latents(4, 16, 5)))  # no labels: none is known


def test_truncation_leaves_labels_alone(labelled_styles):
    G = labelled_styles.G
    z, c = latents(4, 16, 5), torch.tensor([[1, 0, 1]] * 4)
    mean = styles(G, z, 0, c)
    assert torch.allclose(mean[0, 0], G.w_avg + (G.shift(c) - G.shift())[0], atol=1e-5)
    half = styles(G, z, 0.5, c)
    assert torch.allclose(half, (mean + styles(G, z, 1, c)) / 2, atol=1e-5)
    assert torch.allclose(half - styles(G, z, 0.5), (G.shift(c) - G.shift())[:, None], atol=1e-5)
    images = sample(G, 4, 5, psi=0.5, labels={"hair": "pink"})
    c = drawn_labels(G, 4, 5, 0, {"hair": "pink"})
    assert np.array_equal(images, generate(G, styles(G, z, 0.5, c)))
