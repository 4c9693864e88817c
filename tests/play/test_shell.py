"""The verbs sample, mix and walk."""
import numpy as np
import pytest
from PIL import Image

from ganlib.__main__ import main
from ganlib.models.sampling import generate, sample, seed_latents, styles
from ganlib.models.store import load_generator
from ganlib.play.latent_files import save_latents
from ganlib.play.styles import mixing_sheet, points
from ganlib.view.movies import movie


def run(*words):
    """The exit status of a command line."""
    return main([str(word) for word in words])


def test_shell(generator_files, tmp_path, capsys):
    styled = generator_files / "stylegan.safetensors"
    assert run("sample", styled, tmp_path / "x.npy", "--n", 3, "--psi", 0) == 0
    images = np.load(tmp_path / "x.npy")
    assert (images == images[0]).all()
    choice = "--rows", "1,2", "--cols", "3,4,5", "--layers", "fine"
    assert run("mix", styled, tmp_path / "x.png", *choice) == 0
    sheet = mixing_sheet(load_generator(styled), [1, 2], [3, 4, 5], "fine")
    assert np.array_equal(Image.open(tmp_path / "x.png"), sheet)
    for name in ("stylegan", "dcgan"):
        file, out = generator_files / f"{name}.safetensors", tmp_path / f"{name}.gif"
        assert run("walk", file, out, "--seeds", "1,2,3", "--frames", 5, "--loop") == 0
        with Image.open(out) as picture:
            assert picture.n_frames == 5
    assert capsys.readouterr().err == ""
    assert run("sample", styled, tmp_path / "y.npy", "--n", 1, "--psi", 3) == 0
    warning = "ganlib sample: psi=3.0: outside of -1 to 2 faces fall apart; 1 is no truncation.\n"
    assert capsys.readouterr().err == warning


@pytest.mark.parametrize("kind", ["z", "ws"])
def test_a_latent_file_is_mixed_and_walked_from_in_the_shell(generator_files, tmp_path, styled, kind):
    file, model = tmp_path / "found.safetensors", generator_files / "stylegan.safetensors"
    z = seed_latents(styled, "7,9")
    save_latents(file, styled, z if kind == "z" else styles(styled, z))
    for rows, name in ((file, "a"), ("7,9", "b")):
        choice = "--rows", rows, "--cols", "3", "--layers", "all", "--psi", "0.5"
        assert run("mix", model, tmp_path / f"{name}.png", *choice) == 0
        assert run("walk", model, tmp_path / f"{name}.gif", "--seeds", rows, "--frames", 3) == 0
    a, b = (np.asarray(Image.open(tmp_path / name)) for name in ("a.png", "b.png"))
    place = 112  # pixels from the left, where the pictures begin: only the labels differ
    assert np.array_equal(a[:, place:], b[:, place:]) and not np.array_equal(a, b)
    assert (tmp_path / "a.gif").read_bytes() == (tmp_path / "b.gif").read_bytes()


@pytest.mark.parametrize("model", ["stylegan-fast", "dcgan"])
def test_labels_in_the_shell(labelled_files, tmp_path, capsys, model):
    file = labelled_files / f"{model}.safetensors"
    generator = load_generator(file)
    assert run("sample", file, tmp_path / "x.npy", "--n", 3, "--hair", "pink", "--eyes=green") == 0
    images = sample(generator, 3, labels={"hair": "pink", "eyes": "green"})
    assert np.array_equal(np.load(tmp_path / "x.npy"), images)
    assert run("sample", file, tmp_path / "pngs", "--n", 1, "--hair", "pink") == 0
    assert run("walk", file, tmp_path / "x.gif", "--seeds", 3, "--hair", "blue,pink", "--frames", 2) == 0
    movie(tmp_path / "y.gif", generate(generator, points(generator, [3], 1.0, {"hair": ["blue", "pink"]})))
    assert (tmp_path / "x.gif").read_bytes() == (tmp_path / "y.gif").read_bytes()
    assert capsys.readouterr().err == ""
    assert run("sample", file, tmp_path / "pngs", "--n", 1, "--hair", "red") == 2  # another set
    assert "hair pink" in capsys.readouterr().err


def test_labels_of_a_mixing_sheet_in_the_shell(labelled_files, tmp_path):
    file, choice = labelled_files / "stylegan-fast.safetensors", ("--rows", "1,2", "--cols", 3)
    assert run("mix", file, tmp_path / "x.png", *choice, "--glasses", "yes") == 0
    sheet = mixing_sheet(load_generator(file), [1, 2], [3], labels={"glasses": "yes"})
    assert np.array_equal(Image.open(tmp_path / "x.png"), sheet)


@pytest.mark.parametrize("verb, out", [("sample", "x.npy"), ("mix", "x.png"), ("walk", "x.gif")])
@pytest.mark.parametrize("model, words, expected", [
    ("labels", ["--hair", "pnk"], "hair='pnk': there is no such class. Did you mean 'pink'"),
    ("labels", ["--har", "pink"], "no 'har'. Did you mean 'hair'"),
    ("stylegan", ["--hair", "pink"], "hair='pink': this generator has learned no labels"),
])
def test_labels_that_a_generator_has_not_learned(generator_files, labelled_files, tmp_path, capsys, verb, out,
                                                 model, words, expected):
    file = labelled_files / "stylegan-fast.safetensors"
    if model != "labels":
        file = generator_files / f"{model}.safetensors"
    assert run(verb, file, tmp_path / out, *words) == 2
    err = capsys.readouterr().err
    assert expected in err and len(err.strip().splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_faces_and_labels_that_do_not_fit(labelled_files, tmp_path, capsys):
    file = labelled_files / "stylegan-fast.safetensors"
    assert run("walk", file, tmp_path / "x.gif", "--seeds", "1,2,3", "--hair", "pink,blue") == 2
    assert "expected one class, or one for each of the 3 faces" in capsys.readouterr().err


def test_labels_that_look_like_options(labelled_files, generator_files, tmp_path, capsys):
    file, cols = labelled_files / "stylegan-fast.safetensors", ("--cols", "1,2")
    assert run("mix", file, tmp_path / "x.png", *cols, "--eyes", "green", "--glasses", "no") == 0
    assert run("walk", file, tmp_path / "x.gif", "--frames", 2, "--eyes", "green") == 0
    assert run("sample", file, tmp_path / "x.npy", "--pis", "0.5") == 2
    assert "no 'pis'. Known: eyes, glasses, hair. Or did you mean --psi?" in capsys.readouterr().err
    assert run("sample", file, tmp_path / "x.npy", "--eyes", "gren") == 2
    assert "Did you mean 'green'? Known: brown, green.\n" in capsys.readouterr().err


@pytest.mark.parametrize("words", [
    ["sample", "dcgan", "x.npy", "--hair"], ["sample", "dcgan", "x.npy", "pink"],
    ["presets", "--hair", "pink"], ["sample", "dcgan", "x.npy", "--loop"],
])
def test_words_that_are_no_labels(tmp_path, capsys, words):
    with pytest.raises(SystemExit) as stopped:
        main([str(tmp_path / word) if word.startswith("x.") else word for word in words])
    assert stopped.value.code == 2 and "unrecognized arguments" in capsys.readouterr().err


@pytest.mark.parametrize("words, expected", [
    (["mix", "dcgan", "x.png"], "no styles"),
    (["sample", "stylegan", "x.npy", "--psi", "nan"], "psi=nan"),
    (["walk", "stylegan", "x.gif", "--seeds", "none.safetensors"], "not a latent file"),
    (["walk", "stylegan", "x.gif", "--psi", "inf"], "psi=inf"),
    (["sample", "dcgan", "x.npy", "--psi", "0.7"], "no styles"),
    (["walk", "dcgan", "x.gif", "--psi", "0.7"], "no styles"),
    (["mix", "stylegan", "x.png", "--rows", "1,2,0.5"], "whole numbers"),
    (["mix", "stylegan", "x.jpg"], ".png"),
    (["mix", "stylegan", "x.png", "--layers", "midle"], "Did you mean 'middle'"),
    (["walk", "stylegan", "x.gif", "--seeds", "1,-"], "whole numbers"),
    (["walk", "stylegan", "x.gif", "--seeds", "1"], "1 face: a walk needs two"),
    (["walk", "stylegan", "x.avi", "--frames", "2"], "expected a name that ends in .webp"),
])
def test_shell_errors_are_one_clear_line(generator_files, tmp_path, capsys, words, expected):
    names = {name: str(generator_files / f"{name}.safetensors") for name in ("dcgan", "stylegan")}
    assert main([str(tmp_path / w) if w.startswith("x.") else names.get(w, w) for w in words]) == 2
    err = capsys.readouterr().err
    assert expected in err and "Traceback" not in err and len(err.strip().splitlines()) <= 2
    assert not list(tmp_path.iterdir())


def test_words_are_seeds_and_it_is_said_which(generator_files, tmp_path, capsys):
    plain = generator_files / "dcgan.safetensors"
    assert run("walk", plain, tmp_path / "a.gif", "--seeds", "ann 7", "--frames", 3) == 0
    assert "ann is seed 3,936,924,788" in capsys.readouterr().out
