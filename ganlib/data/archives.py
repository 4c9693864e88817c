"""Unpacking archives for which nobody vouches: zip files, and tar files as they are or compressed."""
import bz2
import contextlib
import errno
import gzip
import itertools
import json
import lzma
import os
import re
import shutil
import stat
import tarfile
import zipfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from types import SimpleNamespace

from ..errors import GanlibError
from ..files import need_space
from ..machine.bars import Bar
from .decoding import HEAD, SUFFIXES, is_picture, readable
from .folders import TEXTS, WAYS, is_hidden, not_taken, why_not
from .zip_names import member_names, with_slashes

MAX_FILES, MAX_BYTES = 10**6, 2 * 10**10  # what an archive may hold
GLANCED_AT = 5_000  # files without a picture, after which a quick look gives up
LARGEST_HEADER = 1 << 25  # bytes that tarfile may read in one piece
PASSED_OVER = ".ganlib-passed-over.json"  # left in the folder: what of the archive was not taken, and why
NAME_TROUBLE = {errno.ENAMETOOLONG, errno.EINVAL, errno.EILSEQ, errno.ENOTDIR, errno.EEXIST, errno.ENOENT}
WINDOWS = os.name == "nt"
WINDOWS_TROUBLE = re.compile(r'[<>:"|?*\\\x00-\x1f]|[. ]$|^(con|prn|aux|nul|com\d|lpt\d)(\.|$)', re.I)
COMPRESSIONS: dict[bytes, Callable] = {b"\x1f\x8b\x08": gzip.open, b"BZh": bz2.open, b"\xfd7z": lzma.open}


class BadArchive(GanlibError):
    """The archive itself is at fault, so that getting it anew can help."""


@dataclass(frozen=True)
class Member:
    """One file of an archive. name: with slashes; size: in bytes; open: gives it as a binary file."""

    name: str
    is_plain: bool  # no link and no device
    size: int
    open: Callable


def unpack(archive, progress, folder):
    """Unpack the pictures and CSV files of an untrusted archive into the empty `folder`.

    What is not taken is left in the folder as a list, see `passed_over_in`. A member whose name does not work
    on this disk is taken under another one. Raises GanlibError where the archive is damaged, wants to write
    outside the folder, holds links, is too large, or has no picture.
    """
    need_space(folder, archive.stat().st_size, "free some, or choose a folder on a larger disk.")
    unpacking = _Unpacking(archive, folder)
    with _faults_told(unpacking.named):
        title = f"unpacking {readable(archive.name)}"
        for member in Bar(_members(archive), title, unit=" files", disable=not progress):
            unpacking.take(member)
    unpacking.finish()


def glance_at(archive):
    """Raise GanlibError where `unpack` is sure to refuse an archive; nothing is unpacked.

    It is opened, and its members are asked up to the first picture. What comes after that is not looked at.
    """
    glance = _Glance(archive, None)
    with _faults_told(glance.named):
        for member in _members(archive):
            glance.take(member)
            if glance.pictures:
                return
            if glance.count >= GLANCED_AT:
                break
    if glance.count < GLANCED_AT:
        glance.finish()
    raise GanlibError(f"{glance.named} has no picture among its first {GLANCED_AT:,} files: unpack it "
                      "yourself and give the folder with the pictures.")


@contextlib.contextmanager
def _faults_told(named):
    """Turn what a bad archive raises into BadArchive; what the disk raises stays as it is."""
    try:
        yield
    except Exception as error:  # zipfile, tarfile, zlib and the rest have a dozen kinds for bad data
        if isinstance(error, GanlibError):
            raise
        # EINVAL: it told a place that lies before its beginning
        if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
            raise  # not the archive's fault, but the disk's
        why = str(error) or type(error).__name__
        raise BadArchive(f"{named} is cut short, damaged or encrypted ({why}): get it anew, or "
                         "unpack it yourself and give the folder.") from error


def passed_over_in(folder):
    """What `unpack` did not take when it filled this folder: a list of (name, why)."""
    try:
        return [(name, why) for name, why in json.loads((Path(folder) / PASSED_OVER).read_text())]
    except (OSError, ValueError):
        return []


class _Unpacking:
    """An archive on its way into a folder: what was met so far, and what became of it."""

    def __init__(self, archive, folder):
        self.named = readable(str(archive))
        self.folder = folder
        self.count = 0
        self.total = 0
        self.pictures = 0
        self.passed_over = []
        self.numbers: Counter = Counter()  # of files that had the same name, how many there are

    def take(self, member):
        """Write a member that is wanted; refuse the archive where it is odd; else note why not."""
        self.count += 1
        self.total += member.size  # zipfile and tarfile give no more than this, whatever the data says
        self.check(member)
        path = PurePosixPath(member.name)
        suffix = path.suffix.lower()
        if any(is_hidden(part) for part in path.parts):
            self.pass_over(member, "hidden")
        elif suffix == ".csv":
            with member.open() as data:
                self.write(path, data)
        elif suffix in TEXTS:
            self.pass_over(member, why_not(path.name, bytes))  # need not be opened
        else:
            self.take_picture(member, path, is_named=suffix in SUFFIXES.split())

    def check(self, member):
        """Raise GanlibError where the archive is too large, or this member is hostile."""
        if self.count > MAX_FILES or self.total > MAX_BYTES:
            limits = f"{MAX_FILES:,} files or {MAX_BYTES / 1e9:g} GB, the limits"
            raise GanlibError(f"{self.named} unpacks to more than {limits}: "
                              "if you trust it, unpack it yourself and give the folder.")
        path = PurePosixPath(member.name)
        refused = f"{self.named} is refused: its member {member.name!r}"
        if path.is_absolute() or ".." in path.parts or re.match(r"[A-Za-z]:/", member.name):
            raise BadArchive(f"{refused} points outside the folder.")
        if not member.is_plain:
            raise BadArchive(f"{refused} is a link or a device.")

    def take_picture(self, member, path, is_named):
        """Write a member that is a picture by its name, or by how it begins."""
        try:
            data = member.open()
            why = why_not(path.name, lambda: data.peek(HEAD)[:HEAD])
        except Exception:
            if is_named:
                raise
            self.pass_over(member, "damaged or encrypted file")
            return
        with data:
            if why:
                self.pass_over(member, why)
            else:
                self.pictures += 1
                self.write(path, data)

    def pass_over(self, member, why):
        self.passed_over.append((readable(member.name), why))

    def write(self, path, data):
        """Write a member under its name, or under another where its own does not work on this disk."""
        suffix = path.suffix.lower()
        spare = PurePosixPath("renamed", f"{self.count:06d}{suffix if suffix in SUFFIXES.split() else ''}")
        try:
            out = self.create(path if _works(path) else spare)
        except (OSError, UnicodeEncodeError) as error:
            if isinstance(error, OSError) and error.errno not in NAME_TROUBLE:
                raise
            out = self.create(spare)
        with out:
            shutil.copyfileobj(data, out)

    def create(self, path):
        """A new file, open for writing; where there is one of this name, name~2.png, name~3.png and so on.

        The disk decides what one name is: some do not tell capitals from small letters.
        """
        target = self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        for number in itertools.count(self.numbers[str(path)] + 1):
            name = f"{path.stem}~{number}{path.suffix}" if number > 1 else path.name
            try:
                out = open(target.with_name(name), "xb")  # noqa: SIM115 whoever asked for it closes it
            except FileExistsError:
                continue
            if number > 1:
                self.numbers[str(path)] = number
            return out

    def finish(self):
        """Refuse an archive without pictures; else leave the list of what was not taken."""
        if not self.pictures:
            rest = not_taken(self.passed_over) or f"It holds {'CSV files only' if self.count else 'nothing'}."
            raise GanlibError(f"{self.named} holds no image files ({SUFFIXES}). {rest}")
        if self.passed_over:
            (self.folder / PASSED_OVER).write_text(json.dumps(self.passed_over))


class _Glance(_Unpacking):
    """The same without a disk: of a file that would be written only the first bytes are read."""

    def write(self, path, data):
        data.read(HEAD)


def _works(path):
    """Whether a member can be called so here; Windows has names that do other things than name a file."""
    if WINDOWS:
        return not any(WINDOWS_TROUBLE.search(part) for part in path.parts)
    return path.name != "" and "\0" not in str(path)


def _members(archive):
    """Yield each file in an archive as a Member. The kind of archive is told by its first bytes."""
    with open(archive, "rb") as file:
        head = file.peek(1024)
        decompress = COMPRESSIONS.get(head[:3])
        if head[:4] in (b"PK\3\4", b"PK\5\6"):
            yield from _zip_members(file)
        elif decompress:
            with decompress(file) as stream:
                yield from _tar_members(stream)
        elif tarfile.is_tarfile(archive):
            yield from _tar_members(file)
        else:
            named = readable(str(archive))
            raise BadArchive(f"{named} is no archive: it {_what_it_is(head)}. Expected {WAYS}.")


def _zip_members(file):
    archive = zipfile.ZipFile(file)
    infos = archive.infolist()
    for info, name in zip(infos, member_names(infos), strict=True):
        if info.orig_filename.endswith("/") or (name.endswith("/") and not info.file_size):
            continue
        kind = stat.S_IFMT(info.external_attr >> 16)
        yield Member(name, kind in (0, stat.S_IFREG), info.file_size, partial(archive.open, info))


def _tar_members(stream):
    def read(size):
        if size > LARGEST_HEADER:  # tarfile reads extended headers in one piece, and these may be huge
            raise ValueError(f"a header of {size:,} bytes")
        return stream.read(size)

    limited = SimpleNamespace(read=read, seek=stream.seek, tell=stream.tell)
    tar = tarfile.TarFile(fileobj=limited)
    while (info := tar.next()) is not None:
        tar.members = []  # type: ignore[attr-defined]  # a million of them would stay in memory
        if not info.isdir():
            yield Member(with_slashes(info.name), info.isreg(), info.size, partial(tar.extractfile, info))
    stream.seek(tar.offset)  # tarfile takes a damaged header for the end, a block of zeros
    if read(512) != bytes(512):
        raise EOFError("no end mark")
    while read(1 << 20):  # gzip and xz check their sums at the very end
        pass


def _what_it_is(head):
    """What a file is that is no archive, by its first bytes."""
    if not head:
        return "is empty"
    if is_picture(head):
        return "is a single picture"
    if re.match(rb"(\xef\xbb\xbf)?\s*<(!doctype|html|head|\?xml|!--)", head, re.IGNORECASE):
        return "looks like an HTML page, perhaps a login or error page saved under that name"
    return f"begins with {head[:8]!r}"
