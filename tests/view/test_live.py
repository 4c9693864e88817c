"""The live panel: when it draws, and what it shows."""
import io
import time
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image, ImageColor
from run_folders import OTHER_EVENTS, SHADES, START, records, write_log, write_samples

from ganlib.colors import BLUE, GREEN, PURPLE, RED
from ganlib.presets import preset
from ganlib.view.curves import Figure
from ganlib.view.live import LivePanel, _where


class Notebook:
    """Stands in for IPython: what was displayed, what was updated, and a clock to turn."""

    def __init__(self, monkeypatch):
        self.kernel = object()
        self.execution_count = 1
        self.now = 0.0
        self.panels = []
        self.updates = []
        monkeypatch.setattr("ganlib.view.live.get_ipython", lambda: self)
        monkeypatch.setattr("ganlib.view.live.display", self.display)
        monkeypatch.setattr(time, "monotonic", lambda: self.now)

    def display(self, shown, display_id):
        assert display_id is True
        self.panels.append(shown)
        return SimpleNamespace(update=self.updates.append)


def test_one_panel_is_updated_seldom(tmp_path, monkeypatch):
    notebook = Notebook(monkeypatch)
    hook = LivePanel(write_samples(write_log(tmp_path, records(5)), 2), every=5.0)
    drawn = []
    monkeypatch.setattr(hook, "panel", lambda: drawn.append(notebook.now) or Figure((1, 1), dpi=8))
    for second in range(7200):  # two hours, a record each second
        notebook.now = float(second)
        hook({"images": second})
    assert len(notebook.panels) == 1 and len(notebook.updates) == len(drawn) - 1
    assert drawn[:4] == [0, 5, 10, 15] and min(np.diff(drawn)) >= 5 and 25 <= max(np.diff(drawn)) <= 31


def test_the_last_state_is_drawn_and_another_cell_has_its_own_panel(tmp_path, monkeypatch):
    notebook = Notebook(monkeypatch)
    hook = LivePanel(write_log(tmp_path, records(5)), every=5.0)
    hook()
    write_log(tmp_path, records(6))
    notebook.now = 1.0
    hook()
    assert notebook.updates == []  # too soon
    hook.close()
    assert len(notebook.updates) == 1 and notebook.updates[0].data != notebook.panels[0].data
    hook.close()
    assert len(notebook.updates) == 1  # nothing is missing
    notebook.execution_count = 2  # the cell is run again, or another one
    hook()
    assert len(notebook.panels) == 2


def test_live_panel_shows_curves_and_the_newest_grid(tmp_path, monkeypatch):
    notebook = Notebook(monkeypatch)
    run = write_samples(write_log(tmp_path, [START, *records(40), *OTHER_EVENTS]), 3)
    LivePanel(run)(records(40)[-1])
    shown = notebook.panels[0]
    assert (shown.width, shown.height) == (1000, 570) and shown.data[:4] == b"\x89PNG"
    panel = np.asarray(Image.open(io.BytesIO(shown.data)).convert("RGB"))
    colors = {tuple(color) for color in panel.reshape(-1, 3).tolist()}
    assert [shade in colors for shade in SHADES[:3]] == [False, False, True]  # the newest grid alone
    assert {ImageColor.getrgb(color) for color in (BLUE, RED, GREEN, PURPLE)} <= colors  # the four lines


def test_live_panel_shows_scores_also_those_after_the_run(tmp_path, monkeypatch):
    notebook = Notebook(monkeypatch)
    run = write_log(tmp_path, [START, *records(40)])
    hook = LivePanel(run)
    hook(records(40)[-1])
    assert [axes.get_title(loc="left") for axes in hook.panel().axes] == ["Loss", "D's answer"]
    scores = [START | {"event": "score", "images": images, "fd": fd, "n": 2_048}
              for images, fd in ((40_000, 90.0), (20_000, 120.0), (10_000, 250.0))]
    write_log(tmp_path, [START, *records(40), *scores])
    hook.close()
    hook.close()
    assert len(notebook.updates) == 1  # once, and then nothing is missing
    *_, quality = hook.panel().axes
    assert quality.get_title(loc="left") == "FD-lite of kept generators (lower: better)"
    values = quality.lines[0]
    assert values.get_xdata().tolist() == [10, 20, 40] and values.get_ydata().tolist() == [250, 120, 90]
    shown = [label.get_text() for label in quality.get_yticklabels() if label.get_text()]
    assert "100" in shown and "200" in shown  # plain numbers


def test_live_says_where_the_run_is():
    line = _where(preset("dcgan", images=100_000), records(40)[-1])  # 60,000 left, 125/s: 8 minutes
    for part in ("40,000 images seen", "125 images/s", "08:00 left", "loss G 2.00   D 0.61"):
        assert part in line
    line = _where(preset("dcgan", minutes=10), records(40)[-1])  # 320 of 600 seconds are spent
    assert "04:40 left" in line


def test_live_is_silent_outside_a_notebook(tmp_path, monkeypatch):
    monkeypatch.setattr("ganlib.view.live.display", lambda *a, **k: pytest.fail("displayed"))
    hook = LivePanel(tmp_path / "nothing")
    hook({"images": 1})
    hook.close()


def test_live_never_stops_a_training(tmp_path, monkeypatch):
    Notebook(monkeypatch)
    with pytest.warns(UserWarning, match="live panel could not be drawn.*no log.jsonl"):
        LivePanel(tmp_path)({"images": 1})
