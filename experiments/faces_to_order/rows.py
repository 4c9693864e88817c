"""What was measured of generators, kept as JSON: one row for a generator at so many images seen."""
import json

import numpy as np

from ganlib.errors import GanlibError, did_you_mean
from ganlib.files import write_atomic
from ganlib.play.latent_files import identity

from .describing import KINDS
from .obeying import Obedience

EMPTY = {"about": {}, "rows": {}}


def load(path):
    """{"about": the judge, "rows": {key: row}} of a file; without rows where there is none."""
    return json.loads(path.read_text()) if path.exists() else json.loads(json.dumps(EMPTY))


def name_of(path):
    """What the generator in a file is called: as its run, or as the file where that has a name of its own."""
    folder = path.resolve().parent
    if folder.name == "snapshots":
        return folder.parent.name
    if path.stem == "best":
        return f"{folder.name}:best"
    return folder.name if path.stem == "generator" else path.stem


def key_of(name, generator, rows):
    """The key of a generator's row. Another generator's row of that name has the key with a number behind."""
    key = f"{name}, {int(generator.info['images']):,} images"
    number = 1
    while True:
        numbered = key if number == 1 else f"{key} ({number})"
        if numbered not in rows or rows[numbered]["model"] == identity(generator):
            return numbered
        number += 1


def keep(path, judge, name, generator, row):
    """Add the row of a generator to a file, or replace the one that it has; returns its key."""
    found = load(path)
    about = about_of(judge)
    if found["rows"] and found["about"] != about:
        raise GanlibError(f"{path} has the rows of another judge (data {found['about'].get('data')}; now "
                          f"{judge.data}): move it away, and measure anew.")
    key = key_of(name, generator, found["rows"])
    found["about"] = about
    found["rows"][key] = {"model": identity(generator)} | row
    write_atomic(path, (json.dumps(found, indent=1) + "\n").encode())
    return key


def about_of(judge):
    """What has to be known of a judge to read the rows, for JSON."""
    read = {attribute: {kind: written(judge.tested[attribute, kind]) for kind in KINDS}
            for attribute in judge.attributes}
    return {"data": judge.data, "attributes": judge.attributes, "read": read}


def obedience(found, row, attribute, kind="plain"):
    """The Obedience of a row of what `load` gives."""
    return Obedience(numbers(row["asked"][attribute][kind]), numbers(found["about"]["read"][attribute][kind]))


def full_key(found, key):
    """The key of a row by itself, or by the name that it begins with."""
    for known in found["rows"]:
        if known == key or known.startswith(f"{key}, "):
            return known
    raise GanlibError(f"{key!r} is not measured.{did_you_mean(key, list(found['rows']))}")


def best(found):
    """The key of the row that draws best what it is asked for: the mean over its attributes."""
    scores = {key: np.mean([obedience(found, row, attribute).mean_of_ratios for attribute in row["asked"]])
              for key, row in found["rows"].items() if row.get("asked")}
    if not scores:
        raise GanlibError("No generator with labels is measured yet: labels.py PACK SOURCE does it.")
    return max(scores, key=scores.get)


def written(table):
    """Counts (C, C) as one text for each row, which is short in JSON."""
    return [" ".join(map(str, row)) for row in table.tolist()]


def numbers(lines):
    """The counts (C, C) that `written` wrote."""
    return np.array([[int(number) for number in line.split()] for line in lines])
