"""The report of a training, as text and as a page."""
import base64
import errno
import io
import os
import re
from types import SimpleNamespace

import pytest
from PIL import Image
from run_folders import START, full_records, records, write_log, write_samples

import ganlib
from ganlib.errors import GanlibError
from ganlib.images import encoded
from ganlib.view.curves import curves, indicators
from ganlib.view.report import report

STOP = {"event": "stop", "images": 30_000, "train_seconds": 240.0, "reason": "budget"}
BEGUN = START | {"device": "cpu", "threads": 2, "pack": "p64 (900 images)"}
TRAINED = [BEGUN, *full_records(30, diversity=0.8)]


def numbers(run):
    """{what: number} of a report of one run, from its text."""
    lines = re.findall(r"^  (\S.*?)  +(.+)$", str(report(run)), re.M)
    return dict(lines)


def pictures(page):
    """{alt: PIL image} of the pictures that a page carries with it."""
    found = re.findall(r'<img alt="([^"]*)"[^>]* src="data:image/\w+;base64,([^"]+)"', page)
    return {alt: Image.open(io.BytesIO(base64.b64decode(data))) for alt, data in found}


def test_the_numbers_of_a_run(tmp_path):
    run = write_samples(write_log(tmp_path / "dcgan", [*TRAINED, STOP]), 3)
    assert numbers(run) == {
        "images seen": "30,000",
        "in epochs": "1.39 epochs of 21,551 images; the report has 150",
        "learnt from": "p64 (900 images)",
        "time": "4.0 minutes on a CPU (2 threads) of the machine that trained it",
        "speed": "125 images a second, on average",
        "D(x), for real images": "0.7",
        "D(G(z)), for generated ones": "0.2",
        "diversity": "0.8 (1: as varied as the data)",
        "ended": "at 30,000 images, when its budget was spent",
    }


def test_what_is_told_depends_on_the_run(tmp_path):
    growing = [record | {"resolution": 16, "fade": 0.25} for record in records(2)]
    found = numbers(write_log(tmp_path / "grown", growing, row="stylegan"))
    assert found["resolution"] == "16x16, fade 0.25"
    found = numbers(write_log(tmp_path / "wgan", records(4), row="wgan"))
    assert found["Wasserstein estimate"] == "0.5"
    assert found["D(x), for real images"] == "0.7 (a score, no probability)"
    later = START | {"images": 2000, "device": "cpu", "threads": 1}
    found = numbers(write_log(tmp_path / "moved", [START | {"device": "Tesla T4"}, *records(2), later]))
    machine = "on the GPU Tesla T4, then on a CPU (1 thread) of the machine that trained it"
    assert found["time"] == f"16.0 seconds {machine}"


@pytest.mark.parametrize("event, words", [
    ({"event": "stop", "reason": "interrupt"},
     "at 3,000 images, stopped by hand (the same call of train goes on)"),
    ({"event": "stop", "reason": "worse"},
     "at 3,000 images, as its scores had got worse (stop_when_worse)"),
    ({"event": "diverged", "text": "loss_g"},
     "at 3,000 images, as loss_g was no longer a number: it diverged"),
    ({"event": "start"},
     "not yet: it is training, or was cut off (the same call of train goes on)"),
])
def test_how_a_run_ended(tmp_path, event, words):
    run = write_log(tmp_path, [START, *records(3), START | {"images": 3000} | event])
    assert numbers(run)["ended"] == words


SCORE = {"event": "score", "train_seconds": 100.0, "n": 2_048}


@pytest.mark.parametrize("last, words", [
    (110, "at 17,000 images it was better (FD-lite 82 against 110): collapsed since? "
          "It is loaded as dcgan:best"),
    (90, "at 17,000 images it was better (FD-lite 82 against 90). It is loaded as dcgan:best"),
    (84, "82 at 17,000 images: as good, as far as one can tell"),  # 2% are the spread of draws
])
def test_when_the_last_and_the_best_differ(tmp_path, last, words):
    values = {30_000: last, 17_000: 82, 5_000: 300}  # scored after the run, the newest first
    scores = [SCORE | {"images": images, "fd": fd} for images, fd in values.items()]
    found = numbers(write_log(tmp_path / "dcgan", [*TRAINED, STOP, *scores]))
    assert found["FD-lite"] == f"{last} at the end (2,048 samples)" and found["its best"] == words
    found = numbers(write_log(tmp_path / "dcgan", [*TRAINED, STOP, *scores[1:]]))
    assert found["FD-lite"] == "82 at 17,000 images, the last that is scored (2,048 samples)"
    assert found["its best"] == "82 at 17,000 images: as good, as far as one can tell"


def test_the_page_draws_the_scores(tmp_path):
    scores = [SCORE | {"images": 10_000 * i, "fd": 300 / i} for i in (1, 2, 3)]
    run = write_log(tmp_path / "dcgan", [*TRAINED, *scores])
    drawn = pictures(report(run)._repr_html_())["indicators"]
    expected = Image.open(io.BytesIO(encoded(indicators(run).savefig)))
    assert drawn.tobytes() == expected.tobytes()
    assert indicators(run).axes[0].get_title(loc="left").startswith("FD-lite of kept generators")


def test_it_shows_and_writes_curves_and_progress(tmp_path):
    run = write_samples(write_log(tmp_path / "dcgan", TRAINED), 3)
    made = report(SimpleNamespace(path=run))
    assert made.files == [run / "losses.png", run / "progress.webp"]
    shown = pictures(made._repr_html_())
    assert [*shown] == ["curves", "indicators", "dcgan while it learnt"]
    curves(run, out=tmp_path / "expected.png")
    assert (run / "losses.png").read_bytes() == (tmp_path / "expected.png").read_bytes()
    assert shown["curves"].tobytes() == Image.open(run / "losses.png").tobytes()
    assert shown["dcgan while it learnt"].n_frames == 4  # real images and three of the run
    assert "healthy" in str(made) and "healthy" in made._repr_html_()
    for file in made.files:
        assert f"Written: {file}" in str(made)
    assert "src=\"http" not in made._repr_html_() and "<script" not in made._repr_html_()
    assert str(report(run)) == str(made)  # again, over the files of before


def test_several_runs_share_the_curves(tmp_path):
    runs = [write_samples(write_log(tmp_path / name, TRAINED), 2) for name in ("one", "two")]
    alike = write_log(tmp_path / "other" / "one", TRAINED)
    assert "<th" in report(runs[0], alike)._repr_html_() and "\nother/one\n" in str(report(runs[0], alike))
    made = report(*runs)
    shown = pictures(made._repr_html_())
    assert [*shown] == ["curves", "indicators", "one while it learnt", "two while it learnt"]
    assert made._repr_html_().count("healthy") == 2
    both = Image.open(io.BytesIO(made.figures["curves"]))
    curves(*runs, out=tmp_path / "both.png")
    assert both.tobytes() == Image.open(tmp_path / "both.png").tobytes()
    own = [Image.open(run / "losses.png").tobytes() for run in runs]
    assert own[0] == own[1] != both.tobytes()  # each folder has the curves of its own run


def test_a_run_that_has_barely_begun(tmp_path):
    begun = write_log(tmp_path / "begun", [START | {"device": "cpu", "threads": 2}])
    made = report(begun)
    assert made.files == []
    assert all("Nothing is logged yet" in shown for shown in (str(made), made._repr_html_()))
    assert numbers(begun)["images seen"] == "0"
    one = write_log(tmp_path / "one", [START, *records(1)])
    made = report(one)
    assert made.files == [one / "losses.png"] and "no samples yet" in str(made)
    assert "too early to tell" in str(made)
    assert [*pictures(report(begun, one)._repr_html_())] == ["curves", "indicators"]
    empty = write_log(tmp_path / "empty", [])
    assert "Nothing is logged yet" in str(report(empty))


def test_names_tell_runs_apart(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("a", "sub/a", "sub/sub/a"):
        write_log(tmp_path / name, TRAINED)
    made = report("a", "sub/a", "sub/sub/a")
    names = [run.name for run in made.runs]
    assert names == [f"{tmp_path.parent.name}/{tmp_path.name}/a", f"{tmp_path.name}/sub/a", "sub/sub/a"]
    for name in names:
        assert f"\n{name}: healthy" in str(made) and f"<b>{name}: healthy" in made._repr_html_()
    once = report("a", "./a", tmp_path / "sub" / ".." / "a")  # one run, however it is named
    assert [run.name for run in once.runs] == ["a"] and str(once).count("healthy") == 1


def test_damaged_pictures_are_left_out(tmp_path):
    run = write_samples(write_log(tmp_path / "run", TRAINED), 4)
    files = sorted((run / "samples").glob("0*.png"))
    files[1].write_bytes(files[1].read_bytes()[:-200])
    files[2].write_bytes(b"no picture")
    made = report(run)
    words = f"cannot be read: {files[1].name}, {files[2].name} in {run / 'samples'}."
    assert words in str(made) and words in made._repr_html_()
    assert pictures(made._repr_html_())["run while it learnt"].n_frames == 3  # real images and two of four
    for file in (run / "samples").iterdir():
        file.write_bytes(b"")
    made = report(run)
    assert "cannot be read" in str(made) and [*pictures(made._repr_html_())] == ["curves", "indicators"]


def test_a_folder_that_is_read_only_is_shown_and_told_of(tmp_path, monkeypatch):
    run = write_samples(write_log(tmp_path / "run", TRAINED), 2)

    def refused(*_):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(os, "fsync", refused)
    made = report(run)
    words = f"Not written into {run}: losses.png and progress.webp (Read-only file system)."
    assert made.files == [] and words in str(made) and words in made._repr_html_()
    assert [*pictures(made._repr_html_())] == ["curves", "indicators", "run while it learnt"]
    assert not list(run.glob("*.webp"))


def test_a_file_of_somebody_else_stays(tmp_path):
    run = write_samples(write_log(tmp_path / "run", TRAINED), 2)
    (run / "progress.webp").write_text("a letter")
    made = report(run)
    assert made.files == [run / "losses.png"] and "Not written" in str(made)
    assert (run / "progress.webp").read_text() == "a letter"


def test_a_name_cannot_break_the_page(tmp_path):
    run = write_samples(write_log(tmp_path / "a<b>&c", TRAINED), 1)
    page = report(run)._repr_html_()
    assert "<b>&c" not in page and "a&lt;b&gt;&amp;c" in page


def test_what_is_no_run_gets_a_sentence(tmp_path):
    with pytest.raises(GanlibError, match="of which run"):
        report()
    with pytest.raises(GanlibError, match="no log.jsonl: expected a run's folder"):
        report(tmp_path)
    with pytest.raises(GanlibError, match="None is no run: expected its folder"):
        report(None)
    assert ganlib.report is report
