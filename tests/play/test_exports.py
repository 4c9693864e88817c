"""Samples, sheets and walks as files: what may be written where."""
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from ganlib.__main__ import main
from ganlib.errors import GanlibError
from ganlib.files import check_replaceable
from ganlib.models.sampling import sample
from ganlib.play.exports import export_mixing_sheet, export_samples, export_walk
from ganlib.view.movies import movie


def files(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_samples_as_an_array_and_as_pictures(styled, tmp_path):
    export_samples(styled, tmp_path / "x.npy", 70, seed=2, psi=0.5)
    images = np.load(tmp_path / "x.npy")
    assert images.dtype == np.uint8 and np.array_equal(images, sample(styled, 70, 2, 0.5))
    export_samples(styled, tmp_path / "faces", 70, seed=2, psi=0.5)
    names = sorted(path.name for path in (tmp_path / "faces").iterdir())
    assert names == [f"seed2-{i:05d}.png" for i in range(70)]
    assert np.array_equal(np.stack([Image.open(tmp_path / "faces" / name) for name in names]), images)


def test_the_same_model_goes_on_in_its_folder(styled, tmp_path):
    export_samples(styled, tmp_path / "faces", 5)
    before = files(tmp_path / "faces")
    export_samples(styled, tmp_path / "faces", 7)
    assert before.items() <= files(tmp_path / "faces").items() and len(files(tmp_path / "faces")) == 7
    export_samples(styled, tmp_path / "faces", 3, seed=1)
    assert len(files(tmp_path / "faces")) == 10


@pytest.mark.parametrize("export", [
    lambda generators, folder: export_samples(generators["plain"], folder, 3),
    lambda generators, folder: export_samples(generators["styled"], folder, 3, psi=0.5),
    lambda generators, folder: export_samples(generators["plain"], folder, 3, seed=1),
])
def test_another_models_pictures_are_left_alone(styled, plain, tmp_path, export):
    export_samples(styled, tmp_path / "faces", 5)
    before = files(tmp_path / "faces")
    with pytest.raises(
        GanlibError, match="seed0-00000.png in it is of another generator, psi or label .*new folder"
    ):
        export({"styled": styled, "plain": plain}, tmp_path / "faces")
    assert files(tmp_path / "faces") == before


@pytest.mark.parametrize("name, data", [("seed0-00000.png", b""), ("a.jpg", b"photo"), ("a.txt", b"notes")])
def test_foreign_files_are_never_overwritten_or_joined(styled, tmp_path, name, data):
    (tmp_path / name).write_bytes(data)
    (tmp_path / ".DS_Store").write_bytes(b"hidden")
    with pytest.raises(GanlibError, match=f"{name} in it is no sample of ganlib's"):
        export_samples(styled, tmp_path, 3)
    assert files(tmp_path) == {name: data, ".DS_Store": b"hidden"}
    (tmp_path / name).unlink()
    export_samples(styled, tmp_path, 3)  # what a file manager hides is nobody's picture
    assert len(files(tmp_path)) == 4


@pytest.mark.parametrize(
    "verb, name",
    [("sample", "x.npy"), ("mix", "x.png"), ("walk", "x.gif"), ("walk", "x.webp"), ("walk", "x.mp4")],
)
def test_an_export_replaces_an_export_and_nothing_else(generator_files, tmp_path, capsys, verb, name):
    run, out = str(generator_files / "stylegan.safetensors"), tmp_path / name
    few = ["--n", "2"] if verb == "sample" else ["--frames", "2", "--seeds", "1,2"] if verb == "walk" else []
    out.write_bytes(b"what someone wrote")
    assert main([verb, run, str(out), *few]) == 2
    assert "it is no" in capsys.readouterr().err and out.read_bytes() == b"what someone wrote"
    out.unlink()
    out.mkdir()
    assert main([verb, run, str(out), *few]) == 2
    assert "it is no file" in capsys.readouterr().err and not [*out.iterdir()]
    out.rmdir()
    if name != "x.mp4":
        assert main([verb, run, str(out), *few]) == 0
        assert main([verb, run, str(out), *few]) == 0  # again


@pytest.mark.parametrize("name", ["x.gif", "x.mp4", "x.webp", "x.png", "x.json"])
def test_movies_figures_and_tables_leave_other_files_alone(tmp_path, name):
    out = tmp_path / name
    out.write_bytes(b"what someone wrote")
    with pytest.raises(GanlibError, match="x.[a-z0-9]* is there already, and .*it is no"):
        check_replaceable(out)
    if out.suffix in (".gif", ".mp4", ".webp"):
        with pytest.raises(GanlibError, match="it is no"):
            movie(out, np.zeros((2, 32, 32, 3), np.uint8))
    if out.suffix == ".json":
        assert main(["evaluate", str(tmp_path), "dcgan", "--json", str(out)]) == 2
    assert files(tmp_path) == {name: b"what someone wrote"}


def test_walks_and_sheets_that_cannot_be_are_refused_before_any_work(styled, tmp_path):
    with pytest.raises(GanlibError, match=".gif"):
        export_walk(styled, tmp_path / "x.avi", "1,2")
    with pytest.raises(GanlibError, match=".png"):
        export_mixing_sheet(styled, tmp_path / "x.jpg", "1", "2")
    with pytest.raises(GanlibError, match="n=0"):
        export_samples(styled, tmp_path / "x.npy", 0)
    assert not [*tmp_path.iterdir()]


def test_nothing_is_left_of_an_array_that_was_cut_off(styled, tmp_path, monkeypatch):
    export_samples(styled, tmp_path / "x.npy", 2)
    before = files(tmp_path)

    def cut_off(*_, **__):
        yield np.zeros((64, 32, 32, 3), np.uint8)
        raise KeyboardInterrupt

    monkeypatch.setattr("ganlib.play.exports.sample_parts", cut_off)
    with pytest.raises(KeyboardInterrupt):
        export_samples(styled, tmp_path / "x.npy", 100)
    assert files(tmp_path) == before


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere ru_maxrss has another unit, or is not there")
def test_samples_never_lie_in_memory_all_at_once(generator_files, tmp_path):
    """28 MB of them, by a process that then needs hardly more than after a few."""
    code = """
import resource, sys
from ganlib.__main__ import main
run, few, many = sys.argv[1:]
assert main(["sample", run, few, "--n", "700"]) == 0
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
assert main(["sample", run, many, "--n", "9000"]) == 0
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
"""
    words = generator_files / "dcgan.safetensors", tmp_path / "few.npy", tmp_path / "many.npy"
    command = [str(word) for word in (sys.executable, "-c", code, *words)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert float(done.stdout.splitlines()[-1]) < 14  # MB
    images = np.load(tmp_path / "many.npy", mmap_mode="r")
    assert images.shape == (9_000, 32, 32, 3)
    assert np.array_equal(images[:700], np.load(tmp_path / "few.npy"))


def test_samples_that_do_not_fit_are_one_sentence(styled):
    with pytest.raises(
        GanlibError, match=r"Out of memory.*100,000,000,000,000 images of 32x32 take 307,200,000.0 GB"
    ):
        sample(styled, 10**14)
