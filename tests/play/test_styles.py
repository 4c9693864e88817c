"""Style mixing, and walks."""
import math

import imageio.v3 as imageio
import numpy as np
import pytest
import torch
from PIL import Image

from ganlib.errors import GanlibError
from ganlib.models.sampling import generate, latents, sample, seed_latents, styles
from ganlib.models.store import load_generator
from ganlib.play.directions import colour_directions, edit, factorise
from ganlib.play.inversion import invert
from ganlib.play.latent_files import save_latents
from ganlib.play.styles import mix, mixing_sheet, slerp, swap, walk
from ganlib.view.movies import movie
from ganlib.view.pictures import table


@pytest.fixture(scope="module")
def one(styled):
    return styled.G


@pytest.fixture(scope="module", params=["stylegan", "fast"])
def G(generator_files, request):
    return load_generator(generator_files / f"{request.param}.safetensors").G


@pytest.mark.parametrize("call", [
    lambda G, ws: styles(G, latents(1, 15)), lambda G, ws: swap(G, ws[:, :6], ws, "coarse"),
    lambda G, ws: swap(G, ws, ws[..., :11], "coarse"), lambda G, ws: mix(G, latents(2, 16), latents(2, 16)),
    lambda G, ws: edit(G, ws, torch.ones(11), 1), lambda G, ws: edit(G, ws[..., :1], torch.ones(12), 1),
])
def test_styles_of_another_shape(one, call):
    with pytest.raises(GanlibError, match="expected .*another model"):
        call(one, styles(one, latents(2, 16)))


def test_mixing_has_its_parents_at_the_two_ends(G):
    rows, cols = styles(G, latents(3, 16, 1)), styles(G, latents(2, 16, 2))
    down, across = generate(G, rows), generate(G, cols)
    for layers, expected in (("all", across[None]), ((0, 0), down[:, None]), ((5, 5), down[:, None])):
        table = mix(G, rows, cols, layers)
        assert table.shape == (3, 2, 32, 32, 3)
        # sums in batches of other sizes may round to the neighbouring level
        assert np.abs(table.astype(int) - expected).max() <= 1
    same = mix(G, rows, rows, "middle").astype(int)
    assert all(np.abs(same[i, i] - down[i]).max() <= 1 for i in range(3))


def test_swap_takes_these_layers_and_no_others(G):
    a, b = styles(G, latents(2, 16, 1)), styles(G, latents(2, 16, 2))
    mixed = swap(G, a, b, (1, 4))
    from_b = [i for i in range(G.num_layers) if torch.equal(mixed[:, i], b[:, i])]
    from_a = [i for i in range(G.num_layers) if torch.equal(mixed[:, i], a[:, i])]
    assert from_b == [1, 2, 3] and from_a == [0, *range(4, G.num_layers)]
    # mixing from the left is the crossover that training uses
    w, v = G.mapping(latents(2, 16, 1)), G.mapping(latents(2, 16, 2))
    assert torch.equal(swap(G, a, b, (3, G.num_layers)), G.cross_over(w, v, 3))


@pytest.mark.parametrize("layers, words", [("fine", "layers fine: seed"), ((1, 4), "layers 1 to 3: seed")])
def test_mixing_sheet(one, layers, words):
    rows, cols = (styles(one, seed_latents(one, s), 0.8) for s in ("1,2,3", "4,5"))
    blank = np.full((1, 32, 32, 3), 255, np.uint8)
    mixed = mix(one, rows, cols, layers)
    parts = [blank, generate(one, cols)]
    for parent, children in zip(generate(one, rows), mixed, strict=True):
        parts += [parent[None], children]
    expected = np.concatenate(parts), ["", 1, 2, 3], ["", 4, 5], "other layers: seed", words
    assert mixing_sheet(one, "1, 2,3", [4, 5], layers, psi=0.8) == table(*expected)
    assert mixing_sheet(one, [1, 2, 3], "4,5", layers, psi=0.8, scale=2) == table(*expected, scale=2)


def test_a_mixing_sheet_of_a_latent_file_numbers_the_faces(styled, tmp_path):
    save_latents(tmp_path / "x.safetensors", styled, latents(2, 16))
    sheet = mixing_sheet(styled, tmp_path / "x.safetensors", "4")
    cells = np.full((6, 32, 32, 3), 255, np.uint8)
    expected = table(cells, ["", "no. 0", "no. 1"], ["", 4], "other layers: seed", "layers coarse: seed")
    assert sheet.size == expected.size
    side = 30  # pixels on the left, where the labels are
    assert np.array_equal(np.asarray(sheet)[:, :side], np.asarray(expected)[:, :side])


@pytest.mark.parametrize("call", [
    lambda G: styles(G, latents(1, 16)), lambda G: sample(G, 2, psi=0.5), lambda G: mixing_sheet(G, [1], [2]),
    lambda G: factorise(G), lambda G: colour_directions(G), lambda G: generate(G, torch.zeros(1, 8, 12)),
    lambda G: invert(G, np.zeros((32, 32, 3), np.uint8))])
def test_a_dcgan_has_no_styles(plain, call):
    with pytest.raises(GanlibError, match="no styles: it draws straight from z"):
        call(plain)


def test_slerp_by_hand():
    a, b = torch.tensor([[2.0, 0, 0]]), torch.tensor([[0, 2.0, 0]])
    third = slerp(a, b, 1 / 3)  # 30 degrees on a circle of radius 2
    assert torch.allclose(third, torch.tensor([[math.sqrt(3), 1, 0]]), atol=1e-6)
    assert torch.allclose(slerp(a, 3 * b, 0.5).norm(), torch.tensor(4.0))
    assert torch.equal(slerp(a, a, 0.3), a) and torch.isfinite(slerp(a, -a, 0.5)).all()


def test_spherical_walk_keeps_the_norm_and_the_pace():
    points = torch.nn.functional.normalize(latents(3, 50, 9), dim=1) * 7
    path = walk(points, 21)
    assert torch.allclose(path[[0, 10, 20]], points, atol=1e-5)
    assert torch.allclose(path.norm(dim=1), torch.tensor(7.0))
    turn = torch.nn.functional.cosine_similarity(path[1:], path[:-1]).acos()
    assert turn[:10].std() < 1e-3 and turn[10:].std() < 1e-3
    whole = torch.nn.functional.cosine_similarity(points[0], points[1], dim=0).acos()
    assert abs(turn[:10].sum() - whole) < 1e-3


def test_straight_walk(one):
    points = styles(one, latents(2, 16))
    path = walk(points, 5)  # straight, as these are ws
    assert path.shape == (5, 8, 12) and torch.equal(path[[0, 4]], points)
    assert torch.allclose(path[1], 0.75 * points[0] + 0.25 * points[1], atol=1e-6)
    z = latents(2, 16)
    assert torch.allclose(walk(z, 3, kind="straight")[1], z.mean(0), atol=1e-6)


@pytest.mark.parametrize("kind", ["spherical", "straight"])
def test_a_loop_goes_on_where_it_began(kind):
    points = latents(3, 8)
    path = walk(points, 12, kind, loop=True)
    assert len(path) == 12 and torch.allclose(path[[0, 4, 8]], points, atol=1e-6)
    there_and_back = walk(torch.cat([points, points[:1]]), 13, kind)
    assert torch.allclose(path, there_and_back[:12], atol=1e-6)  # the thirteenth is the first again
    assert torch.allclose(there_and_back[12], path[0], atol=1e-6)


@pytest.mark.parametrize("n, frames, kind, words", [
    (1, 10, None, "1 face: a walk needs two"), (3, 1, None, "frames=1: a walk needs two"),
    (2, 10, "round", "expected 'spherical' or 'straight'"),
])
def test_walks_that_go_nowhere(n, frames, kind, words):
    with pytest.raises(GanlibError, match=words):
        walk(latents(n, 8), frames, kind)


def test_movie(one, tmp_path):
    frames = generate(one, walk(latents(2, 16), 6))
    movie(tmp_path / "x.gif", frames)
    with Image.open(tmp_path / "x.gif") as picture:
        assert picture.size == (256, 256) and picture.n_frames == 6 and picture.info["duration"] == 50
    pytest.importorskip("imageio_ffmpeg")
    movie(tmp_path / "x.mp4", frames)
    assert imageio.imread(tmp_path / "x.mp4").shape == (6, 256, 256, 3)
    with pytest.raises(GanlibError, match="expected a name that ends in .webp"):
        movie(tmp_path / "x.webm", frames)
