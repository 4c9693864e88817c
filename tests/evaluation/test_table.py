"""The table: what is in a row, its spread, how it prints, and which numbers are refused before any work."""
import json

import numpy as np
import pytest
from helpers import make_pack, random_images, tiny
from PIL import Image

from ganlib.__main__ import main
from ganlib.errors import GanlibError
from ganlib.evaluation.distances import LEAST, frechet
from ganlib.evaluation.features import features, gaussian, real_statistics
from ganlib.evaluation.table import evaluate
from ganlib.models.build import build_networks
from ganlib.models.store import save_generator

pytestmark = pytest.mark.filterwarnings("ignore:.*with fewer than")

NEIGHBOURS = {"precision", "recall", "density", "coverage", "nearest"}
DISTANCES = {"fd", "fd_infinity", "kid", "kid_subsets"} | NEIGHBOURS


@pytest.fixture
def packed(thumbnails, tmp_path):
    return make_pack(tmp_path / "pack", 200, 32)


def distance_to(packed, images):
    """The Fréchet distance of images to those of a pack."""
    _, real = real_statistics(packed, progress=False)
    return frechet(real, gaussian(features(images, progress=False)))


def test_table_of_all_kinds_of_sources(packed, tmp_path):
    config = tiny()
    G = build_networks(config)[0].eval()
    save_generator(tmp_path / "run" / "generator.safetensors", G, config, images=640, train_seconds=90)
    same = random_images(80, 32, seed=5)
    np.save(tmp_path / "same.npy", same)
    (tmp_path / "folder").mkdir()
    for i, image in enumerate(same[:40]):
        Image.fromarray(image).save(tmp_path / "folder" / f"{i:02d}.png")
    runs = {"run": tmp_path / "run", "untrained": G, "array": same, "npy": tmp_path / "same.npy",
            "folder": tmp_path / "folder"}
    table = evaluate(packed, runs, n=40, draws=2, face_images=0, infinity=True, progress=False)
    floor, run, untrained, array, npy, folder = table.rows
    assert set(floor.numbers) == DISTANCES and set(run.numbers) == DISTANCES | {"images", "minutes"}
    assert run.numbers["images"] == 640 and run.numbers["minutes"] == 1.5
    assert run.numbers["fd"] == untrained.numbers["fd"] > floor.numbers["fd"]
    assert array.numbers["fd"] == npy.numbers["fd"] and set(npy.spread) == DISTANCES
    draws = [distance_to(packed, same[i:i + 40]) for i in (0, 40)]
    assert npy.numbers["fd"] == pytest.approx(np.mean(draws))
    assert npy.spread["fd"] == pytest.approx(np.std(draws, ddof=1))
    assert folder.numbers["fd"] == pytest.approx(draws[0]) and not folder.spread  # there is one draw in it
    assert array.same and 1 not in array.same and run.same == [2] and floor.same == []
    lines = str(table).splitlines()
    assert lines[0].startswith("FD-lite: EfficientNet") and "no truncation" in lines[0]
    assert packed.hash in lines[0] and "against all 200 real" in lines[0] and len(lines) == 2 + 2 + 6
    assert len({len(line) for line in lines[2:]}) == 1 and table._repr_markdown_() == str(table)
    table.save(tmp_path / "out" / "table.json")
    saved = json.loads((tmp_path / "out" / "table.json").read_text())
    assert saved["about"] == table.about
    assert saved["rows"][4] == {"name": "npy", **npy.numbers, "spread": npy.spread, "same": npy.same}


def test_runs_that_differ_in_their_seed_make_one_row(packed):
    arrays = [random_images(60, 32, seed) for seed in range(3)]
    singles = evaluate(packed, dict(zip("abc", arrays)), n=60, full=False, progress=False).rows[1:]
    _, row = evaluate(packed, {"all": arrays}, n=60, full=False, progress=False).rows
    values = [single.numbers["fd"] for single in singles]
    assert row.numbers == {"fd": pytest.approx(np.mean(values))}
    assert row.spread == {"fd": pytest.approx(np.std(values, ddof=1))}
    assert not singles[0].spread


def test_a_large_number_and_one_that_a_row_lacks_in_print(packed, tmp_path):
    config = tiny()
    G = build_networks(config)[0]
    save_generator(tmp_path / "generator.safetensors", G, config, images=123_456, train_seconds=90)
    table = evaluate(packed, {"run": tmp_path, "given": random_images(50, 32)}, n=50, draws=2, full=False,
                     progress=False)
    header, _, floor, run, given = [[cell.strip() for cell in line.split("|")[1:-1]]
                                    for line in str(table).splitlines()[2:]]
    assert header == ["", "", "FD-lite", "images", "minutes", "as good as"]
    assert run[3:5] == ["123,456", "1.5"] and given[3:5] == ["", ""]
    assert floor[2] == f"{table.rows[0].numbers['fd']:.4g} ± {table.rows[0].spread['fd']:.2g}"


def test_evaluate_from_the_shell(packed, tmp_path, capsys):
    for i in range(2):
        np.save(tmp_path / f"{i}.npy", random_images(50, 32, i))
    runs = [f"{tmp_path}/0.npy,{tmp_path}/1.npy", f"{tmp_path}/1.npy"]
    options = ["--n", "50", "--quick", "--json", str(tmp_path / "table.json")]
    assert main(["evaluate", str(packed.path), *runs, *options]) == 0
    rows = json.loads((tmp_path / "table.json").read_text())["rows"]
    assert [set(row["spread"]) for row in rows] == [{"fd"}, {"fd"}, set()]
    assert f"{rows[2]['fd']:.4g}" in capsys.readouterr().out
    assert main(["evaluate", str(packed.path), "nothing", "--n", "50"]) == 2
    assert "no run 'nothing'" in capsys.readouterr().err


# -- too few


def test_few_images_are_warned_of(packed):
    with pytest.warns(UserWarning, match="50 generated, 200 real images: with fewer than 2,048"):
        evaluate(packed, {"few": random_images(50, 32)}, n=50, full=False, progress=False)


@pytest.mark.parametrize("size, numbers, message", [
    (40, {"n": 15}, "n=15: expected 16 or more"),
    (40, {"n": 1}, "n=1: expected"),
    (40, {"n": 0}, "n=0: expected"),
    (40, {"n": -3}, "n=-3: expected"),
    (40, {"draws": 0}, "draws=0: expected 1 or more"),
    (40, {"draws": -1}, "draws=-1: expected"),
    (40, {"face_images": -1}, "face_images=-1: expected 0 or more"),
    (1, {}, r"pack holds 1 image\(s\): expected 16 or more"),
    (2, {}, r"pack holds 2 image\(s\)"),
    (15, {}, r"pack holds 15 image\(s\)"),
])
def test_too_few_are_refused_before_any_work(tmp_path, monkeypatch, size, numbers, message):
    monkeypatch.setenv("GANLIB_DATA", str(tmp_path))
    for work in ("table.open_candidate", "table.real_statistics", "features.feature_network"):
        monkeypatch.setattr(f"ganlib.evaluation.{work}", lambda *_, **__: pytest.fail("work was begun"))
    with pytest.raises(GanlibError, match=message):
        evaluate(make_pack(tmp_path / "pack", size), random_images(40), **({"n": 20} | numbers))


@pytest.mark.filterwarnings("error")
@pytest.mark.filterwarnings("ignore:.*with fewer than")
@pytest.mark.parametrize("seed", range(4))
def test_with_as_few_as_are_taken_all_numbers_are_finite_and_none_is_negative(thumbnails, tmp_path, seed):
    packed = make_pack(tmp_path / "pack", LEAST, 32, seed=seed)
    runs = {"given": random_images(LEAST, 32, 7), "copies": np.repeat(random_images(1, 32, 8), LEAST, 0),
            "real": np.array(packed.images), "untrained": build_networks(tiny())[0]}
    table = evaluate(packed, runs, n=LEAST, infinity=True, face_images=0, progress=False)
    for row in table.rows:
        values = [*row.numbers.values(), *row.spread.values()]
        assert np.isfinite(values).all() and min(values) >= 0


def test_too_few_from_the_shell_are_one_line(thumbnails, tmp_path, capsys):
    packed = make_pack(tmp_path / "pack", 40, 32)
    np.save(tmp_path / "images.npy", random_images(20, 32))
    for words in ("--n 5", "--n 0", "--n -3", "--n 21", "--n 20 --draws 0"):
        assert main(["evaluate", str(packed.path), str(tmp_path / "images.npy"), *words.split()]) == 2
        error = capsys.readouterr().err
        assert error.startswith("ganlib evaluate: ") and error.count("\n") == 1


# -- other bad input


def test_unknown_features_are_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("GANLIB_DATA", str(tmp_path))
    with pytest.raises(GanlibError, match="no features 'fid'"):
        evaluate(make_pack(tmp_path / "pack", 20), {"a": random_images(20)}, n=20, kind="fid")


def test_a_row_of_no_sources_is_refused(packed):
    with pytest.raises(GanlibError, match="'none' names no source"):
        evaluate(packed, {"none": []}, n=20, progress=False)


def test_out_of_memory_anywhere_says_what_to_lower(packed, monkeypatch):
    monkeypatch.setattr("ganlib.evaluation.table.prdc", lambda *_: {"nearest": np.empty(10**14).mean()})
    with pytest.raises(GanlibError, match="^Out of memory. Take fewer images: n is 20.$"):
        evaluate(packed, random_images(20, 32), n=20, face_images=0, progress=False)
