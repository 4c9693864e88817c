import json
import os
import shutil
import zipfile

import numpy as np
import pytest
from colab_stand_in import make_colab, settle
from helpers import make_pack, make_report, random_images, tiny
from PIL import Image

from ganlib.choice import pick_source
from ganlib.data.cleaning import clean
from ganlib.data.packs import load_pack, pack, read_review, write_review
from ganlib.data.sources import fetch
from ganlib.errors import GanlibError
from ganlib.files import kept_dir
from ganlib.presets import Profile, preset
from ganlib.session import get_pack, keep_pack, pack_dir, run_dir, start
from ganlib.training.loop import train

CPU, SMOKE = Profile("cpu", "", 60), Profile("smoke", "", 8)


@pytest.fixture(autouse=True)
def nowhere(tmp_path, monkeypatch):
    settle(monkeypatch, tmp_path)
    monkeypatch.setattr("ganlib.drive.MOUNT", tmp_path / "drive")


def quickly(folder, size):
    return clean(folder, size=size, faces="off", progress=False)


@pytest.fixture
def quick(monkeypatch):
    """Cleaning without a face detector: pictures of noise are good."""
    monkeypatch.setattr("ganlib.session.clean", quickly)


def draw(folder, numbers):
    """Pictures of noise, each a function of its number."""
    folder.mkdir(parents=True, exist_ok=True)
    for i in numbers:
        pixels = np.random.default_rng(i).integers(0, 256, (40, 40, 3), np.uint8)
        Image.fromarray(pixels).save(folder / f"{i:03d}.png")
    return folder


@pytest.fixture
def mine(tmp_path, monkeypatch, quick):
    """A folder of six pictures that GANLIB_FACES names."""
    monkeypatch.setenv("GANLIB_FACES", str(tmp_path / "mine"))
    return draw(tmp_path / "mine", range(6))


@pytest.fixture
def drive(tmp_path, monkeypatch):
    """A folder that outlives the session."""
    monkeypatch.setenv("GANLIB_KEEP", str(tmp_path / "drive"))
    return tmp_path / "drive"


def pack_now():
    """What the first data cell of a notebook gets."""
    return get_pack(pick_source(CPU), CPU, 32)


# -- the name of a pack


def test_kaggle_sets_and_versions_have_packs_of_their_own(monkeypatch):
    names = ["synthetic", "kaggle:first/faces", "kaggle:second/faces", "kaggle:first/faces/2",
             "kaggle:first-faces/2", "kaggle:first/faces-2"]
    folders = set()
    for name in names:
        monkeypatch.setenv("GANLIB_FACES", name)
        folders.add(pack_dir(pick_source(CPU), 32))
    assert len(folders) == len(names)
    monkeypatch.setenv("GANLIB_FACES", "Kaggle:First/Faces")
    assert pack_dir(pick_source(CPU), 32) in folders


def test_the_pack_of_a_kaggle_set_stays_whether_it_is_attached_or_not(quick, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("GANLIB_FACES", "kaggle:someone/girls")
    folder = draw(tmp_path / "input" / "girls", range(4))
    packed = pack_now()
    assert packed.source == str(folder) and packed.path.name == "someone.girls-32"
    assert pack_now().hash == packed.hash
    folder.rename(tmp_path / "girls")  # the next session does not have it
    monkeypatch.setattr("ganlib.session.fetch", lambda *a, **k: pytest.fail("downloaded"))
    assert pack_now().hash == packed.hash and "made again" not in capsys.readouterr().out
    settings = json.loads((packed.path / "pack.json").read_text())
    settings["settings"]["source"] = "kaggle:someone/girls"  # downloaded before, and attached now
    (packed.path / "pack.json").write_text(json.dumps(settings))
    (tmp_path / "girls").rename(folder)
    assert pack_now().hash == packed.hash and "made again" not in capsys.readouterr().out
    settings["settings"]["source"] = "kaggle:another/girls"
    (packed.path / "pack.json").write_text(json.dumps(settings))
    with pytest.raises(pytest.fail.Exception, match="downloaded"):
        monkeypatch.setenv("KAGGLE_CACHE_MOUNT_FOLDER", str(tmp_path / "nowhere"))
        pack_now()


@pytest.fixture
def kaggle_of_before(monkeypatch):
    """The pack of a Kaggle set as it was named before: without the set's owner."""
    monkeypatch.setenv("GANLIB_FACES", "kaggle:Someone/faces")
    report = make_report(random_images(8))
    report.settings |= {"folder": "faces", "size": 32}
    return pack(report, pack_dir(pick_source(CPU), 32).with_name("faces-32"))


def test_the_pack_of_a_kaggle_set_is_found_under_its_name_of_before(kaggle_of_before, drive, tmp_path):
    assert pack_now().path == kaggle_of_before.path
    shutil.rmtree(tmp_path / "data")  # and in the kept folder
    assert pack_now().hash == kaggle_of_before.hash


@pytest.mark.parametrize("key, value", [("folder", "cats"), ("source", "kaggle:other/faces")])
def test_the_pack_of_another_set_is_not_taken(kaggle_of_before, key, value):
    file = kaggle_of_before.path / "pack.json"
    info = json.loads(file.read_text())
    info["settings"][key] = value
    file.write_text(json.dumps(info))
    assert pack_dir(pick_source(CPU), 32).name == "someone.faces-32"


# -- its pack


def test_get_pack_makes_it_once(mine, tmp_path, monkeypatch):
    p = pack_now()
    assert p.path.parent == tmp_path / "data" / "packs" and p.path.name.startswith("mine-")
    assert len(p) == p.files == 6 and p.size == 32 and p.source == str(mine)
    monkeypatch.setattr("ganlib.session.clean", lambda *a, **k: pytest.fail("made again"))
    assert pack_now().hash == p.hash


def test_a_pack_that_notebook_01_made_is_used(mine, monkeypatch):
    """With settings of one's own, such as pictures that are padded."""
    source = pick_source(CPU)
    report = clean(fetch(source.source), size=32, fit="pad", faces="off", progress=False)
    p = pack(report, pack_dir(source, 32))
    monkeypatch.setattr("ganlib.session.clean", lambda *a, **k: pytest.fail("made again"))
    assert pack_now().hash == p.hash


def add(folder):
    draw(folder / "more", range(6, 20))


def replace(folder):
    draw(folder, [100])
    (folder / "100.png").replace(folder / "000.png")


def label(folder):
    (folder / "labels.csv").write_text("file,hair\n000.png,red\n")


@pytest.mark.parametrize("change, words", [
    (add, "it was made from 6 files of {}, where there are 20 now"),
    (replace, "files in {} have changed since"),
    (label, "files in {} have changed since"),
])
def test_a_folder_that_has_changed_gives_another_pack(mine, capsys, change, words):
    before = pack_now()
    change(mine)
    after = pack_now()
    assert capsys.readouterr().out == f"The pack {before.path.name} is made again: {words.format(mine)}.\n"
    assert after.hash != before.hash and after.path == before.path
    assert after.files == len(list(mine.rglob("*.png")))
    assert pack_now().hash == after.hash and capsys.readouterr().out == ""


def remove_one(folder):
    (folder / "005.png").unlink()


def remove_labels(folder):
    (folder / "labels.csv").unlink()


def empty(folder):
    for path in folder.iterdir():
        path.unlink()


@pytest.mark.parametrize("loss, words", [
    (remove_one, "lacks 1 of its files, such as 005.png"),
    (remove_labels, "lacks 1 of its files, such as labels.csv"),
    (empty, "lacks 7 of its files, such as 000.png"),
])
def test_a_folder_that_has_only_lost_files_leaves_its_pack(mine, drive, tmp_path, capsys, loss, words):
    """Here, and in the folder that outlives the session; removing the pack gives a new one."""
    label(mine)
    before = pack_now()
    loss(mine)
    copies = [before.path, drive / "packs" / before.path.name]
    assert [pack_now().hash, *(load_pack(path).hash for path in copies)] == [before.hash] * 3
    told = capsys.readouterr().out
    assert told.count("\n") == 1
    assert f"The pack {before.path.name} is used as it is, though {mine} {words}." in told
    assert told.endswith(f"remove {copies[0]} and {copies[1]}.\n")
    shutil.rmtree(copies[0])
    assert pack_now().hash == before.hash  # brought back
    if loss is not empty:
        for path in copies:
            shutil.rmtree(path)
        assert pack_now().hash != before.hash


def test_files_whose_names_are_no_utf8_may_be_lost_as_well(mine, capsys):
    for number, name in enumerate((b"\x8a.png", b"\x8b.png"), 10):
        draw(mine, [number])
        os.rename(mine / f"{number:03d}.png", os.path.join(os.fsencode(mine), name))
    p = pack_now()
    os.remove(os.path.join(os.fsencode(mine), b"\x8b.png"))
    assert pack_now().hash == p.hash and r"such as \x8b.png. To make it" in capsys.readouterr().out


def test_a_file_of_another_kind_beside_the_pictures_changes_nothing(mine, tmp_path, monkeypatch, capsys):
    p = pack_now()
    (mine / "README.txt").write_text("mine")
    (mine / "up").symlink_to(tmp_path)
    draw(tmp_path, [100])
    monkeypatch.setattr("ganlib.session.clean", lambda *a, **k: pytest.fail("made again"))
    assert pack_now().hash == p.hash and capsys.readouterr().out == ""


def test_what_is_passed_over_is_told_in_one_line(mine, capsys):
    (mine / "movie.mp4").write_bytes(b"\0\0\0\x18ftypmp42")
    pack_now()
    assert capsys.readouterr().out == "Not taken: no picture that can be read, .mp4: 1 (movie.mp4).\n"


def test_labels_that_were_changed_by_hand_are_taken_anew(mine):
    label(mine)
    assert pack_now().attributes == {"hair": ["red"]}
    (mine / "labels.csv").write_text("file,hair\n000.png,sky\n")  # of the same size
    assert pack_now().attributes == {"hair": ["sky"]}


def test_a_linked_folder_that_has_grown(mine, tmp_path):
    (mine / "linked").symlink_to(draw(tmp_path / "elsewhere", range(50, 52)))
    assert pack_now().files == 8
    draw(tmp_path / "elsewhere", [53])
    assert pack_now().files == 9


def test_files_that_were_only_touched_or_copied_are_the_same(mine, monkeypatch, tmp_path):
    p = pack_now()
    for path in mine.iterdir():
        os.utime(path, (1, 1))
    monkeypatch.setattr("ganlib.session.clean", lambda *a, **k: pytest.fail("made again"))
    assert pack_now().hash == p.hash
    (mine / ".DS_Store").write_text("hidden")
    assert pack_now().hash == p.hash


def test_a_source_that_is_gone_leaves_its_pack(mine):
    p = pack_now()
    shutil.rmtree(mine)
    assert pack_now().hash == p.hash


def test_what_was_taken_back_stays_so_when_a_folder_grows(mine):
    shutil.copy(mine / "000.png", mine / "copy.png")
    p = pack_now()
    write_review(p.path, {"copy.png"})
    add(mine)
    assert len(pack_now()) == 21


def test_an_archive_that_was_replaced_gives_another_pack(quick, monkeypatch, tmp_path, capsys):
    archive = tmp_path / "faces.zip"
    monkeypatch.setenv("GANLIB_FACES", str(archive))

    def zipped(numbers):
        with zipfile.ZipFile(archive, "w") as out:
            for path in sorted(draw(tmp_path / str(numbers), numbers).iterdir()):
                out.write(path, path.name)

    zipped(range(3))
    first = pack_now()
    assert capsys.readouterr().out == ""
    zipped(range(10, 15))
    second = pack_now()
    assert (len(first), len(second)) == (3, 5)
    told = f"The pack {first.path.name} is made again, as {second.path.name}: {archive} has changed since.\n"
    assert capsys.readouterr().out == told
    assert pack_now().hash == second.hash and capsys.readouterr().out == ""
    archive.unlink()
    assert pack_now().hash == second.hash  # and not the first one


def test_drawn_faces_and_ones_own_under_one_name(quick, monkeypatch, tmp_path):
    """A pack folder that holds a pack of something else, as after a move, is not taken for it."""
    draw(tmp_path / "mine", range(6))
    monkeypatch.setenv("GANLIB_FACES", str(tmp_path / "mine"))
    p = pack(quickly(draw(tmp_path / "other", range(20, 24)), 32), pack_dir(pick_source(CPU), 32))
    assert len(p) == 4 and len(pack_now()) == 6


def test_labels_changed_in_what_fetch_unpacked(quick, monkeypatch, tmp_path):
    with zipfile.ZipFile(tmp_path / "faces.zip", "w") as out:
        for path in sorted(draw(tmp_path / "faces", range(3)).iterdir()):
            out.write(path, path.name)
    monkeypatch.setenv("GANLIB_FACES", str(tmp_path / "faces.zip"))
    first = pack_now()
    raw = tmp_path / "data" / "raw" / "faces"
    label(raw)
    assert pack_now().attributes == {"hair": ["red"]}
    shutil.rmtree(raw)  # to save space
    assert pack_now().attributes == {"hair": ["red"]} and first.attributes == {}


def test_a_pack_of_before_that_is_used_where_its_files_are_as_many(mine, monkeypatch):
    p = pack_now()
    text = (p.path / "pack.json").read_text()
    for key in "source", "identity", "listing", "contents":
        text = text.replace(f'"{key}"', f'"old-{key}"')
    (p.path / "pack.json").write_text(text)
    with monkeypatch.context() as patch:
        patch.setattr("ganlib.session.clean", lambda *a, **k: pytest.fail("made again"))
        assert pack_now().hash == p.hash
    add(mine)
    assert len(pack_now()) == 20


def test_a_pack_can_be_named_itself(monkeypatch, tmp_path):
    p = make_pack(tmp_path / "home" / "mine", 8)
    for name in str(p.path), "~/mine":
        monkeypatch.setenv("GANLIB_FACES", name)
        assert pack_dir(pick_source(CPU), 32) == p.path and pack_now().hash == p.hash


# -- the folder that outlives the session


def test_a_kept_folder_outlives_the_session(drive, tmp_path):
    source = pick_source(CPU)
    p = keep_pack(make_pack(pack_dir(source, 32), 8))
    keep_pack(p)  # again, over what is there
    shutil.rmtree(tmp_path / "data")  # the session's disk is gone
    again = get_pack(source, CPU, 32)
    assert again.hash == p.hash and again.path == p.path  # read from the local disk
    assert np.array_equal(again.images, p.images)


def fails_on_the_drive(monkeypatch, drive):
    """A full disk: every copy to the drive fails when half of it is written."""
    copy = shutil.copyfile

    def copyfile(source, target):
        if drive in target.parents:
            target.write_bytes(source.read_bytes()[:100])
            raise OSError(28, "No space left on device")
        return copy(source, target)

    monkeypatch.setattr(shutil, "copyfile", copyfile)


def test_a_full_drive_is_told_and_tried_again(mine, drive, monkeypatch):
    with monkeypatch.context() as patch:
        fails_on_the_drive(patch, drive)
        for _ in range(2):
            with pytest.warns(UserWarning, match="could not be copied to .*No space left.*tries again"):
                p = pack_now()
            assert len(p) == 6 and not list((drive / "packs").iterdir())
    pack_now()  # there is room again
    assert load_pack(drive / "packs" / p.path.name).hash == p.hash


def test_a_full_drive_keeps_the_pack_that_is_on_it(mine, drive, monkeypatch):
    old = pack_now()
    add(mine)
    with monkeypatch.context() as patch:
        fails_on_the_drive(patch, drive)
        with pytest.warns(UserWarning, match="could not be copied"):
            new = pack_now()
    assert load_pack(drive / "packs" / old.path.name).hash == old.hash != new.hash
    assert [path.name for path in (drive / "packs").iterdir()] == [old.path.name]
    pack_now()
    assert load_pack(drive / "packs" / old.path.name).hash == new.hash


@pytest.mark.parametrize("there", ["a file", "a file in its place"])
def test_a_drive_that_is_no_folder(mine, drive, there):
    if there == "a file":
        drive.write_text("x")
    else:
        drive.mkdir()
        (drive / "packs").write_text("x")
    with pytest.warns(UserWarning, match="could not be copied"):
        assert len(pack_now()) == 6


def cut_short(kept):
    (kept / "images.npy").write_bytes((kept / "images.npy").read_bytes()[:-10])


def without_labels(kept):
    (kept / "labels.npy").unlink()


def without_end(kept):
    (kept / "pack.json").unlink()


def emptied(kept):
    for path in kept.iterdir():
        path.write_bytes(b"")


@pytest.mark.parametrize("damage, told", [(cut_short, True), (without_labels, True), (without_end, False),
                                          (emptied, True)])
def test_a_kept_pack_that_is_not_whole_is_made_again(mine, drive, tmp_path, recwarn, damage, told):
    p = pack_now()
    kept = drive / "packs" / p.path.name
    damage(kept)
    shutil.rmtree(tmp_path / "data")
    again = pack_now()
    assert again.hash == p.hash and load_pack(kept).hash == p.hash
    assert told == any("cannot be used, and is made again" in str(warning.message) for warning in recwarn)


def test_a_review_that_was_kept_with_a_damaged_pack_is_not_lost(mine, drive, tmp_path):
    shutil.copy(mine / "000.png", mine / "copy.png")
    p = pack_now()
    write_review(p.path, {"copy.png"})
    keep_pack(p)
    cut_short(drive / "packs" / p.path.name)
    shutil.rmtree(tmp_path / "data")
    with pytest.warns(UserWarning, match="made again"):
        assert len(pack_now()) == 7
    assert read_review(drive / "packs" / p.path.name) == {"copy.png"}


def test_a_swap_on_the_drive_that_was_cut_off_is_mended(mine, drive, tmp_path, monkeypatch):
    p = pack_now()
    kept = drive / "packs" / p.path.name
    kept.rename(kept.with_name(f".{kept.name}.old"))
    shutil.rmtree(tmp_path / "data")
    monkeypatch.setattr("ganlib.session.clean", lambda *a, **k: pytest.fail("made again"))
    assert pack_now().hash == p.hash


# -- runs


def test_a_runs_folder_carries_the_name_of_its_pack(tmp_path, monkeypatch):
    a = make_pack(tmp_path / "a" / "faces", 8)
    b = make_pack(tmp_path / "b" / "faces", 9)
    folders = [run_dir("dcgan", CPU, p) for p in (a, b)]
    assert folders[0] != folders[1]
    for folder in folders:
        assert folder.is_relative_to(tmp_path / "data" / "runs" / "cpu")
        assert folder.name == "dcgan" and folder.parent.name.startswith("faces-")
    assert kept_dir() is None and run_dir("x", CPU) == tmp_path / "data" / "runs" / "cpu" / "x"
    monkeypatch.setenv("GANLIB_KEEP", str(tmp_path / "drive"))
    assert run_dir("dcgan", CPU, a).is_relative_to(tmp_path / "drive" / "runs" / "cpu")


def test_a_run_on_drawn_faces_does_not_block_ones_own(tmp_path):
    for name in "synthetic-60-32", "mine-32":
        p = make_pack(tmp_path / name, 32, seed=len(name))
        run = train(tiny(images=16, frames=0), p, run_dir("dcgan", CPU, p), progress=False)
        assert run.images == 16


def test_a_run_of_before_that_is_found_where_it_is(tmp_path):
    p = make_pack(tmp_path / "p", 32)
    old = tmp_path / "data" / "runs" / "cpu" / "dcgan"
    train(tiny(images=16, frames=0), p, old, progress=False)
    assert run_dir("dcgan", CPU, p) == old
    assert run_dir("dcgan", CPU, make_pack(tmp_path / "other", 32, seed=1)) != old


def test_a_run_is_found_where_its_pack_has_another_name(tmp_path):
    """As of an archive that was uploaded anew: a digest of its date is in the pack's name."""
    p = make_pack(tmp_path / "faces-1a2b3c-32", 32)
    begun = run_dir("tricks/dcgan", CPU, p)
    train(tiny(images=16, frames=0), p, begun, progress=False)
    again = make_pack(tmp_path / "faces-4d5e6f-32", 32)
    assert run_dir("tricks/dcgan", CPU, again) == begun
    assert run_dir("tricks/lsgan", CPU, again) != begun.with_name("lsgan")
    text = (begun / "config.json").read_text()
    (begun / "config.json").write_text(text.replace(p.hash, "0" * 16))
    assert run_dir("tricks/dcgan", CPU, again) != begun


# -- start


@pytest.fixture
def demo(monkeypatch):
    monkeypatch.setenv("GANLIB_PROFILE", "demo")


def test_start_gives_all_that_a_training_needs(mine, demo, capsys):
    here = start("dcgan", size=32, images=64, minutes=0)
    told = capsys.readouterr().out
    assert told.count("\n") == 2 and "set by GANLIB_PROFILE" in told and "named by GANLIB_FACES" in told
    assert here.profile.name == "demo" and here.profile.faces == 3_000
    assert here.source.source == str(mine) and here.fetch() == mine
    assert not here.pack_dir.exists()  # nothing is made before it is asked for
    assert here.size == here.config.resolution == here.pack.size == 32 and here.config.images == 64
    assert here.pack is here.pack and here.pack.path == here.pack_dir and len(here.pack) == 6
    assert here.run == here.folder("dcgan") == run_dir("dcgan", here.profile, here.pack)
    assert here.folder("lsgan") == here.run.with_name("lsgan")
    assert here.preset("lsgan", images=5) == preset("lsgan", here.profile, resolution=32, images=5)
    assert here.pack_at(16).size == 16 and here.pack_at(16).hash != here.pack.hash
    for words in ("set by GANLIB_PROFILE", "named by GANLIB_FACES", "'dcgan'", "32x32", str(here.pack_dir)):
        assert words in repr(here)


def test_a_pack_that_was_made_anew_is_opened_anew(mine, demo):
    """As notebook 01 makes it, with settings of one's own."""
    here = start("dcgan", size=32)
    first = here.pack
    assert here.pack is first
    report = quickly(here.fetch(), 32)
    report.rows[0].reason = "uniform"
    made = pack(report, here.pack_dir)
    assert here.pack.hash == made.hash != first.hash and len(here.pack) == 5


def test_what_one_notebook_packs_the_next_trains_on(demo, quick, tmp_path, monkeypatch):
    monkeypatch.chdir(draw(tmp_path / "work" / "mine", range(6)).parent)
    first = start("dcgan", size=32, faces="mine").pack
    monkeypatch.chdir(tmp_path)  # another notebook in another folder
    assert start("lsgan", size=32).pack.hash == first.hash
    assert start("lsgan", size=32, faces="synthetic").source.source == "synthetic"
    assert start("wgan", size=32).source.source == "synthetic"


def test_what_the_environment_says_is_not_remembered(mine, demo, monkeypatch):
    start("dcgan", faces="synthetic")
    monkeypatch.delenv("GANLIB_FACES")
    assert start("dcgan").source.source == "synthetic"
    monkeypatch.setenv("GANLIB_PROFILE", "smoke")
    start("dcgan", faces="kaggle:someone/faces")
    monkeypatch.setenv("GANLIB_PROFILE", "demo")
    assert start("dcgan").source.source == "synthetic"


def test_a_new_machine_with_the_old_drive(demo, quick, tmp_path, monkeypatch, capsys):
    """The uploaded archive is gone with the machine: the pack that was made of it comes from the Drive."""
    archive = tmp_path / "faces.zip"
    with zipfile.ZipFile(archive, "w") as out:
        for path in draw(tmp_path / "raw", range(5)).iterdir():
            out.write(path, path.name)
    make_colab(monkeypatch, tmp_path)
    first = start("dcgan", size=32, faces=str(archive), keep="drive")
    packed, run = first.pack.hash, first.run
    assert run.is_relative_to(tmp_path / "drive" / "MyDrive" / "ganlib" / "runs")
    archive.unlink()
    shutil.rmtree(tmp_path / "data")
    monkeypatch.setenv("GANLIB_KEEP", "")
    capsys.readouterr()
    again = start("dcgan", size=32, keep="drive")
    told = capsys.readouterr().out
    assert f"as before; it is not here any more, but its pack {first.pack_dir.name} is and is used" in told
    assert again.pack.hash == packed and again.run == run
    monkeypatch.setenv("GANLIB_KEEP", "")  # the next notebook of this machine
    assert start("dcgan", size=32).pack.hash == packed and kept_dir() is not None


def test_faces_on_the_drive_are_kept_there_too(demo, quick, tmp_path, monkeypatch):
    make_colab(monkeypatch, tmp_path)
    faces = draw(tmp_path / "art" / "faces", range(4))
    mine = tmp_path / "drive" / "MyDrive"
    assert kept_dir() is None
    with pytest.raises(GanlibError, match="put faces.zip"):
        start("dcgan", faces="drive")
    shutil.copytree(faces, mine / "ganlib" / "faces")
    here = start("dcgan", size=32, faces="drive")
    assert here.source.source == str(mine / "ganlib" / "faces") and kept_dir() == mine / "ganlib"
    shutil.copytree(faces, mine / "art")
    assert start("dcgan", faces="drive/art").source.source == str(mine / "art")
    assert start("dcgan").source.source == str(mine / "art")


def test_the_choices_can_be_undone(demo, tmp_path, monkeypatch):
    start("dcgan", keep=tmp_path / "kept")
    monkeypatch.setenv("GANLIB_KEEP", "")
    start("dcgan")
    assert kept_dir() == tmp_path / "kept"
    start("dcgan", keep="no")
    start("dcgan")
    assert kept_dir() is None


def test_start_makes_nothing_by_itself(demo, tmp_path, monkeypatch):
    for name in ("fetch", "clean", "get_pack"):
        monkeypatch.setattr(f"ganlib.session.{name}", lambda *a, **k: pytest.fail("made something"))
    here = start(faces="kaggle:soumikrakshit/anime-faces")
    assert here.name == "dcgan" and "kaggle:soumikrakshit" in repr(here)
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["start.json"]


def test_a_pack_of_another_size_is_told(demo, tmp_path):
    p = make_pack(tmp_path / "mine", 8)
    here = start("dcgan", faces=p.path, size=32)
    assert here.pack.hash == p.hash
    words = "pictures of 32 pixels, not of 64: call start with size=32"
    with pytest.raises(GanlibError, match=words):
        start("dcgan")
    with pytest.raises(GanlibError, match=words):
        here.pack_at(64)


def test_where_packs_and_runs_are_kept_is_told(demo, tmp_path, monkeypatch, capsys):
    start("dcgan", keep=tmp_path / "kept")
    assert capsys.readouterr().out.endswith(f"\nPacks and runs are kept in {tmp_path / 'kept'}.\n")
    monkeypatch.setenv("GANLIB_KEEP", "")
    start("dcgan")
    assert capsys.readouterr().out.endswith(f"{tmp_path / 'kept'} (as before; keep=\"no\" ends that).\n")
    start("dcgan", keep="no")
    assert "kept" not in capsys.readouterr().out


def test_a_folder_of_the_drive_is_kept_in_by_the_next_session(demo, tmp_path, monkeypatch, capsys):
    """Which mounts the Drive again, and makes no folder in its place."""
    colab = make_colab(monkeypatch, tmp_path)
    start("dcgan", keep="drive/art")
    shutil.move(tmp_path / "drive", tmp_path / "unmounted")
    monkeypatch.setenv("GANLIB_KEEP", "")
    start("dcgan")
    assert colab.calls == [str(tmp_path / "drive")] * 2
    assert kept_dir() == tmp_path / "drive" / "MyDrive" / "art"


@pytest.mark.parametrize("faces", ["notes.txt", "empty", "gone.zip", "synthetc"])
def test_a_refusal_leaves_all_as_it_was(demo, tmp_path, monkeypatch, faces, capsys):
    monkeypatch.chdir(draw(tmp_path / "work" / "mine", range(2)).parent)
    (tmp_path / "work" / "notes.txt").write_text("x")
    (tmp_path / "work" / "empty").mkdir()
    good = start("dcgan", faces="mine").source
    capsys.readouterr()
    with pytest.raises(GanlibError, match=f"faces='{faces}'"):
        start("dcgan", faces=faces, keep=tmp_path / "kept")
    assert not (tmp_path / "kept").exists() and kept_dir() is None
    assert capsys.readouterr().out == "" and start("dcgan").source.source == good.source


def test_size_by_its_two_names(demo):
    assert start("dcgan", resolution=32).preset("lsgan").resolution == 32
    assert start("dcgan", size=32, resolution=32).size == 32
    with pytest.raises(GanlibError, match="size=32 and resolution=64 are two words for one thing"):
        start("dcgan", size=32, resolution=64)


def test_pictures_of_which_none_is_left(demo, tmp_path):
    """The reasons are told, and how many files each has cost."""
    folder = tmp_path / "mine"
    folder.mkdir()
    for number in range(3):
        Image.new("RGB", (40, 40), (number, 0, 0)).save(folder / f"{number}.png")
    Image.new("RGB", (9, 9)).save(folder / "small.png")
    with pytest.raises(GanlibError) as error:
        start("dcgan", faces=folder, size=32).pack  # noqa: B018
    words = "Dropped of 4 files: 3 uniform (nearly one colour), 1 too-small (a side shorter"
    assert words in str(error.value)


def test_a_data_folder_that_cannot_be_written(demo, tmp_path, monkeypatch):
    with zipfile.ZipFile(tmp_path / "faces.zip", "w") as out:
        out.write(draw(tmp_path / "raw", [0]) / "000.png", "a.png")
    (tmp_path / "file").write_text("x")
    monkeypatch.setenv("GANLIB_DATA", str(tmp_path / "file"))
    with pytest.raises(GanlibError, match="mend that, or let GANLIB_DATA name another folder"):
        fetch(tmp_path / "faces.zip", progress=False)


@pytest.mark.parametrize("call, words", [
    (dict(name="dcgna"), "Did you mean 'dcgan'?"),
    (dict(name=None), "None is not the name of a preset"),
    (dict(name=["dcgan"]), "not the name of a preset"),
    (dict(size=7), "resolution=7"),
    (dict(size=-64), "resolution=-64"),
    (dict(size=5_000), "resolution=5000"),
    (dict(size="big"), "resolution='big'"),
    (dict(use_kaggle=True), "use_kaggle"),
    (dict(wdith=8), "Did you mean 'width'?"),
    (dict(face="synthetic"), "Did you mean 'faces'?"),
    (dict(Faces="synthetic"), "Did you mean 'faces'?"),
    (dict(kept="no"), "Did you mean 'keep'?"),
    (dict(sizes=64), "Did you mean 'size'?"),
    (dict(resoluton=64), "Did you mean 'resolution'?"),
    (dict(keep="Drive"), "did you mean 'drive'?"),
    (dict(faces="synthetc"), "did you mean 'synthetic'?"),
    (dict(keep="drive"), "not Colab"),
])
def test_bad_input_is_told_in_a_line(demo, call, words, tmp_path, capsys):
    with pytest.raises(GanlibError) as error:
        start(**call)
    assert words in str(error.value), error.value
    assert "\n" not in str(error.value) and capsys.readouterr().out == ""
    assert not (tmp_path / "data").exists()  # nothing is remembered of it
