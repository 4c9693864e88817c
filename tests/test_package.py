"""import ganlib, and its shell: quick, and with the names that the README uses."""
import subprocess
import sys
import time

import pytest
from helpers import make_pack

import ganlib
from ganlib.__main__ import main
from ganlib.config import Config


def seconds(*command):
    """The shortest of five calls: other work on the machine makes calls longer, never shorter."""
    times = []
    for _ in range(5):
        begun = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        times.append(time.perf_counter() - begun)
    return min(times)


def test_import_and_help_are_quick():
    assert seconds(sys.executable, "-c", "import ganlib") < 0.3
    assert seconds(sys.executable, "-m", "ganlib", "--help") < 0.5


@pytest.mark.parametrize("name", ganlib.__all__)
def test_every_public_name_is_there(name):
    assert getattr(ganlib, name).__name__ == name


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'trian'"):
        ganlib.trian  # noqa: B018  (looking it up is the test)


def test_names_are_loaded_when_they_are_used():
    code = ("import sys, ganlib; assert 'torch' not in sys.modules; ganlib.load_generator; "
            "assert 'ganlib.models.store' in sys.modules and 'ganlib.training.loop' not in sys.modules")
    subprocess.run([sys.executable, "-c", code], check=True)


def test_train_takes_a_config_in_the_place_of_a_preset(tmp_path, capsys):
    pack = make_pack(tmp_path / "pack", 40)
    run, again = tmp_path / "run", tmp_path / "again"
    changes = ["width=4", "batch=8", "resolution=32", "threads=1"]
    assert main(["train", "lsgan", str(pack.path), str(run), "--images", "16", "--set", *changes]) == 0
    config = str(run / "config.json")
    assert main(["train", config, str(pack.path), str(again), "--images", "32", "--set", "lr_g=0.001"]) == 0
    found = Config.load(again / "config.json")
    assert (found.preset, found.width, found.images, found.lr_g) == ("lsgan", 4, 32, 0.001)
    capsys.readouterr()
    assert main(["train", config, str(pack.path), str(again), "--profile", "demo"]) == 2
    assert "leave the profile 'demo' out" in capsys.readouterr().err
    assert main(["train", str(run / "nothing.json"), str(pack.path), str(again)]) == 2
    assert "nothing.json is not a config.json" in capsys.readouterr().err
