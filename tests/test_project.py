"""What the repository promises about itself."""
import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def committed():
    """The committed files that are there."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    return [path for name in listed.stdout.split("\0") if name and (path := ROOT / name).is_file()]


def cells(path, kind):
    return ["".join(c["source"]) for c in json.loads(path.read_text())["cells"] if c["cell_type"] == kind]


def test_environment_and_pyproject_have_the_same_pins():
    text = (ROOT / "environment.yml").read_text()
    pip = re.findall(r"^      - (\S+)$", text, re.M)
    assert pip == PROJECT["dependencies"] + PROJECT["optional-dependencies"]["lab"]
    python = re.search(r"^  - python(\S+)$", text, re.M).group(1)
    assert python == PROJECT["requires-python"]


SHIPPED = sorted(path.parent.name for path in (ROOT / "ganlib" / "shipped").glob("*/generator.safetensors"))


def test_generators_are_shipped():
    assert "stylegan-fast" in SHIPPED and "dcgan" in SHIPPED


def test_the_shipped_generators_stay_small():
    assert sum(p.stat().st_size for p in (ROOT / "ganlib" / "shipped").glob("*/*.safetensors")) < 40e6


def test_the_checkout_stays_small_and_has_no_file_twice():
    contents = [path.read_bytes() for path in committed()]
    large = [content for content in contents if len(content) > 10_000]
    assert sum(map(len, contents)) < 55e6 and len(large) == len(set(large))


def test_nothing_committed_names_a_package_registry_or_this_machine():
    words = ["py" + "pi.org", "python" + "hosted", "/wo" + "rk/", "/tm" + "p/old"]
    for path in committed():
        if path.suffix in (".py", ".md", ".toml", ".yml", ".yaml", ".cff", ".ipynb", ".json", ""):
            text = path.read_text(errors="ignore")
            assert not [word for word in words if word in text], path


def test_the_checkout_stays_small():
    assert sum(path.stat().st_size for path in committed()) < 55e6


@pytest.mark.parametrize("tool", [["ruff", "check"], ["mypy"]], ids=["ruff", "mypy"])
def test_nothing_to_complain_of(tool):
    """As pyproject.toml sets them up: style and likely mistakes, in notebooks too; types in the package."""
    found = subprocess.run([sys.executable, "-m", *tool], cwd=ROOT, capture_output=True, text=True)
    assert found.returncode == 0, found.stdout + found.stderr


def test_ci_installs_what_is_missing_and_runs_everything():
    workflow = (ROOT / ".github" / "workflows" / "test.yml").read_text()
    assert "run: .ci/run\n" in workflow and "ubuntu" in workflow
    assert all(f'"{version}"' in workflow for version in ("3.11", "3.12", "3.13"))
    script = (ROOT / ".ci" / "run").read_text()
    assert "GANLIB_REQUIRE_BROWSER=1 make test" in script and os.access(ROOT / ".ci" / "run", os.X_OK)


def test_the_citation_is_of_this_version():
    citation = (ROOT / "CITATION.cff").read_text()
    for line in (f"version: {PROJECT['version']}", f"license: {PROJECT['license']}",
                 f'repository-code: "{PROJECT["urls"]["Repository"]}"'):
        assert f"\n{line}\n" in citation


def test_importing_ganlib_loads_no_training_code():
    code = "import sys, ganlib.models.store; print(sorted(m for m in sys.modules if m.startswith('ganlib')))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "ganlib.training.loop" not in out and "ganlib.models.store" in out
