"""Faces kept in files, and whose they are."""
import numpy as np
import pytest
import torch
from generators import save_stylegan
from PIL import Image

from ganlib.errors import GanlibError
from ganlib.models.sampling import generate, latents, seed_latents, styles
from ganlib.models.store import load_generator
from ganlib.play.latent_files import identity, load_latents, picture_with_latents, save_latents
from ganlib.play.styles import points


@pytest.mark.parametrize("kind", ["z", "ws"])
def test_latent_files_come_back_bit_for_bit(styled, tmp_path, kind):
    z = seed_latents(styled, "3,4")
    z = styles(styled, z, 0.7) if kind == "ws" else z
    save_latents(tmp_path / "face.safetensors", styled, z, psi={"coarse": 0.7}, noise=5, seeds=[3, 4])
    found, settings = load_latents(tmp_path / "face.safetensors", styled)
    assert torch.equal(found, z) and settings == {"psi": {"coarse": 0.7}, "noise": 5, "seeds": [3, 4]}
    assert np.array_equal(generate(styled, found), generate(styled, z))


def test_latents_of_another_model(styled, generator_files, tmp_path):
    path = tmp_path / "face.safetensors"
    save_latents(path, styled, latents(1, 16))
    other = load_generator(save_stylegan(tmp_path / "other.safetensors", seed=1))
    with pytest.raises(
        GanlibError, match="belongs to another model: stylegan, 32x32, 1,234 images seen"
    ) as error:
        load_latents(path, other)
    assert "This is stylegan, 32x32, 1,235 images" in str(error.value) and str(error.value).count("\n") == 1
    again = load_generator(generator_files / "stylegan.safetensors")
    assert identity(again) == identity(styled)
    again.G.to_rgb[3].weight[0, 0] += 1e-3
    assert identity(again) != identity(styled)


def test_latents_replace_latents_and_nothing_else(styled, tmp_path):
    path = tmp_path / "generator.safetensors"
    save_stylegan(path)
    before = path.read_bytes()
    with pytest.raises(GanlibError, match="it is a ganlib generator: choose another name"):
        save_latents(path, styled, latents(1, 16))
    (tmp_path / "notes").write_text("notes")
    with pytest.raises(GanlibError, match="it is another kind of file: choose another name"):
        save_latents(tmp_path / "notes", styled, latents(1, 16))
    assert path.read_bytes() == before and (tmp_path / "notes").read_text() == "notes"
    (tmp_path / "face.safetensors").touch()  # an empty one, as mktemp makes it
    for seed in 1, 2:
        save_latents(tmp_path / "face.safetensors", styled, latents(1, 16, seed))
    assert torch.equal(load_latents(tmp_path / "face.safetensors", styled)[0], latents(1, 16, 2))


def test_files_that_are_no_latents(styled, generator_files, tmp_path):
    (tmp_path / "text").write_text("no")
    for path in (tmp_path / "none", tmp_path / "text", generator_files / "dcgan.safetensors"):
        with pytest.raises(GanlibError, match="not a latent file"):
            load_latents(path, styled)


def test_a_picture_holds_its_face(styled, tmp_path):
    ws = styles(styled, seed_latents(styled, "3"), 0.7)
    picture = Image.fromarray(generate(styled, ws)[0])
    path = tmp_path / "face.png"
    path.write_bytes(picture_with_latents(picture, styled, ws, {"seed": 3}))
    with Image.open(path) as again:
        assert np.array_equal(np.asarray(again), np.asarray(picture))
    found, settings = load_latents(path, styled)
    assert torch.equal(found, ws) and settings == {"seed": 3}
    assert torch.equal(points(styled, path), ws)  # wherever seeds may stand
    picture.save(tmp_path / "plain.png")
    (tmp_path / "cut.png").write_bytes(path.read_bytes()[:60])
    for name, words in (("plain", "there is no face in this picture"), ("cut", "not a latent file")):
        with pytest.raises(GanlibError, match=words):
            load_latents(tmp_path / f"{name}.png", styled)
