"""Colours by name for generators that have learned none: whether the face gets them, and where to aim.

    python experiments/named_colours.py PACK [SOURCE ...]            how often each name is read as such
    python experiments/named_colours.py PACK SOURCE --sheet OUT.png  every name for eight faces, to look at
    python experiments/named_colours.py PACK --aims                  the aims of ganlib.play.named_colours

PACK: real faces with labels. SOURCE: a run, or the name of a shipped generator (stylegan-fast). The judge is
that of labels.py: it learned from one half of the real faces, and what it reads right of the other half is
the ceiling. Faces are those of seeds 0 to 59, each with every name. As in the panels and on the page, the
coarse layers stay. An aim is the nearest colour to the mean
of real faces with a label at which at least 9 in 10 faces have that label. For that all labels count as
equally frequent, and their colours as normally distributed.
"""
import argparse
import sys
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # ganlib need not be installed

from faces_to_order.judge import counts, judge_of  # noqa: E402
from faces_to_order.obeying import Obedience  # noqa: E402
from faces_to_order.tables import classes_table, summary_lines  # noqa: E402

from ganlib.data.packs import load_pack  # noqa: E402
from ganlib.errors import GanlibError  # noqa: E402
from ganlib.files import write_atomic  # noqa: E402
from ganlib.images import encoded  # noqa: E402
from ganlib.machine.bars import Bar  # noqa: E402
from ganlib.models.sampling import generate  # noqa: E402
from ganlib.models.store import load_generator  # noqa: E402
from ganlib.play.characters import STAY, character, origin  # noqa: E402
from ganlib.play.directions import face_colours  # noqa: E402
from ganlib.play.named_colours import CLOSE, COLOURS, PLACES, how_near  # noqa: E402
from ganlib.view.pictures import table  # noqa: E402

SEEDS = range(60)
ON_THE_SHEET = 8
SURE = 0.9  # of a label, at its aim
STEPS = 400  # of the search for an aim


def faces(generator, seeds, part, name):
    """Pictures of the faces of seeds with a named colour, uint8 (N, S, S, 3)."""
    bases = torch.cat([origin(generator.G, seed) for seed in seeds])
    return generate(generator, character(generator, base=bases, hold=True, **{part: name}))


def measure(generator, judge):
    """Print how often each name is read as such, and how many faces get near its aim."""
    for part, colours in COLOURS.items():
        if part in generator.G.attributes:
            print(f"{part}: this generator has learned labels (see labels.py).")
            continue
        classes = judge.attributes.get(part, [])
        names = [name for name in colours if name in classes]
        if not names:
            print(f"{part}: the pack has none of the labels {', '.join(colours)}.")
            continue
        asked, answers, near = [], {}, []
        for name in Bar(names, part):
            images = faces(generator, SEEDS, part, name)
            asked.append(np.full(len(images), classes.index(name)))
            for kind, read in judge.read(images, part).items():
                answers.setdefault(kind, []).append(read)
            near += [not how_near(image, {part: name}) for image in images]
        found = {kind: Obedience(counts(np.concatenate(asked), np.concatenate(read), len(classes)),
                                 judge.tested[part, kind]) for kind, read in answers.items()}
        print(f"\n{classes_table(judge.attributes, part, found)}\n\n"
              f"{summary_lines(judge.attributes, part, found)}\n"
              f"{part}: {np.mean(near):.0%} of the faces come within {CLOSE} levels of the aim.", flush=True)


def sheet(generator):
    """PIL image of the first faces (across) with every name (down)."""
    seeds = SEEDS[:ON_THE_SHEET]
    rows, names = [], []
    for part, colours in COLOURS.items():
        for name in [STAY, *colours] if not rows else colours:
            rows.append(faces(generator, seeds, part, name))
            names.append(name if name == STAY else f"{name} {part}")
    return table(np.concatenate(rows), names, [*seeds], column_title="seed")


# -- aims


def aims(pack):
    """Print the aim of each name."""
    parts = np.array_split(np.asarray(pack.images), 20)
    colours = np.concatenate([face_colours(part) for part in parts])
    for part in [name for name in COLOURS if name in pack.attributes]:
        labels = np.asarray(pack.labels[:, [*pack.attributes].index(part)]).astype(int)
        x, classes = colours[:, PLACES[part]], pack.attributes[part]
        names = [name for name in COLOURS[part] if name in classes]
        means = np.stack([x[labels == i].mean(0) for i in range(len(classes))])
        spread = [np.cov(x[labels == i].T) * (labels == i).sum() for i in range(len(classes))]
        within = sum(spread) / (labels >= 0).sum()
        for name in names:
            aim = aim_of(classes.index(name), torch.tensor(means), torch.tensor(np.linalg.inv(within)))
            print(f"{part} {name}: {tuple(aim.round().int().tolist())}", flush=True)


def aim_of(number, means, precision):
    """The aim (3,) of a class: near its mean, with a posterior of SURE. means (C, 3); precision (3, 3)."""
    aim = means[number].clone().requires_grad_()
    adam = torch.optim.Adam([aim], lr=1.0)
    for _ in range(STEPS):
        away = aim - means
        squares = torch.einsum("ci,ij,cj->c", away, precision, away)
        doubt = torch.relu(np.log(SURE) - torch.log_softmax(-squares / 2, 0)[number])
        outside = torch.relu(aim - 255).square().sum() + torch.relu(5 - aim).square().sum()
        loss = 5 * doubt + 0.3 * squares[number] + outside
        adam.zero_grad()
        loss.backward()
        adam.step()
    return aim.detach().clamp(0, 255)


def main():
    as_written = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=as_written)
    parser.add_argument("pack", help="real faces with labels")
    parser.add_argument("sources", nargs="*", metavar="SOURCE", help="runs, or shipped names (stylegan-fast)")
    parser.add_argument("--sheet", metavar="OUT.png", help="draw every name for eight faces")
    parser.add_argument("--aims", action="store_true", help="find where to aim")
    args = parser.parse_args()
    try:
        pack = load_pack(args.pack)
        if args.aims:
            return aims(pack)
        for source in args.sources or ["stylegan-fast"]:
            generator = load_generator(source)
            if args.sheet:
                write_atomic(args.sheet, encoded(sheet(generator).save))
            else:
                print(f"\n{source}", flush=True)
                measure(generator, judge_of(pack))
    except GanlibError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
