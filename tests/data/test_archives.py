"""Unpacking archives, those that are well, hostile or broken."""
import bz2
import errno
import gzip
import io
import os
import random
import shutil
import stat
import tarfile
import zipfile

import pytest
from PIL import Image
from raw_files import FACES, make_tar, make_zip, png, refused, tree

from ganlib.data.sources import fetch
from ganlib.files import data_dir

pytestmark = pytest.mark.usefixtures("data")


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


def test_progress_bar(tmp_path, capfd):
    for path in (make_zip(tmp_path / "a.zip"), make_tar(tmp_path / "b.tar.gz", mode="w:gz")):
        fetch(path)
        assert f"unpacking {path.name}: 3 files" in capfd.readouterr().err


BAD_NAMES = ["../out.png", "a/../../out.png", "/abs.png", "C:/x.png", "C:\\x.png", "..\\out.png",
             "a\\..\\..\\x.png", "\\\\host\\share.png"]


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

    def open_full(*how):
        return Full() if how[1] == "xb" else open(*how)  # noqa: SIM115 what it stands for

    with monkeypatch.context() as patch:
        patch.setattr("ganlib.data.archives.open", open_full, raising=False)
        refused(path, "o space left")
    assert len(tree(fetch(path, progress=False))) == 1


def test_real_archive(real_faces, tmp_path):
    folder = fetch(real_faces / "wild-faces.zip", tmp_path / "wild", progress=False)
    assert len(list(folder.rglob("*.jpg"))) == 4000
