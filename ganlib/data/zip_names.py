"""The names of an archive's members as text.

A zip file says of a name only whether it is UTF-8. Where it does not say so, the name is in whatever the
machine used that made it: on a Japanese Windows CP932, in which the second byte of some characters is that
of a backslash.
"""
import re
import struct
import zlib

IS_UTF8 = 0x800  # among a member's flags
UNICODE_PATH = 0x7075  # an extra field with the name in UTF-8


def member_names(infos):
    """The names of a zip's members (ZipInfo) in order, with slashes.

    Names that do not say what they are, are read as UTF-8 where they are that, else as CP932 where most of
    the archive's names look Japanese, else as CP437, which is what the format prescribes.
    """
    unknown = [_raw(info) for info in infos if not info.flag_bits & IS_UTF8]
    japanese = _look_japanese(raw for raw in unknown if _decoded(raw, "utf-8") is None)
    return [_name(info, japanese) for info in infos]


def with_slashes(name, is_text=False):
    """A name with slashes for backslashes. is_text: it was decoded rightly, and a backslash is one.

    Otherwise one that follows a byte beyond ASCII may be the second byte of a character, and stays.
    """
    if is_text:
        return name.replace("\\", "/")
    return re.sub(r"(?<![^\0-\x7f])\\", "/", name)


def _name(info, japanese):
    if info.flag_bits & IS_UTF8:
        return with_slashes(info.orig_filename, is_text=True)
    raw = _raw(info)
    found = _unicode_path(info, raw)
    if found is None:
        found = _decoded(raw, "utf-8")
    if found is None and japanese:
        found = _decoded(raw, "cp932")
    if found is None:
        return with_slashes(info.orig_filename)
    return with_slashes(found, is_text=True)


def _raw(info):
    """The bytes of a name that does not say what it is; zipfile takes them for CP437, which has all 256."""
    return info.orig_filename.encode("cp437")


def _decoded(raw, encoding):
    try:
        return raw.decode(encoding)
    except UnicodeDecodeError:
        return None


def _unicode_path(info, raw):
    """The name in UTF-8 that some programs add to the other, or None."""
    rest = info.extra
    while len(rest) >= 4:
        kind, length = struct.unpack_from("<HH", rest)
        content = rest[4:4 + length]
        rest = rest[4 + length:]
        version_and_sum = b"\1" + struct.pack("<I", zlib.crc32(raw))
        if kind == UNICODE_PATH and content.startswith(version_and_sum):
            return _decoded(content[5:], "utf-8")
    return None


def _look_japanese(names):
    """Whether most of these names (bytes, not UTF-8) are Japanese in CP932.

    Names in German or French can be read as CP932 as well, but there the strange characters stand within
    words. Names in Chinese or Korean would come out as half-width katakana.
    """
    apart = 0
    total = 0
    for raw in names:
        text = _decoded(raw, "cp932") or ""
        runs = re.findall(r"[A-Za-z]?[^\0-\x7f]+[A-Za-z]?", text)
        narrow = len(re.findall(r"[\uff61-\uff9f]", text))
        wide = len(re.findall(r"[^\0-\x7f\uff61-\uff9f]", text))
        is_apart = any(not run[0].isascii() and not run[-1].isascii() for run in runs)
        apart += is_apart and wide > narrow
        total += 1
    return 2 * apart > total
