"""Directions in w: from the weights, from labels, from colours."""
import shutil

import numpy as np
import pytest
import torch

from ganlib.data.synthetic import face
from ganlib.errors import GanlibError
from ganlib.models.sampling import generate, latents, layer_groups, styles
from ganlib.models.store import load_generator
from ganlib.play.directions import (
    colour_directions,
    directions,
    edit,
    face_colours,
    factorise,
    label_directions,
)


@pytest.fixture(scope="module", params=["stylegan", "fast"])
def G(generator_files, request):
    return load_generator(generator_files / f"{request.param}.safetensors").G


def test_factorise_against_svd_by_hand(G):
    weights = [G.layers[i].style.weight * G.layers[i].style.scale for i in layer_groups(G)["middle"]]
    A = torch.cat(weights)
    directions, values = factorise(G, "middle", k=5)
    assert directions.shape == (5, 12) and torch.allclose(directions @ directions.T, torch.eye(5), atol=1e-5)
    assert torch.allclose((A @ directions.T).norm(dim=0), values, rtol=1e-4) and (values.diff() <= 0).all()
    assert torch.allclose(A.T @ A @ directions[0], values[0]**2 * directions[0], atol=1e-4)
    other = torch.linalg.svd(A)[2][:5]
    assert torch.allclose((other * directions).sum(1).abs(), torch.ones(5), atol=1e-4)
    assert (directions.gather(1, directions.abs().argmax(1, keepdim=True)) > 0).all()
    assert abs(factorise(G, "middle")[1][0] - torch.linalg.matrix_norm(A, 2)) < 1e-4


def test_factorise_finds_what_was_planted(generator_files):
    G = load_generator(generator_files / "stylegan.safetensors").G
    planted = torch.nn.functional.normalize(
        torch.randn(12, generator=torch.Generator().manual_seed(0)), dim=0
    )
    layer = G.layers[7].style
    layer.weight += 50 * torch.outer(torch.ones(len(layer.weight)), planted)
    assert abs(factorise(G, "fine")[0][0] @ planted) > 0.99
    assert abs(factorise(G, "coarse")[0][0] @ planted) < 0.9


def test_labels_give_the_planted_direction():
    draws = torch.Generator().manual_seed(0)
    d = torch.nn.functional.normalize(torch.randn(32, generator=draws), dim=0)
    w = torch.randn(1500, 32, generator=draws) + 3
    yes = (w @ d + 0.5 * torch.randn(1500, generator=draws) > 3 * d.sum())
    found = label_directions(w, yes)
    assert found.shape == (1, 32) and torch.cosine_similarity(found[0], d, dim=0) > 0.9
    # the mean difference of the two classes is what least squares on one label is
    assert torch.allclose(found[0], w[yes].mean(0) - w[~yes].mean(0), atol=1e-4)
    with pytest.raises(GanlibError, match="same label"):
        label_directions(w, torch.ones(1500))


def test_label_directions_hold_the_other_labels():
    draws = torch.Generator().manual_seed(1)
    d = torch.linalg.qr(torch.randn(16, 2, generator=draws))[0].T  # two orthonormal directions
    a = torch.randn(4000, generator=draws)
    labels = torch.stack([a, 0.8 * a + 0.6 * torch.randn(4000, generator=draws)], 1)  # correlated
    w = labels @ torch.stack([2 * d[0], 3 * d[1]]) + 0.1 * torch.randn(4000, 16, generator=draws)
    assert torch.allclose(label_directions(w, labels), torch.stack([2 * d[0], 3 * d[1]]), atol=0.05)
    alone = label_directions(w, labels[:, 0])[0]
    assert alone @ d[1] > 2  # 3 * 0.8: not held, the other one comes along


def test_edit_moves_these_layers_only(G):
    ws, d = styles(G, latents(2, 16)), torch.arange(12.0)
    moved = edit(G, ws, d, -2.0, "middle")
    middle = layer_groups(G)["middle"]
    assert torch.allclose(moved[:, middle], ws[:, middle] - 2 * d)
    rest = [i for i in range(G.num_layers) if i not in middle]
    assert torch.equal(moved[:, rest], ws[:, rest])


def test_face_colours_of_known_pictures():
    picture = np.full((2, 64, 64, 3), 230, np.uint8)
    picture[0, :14] = 200, 30, 40
    picture[0, 24:32, 16:24] = picture[0, 24:32, 40:48] = 20, 60, 180
    assert np.allclose(face_colours(picture), [[200, 30, 40, 20, 60, 180], [230] * 6])
    assert np.allclose(face_colours(picture[:, ::2, ::2]), face_colours(picture))
    picture[0, 24:32, 16:20] = 255  # white counts little
    assert abs(face_colours(picture)[0, 3:] - [20, 60, 180]).max() < 5


def test_hair_of_drawn_faces_is_told_by_its_colour():
    images, rows = zip(*(face(i) for i in range(150)))
    hair, names = face_colours(np.stack(images))[:, :3], np.array([row["hair"] for row in rows])
    means = {name: hair[names == name].mean(0) for name in names}
    nearest = [min(means, key=lambda name: np.linalg.norm(means[name] - colour)) for colour in hair]
    assert np.mean(nearest == names) > 0.7


def test_colour_directions_change_the_colour_that_they_name():
    class Painter(torch.nn.Module):  # styles 0 to 5 of w are the hair's and the eyes' colours
        resolution, z_dim, num_layers, has_styles, attributes = 64, 10, 4, True, {}

        def __init__(self):
            super().__init__()
            self.w_avg = torch.nn.Parameter(torch.zeros(10))
            self.mixture = torch.linalg.qr(torch.randn(10, 10, generator=torch.Generator().manual_seed(0)))[0]

        def mapping(self, z, c=None):
            return z @ self.mixture

        def synthesis(self, ws, noise=None):
            colours = 0.2 * (ws.mean(1) @ self.mixture.T)[:, :6, None, None]
            x = colours[:, :3].expand(-1, 3, 64, 64).clone()
            x[:, :, 20:34] = colours[:, 3:].expand(-1, 3, 14, 64)
            return x

    G = Painter()
    directions = colour_directions(G, n=400)
    ws = styles(G, latents(1, 10, 5))
    before = face_colours(generate(G, ws))
    wanted = before + [[40, -30, 20, 0, 0, 0]]
    after = edit(G, ws, torch.from_numpy(wanted - before)[0].float() @ directions, 1.0)
    assert np.abs(face_colours(generate(G, after)) - wanted).max() < 5


def test_directions_are_read_and_belong_to_their_generator(generator, runs, tmp_path):
    named, colours = directions(generator)
    assert [*named][:3] == ["hair length", "direction 2", "direction 3"] and len(named) == 10
    assert colours.shape == (6, 12)
    steps = torch.stack([*named.values()])
    along = (styles(generator, latents(1_000, 16))[:, 0] - generator.G.w_avg) @ steps.T
    length = steps.norm(dim=1)
    assert torch.allclose(along.std(0) / length, length, rtol=1e-4)  # a step is a spread of w
    shutil.copytree(runs / "faces", tmp_path / "other")
    other = load_generator(tmp_path / "other")
    with torch.no_grad():
        other.G.w_avg.add_(1)
    assert [*directions(other)[0]][0] == "direction 1"  # of other weights: found anew
