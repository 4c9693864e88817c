"""What cleaning dropped: contact sheets, and a panel that takes files back."""
from collections import Counter
from pathlib import Path

import ipywidgets as widgets
import numpy as np
from IPython.display import display
from PIL import Image, ImageDraw

from ..colors import GREY, INK
from ..data.packs import read_review, write_review
from ..errors import GanlibError
from ..images import encoded, grid, resized
from .pictures import font
from .stills import show_panel

SIDE = 104  # pixels, of a dropped picture on its card
SMALL_FONT = font(11)
PAPER = "#eeeeee"  # where a file has no picture


def contact_sheet(report, reason, n=48):
    """PIL image of n files that were dropped for a reason, evenly picked, each with its name and the detail.

    Of a copy the left picture was dropped and the right one was kept.
    """
    dropped = _dropped(report)
    if reason not in dropped:
        found = ", ".join(f"{r} ({len(rows)})" for r, rows in dropped.items()) or "none"
        raise GanlibError(f"No file was dropped as {reason!r}. The reasons in this report: {found}.")
    rows = dropped[reason]
    picked = np.linspace(0, len(rows) - 1, min(n, len(rows)))
    cards = _cards(report, [rows[round(i)] for i in picked])
    return grid(cards, columns=960 // cards.shape[2], padding=0)


def _dropped(report):
    """{reason: rows}, the most frequent reason first."""
    counts = Counter(row.reason for row in report.rows if row.reason)
    reasons = [reason for reason, _ in counts.most_common()]
    return {reason: [row for row in report.rows if row.reason == reason] for reason in reasons}


def _cards(report, rows):
    """uint8 (N, H, W, 3): a card for each row, all of one size."""
    by_file = {row.file: row for row in report.rows}
    pairs = any(row.match for row in rows)
    return np.stack([np.asarray(_card(report, row, by_file.get(row.match), pairs)) for row in rows])


def _card(report, row, match, pairs):
    """A row's picture, with pairs also the kept one that it is a copy of, and name and detail below."""
    card = Image.new("RGB", ((SIDE + 4) * (2 if pairs else 1) + 8, SIDE + 38), "white")
    draw = ImageDraw.Draw(card)
    _put_picture(card, report, row, 4)
    if match:
        _put_picture(card, report, match, SIDE + 8)
    room = card.width - 8
    draw.text((4, SIDE + 6), _cut(row.file, room, keep_end=True), INK, SMALL_FONT)
    draw.text((4, SIDE + 21), _cut(row.detail, room), GREY, SMALL_FONT)
    return card


def _put_picture(card, report, row, left):
    if row.index >= 0:
        picture = Image.fromarray(np.asarray(report.images[row.index]))
        card.paste(resized(picture, (SIDE, SIDE)), (left, 4))
    else:
        draw = ImageDraw.Draw(card)
        draw.rectangle((left, 4, left + SIDE - 1, SIDE + 3), PAPER)
        draw.text((left + SIDE / 2, SIDE / 2), "no picture", GREY, SMALL_FONT, "mm")


def _cut(text, room, keep_end=False):
    """A text in so many pixels; of what is too long a part is left out, at the start or at the end."""
    while SMALL_FONT.getlength(text) > room:
        text = "…" + text[2:] if keep_end else text[:-2] + "…"
    return text


class Review:
    """A panel of the dropped files, by reason, with a button under each to take it back.

    A click is saved at once in pack_path/review.json, {"keep": [files]}, which `pack(report, pack_path)`
    honours; .toggle(file, back) does it in code. Where widgets cannot run, a contact sheet is shown.
    """

    PAGE = 24  # files

    def __init__(self, report, pack_path):
        self.report = report
        self.path = Path(pack_path)
        self.dropped = _dropped(report)
        self.keep = read_review(self.path)
        self.shown = []  # the rows of the page
        self._build()
        if self.dropped:
            self.fill(1)

    def _build(self):
        """The widgets: a menu of reasons, a slider of pages, and as many places as a page has files."""
        reasons = [(f"{reason} ({len(rows):,})", reason) for reason, rows in self.dropped.items()]
        self.reason = widgets.Dropdown(options=reasons, description="dropped as")
        self.page = widgets.IntSlider(value=1, min=1, max=1, description="page", continuous_update=False)
        self.status = widgets.Label()
        self.pictures = widgets.Box(layout=widgets.Layout(flex_flow="row wrap"))
        self.slots = [self._slot(i) for i in range(self.PAGE)]
        self.reason.observe(lambda change: self.fill(1), "value")
        self.page.observe(lambda change: self.fill(change["new"]), "value")
        self.box = widgets.VBox([widgets.HBox([self.reason, self.page, self.status]), self.pictures])

    def _slot(self, i):
        """One place of a page: a card and its button."""
        button = widgets.ToggleButton(layout=widgets.Layout(width="auto", margin="0 4px 8px"))
        button.observe(lambda change: self.clicked(i, change["new"]), "value")
        return widgets.VBox([widgets.Image(format="png"), button])

    def toggle(self, file, back=True):
        """Take a dropped file back, or with back=False leave it dropped after all."""
        if not any(file == row.file for rows in self.dropped.values() for row in rows):
            raise GanlibError(f"{file!r} is not among the dropped files.")
        if back:
            self.keep.add(file)
        else:
            self.keep.discard(file)
        write_review(self.path, self.keep)

    def fill(self, page):
        """Show a page of the chosen reason."""
        rows = self.dropped[self.reason.value]
        self.page.max = -(-len(rows) // self.PAGE)
        self.page.value = page
        self.shown = rows[(page - 1) * self.PAGE:page * self.PAGE]
        slots = self.slots[:len(self.shown)]
        for slot, row, card in zip(slots, self.shown, _cards(self.report, self.shown), strict=True):
            image, button = slot.children
            image.value = encoded(Image.fromarray(card).save)
            button.value = row.file in self.keep
            button.description = "taken back" if button.value else "take back"
            button.icon = "check" if button.value else ""
            button.button_style = "success" if button.value else ""
        self.pictures.children = slots
        self.status.value = f"{len(self.keep):,} taken back; pack to use them" if self.keep else ""

    def clicked(self, i, back):
        """A button was pressed, or set while a page is being filled: then nothing is to be saved."""
        file = self.shown[i].file
        if back != (file in self.keep):
            self.toggle(file, back)
            self.fill(self.page.value)

    def _ipython_display_(self):
        if not self.dropped:
            display({"text/plain": "No file was dropped: there is nothing to review."}, raw=True)
            return
        sheet = contact_sheet(self.report, next(iter(self.dropped)), self.PAGE)
        words = "Dropped files (without widgets: Review(...).toggle(file) takes one back)"
        show_panel(self.box, "Review", words, sheet, "to take some back")
