"""Curves and indicators of runs, and the counts of labels."""
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from run_folders import OTHER_EVENTS, START, full_records, records, write_log

from ganlib.colors import BLUE, RED
from ganlib.errors import GanlibError
from ganlib.runs.folder import read_log
from ganlib.view.curves import curves, indicators, label_counts, smooth


def test_smooth_by_hand():
    assert smooth([1, 2, 3, 4], 1) == pytest.approx([1, 2, 3, 4])
    # a Hann window over three values weighs 1/2, 1, 1/2; at the ends 1, 1/2
    assert smooth([1.0, 2.0, 6.0, 4.0], 3) == pytest.approx([4 / 3, 11 / 4, 9 / 2, 14 / 3])
    assert smooth(np.ones(50), 7) == pytest.approx(np.ones(50))


def test_curves_show_the_log(tmp_path):
    run = write_log(tmp_path / "run", [START, *records(30), START | {"images": 30_000}, *records(50, 30)])
    figure = curves(run, out=tmp_path / "curves.png")
    loss, d = figure.axes
    lines = {(ax, i): line for ax in (loss, d) for i, line in enumerate(ax.lines)}
    raw, smoothed = lines[loss, 0], lines[loss, 1]
    values = [2 + i % 3 for i in range(30)] + [2 + i % 3 for i in range(50)]
    assert raw.get_xdata().tolist() == list(range(1, 81)) and raw.get_ydata().tolist() == values
    assert smoothed.get_ydata() == pytest.approx(smooth(values, 5))  # 2 * (80 // 40) + 1
    assert lines[loss, 3].get_ydata()[40] == pytest.approx(0.9, abs=1e-6)
    assert (d.lines[0].get_ydata() == 0.7).all() and (d.lines[2].get_ydata() == 0.2).all()
    assert raw.get_alpha() < 0.5 and raw.get_linewidth() < smoothed.get_linewidth()
    for ax in (loss, d):
        upright = [line.get_xdata() for line in ax.lines if line.get_xdata()[0] == line.get_xdata()[-1]]
        assert upright == [[30, 30]]  # the second leg and not the first
        assert ax.get_xlabel() == "images seen (thousands)"
    assert [list(line.get_ydata()) for line in d.lines][-1] == [0.5, 0.5] and d.get_ylim() == (0, 1)
    assert [t.get_text() for t in loss.get_legend().get_texts()] == ["generator", "discriminator"]
    assert Image.open(tmp_path / "curves.png").size == (1000, 380)
    assert [p.name for p in tmp_path.iterdir() if p.is_file()] == ["curves.png"]


def test_only_resumes_are_marked(tmp_path):
    """Whatever else a log tells of a training, its curves are those of the records."""
    plain = write_log(tmp_path / "plain", records(9))
    rich = write_log(tmp_path / "rich", [START, *records(9)[:3], *OTHER_EVENTS, *records(9)[3:]])
    for draw in (curves, indicators):
        for ax, expected in zip(draw(rich).axes, draw(plain).axes, strict=True):
            shown = [line.get_xydata().tolist() for line in ax.lines]
            assert shown == [line.get_xydata().tolist() for line in expected.lines]
            assert ax.get_ylim() == expected.get_ylim()
    resumed = write_log(tmp_path / "rich", [START, *records(3), START | {"images": 3000}, *OTHER_EVENTS])
    marks = [line for line in curves(resumed).axes[0].lines if list(line.get_xdata()) == [3, 3]]
    assert len(marks) == 1


def test_curves_of_several_runs_are_named(tmp_path):
    runs = [write_log(tmp_path / name, records(n)) for name, n in (("a/dcgan", 20), ("b/dcgan", 10))]
    figure = curves(runs[0], SimpleNamespace(path=runs[1]))
    assert [t.get_text() for t in figure.legends[0].get_texts()] == ["a/dcgan", "b/dcgan"]
    colors = [line.get_color() for line in figure.axes[0].lines]
    assert colors[:4] == [BLUE] * 4 and colors[4:8] == [RED] * 4
    assert figure.axes[0].lines[3].get_linestyle() == "--"


def test_each_loss_has_its_own_axis(tmp_path):
    critic = [r | {"d_real": 30.0, "d_fake": -12.0} for r in records(20)]
    run = write_log(tmp_path / "wgan", critic, row="wgan")
    loss, d = curves(run).axes
    assert [t.get_text() for t in d.get_legend().get_texts()] == ["D(x)", "D(G(z))", "Wasserstein estimate"]
    assert [line.get_ydata()[7] for line in d.lines[1::2]] == pytest.approx([30, -12, 42])
    assert d.get_ylim() == pytest.approx((-12 - 5.4, 42 + 5.4)) and loss.get_title("left") == "Loss"
    for row in ("lsgan", "sngan", "rpgan"):
        d = curves(write_log(tmp_path / row, critic, row=row)).axes[1]
        assert d.get_title("left") == "D's score" and d.get_ylim() == pytest.approx((-12 - 4.2, 30 + 4.2))
        assert len(d.lines) == 4  # two curves and no line at 0.5
    d = curves(write_log(tmp_path / "minimax", records(20), loss="minimax")).axes[1]
    assert d.get_title("left") == "D's answer" and d.get_ylim() == (0, 1)


def test_runs_of_different_losses_are_drawn_in_rows(tmp_path):
    runs = []
    for name, factor, changes in (("dcgan", 1, {}), ("wgan", 1000, {"row": "wgan"}),
                                  ("minimax", 1, {"loss": "minimax"})):
        log = [record | {"loss_g": record["loss_g"] * factor} for record in records(20)]
        runs.append(write_log(tmp_path / name, log, **changes))
    figure = curves(*runs)
    shown = [ax.get_title("left") for ax in figure.axes]
    assert shown == ["Loss (bce, minimax)", "D's answer", "Loss (wasserstein)", "Critic"]
    # neither flattens the other
    assert figure.axes[0].get_ylim()[1] < 5 and figure.axes[2].get_ylim()[1] > 4000
    assert [t.get_text() for t in figure.legends[0].get_texts()] == ["dcgan", "wgan", "minimax"]
    assert {line.get_color() for line in figure.axes[2].lines} == {RED}  # as in the legend


def titles(figure):
    return [ax.get_title("left").split(" (")[0] for ax in figure.axes]


def test_indicators_show_what_the_log_has(tmp_path):
    run = write_log(tmp_path / "run", full_records(40, diversity=[i / 40 for i in range(40)]))
    accuracy, gradient, diversity, answers = indicators(run, out=tmp_path / "i.png").axes
    assert accuracy.get_ylim()[0] == 0 and accuracy.lines[0].get_ydata()[3] == 0.9
    assert gradient.get_yscale() == "log"
    assert [line.get_ydata()[3] for line in gradient.lines[::2]] == [3.0, 0.5]
    assert diversity.lines[0].get_xdata().tolist() == list(range(4, 41, 4))
    assert diversity.lines[0].get_ydata() == pytest.approx(np.arange(3, 40, 4) / 40)
    assert [line.get_ydata()[3] for line in answers.lines[::2]] == [0.2, 0.1]  # before D's update, after
    assert Image.open(tmp_path / "i.png").size == (1000, 690)
    gated = write_log(tmp_path / "gated", full_records(40, skipped_d=0.75), row="v3")
    assert titles(indicators(gated)) == ["D's accuracy", "Gradient norm", "D(G(z))", "Updates skipped"]
    critic = write_log(tmp_path / "wgan-gp", full_records(40, penalty=0.3), row="wgan-gp")
    mixed = indicators(run, critic)
    assert titles(mixed) == ["D's accuracy", "Gradient norm", "Diversity", "Penalty"]
    assert [t.get_text() for t in mixed.legends[0].get_texts()] == ["run", "wgan-gp"]


def test_labels_and_augmentation_are_indicators_where_there_are_any(tmp_path):
    told = full_records(40, guess_g=0.5, guess_d=0.7, augment_p=0.2, r_t=-0.1)
    *_, guessed, augmented = indicators(write_log(tmp_path / "run", told)).axes
    assert guessed.get_title("left").startswith("Labels guessed")
    assert [line.get_ydata()[3] for line in guessed.lines[::2]] == [0.5, 0.7]
    assert augmented.get_title("left") == "Augmentation" and augmented.get_ylim()[0] < -1
    assert [line.get_ydata()[3] for line in augmented.lines[:4:2]] == [0.2, -0.1]


def test_scores_are_an_indicator_of_each_run(tmp_path):
    score = START | {"event": "score", "n": 2_048}
    scored = write_log(tmp_path / "scored", [*records(40), score | {"images": 20_000, "fd": 90.0},
                                             score | {"images": 5_000, "fd": 200.0}])
    other = write_log(tmp_path / "other", [*records(40), score | {"images": 30_000, "fd": 80.0}])
    quality, = indicators(scored).axes
    assert quality.get_title(loc="left").startswith("FD-lite of kept generators")
    assert quality.lines[0].get_xdata().tolist() == [5, 20] and quality.get_yscale() == "log"
    both, = indicators(scored, other).axes
    assert [line.get_ydata().tolist() for line in both.lines[::2]] == [[200, 90], [80]]


def test_indicators_of_an_old_log(tmp_path):
    figure = indicators(write_log(tmp_path, records(40)))
    assert figure.axes == [] and "no indicators" in figure.texts[0].get_text()


def test_spikes_do_not_flatten_the_curve(tmp_path):
    log = records(1000)
    log[500] |= {"loss_g": 1e6}
    log[0] |= {"loss_g": 50}
    low, high = curves(write_log(tmp_path, log)).axes[0].get_ylim()
    assert 4 < high < 6 and -11 < low < -9  # loss_d falls to -9


def test_a_line_that_was_cut_off_is_ignored(tmp_path):
    run = write_log(tmp_path, [START, *records(3)], tail='{"images": 4000, "train_sec')
    assert read_log(run) == (records(3), [START])
    assert len(curves(run).axes[0].lines[0].get_xdata()) == 3


def test_curves_without_a_log(tmp_path):
    with pytest.raises(GanlibError, match="has no log.jsonl"):
        curves(tmp_path / "nothing")
    with pytest.raises(GanlibError, match="No training record in young"):
        curves(write_log(tmp_path / "young", [START]), write_log(tmp_path / "old", records(3)))
    with pytest.raises(GanlibError, match="name runs"):
        curves()


def test_figures_go_to_files_of_their_formats(tmp_path):
    run = write_log(tmp_path / "run", records(3))
    for suffix, start in (("svg", b"<?xml"), ("pdf", b"%PDF"), ("PNG", b"\x89PNG")):
        curves(run, out=tmp_path / f"x.{suffix}")
        assert (tmp_path / f"x.{suffix}").read_bytes().startswith(start)
    with pytest.raises(GanlibError, match=r"x.foo: expected a name that ends in .png, .svg or .pdf"):
        curves(run, out=tmp_path / "x.foo")
    assert not (tmp_path / "x.foo").exists()


def test_figures_show_once_and_leave_nothing_behind(tmp_path):
    import matplotlib.pyplot as plt
    figure = curves(write_log(tmp_path, records(3)))
    assert figure._repr_png_()[:4] == b"\x89PNG" and plt.get_fignums() == []


def test_label_counts():
    pack = SimpleNamespace(attributes={"hair": ["blue", "red"], "eyes": ["green"]},
                           labels=np.array([[0, 0], [1, -1], [1, 0], [-1, 0], [1, -1]], np.int16))
    hair, eyes = label_counts(pack).axes
    assert [bar.get_height() for bar in hair.patches] == [1, 3, 1]
    assert [bar.get_height() for bar in eyes.patches] == [3, 2]
    assert "no labels" in label_counts(SimpleNamespace(attributes={}, labels=None)).texts[0].get_text()


def test_every_plot_says_what_it_counts_and_holds_its_curves(tmp_path):
    gates = dict(skipped_g=0.1, skipped_d=0.2, penalty=0.3)
    run = write_log(tmp_path / "run", [START, *full_records(40, diversity=1.9, **gates)])
    wasserstein = write_log(tmp_path / "wgan", records(20), row="wgan")
    axes = [*curves(run).axes, *indicators(run).axes, *curves(wasserstein).axes]
    assert len(axes) == 10
    for one in axes:
        assert one.get_xlabel() and one.get_ylabel() and one.get_title(loc="left")

    def diversity(axes):
        return next(one for one in axes if one.get_title(loc="left").startswith("Diversity"))

    assert diversity(axes).get_ylim()[1] > 1.9
    less = write_log(tmp_path / "less", full_records(40, diversity=0.9))
    assert diversity(indicators(less).axes).get_ylim() == (0, 1.3)  # the same for all runs that stay below
