"""What runs and data look like: grids, curves and what they say, the progress GIF, the live panel, dropped files.

Pictures are PIL images and plots are Figures: both show inline as the last line of a cell and go to a file
with `.save(...)` or `.savefig(...)`. Nothing here opens a window or knows pyplot.
"""
import base64
import json
from collections import Counter
from pathlib import Path

import ipywidgets as widgets
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ..errors import GanlibError
from ..files import write_atomic
from ..images import encoded, grid
from .pictures import GREY, INK


def contact_sheet(report, reason, n=48):
    """PIL image of n files that were dropped for a reason, evenly picked, each with its name and the detail.

    Of a copy the left picture was dropped and the right one was kept.
    """
    dropped = _dropped(report)
    if reason not in dropped:
        found = ", ".join(f"{r} ({len(rows)})" for r, rows in dropped.items()) or "none"
        raise GanlibError(f"No file was dropped as {reason!r}. The reasons in this report: {found}.")
    rows = dropped[reason]
    cards = _cards(report, [rows[round(i)] for i in np.linspace(0, len(rows) - 1, min(n, len(rows)))])
    return grid(cards, columns=960 // cards.shape[2], padding=0)


def _dropped(report):
    """{reason: rows}, the most frequent reason first."""
    counts = Counter(row.reason for row in report.rows if row.reason)
    return {reason: [row for row in report.rows if row.reason == reason] for reason, _ in counts.most_common()}


def _cards(report, rows, side=104):
    """uint8 (N, H, W, 3): each row's picture, for a copy also the kept one, and name and detail below."""
    files, font, cards = {row.file: row for row in report.rows}, ImageFont.load_default(12), []
    pairs = any(row.match for row in rows)
    for row in rows:
        card = Image.new("RGB", ((side + 4) * (1 + pairs) + 8, side + 38), "white")
        draw = ImageDraw.Draw(card)
        for left, one in (4, row), (side + 8, files.get(row.match)):
            if one and one.index >= 0:
                picture = Image.fromarray(np.asarray(report.images[one.index]))
                card.paste(picture.resize((side, side), Image.LANCZOS), (left, 4))
            elif one:
                draw.rectangle((left, 4, left + side - 1, side + 3), "#eeeeee")
                draw.text((left + side / 2, side / 2), "no picture", GREY, font, "mm")
        for text, top, ink in (row.file, side + 6, INK), (row.detail, side + 21, GREY):
            while font.getlength(text) > card.width - 8:
                text = "…" + text[2:] if ink == INK else text[:-2] + "…"
            draw.text((4, top), text, ink, font)
        cards.append(np.asarray(card))
    return np.stack(cards)


class review:
    """A panel of the dropped files, by reason, with a button under each to take it back.

    A click is saved at once in pack_path/review.json, {"keep": [files]}, which `pack(report, pack_path)`
    honours; .toggle(file, back) does it in code. Where widgets cannot run, a contact sheet is shown.
    """

    PAGE = 24

    def __init__(self, report, pack_path):
        self.report, self.path, self.dropped = report, Path(pack_path) / "review.json", _dropped(report)
        try:
            self.keep = set(json.loads(self.path.read_text())["keep"]) if self.path.exists() else set()
        except (ValueError, KeyError, TypeError) as error:
            raise GanlibError(f"{self.path} is not readable ({error}): mend or delete it.") from error
        w = widgets
        self.reason = w.Dropdown(options=[(f"{r} ({len(rows):,})", r) for r, rows in self.dropped.items()],
                                 description="dropped as")
        self.page = w.IntSlider(value=1, min=1, max=1, description="page", continuous_update=False)
        self.status, self.pictures = w.Label(), w.Box(layout=w.Layout(flex_flow="row wrap"))
        wide = w.Layout(width="auto", margin="0 4px 8px")
        self.slots = [w.VBox([w.Image(format="png"), w.ToggleButton(layout=wide)]) for _ in range(self.PAGE)]
        for i, slot in enumerate(self.slots):
            slot.children[1].observe(lambda change, i=i: self.clicked(i, change["new"]), "value")
        self.reason.observe(lambda change: self.fill(1), "value")
        self.page.observe(lambda change: self.fill(change["new"]), "value")
        self.box = w.VBox([w.HBox([self.reason, self.page, self.status]), self.pictures])
        if self.dropped:
            self.fill(1)

    def toggle(self, file, back=True):
        """Take a dropped file back, or with back=False leave it dropped after all."""
        if not any(file == row.file for rows in self.dropped.values() for row in rows):
            raise GanlibError(f"{file!r} is not among the dropped files.")
        (self.keep.add if back else self.keep.discard)(file)
        write_atomic(self.path, (json.dumps({"keep": sorted(self.keep)}, indent=1) + "\n").encode())

    def fill(self, page):
        """Show a page of the chosen reason."""
        rows = self.dropped[self.reason.value]
        self.page.max, self.page.value = -(-len(rows) // self.PAGE), page
        self.shown = rows[(page - 1) * self.PAGE:page * self.PAGE]
        for slot, row, card in zip(self.slots, self.shown, _cards(self.report, self.shown)):
            image, button = slot.children
            image.value, button.value = encoded(Image.fromarray(card).save), row.file in self.keep
            button.description, button.icon, button.button_style = (
                ("taken back", "check", "success") if button.value else ("take back", "", ""))
        self.pictures.children = self.slots[:len(self.shown)]
        self.status.value = f"{len(self.keep):,} taken back; pack to use them" if self.keep else ""

    def clicked(self, i, back):
        if back != (self.shown[i].file in self.keep):  # a click, and not a page being filled
            self.toggle(self.shown[i].file, back)
            self.fill(self.page.value)

    def _repr_mimebundle_(self, **_):
        if not self.dropped:
            return {"text/plain": "No file was dropped: there is nothing to review."}
        sheet = encoded(contact_sheet(self.report, next(iter(self.dropped)), self.PAGE).save)
        return {"text/plain": "Dropped files (without widgets: review(...).toggle(file) takes one back)",
                "image/png": base64.b64encode(sheet).decode(), "application/vnd.jupyter.widget-view+json": {
                    "version_major": 2, "version_minor": 0, "model_id": self.box.model_id}}
