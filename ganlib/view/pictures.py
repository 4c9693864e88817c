"""What runs and data look like: grids, curves and what they say, the progress GIF, the live panel, dropped files.

Pictures are PIL images and plots are Figures: both show inline as the last line of a cell and go to a file
with `.save(...)` or `.savefig(...)`. Nothing here opens a window or knows pyplot.
"""
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ..images import grid

# Colour-blind safe: Okabe & Ito (2008), without the yellow and with a darker purple for white paper
COLORS = BLUE, RED, GREEN, PURPLE, *_ = "#0072B2 #D55E00 #009E73 #A8518A #E69F00 #56B4E9".split()
INK, GREY = "#222222", "#6b6b6b"
FONT = ImageFont.load_default(18)


def side_by_side(sheets, columns=8):
    """Sample grids of several runs as one PIL image, all of one size: {title: images, as for `grid`}."""
    grids = [grid(images, columns) for images in sheets.values()]
    w = max(sheet.width for sheet in grids)
    across = max(1, min(len(grids), 1080 // w))
    w *= max(1, 1080 // (w * max(2, across)))
    heights = [round(sheet.height * w / sheet.width) for sheet in grids]
    cards = [titled(sheet.resize((w, h), Image.NEAREST), title, w, max(heights))
             for sheet, h, title in zip(grids, heights, sheets)]
    return grid(np.stack(cards), across, padding=8)


def real_vs_fake(real, fake, columns=8):
    """PIL image of a grid of real images on the left and one of generated images on the right (as `grid`)."""
    return side_by_side({"Real": real, "Generated": fake}, columns)


def titled(picture, text, width, height):
    """A picture in the middle of a white one of this size, under a strip of 30 pixels with a text."""
    page = Image.new("RGB", (width, height + 30), "white")
    page.paste(picture, ((width - picture.width) // 2, 30))
    ImageDraw.Draw(page).text((6, 16), text, INK, FONT, "lm")
    return page
