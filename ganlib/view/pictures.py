"""Sheets of pictures under titles, tables of pictures with labels, and the letters of both.

Pictures are PIL images: they show inline as the last line of a cell, and go to a file with `.save(...)`.
"""
import math
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ..colors import INK
from ..errors import GanlibError
from ..images import enlarged, grid, pixels_of


def font(size, weight=""):
    """The letters of all figures, DejaVu Sans, `size` pixels high. Pillow's own lack the dash and psi.

    weight: "" or "-Bold".
    """
    return ImageFont.truetype(_fonts() / f"DejaVuSans{weight}.ttf", size)


@cache
def _fonts():
    """The folder of the fonts that come with matplotlib. To import it would take half a second."""
    found = find_spec("matplotlib")
    data = Path(found.origin).parent / "mpl-data" if found and found.origin else Path()
    if not (data / "fonts").is_dir():  # a system's package may have it elsewhere
        import matplotlib

        data = Path(matplotlib.get_data_path())
    return data / "fonts" / "ttf"


FONT = font(17)
LABEL_FONT = font(14)
TITLE_FONT = font(14, "-Bold")
LINE = 18  # pixels, the height of a line of a table's texts
STRIP = 30  # pixels, the height of a title
SHEET = 1080  # pixels, about how wide sheets side by side may be
GAP = 2  # pixels between the pictures of a table
AIR = 8  # pixels around the texts of a table
NARROW = 100  # pixels, from which on the title of the rows is broken into lines,
WIDEST_LABEL = 190  # ... and the label of a row


def side_by_side(sheets, columns=8):
    """Sample grids of several runs as one PIL image, all of one width: {title: images, as for `grid`}."""
    pictures = {title: pixels_of(images) for title, images in sheets.items()}
    widest = max(min(columns, len(x)) * (x.shape[2] + 2) + 2 for x in pictures.values())
    across = max(1, min(len(pictures), SHEET // widest))
    width = widest * max(1, SHEET // (widest * max(2, across)))
    grids = {}
    for title, x in pictures.items():
        room = (width - 2) / min(columns, len(x)) - 2  # pixels for a picture, without the lines between
        grids[title] = grid(x, columns, scale=room / x.shape[2])
    highest = max(sheet.height for sheet in grids.values())
    cards = [np.asarray(titled(sheet, title, width, highest)) for title, sheet in grids.items()]
    return grid(np.stack(cards), across, padding=8)


def real_vs_fake(real, fake, columns=8):
    """PIL image of a grid of real images on the left and one of generated images on the right (as `grid`)."""
    return side_by_side({"Real": real, "Generated": fake}, columns)


def titled(picture, text, width, height):
    """A picture in the middle of a white one of this size, under a strip with a text."""
    page = Image.new("RGB", (width, height + STRIP), "white")
    page.paste(picture, ((width - picture.width) // 2, STRIP))
    ImageDraw.Draw(page).text((6, 16), text, INK, FONT, "lm")
    return page


def table(images, rows=(), columns=(), row_title="", column_title="", scale=1):
    """PIL image of a table of pictures, with a label before each row and over each column.

    images: uint8 (R * C, H, W, 3), row by row, or float tensor (R * C, 3, H, W) in [-1, 1]; (R, C, ...) is
    taken as well. rows, columns: labels, texts or numbers; one of the two may be left out. row_title,
    column_title: what the labels are, as "psi" or "standard deviations". scale: as for `enlarged`. Columns
    stand as far apart as their longest word needs, and rows as far as their lines. Raises GanlibError where
    there is not one picture for each place.
    """
    if getattr(images, "ndim", 0) == 5:
        images = images.reshape(-1, *images.shape[2:])
    for name, labels in {"rows": rows, "columns": columns}.items():
        if isinstance(labels, str) or not hasattr(labels, "__len__"):
            raise GanlibError(f"{name}={labels!r}: expected a list with a label for each of the {name}, as "
                              f"{name}=[1, 2, 3].")
    cells = [Image.fromarray(one) for one in enlarged(images, scale)]
    across = len(columns) or max(1, len(cells) // max(1, len(rows)))
    down = len(rows) or len(cells) // across
    if not (len(rows) or len(columns)) or across * down != len(cells):
        raise GanlibError(f"A table of {len(rows)} rows and {len(columns)} columns: found {len(cells)} "
                          "images; expected a label for each row or column, and an image for each place.")
    side = _in_lines(rows, WIDEST_LABEL) or [""] * down
    head = _in_lines(columns, cells[0].width) or [""] * across
    return _laid_out(cells, side, head, str(row_title), str(column_title))


def _in_lines(labels, width, letters=LABEL_FONT):
    """Labels as texts, broken between words into lines of so many pixels, or of those of the longest word."""
    texts = [_in_words(label).split() for label in labels]
    width = max([width, *(letters.getlength(word) for words in texts for word in words)])
    found = []
    for words in texts:
        lines: list[str] = []
        for word in words:
            if lines and letters.getlength(f"{lines[-1]} {word}") <= width:
                lines[-1] += f" {word}"
            else:
                lines.append(word)
        found.append("\n".join(lines))
    return found


def _in_words(label):
    """A label, or a number of Python, NumPy or torch, as text."""
    value = label.item() if hasattr(label, "item") else label
    return f"{value:g}" if isinstance(value, float) else str(value)


def _width_of(texts, letters=LABEL_FONT):
    """Pixels that the longest line of some texts takes."""
    return math.ceil(max(letters.getlength(line) for text in texts for line in text.split("\n")))


def _height_of(texts):
    """Pixels that the text of the most lines takes."""
    return LINE * max(text.count("\n") + 1 if text else 0 for text in texts)


def _laid_out(cells, side, head, row_title, column_title):
    """The picture of a table: cells row by row, the texts of its side and of its head, and both titles.

    The title of the rows stands over their labels, that of the columns in a line of its own above theirs.
    """
    title_width = _width_of([column_title], TITLE_FONT)
    row_title, = _in_lines([row_title], max(NARROW, _width_of(side)), TITLE_FONT)
    left = max(_width_of(side), _width_of([row_title], TITLE_FONT))
    left += 2 * AIR if left else AIR
    top = AIR + (LINE + AIR if column_title else 0) + max(_height_of(head), _height_of([row_title]))
    top += AIR // 2 if top > AIR else 0
    width, height = cells[0].size
    pitch_x, pitch_y = max(width + GAP, _width_of(head) + AIR), max(height, _height_of(side)) + GAP
    middle = left + max(len(head) * pitch_x, title_width) // 2
    right = left + max(len(head) * pitch_x, title_width) + AIR
    page = Image.new("RGB", (right, top + len(side) * pitch_y + AIR), "white")
    pen = ImageDraw.Draw(page)
    pen.text((middle, AIR), column_title, INK, TITLE_FONT, "ma")
    for k, line in enumerate(reversed(row_title.split("\n"))):
        pen.text((left - AIR, top - AIR - k * LINE), line, INK, TITLE_FONT, "rs")
    for i, text in enumerate(head):
        for k, line in enumerate(reversed(text.split("\n"))):
            pen.text((left + (i + 0.5) * pitch_x, top - AIR - k * LINE), line, INK, LABEL_FONT, "ms")
    for i, text in enumerate(side):
        lines = text.split("\n")
        for k, line in enumerate(lines):
            y = top + i * pitch_y + height / 2 + (k - len(lines) / 2 + 0.5) * LINE
            pen.text((left - AIR, y), line, INK, LABEL_FONT, "rm")
    for i, cell in enumerate(cells):
        row, column = divmod(i, len(head))
        page.paste(cell, (left + column * pitch_x + (pitch_x - width) // 2, top + row * pitch_y))
    return page
