"""What to do with a GPU that is there for ten minutes: test, measure, train. It needs no network.

At home, before (see "Ten minutes on a GPU" in docs/contributing.md):
    python experiments/gpu.py --carry PACK --source ARCHIVE    the faces as one file, .gpu/faces.npz
    bash experiments/wheels.sh                                 packages that may be missing there, .gpu/wheels
    python experiments/gpu.py --travel                         how much travels, and what to move aside

There:
    python experiments/gpu.py OUT                              tests, speeds, and the flagship for the rest
    python experiments/gpu.py OUT --train PRESET --minutes 8 --set batch=256
    python experiments/gpu.py OUT --table                      the models of docs/results.md, equal images

At home, after:
    python experiments/gpu.py --join OUT TARGET                files that were cut into parts, joined

The phases are tests, speeds, train and table. Each is a process of its own with a limit in seconds, and its
results are in OUT as soon as they are there: report.txt for people, report.json for programs, log.txt, the
generators, and pictures. Where it is cut off, at most the phase at hand is lost. On a CPU it is a rehearsal:
all phases in small sizes, which measure nothing worth knowing.
"""
import argparse
import importlib
import os
import shlex
import signal
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # ganlib need not be installed there

from ten_minutes import carried, results  # noqa: E402
from ten_minutes.here import Job  # noqa: E402
from ten_minutes.plan import PHASES, Child, end_with_parent, limit_of, limits  # noqa: E402

from ganlib.errors import GanlibError  # noqa: E402

SECONDS = 540
FLAGSHIP, BIG = "stylegan-fast", "big"
SMALL_FACES = 96  # drawn ones, of a rehearsal
DRAWN_FACES = 3_000  # where no real ones were carried
RESTARTS = 3  # of the speeds, where one of them ends the process
LOG_BYTES = 2_000_000  # of log.txt at most


# -- the process that has the others work


class Log:
    """Prints lines, and adds them to log.txt."""

    def __init__(self, out):
        self.path, self.size = out / "log.txt", 0

    def __call__(self, line):
        print(line, end="", flush=True)
        self.size += len(line)
        if self.size < LOG_BYTES:
            with open(self.path, "a", encoding="utf-8") as file:
                file.write(line)


def conduct(args):
    """Make the faces ready, and run the phases one after the other."""
    begun = time.monotonic()
    out, work = Path(args.out).resolve(), Path(args.work).resolve()
    still_missing = carried.add_wheels(work / "site")
    rehearsal = is_rehearsal(args.device)
    check(args, rehearsal)
    for folder in (out, work):
        folder.mkdir(parents=True, exist_ok=True)
    log, report = Log(out), results.Report(out)
    pack, words = faces(args, work, rehearsal)
    names = phases_of(args, rehearsal)
    show_plan(args, names, words, log, report, begun)
    if still_missing:
        log(f"Not found here: {', '.join(still_missing)}. See experiments/wheels.sh.\n")
    ends = {}
    for number, name in enumerate(names):
        left = args.seconds - (time.monotonic() - begun)
        limit = limit_of(name, names[number + 1:], left)
        phase_begun = time.monotonic()
        log(f"\n== {name}: {PHASES[name].about} (at most {limit:.0f} s)\n")
        end = run_phase(args, name, limit, pack, log)
        ends[name] = {"seconds": round(time.monotonic() - phase_begun, 1), "end": end}
        report.put("ends", report.read().get("ends", {}) | ends)
    log(f"\n{(out / 'report.txt').read_text()}")


def is_rehearsal(device):
    """Whether there is no GPU to work on."""
    if device == "cpu":
        return True
    import torch
    return device == "auto" and not torch.cuda.is_available()


def check(args, rehearsal):
    """Raise GanlibError for what the training cannot be told."""
    from ten_minutes.recipes import recipe
    recipe(args.train or FLAGSHIP, job_of(args, rehearsal))


def phases_of(args, rehearsal):
    """The names of the phases to run, in their order."""
    if args.only:
        wanted = args.only
    elif args.train or args.table:
        wanted = ["train"] * bool(args.train) + ["table"] * args.table
    else:
        wanted = list(PHASES) if rehearsal else ["tests", "speeds", "train"]
    return [name for name in PHASES if name in wanted]


def faces(args, work, rehearsal):
    """(path of the pack, words on it): the one named, the carried faces, or drawn ones."""
    from ganlib.data.packs import load_pack
    if args.pack:
        return Path(args.pack).resolve(), repr(load_pack(args.pack))
    if rehearsal:
        pack = carried.drawn_pack(work / "drawn", SMALL_FACES, 32)
        return pack.path, f"{SMALL_FACES} drawn ones, for a rehearsal"
    if carried.FACES.is_file():
        return carried.unpack(work / "pack")
    pack = carried.drawn_pack(work / "drawn", DRAWN_FACES, 64)
    return pack.path, f"{DRAWN_FACES:,} drawn ones: there is no {carried.FACES.name}"


def show_plan(args, names, words, log, report, begun):
    """Print how long each phase may take, and put it into the report."""
    planned = limits(names, args.seconds - (time.monotonic() - begun))
    rows = [{"phase": name, "seconds": round(planned[name]), "about": PHASES[name].about} for name in names]
    report.put("plan", {"command": command_line(), "phases": rows, "faces": words,
                        "files": args.files, "room": round(1e6 * args.megabytes)})
    log(f"{command_line()}\nfaces: {words}\n")
    for row in rows:
        log(f"{row['phase']:8} at most {row['seconds']:4} s   {row['about']}\n")


def run_phase(args, name, limit, pack, log):
    """Run a phase to its end or its limit; how it ended, in words. What it found before is cleared away."""
    end = time.monotonic() + limit
    results.Report(args.out).clear(PHASES[name].sections)
    ended = start(args, name, limit, pack, log).wait(limit)
    for _ in range(RESTARTS if name == "speeds" else 0):
        if not ended.startswith("failed") or end - time.monotonic() < 20:
            break
        log(f"speeds {ended}: going on behind what ended it\n")
        left = end - time.monotonic()
        ended = start(args, name, left, pack, log).wait(left)
    return ended


def start(args, name, limit, pack, log):
    """Begin a phase as a process of its own."""
    environment = os.environ | {
        "GPU_COMMAND": command_line(), "PYTHONUNBUFFERED": "1",
        "GANLIB_DATA": str(Path(args.work).resolve() / "data"),
    }
    command = [*again(sys.argv[1:]), "--phase", name, "--limit", f"{limit:.1f}", "--pack", str(pack)]
    return Child(command, log, environment)


def again(arguments):
    """The command that starts this program with the same arguments."""
    return [sys.executable, str(Path(__file__).resolve()), *arguments]


def command_line():
    """The command as it was typed."""
    return " ".join(map(shlex.quote, ["python", "experiments/gpu.py", *sys.argv[1:]]))


# -- the process of a phase


def work_on(args):
    """Do the work of a phase, in the process that `start` began."""
    end_with_parent()
    job = job_of(args, is_rehearsal(args.device))
    work_of(args.phase)(job)


def job_of(args, rehearsal):
    """What a phase is told, from the arguments."""
    typed = sys.argv[1:sys.argv.index("--phase")] if args.phase else sys.argv[1:]
    return Job(
        out=Path(args.out).resolve(), work=Path(args.work).resolve(), pack=Path(args.pack or ""),
        device=args.device, seconds=args.limit, rehearsal=rehearsal, train=args.train or FLAGSHIP,
        profile=None if args.profile == "none" else args.profile, minutes=args.minutes,
        settings=settings_of(args), images=args.images, model=args.model,
        command=[*again(typed), "--pack", str(args.pack)])


def work_of(phase):
    """The function that does a phase's work."""
    names = {"tests": ("cuda_tests", "run"), "speeds": ("speeds", "run"), "train": ("training", "run"),
             "table": ("table", "run"), "model": ("table", "train_one")}
    module, function = names[phase]
    # only this phase's: what another one lacks, such as pytest, is not in its way
    return getattr(importlib.import_module(f"ten_minutes.{module}"), function)


def settings_of(args):
    """{key: value} of --set."""
    pairs = [item.partition("=") for item in args.set]
    for key, equals, _ in pairs:
        if not equals:
            raise GanlibError(f"--set {key}: expected key=value, as in batch=256.")
    return {key: value for key, _, value in pairs}


# -- the shell


def phase_names(text):
    """The phases of --only, as in "tests,speeds"."""
    names = text.split(",")
    for name in names:
        if name not in PHASES:
            raise argparse.ArgumentTypeError(f"{name!r} is no phase: expected some of {','.join(PHASES)}")
    return names


def parser():
    as_written = argparse.RawDescriptionHelpFormatter
    made = argparse.ArgumentParser(description=__doc__, formatter_class=as_written)
    add = made.add_argument
    add("out", nargs="?", default=str(ROOT / "build" / "gpu"), help="the folder of results")
    add("--seconds", type=float, default=SECONDS, help="for all phases together (%(default)s)")
    add("--device", default="auto", help="auto, cpu, cuda, cuda:1")
    add("--only", type=phase_names, metavar="PHASES", help="tests,speeds,train,table, or some")
    add("--train", nargs="?", const=FLAGSHIP, metavar="PRESET", help="what to train (%(const)s)")
    add("--profile", default=BIG, help="of all presets (%(default)s); none: as published")
    add("--minutes", type=float, default=0, help="of that training at most")
    add("--set", nargs="+", default=[], metavar="KEY=VALUE", help="changes of its recipe")
    add("--table", action="store_true", help="train and score the models of docs/results.md")
    add("--images", type=int, default=0, help="that each of them sees; 0: what there is time for")
    add("--files", type=int, default=results.FILES, help="in OUT at most (%(default)s)")
    add("--megabytes", type=float, default=results.ROOM / 1e6, help="of OUT at most (%(default)g)")
    add("--pack", help="the faces, in the place of those in .gpu/faces.npz")
    add("--work", default=str(ROOT / "build" / "gpu-work"), help="a folder for what stays there")
    add("--carry", metavar="PACK", help="write the faces of a pack into .gpu/faces.npz")
    add("--source", help="the archive or folder that the pack was made from: its files as they are")
    add("--quality", type=int, help="encode the faces anew, as WebP of this quality")
    add("--travel", action="store_true", help="tell how much travels")
    add("--join", nargs=2, metavar=("FROM", "TO"), help="join the parts in a folder of results")
    # of the processes that it starts
    for hidden, kind in (("--phase", str), ("--limit", float), ("--model", str)):
        add(hidden, type=kind, default=kind(), help=argparse.SUPPRESS)
    return made


def main():
    args = parser().parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by a signal"))  # and the phase at hand with it
    try:
        if args.phase:
            work_on(args)
        elif args.carry:
            carried.carry(args.carry, args.source, args.quality)
        elif args.travel:
            print("\n".join(carried.travel()))
        elif args.join:
            print("\n".join(map(str, results.join(*args.join))))
        else:
            conduct(args)
    except GanlibError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
