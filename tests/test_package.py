"""import ganlib, and its shell: quick, and with the names that the README uses."""
import signal
import subprocess
import sys
import time

import pytest
from helpers import make_pack
from processes import wait_for_checkpoint

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
    assert "There is no file" in capsys.readouterr().err


def test_a_training_that_was_stopped_is_told_to_the_shell(tmp_path):
    """`ganlib train a ... || exit` in a loop is not to go on with the next one after Ctrl-C."""
    pack = make_pack(tmp_path / "pack", 40)
    run = tmp_path / "run"
    changes = ["width=4", "batch=16", "resolution=32", "threads=1", "checkpoint_minutes=0"]
    command = [sys.executable, "-m", "ganlib", "train", "dcgan", str(pack.path), str(run)]
    process = subprocess.Popen([*command, "--images", "99999999", "--set", *changes], text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    wait_for_checkpoint(run, process)
    process.send_signal(signal.SIGINT)
    out = process.communicate(timeout=60)[0]
    assert process.returncode == 130 and "the same call goes on from here" in out
