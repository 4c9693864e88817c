"""Grids, curves, GIFs, the live panel and the review of dropped files."""
import base64
import importlib
import io
import json
import math
import shutil
import time
from types import SimpleNamespace

import imageio.v2 as imageio
import nbclient
import nbformat
import numpy as np
import pytest
import torch
from helpers import make_pack, make_report, tiny
from PIL import Image, ImageDraw, ImageFont
from torchvision.utils import make_grid

from ganlib.data.cleaning import Row
from ganlib.data.packs import pack
from ganlib.data.synthetic import face
from ganlib.errors import GanlibError
from ganlib.evaluation.diagnosis import SIGNS, diagnosis
from ganlib.images import encoded, grid
from ganlib.models.build import build_networks
from ganlib.presets import preset
from ganlib.training.logs import read_log
from ganlib.training.loop import train
from ganlib.view.curves import Figure, curves, indicators, label_counts, smooth
from ganlib.view.live import _where, live
from ganlib.view.movies import gif
from ganlib.view.pictures import BLUE, INK, RED, real_vs_fake, side_by_side
from ganlib.view.review import contact_sheet, review


def pictures(n, size=16, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (n, size, size, 3), np.uint8)


def flat(colors, size=16):
    return np.stack([np.full((size, size, 3), c, np.uint8) for c in colors])


def records(n, start=0):
    """One record a thousand images, at 125 images a second."""
    return [{"images": 1000 * k, "train_seconds": 8.0 * k, "loss_g": 2 + i % 3, "loss_d": 1 - i / 100,
             "d_real": 0.7, "d_fake": 0.2, "images_per_second": 125.0}
            for i, k in enumerate(range(start + 1, start + n + 1))]


def write_log(run, lines, tail="", row="dcgan", **changes):
    run.mkdir(parents=True, exist_ok=True)
    (run / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines) + tail)
    (run / "config.json").write_text(json.dumps(preset(row, **({"images": 100_000} | changes)).to_dict()))
    return run


START = {"event": "start", "images": 0, "train_seconds": 0.0}
SHADES = [(200, 30, 30), (30, 160, 30), (30, 30, 200), (170, 160, 20)]


def write_samples(run, n, size=16, noise=False):
    """real.png and n grids; grid k is of one shade (of noise), 0, 1000, 2000 ... images seen."""
    folder = run / "samples"
    folder.mkdir(parents=True, exist_ok=True)
    grid(flat([(20, 20, 20)] * 64, size)).save(folder / "real.png")
    for k in range(n):
        images = pictures(64, size, k) if noise else flat([SHADES[k % 4]] * 64, size)
        grid(images).save(folder / f"{1000 * k:09d}.png")
    (folder / ".000009000.png").write_bytes(b"half a file")  # what a kill can leave
    return run


# -- grids


@pytest.mark.parametrize("n, columns, padding", [(64, 8, 2), (5, 3, 2), (3, 8, 1), (4, 2, 0)])
def test_grid_lays_pictures_as_torchvision_does(n, columns, padding):
    x = pictures(n, 6)
    expected = make_grid(torch.from_numpy(x).permute(0, 3, 1, 2), columns, padding, pad_value=255)
    assert (np.asarray(grid(x, columns, padding)) == expected.permute(1, 2, 0).numpy()).all()


def test_grid_positions_and_scale():
    sheet = np.asarray(grid(flat(SHADES[:3], 4), columns=2, padding=2, scale=3))
    assert sheet.shape == (2 + 2 * (12 + 2), 2 + 2 * (12 + 2), 3)
    assert (sheet[2:14, 2:14] == SHADES[0]).all() and (sheet[2:14, 16:28] == SHADES[1]).all()
    assert (sheet[16:28, 2:14] == SHADES[2]).all()
    assert (sheet[16:, 14:] == 255).all() and (sheet[:2] == 255).all() and (sheet[14:16] == 255).all()


def test_grid_takes_floats_and_single_pictures():
    x = torch.tensor([-1.0, 0.0, 1.0, 3.0])[:, None, None, None].expand(4, 3, 2, 2).requires_grad_()
    row = np.asarray(grid(x, columns=4, padding=0))
    assert row[0, ::2, 0].tolist() == [0, 128, 255, 255]
    assert grid(pictures(1, 4)).size == (8, 8)


@pytest.mark.parametrize("bad", [pictures(3)[0], pictures(2).astype(float), pictures(0), [1, 2],
                                 torch.zeros(2, 8, 8, 3), torch.zeros(3, 8, 8)])
def test_grid_says_what_is_wrong(bad):
    with pytest.raises(GanlibError, match=r"These are no images.*expected uint8"):
        grid(bad)


def test_real_vs_fake_shows_every_pixel_once(tmp_path):
    real, fake = pictures(64, 64, 1), pictures(64, 64, 2)
    shown = np.asarray(real_vs_fake(real, fake))
    assert shown.shape == (8 + 30 + 530 + 8, 8 + 2 * (530 + 8), 3)
    assert (shown[38:-8, 8:538] == np.asarray(grid(real))).all()
    assert (shown[38:-8, 546:-8] == np.asarray(grid(fake))).all()
    assert (shown[8:38, 8:538] == strip("Real", 530)).all() and (shown[8:38, 546:-8] == strip("Generated", 530)).all()


def test_side_by_side_brings_all_to_one_size():
    small, large = pictures(16, 14, 1), pictures(16, 30, 2)  # grids of 66 and 130 pixels, shown at 4 x 130
    shown = np.asarray(side_by_side({"a": small, "b": large}, columns=4))
    assert shown.shape == (30 + 520 + 16, 2 * 520 + 24, 3)
    assert (shown[38:-8, 536:-8] == np.asarray(grid(large, 4)).repeat(4, 0).repeat(4, 1)).all()
    corners = [tuple(shown[38 + y, 8 + x]) for y, x in ((20, 20), (500, 500))]  # of the small ones
    assert corners == [tuple(small[0, 0, 0]), tuple(small[15, 13, 13])]
    assert side_by_side({str(i): large for i in range(5)}).width == 4 * (258 + 8) + 8  # and a second row


# -- curves


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
    runs = [write_log(tmp_path / name, [r | {"loss_g": r["loss_g"] * f} for r in records(20)], **c) for name, f, c in (
        ("dcgan", 1, {}), ("wgan", 1000, {"row": "wgan"}), ("minimax", 1, {"loss": "minimax"}))]
    figure = curves(*runs)
    titles = [ax.get_title("left") for ax in figure.axes]
    assert titles == ["Loss (bce, minimax)", "D's answer", "Loss (wasserstein)", "Critic"]
    assert figure.axes[0].get_ylim()[1] < 5 and figure.axes[2].get_ylim()[1] > 4000  # neither flattens the other
    assert [len(ax.lines) for ax in figure.axes] == [8, 9, 4, 6]
    assert [t.get_text() for t in figure.legends[0].get_texts()] == ["dcgan", "wgan", "minimax"]
    assert {line.get_color() for line in figure.axes[2].lines} == {RED}  # as in the legend


# -- indicators


def full(n, **values):
    """Records with all keys; diversity in every fourth."""
    more = {"d_fake_g": 0.1, "accuracy": 0.9, "grad_g": 3.0, "grad_d": 0.5} | values
    return [r | {k: v[i] if isinstance(v, list) else v for k, v in more.items() if k != "diversity" or i % 4 == 3}
            for i, r in enumerate(records(n))]


def test_indicators_show_what_the_log_has(tmp_path):
    title = lambda figure: [ax.get_title("left").split(" (")[0] for ax in figure.axes]  # noqa: E731
    run = write_log(tmp_path / "run", full(40, diversity=[i / 40 for i in range(40)]))
    accuracy, gradient, diversity, answers = indicators(run, out=tmp_path / "i.png").axes
    assert accuracy.get_ylim()[0] == 0 and accuracy.lines[0].get_ydata()[3] == 0.9
    assert gradient.get_yscale() == "log" and [line.get_ydata()[3] for line in gradient.lines[::2]] == [3.0, 0.5]
    assert diversity.lines[0].get_xdata().tolist() == list(range(4, 41, 4))
    assert diversity.lines[0].get_ydata() == pytest.approx(np.arange(3, 40, 4) / 40)
    assert [line.get_ydata()[3] for line in answers.lines[::2]] == [0.2, 0.1]  # before D's update, after
    assert Image.open(tmp_path / "i.png").size == (1000, 690)
    gated = write_log(tmp_path / "gated", full(40, skipped_d=0.75), row="v3")
    assert title(indicators(gated)) == [
        "D's accuracy", "Gradient norm", "D(G(z))", "Updates skipped"]
    critic = write_log(tmp_path / "wgan-gp", full(40, penalty=0.3), row="wgan-gp")
    mixed = indicators(run, critic)
    assert title(mixed) == ["D's accuracy", "Gradient norm", "Diversity", "Penalty"]
    assert [t.get_text() for t in mixed.legends[0].get_texts()] == ["run", "wgan-gp"]


def test_indicators_of_an_old_log(tmp_path):
    figure = indicators(write_log(tmp_path, records(40)))
    assert figure.axes == [] and "no indicators" in figure.texts[0].get_text()


# -- diagnosis

FAULTS = {  # what stands in the second half of the log, and the preset's row
    "healthy": ({}, "dcgan"),
    "the losses exploded": ({"loss_g": 1e6}, "dcgan"),
    "the critic's scores explode": ({"d_real": 2000.0, "d_fake": -1500.0}, "wgan"),
    "the gate never lets D through": ({"skipped_d": 1.0}, "v3"),
    "the gate never lets G through": ({"skipped_g": 1.0}, "v4.3"),
    "the discriminator has won": ({"d_real": 0.895, "d_fake": 0.105, "accuracy": 0.999}, "dcgan"),
    "samples are collapsing": ({"diversity": 0.4}, "dcgan"),
    "the generator has won: D has no opinion": ({"d_real": 0.5, "d_fake": 0.49, "accuracy": 0.52}, "dcgan"),
}


@pytest.mark.parametrize("state", FAULTS)
def test_diagnosis_of_a_log(tmp_path, state):
    values, row = FAULTS[state]
    log = full(40, diversity=0.8)
    log[20:] = [r | {k: v for k, v in values.items() if k in r or k != "diversity"} for r in log[20:]]
    found = diagnosis(write_log(tmp_path / "one", log, row=row))
    assert found.state == state and len(found.rows) == 1
    assert str(found).startswith(f"one: {state}. ") and "\n  Try: " in str(found) and "nan" not in str(found)
    color = next(c for name, c, *_ in SIGNS if name == state)
    assert found._repr_html_().startswith(f'<div style="border-left: 8px solid {color}')
    # the same at the start of a run that mends is nothing to warn of
    log = full(80, diversity=0.8)
    log[:20] = [r | {k: v for k, v in values.items() if k in r or k != "diversity"} for r in log[:20]]
    assert diagnosis(write_log(tmp_path / "mended", log, row=row)).state == "healthy"


def test_diagnosis_numbers_by_hand(tmp_path):
    log = full(40, diversity=[1.0] * 20 + [0.5] * 20, loss_g=[1.0] * 20 + [2.0] * 10 + [3.0] * 10)
    found = diagnosis(write_log(tmp_path, log))
    assert found.rows[0][2] == "The fixed samples are 50% as varied as the data (at best 100%)."
    won = [r | {"d_real": 0.9, "d_fake": 0.1, "accuracy": 0.99} for r in log]
    found = diagnosis(write_log(tmp_path, won))
    assert "99.0% of pairs apart, with little doubt; G's loss is 3.00 (2.00 before)" in str(found)
    # how near D is to its targets depends on them: 0.9 and 0.1 are met above, hard labels by four fifths
    assert diagnosis(write_log(tmp_path, won, row="v1")).state == "samples are collapsing"


@pytest.mark.parametrize("row, loss_d, won", [("sngan", 0.1, True), ("sngan", 0.5, False),
                                              ("rpgan", 0.03, True), ("rpgan", 0.2, False), ("wgan", 0.0, False)])
def test_diagnosis_without_labels_goes_by_the_loss(tmp_path, row, loss_d, won):
    log = full(40, diversity=0.8, loss_d=loss_d, d_real=3.0, d_fake=-3.0, accuracy=0.999)
    assert diagnosis(write_log(tmp_path, log, row=row)).state == ("the discriminator has won" if won else "healthy")


def test_diagnosis_of_old_short_and_broken_logs(tmp_path):
    assert diagnosis(write_log(tmp_path, records(40))).state == "healthy"
    equal = [r | {"d_real": 0.5, "d_fake": 0.5} for r in records(40)]
    assert "D tells 50%" in str(diagnosis(write_log(tmp_path, equal)))
    assert diagnosis(write_log(tmp_path, full(5))).state == "too early to tell"
    assert diagnosis(write_log(tmp_path, full(40, diversity=0.1))).state == "samples are all alike so far"
    late = [r | {"images": 5 * r["images"]} for r in full(40, diversity=0.1)]
    assert diagnosis(write_log(tmp_path, late)).state == "samples are collapsing"
    broken = full(40)
    broken[10]["loss_d"] = math.nan
    assert diagnosis(write_log(tmp_path, broken)).state == "the losses exploded"
    assert len(curves(tmp_path).axes[0].lines[2].get_xdata()) == 39  # and it can still be drawn
    with pytest.raises(GanlibError, match="No training record"):
        diagnosis(write_log(tmp_path, [START]))


RUNS = {  # real runs, made to fail in seconds: preset and changes
    "the discriminator has won": ("dcgan", dict(lr_d=0.01, lr_g=1e-5, images=4_800)),
    "the generator has won: D has no opinion": ("dcgan", dict(lr_d=1e-6, lr_g=0.01, batch=128, images=10_240)),
    "the gate never lets D through": ("v3", dict(d_gate=5.0, images=1_600)),
    "the critic's scores explode": ("wgan", dict(clip=10.0, lr_d=0.005, images=6_400)),
}


@pytest.mark.parametrize("state", RUNS)
def test_diagnosis_of_runs_made_to_fail(tmp_path, state):
    row, changes = RUNS[state]
    config = preset(row, **(tiny(batch=32, log_images=160, frames=3).engine() | dict(
        resolution=32, width=4, z_dim=8, batch=32) | changes))
    found = diagnosis(train(config, make_pack(tmp_path / "pack", 64), tmp_path / "run", progress=False))
    assert found.state == state


def test_diagnosis_of_a_healthy_run_and_of_its_collapse(tmp_path, monkeypatch):
    """Real runs on drawn faces: one that goes well, and the same once its generator no longer listens to z."""
    faces = pack(make_report(np.stack([face(i, size=32)[0] for i in range(64)])), tmp_path / "pack")
    config = preset("dcgan", **(tiny(log_images=160, frames=20).engine() | dict(
        resolution=32, width=8, z_dim=8, batch=32, lr_g=0.002, lr_d=0.0005, images=10_240)))
    run = train(config, faces, tmp_path / "run", progress=False)
    assert diagnosis(run).state == "healthy"

    def deaf(config):
        G, D = build_networks(config)
        G.layers[0].register_forward_pre_hook(lambda module, inputs: 0 * inputs[0])
        return G, D

    monkeypatch.setattr("ganlib.training.loop.build_networks", deaf)
    run = train(config.replace(images=14_080), faces, tmp_path / "run", progress=False)
    assert diagnosis(run).state == "samples are collapsing"


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


# -- GIF and MP4


def frames(path):
    """[(RGB array, milliseconds), ...]"""
    with Image.open(path) as file:
        found = []
        for i in range(file.n_frames):
            file.seek(i)
            found.append((np.asarray(file.convert("RGB")).astype(int), file.info["duration"]))
        return found


def strip(text, width):
    image = Image.new("RGB", (width, 30), "white")
    ImageDraw.Draw(image).text((6, 16), text, INK, ImageFont.load_default(18), "lm")
    return np.asarray(image).astype(int)


def test_gif_frames_order_labels_and_durations(tmp_path):
    run = write_samples(tmp_path / "run", 12)
    assert gif(run, tmp_path / "x.gif", seconds=9.0) == tmp_path / "x.gif"
    found = frames(tmp_path / "x.gif")
    assert len(found) == 13
    assert found[0][0].shape == (3 * 146 + 30, 3 * 146, 3)  # 8 x (16 + 2) + 2, enlarged three times
    texts = ["real images"] + [f"{1000 * k:,} images seen" for k in range(12)]
    for i, (frame, _) in enumerate(found):
        shade = (20, 20, 20) if i == 0 else SHADES[(i - 1) % 4]
        assert np.abs(frame[60, 60] - shade).max() <= 8, i
        assert (frame[31, 31] == 255).all()  # the paper between the pictures is white
        errors = [np.abs(frame[:30] - strip(text, 438)).mean() for text in texts]
        assert int(np.argmin(errors)) == i and errors[i] < 2
    durations = [ms for _, ms in found]
    assert durations == [1500] + [500] * 11 + [2000]  # 1.5 + 11 x 0.5 + 2 = 9 s


def test_gif_says_how_far_a_growing_run_is(tmp_path, monkeypatch):
    growing = dict(resolution=32, grow="8:0 16:0.6 32:9", fade_kimg=1)
    run = write_samples(write_log(tmp_path, records(2), row="stylegan", **growing), 3)
    found = [frame for frame, _ in frames(gif(run, tmp_path / "x.gif", include_real=False))]
    for frame, text in zip(found, ("0 images seen, 8x8, fade 0.0", "1,000 images seen, 16x16, fade 0.4",
                                   "2,000 images seen, 16x16, fade 1.0")):
        assert np.abs(frame[:30] - strip(text, frame.shape[1])).mean() < 2, text
    monkeypatch.setattr("ganlib.view.movies.STEPS", [(1, 1, 64)])  # one picture only, and still all of the text
    gif(run, tmp_path / "x.gif")
    assert frames(tmp_path / "x.gif")[1][0].shape[1] >= ImageFont.load_default(18).getlength(text) + 12


def test_gif_without_the_real_images(tmp_path):
    run = write_samples(tmp_path / "run", 3)
    found = frames(gif(SimpleNamespace(path=run), tmp_path / "x.gif", include_real=False))
    assert len(found) == 3 and np.abs(found[0][0][60, 60] - SHADES[0]).max() <= 8


@pytest.mark.parametrize("max_bytes", [3_000_000, 1_000_000, 60_000])
def test_gif_keeps_to_its_size(tmp_path, max_bytes):
    run = write_samples(tmp_path / "run", 40, size=24, noise=True)  # noise does not compress: the worst case
    path = gif(run, tmp_path / "x.gif", max_bytes=max_bytes)
    found = frames(path)
    assert path.stat().st_size <= max_bytes and 25 <= len(found) <= 41
    first, last = (np.abs(found[i][0][:30] - strip(text, found[0][0].shape[1])).mean()
                   for i, text in ((0, "real images"), (-1, "39,000 images seen")))
    assert first < 4 and last < 4  # what is left out lies between
    assert path.stat().st_size > 0.4 * max_bytes  # and no more than needed


def test_gif_of_large_pictures_fits_a_page(tmp_path):
    run = write_samples(tmp_path / "run", 2, size=256)
    assert frames(gif(run, tmp_path / "x.gif"))[0][0].shape[1] <= 700


def test_gif_errors_leave_what_was_there(tmp_path):
    out = tmp_path / "x.gif"
    out.write_bytes(b"before")
    with pytest.raises(GanlibError, match="no samples"):
        gif(tmp_path / "none", out)
    run = write_samples(tmp_path / "run", 3, noise=True)
    with pytest.raises(GanlibError, match="max_bytes=1,000"):
        gif(run, out, max_bytes=1_000)
    with pytest.raises(GanlibError, match="ends in .gif or .mp4"):
        gif(run, tmp_path / "x.webm")
    assert out.read_bytes() == b"before" and sorted(p.name for p in tmp_path.iterdir()) == ["run", "x.gif"]


def test_mp4(tmp_path, monkeypatch):
    pytest.importorskip("imageio_ffmpeg")
    run = write_samples(tmp_path / "run", 4)
    with imageio.get_reader(gif(run, tmp_path / "x.mp4", seconds=5.0)) as video:
        found = [np.asarray(frame).astype(int) for frame in video]
    assert len(found) == 100  # 1.5 + 3 x 0.5 + 2 = 5 s of 20 frames
    assert np.abs(found[10][60, 60] - 20).max() < 16 and np.abs(found[-1][60, 60] - SHADES[3]).max() < 16
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(GanlibError, match="pip install imageio-ffmpeg"):
        gif(run, tmp_path / "y.mp4")


# -- the live panel


class Notebook:
    """Stands in for IPython: what was displayed, what was updated, and a clock to turn."""

    def __init__(self, monkeypatch):
        self.kernel, self.execution_count, self.now, self.panels, self.updates = object(), 1, 0.0, [], []
        monkeypatch.setattr("ganlib.view.live.get_ipython", lambda: self)
        monkeypatch.setattr("ganlib.view.live.display", self.display)
        monkeypatch.setattr(time, "monotonic", lambda: self.now)

    def display(self, shown, display_id):
        assert display_id is True
        self.panels.append(shown)
        return SimpleNamespace(update=self.updates.append)


def test_live_updates_one_panel_seldom(tmp_path, monkeypatch):
    notebook, run = Notebook(monkeypatch), write_samples(write_log(tmp_path, records(5)), 2)
    hook = live(run, every=5.0)
    drawn = []
    monkeypatch.setattr(hook, "panel", lambda: drawn.append(notebook.now) or Figure((1, 1), dpi=8))
    for second in range(7200):  # two hours, a record each second
        notebook.now = float(second)
        hook({"images": second})
    assert len(notebook.panels) == 1 and len(notebook.updates) == len(drawn) - 1 < 360
    assert drawn[:4] == [0, 5, 10, 15] and min(np.diff(drawn)) >= 5 and max(np.diff(drawn)) <= 31
    count = len(drawn)
    hook.close(), hook.close()
    assert len(drawn) == count + 1  # the last state, and once
    notebook.execution_count = 2  # the cell is run again, or another one: its own panel
    hook({"images": 1})
    assert len(notebook.panels) == 2


def test_live_panel_shows_curves_and_the_newest_grid(tmp_path, monkeypatch):
    notebook, run = Notebook(monkeypatch), write_samples(write_log(tmp_path, [START, *records(40)]), 3)
    live(run)(records(40)[-1])
    shown = notebook.panels[0]
    assert (shown.width, shown.height) == (1000, 570) and shown.data[:4] == b"\x89PNG"
    panel = np.asarray(Image.open(io.BytesIO(shown.data)).convert("RGB"))
    assert (panel[190, 600] == SHADES[2]).all()  # grid number 2 is the newest
    colors = {tuple(c) for c in panel[:, :470].reshape(-1, 3).tolist()}
    assert {(0, 114, 178), (213, 94, 0), (0, 158, 115), (168, 81, 138)} <= colors  # the four lines


def test_live_says_where_the_run_is():
    line = _where(preset("dcgan", images=100_000), records(40)[-1])  # 60,000 left, 125/s: 8 minutes
    for part in ("40,000 images seen", "125 images/s", "08:00 left", "loss G 2.00   D 0.61"):
        assert part in line
    assert "04:40 left" in _where(preset("dcgan", minutes=10), records(40)[-1])  # 320 of 600 seconds are spent


def test_live_is_silent_outside_a_notebook(tmp_path, monkeypatch):
    monkeypatch.setattr("ganlib.view.live.display", lambda *a, **k: pytest.fail("displayed"))
    hook = live(tmp_path / "nothing")
    hook({"images": 1}), hook.close()


def test_live_never_stops_a_training(tmp_path, monkeypatch):
    Notebook(monkeypatch)
    with pytest.warns(UserWarning, match="live panel could not be drawn.*no log.jsonl"):
        live(tmp_path)({"images": 1})


# -- what cleaning dropped


@pytest.fixture
def report():
    """0 kept, 1 kept, 2 a mirrored copy of 1, 3 unreadable, 4 ... 59 bad crops."""
    colors = [(4 * i, 255 - 4 * i, 100) for i in range(60)]
    rows = [Row(f"{i:03d}.png", i, "bad-crop" if i > 3 else "", "no face") for i in range(60)]
    rows[2] = Row("002.png", 2, "mirrored", "of 001.png, differs by 0.3", match="001.png")
    rows[3] = Row("003.png", -1, "unreadable", "truncated")
    return SimpleNamespace(rows=rows, images=flat(colors, 64), attributes={}, settings={"size": 64})


def test_contact_sheet(report):
    sheet = np.asarray(contact_sheet(report, "bad-crop", n=12))
    assert sheet.shape == (2 * 142, 8 * 116, 3)
    shown = [sheet[50 + 142 * (i // 8), 50 + 116 * (i % 8)].tolist() for i in range(12)]
    picked = [round(i) for i in np.linspace(4, 59, 12)]
    assert shown == [report.images[i][0, 0].tolist() for i in picked]  # evenly, the first and the last too
    assert (sheet[110:142, :116] < 120).any()  # there is text below
    pair = np.asarray(contact_sheet(report, "mirrored"))
    assert (pair[50, 50] == report.images[2][0, 0]).all() and (pair[50, 160] == report.images[1][0, 0]).all()
    assert contact_sheet(report, "unreadable").size == (116, 142)


def test_contact_sheet_names_the_reasons(report):
    with pytest.raises(GanlibError, match=r"'blurred'.*bad-crop \(56\), mirrored \(1\), unreadable \(1\)"):
        contact_sheet(report, "blurred")
    with pytest.raises(GanlibError, match="No file was dropped as ''"):
        contact_sheet(report, "")


def test_review_pages_and_takes_back(report, tmp_path):
    panel = review(report, tmp_path / "pack")
    assert not (tmp_path / "pack").exists()  # looking changes nothing
    saved = lambda: json.loads((tmp_path / "pack" / "review.json").read_text())  # noqa: E731
    assert panel.reason.value == "bad-crop" and panel.page.max == 3 and len(panel.pictures.children) == 24
    panel.slots[1].children[1].value = True  # a click
    assert saved() == {"keep": ["005.png"]} and panel.slots[1].children[1].description == "taken back"
    panel.page.value = 3
    assert [row.file for row in panel.shown] == [f"{i:03d}.png" for i in range(52, 60)]
    assert len(panel.pictures.children) == 8 and not panel.slots[1].children[1].value
    panel.slots[0].children[1].value = True
    assert saved() == {"keep": ["005.png", "052.png"]} and "2 taken back" in panel.status.value
    panel.reason.value = "mirrored"
    assert panel.page.value == panel.page.max == 1 and [row.file for row in panel.shown] == ["002.png"]
    panel.reason.value = "bad-crop"
    assert [slot.children[1].value for slot in panel.slots[:3]] == [False, True, False]
    panel.slots[1].children[1].value = False  # after all not
    assert saved() == {"keep": ["052.png"]}
    assert [p.name for p in (tmp_path / "pack").iterdir()] == ["review.json"]
    with Image.open(io.BytesIO(panel.slots[0].children[0].value)) as card:
        assert card.convert("RGB").getpixel((50, 50)) == tuple(report.images[4][0, 0])


def test_pack_honours_the_review(report, tmp_path):
    review(report, tmp_path / "pack").toggle("002.png")
    assert len(pack(report, tmp_path / "pack")) == 3  # 0, 1 and the one that was taken back
    again = review(report, tmp_path / "pack")
    assert again.keep == {"002.png"}
    again.toggle("002.png", back=False), again.toggle("010.png")
    packed = pack(report, tmp_path / "pack")
    assert [row["file"] for row in packed.manifest() if row["index"]] == ["000.png", "001.png", "010.png"]


def test_review_bad_input(report, tmp_path):
    with pytest.raises(GanlibError, match="'000.png' is not among the dropped"):
        review(report, tmp_path).toggle("000.png")
    (tmp_path / "review.json").write_text('["002.png"]')
    with pytest.raises(GanlibError, match="not readable"):
        review(report, tmp_path)
    clean = SimpleNamespace(rows=report.rows[:2], images=report.images)
    assert "nothing to review" in review(clean, tmp_path / "x")._repr_mimebundle_()["text/plain"]


def test_in_a_real_kernel(tmp_path):
    """One panel after many records; each figure once; the review as a widget with a picture beside it."""
    run = write_samples(write_log(tmp_path / "run", [START, *records(30)]), 3)
    shutil.copytree(run, tmp_path / "later")
    write_log(tmp_path / "later", [START, *records(60)])
    cells = [
        "import numpy as np, shutil\nfrom types import SimpleNamespace\n"
        "from ganlib.data.cleaning import Row\nfrom ganlib.images import grid\nfrom ganlib.view.curves import curves\n"
        "from ganlib.view.live import live\nfrom ganlib.view.movies import gif\nfrom ganlib.view.review import review",
        "hook = live('run', every=0)\nfor i in range(9):\n    hook({'images': i})\n"
        "shutil.copy('later/log.jsonl', 'run/log.jsonl')\nhook.close()\nhook({'images': 9})",
        "curves('run')",
        "grid(np.zeros((4, 8, 8, 3), np.uint8))",
        "rows = [Row('a.png', 0, 'aspect', '9x1')]\n"
        "report = SimpleNamespace(rows=rows, images=np.zeros((1, 8, 8, 3), np.uint8))\n"
        "review(report, 'pack')",
        "from IPython.display import Image\nImage(filename=gif('run', 'x.gif'))",
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    nbclient.NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(tmp_path)}}).execute()
    panel, figure, sheet, reviewed, animated = [cell.outputs for cell in notebook.cells[1:]]
    assert [out.output_type for out in panel] == ["display_data"]
    bundles = [outputs[0].data for outputs in (panel, figure, sheet, reviewed)]
    assert all(len(outputs) == 1 for outputs in (figure, sheet, reviewed, animated))
    assert all(isinstance(bundle["image/png"], str) and len(bundle["image/png"]) > 100 for bundle in bundles)
    assert bundles[0]["image/png"].strip() == base64.b64encode(
        encoded(live(run).panel().savefig)).decode()  # the last state stands there
    assert "application/vnd.jupyter.widget-view+json" in bundles[3] and "image/gif" in animated[0].data
