"""Your own pictures: a GAN from 300 faces, from scratch and fine-tuned.

    python experiments/own_pictures.py PACK --source SOURCE --rate     images/s; nothing else may be running
    python experiments/own_pictures.py PACK --source SOURCE [ARM ...]  train what is missing, and measure it
    python experiments/own_pictures.py                    the table, from own_pictures.json beside this file
    python experiments/own_pictures.py --figure OUT.png   the same as a figure

PACK: real faces, as `ganlib data ../shared/data/wild-faces.zip PACK` makes them. 300 of them are drawn by a
seed, and all others are kept back: no training sees them, and quality is measured against them. SOURCE: what
fine-tuning begins with, a run or a shipped generator with its discriminator. All arms have its networks, and
see as many images as two CPU cores do in 15 minutes. Runs are folders under data/runs/own, and resume.

Copying shows in the neighbours. Each generated face has a nearest one among the 300, and a nearest one among
300 that were kept back (all of them mirrored as well, as the training mirrors). A model that draws new faces
has them equally far off on average. One that copies is much nearer to those it has seen.
"""
import argparse
import json
import statistics
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch

from ganlib.data.packs import load_pack, pack
from ganlib.errors import GanlibError
from ganlib.evaluation.distances import frechet, kid, nearest_neighbours
from ganlib.evaluation.features import DEVICE, features, gaussian
from ganlib.files import check_replaceable, data_dir, write_atomic
from ganlib.images import encoded
from ganlib.models.sampling import sample
from ganlib.models.store import load_generator
from ganlib.runs.folder import read_log
from ganlib.runs.origin import begun_with, open_origin, preset_from
from ganlib.training.loop import train
from ganlib.view.curves import Figure

RESULTS = Path(__file__).with_suffix(".json")
PICTURES = 300  # that a user has
DRAWN_BY = 0  # the seed that draws them
MINUTES = 15  # of two CPU cores
SAMPLES = 4_096  # generated pictures that are measured
SEEDS = (0, 1, 2)
AUGMENT = "color,translation,cutout"
FROZEN = dict(freeze_d=2, augment=AUGMENT, augment_target=0.6, augment_kimg=100.0)
ARMS = {  # name: (what differs, whether it is fine-tuned, what it is)
    "scratch": ({}, False, "from scratch"),
    "tuned": ({}, True, "fine-tuned"),
    "careful": (FROZEN, True, "fine-tuned, two blocks of D frozen, adaptive augmentation"),
    "scratch-augmented": (dict(augment=AUGMENT), False, "from scratch, all that D sees augmented"),
}
FIRST_ARMS = ("scratch", "tuned", "careful")
COLUMNS = {  # key of a row: (its title, factor, digits)
    "fd": ("FD-lite", 1, 0),
    "kid": ("KID x 1000", 1000, 1),
    "seen": ("nearer to the 300 than to others", 100, 0),
    "ratio": ("distance to the 300 / to others", 1, 2),
}


# -- what was measured


def load(path):
    return json.loads(path.read_text()) if path.exists() else {"about": {}, "rows": {}}


def keep(path, found):
    write_atomic(path, (json.dumps(found, indent=1) + "\n").encode())


def claim(path, pack_hash, source):
    """The results so far; GanlibError where they are of other pictures or of another source."""
    found, origin = load(path), open_origin(source)
    about = {"data": pack_hash, "source": Path(source).name, "weights": origin.weights, "pictures": PICTURES}
    for key, value in about.items():
        if found["about"].setdefault(key, value) != value:
            there = found["about"][key]
            raise GanlibError(f"{path} holds results of {key}={there!r}, and this is {value!r}: move that "
                              "file away first.")
    return found


# -- the pictures


def own_pictures(whole, folder):
    """(a pack of PICTURES images of a pack, the images that are kept back: uint8 (N, H, W, 3))."""
    order = np.random.default_rng(DRAWN_BY).permutation(len(whole))
    if len(order) < 3 * PICTURES:
        raise GanlibError(f"The pack {whole.path} has {len(order):,} images: expected {3 * PICTURES} or "
                          "more. Some are kept back, to be compared with.")
    mine, others = order[:PICTURES], order[PICTURES:]
    rows = [SimpleNamespace(file=f"{number:05}", reason="", detail="", index=index, labels={})
            for index, number in enumerate(mine)]
    settings = whole.settings | {"source": f"{PICTURES} of {whole.source}"}
    report = SimpleNamespace(rows=rows, images=whole.images[mine], attributes={}, settings=settings)
    path = folder / f"{whole.path.name}-{PICTURES}-{whole.hash[:6]}"
    small = load_pack(path) if (path / "pack.json").is_file() else pack(report, path)
    if not np.array_equal(small.images, whole.images[mine]):
        raise GanlibError(f"{path} holds other pictures than those drawn here: remove it.")
    return small, whole.images[others]


# -- training


def config_of(arm, source, seed, images, run=None):
    """The Config of an arm: the recipe of the source's preset for CPUs, and the source's networks."""
    changes, tuned, _ = ARMS[arm]
    begin = dict(start_from=str(source), labels="", seed=seed, images=images, minutes=0, frames=12,
                 generators=4, score="off", log_images=1_000)
    name = open_origin(source).config.preset
    if tuned:
        return preset_from(name, "cpu", run, **(begin | changes))
    like_it = preset_from(name, "cpu", **begin)
    return like_it.replace(start_from="", g_waits_kimg=0, **changes)


def measure_rate(small, source, rounds=3, seconds=40):
    """Images/s of fine-tuning on two threads: the median of rounds."""
    rates = []
    torch.set_num_threads(2)
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            config = config_of("careful", source, 0, 0).replace(minutes=seconds / 60, frames=0, generators=0,
                                                                 log_images=320)
            train(config, small, folder, progress=False)
            records, _ = read_log(folder)
        late = records[len(records) // 3:]  # the first steps are slow
        rates.append(statistics.median(record["images_per_second"] for record in late))
        print(f"{rates[-1]:.1f} images/s", flush=True)
    return round(statistics.median(rates), 1)


# -- measuring


def with_mirrors(images):
    return np.concatenate([images, images[:, :, ::-1]])


class Judge:
    """Measures pictures against those kept back, and looks for copies of the 300."""

    def __init__(self, mine, others):
        self.others = features(others, progress=False)
        self.stats = gaussian(self.others)
        self.mine = features(with_mirrors(mine), progress=False)
        mirrors = features(others[:, :, ::-1], progress=False)
        count = len(mine)
        starts = range(0, len(others) - count + 1, count)
        # as many others as there are pictures, several times
        self.groups = [np.concatenate([self.others[i:i + count], mirrors[i:i + count]]) for i in starts]

    def numbers(self, images):
        """The numbers of one row, of uint8 images (N, H, W, 3)."""
        found = features(images, progress=False)
        mean, _ = kid(self.others, found)
        return {"fd": frechet(self.stats, gaussian(found)), "kid": mean} | self.neighbours(found, self.groups)

    def neighbours(self, found, groups):
        """How near features are to the 300: "seen", the share that is nearer to one of them than to one of
        a group of others (0.5: no copies), and "ratio", of the median distances to both (1: no copies)."""
        near = nearest_neighbours(found, self.mine)[0][:, 0]
        to_others = [nearest_neighbours(found, group)[0][:, 0] for group in groups]
        seen = np.mean([np.mean(near < other) for other in to_others])
        ratio = np.median(near) / np.mean([np.median(other) for other in to_others])
        return {"seen": float(seen), "ratio": float(ratio)}

    def real(self):
        """The same of real pictures: one group of those kept back, which the others have not seen either."""
        first, *rest = self.groups
        found = first[:len(first) // 2]  # without the mirrors
        return {"kid": kid(self.others[len(found):], found)[0]} | self.neighbours(found, rest)


def rounded(numbers):
    return {key: round(value, 6) for key, value in numbers.items()}


def measure_beginning(judge, source, path):
    """Rows of what there is before any training: real pictures, and the source as it is."""
    found = load(path)
    if "real" not in found["rows"]:
        found["rows"]["real"] = rounded(judge.real())
    if "source" not in found["rows"]:
        generator = load_generator(source, DEVICE)
        images = {"images": int(generator.info["images"])}
        found["rows"]["source"] = images | rounded(judge.numbers(sample(generator, SAMPLES, seed=1)))
    keep(path, found)


def run_all(whole, source, arms, seeds, images, path):
    """Train and measure what is missing."""
    folder = data_dir() / "runs" / "own"
    small, others = own_pictures(whole, folder / "packs")
    judge = Judge(small.images, others)
    measure_beginning(judge, source, path)
    name = f"{Path(source).name}-{open_origin(source).weights[:6]}-{images}"
    for seed in seeds:
        for arm in arms:
            key = f"{arm}, seed {seed}, {images} images"
            if key in load(path)["rows"]:
                continue
            run = folder / name / f"{arm}-{seed}"
            print(f"{key}: {run}", flush=True)
            if train(config_of(arm, source, seed, images, run), small, run).stopped != "budget":
                return
            generator = load_generator(run, DEVICE)
            row = {"arm": arm, "seed": seed, "images": int(generator.info["images"]),
                   "origin": begun_with(generator.config)}
            row |= rounded(judge.numbers(sample(generator, SAMPLES, seed=1)))
            found = load(path)
            found["rows"][key] = row
            keep(path, found)
            print(row, flush=True)


# -- table and figure


def groups_of(found):
    """{arm: its rows}, of as many images as the most; in the order of ARMS."""
    rows = [row for row in found["rows"].values() if "arm" in row]
    most = max((row["images"] for row in rows), default=0)
    groups = {arm: [row for row in rows if row["arm"] == arm and row["images"] == most] for arm in ARMS}
    return {arm: group for arm, group in groups.items() if group}


def cell(values, factor, digits):
    """A mean, and the spread over seeds."""
    text = f"{factor * statistics.mean(values):,.{digits}f}"
    return text if len(values) < 2 else f"{text} ± {factor * statistics.stdev(values):.{digits}f}"


def table(found):
    """The table in Markdown."""
    lines = [["", "seeds", *(title for title, _, _ in COLUMNS.values())], ["---"] * (2 + len(COLUMNS))]
    singles = {"real": "real faces that were kept back", "source": "the source, as it is"}
    groups = {words: [found["rows"][key]] for key, words in singles.items() if key in found["rows"]}
    groups |= {ARMS[arm][2]: group for arm, group in groups_of(found).items()}
    for words, group in groups.items():
        cells = [cell([row[key] for row in group], factor, digits) if key in group[0] else ""
                 for key, (_, factor, digits) in COLUMNS.items()]
        lines.append([words, str(len(group)), *cells])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def figure(found, out):
    """A panel for each number, a point for each seed."""
    groups = groups_of(found)
    axes = Figure(figsize=(10, 3.2), dpi=120, layout="constrained").subplots(1, 3)
    for ax, key in zip(axes, ("fd", "kid", "seen"), strict=True):
        title, factor, _ = COLUMNS[key]
        for place, group in enumerate(groups.values()):
            ax.plot([place] * len(group), [factor * row[key] for row in group], "o", color=f"C{place}")
        real = found["rows"]["real"].get(key)
        if real is not None:
            ax.axhline(factor * real, color="black", linestyle=":", label="real faces")
            ax.legend(fontsize=7)
        ax.set_xticks(range(len(groups)), groups, rotation=20, fontsize=8)
        ax.set(title=f"{title}{' (%)' if key == 'seen' else ''}", xlim=(-0.5, len(groups) - 0.5))
        ax.set_ylim(bottom=0)
        ax.grid(alpha=0.3)
    check_replaceable(out)
    write_atomic(out, encoded(axes[0].figure.savefig))


def parser():
    as_written = argparse.RawDescriptionHelpFormatter
    made = argparse.ArgumentParser(description=__doc__, formatter_class=as_written)
    add = made.add_argument
    add("pack", nargs="?", help="real faces, of which 300 are drawn")
    add("arms", nargs="*", metavar="ARM", help=f"of {', '.join(ARMS)}; without any the first three")
    add("--source", help="a run, or a shipped generator with its discriminator")
    add("--rate", action="store_true", help="measure images/s, and so the budget")
    add("--images", type=int, help="another budget in images seen")
    add("--seeds", default=",".join(map(str, SEEDS)), help="as in 0,1,2")
    add("--results", type=Path, default=RESULTS, help="where the numbers are kept")
    add("--figure", metavar="OUT.png")
    return made


def main():
    args = parser().parse_intermixed_args()
    try:
        unknown = set(args.arms) - set(ARMS)
        if unknown:
            raise GanlibError(f"There is no arm {min(unknown)!r}: expected some of {', '.join(ARMS)}.")
        if args.pack and not args.source:
            raise GanlibError("Expected --source SOURCE: what fine-tuning begins with.")
        if args.pack:
            work(args)
        found = load(args.results)
        if args.figure:
            figure(found, args.figure)
        else:
            print(table(found) if found["rows"] else "Nothing is measured yet.")
    except GanlibError as error:
        sys.exit(f"error: {error}")


def work(args):
    whole = load_pack(args.pack)
    found = claim(args.results, whole.hash, args.source)
    if args.rate:
        small, _ = own_pictures(whole, data_dir() / "runs" / "own" / "packs")
        found["about"]["rate"] = measure_rate(small, args.source)
        found["about"]["images"] = round(60 * MINUTES * found["about"]["rate"] / 1000) * 1000
        return keep(args.results, found)
    images = args.images or found["about"].get("images")
    if not images:
        raise GanlibError(f"How many images are {MINUTES} minutes? Measure that with --rate first, or give "
                          "--images.")
    keep(args.results, found)
    seeds = [int(seed) for seed in args.seeds.split(",")]
    run_all(whole, args.source, args.arms or FIRST_ARMS, seeds, images, args.results)


if __name__ == "__main__":
    main()
