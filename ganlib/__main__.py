"""The verbs of the notebooks from a shell, for long runs: ganlib VERB, or python -m ganlib VERB.

A verb imports what it needs when it is called, so that `ganlib --help` takes no time.
"""
import argparse
import contextlib
import difflib
import sys
import warnings
from pathlib import Path

from .errors import ElsewhereError, GanlibError, memory_advice

INTERRUPTED = 130  # what a shell takes for "stopped by Ctrl-C"
ALIKE = 0.78  # from which on two options may be meant for one; --eyes and --seeds are 0.77
DRAWN_FACES = 4000  # of `ganlib data synthetic`, where --n names no other number
RUN = ("a run folder (RUN:best: its best), a generator file, a shipped generator's name (dcgan) or "
       "hf:name/repository")
PSI = "truncation of a style-based generator: 0 is the mean face (default 1)"


def main(argv=None):
    words = "Anime faces: clean, train GANs, look at the result."
    parser = argparse.ArgumentParser("ganlib", description=words)
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    for add_verb in (_add_data, _add_check, _add_train, _add_sample, _add_mix, _add_walk, _add_export,
                     _add_page, _add_push, _add_evaluate, _add_gif, _add_presets):
        add_verb(verbs)
    args, rest = parser.parse_known_args(argv)
    args.labels_asked = _labels_asked(rest, getattr(args, "options", None), parser)
    for stream in (sys.stdout, sys.stderr):  # names of files need not be text
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    try:
        with warnings.catch_warnings(), memory_advice("Close other programs."):
            warnings.showwarning = lambda text, *_, **__: _complain(args, text)
            return args.run_verb(args) or 0
    except ElsewhereError:  # another process says it
        return 2
    except (GanlibError, OSError) as error:
        _complain(args, f"{error}{_option_meant(args, error)}")
        return 2
    except KeyboardInterrupt:
        _complain(args, "interrupted")
        return INTERRUPTED


def _complain(args, text):
    print(f"ganlib {args.verb}: {text}", file=sys.stderr)


def _labels_asked(rest, options, parser):
    """{"hair": "pink"} of --hair pink: what labels there are is known when the generator is read.

    options: those of a verb that takes labels, or None.
    """
    words: list[str] = []
    for word in rest:
        words += word.split("=", 1) if word.startswith("--") else [word]
    names, values = words[::2], words[1::2]
    are_pairs = len(names) == len(values) and all(name.startswith("--") and len(name) > 2 for name in names)
    if rest and (options is None or not are_pairs):
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    return {name[2:]: value for name, value in zip(names, values, strict=True)} if rest else {}


def _option_meant(args, error):
    """Which option was meant, where an error is about a label that no generator has, such as --pis."""
    for name in args.labels_asked:
        near = difflib.get_close_matches(f"--{name}", args.options, cutoff=ALIKE)
        if near and str(error).startswith(f"{name}="):
            return f" Or did you mean {near[0]}?"
    return ""


def _takes_labels(p):
    """Note that a verb has an option for each label of its generator."""
    p.set_defaults(options=[name for action in p._actions for name in action.option_strings])
    p.epilog = ("A generator that has learned labels has an option for each, such as --hair pink --eyes "
                "blue. What is not asked for is as often as in the training images.")


def _verb(verbs, name, run_verb, words):
    parser = verbs.add_parser(name, help=words, description=words)
    parser.set_defaults(run_verb=run_verb)
    return parser


# -- data


def _add_data(verbs):
    p = _verb(verbs, "data", _data, "fetch and clean images and write a pack")
    p.add_argument("source", help="kaggle:OWNER/NAME, an archive, a folder, or synthetic")
    p.add_argument("pack", help="folder to write")
    p.add_argument("--size", type=int, default=64, help="pixels (default 64)")
    p.add_argument("--fit", choices=["crop", "pad"], default="crop", help="how a picture becomes square")
    p.add_argument("--labels", help="CSV with the columns file,hair,eyes")
    p.add_argument("--faces", choices=["auto", "detector", "outlier", "off"], default="auto",
                   help="how bad crops are found")
    p.add_argument("--n", type=int, metavar="N",
                   help=f"faces to draw, of synthetic only (default {DRAWN_FACES}: a few minutes)")
    p.add_argument("--replace", action="store_true",
                   help="write over a pack of another source, size, fit or labels: runs on it cannot go on")


def _data(args):
    from .data.cleaning import clean
    from .data.packs import check_target, pack
    from .data.replacing import check_same_labels, check_same_pictures
    from .data.sources import fetch

    check_target(args.pack)
    if args.labels and not Path(args.labels).is_file():
        raise GanlibError(f"--labels {args.labels}: there is no such file.")
    if args.size < 8:
        raise GanlibError(f"--size {args.size}: expected pixels, such as 64.")
    if args.n is not None and args.source != "synthetic":
        raise GanlibError(f"--n {args.n} is for synthetic only, which is drawn. Leave --n out: of "
                          f"{args.source} all pictures are taken.")
    drawn = DRAWN_FACES if args.n is None else args.n
    if drawn < 1:
        raise GanlibError(f"--n {args.n}: expected how many faces to draw, such as {DRAWN_FACES}.")
    drawn_size = max(32, min(args.size, 256))  # of synthetic faces
    if not args.replace:
        check_same_pictures(args.pack, args.source, drawn, drawn_size, args.size, args.fit)
    folder = fetch(args.source, n=drawn, size=drawn_size)
    if not args.replace:
        check_same_labels(args.pack, folder, args.labels)
    report = clean(folder, size=args.size, fit=args.fit, labels=args.labels, faces=args.faces)
    print(report)
    print(pack(report, args.pack))


def _add_check(verbs):
    p = _verb(verbs, "check", _check, "read a whole pack, and say whether it is as it was made")
    p.add_argument("pack")


def _check(args):
    from .data.packs import check_pack

    checked = check_pack(args.pack)
    print(f"{checked}\nOK: {len(checked):,} images and their labels, each as it was made.")


# -- train


def _add_train(verbs):
    p = _verb(verbs, "train", _train, "train a preset on a pack; resumes a run that was cut off")
    p.add_argument("preset", help="a name of `ganlib presets`, or a run's config.json")
    p.add_argument("pack")
    p.add_argument("run", help="folder of the run")
    budget = p.add_mutually_exclusive_group()
    budget.add_argument("--images", type=int, help="budget in images seen, over all legs")
    budget.add_argument("--minutes", type=float, help="budget in minutes of training time, over all legs")
    p.add_argument("--profile", help="start from a profile: smoke, demo, cpu, colab, big or paper")
    p.add_argument("--from", dest="start_from", metavar="SOURCE",
                   help="fine-tune: begin with the weights of a run, a generator file or a shipped generator")
    p.add_argument("--set", nargs="+", action="extend", default=[], metavar="KEY=VALUE",
                   help="change config keys")
    p.add_argument("--processes", type=int, default=1, metavar="N",
                   help="on so many processes, one for each GPU; 0: as many as there are GPUs (default 1)")
    p.add_argument("--stop-when-worse", type=float, metavar="FACTOR",
                   help="end a run whose score is above FACTOR times its best three times in a row (1.3)")
    p.add_argument("--tensorboard", action="store_true",
                   help="write curves and samples for TensorBoard as well, to RUN/tensorboard")
    p.add_argument("--driven", action="store_true", help=argparse.SUPPRESS)


def _train(args):
    from .machine.processes import heard, started

    with heard():
        run = _trained(args)
    is_first = started()[0] == 0
    if is_first and not args.driven:
        print(run)
    # torchrun would end the others at once if one of them failed before the first has written all
    return INTERRUPTED if run.stopped == "interrupt" and is_first and not args.driven else 0


def _trained(args):
    """The Run. With --driven another process follows this one, reads lines of JSON, and may stop it."""
    from dataclasses import asdict

    from .machine.launcher import stop_when_told, tell
    from .machine.processes import started
    from .runs.origin import preset_from
    from .training.loop import train

    changes = _changes(args.set)
    budget = {key: getattr(args, key) for key in ("images", "minutes") if getattr(args, key) is not None}
    if budget:  # a budget of the command line replaces the profile's
        changes = {"images": 0, "minutes": 0} | budget | changes
    if args.stop_when_worse is not None:
        changes["stop_when_worse"] = args.stop_when_worse
    if args.start_from:
        changes["start_from"] = args.start_from
    config = preset_from(args.preset, args.profile, args.run, **changes)
    if not args.driven:
        with _tensorboard(args) as hook:
            return train(config, args.pack, args.run, hook=hook, processes=args.processes)
    if started()[0] == 0:
        stop_when_told()
    run = train(config, args.pack, args.run, hook=lambda record: tell(record=record), progress=False)
    if started()[0] == 0:
        tell(ended=asdict(run) | {"path": str(run.path)})
    return run


@contextlib.contextmanager
def _tensorboard(args):
    """The hook that --tensorboard asks for, closed at the end, or None."""
    if not args.tensorboard:
        yield None
        return
    from .view.tensorboard import TensorBoardHook

    hook = TensorBoardHook(args.run)
    try:
        yield hook
    finally:
        hook.close()


def _changes(items):
    """{key: value} of KEY=VALUE words."""
    from .config import check_key

    changes = {}
    for item in items:
        key, equals, value = item.partition("=")
        if not equals:
            raise GanlibError(f"--set {item}: expected key=value.")
        check_key(key)
        changes[key] = value
    return changes


# -- pictures of a generator


def _add_sample(verbs):
    p = _verb(verbs, "sample", _sample, "draw images from a generator")
    p.add_argument("run", help=RUN)
    p.add_argument("out", help="OUT.npy (uint8 N,H,W,3) or a folder for PNGs, which has no other files")
    p.add_argument("--n", type=int, default=64, help="images (default 64)")
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--psi", type=float, default=1.0, help=PSI)
    _takes_labels(p)


def _sample(args):
    from .models.store import find_generator, load_generator
    from .play.exports import export_samples

    source = find_generator(args.run)
    generator = load_generator(source)
    export_samples(generator, args.out, args.n, args.seed, args.psi, args.labels_asked)
    side = generator.G.resolution
    print(f"{args.out}: {args.n} images of {side}x{side} from {source}")


def _add_mix(verbs):
    p = _verb(verbs, "mix", _mix, "the table of style mixing: what faces across give to faces down")
    p.add_argument("run", help=f"of a style-based model: {RUN}")
    p.add_argument("out", help="OUT.png")
    p.add_argument("--rows", default="1,2,3,4", metavar="SEEDS",
                   help="faces down (default 1,2,3,4), or a latent file (.safetensors)")
    p.add_argument("--cols", default="5,6,7,8,9,10", metavar="SEEDS",
                   help="faces across, likewise (default 5,6,7,8,9,10)")
    p.add_argument("--layers", default="coarse",
                   help="from the faces across: coarse (default), middle, fine or all")
    p.add_argument("--psi", type=float, default=1.0, help=PSI)
    _takes_labels(p)


def _mix(args):
    from .models.store import load_generator
    from .play.exports import export_mixing_sheet

    export_mixing_sheet(load_generator(args.run), args.out, args.rows, args.cols, args.layers, args.psi,
                        args.labels_asked)
    print(f"{args.out}: {args.layers} layers from the faces across, the others from those down")
    _tell_words(args.rows, args.cols)


def _add_walk(verbs):
    p = _verb(verbs, "walk", _walk, "a walk from face to face as a WebP, GIF or MP4")
    p.add_argument("run", help=RUN)
    p.add_argument("out", help="OUT.webp, OUT.gif or OUT.mp4")
    p.add_argument("--seeds", default="1,2,3", help="the faces on the way (default 1,2,3), or a latent file")
    p.add_argument("--frames", type=int, default=60, help="in all, 20 a second (default 60)")
    p.add_argument("--loop", action="store_true", help="back to the first face")
    p.add_argument("--psi", type=float, default=1.0, help=PSI)
    _takes_labels(p)
    p.epilog += " --hair pink,blue,green goes from one to the next; with one seed the face stays."


def _walk(args):
    from .models.store import load_generator
    from .play.exports import export_walk

    export_walk(load_generator(args.run), args.out, args.seeds, args.frames, args.loop, args.psi,
                args.labels_asked)
    print(f"{args.out}: {args.frames} frames")
    _tell_words(args.seeds)


def _tell_words(*seeds):
    """Say which seeds words stand for; the path of a latent file is no word."""
    from .play.latent_files import is_latent_file
    from .seeding import words_told

    for told in (words_told(some) for some in seeds if not is_latent_file(some)):
        if told:
            print(told)


def _add_export(verbs):
    p = _verb(verbs, "export", _export, "a generator as an ONNX file, for programs without PyTorch")
    p.add_argument("run", help=RUN)
    p.add_argument("out", help="OUT.onnx")
    p.add_argument("--full", action="store_true", help="32 bits a number: twice the size (default 16)")


def _export(args):
    from .sharing.onnx_files import difference, export

    generator = export(args.run, args.out, args.full)
    G = generator.G
    inputs = "z to w, and ws to a picture" if G.has_styles else "z to a picture"
    print(f"{args.out}: {Path(args.out).stat().st_size / 1e6:.1f} MB, {inputs} of "
          f"{G.resolution}x{G.resolution}.")
    try:
        levels = difference(args.out, generator)
    except GanlibError as error:  # the file is there all the same
        print(f"Its pictures were not compared with PyTorch's. {error}")
    else:
        print(f"Its pictures differ from PyTorch's by {levels:.3f} of 255 levels at most.")


def _add_page(verbs):
    p = _verb(verbs, "page", _page, "a page on which anyone plays with generators, for any static host")
    p.add_argument("run", nargs="+", help=f"one or more, the first is shown first: {RUN}")
    p.add_argument("out", help="folder to write")


def _page(args):
    from .sharing.pages import make_page

    out = make_page(args.run, args.out)
    size = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    print(f"{out}: {size / 1e6:.0f} MB. To look at it: {Path(sys.executable).name} -m http.server "
          f"--directory {out}, and open http://localhost:8000")


def _add_push(verbs):
    p = _verb(verbs, "push", _push, "share a generator through the Hugging Face Hub")
    p.add_argument("run", metavar="source", help=RUN)
    p.add_argument("address", help="hf:name/repository: yours, made where it is missing")
    p.add_argument("--private", action="store_true", help="only you see the repository")
    p.add_argument("--message", default="", help="what the commit says")
    p.add_argument("--licence", "--license", default="other",
                   help="of the generator, as the Hub writes it, such as cc0-1.0 (default other)")


def _push(args):
    from .sharing.hub import push

    page = push(args.run, args.address, args.private, args.message, args.licence)
    print(f"{page}\nAnyone who may see it loads it with ganlib.load_generator({args.address!r})")


# -- how good it is, and how it went


def _add_evaluate(verbs):
    p = _verb(verbs, "evaluate", _evaluate,
              "one table of the quality of runs, against the real images of a pack")
    p.add_argument("pack")
    p.add_argument("runs", nargs="+", metavar="run",
                   help="a run folder, generator file, shipped name, folder of images or .npy of uint8 "
                   "(N,H,W,3); RUN,RUN,... are seeds of one recipe and make one row")
    p.add_argument("--features", choices=["lite", "inception"], default="lite",
                   help="lite: FD-lite, needs no network (default); inception: FID, downloads 96 MB at first")
    p.add_argument("--n", type=int, default=10_000, help="generated images in a draw (default 10,000)")
    p.add_argument("--draws", type=int, default=3, help="draws for the spread (default 3)")
    p.add_argument("--infinity", action="store_true",
                   help="also the distance at infinite N, by extrapolation")
    p.add_argument("--quick", action="store_true", help="the Frechet distance only")
    p.add_argument("--json", metavar="OUT", help="write the table to a file as well")


def _evaluate(args):
    from .evaluation.table import evaluate
    from .files import check_replaceable

    if args.json:
        check_replaceable(args.json)  # before the work
    runs = {run: run if Path(run).exists() else run.split(",") for run in args.runs}
    table = evaluate(args.pack, runs, args.n, args.features, args.draws, full=not args.quick,
                     infinity=args.infinity)
    print(table)
    if args.json:
        table.save(args.json)


def _add_gif(verbs):
    p = _verb(verbs, "gif", _gif, "the progress of a run as a WebP, GIF or MP4")
    p.add_argument("run")
    p.add_argument("out", help="OUT.webp, OUT.gif or OUT.mp4")
    p.add_argument("--no-real", action="store_true",
                   help="leave out the first frame, which shows real images")


def _gif(args):
    from .view.movies import gif

    print(gif(args.run, args.out, include_real=not args.no_real))


# -- presets


def _add_presets(verbs):
    p = _verb(verbs, "presets", _presets, "the table of presets, one row, or the difference of two")
    p.add_argument("name", nargs="?")
    p.add_argument("other", nargs="?")


def _presets(args):
    from .presets import PRESETS

    if args.other:
        _print_difference(args.name, args.other)
    elif args.name:
        _print_preset(args.name)
    else:
        for name, row in PRESETS.items():
            print(f"{name:<16} {row['source']}")


def _print_preset(name):
    from .config import DEFAULTS
    from .presets import PRESETS, preset

    config = preset(name)
    changed = {key: value for key, value in config.engine().items() if value != DEFAULTS[key]}
    for key, value in (config.recipe() | changed).items():
        print(f"{key:<12} {value!r}")
    print(f"source       {PRESETS[name]['source']}")


def _print_difference(name, other):
    from dataclasses import asdict

    from .config import changed_keys
    from .presets import preset

    one, two = (asdict(preset(n).replace(preset="")) for n in (name, other))
    rows = changed_keys(one, two)
    if not rows:
        print(f"{name} and {other} are the same recipe")
        return
    print(f"{'':<12} {name:<16} {other}")
    for key, (a, b) in rows.items():
        print(f"{key:<12} {a!s:<16} {b!s}")


if __name__ == "__main__":
    sys.exit(main())
