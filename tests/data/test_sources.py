"""fetch(): folders, the synthetic set, what is used again, and Kaggle against a stand-in on loopback."""
import errno
import io
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from kaggle_stand_in import BODY, assert_right, zipped
from raw_files import FACES, make_zip, png, refused, tree

from ganlib.data import synthetic
from ganlib.data.kaggle_client import download
from ganlib.data.sources import check_source, fetch, kaggle_set
from ganlib.errors import GanlibError
from ganlib.files import data_dir

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.usefixtures("data")


@pytest.mark.parametrize("source", [None, "", "  ", 7, Path()])
def test_no_source(source):
    refused(source, "No source", "kaggle:owner/name", "synthetic")


def test_path_not_found_hints(tmp_path, data):
    make_zip(tmp_path / "anime-faces.zip")
    refused("nothing/here", "not found", 'did you mean kaggle:nothing/here?')
    refused("nothing/here/at/all", "not found", "synthetic")
    refused("anime-face.zip", "did you mean anime-faces.zip?")
    refused("sythetic", "did you mean synthetic?")
    for odd in ("x" * 5000, "a\0b", "~nobody-of-that-name/x"):
        refused(odd, "not found")
    data.mkdir(parents=True)
    make_zip(data / "old.zip")
    refused("old.zip", f"did you mean {data / 'old.zip'}?")


def test_addresses_are_refused():
    refused("https://example.com/faces.zip", "is an address", "Download the file", "the path of an archive")
    for page in ("https://www.kaggle.com/datasets/someone/faces", "kaggle.com/someone/faces",
                 "https://www.kaggle.com/datasets/someone/faces?select=data"):
        refused(page, "is an address", "did you mean kaggle:someone/faces?")


def test_folder_comes_back_as_given(tmp_path):
    (tmp_path / "mine" / "deep").mkdir(parents=True)
    (tmp_path / "mine" / "deep" / "a.JPG").write_bytes(b"x")
    assert fetch("mine") == Path("mine")
    assert fetch(tmp_path / "mine") == tmp_path / "mine"


def test_bad_folders(tmp_path):
    folder = tmp_path / "mine"
    folder.mkdir()
    refused(folder, "holds no image files")
    (folder / "readme.txt").touch()
    (folder / ".hidden.png").write_bytes(png())
    refused(folder, "holds no image files", ".jpg")
    make_zip(folder / "faces.zip")
    refused(folder, f"did you mean {folder / 'faces.zip'}?")
    for name in ("images.npy", "manifest.csv", "a.png"):
        (folder / name).touch()
    refused(folder, "a pack already", "load_pack")


@pytest.mark.skipif(getattr(os, "geteuid", lambda: 0)() == 0, reason="root reads everything")
def test_unreadable_folder(tmp_path):
    (tmp_path / "mine").mkdir(mode=0)
    refused(tmp_path / "mine", "that can be read")


def test_unpacked_once_and_never_replaced(tmp_path, monkeypatch):
    path = make_zip(tmp_path / "a.zip")
    folder = fetch(path, progress=False)
    (folder / "labels.csv").write_text("file,hair,eyes\n1,red,blue\n")  # changed by hand
    with monkeypatch.context() as patch:
        patch.setattr("ganlib.data.sources.unpack", lambda *args: pytest.fail("unpacked again"))
        assert fetch(path, progress=False) == folder
    make_zip(path, {"new.png": png(9)})
    refused(path, str(folder), f"holds files from {path.resolve()}, before that changed", "remove it",
            dest=folder)
    assert tree(fetch(path, progress=False)) == {"new.png": png(9)}  # a folder of its own
    assert b"red" in (folder / "labels.csv").read_bytes()
    shutil.rmtree(folder)
    assert tree(fetch(path, progress=False)) == {"new.png": png(9)}


def test_archives_and_kaggle_sets_of_one_name_do_not_meet(tmp_path, monkeypatch):
    def download(dataset, progress, folder):
        (folder / "0.png").write_bytes(dataset.encode())

    monkeypatch.setattr("ganlib.data.sources._from_kaggle", download)
    names = ["kaggle:first/anime-faces", "kaggle:second/anime-faces", "kaggle:second/anime-faces/2"]
    folders = [fetch(name, progress=False) for name in names]
    assert [(folder / "0.png").read_text() for folder in folders] == [name[len("kaggle:"):] for name in names]
    assert [fetch(name, progress=False) for name in names] == folders  # known again
    for top in "a", "b":
        (tmp_path / top).mkdir()
        make_zip(tmp_path / top / "faces.zip", {f"{top}.png": png(1)})
    a, b = (fetch(tmp_path / top / "faces.zip", progress=False) for top in ("a", "b"))
    assert a != b and (a / "a.png").exists() and (b / "b.png").exists()


def test_what_fetch_did_not_put_there_stays(tmp_path, data):
    path = make_zip(tmp_path / "a.zip")
    (tmp_path / "mine").mkdir()
    assert tree(fetch(path, tmp_path / "mine", progress=False)) == FACES  # an empty folder is filled
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "diary.txt").write_text("dear")
    refused(path, "other", "another dest", dest=tmp_path / "other")
    (tmp_path / "file").write_text("x")
    refused(path, "another dest", dest=tmp_path / "file")
    refused(path, "cannot be read or written", dest=tmp_path / "file" / "below")
    (tmp_path / "second").mkdir()
    refused(make_zip(tmp_path / "second" / "a.zip", {"2.png": b"2"}), str(path), dest=tmp_path / "mine")


def test_leftovers_of_a_killed_run_are_cleared(tmp_path, data):
    path = make_zip(tmp_path / "a.zip")
    (data / ".a.new").mkdir(parents=True)
    (data / ".a.new" / "half.png").touch()
    assert tree(fetch(path, progress=False)) == FACES
    assert sorted(p.name for p in data.iterdir()) == [".a.lock", "a"]


def test_two_at_once_unpack_once(tmp_path):
    path = make_zip(tmp_path / "a.zip", {f"{i}.png": png(i) for i in range(300)})
    results = []
    threads = [threading.Thread(target=lambda: results.append(len(tree(fetch(path, progress=False)))))
               for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [300] * 4


def test_synthetic_is_deterministic_and_reused(tmp_path):
    one = fetch("synthetic", tmp_path / "a", n=5, size=32, progress=False)
    assert tree(one) == tree(fetch("synthetic", tmp_path / "b", n=5, size=32, progress=False))
    (one / "faces/000000.png").write_bytes(b"changed by hand")
    assert fetch("synthetic", tmp_path / "a", n=5, size=32, progress=False) == one
    assert (one / "faces/000000.png").read_bytes() == b"changed by hand"
    larger = fetch("synthetic", n=6, size=32, progress=False)
    assert len(list((larger / "faces").iterdir())) == 6


def test_synthetic_cut_off_is_done_again(monkeypatch):
    def interrupt(index, **options):
        if index == 4:
            raise KeyboardInterrupt
        return synthetic.face(index, **options)

    with monkeypatch.context() as patch:
        patch.setattr("ganlib.data.synthetic_set.face", interrupt)
        with pytest.raises(KeyboardInterrupt):
            fetch("synthetic", n=6, size=32, progress=False)
    assert not [p for p in (data_dir() / "raw").iterdir() if p.is_dir()]
    assert len(list((fetch("synthetic", n=6, size=32, progress=False) / "faces").iterdir())) == 6


@pytest.mark.parametrize("options", [{"n": 0}, {"n": 2.5}, {"n": "10"}, {"size": 16}, {"size": "64"}])
def test_synthetic_bad_numbers(options):
    refused("synthetic", f"{[*options][0]}=", **options)


DATASET = "kaggle:soumikrakshit/anime-faces"


def test_kaggle_success_then_no_more_requests(kaggle, data):
    folder = fetch(DATASET)
    assert folder == data / "anime-faces"
    assert_right(folder)
    assert kaggle.downloads() == [None]
    kaggle.requests.clear()
    assert fetch(DATASET) == folder and not kaggle.requests


def test_kaggle_token_and_kaggle_json(kaggle, home, tmp_path, monkeypatch):
    monkeypatch.delenv("KAGGLE_KEY")
    monkeypatch.delenv("KAGGLE_USERNAME")
    monkeypatch.setenv("KAGGLE_API_TOKEN", kaggle.token)
    assert_right(fetch(DATASET, tmp_path / "a"))
    monkeypatch.delenv("KAGGLE_API_TOKEN")
    (home / "k/kaggle.json").write_text('{"username": "someone", "key": "secret"}')
    assert_right(fetch(DATASET, tmp_path / "b"))
    logins = [headers["Authorization"] for _, path, headers in kaggle.requests if "DownloadDataset" in path]
    assert [login.split()[0] for login in logins] == ["Bearer", "Basic"]


def one_token_error(text):
    for word in ("https://www.kaggle.com/settings", "KAGGLE_API_TOKEN", "KAGGLE_KEY", "kaggle.json",
                 "archive", "folder", '"synthetic"'):
        assert word in text


def refused_login(tmp_path):
    """The GanlibError of Kaggle's own client; `fetch` asks it only where there is a token."""
    with pytest.raises(GanlibError) as error:
        download("a/b", tmp_path / "store", False)
    return str(error.value)


def test_kaggle_no_token(kaggle, tmp_path, monkeypatch, capfd):
    monkeypatch.delenv("KAGGLE_KEY")
    assert "none that works" in refused_login(tmp_path)
    one_token_error(refused_login(tmp_path))
    monkeypatch.setenv("KAGGLE_API_TOKEN", "KGAT_expired")
    one_token_error(refused(DATASET, "none that works"))
    assert capfd.readouterr().out == ""  # the client's own help is not shown beside it


def test_kaggle_expired_token_in_a_fresh_process(kaggle, monkeypatch):
    """Importing the client without a token that works prints help and calls exit(), which closes stdin."""
    monkeypatch.delenv("KAGGLE_KEY")
    monkeypatch.setenv("KAGGLE_API_TOKEN", "KGAT_expired")
    code = ("import sys\nfrom ganlib.data.sources import fetch, GanlibError\ntry:\n    fetch('kaggle:a/b')\n"
            "except GanlibError as error:\n    print(error, sys.stdin.read())")
    out = subprocess.run([sys.executable, "-c", code], env=os.environ | {"PYTHONPATH": str(ROOT)}, text=True,
                         capture_output=True, input="still open")
    assert out.returncode == 0 and out.stderr == "" and out.stdout.count("\n") == 2
    one_token_error(out.stdout)
    assert out.stdout.endswith("still open\n")


def test_kaggle_no_token_in_ipython(kaggle, tmp_path, monkeypatch):
    monkeypatch.delenv("KAGGLE_KEY")
    monkeypatch.delattr("builtins.exit", raising=False)  # as IPython does
    assert "none that works" in refused_login(tmp_path)


def test_kaggle_does_not_close_stdin(kaggle, tmp_path, monkeypatch):
    monkeypatch.delenv("KAGGLE_KEY")
    stdin = io.StringIO("still open")
    monkeypatch.setattr(sys, "stdin", stdin)
    assert "token" in refused_login(tmp_path)
    assert sys.stdin is stdin and stdin.read() == "still open"


def test_kaggle_refuses(kaggle, monkeypatch):
    kaggle.status = 401
    one_token_error(refused(DATASET, "401"))
    kaggle.status = 403
    refused(DATASET, "403", "rules", "https://www.kaggle.com/datasets/soumikrakshit/anime-faces")
    kaggle.status = 404
    refused("kaggle:nobody/nothing", "404", "check the name")
    kaggle.status = 500
    refused(DATASET, "broke off", "call again")
    kaggle.status = None
    monkeypatch.setenv("KAGGLE_KEY", "wrong")
    one_token_error(refused(DATASET, "401"))
    monkeypatch.setenv("KAGGLE_KEY", "secret")
    assert_right(fetch(DATASET))


def test_kaggle_out_of_reach(kaggle, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    refused(DATASET, "cannot be reached", "no internet here (Connection refused)", "Check the connection")
    monkeypatch.setenv("KAGGLE_KERNEL_RUN_TYPE", "Interactive")
    refused(DATASET, "Settings (Internet on)")


def test_kaggle_cut_connection_goes_on(kaggle):
    kaggle.cuts = [1_500_000, 1_200_000]
    assert_right(fetch(DATASET))
    assert kaggle.downloads() == [None, f"bytes={1 << 20}-", f"bytes={2 << 20}-"]


def test_kaggle_cut_for_good_then_called_again(kaggle):
    kaggle.cuts = [1_500_000] + [0] * 20
    with pytest.raises(GanlibError, match="broke off .*call again to go on"):
        fetch(DATASET)
    kaggle.cuts = []
    kaggle.requests.clear()
    assert_right(fetch(DATASET))
    assert kaggle.downloads() == [None, f"bytes={1 << 20}-"]  # the client asks for the present version first


def test_kaggle_killed_then_called_again(kaggle, tmp_path):
    kaggle.cuts, kaggle.stall = [2_200_000], threading.Event()
    code = f"from ganlib.data.sources import fetch; fetch({DATASET!r})"
    process = subprocess.Popen([sys.executable, "-c", code], env=os.environ | {"PYTHONPATH": str(ROOT)},
                               cwd=tmp_path, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    deadline = time.time() + 20
    while sum(p.stat().st_size for p in data_dir().rglob("*.zip")) < 2 << 20 and time.time() < deadline:
        threading.Event().wait(0.02)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    kaggle.stall.set()
    kaggle.requests.clear()
    assert_right(fetch(DATASET))
    assert kaggle.downloads()[-1] == f"bytes={2 << 20}-"


@pytest.mark.parametrize("files, taken", [
    ({"data/new.bmp": bytes(5_000_000)}, True), ({"data/new.png": png(5)}, False)])
def test_kaggle_changed_while_away(kaggle, files, taken):
    """Starts anew. The client takes what it has of a larger one for the whole smaller one: found out."""
    kaggle.cuts = [1_500_000] + [0] * 20
    with pytest.raises(GanlibError):
        fetch(DATASET)
    kaggle.cuts, kaggle.etag = [], '"version-2"'
    kaggle.body = zipped(files)
    if not taken:
        with pytest.raises(GanlibError, match="removed, call again"):
            fetch(DATASET)
    assert tree(fetch(DATASET)) == files


def test_kaggle_error_text_is_not_taken_for_data(kaggle):
    kaggle.cuts, kaggle.failures = [1_500_000], [0, 503, 503]
    try:
        assert_right(fetch(DATASET))  # the client asks again, from 2.2.5 on
    except GanlibError as error:  # before, it took the text for data, which is found out
        assert "call again" in str(error)
    assert_right(fetch(DATASET))


def test_kaggle_html_in_place_of_the_zip(kaggle):
    kaggle.body, kaggle.content_type = b"<!DOCTYPE html><html>sign in</html>", "text/html"
    refused(DATASET, "HTML page", "removed")
    kaggle.body = BODY
    assert_right(fetch(DATASET))


def test_kaggle_wrong_size(kaggle):
    kaggle.declared = len(BODY) + 999
    with pytest.raises(GanlibError, match="call again"):
        fetch(DATASET)
    kaggle.declared = None
    assert_right(fetch(DATASET))


def test_kaggle_damaged_zip_is_not_kept(kaggle):
    kaggle.body = BODY[:1_000_000] + b"damage" + BODY[1_000_006:]
    refused(DATASET, "damaged", "removed")
    kaggle.body = BODY
    assert_right(fetch(DATASET))


def test_kaggle_zip_is_kept_when_only_unpacking_failed(kaggle, limit):
    limit(size=1000)
    with pytest.raises(GanlibError, match="more than"):
        fetch(DATASET)
    limit()
    kaggle.requests.clear()
    assert_right(fetch(DATASET))
    assert kaggle.downloads() == [None]  # its headers only: the client sees that it has this file


def test_kaggle_disk_full(kaggle, monkeypatch):
    def full(*args, **options):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    from kaggle.api.kaggle_api_extended import KaggleApi
    monkeypatch.setattr(KaggleApi, "dataset_download_files", full)
    refused(DATASET, "o space left")


def test_the_address_of_a_kaggle_set_is_its_name(monkeypatch):
    asked = []

    def download_nothing(dataset, progress, folder):
        asked.append(dataset)
        (folder / "0.png").touch()

    monkeypatch.setattr("ganlib.data.sources._from_kaggle", download_nothing)
    for name in ("a/b", "https://www.kaggle.com/datasets/a/b", "datasets/a/b/", " a/b"):
        assert fetch(f"kaggle:{name}", progress=False).name == "b"
    assert asked == ["a/b"]  # the same set, again
    assert kaggle_set("kaggle:a/b/versions/3") == kaggle_set("KAGGLE:a/b/3") == "a/b/3"


def test_a_quick_look_fetches_nothing(tmp_path, data):
    check_source("synthetic")
    check_source("kaggle:a/b")
    check_source(make_zip(tmp_path / "a.zip"))
    with pytest.raises(GanlibError, match="cut short"):
        (tmp_path / "a.zip").write_bytes((tmp_path / "a.zip").read_bytes()[:-5])
        check_source(tmp_path / "a.zip")
    assert not data.exists()


def test_an_encrypted_archive_is_found_out_by_a_quick_look(tmp_path):
    body = bytearray(make_zip(tmp_path / "a.zip", {"a.png": png()}).read_bytes())
    body[6] |= 1
    body[body.index(b"PK\1\2") + 8] |= 1
    (tmp_path / "a.zip").write_bytes(body)
    with pytest.raises(GanlibError, match="encrypted"):
        check_source(tmp_path / "a.zip")


@pytest.mark.parametrize("source", ["kaggle:", "kaggle:faces", "kaggle:a/b/c", "kaggle:../b", "kaggle:a b/"])
def test_kaggle_bad_names(source):
    refused(source, "owner/name")


def test_kaggle_is_not_imported_unless_named():
    code = ("import sys, ganlib.data.sources; "
            "print({'kaggle', 'kagglehub', 'kagglesdk'} & {*sys.modules})")
    out = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "set()"
