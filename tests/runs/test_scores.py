"""The best of a run: when generators are scored, which file is the best, and a run that ends by them."""
import json
import signal
import time

import pytest
import torch
from helpers import make_pack, tiny
from processes import states
from several import together

from ganlib.__main__ import main
from ganlib.config import Config
from ganlib.errors import GanlibError
from ganlib.evaluation import scores as measuring
from ganlib.models.store import load_generator
from ganlib.runs import scores
from ganlib.runs.folder import RunFolder, read_log, read_scores, snapshot_files
from ganlib.runs.scores import Scores, best_of, has_got_worse
from ganlib.runs.states import remove_state, state_files
from ganlib.training import loop
from ganlib.training.loop import train

WHILE = dict(score="while training", generators=4)  # kept at 16, 48, 96 and 160 images of 160


@pytest.fixture(scope="module")
def pack(tmp_path_factory):
    return make_pack(tmp_path_factory.mktemp("data") / "pack", 40)


@pytest.fixture
def scripted(monkeypatch):
    """Scores are these, one after the other. Returns the images seen of the generators that were loaded."""
    def script(*values):
        left = list(values)

        def measure(generator):
            if isinstance(left[0], BaseException):
                raise left.pop(0)
            seen.append(getattr(generator, "info", {}).get("images"))
            return {"fd": float(left.pop(0)), "n": 2_048}

        seen = []
        monkeypatch.setattr(loop, "scorer", lambda *_: measure)
        return seen

    return script


def events(run, kind="score"):
    return [event for event in read_log(run)[1] if event["event"] == kind]


def all_files(run):
    return {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}


# -- while training


def test_each_kept_generator_is_scored_and_the_best_is_a_file_of_its_own(pack, tmp_path, scripted):
    scripted(9, 5, 3.5, 4)
    run = train(tiny(**WHILE), pack, tmp_path / "run", progress=False).path
    assert read_scores(run) == {16: 9, 48: 5, 96: 3.5, 160: 4}
    assert [int(file.stem) for file in snapshot_files(run)] == [16, 48, 96, 160]
    assert {"images": 96, "fd": 3.5, "n": 2_048}.items() <= events(run)[2].items()
    best = load_generator(f"{run}:best")
    assert best.info["images"] == "96" and best.folder == run
    assert (run / "best.safetensors").read_bytes() == snapshot_files(run)[2].read_bytes()
    assert load_generator(run).info["images"] == "160"  # the last, unless asked


def test_a_shell_draws_with_the_best(pack, tmp_path, scripted, capsys):
    scripted(9, 5, 3.5, 4)
    run = train(tiny(**WHILE), pack, tmp_path / "run", progress=False).path
    assert main(["sample", f"{run}:best", str(tmp_path / "faces.npy"), "--n", "2"]) == 0
    assert "2 images of 32x32" in capsys.readouterr().out
    assert main(["evaluate", str(pack.path), f"{run}:bets", "--n", "16"]) == 2
    assert "There is no run" in capsys.readouterr().err


@pytest.mark.parametrize("changes", [{}, {"graphs": "on"}, {"d_norm": "none", "dropout": 0.3}])
def test_scores_change_nothing_bit_for_bit(changes, pack, tmp_path, monkeypatch):
    """With the true features. Whole, and in two legs of which one ends at a score."""
    monkeypatch.setenv("GANLIB_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(measuring, "SAMPLES", 16)
    train(tiny(score="off", generators=4, **changes), pack, tmp_path / "off", progress=False)
    train(tiny(**WHILE, **changes), pack, tmp_path / "whole", progress=False)
    train(tiny(**WHILE | {"images": 80} | changes), pack, tmp_path / "legs", progress=False)
    train(tiny(**WHILE, **changes), pack, tmp_path / "legs", progress=False)
    expected = states(tmp_path / "off")
    for name in ("whole", "legs"):
        found = states(tmp_path / name)
        assert not [key for key in expected if not torch.equal(found[key], expected[key])], name
    assert len(read_scores(tmp_path / "whole")) == 4 and not events(tmp_path / "off")
    kept = read_scores(tmp_path / "whole").items() & read_scores(tmp_path / "legs").items()
    assert kept >= {(160, read_scores(tmp_path / "whole")[160])}


def test_the_time_of_scores_is_no_training_time(pack, tmp_path, monkeypatch):
    def slow(generator):
        time.sleep(0.6)
        return {"fd": 5.0, "n": 2_048}

    monkeypatch.setattr(loop, "scorer", lambda *_: slow)
    run = train(tiny(**WHILE, log_images=16), pack, tmp_path / "run", progress=False).path
    assert min(event["seconds"] for event in events(run)) >= 0.6
    seconds = {record["images"]: record["train_seconds"] for record in read_log(run)[0]}
    after = [seconds[images + 16] - seconds[images] for images in (16, 48, 96)]
    assert min(after) < 0.6


@pytest.mark.parametrize("error", [
    GanlibError("no room"),
    RuntimeError("CUDA out of memory. Tried"),
    MemoryError(),
])
def test_a_training_goes_on_without_scores_that_cannot_be_had(error, pack, tmp_path, scripted, capsys):
    scripted(9, error, 3, 4)
    run = train(tiny(**WHILE), pack, tmp_path / "run", progress=False)
    assert (run.images, run.stopped) == (160, "budget") and read_scores(run) == {16: 9}
    assert capsys.readouterr().out.count(f"are not scored: {error}") == 1


def test_an_error_of_the_code_is_not_hidden(pack, tmp_path, scripted):
    scripted(RuntimeError("shapes differ"))
    with pytest.raises(RuntimeError, match="shapes differ"):
        train(tiny(**WHILE), pack, tmp_path / "run", progress=False)


def test_a_small_pack_is_told_once(tmp_path, capsys):
    few = make_pack(tmp_path / "few", 12)
    run = train(tiny(**WHILE | {"batch": 4, "images": 40}), few, tmp_path / "run", progress=False)
    assert run.images == 40 and not events(run)
    assert capsys.readouterr().out.count("are not scored: the pack has 12 images, and FD-lite needs 16") == 1


@pytest.mark.parametrize("score, device, seconds, expected", [
    ("auto", "cuda", 61, True),
    ("auto", "cuda", 59, False),
    ("auto", "cpu", 1e9, False),
    ("auto", "mps", 1e9, False),
    ("while training", "cpu", 0, True),
    ("after", "cuda", 1e9, False),
    ("off", "cuda", 1e9, False),
])
def test_where_scores_are_due_while_training(score, device, seconds, expected, tmp_path):
    found = Scores(RunFolder(tmp_path), tiny(score=score), torch.device(device), None, None, None)
    assert found._is_due(seconds) is expected


def test_setting_stop_when_worse_asks_for_scores(tmp_path):
    assert Scores(None, tiny(stop_when_worse=1.3), torch.device("cpu"), None, None, None)._is_due(0)
    for changes in ({"score": "off"}, {"score": "after"}, {"generators": 0}):
        with pytest.raises(GanlibError, match="stop_when_worse=1.3: expected 0 without scores"):
            tiny(stop_when_worse=1.3, **changes)
    for value in (1, 0.5, -1):
        with pytest.raises(GanlibError, match="more than 1, or 0 for off"):
            tiny(stop_when_worse=value)
    with pytest.raises(GanlibError, match="Did you mean 'after'"):
        tiny(score="later")


# -- the best, when a run goes back


def test_a_run_that_goes_back_forgets_later_scores(pack, tmp_path, scripted):
    scripted(9, 5, 4, 3)
    config = tiny(**WHILE, checkpoint_minutes=0)
    run = train(config, pack, tmp_path / "run", progress=False).path
    assert load_generator(f"{run}:best").info["images"] == "160"
    remove_state(state_files(run)[0])
    scripted(7)
    train(config, pack, run, progress=False)
    assert read_scores(run) == {16: 9, 48: 5, 96: 4, 160: 7}
    assert load_generator(f"{run}:best").info["images"] == "96"
    for file in state_files(run):  # back to nothing, as a start without a state is
        remove_state(file)
    (run / "generator.safetensors").unlink()
    (run / "snapshots" / "000000016.safetensors").unlink()
    RunFolder(run)._cut_back(16)
    assert read_scores(run) == {16: 9} and not (run / "best.safetensors").exists()


def test_a_best_whose_snapshot_was_deleted_stays(pack, tmp_path, scripted):
    scripted(9, 3, 4, 5)
    run = train(tiny(**WHILE), pack, tmp_path / "run", progress=False).path
    snapshot_files(run)[1].unlink()
    scripted(6)
    longer = train(tiny(**WHILE | {"images": 208}), pack, run, progress=False).path
    assert 208 in read_scores(longer) and load_generator(f"{run}:best").info["images"] == "48"


def test_a_file_that_a_user_called_best_is_left_alone(pack, tmp_path):
    run = train(tiny(), pack, tmp_path / "run", progress=False).path
    (run / "best.safetensors").write_bytes(snapshot_files(run)[0].read_bytes())
    before = (run / "best.safetensors").read_bytes()
    train(tiny(images=320), pack, run, progress=False)
    assert (run / "best.safetensors").read_bytes() == before


def test_a_full_disk_at_the_best_is_one_clear_error(pack, tmp_path, scripted, monkeypatch):
    from ganlib.runs import folder

    def full(path, data):
        if path.name == "best.safetensors":
            monkeypatch.setattr("os.fsync", full_disk)
        write_atomic(path, data)

    def full_disk(_):
        raise OSError(28, "No space left on device")

    write_atomic = folder.write_atomic
    scripted(9, 5, 3, 4)
    monkeypatch.setattr(folder, "write_atomic", full)
    with pytest.raises(GanlibError, match="Could not write .*best.safetensors.*no space.*same call again"):
        train(tiny(**WHILE), pack, tmp_path / "run", progress=False)
    assert not [*(tmp_path / "run").glob(".best*")]
    monkeypatch.undo()
    monkeypatch.setattr(loop, "scorer", lambda *_: lambda generator: {"fd": 5.0, "n": 2_048})
    run = train(tiny(**WHILE), pack, tmp_path / "run", progress=False)
    assert (run.images, run.stopped, len(read_scores(run))) == (160, "budget", 4)
    assert load_generator(f"{run.path}:best").info["images"] == "16"


# -- after the run


def test_after_the_run_the_newest_come_first(pack, tmp_path, scripted, capsys):
    seen = scripted(4, 3, 5, 9)
    run = train(tiny(score="after", generators=4), pack, tmp_path / "run", progress=False)
    assert seen == ["160", "96", "48", "16"] and run.stopped == "budget"
    assert read_scores(run) == {16: 9, 48: 5, 96: 3, 160: 4}
    said = capsys.readouterr().out
    assert "Scoring 4 kept generators" in said
    assert f"The best of 4: FD-lite 3.0 at 96 images, to be loaded as {run.path}:best." in said
    before = all_files(run.path)
    assert train(tiny(score="after", generators=4), pack, run.path, progress=False) == run
    assert all_files(run.path) == before and not capsys.readouterr().out


def test_an_interrupt_leaves_what_is_there_and_the_same_call_goes_on(pack, tmp_path, scripted):
    config = tiny(score="after", generators=4)
    scripted(4, 3, KeyboardInterrupt())
    run = train(config, pack, tmp_path / "run", progress=False)
    assert run.stopped == "interrupt" and run.images == 160
    assert read_scores(run) == {96: 3, 160: 4} and load_generator(f"{run.path}:best").info["images"] == "96"
    begun = state_files(run.path)
    seen = scripted(2, 9)
    run = train(config, pack, run.path, progress=False)
    assert run.stopped == "budget" and seen == ["48", "16"] and state_files(run.path) == begun
    assert load_generator(f"{run.path}:best").info["images"] == "48"


def test_a_signal_ends_it_too(pack, tmp_path, monkeypatch):
    """As from a launcher, or from a machine that is shut down."""
    def measure(generator):
        signal.raise_signal(signal.SIGTERM)
        return {"fd": 5.0, "n": 2_048}

    monkeypatch.setattr(loop, "scorer", lambda *_: measure)
    run = train(tiny(score="after"), pack, tmp_path / "run", progress=False)
    assert run.stopped == "interrupt" and not events(run) and not (run.path / "best.safetensors").exists()


def test_the_last_generator_is_scored_where_it_is_not_among_the_kept(pack, tmp_path, scripted):
    run = train(tiny(score="off", generators=4), pack, tmp_path / "run", progress=False).path
    snapshot_files(run)[-1].unlink()
    seen = scripted(2, 3, 4, 5)
    train(tiny(score="after", generators=4), pack, run, progress=False)
    assert seen == ["160", "96", "48", "16"]
    assert (run / "best.safetensors").read_bytes() == (run / "generator.safetensors").read_bytes()


def test_a_damaged_generator_is_passed_over(pack, tmp_path, scripted, capsys):
    run = train(tiny(score="off", generators=4), pack, tmp_path / "run", progress=False).path
    snapshot_files(run)[1].write_bytes(b"cut short")
    scripted(2, 3, 4)
    train(tiny(score="after", generators=4), pack, run, progress=False)
    assert [*read_scores(run)] == [16, 96, 160]
    assert "Not scored: " in capsys.readouterr().out


def test_auto_leaves_short_runs_alone(pack, tmp_path, scripted, monkeypatch):
    scripted()
    run = train(tiny(), pack, tmp_path / "run", progress=False)
    assert run.stopped == "budget" and not events(run)
    monkeypatch.setattr(scores, "WORTH_IT", 0)
    run = train(tiny(generators=0), pack, tmp_path / "none", progress=False)
    assert run.stopped == "budget" and not events(run)


def test_auto_takes_a_tenth_of_the_time_and_after_takes_all(pack, tmp_path, monkeypatch, capsys):
    """Each score takes 10 seconds of a clock turned by hand, and 25 are a tenth of the time trained."""
    def measure(generator):
        now[0] += 10
        return {"fd": 5.0, "n": 2_048}

    now = [0.0]
    run = train(tiny(score="off", generators=4), pack, tmp_path / "run", progress=False)
    monkeypatch.setattr(loop, "scorer", lambda *_: measure)
    monkeypatch.setattr(scores.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(scores, "WORTH_IT", 0)
    monkeypatch.setattr(scores, "SHARE_OF_TIME", 25 / run.train_seconds)
    train(tiny(generators=4), pack, run.path, progress=False)
    assert [*read_scores(run)] == [48, 96, 160]  # the third began in time
    said = capsys.readouterr().out
    assert "for at most 0.4 minutes" in said and "1 are not scored; score='after' scores all" in said
    train(tiny(generators=4), pack, run.path, progress=False)
    assert [*read_scores(run)] == [48, 96, 160] and not capsys.readouterr().out
    train(tiny(generators=4, score="after"), pack, run.path, progress=False)
    assert [*read_scores(run)] == [16, 48, 96, 160]


# -- an end when it is worse


@pytest.mark.parametrize("values, worse", [
    ([9, 5, 6.6, 6.7, 6.8], True),
    ([9, 5, 6.6, 6.4, 6.8], False),  # one of the three was not as bad
    ([9, 5, 6.6, 6.7], False),  # two so far
    ([9, 5, 6.6, 6.7, 6.8, 4], False),
    ([5, 6.6, 6.7, 6.8], True),
    ([6.6, 6.7, 6.8], False),
    ([5, 6.5, 6.5, 6.5], False),  # as much, not more
    ([], False),
])
def test_worse_is_three_times_in_a_row(values, worse):
    assert has_got_worse(dict(enumerate(values)), 1.3) is worse
    assert best_of(dict(enumerate(values))) == (values.index(min(values)) if values else None)


def test_a_run_ends_when_it_got_worse_and_goes_on_if_asked(pack, tmp_path, scripted, capsys):
    whole = train(tiny(images=320, generators=8), pack, tmp_path / "whole", progress=False)
    config = tiny(images=320, generators=8, stop_when_worse=1.3)
    scripted(9, 5, 7, 8, 7)
    run = train(config, pack, tmp_path / "run", progress=False)
    scored = [*read_scores(run)]
    assert run.stopped == "worse" and len(scored) == 5 and run.images == scored[-1] < 320
    assert state_files(run.path)[0].name == f"state-{run.images:09d}.safetensors"
    assert load_generator(run.path).info["images"] == str(run.images)
    assert load_generator(f"{run.path}:best").info["images"] == str(scored[1])
    assert events(run, "stop")[-1]["reason"] == "worse"
    words = f"above 1.3 times the best (FD-lite 5.0 at {scored[1]:,} images, now 7.0)"
    assert words in capsys.readouterr().out
    before = all_files(run.path)
    again = train(config, pack, run.path, progress=False)
    assert again == run and words in capsys.readouterr().out and all_files(run.path) == before
    scripted(8, 8, 8, 8)
    longer = train(config.replace(stop_when_worse=2), pack, run.path, progress=False)
    assert (longer.images, longer.stopped) == (320, "budget")
    a, b = states(whole.path), states(run.path)
    assert not [key for key in a if not torch.equal(a[key], b[key])]


def test_a_shell_ends_a_run_that_got_worse(pack, tmp_path, scripted, capsys):
    scripted(5, 7, 7, 7)
    words = ["train", "dcgan", str(pack.path), str(tmp_path / "run"), "--images", "160",
             "--stop-when-worse", "1.3", "--set", "width=4", "resolution=32", "z_dim=8", "batch=8",
             "device=cpu", "precision=fp32", "threads=1", "generators=5", "frames=2"]
    assert main(words) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[-1].endswith("minutes (worse)") and "The run has got worse" in said[-2]
    assert Config.load(tmp_path / "run" / "config.json").stop_when_worse == 1.3


def train_scored(rank, config, pack, run):
    """Process 0 scores what is scripted, after a while; another one must not."""
    left = [5, 7, 7, 7] if rank == 0 else []

    def measure(generator):
        time.sleep(0.2)
        return {"fd": float(left.pop(0)), "n": 2_048}

    loop.scorer = lambda *_: measure
    result = train(config, pack, run, progress=False)
    (run.parent / f"{rank}.json").write_text(json.dumps([result.images, result.stopped]))


def test_all_processes_agree_on_the_end(pack, tmp_path):
    config = tiny(images=320, generators=8, stop_when_worse=1.3)
    assert together(2, train_scored, config, pack, tmp_path / "run") == [0, 0]
    found = [json.loads((tmp_path / f"{rank}.json").read_text()) for rank in range(2)]
    assert found[0] == found[1] == [[*read_scores(tmp_path / "run")][-1], "worse"]


def score_after(rank, config, pack, run):
    loop.scorer = lambda *_: lambda generator: {"fd": 5.0 + rank, "n": 2_048}
    assert train(config, pack, run, progress=False).stopped == "budget"


def test_the_first_process_scores_after_the_run(pack, tmp_path):
    assert together(2, score_after, tiny(score="after", generators=4), pack, tmp_path / "run") == [0, 0]
    assert read_scores(tmp_path / "run") == {16: 5, 48: 5, 96: 5, 160: 5}
