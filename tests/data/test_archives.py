"""Unpacking archives, those that are well, hostile or broken."""
import bz2
import errno
import gzip
import io
import os
import random
import shutil
import stat
import struct
import tarfile
import unicodedata
import warnings
import zipfile
import zlib

import pytest
from PIL import Image
from raw_files import FACES, clean_quietly, make_tar, make_zip, png, refused, tree

from ganlib.data.archives import passed_over_in, unpack
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


def test_a_zip_that_points_before_its_beginning_is_damaged(tmp_path):
    path = make_zip(tmp_path / "a.zip")
    content = bytearray(path.read_bytes())
    start = int.from_bytes(content[-6:-2], "little")  # of the directory
    content[-6:-2] = (start + 1000).to_bytes(4, "little")
    path.write_bytes(content)
    refused(path, "damaged", "get it anew")


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


# What is taken, and what is said of the rest

def notes(folder):
    return dict(passed_over_in(folder))


def test_pictures_are_taken_by_their_content(tmp_path):
    files = {"1.png": png(1), "without": png(2), "3.jpg_large": png(3), "list.txt": png(4)}
    for path in (make_zip(tmp_path / "a.zip", files), make_tar(tmp_path / "b.tar.gz", files, "w:gz")):
        folder = fetch(path, progress=False)
        assert tree(folder) == {name: content for name, content in files.items() if name != "list.txt"}
        assert notes(folder) == {"list.txt": "no picture that can be read, .txt"}


def test_what_is_not_taken_is_told(tmp_path):
    noise = {"__MACOSX/faces/._1.png": b"x", "faces/.DS_Store": b"x", "run.py": b"x", "d/": b"",
             "inner.zip": b"PK\3\4", "x.heic": b"\0\0\0\x18ftypheic", "empty": b""}
    folder = fetch(make_zip(tmp_path / "a.zip", FACES | noise), progress=False)
    assert tree(folder) == FACES
    assert notes(folder) == {
        "__MACOSX/faces/._1.png": "hidden", "faces/.DS_Store": "hidden",
        "run.py": "no picture that can be read, .py", "x.heic": "no picture that can be read, .heic",
        "empty": "no picture that can be read, without suffix",
        "inner.zip": "archive inside, to be unpacked first"}
    report = clean_quietly(folder)
    assert "no picture that can be read, .heic: 1 (x.heic)" in str(report)
    assert report.settings["passed_over"]["hidden"] == 2


def test_an_encrypted_file_that_is_no_picture_does_not_cost_the_rest(tmp_path):
    path = make_zip(tmp_path / "a.zip", {"1.png": png(1), "notes.doc": b"secret"})
    content = bytearray(path.read_bytes())
    for signature, flags in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        content[content.rindex(signature) + flags] |= 1
    path.write_bytes(content)
    folder = fetch(path, progress=False)
    assert tree(folder) == {"1.png": png(1)}
    assert notes(folder) == {"notes.doc": "damaged or encrypted file"}


# Names

class Unflagged(zipfile.ZipInfo):
    """A member whose name is in another encoding than UTF-8, and does not say so."""

    def __init__(self, name, encoding):
        super().__init__("x")
        self.filename, self.encoding = name, encoding

    def _encodeFilenameFlags(self):
        return self.filename.encode(self.encoding), self.flag_bits & ~0x800


def make_unflagged_zip(path, names, encoding, **others):
    """A zip of pictures as a program makes it that knows the system's encoding only."""
    with zipfile.ZipFile(path, "w") as archive:
        for number, name in enumerate(names):
            archive.writestr(Unflagged(name, encoding), png(number))
        for name, content in others.items():
            archive.writestr(name, content)
    return path


JAPANESE = ["桜01.png", "可能.png", "ソ.png", "表.png", "アニメ/予.png", "普通.png", "十.png", "能力/貼.jpg"]


@pytest.mark.parametrize("names, encoding", [
    (JAPANESE, "cp932"), (["ソ.png"], "cp932"), (["アニメ01.png"], "cp932"), (["表"], "cp932"),
    (JAPANESE, "utf-8"), (["Größe.png", "été.png", "señor.png"], "cp437"), (["plain.png"], "ascii"),
    (["Grâce.png"], "cp437"), (["naïve/ö.png"], "utf-8")])
def test_names_of_a_zip_that_says_no_encoding(tmp_path, names, encoding):
    path = make_unflagged_zip(tmp_path / "a.zip", names, encoding)
    files = tree(fetch(path, progress=False))
    assert files == {name: png(number) for number, name in enumerate(names)}


@pytest.mark.parametrize("names, encoding", [
    (["功能.png", "許功蓋.png", "功.png"], "big5"), (["动漫头像.png", "女孩.png"], "gbk"),
    (["애니메이션.png"], "cp949"), (["Привет.png"], "cp866"), (["ｱﾆﾒ.png"], "cp932")])
def test_names_in_other_encodings_lose_no_picture(tmp_path, names, encoding):
    path = make_unflagged_zip(tmp_path / "a.zip", names, encoding)
    files = tree(fetch(path, progress=False))
    assert sorted(files.values()) == sorted(png(number) for number in range(len(names)))
    assert all("/" not in name for name in files)


def test_labels_match_japanese_names(tmp_path):
    rows = "".join(f"{name},red\n" for name in JAPANESE)
    labels = {"labels.csv": f"file,hair\n{rows}"}
    path = make_unflagged_zip(tmp_path / "a.zip", JAPANESE, "cp932", **labels)
    report = clean_quietly(fetch(path, progress=False), size=8)
    assert [row.labels for row in report.rows] == [{"hair": "red"}] * len(JAPANESE)


def test_the_unicode_path_counts(tmp_path):
    info = Unflagged("_.png", "ascii")
    name = "顔.png".encode()
    info.extra = struct.pack("<HHBI", 0x7075, 5 + len(name), 1, zlib.crc32(b"_.png")) + name
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(info, png(1))
    assert tree(fetch(tmp_path / "a.zip", progress=False)) == {"顔.png": png(1)}


def test_backslashes_of_windows_are_slashes(tmp_path):
    files = {"B\\1.png": png(1), "画像\\桜.png": png(2)}
    assert tree(fetch(make_zip(tmp_path / "a.zip", files), progress=False)) == {
        "B/1.png": png(1), "画像/桜.png": png(2)}


def test_names_of_a_tar_that_are_no_utf8_are_kept(tmp_path):
    names = [name.encode("cp932") for name in ("桜.png", "表.png", "ソ.png")]
    files = {os.fsdecode(name): png(number) for number, name in enumerate(names)}
    folder = fetch(make_tar(tmp_path / "a.tar", files), progress=False)
    assert sorted(os.listdir(os.fsencode(folder)))[1:] == sorted(names)
    report = clean_quietly(folder, size=8)
    assert sorted(row.file for row in report.rows) == [r"\x83\\.png", r"\x8d\xf7.png", r"\x95\\.png"]
    str(report).encode()


def test_two_members_of_one_name_are_two_pictures(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for number in range(3):
            with warnings.catch_warnings(action="ignore"):  # zipfile's, of the second
                archive.writestr("a/1.png", png(number))
    with tarfile.open(tmp_path / "b.tar", "w") as tar:
        for number in range(3):
            info = tarfile.TarInfo("a/1.png")
            info.size = len(png(number))
            tar.addfile(info, io.BytesIO(png(number)))
    for name in ("a.zip", "b.tar"):
        assert tree(fetch(tmp_path / name, progress=False)) == {
            "a/1.png": png(0), "a/1~2.png": png(1), "a/1~3.png": png(2)}


def test_names_that_a_disk_takes_for_one_are_two_pictures(tmp_path, monkeypatch):
    """On a disk that does not tell capitals from small letters, nor the spellings of an accent."""
    def folded(path, mode="r"):
        same = unicodedata.normalize("NFC", str(path)).lower() if mode == "xb" else path
        return open(same, mode)

    files = {"é.png": png(1), "É.PNG": png(2), "e\u0301.png": png(3), "other.png": png(4)}
    path = make_zip(tmp_path / "a.zip", files)
    monkeypatch.setattr("ganlib.data.archives.open", folded, raising=False)
    assert sorted(tree(fetch(path, progress=False)).values()) == sorted(files.values())


ODD_NAMES = ["12:30.png", "K:01.png", "a/C:x.png", "new\nline.png", "CON.png", "nul", "trail .png",
             "dots..png", "a./b .png", "qu?es*tion.png", "<x>|.png", "\x1b[31m.png", "x.p?g", "~.png"]


@pytest.mark.parametrize("make", [make_zip, make_tar])
def test_odd_names_cost_no_picture(tmp_path, make):
    files = FACES | {name: png(number) for number, name in enumerate(ODD_NAMES)}
    folder = fetch(make(tmp_path / "a.archive", files), progress=False)
    assert sorted(tree(folder).values()) == sorted(files.values())
    assert len(clean_quietly(folder, size=8).rows) == len(files) - 1


def test_a_name_with_a_zero_byte_or_none_costs_no_picture(tmp_path):
    class Named(zipfile.ZipInfo):
        def _encodeFilenameFlags(self):
            return self.comment, self.flag_bits

    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive, warnings.catch_warnings(action="ignore"):
        for number, raw in enumerate([b"a\0.png", b"b.png\0.txt", b""]):
            info = Named("x")
            info.comment = raw
            archive.writestr(info, png(number))
    files = tree(fetch(path, progress=False))
    assert sorted(files.values()) == sorted([png(0), png(2)])
    assert notes(data_dir() / "raw" / "a") == {r"b.png\x00.txt": "no picture that can be read, .txt"}


def test_many_members_of_one_name(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive, warnings.catch_warnings(action="ignore"):
        for number in range(200):
            archive.writestr("a.png", png(number))
    files = tree(fetch(tmp_path / "a.zip", progress=False))
    assert list(files) == sorted(["a.png", *(f"a~{number}.png" for number in range(2, 201))])
    assert sorted(files.values()) == sorted(png(number) for number in range(200))


def test_names_that_are_too_long_are_replaced(tmp_path):
    deep = "/".join(["d" * 200] * 30) + "/x.png"
    wide = "\u9854" * 100 + ".jpeg"  # three bytes each
    files = FACES | {"n" * 300 + ".png": png(3), "n" * 300: png(4), deep: png(5), wide: png(6)}
    for path in (make_zip(tmp_path / "a.zip", files), make_tar(tmp_path / "b.tar", files)):
        assert tree(fetch(path, progress=False)) == FACES | {
            "renamed/000004.png": png(3), "renamed/000005": png(4), "renamed/000006.png": png(5),
            "renamed/000007.jpeg": png(6)}


def test_on_windows_names_that_do_something_else_are_replaced(tmp_path, monkeypatch):
    names = ["CON.png", "nul", "a:b.png", "x/aux.txt.png", "trail /1.png", "dots./1.png", "fine.png"]
    path = make_tar(tmp_path / "a.tar", {name: png(number) for number, name in enumerate(names)})
    (tmp_path / "out").mkdir()
    monkeypatch.setattr("ganlib.data.archives.WINDOWS", True)
    unpack(path, False, tmp_path / "out")
    spare = [f"renamed/{number:06d}{'' if number == 2 else '.png'}" for number in range(1, len(names))]
    assert sorted(tree(tmp_path / "out")) == ["fine.png", *spare]
