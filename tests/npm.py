"""Files of npm packages that tests need: fetched once, and kept below build/."""
import os
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest
from filelock import FileLock

BUILD = Path(__file__).resolve().parents[1] / "build" / "npm"


def npm():
    """The path of npm. Where there is none, the test is skipped, or fails in CI."""
    path = shutil.which("npm")
    if not path:
        (pytest.fail if os.environ.get("GANLIB_REQUIRE_BROWSER") else pytest.skip)("no npm in the PATH")
    return path


def file_of(package, version, member):
    """The text of a file of a package."""
    kept = BUILD / f"{package}-{version}-{Path(member).name}"
    BUILD.mkdir(parents=True, exist_ok=True)
    with FileLock(BUILD / ".lock"):
        if not kept.exists():
            folder = BUILD / f"{package}-{version}"
            folder.mkdir(exist_ok=True)
            subprocess.run([npm(), "pack", "--silent", f"{package}@{version}"], cwd=folder, check=True,
                           capture_output=True)
            archive, = folder.glob("*.tgz")
            with tarfile.open(archive) as packed:
                kept.write_bytes(packed.extractfile(f"package/{member}").read())
            shutil.rmtree(folder)
    return kept.read_text()


def runtime(monkeypatch_context):
    """Fetch ONNX Runtime for browsers into build/, where several processes and sessions share it."""
    from ganlib.sharing.pages import fetch_runtime
    BUILD.mkdir(parents=True, exist_ok=True)
    with FileLock(BUILD / ".lock"):
        monkeypatch_context.setenv("GANLIB_DATA", str(BUILD))
        npm()
        return fetch_runtime()
