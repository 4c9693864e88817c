"""Faces to order: how well generators draw the hair and the eyes that they are asked for.

    python experiments/labels.py PACK SOURCE ...           measure generators, and keep the numbers
    python experiments/labels.py PACK --quick SOURCE ...   right answers only, in a minute; keeps nothing
    python experiments/labels.py PACK --quick --colours SOURCE ...   by the judge of colours alone: faster
    python experiments/labels.py                           the table, from labels.json beside this file
    python experiments/labels.py --figure OUT.png [KEY]    what was asked for, and what was read

PACK: real faces with labels. SOURCE: a run folder, a generator file, or the name of a shipped generator.

The judge is a linear classifier of each attribute on ImageNet features (EfficientNet-Lite0), of the whole
face for hair and of the band of the eyes for eyes. It learned from one half of the real faces. What it reads
right of the other half is the ceiling. SAMPLES pictures of every class are asked for, and the other attribute
is each colour as often as in the data. A second judge sees nothing but colours, where hair and eyes are: it
does not mind whether a picture is well drawn. See faces_to_order/.
"""
import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # ganlib need not be installed

from faces_to_order import rows, tables  # noqa: E402
from faces_to_order.confusion import figure  # noqa: E402
from faces_to_order.describing import KINDS  # noqa: E402
from faces_to_order.judge import judge_of  # noqa: E402
from faces_to_order.measuring import measure  # noqa: E402
from faces_to_order.obeying import Obedience, asked_and_read, attributes_of, shares  # noqa: E402

from ganlib.data.packs import load_pack  # noqa: E402
from ganlib.errors import GanlibError  # noqa: E402
from ganlib.evaluation.features import DEVICE  # noqa: E402
from ganlib.files import write_atomic  # noqa: E402
from ganlib.images import encoded  # noqa: E402
from ganlib.models.sampling import sample  # noqa: E402
from ganlib.models.store import find_generator, load_generator  # noqa: E402

RESULTS = Path(__file__).with_suffix(".json")
SAMPLES = 400
QUICK = 100
OF_ALL = 10_000  # pictures for FD-lite
MOST = 1_000  # real faces in a half of a class, at most


def quick(pack, sources, n, kinds):
    """Print how often each generator draws what is asked for, as judges of these kinds read it."""
    judge = judge_of(pack)
    print(tables.ceilings(judge))
    for source in sources:
        generator = load_generator(source, DEVICE)
        images = int(generator.info["images"])
        print(f"\n{source}: {images:,} images seen, {n} pictures of each class", flush=True)
        known = attributes_of(generator, judge)
        for attribute in known:
            counted = asked_and_read(generator, judge, attribute, n, kinds=kinds)
            found = {kind: Obedience(counted[kind], judge.tested[attribute, kind]) for kind in kinds}
            print(f"\n{tables.classes_table(judge.attributes, attribute, found)}\n"
                  f"{tables.summary_lines(judge.attributes, attribute, found)}", flush=True)
        if not known:
            print("It takes no labels. What it draws, as the judge reads it:")
            faces = sample(generator, 10 * n)
            for attribute in judge.attributes:
                print(f"\n{tables.shares_table(judge, attribute, shares(faces, judge, attribute, kinds[0]))}")


def measure_all(pack, sources, n):
    """Measure generators and keep their rows."""
    judge = judge_of(pack)
    for source in sources:
        generator = load_generator(source, DEVICE)
        print(source, flush=True)
        row = measure(generator, pack, judge, n, OF_ALL, MOST, say=say)
        key = rows.keep(RESULTS, judge, rows.name_of(find_generator(source)), generator, row)
        print(f"\n{tables.details(rows.load(RESULTS), key)}\n", flush=True)


def say(words):
    print(words, flush=True)


def draw_figure(out, key):
    """The confusion plot of a row as a PNG; without a key, of the one that draws best what is asked for."""
    found = rows.load(RESULTS)
    key = rows.full_key(found, key) if key else rows.best(found)
    row = found["rows"][key]
    if not row["asked"]:
        raise GanlibError(f"{key}: this generator takes no labels, and there is no confusion to plot.")
    attributes = {name: found["about"]["attributes"][name] for name in row["asked"]}
    asked = [rows.obedience(found, row, name).asked for name in attributes]
    made = figure(f"{key} seen: what was asked for, and what the judge read", attributes, asked)
    write_atomic(out, encoded(made.savefig))


def parser():
    as_written = argparse.RawDescriptionHelpFormatter
    made = argparse.ArgumentParser(description=__doc__, formatter_class=as_written)
    add = made.add_argument
    add("pack", nargs="?", help="real faces with labels")
    add("sources", nargs="*", metavar="SOURCE", help="run folders, generator files, or shipped names")
    add("--quick", action="store_true", help="right answers only; keeps nothing")
    add("--colours", action="store_true", help="with --quick: only the judge of colours, which is fast")
    add("--figure", metavar="OUT.png", help="the confusion plot of the best row, or of KEY")
    add("--samples", type=int, help=f"pictures of each class ({SAMPLES}; with --quick {QUICK})")
    return made


def main():
    args = parser().parse_intermixed_args()
    try:
        if args.figure:
            return draw_figure(args.figure, args.pack)
        if args.pack and not args.sources:
            raise GanlibError("Expected PACK SOURCE ..., a pack and one or more generators.")
        if args.quick and args.pack:
            kinds = ["colours"] if args.colours else KINDS
            return quick(load_pack(args.pack), args.sources, args.samples or QUICK, kinds)
        if args.pack:
            measure_all(load_pack(args.pack), args.sources, args.samples or SAMPLES)
        found = rows.load(RESULTS)
        print(tables.overview(found) if found["rows"] else "Nothing is measured yet.")
    except GanlibError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
