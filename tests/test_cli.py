import json
import re
from pathlib import Path

import numpy as np
import pytest
from helpers import make_pack
from PIL import Image

from ganlib.__main__ import main
from ganlib.runs.folder import sample_files, snapshot_files

ROOT = Path(__file__).resolve().parent.parent

SMALL = [
    "width=4",
    "resolution=32",
    "batch=16",
    "z_dim=8",
    "device=cpu",
    "precision=fp32",
    "frames=3",
    "log_images=32",
]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cli")
    make_pack(folder / "pack", 40)
    assert (
        main(["train", "dcgan", str(folder / "pack"), str(folder / "run"), "--images", "96", "--set", *SMALL])
        == 0
    )
    return folder / "run"


def test_train_and_resume(run, capsys):
    config = json.loads((run / "config.json").read_text())
    assert (
        config["recipe"]["width"] == 4
        and config["engine"]["images"] == 96
        and config["engine"]["minutes"] == 0
    )
    arguments = ["train", "dcgan", str(run.parent / "pack"), str(run)]
    assert main(arguments + ["--images", "128", "--set", *SMALL]) == 0
    assert ": 128 images, " in capsys.readouterr().out
    assert main(arguments + ["--images", "160", "--set", *SMALL, "lr_g=1"]) == 2
    assert "lr_g: 0.0005 there, 1.0 now" in capsys.readouterr().err


def test_a_short_try_saves_as_few_as_it_is_told(run, tmp_path):
    words = re.search(r"`--images 2000 (--set [^`]*)`", (ROOT / "docs" / "running.md").read_text())[1].split()
    arguments = ["train", "dcgan", str(run.parent / "pack"), str(tmp_path / "try"), "--images", "480"]
    small = [item for item in SMALL if not item.startswith("frames")]
    assert main([*arguments, *words, *small]) == 0
    assert len(sample_files(tmp_path / "try")) == 9  # 8, and that of the untrained generator
    assert len(snapshot_files(tmp_path / "try")) == 2


def test_sample(run, tmp_path, capsys):
    assert main(["sample", str(run), str(tmp_path / "x.npy"), "--n", "70", "--seed", "4"]) == 0
    images = np.load(tmp_path / "x.npy")
    assert images.shape == (70, 32, 32, 3) and images.dtype == np.uint8
    assert main(["sample", str(run), str(tmp_path / "pngs"), "--n", "3", "--seed", "4"]) == 0
    files = sorted((tmp_path / "pngs").iterdir())
    assert len(files) == 3
    for i, file in enumerate(files):
        assert np.abs(np.asarray(Image.open(file)).astype(int) - images[i]).max() <= 1
    assert main(["sample", str(run), str(tmp_path / "x.jpg")]) == 2
    assert main(["sample", str(tmp_path / "nothing"), str(tmp_path / "y.npy")]) == 2
    assert main(["sample", str(run), str(tmp_path / "y.npy"), "--n", "0"]) == 2
    assert "Traceback" not in capsys.readouterr().err


def test_gif(run, tmp_path):
    assert main(["gif", str(run), str(tmp_path / "x.gif")]) == 0
    with Image.open(tmp_path / "x.gif") as image:
        assert image.n_frames >= 4
    assert main(["gif", str(tmp_path), str(tmp_path / "y.gif")]) == 2


def test_presets(capsys):
    assert main(["presets"]) == 0
    assert "dcgan" in capsys.readouterr().out
    assert main(["presets", "dcgan"]) == 0
    assert "lr_g         0.0005" in capsys.readouterr().out
    assert main(["presets", "dcgan", "dcgan"]) == 0
    assert "the same recipe" in capsys.readouterr().out
    assert main(["presets", "v4.3", "v3"]) == 0
    assert [line.split() for line in capsys.readouterr().out.splitlines()] == [
        ["v4.3", "v3"],
        ["g_gate", "4.0", "0.0"],
    ]
    assert main(["presets", "dcgan-10k", "dcgan"]) == 0
    assert ["images", "640000", "0"] in [line.split() for line in capsys.readouterr().out.splitlines()]
    assert main(["presets", "dcgn"]) == 2
    assert "Did you mean 'dcgan'" in capsys.readouterr().err


def test_data_from_drawn_faces(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("GANLIB_DATA", str(tmp_path))
    folder = tmp_path / "faces"
    folder.mkdir()
    from ganlib.data.synthetic import face

    for i in range(6):
        Image.fromarray(face(i, size=64)[0]).save(folder / f"{i}.png")
    assert main(["data", str(folder), str(tmp_path / "pack"), "--size", "32", "--faces", "off"]) == 0
    assert "6 images of 32x32" in capsys.readouterr().out
    assert main(["data", str(tmp_path / "none"), str(tmp_path / "pack")]) == 2


@pytest.mark.parametrize(
    "words, expected",
    [
        (["train", "dcgan", "PACK", "RUN", "--images", "10", "--set", "lrg=1"], "lr_g"),
        (["train", "dcgan", "PACK", "RUN", "--images", "10", "--set", "lr_g"], "key=value"),
        (["train", "dcgan", "PACK", "RUN"], "no budget"),
        (["train", "dcgan", "PACK", "RUN", "--set", "batch=1", "--set", "seed=3"], "batch=1"),
        (["train", "dcgan", "PACK", "RUN", "--set", "name=x"], "no config key 'name'"),
        (["train", "dcgan", "PACK", "RUN", "--set", "seed=99999999999999999999"], "seed="),
        (["train", "dcgan", "NOPACK", "RUN", "--images", "10"], "does not exist"),
    ],
)
def test_errors_are_one_clear_line(run, tmp_path, capsys, words, expected):
    names = {"PACK": str(run.parent / "pack"), "RUN": str(tmp_path / "run"), "NOPACK": str(tmp_path / "no")}
    assert main([names.get(w, w) for w in words]) == 2
    err = capsys.readouterr().err
    assert expected in err and "Traceback" not in err and len(err.strip().splitlines()) <= 2
    assert not (tmp_path / "run").exists()
