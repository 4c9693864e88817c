"""The folder of results: a report that grows, and files cut into parts.

What comes home from a lent machine may often be a few small files only. So this folder has at most FILES
files of at most PART bytes, and all of it stays below ROOM bytes.
"""
import hashlib
import io
import json
import re
import tarfile
from pathlib import Path

from ganlib.errors import GanlibError
from ganlib.files import write_atomic

from .words import in_words

PART = 14_500_000  # bytes of a file at most
FILES = 8  # unless the plan in the report says otherwise
ROOM = 60_000_000  # bytes of all files together, likewise
NAME_OF_PART = re.compile(r"(?P<name>.+)\.(?P<number>\d+)of(?P<count>\d+)")


class Report:
    """report.json, and the same in words in report.txt. Sections are replaced whole, and files too.

    One process writes it at a time: the phases run one after the other.
    """

    def __init__(self, folder):
        self.folder = Path(folder)
        self.path = self.folder / "report.json"

    def read(self):
        """{section: value} so far."""
        return json.loads(self.path.read_text()) if self.path.is_file() else {}

    def put(self, section, value):
        """Replace a section, and write both files."""
        found = self.read() | {section: value}
        write_atomic(self.path, (json.dumps(found, indent=1) + "\n").encode())
        write_atomic(self.folder / "report.txt", in_words(found).encode())

    def clear(self, sections):
        """Take sections out of report.json."""
        found = {section: value for section, value in self.read().items() if section not in sections}
        if found:
            write_atomic(self.path, (json.dumps(found, indent=1) + "\n").encode())


def parts_of(name, size):
    """The names of the files that `size` bytes are cut into: [name], or name.1of3 and so on."""
    count = max(1, -(-size // PART))
    return [name] if count == 1 else [f"{name}.{number}of{count}" for number in range(1, count + 1)]


def keep(folder, name, data):
    """Write bytes into the folder of results, in parts where they are many, and note them in the report."""
    folder = Path(folder)
    names = parts_of(name, len(data))
    for number, part in enumerate(names):
        write_atomic(folder / part, data[number * PART:(number + 1) * PART])
    report = Report(folder)
    note = {"bytes": len(data), "parts": len(names), "sha256": hashlib.sha256(data).hexdigest()}
    report.put("files", report.read().get("files", {}) | {name: note})


def drop(folder, name):
    """Remove a kept file, or its parts."""
    folder = Path(folder)
    for path in kept_parts(folder).get(name, []):
        path.unlink(missing_ok=True)
    report = Report(folder)
    files = report.read().get("files", {})
    files.pop(name, None)
    report.put("files", files)


def kept_parts(folder):
    """{name: its parts in order, or itself} of all files in a folder of results."""
    found = {}
    for path in sorted(Path(folder).iterdir()):
        if path.is_file() and not path.name.startswith("."):
            match = NAME_OF_PART.fullmatch(path.name)
            found.setdefault(match["name"] if match else path.name, []).append(path)
    return {name: sorted(paths, key=_number) for name, paths in found.items()}


def _number(path):
    match = NAME_OF_PART.fullmatch(path.name)
    return int(match["number"]) if match else 1


def room_left(folder, besides=()):
    """(files, bytes) that a folder of results has room for; `besides` are files that are not counted."""
    plan = Report(folder).read().get("plan", {})
    others = [paths for name, paths in kept_parts(folder).items() if name not in besides]
    paths = [path for group in others for path in group]
    used = sum(path.stat().st_size for path in paths)
    return plan.get("files", FILES) - len(paths), plan.get("room", ROOM) - used


def fits(folder, size, besides=(), spare=0):
    """Whether a file of `size` bytes has room in a folder of results, and leaves room for `spare` files more.

    besides: names that are not counted.
    """
    files, room = room_left(folder, besides)
    return len(parts_of("x", size)) <= files - spare and size <= room


def keep_one_of(folder, name, data, prefix):
    """Keep a file in the place of those whose names begin with `prefix`.

    The old ones go when the new one is whole. Only where there is no room for both they go before.
    """
    old = [other for other in kept_parts(folder) if other.startswith(prefix) and other != name]
    room_for_both = fits(folder, len(data), [name])
    if not room_for_both:
        for other in old:
            drop(folder, other)
    keep(folder, name, data)
    if room_for_both:
        for other in old:
            drop(folder, other)


def join(folder, target):
    """Put the parts in a folder of results together, in the folder `target`; the other files are copied.

    Returns the paths of all. Raises GanlibError where a part is missing, or a file is not what it was.
    """
    folder, target = Path(folder), Path(target)
    if not folder.is_dir():
        raise GanlibError(f"There is no folder {folder}: name the one with the results.")
    notes = Report(folder).read().get("files", {})
    joined = []
    for name, paths in kept_parts(folder).items():
        match = NAME_OF_PART.fullmatch(paths[0].name)
        if match and len(paths) != int(match["count"]):
            raise GanlibError(f"{name}: found {len(paths)} of {match['count']} parts in {folder}. "
                              "Copy all of them there.")
        data = b"".join(path.read_bytes() for path in paths)
        expected = notes.get(name, {}).get("sha256")
        if expected and hashlib.sha256(data).hexdigest() != expected:
            raise GanlibError(f"{name} in {folder} is not what was written there. Copy it once more.")
        write_atomic(target / name, data)
        joined.append(target / name)
    return joined


def tar_of(files, most=PART):
    """A tar of {name: path} as bytes; files are left out that would make it larger than `most` bytes."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, path in files.items():
            if buffer.tell() + path.stat().st_size + 20_480 < most:  # its header, and the end of the tar
                tar.add(path, name)
    return buffer.getvalue()
