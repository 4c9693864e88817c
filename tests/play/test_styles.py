"""Truncation, mixing, walks, directions, latent files, inversion."""
import math
from types import SimpleNamespace

import imageio.v3 as imageio
import numpy as np
import pytest
import torch
from PIL import Image

from ganlib.__main__ import main
from ganlib.data.synthetic import face
from ganlib.errors import GanlibError
from ganlib.models.build import build_networks
from ganlib.models.sampling import (
    generate,
    latents,
    layer_groups,
    layers_of,
    sample,
    seed_latents,
    styles,
)
from ganlib.models.store import load_generator, save_generator
from ganlib.play.directions import (
    colour_directions,
    edit,
    face_colours,
    factorise,
    label_directions,
)
from ganlib.play.inversion import invert
from ganlib.play.latent_files import identity, load_latents, save_latents
from ganlib.play.styles import mix, mixing_sheet, slerp, swap, walk
from ganlib.presets import preset
from ganlib.view.movies import movie

SMALL = dict(resolution=32, width=4, max_width=16, z_dim=16, w_dim=12, mapping_layers=2, grow="")


def make(path, seed=0, **changes):
    """A small untrained generator as a file, with the mean of w set and noise that can be seen."""
    config = preset("stylegan", **(SMALL | dict(seed=seed) | changes))
    G = build_networks(config)[0]
    G.calibrate([latents(500, G.z_dim)])
    for layer in G.layers:
        torch.nn.init.constant_(layer.strength, 0.2)
    save_generator(path, G, config, images=1234 + seed)
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("generators")
    make(folder / "stylegan.safetensors")
    make(folder / "fast.safetensors", model="stylegan-fast")
    config = preset("dcgan", resolution=32, width=4, z_dim=16)
    save_generator(folder / "dcgan.safetensors", build_networks(config)[0], config)
    return folder


@pytest.fixture(scope="module")
def dcgan(folder):
    return load_generator(folder / "dcgan.safetensors")


@pytest.fixture(scope="module", params=["stylegan", "fast"])
def G(folder, request):
    return load_generator(folder / f"{request.param}.safetensors")


@pytest.fixture(scope="module")
def one(folder):
    return load_generator(folder / "stylegan.safetensors")


# z, psi, noise

def test_faces_of_seeds(one):
    z = seed_latents(one, "7, 2")
    assert torch.equal(z, torch.cat([latents(1, 16, 7), latents(1, 16, 2)]))
    assert torch.equal(z, seed_latents(one, [7, 2]))


@pytest.mark.parametrize("seeds", ["1,2,x", "", "1.5", [1, None], 7, []])
def test_seeds_that_are_no_numbers(one, seeds):
    with pytest.raises(GanlibError, match="expected whole numbers"):
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
    assert np.array_equal(fresh, generate(G, ws, noise=4)) and not np.array_equal(fresh, generate(G, ws, noise=5))
    few = generate(G, ws, batch=2, noise=4).astype(int)
    assert abs(few - fresh).max() <= 1  # the noise of an image depends on its place, not on its batch
    same = generate(G, ws[:1].repeat(2, 1, 1), noise=4)
    assert not np.array_equal(same[0], same[1])
    with pytest.raises(GanlibError, match="noise='on'"):
        generate(G, ws, noise="on")


def test_pictures_of_a_growing_generator_are_enlarged(folder):
    G = load_generator(folder / "stylegan.safetensors")
    G.grow(8)
    images = generate(G, styles(G, latents(2, 16)))
    assert images.shape == (2, 32, 32, 3) and np.array_equal(images, images[:, ::4, ::4].repeat(4, 1).repeat(4, 2))


def test_latents_of_another_shape(one, dcgan):
    for G, z in ((one, torch.zeros(2, 7)), (one, torch.zeros(2, 8, 11)), (one, torch.zeros(2, 6, 12)),
                 (dcgan, torch.zeros(2, 7))):
        with pytest.raises(GanlibError, match="another model"):
            generate(G, z)


@pytest.mark.parametrize("call", [
    lambda G, ws: styles(G, latents(1, 15)), lambda G, ws: swap(G, ws[:, :6], ws, "coarse"),
    lambda G, ws: swap(G, ws, ws[..., :11], "coarse"), lambda G, ws: mix(G, latents(2, 16), latents(2, 16)),
    lambda G, ws: edit(G, ws, torch.ones(11), 1), lambda G, ws: edit(G, ws[..., :1], torch.ones(12), 1),
])
def test_styles_of_another_shape(one, call):
    with pytest.raises(GanlibError, match="expected .*another model"):
        call(one, styles(one, latents(2, 16)))


# layers and mixing

def test_layer_groups():
    def bounds(layers):
        groups = layer_groups(SimpleNamespace(mapping=None, num_layers=layers))
        assert [*groups["coarse"], *groups["middle"], *groups["fine"]] == list(range(layers))
        return groups["middle"].start, groups["fine"].start

    assert bounds(18) == (4, 8)  # 1024 pixels: as published
    assert bounds(10) == (4, 8)  # 64 pixels
    assert bounds(8) == (4, 6) and bounds(6) == (2, 4)


@pytest.mark.parametrize("layers, words", [("corse", "Did you mean 'coarse'"), ((0, 9), "<= 8"), ((-1, 3), "<= 8"),
                                           ((5, 3), "<= 8")])
def test_layers_that_there_are_not(one, layers, words):
    with pytest.raises(GanlibError, match=words):
        layers_of(one, layers)


def test_mixing_has_its_parents_at_the_two_ends(G):
    rows, cols = styles(G, latents(3, 16, 1)), styles(G, latents(2, 16, 2))
    down, across = generate(G, rows), generate(G, cols)
    for layers, expected in (("all", across[None]), ((0, 0), down[:, None]), ((5, 5), down[:, None])):
        table = mix(G, rows, cols, layers)
        assert table.shape == (3, 2, 32, 32, 3)
        # sums in batches of other sizes may round to the neighbouring level
        assert np.abs(table.astype(int) - expected).max() <= 1
    same = mix(G, rows, rows, "middle")
    assert all(np.array_equal(same[i, i], down[i]) for i in range(3))


def test_swap_takes_these_layers_and_no_others(G):
    a, b = styles(G, latents(2, 16, 1)), styles(G, latents(2, 16, 2))
    mixed = swap(G, a, b, (1, 4))
    from_b = [i for i in range(G.num_layers) if torch.equal(mixed[:, i], b[:, i])]
    from_a = [i for i in range(G.num_layers) if torch.equal(mixed[:, i], a[:, i])]
    assert from_b == [1, 2, 3] and from_a == [0, *range(4, G.num_layers)]
    # mixing from the left is the crossover that training uses
    w, v = G.mapping(latents(2, 16, 1)), G.mapping(latents(2, 16, 2))
    assert torch.equal(swap(G, a, b, (3, G.num_layers)), G.mix(w, v, 3))


def test_mixing_sheet(one):
    sheet = np.asarray(mixing_sheet(one, "1,2,3", [4, 5], "fine", psi=0.8))
    assert sheet.shape == (4 * 34, 3 * 34, 3)
    at = lambda i, j: sheet[34 * i + 1:34 * i + 33, 34 * j + 1:34 * j + 33]
    rows, cols = (styles(one, seed_latents(one, s), 0.8) for s in ("1,2,3", "4,5"))
    assert (at(0, 0) == 255).all() and np.array_equal(at(2, 0), generate(one, rows)[1])
    assert np.array_equal(at(0, 2), generate(one, cols)[1])
    assert np.array_equal(at(3, 1), mix(one, rows, cols, "fine")[2, 0])


@pytest.mark.parametrize("call", [
    lambda G: styles(G, latents(1, 16)), lambda G: sample(G, 2, psi=0.5), lambda G: mixing_sheet(G, [1], [2]),
    lambda G: factorise(G), lambda G: colour_directions(G), lambda G: generate(G, torch.zeros(1, 8, 12)),
    lambda G: invert(G, np.zeros((32, 32, 3), np.uint8))])
def test_a_dcgan_has_no_styles(dcgan, call):
    with pytest.raises(GanlibError, match="no styles: it draws straight from z"):
        call(dcgan)


# walks

def test_slerp_by_hand():
    a, b = torch.tensor([[2.0, 0, 0]]), torch.tensor([[0, 2.0, 0]])
    third = slerp(a, b, 1 / 3)  # 30 degrees on a circle of radius 2
    assert torch.allclose(third, torch.tensor([[math.sqrt(3), 1, 0]]), atol=1e-6)
    assert torch.allclose(slerp(a, 3 * b, 0.5).norm(), torch.tensor(4.0))
    assert torch.equal(slerp(a, a, 0.3), a) and torch.isfinite(slerp(a, -a, 0.5)).all()


def test_spherical_walk_keeps_the_norm_and_the_pace():
    points = torch.nn.functional.normalize(latents(3, 50, 9), dim=1) * 7
    path = walk(points, 21)
    assert torch.allclose(path[[0, 10, 20]], points, atol=1e-5) and torch.allclose(path.norm(dim=1), torch.tensor(7.0))
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
    with pytest.raises(GanlibError, match=".gif or .mp4"):
        movie(tmp_path / "x.webm", frames)


# directions

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


def test_factorise_finds_what_was_planted(folder):
    G = load_generator(folder / "stylegan.safetensors")
    planted = torch.nn.functional.normalize(torch.randn(12, generator=torch.Generator().manual_seed(0)), dim=0)
    layer = G.layers[7].style
    layer.weight += 50 * torch.outer(torch.ones(len(layer.weight)), planted)
    assert abs(factorise(G, "fine")[0][0] @ planted) > 0.99 and abs(factorise(G, "coarse")[0][0] @ planted) < 0.9


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
        resolution, z_dim, num_layers = 64, 10, 4

        def __init__(self):
            super().__init__()
            self.w_avg = torch.nn.Parameter(torch.zeros(10))
            self.mixture = torch.linalg.qr(torch.randn(10, 10, generator=torch.Generator().manual_seed(0)))[0]

        def mapping(self, z):
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


# latent files

@pytest.mark.parametrize("kind", ["z", "ws"])
def test_latent_files_come_back_bit_for_bit(one, tmp_path, kind):
    z = seed_latents(one, "3,4")
    z = styles(one, z, 0.7) if kind == "ws" else z
    save_latents(tmp_path / "face.safetensors", one, z, psi={"coarse": 0.7}, noise=5, seeds=[3, 4])
    found, settings = load_latents(tmp_path / "face.safetensors", one)
    assert torch.equal(found, z) and settings == {"psi": {"coarse": 0.7}, "noise": 5, "seeds": [3, 4]}
    assert np.array_equal(generate(one, found), generate(one, z))


def test_latents_of_another_model(one, folder, tmp_path):
    path = tmp_path / "face.safetensors"
    save_latents(path, one, latents(1, 16))
    other = load_generator(make(tmp_path / "other.safetensors", seed=1))
    with pytest.raises(GanlibError, match="belongs to another model: stylegan, 32x32, 1,234 images seen") as error:
        load_latents(path, other)
    assert "This is stylegan, 32x32, 1,235 images" in str(error.value) and str(error.value).count("\n") == 1
    again = load_generator(folder / "stylegan.safetensors")
    assert identity(again) == identity(one)
    again.to_rgb[3].weight[0, 0] += 1e-3
    assert identity(again) != identity(one)


def test_files_that_are_no_latents(one, folder, tmp_path):
    (tmp_path / "text").write_text("no")
    for path in (tmp_path / "none", tmp_path / "text", folder / "dcgan.safetensors"):
        with pytest.raises(GanlibError, match="not a latent file"):
            load_latents(path, one)


# inversion

def test_inversion_finds_its_own_face(one):
    ws, seen = styles(one, latents(1, 16, 3)), []
    image, start = generate(one, ws)[0].astype(float), generate(one, one.w_avg.expand(1, 8, 12))[0].astype(float)
    found, losses = invert(one, image.astype(np.uint8), 40, progress=False, callback=lambda *a: seen.append(a))
    assert found.shape == (1, 8, 12) and len(losses) == 40 and losses[-1] < losses[0] / 3
    assert [s[0] for s in seen] == list(range(40)) and torch.equal(seen[-1][1], found) and seen[-1][2] == losses[-1]
    assert np.abs(generate(one, found)[0] - image).mean() < np.abs(start - image).mean() / 2
    assert all(p.grad is None for p in one.parameters())


def test_inversion_takes_pictures_of_any_size_and_nothing_else(one):
    found, losses = invert(one, np.full((50, 90, 3), 128, np.uint8), 2, progress=False)
    assert torch.isfinite(found).all() and len(losses) == 2
    for wrong in (np.zeros((32, 32), np.uint8), np.zeros((32, 32, 3)), "face.png"):
        with pytest.raises(GanlibError, match="no image"):
            invert(one, wrong)


# the shell

def test_shell(folder, tmp_path, capsys):
    run = str(folder / "stylegan.safetensors")
    assert main(["sample", run, str(tmp_path / "x.npy"), "--n", "3", "--psi", "0"]) == 0
    images = np.load(tmp_path / "x.npy")
    assert (images == images[0]).all()
    assert main(["mix", run, str(tmp_path / "x.png"), "--rows", "1,2", "--cols", "3,4,5", "--layers", "fine"]) == 0
    assert np.array_equal(Image.open(tmp_path / "x.png"), mixing_sheet(load_generator(run), [1, 2], [3, 4, 5], "fine"))
    for name in ("stylegan", "dcgan"):
        out = tmp_path / f"{name}.gif"
        assert main(["walk", str(folder / f"{name}.safetensors"), str(out), "--seeds", "1,2,3", "--frames", "5",
                     "--loop"]) == 0
        with Image.open(out) as picture:
            assert picture.n_frames == 5
    assert capsys.readouterr().err == ""
    assert main(["sample", run, str(tmp_path / "y.npy"), "--n", "1", "--psi", "3"]) == 0
    assert capsys.readouterr().err == "ganlib sample: psi=3.0: outside of -1 to 2 faces fall apart; 1 is no truncation.\n"


@pytest.mark.parametrize("kind", ["z", "ws"])
def test_a_latent_file_is_mixed_and_walked_from_in_the_shell(folder, tmp_path, one, kind):
    run, file = str(folder / "stylegan.safetensors"), str(tmp_path / "found.safetensors")
    z = seed_latents(one, "7,9")
    save_latents(file, one, z if kind == "z" else styles(one, z))
    for rows, name in ((file, "a.png"), ("7,9", "b.png")):
        assert main(["mix", run, str(tmp_path / name), "--rows", rows, "--cols", "3", "--layers", "all", "--psi", "0.5"]) == 0
        assert main(["walk", run, str(tmp_path / name.replace("png", "gif")), "--seeds", rows, "--frames", "3"]) == 0
    assert np.array_equal(*(Image.open(tmp_path / name) for name in ("a.png", "b.png")))
    assert (tmp_path / "a.gif").read_bytes() == (tmp_path / "b.gif").read_bytes()


@pytest.mark.parametrize("words, expected", [
    (["mix", "dcgan", "x.png"], "no styles"),
    (["sample", "stylegan", "x.npy", "--psi", "nan"], "psi=nan"),
    (["walk", "stylegan", "x.gif", "--seeds", "none.safetensors"], "not a latent file"),
    (["walk", "stylegan", "x.gif", "--psi", "inf"], "psi=inf"),
    (["sample", "dcgan", "x.npy", "--psi", "0.7"], "no styles"),
    (["walk", "dcgan", "x.gif", "--psi", "0.7"], "no styles"),
    (["mix", "stylegan", "x.png", "--rows", "1,2,x"], "whole numbers"),
    (["mix", "stylegan", "x.jpg"], ".png"),
    (["mix", "stylegan", "x.png", "--layers", "midle"], "Did you mean 'middle'"),
    (["walk", "stylegan", "x.gif", "--seeds", "1,b"], "whole numbers"),
    (["walk", "stylegan", "x.gif", "--seeds", "1"], "1 face: a walk needs two"),
    (["walk", "stylegan", "x.avi", "--frames", "2"], ".gif or .mp4"),
])
def test_shell_errors_are_one_clear_line(folder, tmp_path, capsys, words, expected):
    names = {"dcgan": str(folder / "dcgan.safetensors"), "stylegan": str(folder / "stylegan.safetensors")}
    assert main([str(tmp_path / w) if w.startswith("x.") else names.get(w, w) for w in words]) == 2
    err = capsys.readouterr().err
    assert expected in err and "Traceback" not in err and len(err.strip().splitlines()) <= 2
    assert not list(tmp_path.iterdir())
