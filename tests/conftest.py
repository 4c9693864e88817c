"""Fixtures shared by all tests."""
import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))  # helpers.py, also for the folders below
ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def real_faces():
    """The folder with anime-faces.zip, wild-faces.zip and anime-faces-labels.csv, or a skip."""
    folder = Path(os.environ.get("GANLIB_TEST_FACES", ROOT.parent / "shared" / "data"))
    if not (folder / "anime-faces.zip").is_file():
        pytest.skip(f"no real faces at {folder} (set GANLIB_TEST_FACES to a folder with anime-faces.zip)")
    return folder


@pytest.fixture(scope="session")
def generator_files(tmp_path_factory):
    """A folder with stylegan.safetensors, fast.safetensors and dcgan.safetensors, small and untrained."""
    from generators import save_dcgan, save_stylegan

    folder = tmp_path_factory.mktemp("generators")
    save_stylegan(folder / "stylegan.safetensors")
    save_stylegan(folder / "fast.safetensors", model="stylegan-fast")
    save_dcgan(folder / "dcgan.safetensors")
    return folder


@pytest.fixture(scope="session")
def styled(generator_files):
    """A LoadedGenerator with styles, of 32 pixels. Load it anew to change it."""
    from ganlib.models.store import load_generator

    return load_generator(generator_files / "stylegan.safetensors")


@pytest.fixture(scope="session")
def plain(generator_files):
    """A LoadedGenerator without styles, of 32 pixels."""
    from ganlib.models.store import load_generator

    return load_generator(generator_files / "dcgan.safetensors")


@pytest.fixture(scope="session")
def labelled_files(tmp_path_factory):
    """A folder with stylegan-fast.safetensors and dcgan.safetensors, which know hair, eyes and glasses."""
    from generators import save_labelled

    folder = tmp_path_factory.mktemp("labelled")
    for model in "stylegan-fast", "dcgan":
        save_labelled(folder / f"{model}.safetensors", model)
    return folder


@pytest.fixture(scope="session")
def labelled_styles(labelled_files):
    """A LoadedGenerator with styles that has learned labels, of 32 pixels. Load it anew to change it."""
    from ganlib.models.store import load_generator

    return load_generator(labelled_files / "stylegan-fast.safetensors")


@pytest.fixture(scope="session", params=["stylegan-fast", "dcgan"])
def labelled(labelled_files, request):
    """A LoadedGenerator that has learned labels, with styles and without."""
    from ganlib.models.store import load_generator

    return load_generator(labelled_files / f"{request.param}.safetensors")
