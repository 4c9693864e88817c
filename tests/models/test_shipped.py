"""The generators that ship are part of the package: a wheel is enough to draw faces."""
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

from ganlib.models.store import SHIPPED, load_generator, shipped
from ganlib.play.directions import directions
from ganlib.tensors import read_metadata

ROOT = Path(__file__).resolve().parents[2]
DRAW = """
import json
import ganlib
from ganlib.__main__ import main
from ganlib.models.store import shipped
for name in shipped():
    assert main(["sample", name, f"{name}.npy", "--n", "2", "--seed", "1"]) == 0
print(json.dumps([ganlib.__file__, shipped()]))
"""


def run(*command, **options):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The python of a fresh environment with ganlib from a wheel, and this environment's other packages."""
    folder = tmp_path_factory.mktemp("wheel")
    # On a copy, as a build writes beside what it reads
    for name in "ganlib", "pyproject.toml", "README.md", "LICENSE":
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, folder / name)
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    run(*pip, "wheel", "--no-deps", "--no-build-isolation", "--no-index", "-w", folder, folder)
    wheel, = folder.glob("ganlib-*.whl")
    shutil.rmtree(folder / "ganlib")
    venv.create(folder / "venv", with_pip=False)
    python = folder / "venv" / "bin" / "python"
    site = run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip()
    # The packages of this environment. Its own ganlib is an editable one, which a .pth does not bring along
    Path(site, "others.pth").write_text(sysconfig.get_path("purelib"))
    run(*pip, "--python", python, "install", "--no-deps", "--no-index", wheel)
    return python


def test_an_installed_wheel_draws_faces_of_every_shipped_name(installed, tmp_path):
    env = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "GANLIB_"))}
    place, names = json.loads(run(installed, "-c", DRAW, cwd=tmp_path, env=env).splitlines()[-1])
    assert str(installed.parents[1]) in place
    assert names == shipped()
    for name in names:
        assert (tmp_path / f"{name}.npy").stat().st_size > 2 * 64 * 64 * 3


@pytest.mark.parametrize("name", shipped())
def test_directions_that_ship_belong_to_their_generator(name):
    """They are those of the file: a search would take seconds, and find no names that people gave."""
    generator = load_generator(name)
    if not generator.has_styles:
        assert not (SHIPPED / name / "directions.safetensors").exists()
        return
    names = json.loads(read_metadata((SHIPPED / name / "directions.safetensors").read_bytes())["names"])
    assert [*directions(generator)[0]] == names
