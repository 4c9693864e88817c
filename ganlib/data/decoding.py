"""Opening picture files: the one place of the package that does it, with its formats and limits."""
import io
import re
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError, features

from ..errors import GanlibError
from .metadata import without_metadata

# Pillow's name of each format that is read: the suffixes of its files, and how they begin.
# None of them starts another program, as EPS does.
FORMATS = {
    "AVIF": (".avif", rb".{4}ftyp(avif|avis|mif1|msf1)"),
    "BMP": (".bmp", rb"BM.{12}[\x0c\x28\x34\x38\x40\x6c\x7c]\0\0\0"),
    "GIF": (".gif", rb"GIF8[79]a"),
    "JPEG": (".jfif .jpeg .jpg", rb"\xff\xd8\xff"),
    "PNG": (".png", rb"\x89PNG\r\n\x1a\n"),
    "TIFF": (".tif .tiff", rb"II\*\0|MM\0\*|II\+\0|MM\0\+"),
    "WEBP": (".webp", rb"RIFF.{4}WEBP"),
}
SUFFIXES = " ".join(suffixes for suffixes, _ in FORMATS.values())
BEGINNINGS = re.compile(b"|".join(b"(?:%b)" % beginning for _, beginning in FORMATS.values()), re.DOTALL)
HEAD = 32  # bytes of a file in which these beginnings lie
MOST_PIXELS = 64e6  # a larger file is a bomb or no face: decoded it takes 0.2 GB and more in each worker
MOST_BYTES = 2**28  # of a damaged file, to be read anew without its metadata
UNIFORM = 8.0  # largest standard deviation over the pixels, of the three channels, in grey levels
TURNS = {  # how a picture is put upright, by the orientation in its EXIF
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def read_picture(path):
    """A picture file as uint8 (H, W, 3) from 0 to 255: RGB, upright, at its own size.

    Transparency is laid on white, and of an animation it is the first frame. Raises GanlibError, with the
    file's name, for what is no picture of FORMATS, is damaged, or has more than MOST_PIXELS pixels.
    """
    try:
        if not Path(path).stat().st_size:
            raise ValueError("0 bytes")
        return np.array(_open(Path(path)))
    except Exception as error:  # Pillow has a dozen kinds for a damaged file
        raise GanlibError(f"{readable(str(path))} cannot be read as a picture ({_fault(error)}): "
                          "mend it, or take it out of the folder.") from error


def decode(path, size, fit="crop"):
    """(uint8 (size, size, 3) or None, reason, detail, (width, height)) of a picture file.

    fit: "crop" (to the centre square) or "pad" (with white), then one Lanczos resize. The reason is "" where
    there is nothing against the picture, and the pixels are None where it cannot be decoded.
    """
    try:
        if path.stat().st_size == 0:
            return None, "empty", "0 bytes", (0, 0)
        image = _open(path)
    except Exception as error:  # Pillow has a dozen kinds for a damaged file
        return None, "unreadable", _fault(error), (0, 0)
    w, h = image.size
    if fit == "crop" or max(w, h) >= size * min(w, h):  # a line would be padded to nothing
        image = ImageOps.fit(image, (size, size), Image.Resampling.LANCZOS)
    else:
        image = ImageOps.pad(image, (size, size), Image.Resampling.LANCZOS, color="white")
    pixels = np.asarray(image)
    spread = pixels.reshape(-1, 3).std(0).max()
    faults = {
        "too-small": min(w, h) < size / 2,
        "aspect": max(w, h) > 2 * min(w, h),
        "uniform": spread < UNIFORM,
    }
    reason = next((name for name, found in faults.items() if found), "")
    return pixels, reason, f"{w}x{h}, standard deviation {spread:.1f}" if reason else "", (w, h)


def is_picture(head):
    """Whether a file that begins with these bytes (HEAD of them) is a picture by its content."""
    return BEGINNINGS.match(head) is not None


def readable(name):
    """A file's name as text that can be printed and written anywhere.

    Bytes that are no UTF-8, and control characters, become \\x and two hexadecimal digits. In a name that
    holds such, or what could be taken for it, a backslash is doubled: no two names become one, and the way
    back is unambiguous. All other names, in any script, stay as they are.
    """
    if not re.search(r"[\0-\x1f\x7f\udc80-\udcff]|\\(?:\\|x[0-9a-f]{2})", name):
        return name
    doubled = name.replace("\\", "\\\\")
    # Python holds a byte that is no UTF-8 as the character U+DC00 + byte
    return re.sub(r"[\0-\x1f\x7f\udc80-\udcff]", lambda match: f"\\x{ord(match[0]) & 0xFF:02x}", doubled)


def _fault(error):
    """What is wrong with a file, in at most 120 characters."""
    if isinstance(error, Image.DecompressionBombError):
        return f"more than {MOST_PIXELS / 1e6:.0f} million pixels"
    if isinstance(error, UnidentifiedImageError):
        return f"no picture of the formats {', '.join(_formats())}, or damaged where it begins"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return (str(error).splitlines() or [type(error).__name__])[0][:120]


def _formats():
    """The names in FORMATS that this Pillow reads: AVIF needs one from 11.3 on."""
    has_avif = "avif" in features.modules and features.check("avif")
    return [name for name in FORMATS if name != "AVIF" or has_avif]


def _open(path):
    """The picture in a file, as an upright RGB image of Pillow. Raises what Pillow raises.

    A file that cannot be read as it is, is read without its metadata: they are not the picture.
    """
    try:
        return _open_once(path)
    except Exception as first:
        if path.stat().st_size > MOST_BYTES:
            raise
        data = path.read_bytes()
        for keep_exif in (True, False):
            bare = without_metadata(data, keep_exif)
            if bare is None or bare == data:
                continue
            try:
                return _open_once(io.BytesIO(bare))
            except Exception:  # noqa: S112 the first error tells most, and is raised
                continue
        raise first


def _open_once(file):
    """The picture in a file (a path or a binary file), as an upright RGB image of Pillow."""
    with Image.open(file, formats=_formats()) as image:
        if image.width * image.height > MOST_PIXELS:
            limit = f"{MOST_PIXELS / 1e6:.0f} million pixels"
            raise ValueError(f"{image.width}x{image.height}: more than {limit}")
        image.load()
        try:
            turn = TURNS.get(image.getexif().get(ExifTags.Base.Orientation))
        except Exception:  # broken EXIF, for which Pillow has many kinds of errors as well
            turn = None
        return to_rgb(image if turn is None else image.transpose(turn))


def to_rgb(image):
    """Any mode as RGB: transparency on white, 16 bits scaled to 8, the first frame of an animation."""
    if image.mode[0] in "IF":  # integers of 16 bits, or floats of no known range
        values = np.asarray(image, np.float64)
        top = 65_535 if image.mode[0] == "I" else max(values.max(), 1e-9)
        image = Image.fromarray((values.clip(0, top) * (255 / top)).round().astype(np.uint8))
    if image.has_transparency_data:
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image.convert("RGBA"))
    return image.convert("RGB")
