import hashlib
import json
import os
import shutil
import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest
from helpers import make_pack, make_report, random_images
from raw_files import portrait
from sparse_packs import make_sparse_pack

from ganlib.__main__ import main
from ganlib.data.batching import batches
from ganlib.data.cleaning import clean
from ganlib.data.packs import check_pack, load_pack, pack, pack_lock, read_review, write_review
from ganlib.errors import GanlibError
from ganlib.session import start


def left_over(folder):
    """Hidden files and folders, but for locks: they stay."""
    return [path for path in folder.glob(".*") if path.suffix != ".lock"]


def test_pack_round_trip_with_labels_and_manifest(tmp_path):
    images = random_images(10)
    p = pack(make_report(images, drop={2, 5}), tmp_path / "p")
    kept = [i for i in range(10) if i not in (2, 5)]
    assert len(p) == 8 and p.size == 32 and p.images.dtype == np.uint8
    assert np.array_equal(p.images, images[kept])
    assert p.attributes == {"hair": ["blue", "red"]}
    assert p.labels.dtype == np.int16 and p.labels[:, 0].tolist() == [(0, 1, -1)[i % 3] for i in kept]
    rows = p.manifest()
    assert [r["file"] for r in rows] == [f"{i:04d}.png" for i in range(10)]
    assert rows[2]["index"] == "" and rows[2]["reason"] == "uniform" and rows[3]["index"] == "2"
    assert rows[0]["hair"] == "blue" and rows[2]["hair"] == ""
    assert load_pack(p.path).hash == p.hash
    assert not left_over(tmp_path)  # nothing temporary stays


def test_the_hash_follows_images_and_labels(tmp_path):
    a = make_pack(tmp_path / "a", 8)
    assert make_pack(tmp_path / "b", 8).hash == a.hash
    assert make_pack(tmp_path / "c", 8, seed=1).hash != a.hash
    assert make_pack(tmp_path / "d", 8, labels=[{"hair": "red"}] * 8).hash != a.hash


def test_without_labels(tmp_path):
    p = make_pack(tmp_path / "p", 8, attributes={}, labels=[{}] * 8)
    assert p.labels.shape == (8, 0) and p.attributes == {}
    _, labels = next(batches(p, 4))
    assert labels.shape == (4, 0)


def test_packing_again_honours_the_review(tmp_path):
    report = make_report(random_images(6), drop={1, 3})
    p = pack(report, tmp_path / "p")
    (p.path / "review.json").write_text(json.dumps({"keep": ["0003.png"]}))
    p = pack(report, p.path)
    assert len(p) == 5 and (p.path / "review.json").exists()
    row = p.manifest()[3]
    assert row["index"] == "2" and row["reason"] == "" and "taken back" in row["detail"]
    (p.path / "review.json").write_text("{}")
    with pytest.raises(GanlibError, match="review.json"):
        pack(report, p.path)
    assert len(load_pack(p.path)) == 5


def test_pack_refuses_what_it_would_damage(tmp_path):
    report = make_report(random_images(4))
    other = tmp_path / "thesis"
    other.mkdir()
    (other / "chapter.txt").write_text("years of work")
    with pytest.raises(GanlibError, match="not a pack"):
        pack(report, other)
    assert (other / "chapter.txt").read_text() == "years of work"
    with pytest.raises(GanlibError, match="is a file"):
        pack(report, other / "chapter.txt")
    with pytest.raises(GanlibError, match="No image is left"):
        pack(make_report(random_images(2), drop={0, 1}), tmp_path / "p")


def test_where_all_is_dropped_the_counts_and_a_way_out_are_told(tmp_path):
    report = make_report(random_images(4), drop=range(4))
    with pytest.raises(GanlibError, match="4 files: 4 uniform") as error:
        pack(report, tmp_path / "p")
    assert "--faces" not in str(error.value)
    for row in report.rows[1:]:
        row.reason = "bad-crop"
    with pytest.raises(GanlibError, match="3 bad-crop.*, 1 uniform.* add --faces off") as error:
        pack(report, tmp_path / "p")
    notebook = 'in a notebook ganlib.clean(raw, size=here.size, faces="off")'
    assert f"If they are no anime faces, add --faces off ({notebook})." in str(error.value)


def test_pictures_that_are_no_anime_faces_have_a_way_out(tmp_path, monkeypatch, capsys):
    """In a shell, and where `start` makes the pack."""
    monkeypatch.setattr("ganlib.data.detector.detector_trouble", lambda: "")
    monkeypatch.setattr("ganlib.data.detector.find_faces", lambda images: [None] * len(images))
    for name, value in {"GANLIB_DATA": str(tmp_path / "data"), "GANLIB_PROFILE": "cpu"}.items():
        monkeypatch.setenv(name, value)
    for name in "GANLIB_FACES", "GANLIB_KEEP":
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "cats").mkdir()
    for i in range(3):
        portrait(i).save(tmp_path / "cats" / f"{i}.png")
    here = start("dcgan", faces=str(tmp_path / "cats"), size=32)
    with pytest.raises(GanlibError, match="3 files: 3 bad-crop.*add --faces off"):
        here.pack  # noqa: B018 asking for it makes it
    words = ["data", str(tmp_path / "cats"), str(tmp_path / "pack"), "--size", "32"]
    assert main(words) == 2 and "3 bad-crop" in capsys.readouterr().err
    assert main([*words, "--faces", "off"]) == 0
    assert len(pack(clean(here.fetch(), here.size, faces="off", progress=False), here.pack_dir)) == 3
    assert len(here.pack) == 3  # the way out in a notebook


@pytest.mark.parametrize("call", ["numpy.lib.format.open_memmap", "os.fsync", "os.replace"])
def test_a_pack_that_cannot_be_written_leaves_the_old_one(tmp_path, monkeypatch, call):
    old = make_pack(tmp_path / "p", 8)

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(call, full)
        with pytest.raises(GanlibError, match="(?i)no space left.*needs 0.0 MB.*untouched") as error:
            make_pack(tmp_path / "p", 9)
    assert f"the pack {tmp_path / 'p'} (" in str(error.value) and ".p.new" not in str(error.value)
    assert load_pack(tmp_path / "p").hash == old.hash and not left_over(tmp_path)


def test_a_pack_that_cannot_be_opened_does_not_replace_the_old_one(tmp_path, monkeypatch):
    old = make_pack(tmp_path / "p", 8)
    with monkeypatch.context() as patch:
        patch.setattr("ganlib.data.packs.MANIFEST_FIELDS", ("file", "number", "reason", "detail"))
        with pytest.raises(GanlibError, match=f"the pack {tmp_path / 'p'} is damaged.*untouched") as error:
            make_pack(tmp_path / "p", 9)
    assert ".p.new" not in str(error.value)
    assert load_pack(tmp_path / "p").hash == old.hash and not left_over(tmp_path)


def test_two_that_make_one_pack_take_turns(tmp_path, capsys):
    """The second one waits, and then packs as well."""
    other = threading.Thread(target=make_pack, args=(tmp_path / "p", 9), daemon=True)
    with pack_lock(tmp_path / "p"):
        other.start()
        mine = make_pack(tmp_path / "p", 8)  # whoever has the lock may pack
        other.join(0.3)
        assert other.is_alive() and load_pack(tmp_path / "p").hash == mine.hash
    other.join(30)
    assert len(load_pack(tmp_path / "p")) == 9
    assert "at work on the pack p: waiting for it" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["file", "index", "reason", "detail"])
def test_an_attribute_named_as_a_column_of_the_manifest_is_refused(tmp_path, name):
    old = make_pack(tmp_path / "p", 8)
    with pytest.raises(GanlibError, match=f"column named '{name}'.*rename"):
        make_pack(tmp_path / "p", 9, attributes={name: ["x"]}, labels=[{name: "x"}] * 9)
    assert load_pack(tmp_path / "p").hash == old.hash


def test_more_classes_than_a_pack_can_count_are_refused(tmp_path):
    with pytest.raises(GanlibError, match="32,768 classes.*32,767"):
        make_pack(tmp_path / "p", 2, attributes={"id": [f"{i:05d}" for i in range(32_768)]}, labels=[{}] * 2)


def test_a_pack_knows_its_source_and_its_number_of_files(tmp_path):
    report = make_report(random_images(6), drop={1, 3})
    report.settings |= {"source": "kaggle:owner/faces", "identity": "", "listing": "1", "contents": "2"}
    p = pack(report, tmp_path / "p")
    assert (p.source, p.files) == ("kaggle:owner/faces", 6)
    for text in str(p), p.in_words:
        assert "4 images" in text and "6 files of kaggle:owner/faces" in text
    info = json.loads((p.path / "pack.json").read_text())
    assert info["files"] == 6 and info["settings"]["source"] == "kaggle:owner/faces"


def test_a_pack_of_before_that_opens_as_well(tmp_path):
    p = make_pack(tmp_path / "p", 8)
    info = json.loads((p.path / "pack.json").read_text())
    del info["files"]
    info["settings"] = {"size": 32, "fit": "crop", "folder": "faces"}
    (p.path / "pack.json").write_text(json.dumps(info))
    old = load_pack(p.path)
    assert (old.hash, old.source, old.files) == (p.hash, "faces", 8)


def test_names_that_are_not_utf8_come_back_as_they_are(tmp_path):
    name = b"\x8a\xe7.png".decode("utf-8", "surrogateescape")
    report = make_report(random_images(3), drop={1})
    report.rows[1].file = name
    p = pack(report, tmp_path / "p")
    assert p.manifest()[1]["file"] == name
    write_review(p.path, {name})
    assert read_review(p.path) == {name}
    assert len(pack(report, p.path)) == 3


@pytest.mark.parametrize("n", [1, 2, 8])
def test_packs_of_few_images(tmp_path, n):
    p = make_pack(tmp_path / "p", n)
    assert len(load_pack(p.path)) == n and f"{n} images" in str(p)


def test_too_little_space_is_told_before_anything_is_written(tmp_path, monkeypatch):
    old = make_pack(tmp_path / "p", 8)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=20_000))
    with pytest.raises(GanlibError, match="No space left for 0 MB.*nothing was changed"):
        make_pack(tmp_path / "p", 9)
    monkeypatch.undo()
    assert load_pack(tmp_path / "p").hash == old.hash and not left_over(tmp_path)


def test_a_swap_that_was_cut_off_is_mended(tmp_path):
    p = make_pack(tmp_path / "p", 8)
    (p.path / "review.json").write_text('{"keep": ["0003.png"]}')
    p.path.rename(tmp_path / ".p.old")  # what a kill between the two renames leaves
    assert load_pack(tmp_path / "p").hash == p.hash
    p.path.rename(tmp_path / ".p.old")
    assert len(make_pack(tmp_path / "p", 9)) == 9 and (p.path / "review.json").exists()


def test_damaged_packs_are_refused(tmp_path):
    p = make_pack(tmp_path / "p", 8)

    def damaged(change):
        copy = tmp_path / "copy"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(p.path, copy)
        change(copy)
        with pytest.raises(GanlibError) as error:
            load_pack(copy)
        return str(error.value)

    def drop_row(folder):
        lines = (folder / "manifest.csv").read_bytes().splitlines(keepends=True)
        (folder / "manifest.csv").write_bytes(b"".join(lines[:-1]))

    def alter(folder):
        images = np.load(folder / "images.npy")
        images[0, 0, 0, 0] ^= 1
        np.save(folder / "images.npy", images)

    def swap_rows(folder):
        lines = (folder / "manifest.csv").read_bytes().splitlines(keepends=True)
        (folder / "manifest.csv").write_bytes(b"".join([*lines[:3], lines[4], lines[3], *lines[5:]]))

    assert "does not agree with its manifest" in damaged(drop_row)
    assert "manifest.csv calls its image 2 3" in damaged(swap_rows)
    assert "does not agree" in damaged(lambda f: np.save(f / "labels.npy", p.labels[:-1]))
    assert "altered" in damaged(alter)
    images = (p.path / "images.npy").read_bytes()
    assert "damaged" in damaged(lambda f: (f / "images.npy").write_bytes(images[:-100]))
    assert "damaged" in damaged(lambda f: (f / "pack.json").write_text("{"))
    assert "damaged" in damaged(lambda f: (f / "manifest.csv").unlink())
    assert "does not exist" in damaged(shutil.rmtree)
    assert "is not a pack" in damaged(lambda f: (f / "pack.json").unlink())


# -- packs larger than the memory


@pytest.fixture
def large(monkeypatch):
    """All packs count as larger than the memory."""
    monkeypatch.setattr("ganlib.data.packs.READ_WHOLE", 0)


def alter(path, name, place=0):
    """Change a number in one of a pack's files."""
    array = np.load(path / name)
    array[place] += 1
    np.save(path / name, array)


def test_of_a_large_pack_only_the_sizes_are_looked_at(tmp_path, large, monkeypatch):
    p = make_pack(tmp_path / "p", 8)
    for reads in "pack_hash", "_manifest":
        monkeypatch.setattr(f"ganlib.data.packs.{reads}", None)
    again = load_pack(p.path)
    assert (again.hash, again.files, again.attributes, str(again)) == (p.hash, 8, p.attributes, str(p))
    assert np.array_equal(again.images, p.images) and np.array_equal(again.labels, p.labels)
    assert isinstance(again.labels, np.memmap) and isinstance(again.images, np.memmap)
    monkeypatch.undo()
    assert len(again.manifest()) == 8  # read when it is asked for


def test_five_million_images_are_opened_at_once(tmp_path):
    """A pack of 61 GB, whose file is a hole."""
    path = make_sparse_pack(tmp_path / "p", 5_000_000, rows=10)
    begun = time.perf_counter()
    p = load_pack(path)
    assert time.perf_counter() - begun < 1
    assert p.images.shape == (5_000_000, 64, 64, 3) and p.is_large and not p.images[4_999_999].any()


@pytest.mark.parametrize("change, words", [
    (lambda f: os.truncate(f / "images.npy", 20_000), "is damaged"),
    (lambda f: os.truncate(f / "images.npy", 30_000), "images.npy has 30,000 bytes: expected 24,704"),
    (lambda f: (f / "labels.npy").unlink(), "is damaged.*labels.npy"),
    (lambda f: np.save(f / "labels.npy", np.zeros((7, 1), np.int16)), "7 labels"),
    (lambda f: (f / "manifest.csv").unlink(), "is damaged.*manifest.csv"),
    (lambda f: np.save(f / "images.npy", np.zeros((7, 32, 32, 3), np.uint8)), "does not agree.*7 images"),
    (lambda f: np.save(f / "images.npy", np.zeros((8, 32, 32, 3), np.int16)), "holds int16: expected uint8"),
    (lambda f: (f / "pack.json").write_text("[]"), "is damaged"),
])
def test_a_large_pack_of_other_sizes_is_refused(tmp_path, large, change, words):
    p = make_pack(tmp_path / "p", 8).path
    change(p)
    with pytest.raises(GanlibError, match=f"(?s){words}.*Make it again"):
        load_pack(p)


def test_a_check_tells_which_part_of_a_large_pack_was_altered(tmp_path, large, monkeypatch):
    monkeypatch.setattr("ganlib.data.fingerprints.SUMMED", 3)
    p = make_pack(tmp_path / "p", 8)
    assert check_pack(p.path, progress=False).hash == p.hash

    def altered(change):
        copy = tmp_path / "copy"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(p.path, copy)
        change(copy)
        load_pack(copy)  # it can be opened
        with pytest.raises(GanlibError, match="Make it again with notebook 01 or `ganlib data") as error:
            check_pack(copy, progress=False)
        return str(error.value).split(": ")[1].split(". ")[0]

    def info(folder, **changes):
        old = json.loads((folder / "pack.json").read_text())
        (folder / "pack.json").write_text(json.dumps(old | changes))

    made = "are not those it was made with"
    assert altered(lambda f: alter(f, "images.npy", 4)) == f"its images 3 to 5 {made}"
    assert altered(lambda f: alter(f, "images.npy", 7)) == f"its images 6 to 7 {made}"
    assert altered(lambda f: alter(f, "images.npy", [1, 4])) == f"its images 0 to 5 {made}"
    assert altered(lambda f: alter(f, "labels.npy")) == f"its labels {made}"
    other = {"hair": ["blue", "green"]}
    assert altered(lambda f: info(f, attributes=other)) == f"the names of its classes {made}"
    for strange in None, {}, {"images": 3, "labels": 4}, {"images": []}:  # and a pack of before has none
        found = altered(lambda f: [alter(f, "images.npy"), info(f, checksums=strange)])  # noqa: B023
        assert found == f"its images or labels {made}"


def test_a_check_reads_the_manifest_of_a_large_pack(tmp_path, large):
    p = make_pack(tmp_path / "p", 8)
    lines = (p.path / "manifest.csv").read_bytes().splitlines(keepends=True)
    (p.path / "manifest.csv").write_bytes(b"".join(lines[:-1]))
    assert len(load_pack(p.path)) == 8
    with pytest.raises(GanlibError, match="7 manifest entries"):
        check_pack(p.path, progress=False)


def test_a_large_pack_of_before_opens_as_well(tmp_path, large):
    p = make_pack(tmp_path / "p", 8)
    info = json.loads((p.path / "pack.json").read_text())
    del info["files"], info["checksums"]
    (p.path / "pack.json").write_text(json.dumps(info))
    for old in load_pack(p.path), check_pack(p.path, progress=False):
        assert (old.hash, old.files) == (p.hash, 8)


def test_the_hash_is_that_of_packs_of_before(tmp_path):
    """Runs are bound to it: computed here as it always was."""
    p = make_pack(tmp_path / "p", 8)
    digest = hashlib.sha256(json.dumps([(8, 32, 32, 3), {"hair": ["blue", "red"]}]).encode())
    digest.update(random_images(8).tobytes())
    digest.update(np.array([[0], [1], [-1], [0], [1], [-1], [0], [1]], np.int16).tobytes())
    assert p.hash == digest.hexdigest()[:16]


def test_ganlib_check(tmp_path, capsys, large):
    p = make_pack(tmp_path / "p", 8).path
    assert main(["check", str(p)]) == 0
    told = capsys.readouterr()
    assert "OK: 8 images and their labels" in told.out and "0/8" in told.err  # with a bar
    alter(p, "labels.npy")
    assert main(["check", str(p)]) == 2
    told = capsys.readouterr()
    assert "was altered: its labels are not those" in told.err and "`ganlib data SOURCE" in told.err
    os.truncate(p / "images.npy", 100)
    assert main(["check", str(p)]) == 2 and "is damaged" in capsys.readouterr().err
    assert main(["check", str(tmp_path / "nothing")]) == 2
    assert "nothing does not exist. Make one with notebook 01" in capsys.readouterr().err
    assert main(["check", str(tmp_path)]) == 2 and "is not a pack" in capsys.readouterr().err
