"""The verbs of the notebooks from a shell, for long runs: python -m ganlib, or ganlib."""
import argparse
import io
import sys
import warnings
from dataclasses import asdict
from pathlib import Path

from .errors import GanlibError


def _data(args):
    from .data.cleaning import clean
    from .data.packs import check_target, pack
    from .data.sources import fetch

    check_target(args.pack)
    report = clean(fetch(args.source, size=max(32, min(args.size, 256))), size=args.size, fit=args.fit, labels=args.labels, faces=args.faces)
    print(report)
    packed = pack(report, args.pack)
    print(f"{packed.path}: {len(packed):,} images of {packed.size}x{packed.size}, hash {packed.hash}")


def _train(args):
    from .config import TYPES
    from .errors import did_you_mean
    from .presets import preset
    from .training.loop import train

    changes = {}
    for item in args.set:
        key, equals, value = item.partition("=")
        if not equals:
            raise GanlibError(f"--set {item}: expected key=value.")
        if key not in TYPES:
            raise GanlibError(f"There is no config key {key!r}.{did_you_mean(key, TYPES)}")
        changes[key] = value
    budget = {k: getattr(args, k) for k in ("images", "minutes") if getattr(args, k) is not None}
    if budget:  # a budget of the command line replaces the profile's
        changes = {"images": 0, "minutes": 0} | budget | changes
    print(train(preset(args.preset, args.profile, **changes), args.pack, args.run))


def _sample(args):
    import numpy as np
    from PIL import Image

    from .files import write_atomic
    from .models.sampling import sample
    from .models.store import find_generator, load_generator

    out, source = Path(args.out), find_generator(args.run)
    if out.suffix != ".npy" and (out.is_file() or out.suffix and not out.is_dir()):
        raise GanlibError(f"OUT={out}: expected a name ending in .npy, or a folder for PNGs.")
    images = sample(load_generator(source), args.n, args.seed, args.psi)
    if out.suffix == ".npy":
        buffer = io.BytesIO()
        np.save(buffer, images)
        write_atomic(out, buffer.getvalue())
    else:
        out.mkdir(parents=True, exist_ok=True)
        for i, image in enumerate(images):
            Image.fromarray(image).save(out / f"seed{args.seed}-{i:05d}.png")
    print(f"{out}: {args.n} images of {images.shape[1]}x{images.shape[2]} from {source}")


def _mix(args):
    from .files import write_atomic
    from .models.store import load_generator
    from .play.styles import mixing_sheet

    if Path(args.out).suffix.lower() != ".png":
        raise GanlibError(f"OUT={args.out}: expected a name that ends in .png.")
    sheet = mixing_sheet(load_generator(args.run), args.rows, args.cols, args.layers, args.psi)
    buffer = io.BytesIO()
    sheet.save(buffer, "png")
    write_atomic(args.out, buffer.getvalue())
    print(f"{args.out}: {args.layers} layers from the faces across, the others from those down")


def _walk(args):
    from .models.sampling import generate
    from .models.store import load_generator
    from .play.styles import points, walk
    from .view.movies import movie

    G = load_generator(args.run)
    way = walk(points(G, args.seeds, args.psi), args.frames, loop=args.loop)  # straight in w, where there is one
    movie(args.out, generate(G, way))
    print(f"{args.out}: {args.frames} frames")


def _evaluate(args):
    from .evaluation.table import evaluate

    runs = {run: run if Path(run).exists() else run.split(",") for run in args.runs}
    table = evaluate(args.pack, runs, args.n, args.features, args.draws, full=not args.quick, infinity=args.infinity)
    print(table)
    if args.json:
        table.save(args.json)


def _gif(args):
    from .view.movies import gif

    print(gif(args.run, args.out, include_real=not args.no_real))


def _presets(args):
    from .config import DEFAULTS, changed_keys
    from .presets import PRESETS, preset

    if args.other:
        rows = changed_keys(*(asdict(preset(name).replace(preset="")) for name in (args.name, args.other)))
        print(f"{'':<12} {args.name:<16} {args.other}" if rows else f"{args.name} and {args.other} are the same recipe")
        for key, (a, b) in rows.items():
            print(f"{key:<12} {a!s:<16} {b!s}")
    elif args.name:
        config = preset(args.name)
        for key, value in (config.recipe() | {k: v for k, v in config.engine().items() if v != DEFAULTS[k]}).items():
            print(f"{key:<12} {value!r}")
        print(f"source       {PRESETS[args.name]['source']}")
    else:
        for name, row in PRESETS.items():
            print(f"{name:<16} {row['source']}")


def main(argv=None):
    parser = argparse.ArgumentParser("ganlib", description="Anime faces: clean, train GANs, look at the result.")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")

    p = verbs.add_parser("data", help="fetch and clean images and write a pack")
    p.add_argument("source", help="kaggle:OWNER/NAME, an archive, a folder, or synthetic")
    p.add_argument("pack", help="folder to write")
    p.add_argument("--size", type=int, default=64, help="pixels (default 64)")
    p.add_argument("--fit", choices=["crop", "pad"], default="crop", help="how a picture becomes square")
    p.add_argument("--labels", help="CSV with the columns file,hair,eyes")
    p.add_argument("--faces", choices=["auto", "detector", "outlier", "off"], default="auto",
                   help="how bad crops are found")
    p.set_defaults(run_verb=_data)

    p = verbs.add_parser("train", help="train a preset on a pack; resumes a run that was cut off")
    p.add_argument("preset")
    p.add_argument("pack")
    p.add_argument("run", help="folder of the run")
    budget = p.add_mutually_exclusive_group()
    budget.add_argument("--images", type=int, help="budget in images seen, over all legs")
    budget.add_argument("--minutes", type=float, help="budget in minutes of training time, over all legs")
    p.add_argument("--profile", help="start from a profile: smoke, demo, cpu, colab or paper")
    p.add_argument("--set", nargs="+", action="extend", default=[], metavar="KEY=VALUE", help="change config keys")
    p.set_defaults(run_verb=_train)

    p = verbs.add_parser("sample", help="draw images from a generator")
    p.add_argument("run", help="a run folder, a generator file or a shipped generator's name (dcgan)")
    p.add_argument("out", help="OUT.npy (uint8 N,H,W,3) or a folder for PNGs")
    p.add_argument("--n", type=int, default=64)
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--psi", type=float, default=1.0, help="truncation of a style-based generator: 0 is the mean face")
    p.set_defaults(run_verb=_sample)

    p = verbs.add_parser("mix", help="the table of style mixing: what faces across give to faces down")
    p.add_argument("run", help="of a style-based model: a run folder, a generator file or a shipped generator's name")
    p.add_argument("out", help="OUT.png")
    p.add_argument("--rows", default="1,2,3,4", metavar="SEEDS", help="faces down (default 1,2,3,4), or a latent file (.safetensors)")
    p.add_argument("--cols", default="5,6,7,8,9,10", metavar="SEEDS", help="faces across, likewise (default 5,6,7,8,9,10)")
    p.add_argument("--layers", default="coarse", help="from the faces across: coarse (default), middle, fine or all")
    p.add_argument("--psi", type=float, default=1.0)
    p.set_defaults(run_verb=_mix)

    p = verbs.add_parser("walk", help="a walk from face to face as a GIF or MP4")
    p.add_argument("run", help="a run folder, a generator file or a shipped generator's name")
    p.add_argument("out", help="OUT.gif or OUT.mp4")
    p.add_argument("--seeds", default="1,2,3", help="the faces on the way (default 1,2,3), or a latent file")
    p.add_argument("--frames", type=int, default=60, help="in all, 20 a second (default 60)")
    p.add_argument("--loop", action="store_true", help="back to the first face")
    p.add_argument("--psi", type=float, default=1.0)
    p.set_defaults(run_verb=_walk)

    p = verbs.add_parser("evaluate", help="one table of the quality of runs, against the real images of a pack")
    p.add_argument("pack")
    p.add_argument("runs", nargs="+", metavar="run", help="a run folder, generator file, shipped name, folder of images "
                   "or .npy of uint8 (N,H,W,3); RUN,RUN,... are seeds of one recipe and make one row")
    p.add_argument("--features", choices=["lite", "inception"], default="lite",
                   help="lite: FD-lite, needs no network (default); inception: FID, downloads 96 MB the first time")
    p.add_argument("--n", type=int, default=10_000, help="generated images in a draw (default 10,000)")
    p.add_argument("--draws", type=int, default=3, help="draws for the spread (default 3)")
    p.add_argument("--infinity", action="store_true", help="also the distance at infinite N, by extrapolation")
    p.add_argument("--quick", action="store_true", help="the Frechet distance only")
    p.add_argument("--json", metavar="OUT", help="write the table to a file as well")
    p.set_defaults(run_verb=_evaluate)

    p = verbs.add_parser("gif", help="the progress of a run as a GIF or MP4")
    p.add_argument("run")
    p.add_argument("out")
    p.add_argument("--no-real", action="store_true", help="leave out the first frame, which shows real images")
    p.set_defaults(run_verb=_gif)

    p = verbs.add_parser("presets", help="the table of presets, one row, or the difference of two")
    p.add_argument("name", nargs="?")
    p.add_argument("other", nargs="?")
    p.set_defaults(run_verb=_presets)

    args = parser.parse_args(argv)
    try:
        with warnings.catch_warnings():
            warnings.showwarning = lambda text, *_, **__: print(f"ganlib {args.verb}: {text}", file=sys.stderr)
            args.run_verb(args)
    except (GanlibError, OSError) as error:
        print(f"ganlib {args.verb}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"ganlib {args.verb}: interrupted", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
