"""The verbs sample, mix and walk."""
import numpy as np
import pytest
from PIL import Image

from ganlib.__main__ import main
from ganlib.models.sampling import seed_latents, styles
from ganlib.models.store import load_generator
from ganlib.play.latent_files import save_latents
from ganlib.play.styles import mixing_sheet


def test_shell(generator_files, tmp_path, capsys):
    run = str(generator_files / "stylegan.safetensors")
    assert main(["sample", run, str(tmp_path / "x.npy"), "--n", "3", "--psi", "0"]) == 0
    images = np.load(tmp_path / "x.npy")
    assert (images == images[0]).all()
    assert main(["mix", run, str(tmp_path / "x.png"), "--rows", "1,2", "--cols", "3,4,5", "--layers", "fine"]) == 0
    assert np.array_equal(Image.open(tmp_path / "x.png"), mixing_sheet(load_generator(run), [1, 2], [3, 4, 5], "fine"))
    for name in ("stylegan", "dcgan"):
        out = tmp_path / f"{name}.gif"
        assert main(["walk", str(generator_files / f"{name}.safetensors"), str(out), "--seeds", "1,2,3", "--frames", "5",
                     "--loop"]) == 0
        with Image.open(out) as picture:
            assert picture.n_frames == 5
    assert capsys.readouterr().err == ""
    assert main(["sample", run, str(tmp_path / "y.npy"), "--n", "1", "--psi", "3"]) == 0
    assert capsys.readouterr().err == "ganlib sample: psi=3.0: outside of -1 to 2 faces fall apart; 1 is no truncation.\n"


@pytest.mark.parametrize("kind", ["z", "ws"])
def test_a_latent_file_is_mixed_and_walked_from_in_the_shell(generator_files, tmp_path, styled, kind):
    run, file = str(generator_files / "stylegan.safetensors"), str(tmp_path / "found.safetensors")
    z = seed_latents(styled, "7,9")
    save_latents(file, styled, z if kind == "z" else styles(styled, z))
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
    (["walk", "stylegan", "x.avi", "--frames", "2"], "expected a name that ends in .gif"),
])
def test_shell_errors_are_one_clear_line(generator_files, tmp_path, capsys, words, expected):
    names = {"dcgan": str(generator_files / "dcgan.safetensors"), "stylegan": str(generator_files / "stylegan.safetensors")}
    assert main([str(tmp_path / w) if w.startswith("x.") else names.get(w, w) for w in words]) == 2
    err = capsys.readouterr().err
    assert expected in err and "Traceback" not in err and len(err.strip().splitlines()) <= 2
    assert not list(tmp_path.iterdir())
