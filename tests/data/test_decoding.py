"""Opening picture files: modes, EXIF, limits, broken metadata, names."""
import os
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageDraw, features
from raw_files import png_chunk, portrait

from ganlib.data.decoding import SUFFIXES, decode, is_picture, read_picture, readable
from ganlib.errors import GanlibError

POSTSCRIPT = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 100 100\n%%EndComments\nshowpage\n"


def rgb_of(path, size=64, **kwargs):
    pixels, reason, detail, _ = decode(path, size, **kwargs)
    assert reason == "", detail
    assert pixels.shape == (size, size, 3) and pixels.dtype == np.uint8
    return pixels.astype(int)


@pytest.mark.parametrize("mode, suffix", [
    ("RGB", "png"), ("L", "png"), ("P", "png"), ("RGBA", "png"), ("LA", "png"), ("1", "png"), ("CMYK", "jpg"),
    ("YCbCr", "jpg"), ("RGB", "webp"), ("RGB", "bmp"), ("RGB", "tiff"), ("CMYK", "tiff"), ("P", "gif")])
def test_every_mode_becomes_rgb(tmp_path, mode, suffix):
    source = portrait(1)
    image = source.convert("L").convert("LA") if mode == "LA" else source.convert(mode)
    image.save(tmp_path / f"x.{suffix}")
    expected = image.convert("RGBA" if mode == "LA" else "RGB").convert("RGB").resize((64, 64), Image.LANCZOS)
    assert np.abs(rgb_of(tmp_path / f"x.{suffix}") - np.asarray(expected, int)).mean() < 6


def test_transparency_is_laid_on_white(tmp_path):
    image = Image.new("RGBA", (64, 64), (255, 0, 0, 0))
    ImageDraw.Draw(image).rectangle([0, 0, 31, 63], (0, 0, 255, 255))
    image.save(tmp_path / "a.png")
    x = rgb_of(tmp_path / "a.png")
    assert (x[:, :31] == (0, 0, 255)).all() and (x[:, 33:] == 255).all()
    palette = Image.new("P", (64, 64), 0)
    palette.putpalette([10, 20, 30, 200, 0, 0])
    ImageDraw.Draw(palette).rectangle([0, 0, 31, 63], 1)
    palette.save(tmp_path / "p.png", transparency=0)
    x = rgb_of(tmp_path / "p.png")
    assert (x[:, :31] == (200, 0, 0)).all() and (x[:, 33:] == 255).all()


def test_sixteen_bits_are_scaled_not_clipped(tmp_path):
    ramp = np.linspace(0, 65_535, 64 * 64).reshape(64, 64).astype(np.uint16)
    Image.fromarray(ramp).save(tmp_path / "x.png")
    x = rgb_of(tmp_path / "x.png")
    assert np.abs(x[..., 0] - ramp / 257).max() <= 1


def test_exif_rotation_is_applied(tmp_path):
    image = Image.new("RGB", (64, 64), "white")
    ImageDraw.Draw(image).rectangle([0, 0, 63, 20], "black")  # a black strip on top
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise
    image.save(tmp_path / "x.jpg", exif=exif, quality=95)
    x = rgb_of(tmp_path / "x.jpg")
    assert x[:, 48:].mean() < 20 and x[:, :40].mean() > 235


def test_first_frame_of_an_animation(tmp_path):
    frames = [portrait(i) for i in range(3)]
    frames[0].save(tmp_path / "x.gif", save_all=True, append_images=frames[1:])
    expected = np.asarray(frames[0].resize((64, 64), Image.LANCZOS), int)
    assert np.abs(rgb_of(tmp_path / "x.gif") - expected).mean() < 6


def test_crop_and_pad(tmp_path):
    image = Image.new("RGB", (120, 80), "red")
    ImageDraw.Draw(image).rectangle([30, 20, 90, 60], "blue")
    image.save(tmp_path / "x.png")
    crop, pad = rgb_of(tmp_path / "x.png", fit="crop"), rgb_of(tmp_path / "x.png", fit="pad")
    assert (crop[2, 32] == (255, 0, 0)).all()
    assert (pad[2, 32] == 255).all()
    assert (pad[15, 2] == (255, 0, 0)).all()
    assert (pad[32, 32] == (0, 0, 255)).all()


def test_the_resize_is_antialiased(tmp_path):
    stripes = np.zeros((512, 512, 3), np.uint8)
    stripes[:, ::2] = 255
    stripes[:256] = 30
    Image.fromarray(stripes).save(tmp_path / "x.png")
    assert np.abs(rgb_of(tmp_path / "x.png")[40:, 4:-4] - 127.5).max() < 3


def test_a_postscript_file_is_never_run(tmp_path):
    (tmp_path / "x.jpg").write_bytes(POSTSCRIPT)
    pixels, reason, detail, _ = decode(tmp_path / "x.jpg", 64)
    assert pixels is None and reason == "unreadable"
    assert detail.startswith("no picture of the formats")


def test_a_picture_of_very_many_pixels_is_not_decoded(tmp_path):
    Image.new("1", (10_000, 7_000)).save(tmp_path / "x.png")
    assert decode(tmp_path / "x.png", 64)[1:3] == ("unreadable", "10000x7000: more than 64 million pixels")


@pytest.mark.parametrize("fit", ["crop", "pad"])
def test_a_line_has_a_reason(tmp_path, fit):
    Image.effect_noise((9_000, 40), 90).save(tmp_path / "x.png")
    assert decode(tmp_path / "x.png", 64, fit)[1] == "aspect"


# -- one way to read a picture at its own size


def test_a_picture_is_read_at_its_own_size(tmp_path):
    original = np.asarray(portrait(1, 50))[:40]
    Image.fromarray(original).save(tmp_path / "x.png")
    pixels = read_picture(tmp_path / "x.png")
    assert pixels.dtype == np.uint8 and np.array_equal(pixels, original)
    assert np.array_equal(read_picture(str(tmp_path / "x.png")), original)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_picture_is_read_upright(tmp_path, orientation):
    original = np.asarray(portrait(1, 50))[:40]
    exif = Image.Exif()
    exif[0x0112] = orientation
    # how a camera stores what is upright in the end
    way_back = {2: "FLIP_LEFT_RIGHT", 3: "ROTATE_180", 4: "FLIP_TOP_BOTTOM", 5: "TRANSPOSE", 6: "ROTATE_90",
                7: "TRANSVERSE", 8: "ROTATE_270"}
    stored = Image.fromarray(original)
    if orientation > 1:
        stored = stored.transpose(Image.Transpose[way_back[orientation]])
    stored.save(tmp_path / "x.png", exif=exif)
    assert np.array_equal(read_picture(tmp_path / "x.png"), original)


@pytest.mark.parametrize("content, word", [
    (b"", "0 bytes"), (b"no picture", "no picture of the"), (POSTSCRIPT, "no picture of the")])
def test_what_is_no_picture_is_named(tmp_path, content, word):
    (tmp_path / "x.png").write_bytes(content)
    with pytest.raises(GanlibError, match=f"x.png cannot be read as a picture .{word}"):
        read_picture(tmp_path / "x.png")


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(GanlibError, match="gone.png cannot be read as a picture .No such file"):
        read_picture(tmp_path / "gone.png")


def test_a_picture_of_very_many_pixels_is_named(tmp_path):
    header = struct.pack(">IIBBBBB", 20_000, 20_000, 8, 2, 0, 0, 0)
    chunks = png_chunk(b"IHDR", header), png_chunk(b"IDAT", zlib.compress(b"0")), png_chunk(b"IEND")
    (tmp_path / "x.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunks))
    with pytest.raises(GanlibError, match="x.png .*more than 64 million pixels"):
        read_picture(tmp_path / "x.png")


def test_a_postscript_file_starts_no_program(tmp_path, monkeypatch):
    (tmp_path / "gs").write_text(f"#!/bin/sh\ntouch {tmp_path}/started\n")
    (tmp_path / "gs").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    (tmp_path / "x.png").write_bytes(POSTSCRIPT)
    with pytest.raises(GanlibError):
        read_picture(tmp_path / "x.png")
    assert not (tmp_path / "started").exists()


@pytest.mark.parametrize("suffix", SUFFIXES.split())
def test_every_format_is_told_by_how_it_begins(tmp_path, suffix):
    if suffix == ".avif" and not features.check("avif"):
        pytest.skip("this Pillow reads no AVIF")
    path = tmp_path / f"x{suffix}"
    portrait(1, 64).save(path)
    assert is_picture(path.read_bytes()[:32])
    path.rename(tmp_path / "without")
    assert np.abs(rgb_of(tmp_path / "without") - np.asarray(portrait(1, 64), int)).mean() < 8


@pytest.mark.parametrize("head", [
    b"", b"BMW and other cars, a list of them", b"GIF", POSTSCRIPT[:32], b"PK\3\4"])
def test_other_content_is_no_picture(head):
    assert not is_picture(head)


# -- metadata is not the picture

GARBAGE = b"Exif\0\0" + bytes(range(1, 9))
TOO_MUCH = zlib.compress(bytes(2_000_000))
CHUNKS = {
    "profile too large": png_chunk(b"iCCP", b"x\0\0" + TOO_MUCH),
    "profile of an unknown kind": png_chunk(b"iCCP", b"x\0\7abc"),
    "profile without a name": png_chunk(b"iCCP"),
    "text too large": png_chunk(b"zTXt", b"x\0\0" + TOO_MUCH),
    "text of an unknown kind": png_chunk(b"zTXt", b"x\0\7abc"),
    "international text too large": png_chunk(b"iTXt", b"x\0\1\0\0\0" + TOO_MUCH),
    "text with a wrong sum": png_chunk(b"tEXt", b"a\0b")[:-4] + b"0000",
    "density cut short": png_chunk(b"pHYs", b"1"),
    "gamma cut short": png_chunk(b"gAMA", b"1"),
    "transparency cut short": png_chunk(b"tRNS", b"1"),
    "animation cut short": png_chunk(b"acTL", b"1"),
    "frame cut short": png_chunk(b"fcTL", b"1"),
    "EXIF of garbage": png_chunk(b"eXIf", GARBAGE),
    "private chunk with a wrong sum": png_chunk(b"prVt", b"abc")[:-4] + b"0000",
}


@pytest.mark.parametrize("where", ["before", "after"])
@pytest.mark.parametrize("chunk", CHUNKS.values(), ids=CHUNKS.keys())
def test_a_broken_chunk_of_a_png_loses_no_picture(tmp_path, chunk, where):
    portrait(1, 64).save(tmp_path / "x.png")
    whole = (tmp_path / "x.png").read_bytes()
    at = 33 if where == "before" else len(whole) - 12  # after the header, or before the end
    (tmp_path / "x.png").write_bytes(whole[:at] + chunk + whole[at:])
    assert np.array_equal(read_picture(tmp_path / "x.png"), portrait(1, 64))


def segment(marker, content, length=None):
    """An application's segment of a JPEG file."""
    return bytes([0xFF, marker]) + struct.pack(">H", len(content) + 2 if length is None else length) + content


SEGMENTS = {
    "JFIF cut short": segment(0xE0, b"JFIF\0"),
    "EXIF of garbage": segment(0xE1, GARBAGE),
    "EXIF twice in itself": segment(0xE1, b"Exif\0\0" + GARBAGE),
    "EXIF that is empty": segment(0xE1, b"Exif\0\0"),
    "many pictures, but no directory": segment(0xE2, b"MPF\0II*\0\xff\xff\xff\xff"),
    "many pictures, garbage": segment(0xE2, b"MPF\0" + bytes(range(40))),
    "profile without numbers": segment(0xE2, b"ICC_PROFILE\0"),
    "Photoshop cut short": segment(0xED, b"Photoshop 3.0\x008BIM\3\xed\0\0\0\0\0\2ab"),
    "Adobe cut short": segment(0xEE, b"Adobe"),
    "length of 0": segment(0xE5, b"", 0),
    "length too small": segment(0xE5, b"abcdefgh", 4),
    "comment of length 1": segment(0xFE, b"", 1),
}


@pytest.mark.parametrize("broken", SEGMENTS.values(), ids=SEGMENTS.keys())
def test_a_broken_segment_of_a_jpeg_loses_no_picture(tmp_path, broken):
    portrait(1, 64).save(tmp_path / "x.jpg", quality=92)
    expected = read_picture(tmp_path / "x.jpg")
    whole = (tmp_path / "x.jpg").read_bytes()
    (tmp_path / "x.jpg").write_bytes(whole[:2] + broken + whole[2:])
    assert np.array_equal(read_picture(tmp_path / "x.jpg"), expected)


@pytest.mark.parametrize("suffix", ["webp", "avif", "jpg", "png"])
def test_exif_of_garbage_loses_no_picture(tmp_path, suffix):
    if suffix == "avif" and not features.check("avif"):
        pytest.skip("this Pillow reads no AVIF")
    portrait(1, 64).save(tmp_path / f"clean.{suffix}")
    exif = Image.Exif()
    exif[0x0131] = "a program's name"
    portrait(1, 64).save(tmp_path / f"x.{suffix}", exif=exif)
    whole = (tmp_path / f"x.{suffix}").read_bytes()
    at = whole.index(exif.tobytes()[6:])
    if suffix == "png":  # the sum is over what is in the file
        (tmp_path / "x.png").write_bytes(whole[:at] + b"garbage!" + whole[at + 8:])
    else:
        (tmp_path / f"x.{suffix}").write_bytes(whole[:at] + b"garbage!" + whole[at + 8:])
    assert np.array_equal(read_picture(tmp_path / f"x.{suffix}"), read_picture(tmp_path / f"clean.{suffix}"))


@pytest.mark.parametrize("entry", ["offset", "type", "count"])
def test_a_broken_directory_in_a_tiff_loses_no_picture(tmp_path, entry):
    exif = Image.Exif()
    exif._ifds[0x8769] = {0x9000: b"0230"}
    portrait(1, 64).save(tmp_path / "x.tiff", exif=exif, icc_profile=bytes(200))
    content = bytearray((tmp_path / "x.tiff").read_bytes())
    start = struct.unpack_from("<I", content, 4)[0]
    for at in range(start + 2, start + 2 + 12 * struct.unpack_from("<H", content, start)[0], 12):
        if struct.unpack_from("<H", content, at)[0] in (34_665, 34_675):  # EXIF, profile
            offset = {"type": at + 2, "count": at + 4, "offset": at + 8}[entry]
            struct.pack_into("<H", content, offset, 0xFFF0)
    (tmp_path / "x.tiff").write_bytes(content)
    assert np.array_equal(read_picture(tmp_path / "x.tiff"), portrait(1, 64))


def test_a_broken_profile_beside_good_exif_leaves_the_picture_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    portrait(1, 64).transpose(Image.Transpose.ROTATE_90).save(tmp_path / "x.png", exif=exif)
    whole = (tmp_path / "x.png").read_bytes()
    (tmp_path / "x.png").write_bytes(whole[:33] + CHUNKS["profile too large"] + whole[33:])
    assert np.array_equal(read_picture(tmp_path / "x.png"), portrait(1, 64))


def test_the_orientation_counts_where_the_rest_of_exif_is_broken(tmp_path):
    rest = struct.pack(">HHII", 0x8769, 4, 1, 0xFFFFFFF0)  # a directory that lies nowhere
    exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x02" + struct.pack(">HHIHH", 0x0112, 3, 1, 6, 0) + rest
    portrait(1, 64).transpose(Image.Transpose.ROTATE_90).save(tmp_path / "x.png", exif=exif)
    assert np.array_equal(read_picture(tmp_path / "x.png"), portrait(1, 64))


def test_a_picture_that_is_cut_short_stays_unreadable(tmp_path):
    portrait(1, 64).save(tmp_path / "x.png")
    whole = (tmp_path / "x.png").read_bytes()
    (tmp_path / "x.png").write_bytes(whole[:33] + CHUNKS["text too large"] + whole[33:len(whole) // 2])
    assert decode(tmp_path / "x.png", 64)[:2] == (None, "unreadable")


# -- names


@pytest.mark.parametrize("name", [
    "plain.png", "顔 01.png", "with\\backslash.png", "müller's.png", "全\u3000角.png"])
def test_names_that_can_be_printed_stay(name):
    assert readable(name) == name


@pytest.mark.parametrize("raw, text", [
    (b"\x8a\xe7.png", r"\x8a\xe7.png"), (b"a\nb.png", r"a\x0ab.png"), (b"\x1b[31m.png", r"\x1b[31m.png"),
    (b"\x83\\.png", r"\x83\\.png"), (rb"\x8a.png", r"\\x8a.png")])
def test_other_names_become_text_that_tells_them_apart(raw, text):
    name = os.fsdecode(raw)
    assert readable(name) == text
    assert text.encode().decode("unicode_escape").encode("latin-1") == raw  # the way back
