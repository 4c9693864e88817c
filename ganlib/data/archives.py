"""fetch(): raw pictures from Kaggle, an archive, a folder or the synthetic faces, as one folder of files."""
import bz2
import gzip
import lzma
import re
import shutil
import stat
import tarfile
import zipfile
from collections import Counter
from functools import partial
from pathlib import PurePosixPath
from types import SimpleNamespace

from tqdm.auto import tqdm

from ..errors import GanlibError
from ..files import need_space
from .decoding import SUFFIXES
from .folders import WAYS, is_wanted

MAX_FILES, MAX_BYTES = 10**6, 2 * 10**10  # what an archive may hold


class BadArchive(GanlibError):
    """The archive itself is at fault, so that getting it anew can help."""


def unpack(archive, progress, folder):
    """Unpack an untrusted archive into the empty `folder`: anything odd refuses the whole of it."""
    others, images, total = Counter(), 0, 0
    need_space(folder, archive.stat().st_size, "free some, or give another dest.")  # pictures hardly shrink
    try:
        members = tqdm(_members(archive), f"unpacking {archive.name}", unit=" files", disable=not progress)
        for count, (name, is_plain, size, read) in enumerate(members, 1):
            total += size  # zipfile and tarfile give no more than this, whatever the data says
            if count > MAX_FILES or total > MAX_BYTES:
                raise GanlibError(f"{archive} unpacks to more than {MAX_FILES:,} files or {MAX_BYTES / 1e9:g} GB, "
                                  "the limits: if you trust it, unpack it yourself and give the folder.")
            path = PurePosixPath(name.replace("\\", "/"))
            if path.is_absolute() or ".." in path.parts or re.search(r"[\0-\x1f]|(^|/)\w:", str(path)):
                raise BadArchive(f"{archive} is refused: its member {name!r} points outside the folder.")
            if not is_plain:
                raise BadArchive(f"{archive} is refused: its member {name!r} is a link or a device.")
            if not is_wanted(path):
                others[path.suffix.lower() or "without suffix"] += 1
                continue
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            with read() as data, open(folder / path, "wb") as out:
                shutil.copyfileobj(data, out)
            images += is_wanted(path, SUFFIXES)
    except Exception as error:  # zipfile, tarfile, zlib and the rest have a dozen kinds for bad data
        if isinstance(error, GanlibError) or isinstance(error, OSError) and error.errno is not None:
            raise  # not the archive's fault, but the disk's
        raise BadArchive(f"{archive} is cut short, damaged or encrypted ({error or type(error).__name__}): "
                          "get it anew, or unpack it yourself and give the folder.") from error
    if not images:
        held = ", ".join(f"{k} {suffix}" for suffix, k in others.most_common(4)) or "nothing"
        raise GanlibError(f"{archive} holds no image files ({SUFFIXES}), but {held}.")


def _members(archive):
    """Yield (name, whether it is a plain file, size, function that opens it) of every file in an archive."""
    with open(archive, "rb") as file:
        head = file.peek(1024)
        unpacked = {b"\x1f\x8b\x08": gzip.open, b"BZh": bz2.open, b"\xfd7z": lzma.open}.get(head[:3])
        if head[:4] in (b"PK\3\4", b"PK\5\6"):
            for info in (z := zipfile.ZipFile(file)).infolist():
                if not info.is_dir():
                    kind = stat.S_IFMT(info.external_attr >> 16)
                    yield info.filename, kind in (0, stat.S_IFREG), info.file_size, partial(z.open, info)
        elif unpacked or tarfile.is_tarfile(archive):
            stream = unpacked(file) if unpacked else file

            def read(size):
                if size > 1 << 25:  # tarfile reads extended headers in one piece, and these may be huge
                    raise ValueError(f"a header of {size:,} bytes")
                return stream.read(size)

            tar = tarfile.open(fileobj=SimpleNamespace(read=read, seek=stream.seek, tell=stream.tell), mode="r:")
            while (member := tar.next()) is not None:
                tar.members = []  # a million of them would stay in memory
                if not member.isdir():
                    yield member.name, member.isreg(), member.size, partial(tar.extractfile, member)
            stream.seek(tar.offset)  # tarfile takes a damaged header for the end, a block of zeros
            if read(512) != bytes(512):
                raise EOFError("no end mark")
            while read(1 << 20):  # gzip and xz check their sums at the very end
                pass
        else:
            is_page = re.match(rb"(\xef\xbb\xbf)?\s*<(!doctype|html|head|\?xml|!--)", head, re.I)
            what = "looks like an HTML page, perhaps a login or error page saved under that name" if is_page else (
                f"begins with {head[:8]!r}" if head else "is empty")
            raise BadArchive(f"{archive} is no archive: it {what}. Expected {WAYS}.")
