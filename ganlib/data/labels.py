"""labels.csv: what is known of each picture (hair, eyes, ...), checked before any picture is decoded."""
import codecs
import csv
import itertools
import os
import posixpath
import unicodedata
import warnings
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from ..errors import GanlibError
from .decoding import readable

MANIFEST_FIELDS = ("file", "index", "reason", "detail")  # columns of a pack's manifest before the labels
MOST_CLASSES = 32_767  # a pack holds classes as int16
# With more classes than these, and one for nearly every file, a column is taken for an id
FEW_CLASSES = 10  # up to here it may be chance, and above it is told
MANY_CLASSES = 100  # above these it is refused
WANTED = "expected a CSV with the column file and one or more attributes (file,hair,eyes)"


class Labels(NamedTuple):
    """What a CSV says of the files of a folder.

    attributes: {attribute: sorted class names}
    of_file: {file: {attribute: class or None}}, for the files that have a row
    lost: how many rows name no file
    """

    attributes: dict
    of_file: dict
    lost: int


def read_labels(folder, files, path=None):
    """The Labels of the files of a folder, which are paths relative to it, with slashes.

    path: the CSV; without one, the labels.csv of the folder, or of the first folder in it that holds all
    files. The paths in it are relative to its own place or to the folder: whichever fits most files. Raises
    GanlibError for what is no such CSV, and for labels that a pack cannot hold.
    """
    path = Path(path) if path else find_labels(folder, files)
    if path is None:
        return Labels({}, {}, 0)
    header, rows = _read_table(path)
    names = _attribute_names(path, header)
    file_of = _match([row["file"] for row in rows], Path(folder), files, path)
    if not file_of:
        raise GanlibError(f"No row of {path} names a file of the folder (it has {rows[0]['file']!r}, the "
                          f"folder {files[0]!r}).")
    of_file = _labels_by_file(path, names, rows, file_of)
    attributes = {name: sorted({labels[name] for labels in of_file.values()} - {None}) for name in names}
    check_attributes(attributes, path)
    _refuse_ids(attributes, of_file, path)
    return Labels(attributes, of_file, sum(row["file"] not in file_of for row in rows))


def check_attributes(attributes, where):
    """Raise GanlibError where a pack cannot hold these {attribute: class names}, which are from `where`."""
    for name, classes in attributes.items():
        if name in MANIFEST_FIELDS:
            raise GanlibError(f"{where} has a column named {name!r}, which the table in a pack has for "
                              "itself: rename it, or remove it if it is no label.")
        if len(classes) > MOST_CLASSES:
            raise GanlibError(f"The column {name!r} of {where} has {len(classes):,} classes, and a pack "
                              f"takes {MOST_CLASSES:,} at most: if it is an id or a text, remove it.")


def _labels_by_file(path, names, rows, file_of):
    """{file: {attribute: class or None}} of the rows that name a file."""
    of_file: dict = {}
    disputed = []
    for row in rows:
        file = file_of.get(row["file"])
        if file is None:
            continue
        labels = {name: _normal(row[name]) or None for name in names}
        if of_file.get(file, labels) != labels:
            disputed.append(file)
        of_file[file] = labels
    if disputed:
        warnings.warn(f"{path} has rows that differ for one file, such as {disputed[0]!r}: the last one "
                      "counts.", stacklevel=3)
    return of_file


def _refuse_ids(attributes, of_file, path):
    """Warn or raise GanlibError where nearly every file has a class of its own: there is nothing to learn."""
    for name, classes in attributes.items():
        labelled = sum(labels[name] is not None for labels in of_file.values())
        if len(classes) <= max(FEW_CLASSES, 0.9 * labelled):
            continue
        words = (f"The column {name!r} of {path} has {len(classes):,} classes for {labelled:,} files: that "
                 "looks like an id or a text and not like a label.")
        if len(classes) > MANY_CLASSES:
            raise GanlibError(f"{words} Remove the column.")
        warnings.warn(words, stacklevel=3)


def find_labels(folder, files):
    """The labels.csv of the folder, or of the first folder in it that holds all files, or None."""
    folder = Path(folder)
    for place in folder, *(folder / part for part in _common_folders(files)):
        if (place / "labels.csv").is_file():
            return place / "labels.csv"
    return None


def _common_folders(files):
    """The folders that hold all files, from the outside in: ["a", "a/b"] for a/b/1.png and a/b/c/2.png."""
    common = posixpath.commonpath([posixpath.dirname(file) for file in files])
    parts = common.split("/") if common else []
    return ["/".join(parts[:depth]) for depth in range(1, len(parts) + 1)]


# -- the table


def _read_table(path):
    """(names of the columns, one dict a row) of a CSV."""
    try:
        _refuse_no_text(path)
        with open(path, newline="", encoding="utf-8-sig") as file:
            header, rows, short = _read_rows(path, csv.reader(file, strict=True))
    except UnicodeDecodeError as error:
        raise _not_utf8(path) from error
    except (OSError, csv.Error) as error:
        why = getattr(error, "strerror", error)
        raise GanlibError(f"{path} cannot be read ({why}): {WANTED}.") from error
    _refuse_other_tables(path, header)
    if not rows:
        raise GanlibError(f"{path} has a header and no rows: {WANTED}, and a row for each file.")
    if short:
        warnings.warn(f"{len(short):,} rows of {path} have fewer cells than its header (line {short[0]} is "
                      "the first): what they lack counts as unknown.", stacklevel=3)
    return header, rows


def _read_rows(path, reader):
    """(names of the columns, one dict a row, the numbers of lines with too few cells)."""
    header = [_normal(cell) for cell in next(reader, [])]
    rows = []
    short = []
    for cells in reader:
        if not any(map(str.strip, cells)):
            continue
        if any(map(str.strip, cells[len(header):])) and "file" in header:
            raise GanlibError(f"Line {reader.line_num} of {path} has {len(cells)} cells and its header "
                              f"{len(header)}: put what holds a comma in quotes.")
        if len(cells) < len(header):
            short.append(reader.line_num)
        rows.append(dict(itertools.zip_longest(header, cells[:len(header)], fillvalue="")))
    return header, rows, short


def _refuse_no_text(path):
    with open(path, "rb") as file:
        head = file.read(4096)
    if not head.strip():
        raise GanlibError(f"{path} is empty: {WANTED}.")
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or b"\0" in head:
        raise _not_utf8(path)


def _not_utf8(path):
    return GanlibError(f"{path} cannot be read (it is no text in UTF-8): {WANTED}. In a spreadsheet, choose "
                       "'CSV UTF-8' to save it.")


def _refuse_other_tables(path, header):
    if "file" not in header:
        for mark, name in (";", "semicolons"), ("\t", "tabs"), ("|", "bars"):
            if "file" in map(_normal, ",".join(header).split(mark)):
                raise GanlibError(f"{path} has {name} between its columns: {WANTED}, with commas.")
        found = repr(header)
        found = found if len(found) <= 100 else f"{found[:100]}..."
        raise GanlibError(f"{path} has the columns {found}: {WANTED}.")


def _attribute_names(path, header):
    """The columns that hold labels. One without a name is passed over: pandas writes its index as such."""
    counts = Counter(name for name in header if name)
    twice = [name for name, count in counts.items() if count > 1]
    if twice:
        raise GanlibError(f"{path} has the column {twice[0]!r} twice: rename or remove one.")
    names = [name for name in counts if name != "file"]
    if not names:
        raise GanlibError(f"{path} has the columns {header}: {WANTED}.")
    check_attributes({name: [] for name in names}, path)
    return names


def _normal(text):
    """Text without spaces around it, and with one code for each accented letter (Unicode's NFC)."""
    return unicodedata.normalize("NFC", text.strip())


# -- which row is of which file


def _match(names, folder, files, path):
    """{name in the CSV: file}, with the names relative to that place which fits most of the files."""
    folder = Path(os.path.realpath(folder))
    places = [Path(os.path.realpath(path)).parent, folder, folder.parent]
    places += [folder / part for part in _common_folders(files)]
    by_name = {readable(file): file for file in files}  # as a manifest has them
    by_name |= {_normal(file): file for file in files}
    by_name |= {file: file for file in files}
    most: dict = {}
    for place in dict.fromkeys(places):
        found = _match_at(place, set(names), folder, by_name)
        if len(found) > len(most):
            most = found
        if len(found) == len(set(names)):
            break
    return most


def _match_at(place, names, folder, by_name):
    """{name: file} of the names that are those of files when they are relative to `place`."""
    found = {}
    for name in names:
        for spelling in dict.fromkeys((name, name.strip(), name.strip().replace("\\", "/"))):
            file = os.path.relpath(os.path.join(place, spelling), folder).replace(os.sep, "/")
            file = by_name.get(file) or by_name.get(_normal(file))
            if file and name.strip():
                found[name] = file
                break
    return found
