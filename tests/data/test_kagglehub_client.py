"""Public Kaggle sets without an account: kagglehub against a stand-in on loopback, and attached sets."""
import io
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from kaggle_stand_in import BODY, assert_right, zipped
from PIL import Image
from raw_files import png, refused, tree

from ganlib.__main__ import main
from ganlib.data.attached import attached_folder, attached_folders, is_attached_as
from ganlib.data.packs import load_pack
from ganlib.data.sources import fetch
from ganlib.errors import GanlibError
from ganlib.files import data_dir

pytestmark = pytest.mark.usefixtures("data")
DATASET = "kaggle:soumikrakshit/anime-faces"
PAGE = "https://www.kaggle.com/datasets/soumikrakshit/anime-faces"
MIB = 1 << 20


def archive_of(data):
    """Where kagglehub puts the archive while it comes."""
    store = data / ".anime-faces.soumikrakshit-anime-faces.download"
    return store / "datasets" / "soumikrakshit" / "anime-faces" / "1.archive"


def test_a_public_set_needs_no_account(public, home, data, capfd):
    folder = fetch(DATASET, progress=False)
    assert folder == data / "anime-faces"
    assert_right(folder)
    assert public.downloads() == [None]
    assert not [headers for _, _, headers in public.requests if "Authorization" in headers]
    assert capfd.readouterr() == ("", "")  # not a word
    assert not tree(home) and "KAGGLEHUB_CACHE" not in os.environ
    public.requests.clear()
    assert fetch(DATASET) == folder and not public.requests


def test_progress_is_shown_where_it_is_wanted(public, capfd):
    fetch(DATASET)
    told = capfd.readouterr()
    assert "100%" in told.err and told.out == ""


def test_ganlib_data_takes_a_public_set(public, tmp_path):
    pictures = []
    for seed in range(4):
        picture = io.BytesIO()
        pixels = np.random.default_rng(seed).integers(0, 256, (20, 20, 3), np.uint8)
        Image.fromarray(pixels).save(picture, "PNG")
        pictures.append(picture.getvalue())
    public.body = zipped({f"{i}.png": picture for i, picture in enumerate(pictures)})
    assert main(["data", DATASET, str(tmp_path / "pack"), "--size", "16", "--faces", "off"]) == 0
    assert len(load_pack(tmp_path / "pack")) == 4


def test_the_users_own_cache_setting_stays(public, tmp_path, monkeypatch):
    monkeypatch.setenv("KAGGLEHUB_CACHE", str(tmp_path / "theirs"))
    assert_right(fetch(DATASET, progress=False))
    assert os.environ["KAGGLEHUB_CACHE"] == str(tmp_path / "theirs")
    assert not (tmp_path / "theirs").exists()


def test_a_version_is_asked_for(public):
    assert_right(fetch(f"{DATASET}/3", progress=False))
    calls = [path.rpartition("/")[2] for _, path, _ in public.requests]
    assert calls == ["DownloadDataset", "archive.zip"]  # nobody asks for the newest version


def test_a_cut_connection_goes_on_by_itself(public):
    public.cuts = [1_500_000, 0, 1_200_000, 0]
    public.md5_of = BODY
    assert_right(fetch(DATASET, progress=False))
    ranges = [asked for asked in public.downloads() if asked]
    assert ranges == [f"bytes={MIB}-", f"bytes={2 * MIB}-"]


def test_cut_for_good_then_called_again(public):
    public.cuts = [1_500_000] + [0] * 20
    with pytest.raises(GanlibError, match="broke off .*call again to go on"):
        fetch(DATASET, progress=False)
    public.cuts = []
    public.requests.clear()
    assert_right(fetch(DATASET, progress=False))
    assert [asked for asked in public.downloads() if asked] == [f"bytes={MIB}-"]


def test_what_was_unpacked_by_half_is_unpacked_again(public, data):
    """As after a death while the archive was unpacked."""
    half = archive_of(data).parent / "versions" / "1" / "data" / "0.bmp"
    half.parent.mkdir(parents=True)
    half.write_bytes(b"half")
    archive_of(data).write_bytes(BODY)
    assert_right(fetch(DATASET, progress=False))
    assert public.downloads() == [None]  # its headers only: the archive is there


@pytest.mark.parametrize("status", [401, 403])
def test_a_set_that_needs_a_login(public, status):
    public.status = status
    refused(DATASET, f"without a login ({status})", "private", "consent", PAGE, "KAGGLE_API_TOKEN",
            "https://www.kaggle.com/settings")


def test_no_such_set(public):
    public.status = 404
    refused("kaggle:nobody/nothing", "no set nobody/nothing", "check the name",
            "https://www.kaggle.com/datasets/nobody/nothing")


def test_a_server_that_is_out_of_order(public):
    public.status = 503
    refused(DATASET, "broke off", "call again")


def test_no_internet(public, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    refused(DATASET, "cannot be reached", "no internet here (Connection refused)", "Check the connection",
            "synthetic")
    monkeypatch.setenv("KAGGLE_KERNEL_RUN_TYPE", "Interactive")
    refused(DATASET, "Settings (Internet on)")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_full_disk(public, data):
    """The archive is a device that is always full: the error is the system's own."""
    archive_of(data).parent.mkdir(parents=True)
    archive_of(data).symlink_to("/dev/full")
    refused(DATASET, "No space left on device")


@pytest.mark.parametrize("claimed", [None, BODY])
def test_a_damaged_archive_is_not_kept(public, claimed):
    """With a checksum of Kaggle's, and without."""
    public.body, public.md5_of = BODY[:2_000_000], claimed
    refused(DATASET, "removed", "call again")
    public.body = BODY
    assert_right(fetch(DATASET, progress=False))


def test_a_web_page_in_place_of_the_set(public):
    public.body, public.content_type = b"<!DOCTYPE html><html>sign in</html>", "text/html"
    refused(DATASET, "removed", "call again")
    public.body = BODY
    assert_right(fetch(DATASET, progress=False))


def test_without_kagglehub(public, monkeypatch):
    for name in [name for name in sys.modules if name.split(".")[0] == "kagglehub"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "kagglehub", None)
    refused(DATASET, "pip install kagglehub")


def test_stop_leaves_what_was_loaded(public, monkeypatch):
    def stop(*args, **options):
        raise KeyboardInterrupt

    import kagglehub
    monkeypatch.setattr(kagglehub, "dataset_download", stop)
    with pytest.raises(KeyboardInterrupt):
        fetch(DATASET, progress=False)
    assert "KAGGLEHUB_CACHE" not in os.environ


# -- attached by Kaggle


@pytest.fixture
def inputs(tmp_path, monkeypatch):
    """What stands for /kaggle/input."""
    monkeypatch.setenv("KAGGLE_CACHE_MOUNT_FOLDER", str(tmp_path / "input"))
    return tmp_path / "input"


def fill(folder):
    folder.mkdir(parents=True)
    (folder / "a.png").write_bytes(png(1))
    return folder


@pytest.mark.parametrize("below", ["anime-faces", "datasets/soumikrakshit/anime-faces"])
def test_an_attached_set_is_used_without_a_server(kaggle, inputs, below):
    folder = fill(inputs / below)
    assert fetch(DATASET) == folder and not kaggle.requests
    assert attached_folder("soumikrakshit/anime-faces") == folder
    assert attached_folder("soumikrakshit/anime-faces/2") is None  # which version is there nobody knows


def test_the_set_of_another_owner_is_not_taken(inputs):
    fill(inputs / "datasets" / "another" / "anime-faces")
    assert attached_folder("soumikrakshit/anime-faces") is None


def test_what_was_downloaded_before_it_was_attached_stays(public, inputs):
    downloaded = fetch(DATASET, progress=False)
    fill(inputs / "anime-faces")
    assert fetch(DATASET, progress=False) == downloaded


def test_capitals_do_not_matter_for_an_attached_set(inputs):
    """A set's address may be written with them; Kaggle attaches it in small letters."""
    folder = inputs / "datasets" / "own" / "faces-a"
    folder.mkdir(parents=True)
    (folder / "a.png").write_bytes(png())
    assert attached_folder("Own/Faces-A") == folder
    assert fetch("kaggle:Own/Faces-A") == folder
    assert is_attached_as("OWN/faces-a", folder) and not is_attached_as("own/faces-b", folder)
    (inputs / "Faces-B").mkdir()
    assert attached_folder("own/faces-b") == inputs / "Faces-B"


def test_attached_folders_are_those_with_pictures(inputs):
    assert attached_folders() == []
    found = [fill(inputs / "a" / "deep").parent, fill(inputs / "datasets" / "someone" / "b")]
    (inputs / "tables").mkdir()
    (inputs / "tables" / "t.csv").write_text("x")
    (inputs / "file").write_text("x")
    assert attached_folders() == found


@pytest.fixture
def in_kaggle(public, monkeypatch):
    """A notebook of Kaggle whose machine attaches sets that kagglehub asks for."""
    for name, value in {"KAGGLE_KERNEL_RUN_TYPE": "Interactive", "KAGGLE_USER_SECRETS_TOKEN": "x",
                        "KAGGLE_DATA_PROXY_TOKEN": "y", "KAGGLE_DATA_PROXY_URL": public.address}.items():
        monkeypatch.setenv(name, value)
    return public


@pytest.fixture
def in_colab(public, inputs, monkeypatch):
    """A notebook of Colab that has sets of Kaggle at hand."""
    monkeypatch.setenv("TBE_RUNTIME_ADDR", public.address.removeprefix("http://"))
    monkeypatch.setenv("COLAB_CACHE_MOUNT_FOLDER", str(inputs))
    return public


@pytest.mark.parametrize("place", ["in_kaggle", "in_colab"])
def test_kagglehub_attaches_a_set(place, inputs, data, request, capfd):
    server = request.getfixturevalue(place)
    server.attached = "odd/anime-faces"
    folder = fill(inputs / "odd" / "anime-faces")
    found = fetch(DATASET, progress=False)
    assert found == data / "anime-faces" and tree(found) == tree(folder)
    assert not server.downloads() and capfd.readouterr() == ("", "")
    assert folder.is_dir()  # it is not ours


def test_a_set_that_kaggle_cannot_attach(in_kaggle, inputs):
    refused(DATASET, "no set soumikrakshit/anime-faces", "check the name")


def test_a_set_that_colab_does_not_have_is_downloaded(in_colab):
    assert_right(fetch(DATASET, progress=False))
    assert in_colab.downloads() == [None]


def test_nothing_of_a_download_is_left(public):
    fetch(DATASET, progress=False)
    shutil.rmtree(data_dir() / "raw" / "anime-faces")
    assert not tree(data_dir() / "raw")


def test_a_fresh_process_says_nothing_and_writes_nothing_elsewhere(public, tmp_path):
    """Importing kagglehub sets its loggers up."""
    code = f"from ganlib.data.sources import fetch; print(fetch({DATASET!r}, progress=False).name)"
    root = Path(__file__).resolve().parents[2]
    env = os.environ | {"PYTHONPATH": str(root), "HOME": str(tmp_path / "home")}
    out = subprocess.run([sys.executable, "-c", code], env=env, text=True, capture_output=True, check=True)
    assert out.stdout == "anime-faces\n" and out.stderr == ""
    assert not (tmp_path / "home").exists()
