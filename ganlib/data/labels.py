"""Cleaning: decode every file to one size, and drop duplicates and bad crops, each with a reason."""
import csv

from ..errors import GanlibError


def read_labels(path, files):
    """({attribute: sorted class names}, {file: {attribute: class}}) of a CSV with the column `file`."""
    wanted = "expected a CSV with the column file and one or more attributes (file,hair,eyes)."
    try:
        with open(path, newline="", encoding="utf-8-sig") as f:
            reader = csv.DictReader(f)
            names = [name for name in reader.fieldnames or [] if name and name != "file"]
            if "file" not in (reader.fieldnames or []) or not names:
                raise GanlibError(f"{path} has the columns {reader.fieldnames}: {wanted}")
            known = {row["file"]: {k: (row[k] or "").strip() or None for k in names} for row in reader}
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise GanlibError(f"{path} cannot be read ({getattr(error, 'strerror', error)}): {wanted}") from error
    labelled = [known[file] for file in files if file in known]
    if not labelled:
        raise GanlibError(f"No row of {path} names a file of the folder (it has {next(iter(known), 'nothing')!r}, "
                          f"the folder {files[0]!r}).")
    return {k: sorted({row[k] for row in labelled} - {None}) for k in names}, known
