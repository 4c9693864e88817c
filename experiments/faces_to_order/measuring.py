"""Everything that is measured of one generator."""
from ganlib.models.sampling import sample

from .identity import held
from .likeness import WITHIN, over_all, within_classes
from .obeying import asked_and_read, attributes_of, shares
from .rows import written


def measure(generator, pack, judge, n, of_all, most, draw=sample, say=print):
    """The row of a LoadedGenerator, for JSON.

    n: pictures of each class; of_all: pictures for FD-lite; most: real faces of a class that are compared at
    most, in a half. say: called with a word on what comes next.
    """
    known = attributes_of(generator, judge)
    row = {
        "images": int(generator.info["images"]),
        "minutes": round(float(generator.info["train_seconds"]) / 60, 1),
        "each": n,
        "fd_of": of_all,
        "asked": {},
        "held": {},
    }
    for attribute in known:
        say(f"  {attribute}: {n} pictures of each class")
        tables = asked_and_read(generator, judge, attribute, n, draw)
        row["asked"][attribute] = {kind: written(table) for kind, table in tables.items()}
        say(f"  {attribute}: whether a face stays the same")
        found = held(generator, attribute, known, draw=draw)
        row["held"][attribute] = {key: round(value, 4) for key, value in found.items()}
    say(f"  FD-lite of {of_all:,} pictures")
    row["fd"] = round(over_all(generator, pack, of_all, draw), 2)
    if WITHIN in known:
        say(f"  FD-lite within each class of {WITHIN}")
        pairs = within_classes(generator, pack, known[WITHIN], most, draw)
        row["fd_within"] = {name: [round(value, 1) for value in pair] for name, pair in pairs.items()}
    if not known:
        faces = draw(generator, 10 * n, seed=2)
        row["shares"] = {attribute: [round(float(share), 4) for share in shares(faces, judge, attribute)]
                         for attribute in judge.attributes}
    return row
