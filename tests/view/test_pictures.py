"""Sheets of several runs side by side."""
import numpy as np
import pytest
import torch
from run_folders import SHADES, flat, noise

from ganlib.errors import GanlibError
from ganlib.images import enlarged, grid
from ganlib.view.pictures import LABEL_FONT, font, real_vs_fake, side_by_side, table, titled


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
    size = grid(large, columns=4).width * 4  # as large as a page has room for
    found = []
    for x in small, large:
        cells = ((size - 2) / 4 - 2) / x.shape[1]  # so much larger, and the lines between stay as they are
        found.append(place(grid(x, columns=4, scale=cells), shown))
    (top, left), (other_top, other_left) = found
    assert top == other_top and left + size < other_left and other_left + size < shown.width <= 1100


def test_many_sheets_go_into_rows():
    sheets = {str(i): noise(16, 30, i) for i in range(5)}
    shown = side_by_side(sheets)
    tops = [place(grid(x), shown)[0] for x in sheets.values()]
    assert shown.width <= 1100 and tops[0] == tops[1] < tops[4]


def places(colours, page):
    """{number of a colour: (top, left, bottom, right)} of flat pictures on a page."""
    x = np.asarray(page)
    found = {}
    for number, colour in enumerate(colours):
        ys, xs = np.nonzero((x == colour).all(2))
        found[number] = ys.min(), xs.min(), ys.max() + 1, xs.max() + 1
    return found


def has_ink(page, top, left, bottom, right):
    return (np.asarray(page)[top:bottom, left:right].min(2) < 128).any()


@pytest.mark.parametrize("size", [28, 64, 128])
def test_a_table_has_a_label_at_each_row_and_column(size):
    colours = [(40 * i, 250 - 40 * i, 99) for i in range(6)]
    page = table(flat(colours, size), ["seed 3", "hair: dark – light"], [0, 0.25, 123456], "face", "psi")
    found = places(colours, page)
    for number, (top, left, bottom, right) in found.items():
        assert (bottom - top, right - left) == (size, size)
        assert (top, left) == (found[number // 3 * 3][0], found[number % 3][1])  # in line
    lines = [found[0][1] - 4, *(found[i][1] - 4 for i in (1, 2)), page.width]
    for left, right in zip(lines, lines[1:]):
        assert has_ink(page, found[0][0] - 30, left, found[0][0], right)  # over each column
    for number in 0, 3:
        assert has_ink(page, found[number][0], 0, found[number][2], found[0][1])  # before each row
    edges = np.asarray(page).copy()
    edges[4:-4, 4:-4] = 255
    assert (edges == 255).all()  # nothing is cut off


@pytest.mark.parametrize("size", [28, 64, 128])
@pytest.mark.parametrize("label", ["indistinguishable", 0.125, "a label of several words"])
def test_the_labels_of_a_table_do_not_touch(size, label):
    """However long they are: what lies between two labels is paper."""
    page = table(flat(SHADES[:2], size), columns=[label, label])
    (top, left, _, right), (_, second, *_) = places(SHADES[:2], page).values()
    between = (right + second) // 2
    assert not has_ink(page, 0, between - 2, top, between + 2)
    assert has_ink(page, 0, left - 60 if left > 60 else 0, top, between)
    assert second - left >= max(LABEL_FONT.getlength(word) for word in str(label).split())


def test_a_table_writes_numbers_as_people_do():
    pictures = flat(SHADES[:3])
    for labels in np.linspace(0, 1, 3), torch.linspace(0, 1, 3), ["0", "0.5", "1"]:
        assert table(pictures, columns=labels) == table(pictures, columns=[0, 0.5, 1])
    assert table(pictures, rows=["a"]).height == table(pictures, rows=["a"], columns=["", "", ""]).height


def test_a_table_takes_what_a_grid_takes():
    x = flat(SHADES[:4])
    expected = table(x, [1, 2], [3, 4])
    floats = torch.from_numpy(x).permute(0, 3, 1, 2) / 127.5 - 1
    assert table(floats, [1, 2], [3, 4]) == table(x.reshape(2, 2, 16, 16, 3), [1, 2], [3, 4]) == expected
    assert table(x, [1, 2], [3, 4], scale=2) == table(enlarged(x, 2), [1, 2], [3, 4])


@pytest.mark.parametrize("rows, columns", [([], []), ([1], [1, 2]), ([1, 2, 3], []), ([1, 2], [1, 2, 3])])
def test_a_table_has_one_picture_for_each_place(rows, columns):
    with pytest.raises(GanlibError, match=f"{len(rows)} rows and {len(columns)} columns: found 4 images"):
        table(flat(SHADES), rows, columns)


@pytest.mark.parametrize("labels, words", [
    (dict(rows=5), r"rows=5: expected a list with a label for each of the rows"),
    (dict(columns="ab"), r"columns='ab': expected a list"),
    (dict(rows=None, columns=["a"]), r"rows=None: expected a list"),
])
def test_labels_of_a_table_are_lists(labels, words):
    with pytest.raises(GanlibError, match=words):
        table(flat(SHADES), **labels)


def test_the_letters_have_what_labels_need():
    for sign in "–ψσ×−":
        assert bytes(font(14).getmask(sign)) != bytes(font(14).getmask("\ufffe"))  # no empty box
