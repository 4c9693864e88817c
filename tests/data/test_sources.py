"""fetch: folders, untrusted archives, the synthetic set, and Kaggle against a stand-in on loopback."""
import bz2
import csv
import errno
import gzip
import io
import os
import random
import shutil
import signal
import stat
import subprocess
import sys
import tarfile
import threading
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
from kaggle_stand_in import KaggleStandIn
from PIL import Image

from ganlib.data import synthetic
from ganlib.data.sources import MARKER, fetch
from ganlib.errors import GanlibError
from ganlib.files import data_dir

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def data(tmp_path, monkeypatch):
    """Everything goes below tmp_path; returns the raw folder there."""
    monkeypatch.setenv("GANLIB_DATA", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "data" / "raw"


def png(number=0):
    file = io.BytesIO()
    Image.new("RGB", (8, 8), (number % 256, 20, 30)).save(file, "PNG")
    return file.getvalue()


FACES = {"faces/1.png": png(1), "faces/2.png": png(2), "labels.csv": b"file,hair,eyes\n"}


def make_zip(path, files=FACES, **options):
    with zipfile.ZipFile(path, "w", **options) as z:
        for name, content in files.items():
            z.writestr(name, content)
    return path


def make_tar(path, files=FACES, mode="w"):
    with tarfile.open(path, mode) as tar:
        for name, content in files.items():
            member = name if isinstance(name, tarfile.TarInfo) else tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


def tree(folder):
    """{relative path: content} of all files but fetch's own marker."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*"))
            if path.is_file() and not path.name.startswith(".ganlib-") and path.suffix != ".lock"}


def refused(source, *words, dest=None, **options):
    """The GanlibError of fetch(): at most two lines, with these words in it, and nothing new left behind."""
    out = Path(dest) if dest else data_dir() / "raw"
    before = tree(out.parent) if out.parent.exists() else {}
    with pytest.raises(GanlibError) as error:
        fetch(source, dest, progress=False, **options)
    text = str(error.value)
    assert text.count("\n") <= 1
    for word in words:
        assert word in text, text
    assert before == (tree(out.parent) if out.parent.exists() else {})
    return text


# Where things go

def test_data_dir_is_the_variable_then_the_repository_then_here(tmp_path, monkeypatch):
    assert data_dir() == tmp_path / "data"
    monkeypatch.delenv("GANLIB_DATA")
    package = tmp_path / "checkout" / "ganlib"
    monkeypatch.setattr("ganlib.files.__file__", str(package / "files.py"))
    assert data_dir() == Path("data")
    package.mkdir(parents=True)
    (package.parent / "pyproject.toml").touch()
    assert data_dir() == tmp_path / "checkout" / "data"


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
    refused("https://example.com/faces.zip", "not found", "the path of an archive")
    refused("https://www.kaggle.com/datasets/someone/faces", "did you mean kaggle:someone/faces?")


# Folders

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


# Archives that are well

@pytest.mark.parametrize("suffix, mode", [(".tar", "w"), (".tar.gz", "w:gz"), (".tgz", "w:gz"),
                                          (".tar.bz2", "w:bz2"), (".tar.xz", "w:xz"), (".zip", None)])
def test_archives_unpack(tmp_path, data, suffix, mode):
    path = tmp_path / f"my.faces{suffix}"
    make_tar(path, mode=mode) if mode else make_zip(path, compression=zipfile.ZIP_DEFLATED)
    folder = fetch(path, progress=False)
    assert folder == data / "my.faces"
    assert tree(folder) == FACES
    assert fetch(str(path), tmp_path / "a" / "b", progress=False) == tmp_path / "a" / "b"
    assert tree(tmp_path / "a" / "b") == FACES
    assert not list(data.glob(".*.new"))


def test_kind_is_told_by_content_not_by_name(tmp_path):
    os.rename(make_tar(tmp_path / "a.tar.gz", mode="w:gz"), tmp_path / "b.zip")
    assert tree(fetch(tmp_path / "b.zip", progress=False)) == FACES
    path = make_tar(tmp_path / "c.zip", {"PK/1.png": png(1)})  # begins with the letters of a zip
    assert tree(fetch(path, progress=False)) == {"PK/1.png": png(1)}


def test_other_files_are_left_out(tmp_path):
    noise = {"__MACOSX/faces/._1.png": b"x", "faces/.DS_Store": b"x", ".git/1.png": b"x", "run.py": b"x",
             "d/": b"", "readme": b"x"}
    path = make_zip(tmp_path / "a.zip", noise | FACES | {"B\\3.GIF": b"gif"})
    assert tree(fetch(path, progress=False)) == FACES | {"B/3.GIF": b"gif"}


def test_unpacked_once_and_never_replaced(tmp_path, monkeypatch):
    path = make_zip(tmp_path / "a.zip")
    folder = fetch(path, progress=False)
    (folder / "labels.csv").write_text("file,hair,eyes\n1,red,blue\n")  # changed by hand
    with monkeypatch.context() as patch:
        patch.setattr("ganlib.data.sources.unpack", lambda *args: pytest.fail("unpacked again"))
        assert fetch(path, progress=False) == folder
    make_zip(path, {"new.png": png(9)})
    refused(path, str(folder), f"holds files from {path.resolve()}, before that changed", "remove it", dest=folder)
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


def test_progress_bar(tmp_path, capfd):
    for path in (make_zip(tmp_path / "a.zip"), make_tar(tmp_path / "b.tar.gz", mode="w:gz")):
        fetch(path)
        assert f"unpacking {path.name}: 3 files" in capfd.readouterr().err


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


# Archives that are hostile or broken

BAD_NAMES = ["../out.png", "a/../../out.png", "/abs.png", "C:/x.png", "C:\\x.png", "..\\out.png", "a\\..\\..\\x.png", "\\\\host\\share.png"]


@pytest.mark.parametrize("name", BAD_NAMES)
def test_names_that_leave_the_folder(tmp_path, name):
    refused(make_tar(tmp_path / "a.tar", FACES | {name: png()}), "points outside")
    refused(make_zip(tmp_path / "a.zip", FACES | {name: png()}), "points outside")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.tar", "a.zip", "data"]


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE,
                                  tarfile.FIFOTYPE])
def test_links_and_devices_in_a_tar(tmp_path, kind):
    link = tarfile.TarInfo("link.png")
    link.type, link.linkname = kind, "/etc/passwd"
    refused(make_tar(tmp_path / "a.tar", FACES | {link: b""}), "link or a device")


def test_link_in_a_zip(tmp_path):
    link = zipfile.ZipInfo("link.png")
    link.create_system, link.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    refused(make_zip(tmp_path / "a.zip", FACES | {link: b"/etc/passwd"}), "link or a device")


@pytest.fixture
def limit(monkeypatch):
    """Sets the most files and bytes that an archive may hold."""
    def limit(files=10**6, size=10**10):
        monkeypatch.setattr("ganlib.data.archives.MAX_FILES", files)
        monkeypatch.setattr("ganlib.data.archives.MAX_BYTES", size)
    return limit


def test_limits(tmp_path, limit):
    files = {f"{i}.bmp": bytes(1000) for i in range(20)}
    for path in (make_zip(tmp_path / "a.zip", files), make_tar(tmp_path / "a.tar.gz", files, "w:gz")):
        limit(files=19)
        refused(path, "unpacks to more than", "unpack it yourself")
        limit(size=19_999)
        refused(path, "unpacks to more than")
        limit(20, 20_000)
        assert len(tree(fetch(path, progress=False))) == 20
        shutil.rmtree(data_dir())


def test_sizes_in_headers_are_not_believed(tmp_path, limit):
    path = make_zip(tmp_path / "a.zip", {"big.bmp": bytes(5_000_000)}, compression=zipfile.ZIP_DEFLATED)
    content = bytearray(path.read_bytes())
    size = (5_000_000).to_bytes(4, "little")
    assert content.count(size) == 2
    path.write_bytes(content.replace(size, (10).to_bytes(4, "little")))
    limit(100, 1_000_000)
    refused(path, "damaged")  # no more than 10 bytes are read of it
    bomb = make_tar(tmp_path / "b.tar.gz", FACES | {"skipped.bin": bytes(30_000_000)}, "w:gz")
    refused(bomb, "unpacks to more than")
    limit()
    with tarfile.open(tmp_path / "c.tar.gz", "w:gz", format=tarfile.GNU_FORMAT) as tar:  # a name of 40 MB
        tar.addfile(tarfile.TarInfo("n" * 40_000_000 + ".png"))
    refused(tmp_path / "c.tar.gz", "damaged", "a header of 40,")


def test_encrypted_zip(tmp_path):
    path = make_zip(tmp_path / "a.zip")
    content = bytearray(path.read_bytes())
    content[6] |= 1                                  # flag in the first local header
    content[content.index(b"PK\1\2") + 8] |= 1       # and in the directory
    path.write_bytes(content)
    refused(path, "encrypted", "give the folder")


@pytest.mark.parametrize("suffix, mode", [(".tar", "w"), (".tar.gz", "w:gz"), (".tar.bz2", "w:bz2"),
                                          (".tar.xz", "w:xz"), (".zip", None)])
def test_cut_or_damaged_archives(tmp_path, suffix, mode):
    dice = random.Random(0)
    files = {f"{i}.bmp": dice.randbytes(3000) for i in range(8)}
    path = tmp_path / f"a{suffix}"
    make_tar(path, files, mode) if mode else make_zip(path, files)
    whole = path.read_bytes()
    end = 8 * (512 + 3072) if suffix == ".tar" else len(whole) - 5  # of a tar: all there but the end mark
    for keep in (len(whole) // 2, len(whole) * 9 // 10, end, 700):
        path.write_bytes(whole[:keep])
        refused(path, "cut short")
    broken = bytearray(whole)
    broken[512 + 3072 + 3 if suffix == ".tar" else len(whole) // 2] ^= 0x55  # a tar has sums on headers only
    path.write_bytes(broken)
    refused(path, "damaged")
    path.write_bytes(whole)
    assert tree(fetch(path, progress=False)) == files


def test_gzip_sum_at_the_end_is_checked(tmp_path):
    path = make_tar(tmp_path / "a.tar.gz", mode="w:gz")
    content = bytearray(path.read_bytes())
    content[-6] ^= 1
    path.write_bytes(content)
    refused(path, "damaged", "CRC")


def test_not_an_archive(tmp_path):
    path = tmp_path / "a.zip"
    for content, words in [(b"", "is empty"), (b"\n <!DOCTYPE html><html>", "HTML page"),
                           (b"just words", "begins with b'just wor'"), (b"Rar!\x1a\x07", "b'Rar!"),
                           (bytes(range(256)) * 8, "no archive"), (gzip.compress(b"no tar"), "damaged"),
                           (bz2.compress(b"text" * 999), "damaged"), (b"PK\3\4" + bytes(40), "cut short")]:
        path.write_bytes(content)
        refused(path, words, "a.zip")
    path.unlink()
    Image.new("RGB", (9, 9)).save(tmp_path / "one.png")
    refused(tmp_path / "one.png", "no archive")


def test_archive_without_images(tmp_path):
    refused(make_zip(tmp_path / "a.zip", {"a.txt": b"", "b.txt": b"", "inner.zip": b"", "x.csv": b""}),
            "no image files", ".txt: 2 (a.txt, b.txt)", "archive inside, to be unpacked first: 1 (inner.zip)")
    refused(make_tar(tmp_path / "a.tar", {}), "no image files", "nothing")
    refused(make_zip(tmp_path / "b.zip", {}), "no image files", "nothing")


def test_file_in_the_way_of_a_folder(tmp_path):
    path = make_zip(tmp_path / "a.zip", {"x.png": png(1), "x.png/y.png": png(2)})
    assert tree(fetch(path, progress=False)) == {"x.png": png(1), "renamed/000002.png": png(2)}


def test_no_space(tmp_path, monkeypatch):
    path = make_zip(tmp_path / "a.zip", {"a.bmp": bytes(10_000)})
    usage = shutil.disk_usage(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda folder: usage._replace(free=9_999))
        refused(path, "o space left")

    class Full(io.BytesIO):
        def write(self, chunk):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr("ganlib.data.archives.open", lambda *how: Full() if how[1] == "xb" else open(*how), raising=False)
        refused(path, "o space left")
    assert len(tree(fetch(path, progress=False))) == 1


def test_real_archive(real_faces, tmp_path):
    folder = fetch(real_faces / "wild-faces.zip", tmp_path / "wild", progress=False)
    assert len(list(folder.rglob("*.jpg"))) == 4000


# The synthetic set

@pytest.fixture
def quick(monkeypatch):
    """Faces that cost nothing: returns the list of indices drawn."""
    calls = []

    def face(index, seed=0, size=64):
        calls.append(index)
        pixels = np.random.default_rng([seed, index]).integers(0, 256, (4, 4, 3), dtype=np.uint8)
        return np.asarray(Image.fromarray(pixels).resize((size, size))), {"hair": "red", "eyes": "blue"}

    monkeypatch.setattr("ganlib.data.synthetic.face", face)
    return calls


def test_synthetic_files_and_labels(data):
    folder = fetch("synthetic", n=12, size=32, progress=False)
    assert folder.parent == data and folder.name.startswith("synthetic-12x32-")
    assert [p.name for p in sorted((folder / "faces").iterdir())] == [f"{i:06d}.png" for i in range(12)]
    pixels, labels = synthetic.face(7, size=32)
    assert np.array_equal(np.asarray(Image.open(folder / "faces/000007.png")), pixels)
    rows = {row["file"]: row for row in csv.DictReader(open(folder / "labels.csv"))}
    assert rows["faces/000007.png"] == {"file": "faces/000007.png", **labels}
    assert all((folder / name).is_file() for name in rows) and len(rows) == 12 + 9 + 1


def test_synthetic_faults_are_what_they_are_named(quick):
    spoiled = fetch("synthetic", n=9, size=64, progress=False) / "spoiled"
    assert (spoiled / "empty.png").stat().st_size == 0
    for name in ("empty.png", "truncated.png", "text.jpg"):
        with pytest.raises(OSError):
            Image.open(spoiled / name).load()
    image = {p.name: Image.open(p) for p in spoiled.iterdir() if p.name not in ("empty.png", "text.jpg")}
    assert image["tiny.png"].size == (8, 8) and image["wide.png"].size == (512, 64)
    assert image["grey.png"].mode == "L" and image["rgba.png"].mode == "RGBA"
    assert np.ptp(np.asarray(image["uniform.png"])) <= 3
    originals = [np.asarray(Image.open(spoiled.parent / f"faces/{i:06d}.png"), int) for i in range(9)]
    for k in range(3):
        assert np.array_equal(np.asarray(image[f"mirrored-{k}.png"])[:, ::-1], originals[3 * k])
        assert np.abs(np.asarray(image[f"reencoded-{k}.jpg"]) - originals[3 * k + 1]).mean() < 8
        assert image[f"resized-{k}.png"].size == (96, 96)
    assert {"crop-corner.png", "crop-shifted.png", "pattern.png"} < set(image)


def test_synthetic_is_deterministic_and_reused(quick, tmp_path):
    first = fetch("synthetic", tmp_path / "a", n=5, size=32, progress=False)
    assert tree(first) == tree(fetch("synthetic", tmp_path / "b", n=5, size=32, progress=False))
    drawn = len(quick)
    assert fetch("synthetic", tmp_path / "a", n=5, size=32, progress=False) == first
    assert len(quick) <= drawn + 1  # the check of the size
    larger = fetch("synthetic", n=6, size=32, progress=False)
    assert len(list((larger / "faces").iterdir())) == 6


def test_synthetic_cut_off_is_done_again(quick, tmp_path, monkeypatch):
    face = synthetic.face

    def interrupt(index, **options):
        if index == 4:
            raise KeyboardInterrupt
        return face(index, **options)

    monkeypatch.setattr("ganlib.data.synthetic.face", interrupt)
    with pytest.raises(KeyboardInterrupt):
        fetch("synthetic", n=6, size=32, progress=False)
    assert not [p for p in (data_dir() / "raw").iterdir() if p.is_dir()]
    monkeypatch.setattr("ganlib.data.synthetic.face", face)
    assert len(list((fetch("synthetic", n=6, size=32, progress=False) / "faces").iterdir())) == 6


@pytest.mark.parametrize("options", [{"n": 0}, {"n": 2.5}, {"n": "10"}, {"size": 16}, {"size": "64"}])
def test_synthetic_bad_numbers(options):
    refused("synthetic", f"{[*options][0]}=", **options)


# Kaggle

BODY = io.BytesIO()
make_zip(BODY, {f"data/{i}.bmp": random.Random(i).randbytes(60_000) for i in range(50)})
BODY = BODY.getvalue()  # 3 MB: the client reads 1 MiB at a time
DATASET = "kaggle:soumikrakshit/anime-faces"


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A home without credentials, and the client imported there: it reads parts of its environment then."""
    home = tmp_path_factory.mktemp("home")
    (home / "k").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.upper().startswith(("KAGGLE_", "XDG_"))]:
            patch.delenv(name)
        for name in [name for name in sys.modules if name.split(".")[0] in ("kaggle", "kagglesdk")]:
            patch.delitem(sys.modules, name)
        for name, value in {"HOME": home, "USERPROFILE": home, "KAGGLE_CONFIG_DIR": home / "k",
                            "KAGGLE_API_ENVIRONMENT": "LOCALHOST"}.items():
            patch.setenv(name, str(value))
        yield home
        for name in [name for name in sys.modules if name.split(".")[0] in ("kaggle", "kagglesdk")]:
            del sys.modules[name]
        assert not tree(home)


@pytest.fixture
def kaggle(home, monkeypatch):
    """A stand-in that holds BODY, and a user who has a valid key."""
    with KaggleStandIn(BODY) as server:
        login = {"KAGGLE_USERNAME": "someone", "KAGGLE_KEY": "secret"}
        for name, value in (server.environment() | login).items():
            monkeypatch.setenv(name, value)
        real_sleep = time.sleep
        monkeypatch.setattr(time, "sleep", lambda seconds: real_sleep(min(seconds, 0.01)))
        yield server
        (home / "k/kaggle.json").unlink(missing_ok=True)


def assert_right(folder):
    with zipfile.ZipFile(io.BytesIO(BODY)) as z:
        assert tree(folder) == {name: z.read(name) for name in z.namelist()}
    assert not list(folder.parent.glob(".*download"))


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


def test_kaggle_no_token(kaggle, monkeypatch, capfd):
    monkeypatch.delenv("KAGGLE_KEY")
    one_token_error(refused(DATASET, "none that works"))
    monkeypatch.setenv("KAGGLE_API_TOKEN", "KGAT_expired")
    one_token_error(refused(DATASET, "none that works"))
    assert capfd.readouterr().out == ""  # the client's own help is not shown beside it


def test_kaggle_no_token_in_a_fresh_process(kaggle, monkeypatch):
    """Importing the client without a token prints help and calls exit(), which closes stdin."""
    monkeypatch.delenv("KAGGLE_KEY")
    code = ("import sys\nfrom ganlib.data.sources import fetch, GanlibError\ntry:\n    fetch('kaggle:a/b')\n"
            "except GanlibError as error:\n    print(error, sys.stdin.read())")
    out = subprocess.run([sys.executable, "-c", code], env=os.environ | {"PYTHONPATH": str(ROOT)}, text=True,
                         capture_output=True, input="still open")
    assert out.returncode == 0 and out.stderr == "" and out.stdout.count("\n") == 2
    one_token_error(out.stdout)
    assert out.stdout.endswith("still open\n")


def test_kaggle_no_token_in_ipython(kaggle, monkeypatch):
    monkeypatch.delenv("KAGGLE_KEY")
    monkeypatch.delattr("builtins.exit", raising=False)  # as IPython does
    one_token_error(refused(DATASET, "none that works"))


def test_kaggle_does_not_close_stdin(kaggle, monkeypatch):
    monkeypatch.delenv("KAGGLE_KEY")
    stdin = io.StringIO("still open")
    monkeypatch.setattr(sys, "stdin", stdin)
    refused(DATASET, "token")
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
    refused(DATASET, "broke off", "call again")


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
    """Starts anew. Of a smaller one the client takes the part that it has for the whole: found out and removed."""
    kaggle.cuts = [1_500_000] + [0] * 20
    with pytest.raises(GanlibError):
        fetch(DATASET)
    kaggle.cuts, kaggle.etag = [], '"version-2"'
    make_zip(new := io.BytesIO(), files)
    kaggle.body = new.getvalue()
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


@pytest.mark.parametrize("source", ["kaggle:", "kaggle:faces", "kaggle:a/b/c", "kaggle:../b", "kaggle:a b/"])
def test_kaggle_bad_names(source):
    refused(source, "owner/name")


def test_kaggle_is_not_imported_unless_named():
    code = "import sys, ganlib.data.sources; print('kaggle' in sys.modules or 'kagglesdk' in sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "False"
