"""Contact sheets and the review of what cleaning dropped."""
import dataclasses
import io
import json
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from run_folders import flat

from ganlib.data.cleaning import Row
from ganlib.data.packs import pack
from ganlib.errors import GanlibError
from ganlib.view.review import Review, contact_sheet


@pytest.fixture
def report():
    """0 kept, 1 kept, 2 a mirrored copy of 1, 3 unreadable, 4 ... 59 bad crops."""
    colors = [(4 * i, 255 - 4 * i, 100) for i in range(60)]
    rows = [Row(f"{i:03d}.png", i, "bad-crop" if i > 3 else "", "no face") for i in range(60)]
    rows[2] = Row("002.png", 2, "mirrored", "of 001.png, differs by 0.3", match="001.png")
    rows[3] = Row("003.png", -1, "unreadable", "truncated")
    return SimpleNamespace(rows=rows, images=flat(colors, 64), attributes={}, settings={"size": 64})


def colours_of(sheet, report):
    """The numbers of the report's pictures that a sheet shows, in the order of reading."""
    pixels = np.asarray(sheet)
    places = {}
    for i, image in enumerate(report.images):
        found = np.argwhere((pixels == image[0, 0]).all(2))
        if len(found):
            places[i] = (found[0][0] // 50, found[0][1])  # pictures of one row begin at one height
    return sorted(places, key=places.get)


def test_contact_sheet(report):
    sheet = contact_sheet(report, "bad-crop", n=12)
    assert colours_of(sheet, report) == [round(i) for i in np.linspace(4, 59, 12)]  # the first and last too
    rows = [dataclasses.replace(row, file="", detail="") for row in report.rows]
    nameless = SimpleNamespace(rows=rows, images=report.images)
    assert sheet != contact_sheet(nameless, "bad-crop", n=12)
    assert colours_of(contact_sheet(report, "mirrored"), report) == [2, 1]  # and beside it what was kept
    assert colours_of(contact_sheet(report, "unreadable"), report) == []


def test_contact_sheet_names_the_reasons(report):
    with pytest.raises(GanlibError, match=r"'blurred'.*bad-crop \(56\), mirrored \(1\), unreadable \(1\)"):
        contact_sheet(report, "blurred")
    with pytest.raises(GanlibError, match="No file was dropped as ''"):
        contact_sheet(report, "")


def test_pages_and_taking_back(report, tmp_path):
    def saved():
        return json.loads((tmp_path / "pack" / "review.json").read_text())

    panel = Review(report, tmp_path / "pack")
    assert not (tmp_path / "pack").exists()  # looking changes nothing
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
        assert colours_of(card.convert("RGB"), report) == [4]


def test_pack_honours_the_Review(report, tmp_path):
    Review(report, tmp_path / "pack").toggle("002.png")
    assert len(pack(report, tmp_path / "pack")) == 3  # 0, 1 and the one that was taken back
    again = Review(report, tmp_path / "pack")
    assert again.keep == {"002.png"}
    again.toggle("002.png", back=False)
    again.toggle("010.png")
    packed = pack(report, tmp_path / "pack")
    assert [row["file"] for row in packed.manifest() if row["index"]] == ["000.png", "001.png", "010.png"]


def test_review_bad_input(report, tmp_path, capsys):
    with pytest.raises(GanlibError, match="'000.png' is not among the dropped"):
        Review(report, tmp_path).toggle("000.png")
    (tmp_path / "review.json").write_text('["002.png"]')
    with pytest.raises(GanlibError, match="not readable"):
        Review(report, tmp_path)
    clean = SimpleNamespace(rows=report.rows[:2], images=report.images)
    Review(clean, tmp_path / "x")._ipython_display_()
    assert "nothing to review" in capsys.readouterr().out
