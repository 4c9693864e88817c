"""Fixtures shared by all tests."""
import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))  # helpers.py, also for tests/faults
ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def real_faces():
    """The folder with anime-faces.zip, wild-faces.zip and anime-faces-labels.csv, or a skip."""
    folder = Path(os.environ.get("GANLIB_TEST_FACES", ROOT.parent / "shared" / "data"))
    if not (folder / "anime-faces.zip").is_file():
        pytest.skip(f"no real faces at {folder} (set GANLIB_TEST_FACES to a folder with anime-faces.zip)")
    return folder
