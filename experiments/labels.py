"""Faces to order: how well generators draw the hair and the eyes that they are asked for.

    python experiments/labels.py PACK SOURCE ...           measure generators, and keep the numbers
    python experiments/labels.py PACK --quick SOURCE ...   right answers only, in a minute; keeps nothing
    python experiments/labels.py                           the table, from labels.json beside this file
    python experiments/labels.py --figure OUT.png [KEY]    what was asked for, and what was read

PACK: real faces with labels. SOURCE: a run folder, a generator file, or the name of a shipped generator.

The judge is a linear classifier of each attribute on ImageNet features (EfficientNet-Lite0), of the whole
face for hair and of the band of the eyes for eyes. It learned from one half of the real faces. What it reads
right of the other half is the ceiling. SAMPLES pictures of every class are asked for, and the other attribute
is each colour as often as in the data. A second judge sees more of the colours. See faces_to_order/.
"""
import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # ganlib need not be installed

from faces_to_order.describing import KINDS  # noqa: E402
from faces_to_order.judge import judge_of  # noqa: E402
from faces_to_order.obeying import Obedience, asked_and_read, attributes_of, shares  # noqa: E402
from faces_to_order.tables import ceilings, classes_table, shares_table, summary_lines  # noqa: E402

from ganlib.data.packs import load_pack  # noqa: E402
from ganlib.errors import GanlibError  # noqa: E402
from ganlib.models.sampling import sample  # noqa: E402
from ganlib.models.store import load_generator  # noqa: E402

RESULTS = Path(__file__).with_suffix(".json")
SAMPLES = 400
QUICK = 100


def quick(pack, sources, n):
    """Print how often each generator draws what is asked for."""
    judge = judge_of(pack)
    print(ceilings(judge))
    for source in sources:
        generator = load_generator(source)
        images = int(generator.info["images"])
        print(f"\n{source}: {images:,} images seen, {n} pictures of each class", flush=True)
        known = attributes_of(generator, judge)
        for attribute in known:
            tables = asked_and_read(generator, judge, attribute, n)
            found = {kind: Obedience(tables[kind], judge.tested[attribute, kind]) for kind in KINDS}
            print(f"\n{classes_table(judge, attribute, found)}\n{summary_lines(judge, attribute, found)}",
                  flush=True)
        if not known:
            print("It takes no labels. What it draws, as the judge reads it:")
            faces = sample(generator, 10 * n)
            for attribute in judge.attributes:
                print(f"\n{shares_table(judge, attribute, shares(faces, judge, attribute))}")


def parser():
    as_written = argparse.RawDescriptionHelpFormatter
    made = argparse.ArgumentParser(description=__doc__, formatter_class=as_written)
    add = made.add_argument
    add("pack", nargs="?", help="real faces with labels")
    add("sources", nargs="*", metavar="SOURCE", help="run folders, generator files, or shipped names")
    add("--quick", action="store_true", help="right answers only; keeps nothing")
    add("--samples", type=int, help=f"pictures of each class ({SAMPLES}; with --quick {QUICK})")
    return made


def main():
    args = parser().parse_intermixed_args()
    try:
        if args.quick and args.sources:
            quick(load_pack(args.pack), args.sources, args.samples or QUICK)
        else:
            raise GanlibError("Expected PACK --quick SOURCE ...")
    except GanlibError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
