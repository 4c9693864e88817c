"""The experiment on faces to order: its judge, its numbers, and the rows that it keeps."""
import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from ganlib.data.detector import detector_trouble
from ganlib.data.packs import pack
from ganlib.data.synthetic import face
from ganlib.errors import GanlibError
from ganlib.evaluation.distances import frechet
from ganlib.evaluation.features import features, gaussian
from ganlib.models.build import build_networks
from ganlib.models.store import load_generator, save_generator
from ganlib.presets import preset

sys.path.insert(0, str(Path(__file__).parents[1] / "experiments"))
import labels  # noqa: E402
import named_colours  # noqa: E402
from faces_to_order import identity, judge, likeness, logistic, obeying, rows, tables  # noqa: E402
from faces_to_order.describing import BAND, KINDS, WHOLE, cut, describe, histogram  # noqa: E402
from faces_to_order.landmarks import landmarks  # noqa: E402
from helpers import make_report  # noqa: E402

CLASSES = {"hair": ["dark", "green", "red"], "eyes": ["cold", "warm"]}
STRENGTHS = (0.3, 0.1, 0.03, 0.01)
OF_DRAWN = {  # which classes of drawn faces are one here
    "hair": {"dark": ["black", "purple", "blue"], "green": ["green", "aqua"], "red": ["red", "orange"]},
    "eyes": {"cold": ["blue", "aqua", "green"], "warm": ["red", "orange", "yellow", "pink"]},
}


@pytest.fixture(scope="module")
def drawn():
    """([images], [labels]) of 160 drawn faces with the hair and eyes of CLASSES."""
    images, known = [], []
    index = 0
    while len(images) < 160:
        picture, found = face(index, seed=5)
        index += 1
        labels = {name: next((one for one, drawn in groups.items() if found[name] in drawn), None)
                  for name, groups in OF_DRAWN.items()}
        if all(labels.values()):
            images.append(picture)
            known.append(labels)
    return np.stack(images), known


@pytest.fixture(scope="module")
def faces(drawn, tmp_path_factory):
    """Those faces as a pack."""
    return pack(make_report(*drawn, CLASSES), tmp_path_factory.mktemp("labels") / "pack")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """The folder that is data_dir() in this file."""
    folder = tmp_path_factory.mktemp("data")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GANLIB_DATA", str(folder))
        yield folder


@pytest.fixture(scope="module")
def known_judge(faces, data):
    return judge.judge_of(faces, say=len)


class Fake(torch.nn.Module):
    """Stands for a network that has learned the labels of CLASSES."""

    attributes = CLASSES
    has_styles = False


def obedient(drawn):
    """A function as `sample` whose pictures are what was asked for: some of the drawn faces."""
    images, known = drawn

    def draw(generator, n, seed=0, labels=None):
        fits = [i for i, one in enumerate(known) if all(one[k] == v for k, v in (labels or {}).items())]
        return images[np.random.default_rng(seed).choice(fits, n)]
    return draw


def deaf(drawn):
    """The same, but whatever was asked for, it draws any face."""
    return lambda generator, n, seed=0, labels=None: obedient(drawn)(generator, n, seed)


# -- the judge


def test_logistic_regression_ends_at_the_minimum():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 300)
    x = (np.eye(3)[y] @ rng.normal(size=(3, 6)) + rng.normal(size=(300, 6))).astype(np.float32)
    found, strength = logistic.fit(x, y, 3, STRENGTHS)
    rows = (x - found.mean) / found.scale
    assert np.allclose(rows.mean(0), 0, atol=1e-5) and np.allclose(rows.std(0), 1, atol=1e-4)
    wrong = F.softmax(torch.from_numpy(rows @ found.weight + found.bias), 1).numpy() - np.eye(3)[y]
    assert np.abs(rows.T @ wrong / 300 + strength * found.weight).max() < 1e-3  # the gradient
    assert np.abs(wrong.mean(0)).max() < 1e-3
    assert (found(x) == y).mean() > 0.6  # chance: 0.33


def test_the_penalty_is_the_one_that_reads_most_of_what_it_has_not_seen():
    rng = np.random.default_rng(1)
    y = np.arange(90) % 3
    signal = np.eye(3)[y] * 1.5
    x = np.concatenate([signal, rng.normal(size=(90, 200))], 1).astype(np.float32)  # most of it is noise
    assert logistic.fit(x, y, 3, STRENGTHS)[1] > min(STRENGTHS)


def test_rectangles_grow_with_the_picture():
    images = np.random.default_rng(0).integers(0, 256, (2, 128, 128, 3), np.uint8)
    assert np.array_equal(cut(images, WHOLE), images)
    assert np.array_equal(cut(images, BAND), images[:, 44:72, 20:108])
    assert np.array_equal(cut(images[:, ::2, ::2], BAND), images[:, ::2, ::2][:, 22:36, 10:54])


def test_plain_numbers_are_those_of_fd_lite(drawn):
    images = drawn[0][:20]
    assert np.array_equal(describe(images, "hair", "plain"), features(images, progress=False))
    band = describe(images, "eyes", "plain")
    assert np.allclose(band, features(images[:, 22:36, 10:54], progress=False), atol=1e-4)
    changed = images.copy()
    changed[:, 36:] = 0  # below the eyes
    assert np.array_equal(describe(changed, "eyes", "plain"), band)


def test_a_histogram_counts_colours():
    x = torch.zeros(2, 1, 4, 3)
    x[0, 0, :2] = torch.tensor([1.0, 0.0, 1 / 3])  # colour 3, 0, 1
    x[1] = torch.tensor([0.5, 0.0, 0.0])  # half way from 1 to 2
    first, second = histogram(x).square().reshape(2, 4, 4, 4)
    assert first[3, 0, 1] == pytest.approx(0.5) and first[0, 0, 0] == pytest.approx(0.5)
    assert second[1, 0, 0] == pytest.approx(0.5) and second[2, 0, 0] == pytest.approx(0.5)
    assert first.sum() == pytest.approx(1) and second.sum() == pytest.approx(1)


def test_colours_do_not_change_where_pixels_of_a_block_change_places(drawn):
    images = drawn[0][:20]
    shuffled = images.reshape(20, 32, 2, 32, 2, 3)[:, :, ::-1, :, ::-1].reshape(images.shape)
    for attribute in CLASSES:
        x = describe(images, attribute, "colours")
        assert np.isfinite(x).all() and x.shape == (20, 48 + 2 * 64)
        assert np.allclose(x[:, 48:], describe(shuffled, attribute, "colours")[:, 48:], atol=1e-5)
    mean = describe(images, "hair", "colours")[:, :48].reshape(20, 3, 4, 4)
    assert mean[3, 1, 0, 2] == pytest.approx(images[3, :16, 32:48, 1].mean() / 255, abs=1e-5)


def test_a_judge_learns_from_one_half_and_is_tested_on_the_other(known_judge, faces):
    for (attribute, _), table in known_judge.tested.items():
        classes = len(CLASSES[attribute])
        assert table.shape == (classes, classes) and table.sum() == 80  # of 160 faces
        assert np.diag(table).sum() / 80 > 1.4 / classes
    order = np.random.default_rng(judge.SEED).permutation(160)
    hair = np.asarray(faces.labels[order[80:], 0])
    assert np.array_equal(known_judge.tested["hair", "plain"].sum(1), np.bincount(hair))
    read = known_judge.read(faces.images[order[80:]], "hair")
    for kind in KINDS:
        assert np.array_equal(judge.counts(hair, read[kind], 3), known_judge.tested["hair", kind])


def test_a_judge_is_kept(known_judge, faces, data, monkeypatch):
    monkeypatch.setattr(judge, "describe", None)  # it would be called to learn again
    again = judge.judge_of(faces)
    assert [path.name for path in (data / "stats").glob("judge-*")] == [f"judge-{faces.hash}.npz"]
    for key, found in known_judge.classifiers.items():
        assert np.array_equal(found.weight, again.classifiers[key].weight)
        assert np.array_equal(known_judge.tested[key], again.tested[key])


def test_a_kept_judge_that_cannot_be_read_is_told(known_judge, faces, data, monkeypatch, tmp_path):
    monkeypatch.setenv("GANLIB_DATA", str(tmp_path))
    path = tmp_path / "stats" / f"judge-{faces.hash}.npz"
    path.parent.mkdir()
    path.write_bytes(b"PK")
    with pytest.raises(GanlibError, match="cannot be read .* delete it"):
        judge.judge_of(faces)


def test_a_class_that_a_half_lacks_is_told(drawn, tmp_path):
    images, known = drawn
    few = pack(make_report(images[:8], [dict(known[0], hair="dark")] * 7 + [dict(known[0], hair="red")],
                           {"hair": ["dark", "red"]}), tmp_path / "few")
    with pytest.raises(GanlibError, match="half of the real faces has none with hair 'red'"):
        judge.judge_of(few)


# -- obedience


def test_the_numbers_of_two_tables():
    one = obeying.Obedience(np.array([[8, 2, 0], [5, 5, 0], [0, 0, 0]]),
                            np.array([[30, 10, 0], [0, 10, 10], [1, 0, 1]]))
    assert one.accuracy[:2] == pytest.approx([0.8, 0.5]) and np.isnan(one.accuracy[2])
    assert one.ceiling == pytest.approx([0.75, 0.5, 0.5])
    assert one.ratio[:2] == pytest.approx([0.8 / 0.75, 1.0]) and np.isnan(one.ratio[2])
    assert one.mean_of_ratios == pytest.approx((0.8 / 0.75 + 1) / 2)
    assert one.ratio_of_means == pytest.approx(1.3 / 1.25)
    assert one.over_all == pytest.approx(((0.8 * 40 + 0.5 * 20) / 60, (0.75 * 40 + 0.5 * 20) / 60))
    assert one.worst == 1


def test_obedient_faces_reach_the_ceiling_and_deaf_ones_do_not(drawn, known_judge):
    for attribute, classes in CLASSES.items():
        for draw, least, most in ((obedient(drawn), 0.85, 1.5), (deaf(drawn), 0.0, 0.8)):
            counted = obeying.asked_and_read(Fake(), known_judge, attribute, 30, draw)
            for kind in KINDS:
                assert (counted[kind].sum(1) == 30).all() and len(counted[kind]) == len(classes)
                found = obeying.Obedience(counted[kind], known_judge.tested[attribute, kind])
                assert least < found.mean_of_ratios < most, (attribute, kind)


def test_a_generator_of_other_classes_is_told(known_judge):
    other = Fake()
    other.attributes = {"hair": ["dark", "greem"], "mood": ["sad"]}
    with pytest.raises(GanlibError, match="hair 'greem'.*pack does not have.*'green'"):
        obeying.attributes_of(other, known_judge)
    other.attributes = {"mood": ["sad"]}
    assert obeying.attributes_of(other, known_judge) == {}


# -- likeness and identity


def test_faces_of_a_class_are_as_near_to_it_as_real_ones(drawn, faces, data):
    def noise(generator, n, seed=0, labels=None):
        return np.random.default_rng(seed).integers(0, 256, (n, 64, 64, 3), np.uint8)

    good = likeness.within_classes(None, faces, CLASSES["hair"], 1000, obedient(drawn))
    bad = likeness.within_classes(None, faces, ["red"], 1000, noise)
    assert list(good) == CLASSES["hair"]
    assert all(0.2 < fake / real < 1.6 for fake, real in good.values())
    assert bad["red"][0] > 2 * bad["red"][1] and bad["red"][1] == good["red"][1]


def test_a_frechet_distance_of_few_is_the_same_distance():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(20, 40)).astype(np.float32), rng.normal(1, 2, (30, 40)).astype(np.float32)
    assert likeness.frechet_of_few(a, b) == pytest.approx(frechet(gaussian(a), gaussian(b)), rel=1e-4)
    assert likeness.frechet_of_few(a, a) == pytest.approx(0, abs=1e-6)


def test_a_ratio_of_distances():
    x = np.zeros((1, 2, 3, 1))  # group, class, z
    x[0, :, :, 0] = [[0, 2, 4], [1, 3, 5]]  # 1 from class to class; from z to z 2, 2 and 4
    assert identity.ratio(x) == pytest.approx(1 / (8 / 3))
    x[0, 0, 0, 0] = np.nan  # left: one pair over classes at z 1, one at z 2; over z: 2, and 2, 2, 4
    assert identity.ratio(x) == pytest.approx(1 / 2.5)
    assert np.isnan(identity.ratio(np.zeros((1, 2, 3, 1)))) and np.isnan(identity.ratio(np.full((1, 2, 3, 1),
                                                                                                np.nan)))


def test_edges_are_held_where_only_the_colour_changes(drawn):
    images = drawn[0]
    tints = {"dark": (0.6, 0.6, 0.6), "green": (0.7, 1, 0.7), "red": (1, 0.7, 0.7)}

    def tinted(generator, n, seed=0, labels=None):
        return (obedient(drawn)(None, n, seed) * np.array(tints[labels["hair"]])).astype(np.uint8)

    held = identity.held(None, "hair", CLASSES, draw=tinted)
    changed = identity.held(None, "hair", CLASSES, draw=lambda generator, n, seed=0, labels=None:
                            obedient(drawn)(None, n, seed + 100 * len(labels["hair"])))
    assert held["edges"] < 0.25 and 0.7 < changed["edges"] < 1.3
    assert identity.edges(images[:2]).shape == (2, 64 * 64)
    if not detector_trouble():
        assert held["landmarks"] < 0.5 and 0.5 < held["faces"] <= 1
        assert 0.6 < changed["landmarks"] < 1.4


@pytest.mark.skipif(bool(detector_trouble()), reason="no face detector here")
def test_landmarks_move_with_the_face(drawn):
    moved = np.roll(drawn[0][:12], 3, axis=2)  # to the right
    here, there = landmarks(drawn[0][:12]), landmarks(moved)
    assert here.shape == (12, 5, 2)
    step = np.nanmedian(there - here, axis=(0, 1))
    assert step == pytest.approx([3 / 64, 0], abs=0.02)
    right_eye, left_eye = np.nanmedian(here[:, 1], 0), np.nanmedian(here[:, 0], 0)
    assert right_eye[0] < 0.5 < left_eye[0] and right_eye[1] == pytest.approx(left_eye[1], abs=0.1)
    assert np.isnan(landmarks(np.full((1, 64, 64, 3), 128, np.uint8))).all()


# -- rows, tables, the shell


def small_generator(path, seed=0, images=1234, labelled=True):
    """The file of an untrained generator of 64 pixels, with the labels of CLASSES or without."""
    changes = {"labels": "hair,eyes", "classes": json.dumps(CLASSES)} if labelled else {}
    config = preset("dcgan", resolution=64, width=4, z_dim=8, seed=seed, **changes)
    save_generator(path, build_networks(config)[0], config, images=images)
    return path


def row_with(right, fd=100.0):
    """A row of a generator that is right so often in 10."""
    hair = np.full((3, 3), 0) + np.diag([right] * 3)
    hair[:, 0] += 10 - right
    table = rows.written(hair)
    return {"fd": fd, "fd_of": 100, "images": 10, "minutes": 1.0, "each": 10, "held":
            {"hair": {"edges": 0.25}}, "asked": {"hair": {"plain": table, "colours": table}}}


def test_counts_are_written_in_short_and_read_again():
    table = np.array([[1, 20], [0, 3]])
    assert rows.written(table) == ["1 20", "0 3"] and np.array_equal(rows.numbers(["1 20", "0 3"]), table)


def test_rows_are_never_anothers(tmp_path, known_judge):
    path = tmp_path / "labels.json"
    assert rows.load(path) == {"about": {}, "rows": {}}
    a = load_generator(small_generator(tmp_path / "a.safetensors"))
    b = load_generator(small_generator(tmp_path / "b.safetensors", seed=1))
    assert rows.keep(path, known_judge, "run", a, row_with(5)) == "run, 1,234 images"
    assert rows.keep(path, known_judge, "run", b, row_with(9)) == "run, 1,234 images (2)"
    assert rows.keep(path, known_judge, "run", a, row_with(7)) == "run, 1,234 images"  # measured anew
    found = rows.load(path)
    assert len(found["rows"]) == 2
    assert np.diag(rows.obedience(found, found["rows"]["run, 1,234 images"], "hair").asked)[1] == 7
    assert rows.best(found) == "run, 1,234 images (2)"
    assert rows.full_key(found, "run") == "run, 1,234 images"
    with pytest.raises(GanlibError, match="'rum' is not measured"):
        rows.full_key(found, "rum")
    other = judge.Judge(known_judge.attributes, "another", known_judge.classifiers, known_judge.tested)
    with pytest.raises(GanlibError, match="another judge"):
        rows.keep(path, other, "run", a, row_with(5))
    assert rows.load(path) == found


@pytest.mark.parametrize("path, name", [
    ("runs/pink/generator.safetensors", "pink"), ("runs/pink/snapshots/0001.safetensors", "pink"),
    ("runs/pink/best.safetensors", "pink:best"), ("files/red.safetensors", "red"),
    ("shipped/dcgan/generator.safetensors", "dcgan")])
def test_names(path, name):
    assert rows.name_of(Path(path)) == name


def test_the_overview_has_the_best_first(known_judge):
    found = {"about": rows.about_of(known_judge), "rows": {
        "poor, 10 images": row_with(3), "good, 10 images": row_with(9),
        "dumb, 10 images": row_with(0) | {"asked": {}, "held": {}, "shares": {"hair": [0.5, 0.25, 0.25]}}}}
    text = tables.overview(found)
    lines = [line for line in text.splitlines() if " images " in line]
    assert [line.split()[1] for line in lines] == ["good,", "poor,", "dumb,"]
    ceiling = rows.obedience(found, found["rows"]["good, 10 images"], "hair").ceiling
    expected = np.mean(np.array([1.0, 0.9, 0.9]) / ceiling)
    assert f"| {expected:.3f} " in lines[0] and "| 0.25 " in lines[0]
    assert "hair as the judge reads it" in tables.details(found, "dumb, 10 images")
    # the tables of the pages
    lines = [line for line in tables.in_short(found).splitlines() if " images " in line]
    assert [line.split()[1] for line in lines] == ["good,", "poor,", "dumb,"]
    assert f"| {expected:.2f} " in lines[0] and "| 0.25 " in lines[0]
    colours = tables.of_colours(found, "good", "hair").splitlines()[2:]
    one = rows.obedience(found, found["rows"]["good, 10 images"], "hair")
    assert [line.split()[1] for line in colours] == CLASSES["hair"]
    assert all(f"| {one.accuracy[i]:.2f} " in colours[i] for i in range(3))


@pytest.fixture
def shell(monkeypatch, tmp_path, data, capsys):
    """The program, as from a shell, with its results in a folder of the test; gives what it prints."""
    monkeypatch.setattr(labels, "RESULTS", tmp_path / "labels.json")
    monkeypatch.setattr(labels, "OF_ALL", 40)

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["labels.py", *map(str, words)])
        labels.main()
        return capsys.readouterr().out
    return run


def test_generators_are_measured_from_the_shell(shell, faces, known_judge, tmp_path):
    assert "Nothing is measured yet" in shell()
    able = small_generator(tmp_path / "able.safetensors")
    unable = small_generator(tmp_path / "unable.safetensors", labelled=False)
    text = shell(faces.path, able, unable, "--samples", "10")
    assert "able, 1,234 images" in text and "FD-lite within hair" in text
    found = json.loads((tmp_path / "labels.json").read_text())
    assert list(found["rows"]) == ["able, 1,234 images", "unable, 1,234 images"]
    row = found["rows"]["able, 1,234 images"]
    assert rows.numbers(row["asked"]["eyes"]["plain"]).sum() == 20 and row["fd"] > 0
    assert 0 <= row["held"]["hair"]["edges"] < 2 and set(row["fd_within"]) == set(CLASSES["hair"])
    assert sum(found["rows"]["unable, 1,234 images"]["shares"]["hair"]) == pytest.approx(1, abs=1e-3)
    assert "able, 1,234 images" in shell()
    shell("--figure", tmp_path / "plot.png")
    shell("--figure", tmp_path / "again.png", "able")
    assert (tmp_path / "plot.png").read_bytes() == (tmp_path / "again.png").read_bytes()
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(SystemExit, match="takes no labels"):
        shell("--figure", tmp_path / "none.png", "unable")


def test_the_quick_look_keeps_nothing(shell, faces, known_judge, tmp_path):
    able = small_generator(tmp_path / "able.safetensors")
    text = shell(faces.path, "--quick", "--samples", "5", able)
    assert "hair, plain judge:" in text and "eyes, colours judge:" in text and "of the ceiling" in text
    assert not (tmp_path / "labels.json").exists()
    text = shell(faces.path, "--quick", "--colours", "--samples", "5", able)
    assert "hair, plain judge:" not in text and "eyes, colours judge:" in text
    text = shell(faces.path, "--quick", "--samples", "5", small_generator(tmp_path / "b", labelled=False))
    assert "takes no labels" in text


def test_wrong_words_are_told(shell, faces, tmp_path):
    with pytest.raises(SystemExit, match="Expected PACK SOURCE"):
        shell(faces.path)
    with pytest.raises(SystemExit, match="no run 'nowhere'"):
        shell(faces.path, "nowhere")
    with pytest.raises(SystemExit, match="No generator with labels"):
        shell("--figure", tmp_path / "plot.png")


def test_the_confusion_plot_names_all_classes_and_its_percents():
    from faces_to_order.confusion import figure
    made = figure("run", CLASSES, [np.array([[9, 1, 0], [0, 10, 0], [0, 0, 0]]), np.array([[5, 5], [1, 9]])])
    hair, eyes = made.axes
    assert [text.get_text() for text in hair.get_xticklabels()] == CLASSES["hair"]
    assert [text.get_text() for text in hair.get_yticklabels()] == ["dark", "green"]  # red was not asked for
    assert [text.get_text() for text in hair.texts] == ["90", "10", "100"]
    assert [text.get_text() for text in eyes.texts] == ["50", "50", "10", "90"]


# -- named colours


def test_an_aim_is_near_the_mean_and_sure():
    means = torch.tensor([[100, 100, 100], [110, 100, 100], [60, 200, 50]], dtype=torch.float64)
    precision = torch.eye(3, dtype=torch.float64) / 64  # 8 levels of spread: the first two overlap
    aim = named_colours.aim_of(1, means, precision)
    squares = torch.stack([(aim - mean) @ precision @ (aim - mean) for mean in means])
    assert torch.softmax(-squares / 2, 0)[1] > 0.88
    assert 3 < aim[0] - 110 < 20 and (aim[1:] - 100).abs().max() < 2  # away from the first
    alone = named_colours.aim_of(2, means, precision)
    assert (alone - means[2]).abs().max() < 1  # nobody is near: the mean itself


def test_named_colours_are_measured(faces, known_judge, monkeypatch, capsys):
    monkeypatch.setattr(named_colours, "SEEDS", range(2))
    generator = load_generator("stylegan-fast")
    named_colours.measure(generator, known_judge)
    said = capsys.readouterr().out
    assert "hair, colours judge" in said and "within 20 levels of the aim" in said
    assert "eyes: the pack has none of the labels aqua, black" in said
    named_colours.aims(faces)
    assert "hair green: (" in capsys.readouterr().out
    monkeypatch.setattr(named_colours, "ON_THE_SHEET", 2)
    assert named_colours.sheet(generator).height > 20 * 64
    named_colours.measure(load_generator("stylegan-labels"), known_judge)
    assert "hair: this generator has learned labels" in capsys.readouterr().out
