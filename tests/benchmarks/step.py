"""How fast a training step is on this machine's CPU, against three things that are measured beside it.

    python tests/benchmarks/step.py [--rounds 5] [--seconds 5] [--threads N] [--json OUT]

1. The textbook loop: DCGAN as PyTorch's tutorial has it, written below from its published description. It
   reads JPEG files with torchvision's ImageFolder and DataLoader, and computes in fp32. The networks have the
   widths and the batch of this project's. It is run with no and with two loader processes; the faster counts.
2. The machine's best matrix product, in the precision of the step: the floating-point operations (FLOPs) of a
   step, in parts of what the same seconds of `torch.mm` would have done. All of a step is counted: forward,
   backward, and the penalty as often as it comes.
3. The step of an older commit, whose `ganlib` is taken out of git: --old COMMIT. (With --new COMMIT, the
   step that is judged is a commit's as well, and not that of the files as they are.)

Each of them is a process of its own that trains on when it is told to. Only one works at a time. They take
turns, round after round, so that a noisy machine is noisy for all. Numbers are medians over rounds, with the
least and the most; ratios are medians over rounds of the two of a round. Ours is timed by `train` itself,
with its batches, its averaged generator and its log. Exits with 1 where a bar is missed.

The bar of 2.4 textbook loops is from a CPU that computes in bf16. Where the step is in fp32 as well, both are
near the matrix product's rate, and no step could be so much faster. There it is said, and not judged.
"""
import argparse
import contextlib
import functools
import io
import json
import math
import os
import platform
import signal
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
OLD = "2f804e6"  # the last commit before steps were made for GPUs
FACES = 1_000  # drawn ones
COPIES = 14  # of each, as files of the textbook's folder: 14,000 are an epoch
LOG_STEPS = 8  # steps between two looks at the clock: the lazy penalties come once in so many

# label: (preset, profile, changes). A growing network is at full resolution from the first image on.
GROWN = {"grow": "8:0 16:0 32:0 64:0", "fade_kimg": 0}
MODELS = {
    "dcgan": ("dcgan", None, {}),
    "dcgan, profile cpu": ("dcgan", "cpu", {}),
    "stylegan-fast": ("stylegan-fast", None, {}),
    "stylegan-fast, profile cpu": ("stylegan-fast", "cpu", {}),
    "stylegan at 64x64, profile cpu": ("stylegan", "cpu", GROWN),
}
# what may be asked of a label's new step, and at least how much
TEXTBOOK_BARS = {"dcgan": 2.4}
SHARE_BARS = {"dcgan": 0.7, "stylegan-fast": 0.6, "stylegan-fast, profile cpu": 0.6}
OLD_BAR = 0.97
# the others take ten minutes; stylegan-fast at the widths for GPUs takes as long again
DEFAULT = [label for label in MODELS if label != "stylegan-fast"]


# -- what a process does that is told to train


def talk_over(told, answers):
    """A function that says a dict, as a line, and waits until the next line comes."""

    def talk(**words):
        answers.write(json.dumps(words) + "\n")
        answers.flush()
        if not told.readline():
            sys.exit()  # whoever asked is gone

    return talk


def flop_counter():
    """A context whose `flops` grow by what torch computes in it: two for a multiplication with an addition.

    FlopCounterMode has the same formulas. It also follows modules, and cannot where a penalty asks for the
    gradient of a picture.
    """
    from torch.utils._python_dispatch import TorchDispatchMode
    from torch.utils.flop_counter import flop_registry

    class Counter(TorchDispatchMode):
        flops = 0

        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            out = func(*args, **(kwargs or {}))
            formula = flop_registry.get(func.overloadpacket)
            if formula:
                self.flops += formula(*args, **(kwargs or {}), out_val=out)
            return out

    return Counter()


class Turns:
    """Calls of `mark(images, seconds)` between two pieces of work, made into turns of at least some seconds.

    The first piece is warm-up, in the second FLOPs are counted; then every turn waits to be asked for.
    """

    def __init__(self, least, talk):
        self.least, self.talk = least, talk
        self.pieces = 0
        self.begun = (0, 0.0)

    def mark(self, images, seconds):
        self.pieces += 1
        new_images, new_seconds = images - self.begun[0], seconds - self.begun[1]
        if self.pieces == 1:
            self.counter = flop_counter()
            self.counter.__enter__()
        elif self.pieces == 2:
            self.counter.__exit__(None, None, None)
            self.talk(flops_per_image=self.counter.flops / new_images)
        elif new_seconds < self.least:
            return
        else:
            self.talk(images=new_images, seconds=new_seconds)
        self.begun = images, seconds


def check_tree(job):
    """That this process has the ganlib it is to have."""
    import ganlib

    if Path(ganlib.__file__).parents[1] != Path(job["tree"]):
        sys.exit(f"ganlib is that of {ganlib.__file__}, not of {job['tree']}")


def make_pack(job):
    """A pack of drawn faces, as the tree at hand writes packs."""
    check_tree(job)
    import numpy as np
    from helpers import make_report

    from ganlib.data.packs import pack

    pack(make_report(np.concatenate([np.load(job["faces"])] * COPIES)), job["pack"])


def train_ours(job, talk):
    """ganlib's `train`, of the tree at hand. Its hook is called between two pieces."""
    check_tree(job)
    from ganlib.presets import preset
    from ganlib.training.loop import train

    config = preset(job["preset"], job["profile"], **job["changes"], images=10**9, minutes=0, frames=0,
                    generators=0, checkpoint_minutes=10**6, device="cpu", threads=job["threads"])
    config = config.replace(log_images=LOG_STEPS * config.batch)
    turns = Turns(job["seconds"], talk)
    train(config, job["pack"], Path(job["folder"]) / "run", progress=False,
          hook=lambda record: turns.mark(record["images"], record["train_seconds"]))


def textbook_networks(width, z_dim):
    """G and D of Radford et al. 2015 at 64x64, as the tutorial writes them down."""
    from torch import nn

    def up(c_in, c_out, stride=2, padding=1):
        return [nn.ConvTranspose2d(c_in, c_out, 4, stride, padding, bias=False), nn.BatchNorm2d(c_out),
                nn.ReLU(True)]

    def down(c_in, c_out):
        return [nn.Conv2d(c_in, c_out, 4, 2, 1, bias=False), nn.BatchNorm2d(c_out),
                nn.LeakyReLU(0.2, inplace=True)]

    G = nn.Sequential(  # (B, z_dim, 1, 1) -> (B, 3, 64, 64)
        *up(z_dim, 8 * width, 1, 0), *up(8 * width, 4 * width), *up(4 * width, 2 * width),
        *up(2 * width, width), nn.ConvTranspose2d(width, 3, 4, 2, 1, bias=False), nn.Tanh())
    D = nn.Sequential(  # (B, 3, 64, 64) -> (B, 1, 1, 1), a probability
        nn.Conv2d(3, width, 4, 2, 1, bias=False), nn.LeakyReLU(0.2, inplace=True),
        *down(width, 2 * width), *down(2 * width, 4 * width), *down(4 * width, 8 * width),
        nn.Conv2d(8 * width, 1, 4, 1, 0, bias=False), nn.Sigmoid())
    for module in [*G, *D]:
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(module.weight, 0.0, 0.02)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.weight, 1.0, 0.02)
            nn.init.zeros_(module.bias)
    return G, D


def textbook_loader(folder, batch, workers):
    """Batches of the pictures in a folder, resized, cut and scaled one by one, in another order each time."""
    from torch.utils.data import DataLoader
    from torchvision import transforms
    from torchvision.datasets import ImageFolder

    steps = [transforms.Resize(64), transforms.CenterCrop(64), transforms.ToTensor(),
             transforms.Normalize((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))]
    pictures = ImageFolder(folder, transforms.Compose(steps))
    return DataLoader(pictures, batch, shuffle=True, num_workers=workers, drop_last=True)


def train_textbook(job, talk):
    """D on real images, D on generated ones, then G; in fp32, after PyTorch's DCGAN tutorial."""
    import torch
    from torch import nn

    torch.set_num_threads(job["threads"])
    batch, z_dim = job["batch"], job["z_dim"]
    loader = textbook_loader(job["files"], batch, job["workers"])
    G, D = textbook_networks(job["width"], z_dim)
    criterion = nn.BCELoss()
    optimizer_d = torch.optim.Adam(D.parameters(), lr=0.0002, betas=(0.5, 0.999))
    optimizer_g = torch.optim.Adam(G.parameters(), lr=0.0002, betas=(0.5, 0.999))
    turns, steps, seconds, losses = Turns(job["seconds"], talk), 0, 0.0, []
    begun = time.perf_counter()
    while True:
        for real, _ in loader:
            D.zero_grad()
            label = torch.full((batch,), 1.0)
            loss_real = criterion(D(real).view(-1), label)
            loss_real.backward()
            fake = G(torch.randn(batch, z_dim, 1, 1))
            label.fill_(0.0)
            loss_fake = criterion(D(fake.detach()).view(-1), label)
            loss_fake.backward()
            optimizer_d.step()

            G.zero_grad()
            label.fill_(1.0)  # G wants its pictures taken for real ones
            loss_g = criterion(D(fake).view(-1), label)
            loss_g.backward()
            optimizer_g.step()
            losses.append((loss_real.item() + loss_fake.item(), loss_g.item()))

            steps += 1
            if steps % LOG_STEPS == 0:
                seconds += time.perf_counter() - begun
                turns.mark(steps * batch, seconds)
                begun = time.perf_counter()  # the wait for the next turn doesn't count


# -- who asks


def as_json(job, tree, **more):
    return json.dumps(job | {"tree": str(tree)} | more, default=str)


def environment(tree):
    """Of a process that has the ganlib and the test helpers of a tree."""
    return os.environ | ({"PYTHONPATH": os.pathsep.join([str(tree), str(tree / "tests")])} if tree else {})


class Child:
    """A process that trains in turns: one variant of one model.

    tree: whose ganlib it has; launcher: what comes between Python and this file in its command.
    """

    def __init__(self, name, role, job, folder, tree=None, launcher=()):
        self.name, self.errors = name, folder / f"{name}.txt".replace(" ", "-")
        work = folder / name.replace(" ", "-")
        work.mkdir()
        command = [sys.executable, *launcher, __file__, "--job", role, as_json(job, tree, folder=work)]
        with open(self.errors, "w") as errors:
            self.process = subprocess.Popen(command, env=environment(tree), stdin=subprocess.PIPE,
                                            stdout=subprocess.PIPE, stderr=errors, text=True,
                                            start_new_session=True)
        self.rates = []

    def begin(self):
        """Wait until it is warm."""
        self.flops_per_image = self._answer()["flops_per_image"]

    def turn(self):
        """Let it train for a while; adds its images a second to `rates`."""
        self.process.stdin.write("go\n")
        self.process.stdin.flush()
        told = self._answer()
        self.rates.append(told["images"] / told["seconds"])

    def _answer(self):
        line = self.process.stdout.readline()
        if not line:
            self.process.wait()
            raise SystemExit(f"{self.name} ended with {self.process.returncode}:\n{self.errors.read_text()}")
        return json.loads(line)

    def end(self):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)  # and what it started
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


def matrix_rate(dtype, sizes, least=0.3):
    """FLOPs a second of torch's fastest product of two square matrices."""
    import torch

    best = 0.0
    for size in sizes:
        a, b = (torch.randn(size, size).to(dtype) for _ in range(2))
        out = torch.mm(a, b)
        times, begun = 0, time.perf_counter()
        while (seconds := time.perf_counter() - begun) < least:
            torch.mm(a, b, out=out)
            times += 1
        best = max(best, 2 * size**3 * times / seconds)
    return best


def variants(label, args, places):
    """(name, role, job, tree) of everything that is to be timed for a model."""
    from ganlib.presets import preset

    name, profile, changes = MODELS[label]
    job = {"preset": name, "profile": profile, "changes": changes, "threads": args.threads,
           "seconds": args.seconds}
    for variant, (tree, packed) in places["trees"].items():
        yield variant, "ours", job | {"pack": packed}, tree
    config = preset(name, profile, **changes)
    if config.model == "dcgan":
        job = {"width": config.width, "batch": config.batch, "z_dim": config.z_dim, "threads": args.threads,
               "seconds": args.seconds, "files": places["files"]}
        for workers in (0, 2):
            yield f"textbook, {workers} workers", "textbook", job | {"workers": workers}, None


def measure(label, args, places, folder):
    """{variant: {rates, flops_per_image, shares}} of a model, and the matrix products' rates, one a round."""
    folder.mkdir()
    matrix, children = [], []
    with contextlib.ExitStack() as stack:
        for name, role, job, tree in variants(label, args, places):
            children.append(Child(name, role, job, folder, tree))
            stack.callback(children[-1].end)
            children[-1].begin()
        for number in range(args.rounds):
            matrix.append(matrix_rate(places["dtype"], args.sizes))
            for child in children[::-1] if number % 2 else children:
                child.turn()
    found = {}
    for child in children:
        shares = [rate * child.flops_per_image / of for rate, of in zip(child.rates, matrix, strict=True)]
        found[child.name] = {"images_per_second": child.rates, "flops_per_image": child.flops_per_image,
                             "share_of_matrix_product": shares}
    return found, matrix


def ratio(found, over):
    """The median over rounds of the new step's images/s, in parts of another variant's."""
    pairs = zip(found["new"]["images_per_second"], found[over]["images_per_second"], strict=True)
    return statistics.median(new / other for new, other in pairs)


def bars_of(label, found):
    """{what, found, at_least, missed} for everything that is asked of a model's new step."""
    if "old" in found:
        yield _bar("images/s in parts of the old step's", ratio(found, "old"), OLD_BAR)
    share = statistics.median(found["new"]["share_of_matrix_product"])
    textbooks = [name for name in found if name.startswith("textbook")]
    if textbooks:
        best = min(textbooks, key=lambda name: ratio(found, name))
        times = ratio(found, best)
        yield _bar(f"images/s in parts of the {best}", times, TEXTBOOK_BARS.get(label), times / share)
    yield _bar("share of the matrix product's rate", share, SHARE_BARS.get(label))


def _bar(what, found, at_least, possible=math.inf):
    """possible: what a step at the matrix product's rate would have. A bar above that is not judged."""
    if at_least is None:
        verdict = ""
    elif possible < at_least:
        verdict = (f"not judged: at least {at_least} is asked for, and at the matrix product's rate it would "
                   f"be {possible:.2f} here")
    else:
        verdict = f"at least {at_least}" + (": MISSED" if found < at_least else "")
    return {"what": what, "found": found, "at_least": at_least, "verdict": verdict,
            "missed": verdict.endswith("MISSED")}



# -- what they work on, and on what


def make_places(args, folder):
    """The trees with a pack each, the same faces as a folder of JPEG files, the precision of a step."""
    import numpy as np
    from PIL import Image

    from ganlib.data.synthetic import face
    from ganlib.machine.device import pick_device

    faces = np.stack([face(i)[0] for i in range(args.faces)])
    np.save(folder / "faces.npy", faces)
    files = folder / "files" / "faces"  # ImageFolder wants a folder for each class
    files.mkdir(parents=True)
    for i, pixels in enumerate(faces):
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, "JPEG", quality=95)
        for copy in range(COPIES):
            (files / f"{copy:02d}-{i:04d}.jpg").write_bytes(buffer.getvalue())
    trees = {"new": tree_of(args.new, folder / "new") if args.new else ROOT}
    if not trees["new"]:
        raise SystemExit("Name a commit that is there, or leave --new out.")
    if args.old != "none" and (old := tree_of(args.old, folder / "old")):
        trees["old"] = old
    for name, tree in trees.items():
        trees[name] = tree, packed_by(tree, folder / "faces.npy", folder / f"pack-{name}")
    return {"trees": trees, "files": files.parent, "dtype": pick_device("cpu")[1]}


def packed_by(tree, faces, path):
    """The path of a pack that a tree has written."""
    job = as_json({"faces": faces, "pack": path}, tree)
    subprocess.run([sys.executable, __file__, "--job", "pack", job], env=environment(tree), check=True)
    return path


def tree_of(commit, folder):
    """A folder with the ganlib of a commit, or None, with the reason said."""
    command = ["git", "archive", commit, "ganlib", "tests/helpers.py"]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        reason = getattr(error, "stderr", b"").decode().strip() or error
        print(f"Skipped: commit {commit} cannot be had from git ({reason}).")
        return None
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        archive.extractall(folder, filter="data")
    return folder


def cpu_name():
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def commit_here():
    """The commit of this tree, with a plus where files are changed; None outside of git."""
    git = functools.partial(subprocess.run, cwd=ROOT, capture_output=True, text=True)
    with contextlib.suppress(OSError):
        commit = git(["git", "rev-parse", "--short", "HEAD"]).stdout.strip()
        changed = git(["git", "status", "--porcelain", "--", "ganlib"]).stdout.strip()
        return f"{commit}+" if changed and commit else commit or None
    return None


def load():
    """How many processes wanted a core in the last minute; None where the system does not say."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else None


def about(args, dtype):
    """What the numbers depend on."""
    import torch

    return {"cpu": cpu_name(), "instructions": torch.backends.cpu.get_cpu_capability(),
            "threads": args.threads, "torch": torch.__version__,
            "precision": str(dtype).removeprefix("torch."), "new": args.new or commit_here(),
            "old": args.old, "rounds": args.rounds, "seconds_a_turn": args.seconds, "load_before": load()}


def in_words(values, digits=0):
    low, middle, high = (f"{f(values):.{digits}f}" for f in (min, statistics.median, max))
    return f"{middle} ({low} to {high})"


def show(label, found, bars):
    print(f"\n{label}")
    print(f"  {'':22}{'images/s':24}{'GFLOP an image':18}share of the matrix product")
    for name, one in found.items():
        rates, gflop = in_words(one["images_per_second"]), f"{one['flops_per_image'] / 1e9:.3f}"
        print(f"  {name:22}{rates:24}{gflop:18}{in_words(one['share_of_matrix_product'], 2)}")
    for bar in bars:
        print(f"  {bar_in_words(bar)}", flush=True)


def bar_in_words(bar):
    return f"{bar['what']}: {bar['found']:.2f}" + (f" ({bar['verdict']})" if bar["verdict"] else "")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=5, help="least length of a turn")
    parser.add_argument("--threads", type=int, default=CORES)
    parser.add_argument("--models", nargs="+", choices=MODELS, default=DEFAULT, metavar="MODEL",
                        help=f"of: {'; '.join(MODELS)} (default: all but stylegan-fast)")
    parser.add_argument("--new", metavar="COMMIT", help="to be judged, in the place of the files as they are")
    parser.add_argument("--old", default=OLD, metavar="COMMIT", help='to compare with, or "none"')
    parser.add_argument("--json", metavar="OUT", help="write all numbers to a file as well")
    parser.add_argument("--quick", action="store_true",
                        help="two short rounds of the small models: whether it works, no numbers to keep")
    args = parser.parse_args()
    args.sizes, args.faces = (1024, 2048, 4096), FACES
    if args.quick:
        args.rounds, args.seconds, args.sizes, args.faces = 2, 0.1, (512, 1024), 50
        args.models = [label for label in args.models if "profile cpu" in label]
    return args


def main():
    import torch

    sys.path.insert(0, str(ROOT))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # it clears up, as after Ctrl-C
    args = arguments()
    torch.set_num_threads(args.threads)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        places = make_places(args, folder)
        report = {"about": about(args, places["dtype"]), "models": {}}
        for key, value in report["about"].items():
            print(f"{key.replace('_', ' ')}: {value}")
        if (report["about"]["load_before"] or 0) > CORES / 2:
            print("The machine is busy: what follows says little, shares and ratios included.", flush=True)
        for number, label in enumerate(args.models):
            found, matrix = measure(label, args, places, folder / str(number))
            bars = list(bars_of(label, found))
            show(label, found, bars)
            print(f"  the matrix product: {in_words([rate / 1e9 for rate in matrix])} GFLOP/s")
            report["models"][label] = {"variants": found, "bars": bars, "matrix_flops_per_second": matrix}
    report["about"]["load_after"] = load()
    print(f"\nload after: {report['about']['load_after']}")
    if args.json:
        Path(args.json).write_text(json.dumps(report, indent=1) + "\n")
    missed = [f"{label}: {bar_in_words(bar)}"
              for label, one in report["models"].items() for bar in one["bars"] if bar["missed"]]
    return "\n".join(missed) if missed and not args.quick else 0


if __name__ == "__main__":
    if sys.argv[1:2] == ["--job"]:
        role, given = sys.argv[2], json.loads(sys.argv[3])
        if role == "pack":
            sys.exit(make_pack(given))
        say = talk_over(sys.stdin, os.fdopen(os.dup(1), "w"))
        os.dup2(2, 1)  # what is printed on the way is no answer
        sys.exit({"ours": train_ours, "textbook": train_textbook}[role](given, say))
    sys.exit(main())
