"""Pictures, archives and folders of them, as users have them, that several test files use."""
import io
import struct
import tarfile
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from ganlib.data.cleaning import clean
from ganlib.data.sources import fetch
from ganlib.errors import GanlibError
from ganlib.files import data_dir


def png(number=0):
    file = io.BytesIO()
    Image.new("RGB", (8, 8), (number % 256, 20, 30)).save(file, "PNG")
    return file.getvalue()


FACES = {"faces/1.png": png(1), "faces/2.png": png(2), "labels.csv": b"file,hair\nfaces/1.png,red\n"}


def png_chunk(kind, data=b""):
    """One chunk of a PNG file, with its sum."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def make_zip(path, files=FACES, **options):
    with zipfile.ZipFile(path, "w", **options) as z:
        for name, content in files.items():
            z.writestr(name, content)
    return path


def make_tar(path, files=FACES, mode="w"):
    with tarfile.open(path, mode) as tar:
        for name, content in files.items():
            member = name if isinstance(name, tarfile.TarInfo) else tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


def tree(folder):
    """{relative path: content} of all files but fetch's own marker."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*"))
            if path.is_file() and not path.name.startswith(".ganlib-") and path.suffix != ".lock"}


def refused(source, *words, dest=None, **options):
    """The GanlibError of fetch(): at most two lines, with these words in it, and nothing new left behind."""
    out = Path(dest) if dest else data_dir() / "raw"
    before = tree(out.parent) if out.parent.exists() else {}
    with pytest.raises(GanlibError) as error:
        fetch(source, dest, progress=False, **options)
    text = str(error.value)
    assert text.count("\n") <= 1
    for word in words:
        assert word in text, text
    assert before == (tree(out.parent) if out.parent.exists() else {})
    return text


def portrait(seed, size=96, mouth=0, pin=False, eye=None):
    """A drawn head that differs from seed to seed in everything; options change a detail only."""
    rng = np.random.default_rng(seed)
    image = Image.new("RGB", (size * 4, size * 4), tuple(int(v) for v in rng.integers(200, 256, 3)))
    d = ImageDraw.Draw(image)
    s = size * 4 / 96

    def color():
        return tuple(int(v) for v in rng.integers(30, 230, 3))

    def box(*corners):
        return [v * s for v in corners]

    hair, iris = color(), color() if eye is None else eye
    x, y, w = rng.integers(-8, 9), rng.integers(-6, 7), rng.integers(-6, 7)
    d.ellipse(box(10 + x, 4 + y, 84 + x + w, 80 + y), hair)
    for _ in range(7):
        a, b = rng.integers(0, 80, 2)
        d.rectangle(box(a, b, a + rng.integers(6, 26), b + rng.integers(6, 26)), color())
    d.ellipse(box(20 + x, 24 + y, 76 + x + w, 90 + y), (250, 220, 200))
    for cx in (36, 60):
        d.ellipse(box(cx - 7 + x, 44 + y, cx + 7 + x, 62 + y), iris)
    d.rectangle(box(44 + x, 74 + y, 54 + x, 76 + y + mouth), (170, 60, 60))
    if pin:
        d.rectangle(box(66, 12, 74, 20), (250, 210, 40))
    return image.resize((size, size), Image.LANCZOS)


def clean_quietly(folder, **kwargs):
    return clean(folder, **({"size": 64, "faces": "off", "progress": False} | kwargs))


def reasons(report):
    return {row.file: row.reason for row in report.rows}


def whole_tree(folder):
    """{relative path: date} of everything in a folder, hidden or not."""
    return {path.relative_to(folder).as_posix(): path.stat().st_mtime_ns for path in folder.rglob("*")}
