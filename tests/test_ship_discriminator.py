"""The small command that puts a discriminator beside a generator of the package."""
import shutil
import sys
from pathlib import Path

import pytest
from helpers import make_pack, tiny

from ganlib.models import store
from ganlib.runs.origin import open_origin
from ganlib.training.loop import train

sys.path.insert(0, str(Path(__file__).parents[1] / "experiments"))
import ship_discriminator  # noqa: E402


def test_a_run_gives_its_discriminator_to_its_generator_and_to_no_other(tmp_path, monkeypatch, capsys):
    runs = {}
    for name, seed, width in (("mine", 0, 4), ("of-others", 1, 4), ("wider", 0, 8)):
        packed = make_pack(tmp_path / f"pack-{name}", 40, seed=seed)
        runs[name] = train(tiny(images=32, width=width), packed, tmp_path / name, progress=False).path
    folder = tmp_path / "shipped" / "faces"
    folder.mkdir(parents=True)
    shutil.copy(runs["mine"] / "generator.safetensors", folder)
    monkeypatch.setattr(store, "SHIPPED", folder.parent)

    def shell(run):
        monkeypatch.setattr(sys, "argv", ["ship_discriminator.py", str(run), "faces"])
        ship_discriminator.main()

    assert open_origin("faces").tensors["d"] == {}
    for name, words in (("of-others", "has seen other pictures"), ("wider", "has other networks")):
        with pytest.raises(SystemExit, match=words):
            shell(runs[name])
    assert open_origin("faces").tensors["d"] == {}
    shell(runs["mine"])
    assert "MB, as of 0 images after the generator" in capsys.readouterr().out
    there = open_origin(runs["mine"]).tensors["d"]
    assert open_origin("faces").tensors["d"].keys() == there.keys()
