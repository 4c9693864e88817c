"""Picture files without what is not the picture: colour profiles, texts, EXIF, thumbnails.

Pillow gives up on a whole file where one of these is damaged or too large. `without_metadata` leaves them
out, in memory, so that the pixels can be read all the same. Only the frame around the pixels is understood
here; the pixels themselves are passed on as they are.
"""
import re
import struct
import zlib

PNG = b"\x89PNG\r\n\x1a\n"
JPEG = b"\xff\xd8"
JPEG_NO_LENGTH = {0x01, *range(0xD0, 0xD9)}  # markers that stand alone
JPEG_SCAN, JPEG_COMMENT, JPEG_APP0, JPEG_EXIF, JPEG_ADOBE, JPEG_LAST_APP = 0xDA, 0xFE, 0xE0, 0xE1, 0xEE, 0xEF
WEBP_FLAGS = {b"ICCP": 0x20, b"EXIF": 0x08, b"XMP ": 0x04}  # in the first byte of the chunk VP8X
TIFF_METADATA = {700, 33_723, 34_377, 34_665, 34_675, 34_853}  # XMP, IPTC, Photoshop, EXIF, ICC, GPS
TIFF_ORIENTATION = 274


def without_metadata(data, keep_exif=True):
    """The bytes of a picture file without its metadata; None for a format of which they cannot be taken away.

    EXIF, which tells which side is up, and transparency stay where `keep_exif` says so and they are whole.
    """
    if data.startswith(PNG):
        return _png(data, keep_exif)
    if data.startswith(JPEG):
        return _jpeg(data, keep_exif)
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return _webp(data, keep_exif)
    if data[4:8] == b"ftyp":
        return _avif(data, keep_exif)
    if data[:4] in (b"II*\0", b"MM\0*"):
        return _tiff(data, keep_exif)
    return None


def _png(data, keep_exif):
    """Keep the chunks that the pixels need, and of the others those that are whole: transparency and EXIF."""
    wanted = {b"tRNS", b"eXIf"} if keep_exif else set()
    kept = [PNG]
    position = len(PNG)
    while position + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, position)
        end = position + 12 + length
        chunk = data[position:end]
        critical = not kind[0] & 0x20  # bit 5 of the first letter
        whole = end <= len(data) and struct.pack(">I", zlib.crc32(chunk[4:-4])) == chunk[-4:]
        if critical or (kind in wanted and whole):
            kept.append(chunk)
        position = end
    return b"".join(kept)


def _jpeg(data, keep_exif):
    """Leave out comments, and the segments of applications but for the one that tells the colour space."""
    kept = [JPEG]
    position = len(JPEG)
    while position + 4 <= len(data):
        marker = data[position + 1]
        if data[position] != 0xFF or marker in (0x00, 0xFF):  # between two segments
            position += 1
            continue
        if marker == JPEG_SCAN:
            kept.append(data[position:])
            break
        length = 0 if marker in JPEG_NO_LENGTH else struct.unpack_from(">H", data, position + 2)[0]
        if length < 2 and marker not in JPEG_NO_LENGTH:
            length = 2  # the length counts itself: it is damaged
        segment = data[position:position + 2 + length]
        if _is_needed(marker, segment[4:], keep_exif):
            kept.append(segment)
        position += 2 + length
    return b"".join(kept)


def _is_needed(marker, content, keep_exif):
    """Whether a segment of a JPEG file has to do with its pixels, or is EXIF that is to be kept."""
    if marker == JPEG_ADOBE:
        return content.startswith(b"Adobe") and len(content) >= 12
    if marker == JPEG_EXIF:
        return keep_exif and content.startswith(b"Exif\0\0")
    return marker != JPEG_COMMENT and not JPEG_APP0 <= marker <= JPEG_LAST_APP


def _webp(data, keep_exif):
    """Leave the chunks of metadata out, and take back the flags that announce them."""
    dropped = WEBP_FLAGS.keys() - ({b"EXIF"} if keep_exif else set())
    kept = []
    position = 12
    while position + 8 <= len(data):
        kind, length = struct.unpack_from("<4sI", data, position)
        chunk = bytearray(data[position:position + 8 + length + length % 2])
        position += len(chunk)
        if kind == b"VP8X" and length:
            chunk[8] &= ~sum(WEBP_FLAGS[name] for name in dropped)
        if kind not in dropped:
            kept.append(bytes(chunk))
    body = b"WEBP" + b"".join(kept)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _avif(data, keep_exif):
    """Give the items of metadata a type that readers pass over: their places in the file cannot change."""
    kinds = rb"mime" if keep_exif else rb"mime|Exif"
    return re.sub(rb"(infe.{8})(?:" + kinds + rb")", rb"\1skip", data, flags=re.DOTALL)


def _tiff(data, keep_exif):
    """Leave the entries of metadata out of the first directory."""
    dropped = TIFF_METADATA if keep_exif else TIFF_METADATA | {TIFF_ORIENTATION}
    order = "<" if data[:2] == b"II" else ">"
    try:
        start = struct.unpack_from(order + "I", data, 4)[0]
        count = struct.unpack_from(order + "H", data, start)[0]
        entries = [struct.unpack_from("12s", data, start + 2 + 12 * i)[0] for i in range(count)]
        following = struct.unpack_from("4s", data, start + 2 + 12 * count)[0]
    except struct.error:
        return None
    kept = [entry for entry in entries if struct.unpack(order + "H", entry[:2])[0] not in dropped]
    directory = struct.pack(order + "H", len(kept)) + b"".join(kept) + following
    end = start + 2 + 12 * count + 4
    return data[:start] + directory.ljust(end - start, b"\0") + data[end:]
