"""Runs that were begun before the package had rooms go on in it, bit for bit, for each kind of model."""
import json
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from ganlib.config import Config
from ganlib.images import enlarged
from ganlib.models.sampling import sample
from ganlib.models.store import load_generator
from ganlib.runs.folder import read_log, sample_files
from ganlib.runs.states import state_files
from ganlib.training.loop import train
from ganlib.training.schedule import moment

ROOT = Path(__file__).resolve().parents[2]
BEFORE = "af59fb0"  # the last commit of the flat package

RECIPES = {  # preset, what differs from it in the profile smoke
    "dcgan": ("dcgan", dict(batch=16, width=4, max_width=16, instance_noise=0.1, augment="color,cutout")),
    "stylegan": ("stylegan", dict(batch=16, batches="4:16", grow="8:0.05 16:0.1 32:0.15", fade_kimg=0.03)),
    "stylegan-fast": ("stylegan-fast", dict(batch=16, width=4, penalty_every=2)),
    "stylegan-projected": ("stylegan-projected", dict(batch=16, width=4)),
}
OLD_LEGS = """
import json, shutil, sys
from pathlib import Path
from helpers import make_pack
from ganlib.config import preset
from ganlib.train import train
folder = Path(sys.argv[1])
pack = make_pack(folder / "pack", 60)
for name, (kind, changes) in json.loads(sys.argv[2]).items():
    config = preset(kind, "smoke", device="cpu", precision="fp32", log_images=48, **changes)
    train(config.replace(images=96), pack, folder / "old" / name, progress=False)
    shutil.copytree(folder / "old" / name, folder / "new" / name)
    train(config.replace(images=192), pack, folder / "old" / name, progress=False)
"""


@pytest.fixture(scope="module")
def legs(tmp_path_factory):
    """A folder with old/<name>, all of it trained by the old package; new/<name>, its first half."""
    found = subprocess.run(["git", "cat-file", "-e", f"{BEFORE}^{{commit}}"], cwd=ROOT, capture_output=True)
    if found.returncode:
        pytest.skip(f"no commit {BEFORE} here: a shallow clone, or no repository")
    folder = tmp_path_factory.mktemp("before")
    archive = folder / "tree.tar"
    wanted = ["ganlib", "tests/helpers.py"]
    subprocess.run(["git", "archive", "-o", archive, BEFORE, *wanted], cwd=ROOT, check=True)
    with tarfile.open(archive) as tar:
        tar.extractall(folder / "tree", filter="data")
    paths = f"{folder / 'tree'}{os.pathsep}{folder / 'tree' / 'tests'}"
    subprocess.run([sys.executable, "-c", OLD_LEGS, folder, json.dumps(RECIPES)], cwd=folder, check=True,
                   env=os.environ | {"PYTHONPATH": paths, "OMP_NUM_THREADS": "1"})
    shutil.rmtree(folder / "tree")
    return folder


@pytest.mark.parametrize("name", RECIPES)
def test_an_old_run_resumes_bit_for_bit(legs, name):
    old, new = legs / "old" / name, legs / "new" / name
    config = Config.load(new / "config.json").replace(images=192, threads=1)
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    train(config, legs / "pack", new, progress=False)
    torch.set_num_threads(before)

    assert [f.name for f in state_files(old)] == [f.name for f in state_files(new)]
    pairs = [(state_files(old)[0], state_files(new)[0])]
    pairs += [(old / "generator.safetensors", new / "generator.safetensors")]
    for a, b in pairs:
        was, now = load_file(a), load_file(b)
        assert was.keys() == now.keys()
        assert not [key for key in was if not torch.equal(was[key], now[key])]

    pictures = [f.name for f in sample_files(old)]
    assert pictures == [f.name for f in sample_files(new)] and len(pictures) > 2
    for picture in pictures:
        a, b = (np.asarray(Image.open(run / "samples" / picture)) for run in (old, new))
        if int(Path(picture).stem) <= 96:  # the old package has drawn both
            assert np.array_equal(a, b)
            continue
        # it enlarged a growing network's pictures by repeating pixels, the new one does it smoothly
        scale = config.resolution // moment(config, int(Path(picture).stem)).resolution
        drawn = tiles(a, config.resolution)[:, ::scale, ::scale]
        assert np.array_equal(enlarged(drawn, scale), tiles(b, config.resolution))

    logs = [[told(config, record) for record in read_log(run)[0]] for run in (old, new)]
    assert logs[0] == logs[1] and logs[0][-1]["images"] == 192


def tiles(sheet, size, padding=2):
    """The pictures (n, size, size, 3) of a sample grid."""
    pitch = size + padding
    places = [(top, left) for top in range(padding, len(sheet), pitch)
              for left in range(padding, sheet.shape[1], pitch)]
    return np.stack([sheet[top:top + size, left:left + size] for top, left in places])


def told(config, record):
    """What a record tells, but for what depends on time, and on how pictures are enlarged."""
    left_out = {"train_seconds", "images_per_second"}
    if moment(config, record["images"]).resolution < config.resolution:
        left_out.add("diversity")
    return {key: value for key, value in record.items() if key not in left_out}


@pytest.mark.parametrize("name", RECIPES)
def test_an_old_generator_draws(legs, name):
    images = sample(load_generator(legs / "old" / name), 4)
    assert images.shape == (4, 32, 32, 3) and images.std() > 0
