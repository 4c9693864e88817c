"""ONNX files of generators: the same pictures as PyTorch's, and all that another program has to know."""
import base64
import json
import sys

import numpy as np
import onnx
import onnxruntime
import pytest
from generators import save_stylegan

from ganlib.__main__ import main
from ganlib.errors import GanlibError
from ganlib.models.sampling import generate, latents, layer_groups, sample, styles
from ganlib.models.store import load_generator, save_generator, shipped
from ganlib.play.directions import directions, edit
from ganlib.sharing.onnx_files import about, difference, export, name_of


class Program:
    """Another program: it knows numpy and the file, and nothing of ganlib."""

    def __init__(self, path):
        self.session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        self.about = json.loads(self.session.get_modelmeta().custom_metadata_map["ganlib"])

    def array(self, text, width):
        return np.frombuffer(base64.b64decode(text), "<f4").reshape(-1, width)

    def w(self, z):
        told = self.about
        nothing = np.zeros((0, told["layers"], told["w_dim"]), np.float32)
        return self.session.run(["w"], {"z": z, "ws": nothing})[0]

    def draw(self, ws):
        nothing = np.zeros((0, self.about["z_dim"]), np.float32)
        return self.pixels(self.session.run(["image"], {"z": nothing, "ws": ws})[0])

    def pixels(self, image):
        """(n, 3, R, R) in [-1, 1] to uint8 (n, R, R, 3)."""
        return np.rint((image + 1) * 127.5).clip(0, 255).astype(np.uint8).transpose(0, 2, 3, 1)

    def everywhere(self, w):
        return np.repeat(w[:, None], self.about["layers"], 1)

    def vectors(self, attribute, name):
        label = self.about["labels"][attribute]
        width = self.about.get("w_dim") or len(base64.b64decode(self.about["unknown"])) // 4
        return self.array(label["vectors"], width)[label["classes"].index(name)]


def levels_apart(a, b):
    return np.abs(a.astype(int) - b.astype(int)).max()


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    folder = tmp_path_factory.mktemp("onnx")
    paths = {}
    for name in shipped():
        paths[name] = folder / f"{name}.onnx"
        export(name, paths[name])
    return paths


@pytest.mark.parametrize("name", shipped())
def test_every_shipped_generator_draws_the_same(exported, name):
    assert difference(exported[name], load_generator(name)) < 0.1  # of 255 levels


@pytest.mark.parametrize("name", [name for name in shipped() if load_generator(name).has_styles])
def test_another_program_knows_enough_to_draw_what_ganlib_draws(exported, name):
    program, generator = Program(exported[name]), load_generator(name)
    G, told = generator.G, program.about
    z = latents(3, G.z_dim, seed=5)
    mean = program.array(told["w_avg"], told["w_dim"])
    w = mean + 0.7 * (program.w(z.numpy()) - mean)
    ws = program.everywhere(w)
    ours = styles(generator, z, psi=0.7)
    assert levels_apart(program.draw(ws), generate(G, ours)) <= 1
    assert told["layer_groups"] == {key: [r.start, r.stop] for key, r in layer_groups(G).items()}
    # style mixing: coarse layers of the second face
    first, end = told["layer_groups"]["coarse"]
    ws[0, first:end], ours[0, first:end] = ws[1, first:end], ours[1, first:end]
    # and a direction
    named, colours = directions(generator)
    assert told["directions"]["names"] == [*named]
    steps = program.array(told["directions"]["steps"], told["w_dim"])
    ours = edit(G, ours, [*named.values()][1], 2.0)
    assert levels_apart(program.draw(ws + 2 * steps[1]), generate(G, ours)) <= 1
    assert np.allclose(program.array(told["directions"]["colours"], told["w_dim"]), colours)


def test_labels_are_added_outside(labelled, labelled_files, tmp_path):
    kind = "stylegan-fast" if labelled.has_styles else "dcgan"
    out = tmp_path / "out.onnx"
    export(labelled_files / f"{kind}.safetensors", out)
    program = Program(out)
    z = latents(2, labelled.G.z_dim, seed=1).numpy()
    asked = {"hair": "pink", "eyes": "green", "glasses": "yes"}
    vectors = sum(program.vectors(attribute, name) for attribute, name in asked.items())
    if labelled.has_styles:
        drawn = program.draw(program.everywhere(program.w(z) + vectors))
    else:
        unknown = np.frombuffer(base64.b64decode(program.about["unknown"]), "<f4")
        told = np.concatenate([z, np.repeat((unknown + vectors)[None], 2, 0)], 1)
        drawn = program.pixels(program.session.run(["image"], {"z": told.astype(np.float32)})[0])
    assert levels_apart(drawn, sample(labelled, 2, seed=1, labels=asked)) <= 1
    rows = np.frombuffer(base64.b64decode(program.about["label_rows"]), "<i2").reshape(-1, 3)
    assert (rows == labelled.G.embed.rows.numpy()).all()


def test_any_number_of_faces(exported):
    program = Program(exported["stylegan"])
    z = latents(5, program.about["z_dim"]).numpy()
    ws = program.everywhere(program.w(z))
    together = program.draw(ws)
    assert together.shape == (5, 64, 64, 3)
    for i in range(5):
        assert levels_apart(program.draw(ws[i:i + 1])[0], together[i]) <= 1
    assert program.draw(ws[:0]).shape == (0, 64, 64, 3)


def test_half_the_size_or_all_bits(tmp_path):
    path = save_stylegan(tmp_path / "run" / "generator.safetensors")
    generator = export(path, tmp_path / "half.onnx")
    export(path, tmp_path / "full.onnx", full=True)
    assert difference(tmp_path / "full.onnx", generator) < 0.1
    assert 0.1 < difference(tmp_path / "half.onnx", generator) < 3  # weights were rounded
    sizes = [(tmp_path / f"{name}.onnx").stat().st_size for name in ("half", "full")]
    weights = sum(p.numel() for p in generator.G.state_dict().values())
    assert sizes[1] - sizes[0] == pytest.approx(2 * weights, rel=0.1)


@pytest.mark.parametrize("source, name", [
    ("dcgan", "dcgan"), ("data/runs/mine", "mine"), ("data/runs/mine:best", "mine"),
    ("mine/generator.safetensors", "mine"), ("mine/best.safetensors", "mine"), ("a/face.safetensors", "face"),
])
def test_names(source, name):
    assert name_of(source) == name


def test_what_a_file_says_of_itself_is_json():
    told = json.loads(json.dumps(about(load_generator("dcgan"), "<b>dcgan</b>")))
    assert told["name"] == "<b>dcgan</b>" and told["has_styles"] is False and "w_avg" not in told
    assert told["recipe"]["model"] == "dcgan" and told["images"] > 1_000


# -- from a shell, and bad input


def test_from_a_shell(tmp_path, capsys):
    out = tmp_path / "faces.onnx"
    assert main(["export", "dcgan-cpu", str(out)]) == 0
    said = capsys.readouterr().out
    assert "2.2 MB, z to a picture of 64x64" in said and "differ from PyTorch's by 0.00" in said
    assert main(["export", "dcgan-cpu", str(out)]) == 0  # an export makes room for the next
    onnx.checker.check_model(onnx.load(out))


def test_a_name_that_is_no_onnx_file(tmp_path, capsys):
    assert main(["export", "dcgan-cpu", str(tmp_path / "faces.png")]) == 2
    assert "expected a name that ends in .onnx" in capsys.readouterr().err


def test_files_of_others_stay(tmp_path):
    letter, foreign = tmp_path / "letter.onnx", tmp_path / "foreign.onnx"
    letter.write_text("Dear reader")
    onnx.save(onnx.helper.make_model(onnx.helper.make_graph([], "nothing", [], [])), foreign)
    for path, words in ((letter, "it is no ONNX file"), (foreign, "the ONNX file of another program")):
        before = path.read_bytes()
        with pytest.raises(GanlibError, match=words):
            export("dcgan-cpu", path)
        assert path.read_bytes() == before


def test_a_run_without_a_generator(tmp_path):
    with pytest.raises(GanlibError, match="has no generator.safetensors"):
        export(tmp_path, tmp_path / "out.onnx")
    assert not (tmp_path / "out.onnx").exists()


@pytest.mark.parametrize("grow, images, now", [("8:10 16:20 32:30", 12_000, 8), ("8:1 16:2 32:3", 4_000, 32)])
def test_a_generator_that_still_grows(tmp_path, grow, images, now):
    path = save_stylegan(tmp_path / "young" / "generator.safetensors", grow=grow, fade_kimg=2)
    generator = load_generator(path)
    save_generator(path, generator.G, generator.config, images=images)
    with pytest.raises(GanlibError, match=f"has not grown up yet: it draws {now} of 32 pixels"):
        export(path, tmp_path / "out.onnx")


def test_weights_that_do_not_fit_16_bits(tmp_path):
    path = save_stylegan(tmp_path / "run" / "generator.safetensors")
    generator = load_generator(path)
    generator.G.layers[1].conv.weight[0, 0, 0, 0] = 1e6
    save_generator(path, generator.G, generator.config)
    with pytest.raises(GanlibError, match=r"layers.1.conv.weight .* does not fit 16 bits.*--full"):
        export(path, tmp_path / "out.onnx")
    export(path, tmp_path / "out.onnx", full=True)


def test_without_the_packages(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    assert main(["export", "dcgan-cpu", str(tmp_path / "a.onnx")]) == 0
    assert "were not compared with PyTorch's. This needs the package onnxruntime" in capsys.readouterr().out
    monkeypatch.setitem(sys.modules, "onnx", None)
    assert main(["export", "dcgan-cpu", str(tmp_path / "b.onnx")]) == 2
    assert "pip install 'ganlib[onnx]'" in capsys.readouterr().err


def test_a_file_that_draws_something_else_is_found_out(tmp_path, exported):
    one, other = load_generator("stylegan"), load_generator("dcgan-cpu")
    other.G.to_rgb.weight.mul_(1.05)
    assert difference(exported["dcgan-cpu"], other) > 1
    one.G.map[0][0].weight.mul_(1.5)
    assert difference(exported["stylegan"], one) > 1


