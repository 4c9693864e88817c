"""Sheets of several runs side by side."""
import numpy as np
from PIL import Image
from run_folders import noise

from ganlib.images import grid
from ganlib.view.pictures import real_vs_fake, side_by_side, titled


def place(part, whole):
    """(top, left) of a picture within another one; fails where it is not, or is twice."""
    part, whole = (np.asarray(x).astype(np.int64) @ (1 << 16, 1 << 8, 1) for x in (part, whole))
    height, width = part.shape
    marked = (2 * height // 3, 2 * width // 3)  # any pixel of the noise
    found = []
    for y, x in np.argwhere(whole == part[marked]) - marked:
        if y >= 0 and x >= 0 and np.array_equal(whole[y:y + height, x:x + width], part):
            found.append((y, x))
    assert len(found) == 1
    return found[0]


def test_real_vs_fake_shows_every_pixel_once():
    real, fake = noise(64, 64, 1), noise(64, 64, 2)
    shown = real_vs_fake(real, fake)
    real_top, real_left = place(grid(real), shown)
    fake_top, fake_left = place(grid(fake), shown)
    assert real_top == fake_top and real_left + grid(real).width < fake_left
    named = [titled(grid(x), title, *grid(x).size) for x, title in ((real, "Real"), (fake, "Generated"))]
    assert place(named[0], shown)[0] == place(named[1], shown)[0] < real_top  # the titles stand above


def test_side_by_side_brings_all_to_one_size():
    small, large = noise(16, 14, 1), noise(16, 30, 2)
    shown = side_by_side({"a": small, "b": large}, columns=4)
    sheets = [grid(x, columns=4) for x in (small, large)]
    size = max(sheet.width for sheet in sheets) * 4  # as large as a page has room for
    enlarged = [sheet.resize((size, size), Image.Resampling.NEAREST) for sheet in sheets]
    (top, left), (other_top, other_left) = (place(sheet, shown) for sheet in enlarged)
    assert top == other_top and left + size < other_left and other_left + size < shown.width <= 1100


def test_many_sheets_go_into_rows():
    sheets = {str(i): noise(16, 30, i) for i in range(5)}
    shown = side_by_side(sheets)
    tops = [place(grid(x), shown)[0] for x in sheets.values()]
    assert shown.width <= 1100 and tops[0] == tops[1] < tops[4]
