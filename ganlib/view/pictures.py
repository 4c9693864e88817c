"""Sheets of pictures under titles, and the font of the titles.

Pictures are PIL images: they show inline as the last line of a cell, and go to a file with `.save(...)`.
"""
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ..colors import INK
from ..images import grid

FONT = ImageFont.load_default(18)

STRIP = 30  # pixels, the height of a title
SHEET = 1080  # pixels, about how wide sheets side by side may be


def side_by_side(sheets, columns=8):
    """Sample grids of several runs as one PIL image, all of one width: {title: images, as for `grid`}."""
    grids = {title: grid(images, columns) for title, images in sheets.items()}
    widest = max(sheet.width for sheet in grids.values())
    across = max(1, min(len(grids), SHEET // widest))
    width = widest * max(1, SHEET // (widest * max(2, across)))
    enlarged = {}
    for title, sheet in grids.items():
        height = round(sheet.height * width / sheet.width)
        enlarged[title] = sheet.resize((width, height), Image.Resampling.NEAREST)
    highest = max(sheet.height for sheet in enlarged.values())
    cards = [np.asarray(titled(sheet, title, width, highest)) for title, sheet in enlarged.items()]
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
