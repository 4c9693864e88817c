"""fetch(): raw pictures from Kaggle, an archive, a folder or the synthetic faces, as one folder of files."""
import os
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from ..errors import GanlibError

WAYS = 'the path of an archive (.zip, .tar.gz) or of a folder of images, "kaggle:owner/name" or "synthetic"'
SUFFIXES = ".bmp .gif .jfif .jpeg .jpg .png .tif .tiff .webp"  # of image files
FORMATS = ["JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF"]  # not those that start other programs, as EPS does
MOST_PIXELS = 64e6  # a larger file is a bomb or no face: decoded it takes 0.2 GB and more in each worker
UNIFORM = 8.0  # largest standard deviation over the pixels, of the three channels, in grey levels


def image_files(folder):
    """Sorted paths, relative to `folder`, of all files in it that are named as images and not hidden."""
    if not folder.is_dir() or not os.access(folder, os.R_OK | os.X_OK):
        raise GanlibError(f"There is no folder {folder} that can be read: fetch images first, or name another.")
    if (folder / "images.npy").is_file() and (folder / "manifest.csv").is_file():
        raise GanlibError(f"{folder} is a pack already, cleaned and packed: open it with load_pack.")
    files = (Path(top, name).relative_to(folder) for top, _, names in os.walk(folder) for name in names)
    if found := sorted(file.as_posix() for file in files if is_wanted(file, SUFFIXES)):
        return found
    archives = [str(path) for path in folder.iterdir() if path.suffix in (".zip", ".tar", ".tgz", ".gz")]
    raise GanlibError(f"{folder} holds no image files ({SUFFIXES}): "
                      + (f"did you mean {min(archives)}?" if archives else f"expected {WAYS}."))


def is_wanted(path, suffixes=SUFFIXES + " .csv"):
    return path.suffix.lower() in suffixes.split() and not any(p[0] == "." or p == "__MACOSX" for p in path.parts)


def decode(path, size, fit="crop"):
    """(uint8 (size, size, 3) or None, reason, detail, (width, height)) of an image file."""
    try:
        if path.stat().st_size == 0:
            return None, "empty", "0 bytes", (0, 0)
        with Image.open(path, formats=FORMATS) as image:
            if image.width * image.height > MOST_PIXELS:
                raise ValueError(f"{image.width}x{image.height}: more than {MOST_PIXELS / 1e6:.0f} million pixels")
            image = to_rgb(ImageOps.exif_transpose(image))
    except Exception as error:  # Pillow has a dozen kinds for a damaged file
        return None, "unreadable", (str(error).splitlines() or [type(error).__name__])[0][:120], (0, 0)
    w, h = image.size
    if fit == "crop" or max(w, h) >= size * min(w, h):  # a line would be padded to nothing
        image = ImageOps.fit(image, (size, size), Image.LANCZOS)
    else:
        image = ImageOps.pad(image, (size, size), Image.LANCZOS, color="white")
    pixels = np.asarray(image)
    spread = pixels.reshape(-1, 3).std(0).max()
    faults = {"too-small": min(w, h) < size / 2, "aspect": max(w, h) > 2 * min(w, h), "uniform": spread < UNIFORM}
    reason = next((name for name, found in faults.items() if found), "")
    return pixels, reason, f"{w}x{h}, standard deviation {spread:.1f}" if reason else "", (w, h)


def to_rgb(image):
    """Any mode as RGB: transparency on white, 16 bits scaled to 8, the first frame of an animation."""
    if image.mode[0] in "IF":  # integers of 16 bits, or floats of no known range
        values = np.asarray(image, np.float64)
        top = 65_535 if image.mode[0] == "I" else max(values.max(), 1e-9)
        image = Image.fromarray((values.clip(0, top) * (255 / top)).round().astype(np.uint8))
    if image.has_transparency_data:
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image.convert("RGBA"))
    return image.convert("RGB")
