"""The script for ten minutes of a GPU: its phases, its limits, what is carried, what comes home."""
import contextlib
import io
import os
import signal
import subprocess
import sys
import tarfile
import time
import zipfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from helpers import make_report
from PIL import Image

from ganlib.data.packs import load_pack, pack
from ganlib.errors import GanlibError
from ganlib.models.store import load_generator
from ganlib.training.schedule import moment

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "experiments"))
from ten_minutes import carried, counting, penalties, plan, results, training, words  # noqa: E402

SCRIPT = ROOT / "experiments" / "gpu.py"
WHEELS = ROOT / "experiments" / "wheels.sh"


# -- the whole of it, in small


def command(out, work, *options):
    return [sys.executable, str(SCRIPT), str(out), "--work", str(work), "--device", "cpu", *options]


@pytest.fixture(scope="module")
def rehearsed(tmp_path_factory):
    """(folder of results after a kill in the middle of the training, the same after what was left was done).

    The time that is allowed is far more than it takes: a busy machine is no failure.
    """
    folder = tmp_path_factory.mktemp("gpu")
    out, work, killed = folder / "out", folder / "work", folder / "killed"
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    options = ["--seconds", "900", "--minutes", "10", "--set", "images=1000000", "generators=400"]
    begin = command(out, work, *options)
    with open(folder / "first.txt", "w") as printed:
        process = subprocess.Popen(begin, env=environment, stdout=printed, stderr=subprocess.STDOUT)
        generators = []
        while not generators and process.poll() is None:
            time.sleep(0.1)
            generators = list(out.glob("generator-*.safetensors"))
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert generators, (folder / "first.txt").read_text()
    wait_until_nothing_is_written(out)
    subprocess.run(["cp", "-r", str(out), str(killed)], check=True)
    rest = command(out, work, "--only", "train,table", "--seconds", "600")
    done = subprocess.run(rest, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return killed, out


def wait_until_nothing_is_written(folder, seconds=3):
    """Wait until a folder stays as it is; fails where something goes on writing there."""
    for _ in range(20):
        before = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
        time.sleep(seconds)
        if before == {path: path.stat().st_mtime_ns for path in folder.iterdir()}:
            return
    pytest.fail("something goes on training after the kill")


def test_a_kill_in_the_training_leaves_what_was_before_and_the_newest_generator(rehearsed):
    report = results.Report(rehearsed[0]).read()
    assert {"plan", "tests", "ceilings", "speeds", "penalties", "drawing", "train"} <= report.keys()
    assert [*report["ends"]] == ["tests", "speeds"] and report["ends"]["speeds"]["end"] == "done"
    generator, = rehearsed[0].glob("generator-*.safetensors")
    loaded = load_generator(generator)
    assert generator.name == f"generator-{int(loaded.info['images']):09d}.safetensors"
    assert report["train"]["images"] >= int(loaded.info["images"]) > 0
    with tarfile.open(rehearsed[0] / "training.tar") as tar:
        assert {"config.json", "log.jsonl", "000000000.png"} <= set(tar.getnames())


def test_the_tests_are_run_and_their_results_told(rehearsed):
    tests = results.Report(rehearsed[0]).read()["tests"]
    assert sum(tests["counts"].values()) == len(tests["results"]) > 10
    if not torch.cuda.is_available():
        assert [*tests["counts"]] == ["skipped"] and "for want of a GPU" in tests["state"]
        assert all("needs a GPU" in result["reason"] for result in tests["results"].values())


def test_speeds_have_their_share_of_what_the_machine_can_do(rehearsed):
    report = results.Report(rehearsed[0]).read()
    matrix = report["ceilings"]["matrix"]
    rows = report["speeds"]["rows"]
    assert rows[0]["preset"] == "stylegan-fast" and len({row["preset"] for row in rows}) == 2
    for row in rows:
        assert row["state"] == "measured" and row["operations"] > 100 and row["flop_per_image"] > 1e6
        share = row["flop_per_image"] * row["images_per_second"] / matrix[row["precision"]]
        assert row["share"] == pytest.approx(share)
    assert report["ceilings"]["copy"] > 1e8
    drawing = report["drawing"]
    assert drawing["n"] == 32 and drawing["seconds"] > drawing["score_seconds"] > 0


def test_what_a_training_leaves_at_its_end(rehearsed):
    report = results.Report(rehearsed[1]).read()
    train = report["train"]
    assert report["ends"]["train"]["end"] == report["ends"]["table"]["end"] == "done"
    # by default a rehearsal ends after 256 images
    assert train["images"] == train["curve"][-1]["images"] == 256 and len(train["curve"]) == 2
    best = min(train["curve"], key=lambda point: point["fd"])
    assert train["best"] == best | {"file": f"generator-{best['images']:09d}.safetensors"}
    assert int(load_generator(rehearsed[1] / train["best"]["file"]).info["images"]) == best["images"]
    assert "tests" in report and "speeds" in report  # of the run before


def test_the_table_has_every_model_at_an_equal_number_of_images(rehearsed):
    table = results.Report(rehearsed[1]).read()["table"]
    assert {row["model"] for row in table["rows"]} == {"dcgan", "pairs"} and table["together"] == 2
    assert {row["images"] for row in table["rows"]} == {table["images"]} == {128}
    assert all(row["fd"] > 0 and 0 <= row["precision"] <= 1 for row in table["rows"])
    with tarfile.open(rehearsed[1] / "table.tar") as tar:
        assert sorted(tar.getnames()) == ["dcgan.webp", "pairs.webp"]


def test_every_number_names_the_card_the_version_and_the_command(rehearsed):
    report = results.Report(rehearsed[1]).read()
    measured = report.keys() - {"plan", "ends", "files"}
    assert measured == {"tests", "ceilings", "speeds", "penalties", "drawing", "train", "table"}
    text = (rehearsed[1] / "report.txt").read_text()
    for section in measured:
        on = report[section]["on"]
        assert on["torch"] == torch.__version__ and on["card"]
        assert "experiments/gpu.py" in on["command"]
        heading = f"## {words.SECTIONS[section][0]}\n   {on['card']}, torch {on['torch']}: {on['command']}"
        assert heading in text


def test_what_comes_home_is_few_and_small_files(rehearsed):
    for folder in rehearsed:
        files = [path for path in folder.iterdir() if not path.name.startswith(".")]
        assert len(files) <= results.FILES and all(path.is_file() for path in files)
        assert all(path.stat().st_size <= results.PART < 15e6 for path in files)
        allowed = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")
        assert all(set(path.name) <= allowed for path in files)


def test_bad_settings_are_told_in_a_line(tmp_path):
    wrong = command(tmp_path / "out", tmp_path / "work", "--only", "train", "--set", "batsh=8")
    done = subprocess.run(wrong, capture_output=True, text=True)
    assert done.returncode
    assert done.stderr.startswith("error: There is no config key 'batsh'. Did you mean 'batch'?")
    assert not (tmp_path / "work").exists()  # it is told before anything is done


# -- time


def test_phases_share_the_time_and_what_one_leaves_goes_to_the_next():
    planned = plan.limits(["tests", "speeds", "train"], 540)
    assert planned["tests"] == pytest.approx(540 / 7) and planned["speeds"] == 150
    assert sum(planned.values()) == pytest.approx(540)
    assert plan.limits(["speeds"], 540) == {"speeds": 540}  # alone, it has no limit of its own
    assert plan.limit_of("tests", ["train"], 5_000) == 90


def test_a_part_of_the_training_time_is_kept_for_the_scores():
    assert training.score_seconds(300) == pytest.approx(36)
    assert training.score_seconds(30) == pytest.approx(10)
    assert training.score_seconds(3_000) == 90


def test_a_phase_is_ended_at_its_limit_with_all_that_it_started(tmp_path, monkeypatch):
    # neither it nor what it starts heeds Ctrl-C
    late = tmp_path / "late"
    script = f"trap '' INT; (sleep 4; touch {late}) & echo begun; wait"
    monkeypatch.setattr(plan, "GRACE", 0.2)
    lines = []
    child = plan.Child(["bash", "-c", script], lines.append)
    while not lines:
        time.sleep(0.05)
    begun = time.monotonic()
    assert child.wait(0.3) == "stopped at its limit" and lines == ["begun\n"]
    time.sleep(max(0, 5 - (time.monotonic() - begun)))
    assert not late.exists()


# -- the folder of results


def test_parts_are_joined_to_the_same_bytes(tmp_path, monkeypatch):
    monkeypatch.setattr(results, "PART", 1_000)
    data = np.random.default_rng(0).bytes(2_500)
    results.keep(tmp_path / "out", "big.bin", data)
    results.keep(tmp_path / "out", "small.bin", b"abc")
    parts = sorted(path.name for path in (tmp_path / "out").glob("big*"))
    assert parts == ["big.bin.1of3", "big.bin.2of3", "big.bin.3of3"]
    join = [sys.executable, str(SCRIPT), "--join", str(tmp_path / "out"), str(tmp_path / "home")]
    done = subprocess.run(join, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "home" / "big.bin").read_bytes() == data
    assert (tmp_path / "home" / "small.bin").read_bytes() == b"abc"


def test_ten_parts_and_more_are_in_order(tmp_path, monkeypatch):
    monkeypatch.setattr(results, "PART", 100)
    data = np.random.default_rng(1).bytes(1_150)
    results.keep(tmp_path / "out", "x", data)
    joined = results.join(tmp_path / "out", tmp_path / "home")
    assert [path.read_bytes() for path in joined if path.name == "x"] == [data]


def test_a_missing_or_altered_part_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(results, "PART", 1_000)
    results.keep(tmp_path / "out", "x", bytes(2_500))
    (tmp_path / "out" / "x.2of3").write_bytes(bytes(999) + b"1")
    with pytest.raises(GanlibError, match="x in .* is not what was written there. Copy it once more"):
        results.join(tmp_path / "out", tmp_path / "home")
    (tmp_path / "out" / "x.2of3").unlink()
    with pytest.raises(GanlibError, match="found 2 of 3 parts"):
        results.join(tmp_path / "out", tmp_path / "home")
    with pytest.raises(GanlibError, match="There is no folder"):
        results.join(tmp_path / "nowhere", tmp_path / "home")


def test_a_new_generator_takes_the_place_of_the_old_one_and_there_is_always_one(tmp_path, monkeypatch):
    monkeypatch.setattr(results, "PART", 1_000)
    seen = []
    keep = results.keep

    def watched(folder, name, data):
        seen.append([path.name for path in tmp_path.glob("generator-*")])
        keep(folder, name, data)

    monkeypatch.setattr(results, "keep", watched)
    for number in range(3):
        results.keep_one_of(tmp_path, f"generator-{number}", bytes(1_500), "generator-")
    assert [len(names) for names in seen] == [0, 2, 2]  # the old one goes when the new one is there
    assert sorted(path.name for path in tmp_path.glob("gen*")) == ["generator-2.1of2", "generator-2.2of2"]
    # six parts do not fit beside two
    results.keep_one_of(tmp_path, "generator-3", bytes(5_500), "generator-")
    assert len(list(tmp_path.glob("generator-3.*"))) == 6 and len(list(tmp_path.iterdir())) == results.FILES
    assert [*results.Report(tmp_path).read()["files"]] == ["generator-3"]


def test_a_tar_leaves_out_what_is_too_much(tmp_path):
    for number in range(3):
        (tmp_path / f"{number}.png").write_bytes(bytes(40_000))
    data = results.tar_of({path.name: path for path in sorted(tmp_path.iterdir())}, most=110_000)
    assert len(data) <= 110_000
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        assert tar.getnames() == ["0.png", "1.png"]


# -- what is carried


@pytest.fixture
def jpegs(tmp_path):
    """(pack, the archive that it was made of): JPEGs, and one picture that the pack has otherwise."""
    rng = np.random.default_rng(0)
    names, images = [], []
    with zipfile.ZipFile(tmp_path / "faces.zip", "w") as archive:
        for number in range(12):
            small = Image.fromarray(rng.integers(0, 256, (8, 8, 3), np.uint8))
            buffer = io.BytesIO()
            small.resize((32, 32)).save(buffer, "jpeg", quality=95)
            names.append(f"data/{number}.jpg")
            archive.writestr(names[-1], buffer.getvalue())
            images.append(np.asarray(Image.open(buffer).convert("RGB")))
    images[5] = images[5][:, ::-1]
    report = make_report(np.stack(images))
    for row, name in zip(report.rows, names):
        row.file = name
    return pack(report, tmp_path / "pack"), tmp_path / "faces.zip"


def test_carried_faces_have_the_very_pixels_and_labels(jpegs, tmp_path, capsys):
    faces, archive = jpegs
    carried.carry(faces.path, archive, target=tmp_path / "faces.npz")
    assert "12 pictures, 11 as they were" in capsys.readouterr().out
    path, told = carried.unpack(tmp_path / "there", tmp_path / "faces.npz")
    there = load_pack(path)
    assert there.hash == faces.hash and np.array_equal(there.images, faces.images)
    assert np.array_equal(there.labels, faces.labels) and there.attributes == faces.attributes
    assert "the pixels are those of the pack" in told and there.hash in told


def test_faces_of_a_lower_quality_are_smaller_and_told_apart(jpegs, tmp_path):
    faces, archive = jpegs
    as_they_are = carried.carry(faces.path, archive, target=tmp_path / "a.npz")
    smaller = carried.carry(faces.path, archive, 50, tmp_path / "b.npz")
    assert smaller < 0.6 * as_they_are
    path, told = carried.unpack(tmp_path / "there", tmp_path / "b.npz")
    there = load_pack(path)
    assert there.hash != faces.hash and "not quite those of the pack" in told
    assert np.abs(there.images.astype(int) - faces.images).mean() < 20


def test_no_path_of_this_machine_is_carried(jpegs, tmp_path):
    carried.carry(jpegs[0].path, target=tmp_path / "faces.npz")
    path, _ = carried.unpack(tmp_path / "there", tmp_path / "faces.npz")
    assert str(tmp_path) not in (path / "pack.json").read_text()


@pytest.fixture
def repository(tmp_path):
    """A git repository with a large file, a small one, an ignored one and one that is carried."""
    root = tmp_path / "repository"
    (root / ".gpu").mkdir(parents=True)
    sizes = {"large.bin": 400_000, "larger.bin": 500_000, "small.py": 1_000, "ignored.bin": 900_000,
             "new.py": 2_000, ".gpu/faces.npz": 300_000}
    for name, size in sizes.items():
        (root / name).write_bytes(bytes(size))
    (root / ".gitignore").write_text(".gpu/\nignored.bin\n")
    for arguments in (["init", "-q"], ["add", "large.bin", "larger.bin", "small.py", ".gitignore"]):
        subprocess.run(["git", "-C", str(root), *arguments], check=True)
    return root


def test_what_travels_is_counted_and_what_to_move_aside_is_named(repository):
    text = "\n".join(carried.travel(repository, 2_000_000))
    assert "0.9 MB in 4 tracked files" in text and "0.0 MB in 1 files that git does not know" in text
    assert "0.3 MB .gpu/faces.npz" in text and "1.2 MB in all; the limit is 2 MB" in text and "rm" not in text
    lines = carried.travel(repository, 1_000_000)
    assert "    rm larger.bin" in lines and "Then 0.7 MB travel. Afterwards they come back with:" in lines
    (repository / "larger.bin").unlink()
    assert not any("rm" in line for line in carried.travel(repository, 1_000_000))
    assert "would make up for it" in carried.travel(repository, 200_000)[-1]


def test_what_travels_from_here_is_within_the_limit_once_the_large_files_are_aside():
    if not (ROOT / ".git").exists():
        pytest.skip("this is no clone: what git tracks is not known")
    tracked = carried.sizes_in(ROOT)
    code = sum(size for size in tracked.values() if size < carried.BIG)
    faces_and_wheels = 39e6 + 18.3e6  # as they were in docs/contributing.md
    assert code + faces_and_wheels < carried.LIMIT


def test_wheels_can_be_rehearsed_without_a_network(tmp_path):
    no_network = os.environ | {"PIP_INDEX_URL": "http://127.0.0.1:9", "PIP_NO_INDEX": "1"}
    rehearsal = ["bash", str(WHEELS), "--dry-run", "animeface"]
    done = subprocess.run(rehearsal, env=no_network, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    taken = [line.split()[2] for line in lines if line.startswith("would take")]
    assert taken[-1] == "animeface" and "at most 40 MB" in lines[-1]
    # all that the script looks for and that does not come with torch and torchvision
    wanted = set(carried.IMPORTS.values()) - {"numpy", "pillow", "torchvision"}
    assert {name.replace("-", "_") for name in taken[:-1]} == wanted
    wrong = subprocess.run(["bash", str(WHEELS), "--all"], env=no_network, capture_output=True, text=True)
    assert wrong.returncode == 2 and "--all is not known" in wrong.stderr


def test_missing_packages_are_unpacked_from_the_carried_wheels(tmp_path, monkeypatch):
    wheel = tmp_path / "wheels" / "not_there_yet-1.0-py3-none-any.whl"
    wheel.parent.mkdir()
    info = "not_there_yet-1.0.dist-info"
    with zipfile.ZipFile(wheel, "w") as file:
        file.writestr("not_there_yet.py", "answer = 42\n")
        file.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: not-there-yet\nVersion: 1.0\n")
        file.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        file.writestr(f"{info}/RECORD", "")
    monkeypatch.setattr(carried, "IMPORTS", {"not_there_yet": "not_there_yet", "nor_this": "nor_this"})
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setenv("PYTHONPATH", "before")
    assert carried.add_wheels(tmp_path / "site", wheel.parent) == ["nor_this"]
    import not_there_yet
    assert not_there_yet.answer == 42 and os.environ["PYTHONPATH"] == f"before{os.pathsep}{tmp_path / 'site'}"


# -- what is counted and compared


def test_the_arithmetic_of_a_penalty_is_counted_both_ways_back():
    """A linear D of m inputs and k hidden numbers, B pictures: 2 B m k for each product of matrices."""
    B, m, k = 4, 50, 30
    first, second = (torch.randn(k, m, requires_grad=True), torch.randn(1, k, requires_grad=True))
    x = torch.randn(B, m, requires_grad=True)
    with counting.Operations() as counted:
        score = (x @ first.T).square() @ second.T  # a large product, a small one
        slope, = torch.autograd.grad(score.sum(), x, create_graph=True)  # a small one, a large one
        # back through the slope's large product: two large ones, and a small one for `second`; then back
        # through the first of all: a large one for `first`
        torch.autograd.grad(slope.square().sum(), [first, second])
    large, small = 2 * B * m * k, 2 * B * k
    assert counted.flop == 5 * large + 3 * small
    assert counted.number > 10


def test_penalties_compared_are_those_of_the_losses():
    from ganlib.models.build import build_networks
    from ganlib.presets import preset
    from ganlib.training.losses import PENALTIES
    torch.manual_seed(0)
    D = build_networks(preset("stylegan-fast", "smoke", device="cpu"))[1]
    real, fake = torch.randn(2, 4, 3, 32, 32)
    for name, x in (("r1", real), ("r1r2", fake)):
        found = penalties.gradient(D, "R1", x, torch.float32)
        if name == "r1r2":
            found += penalties.gradient(D, "R2", real, torch.float32)
        value = PENALTIES[name](D, real, fake)
        grads = torch.autograd.grad(value, list(D.parameters()), allow_unused=True)
        own = torch.cat([(torch.zeros_like(w) if g is None else g).double().flatten()
                         for g, w in zip(grads, D.parameters())])
        assert torch.allclose(found, own, rtol=1e-4, atol=1e-6)
    rows = penalties.differences(D, real, fake)
    exact = [row for row in rows if row["precision"] == "fp32 again"]
    coarse = [row for row in rows if row["precision"] == "autocast bf16"]
    assert len(exact) == len(coarse) == 3 and all(row["difference"] < 1e-6 for row in exact)
    assert all(1e-4 < row["difference"] < 0.3 and row["cosine"] > 0.9 for row in coarse)


def test_a_stopwatch_leaves_the_first_records_out():
    watch = counting.Stopwatch(1.0, 2, [])
    for images, seconds in ((10, 5.0), (20, 9.0), (30, 9.5), (40, 10.0)):
        watch({"images": images, "train_seconds": seconds})
    with pytest.raises(counting.Enough):
        watch({"images": 50, "train_seconds": 10.6})
    assert watch.rate() == pytest.approx(20 / 1.1)


def test_generators_are_scored_in_the_order_in_which_they_tell_most():
    order = training.in_order(list(range(9)))
    assert order == [8, 4, 0, 6, 2, 7, 5, 3, 1]


def test_the_report_shows_what_could_not_be_measured():
    row = {"preset": "dcgan", "also": [], "batch": 512, "steps": "captured"}
    speeds = {"on": {"card": "X", "torch": "2", "command": "c"}, "rows": [row | {"state": "Out of memory."}]}
    text = words.in_words({"speeds": speeds})
    assert "dcgan                  512 captured Out of memory." in text
    # the arithmetic is counted in eager steps: where those failed, nothing is known of it
    speeds["rows"] = [row | {"images_per_second": 1234.0, "kernels": 56.0, "busy": 0.5}]
    assert "512 captured     1,234                  50% 56 kernels" in words.in_words({"speeds": speeds})


def test_a_phase_needs_what_it_uses_and_no_more(monkeypatch):
    """Without pytest there are no tests, and all else is measured."""
    import gpu
    monkeypatch.setitem(sys.modules, "pytest", None)
    monkeypatch.delitem(sys.modules, "ten_minutes.cuda_tests", raising=False)
    for phase in ("speeds", "train", "table", "model"):
        assert callable(gpu.work_of(phase))
    with pytest.raises(ImportError):
        gpu.work_of("tests")


def test_wheels_for_the_tests_are_unpacked_where_they_are_carried(tmp_path, monkeypatch):
    wheel = tmp_path / "wheels" / "not_for_all-1.0-py3-none-any.whl"
    wheel.parent.mkdir()
    with zipfile.ZipFile(wheel, "w") as file:
        file.writestr("not_for_all.py", "")
    monkeypatch.setattr(carried, "IMPORTS", {})
    monkeypatch.setattr(carried, "FOR_TESTS", ("not_for_all", "nor_carried"))
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setenv("PYTHONPATH", "before")
    assert carried.add_wheels(tmp_path / "site", wheel.parent) == []
    assert (tmp_path / "site" / "not_for_all.py").is_file()


def test_kernels_are_counted_from_what_the_profiler_saw(monkeypatch):
    class Event:
        def __init__(self, name, on_gpu, nanoseconds):
            self.name, self.device_type = lambda: name, lambda: torch.autograd.DeviceType(int(on_gpu))
            self.duration_ns = lambda: nanoseconds

    seen = [Event("gemm", True, 3_000_000), Event("add", True, 1_000_000), Event("Memcpy DtoD", True, 500),
            Event("cudaLaunchKernel", False, 900), Event("cudaGraphLaunch", False, 900),
            Event("cudaStreamSynchronize", False, 900)]
    profiler = SimpleNamespace(kineto_results=SimpleNamespace(events=lambda: seen))
    monkeypatch.setattr(torch.profiler, "profile", lambda activities: contextlib.nullcontext())
    kernels = counting.Kernels(torch.device("cpu"))
    with kernels:
        kernels.profiler.profiler = profiler
    assert kernels.found(2, 64) == {"kernels": 1, "launches": 1, "kernel_seconds": pytest.approx(0.002)}


def test_speeds_go_on_behind_what_ended_the_process(tmp_path):
    from ten_minutes import speeds
    row = {}
    with speeds.told_in(row):
        raise GanlibError("Out of memory. Lower batch.")
    assert row == {"state": "Out of memory. Lower batch."}
    with speeds.told_in(row):
        raise ValueError("two\nlines")
    assert row == {"state": "ValueError: two"}
    with pytest.raises(RuntimeError), speeds.told_in(row):
        raise RuntimeError("CUDA error: an illegal memory access was encountered")
    assert row["state"].startswith("RuntimeError: CUDA error")
    job = SimpleNamespace(out=tmp_path, device="cpu")
    tries = []
    for _ in range(2):
        with contextlib.suppress(RuntimeError):
            speeds.once(job, "drawing", lambda job: tries.append(1) or (1 / 0))
    section = results.Report(tmp_path).read()["drawing"]
    assert len(tries) == 1 and section["state"] == "ZeroDivisionError: division by zero"
    assert "division by zero" in (tmp_path / "report.txt").read_text()


def test_all_presets_are_timed_by_batch_the_flagship_first(tmp_path):
    from ten_minutes import speeds
    from ten_minutes.here import Job

    from ganlib.presets import PRESETS
    job = Job(tmp_path, tmp_path, tmp_path, "cpu", 1, rehearsal=False, train="stylegan-fast", profile="big")
    tasks = list(speeds.tasks(job))
    keys = [(names[0], config.batch, mode) for config, names, mode in tasks]
    assert len(keys) == len(set(keys))
    assert keys[:2] == [("stylegan-fast", 256, "eager"), ("stylegan-fast", 256, "captured")]
    assert [key[1] for key in keys[2:7]] == [16, 32, 64, 128, 512]
    timed = {name for _, names, _ in tasks for name in names}
    assert timed == PRESETS.keys()
    for name, names in {names[0]: names for _, names, _ in tasks}.items():
        of_name = {(batch, mode) for other, batch, mode in keys if other == name}
        assert of_name >= {(batch, mode) for batch in speeds.BATCHES for mode in ("eager", "captured")}, names
    # grown up from the first image on
    growing = [config for config, names, _ in tasks if names[0] == "stylegan"]
    assert all(moment(config, 0).resolution == 64 and moment(config, 0).fade == 1 for config in growing)


def test_faces_of_another_size_are_made_where_a_preset_wants_them(tmp_path):
    from ten_minutes import speeds
    faces = carried.drawn_pack(tmp_path / "drawn", 5, 32)
    packs = speeds.Packs(SimpleNamespace(pack=faces.path, work=tmp_path))
    assert packs.of(28).images.shape == (5, 28, 28, 3) and packs.of(32).hash == faces.hash


def test_trainings_of_the_table_share_the_gpu_and_the_time(tmp_path):
    from ten_minutes import table
    job = SimpleNamespace(work=tmp_path, rehearsal=False)
    rows = [{"preset": "dcgan", "also": ["lsgan"], "images_per_second": 4_000, "busy": 0.3},
            {"preset": "stylegan", "also": [], "images_per_second": 500, "busy": 0.9}]
    names = ("dcgan", "lsgan-augmented", "stylegan")
    dcgan, lsgan, stylegan = (table.Model(job, name, rows) for name in names)
    assert (dcgan.rate, lsgan.busy, stylegan.rate) == (4_000, 0.3, 500)
    assert table.has_room(stylegan, []) and table.has_room(lsgan, [dcgan])
    assert not table.has_room(stylegan, [dcgan]) and not table.has_room(dcgan, [dcgan, lsgan, lsgan])
    # where the profiler was not let near the GPU, nothing is known of how busy it was
    assert table.Model(job, "dcgan", [rows[0] | {"busy": 0.0}]).busy == table.BUSY
    # 1,000 images of each take 0.075 + 0.075 + 1.8 seconds of a whole GPU
    assert table.images_in(195, [dcgan, lsgan, stylegan], True) == 100_000
    assert table.images_in(195, [dcgan, lsgan, stylegan], False) == table.IMAGES
