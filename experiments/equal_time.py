"""Models trained for the same time on two CPU cores and measured alike: the results of docs/results.md.

    python experiments/equal_time.py PACK --rates [MODEL ...] [--like MODEL]
                                     images/s of each model; nothing else may be running
    python experiments/equal_time.py PACK [MODEL ...]    train what is missing (or go on), and measure it
    python experiments/equal_time.py PACK --curves [MODEL ...]   FD-lite of all saved generators on the way
    python experiments/equal_time.py PACK --measure FILE ...     rows of generators saved on the way
    python experiments/equal_time.py                     the table, from equal_time.json beside this file
    python experiments/equal_time.py --figure OUT.png    those curves, against minutes of two CPU cores
    python experiments/equal_time.py --ship MODEL NAME [--bad WORDS] [--names ...] [--discriminator]
                                     its generator to ganlib/shipped, its card to data/generators

PACK: real faces at 64x64, as `ganlib data ARCHIVE PACK` makes them. BUDGETS has the minutes of two CPU cores
that models get. They are converted to images at the rates measured, so that a run may be computed anywhere,
and one that was resumed or shared its cores counts like any other. On a slower machine --like MODEL takes
that model's turns among the others, and puts all rates right by its known one. Runs are folders under
data/runs/equal and resume. FD-lite: 10,000 samples without truncation against all real images (curves:
4,096). FD-labels: the same distance in the 256 features of a small network that learned the pack's own
colours of hair and eyes. It is measured only of models that have not learned these themselves.
"""
import argparse
import json
import re
import statistics
import tempfile
from itertools import pairwise
from pathlib import Path

RESULTS = Path(__file__).with_suffix(".json")
GALLERY = Path(__file__).resolve().parent.parent / "data" / "generators"
SAMPLES = 10_000
CURVE_SAMPLES = 4_096
AUGMENT = "color,translation,cutout"
PLAIN = dict(loss="bce", penalty="r1")
MODELS = {  # name: (preset, its profile, what differs from it, what it is)
    "dcgan": ("dcgan", None, {}, "the report's"),
    "lsgan": ("lsgan", None, {}, "the report's, least squares"),
    "dcgan-10k": ("dcgan-10k", None, {}, "AnimeCharacterDCGANGeneration's"),
    "wgan-gp": ("wgan-gp", None, {}, "five critic steps, gradient penalty"),
    "wgan-gp-ttur": ("wgan-gp-ttur", None, {}, "one critic step, at three times G's learning rate"),
    "dcgan-cpu": (
        "dcgan", "cpu", {},
        "the report's, half the channels, batches of 16, a faster D, noise on all that D sees"),
    "lsgan-cpu": ("lsgan", "cpu", {}, "dcgan-cpu with least squares"),
    "dcgan-augmented": ("dcgan", None, dict(augment=AUGMENT), "the report's, with DiffAugment"),
    "lsgan-augmented": (
        "lsgan", None, dict(augment=AUGMENT), "the report's, least squares, with DiffAugment"),
    "stylegan": ("stylegan", "cpu", {}, "the report's, growing, 128 channels at most"),
    "pairs": (
        "stylegan-fast", "cpu", {}, "16 channels at 64x64, batches of 16, relativistic loss, R1 and R2"),
    "labels": ("stylegan-labels", "cpu", {}, "pairs, told the colours of hair and eyes"),
    "narrow": ("stylegan-fast", "cpu", PLAIN, "pairs with the non-saturating loss and R1"),
    "wide": (
        "stylegan-fast", "cpu", PLAIN | dict(width=32, d_width=24),
        "narrow with 32 channels at 64x64 in G and 24 in D"),
    "full": (
        "stylegan-fast", None, dict(max_width=192),
        "64 channels at 64x64, batches of 32; trained on a GPU"),
    "projected": ("stylegan-projected", "cpu", dict(batch=16), "D on frozen features of EfficientNet-Lite0"),
}
BUDGETS = {  # minutes: models
    30: ("narrow", "wide", "pairs", "projected", "dcgan-cpu", "lsgan-cpu"),
    90: ("dcgan", "lsgan", "dcgan-10k", "wgan-gp", "stylegan", "narrow", "pairs", "dcgan-cpu",
         "wgan-gp-ttur", "dcgan-augmented", "lsgan-augmented"),
}


def config_of(name, **changes):
    from ganlib.presets import preset
    kind, profile, values, _ = MODELS[name]
    return preset(kind, profile, **(values | changes))


def load():
    return json.loads(RESULTS.read_text()) if RESULTS.exists() else {"rates": {}, "rows": {}}


def keep(found):
    from ganlib.files import write_atomic
    write_atomic(RESULTS, (json.dumps(found, indent=1) + "\n").encode())


def phases(name):
    """{images at which it begins: what makes a training begin there} of each phase of a model's schedule."""
    from ganlib.training.schedule import steps_of
    grow = {size: kimg for size, kimg in steps_of(config_of(name).grow).items() if size <= 64}

    def begin_at(first):
        return dict(grow=" ".join(f"{size}:{0 if size <= first else 1000}" for size in grow), fade_kimg=0)
    return {0: begin_at(4)} | {round(1000 * kimg): begin_at(size) for size, kimg in grow.items()}


def measure_rates(pack, names, like=None, rounds=3, seconds=20):
    """Images/s of the training loop on two threads: the median of rounds, in which models take turns.

    like: a model whose rate is known. It takes turns with the others, keeps its rate, and theirs are put
    right by it.
    """
    import torch

    from ganlib.runs.folder import read_log
    from ganlib.training.loop import train
    torch.set_num_threads(2)
    measured = [*names] if like in (None, *names) else [like, *names]
    found, rates = load(), {(name, at): [] for name in measured for at in phases(name)}
    for _ in range(rounds):
        for (name, at), values in rates.items():
            config = config_of(name, minutes=seconds / 60, images=0, log_images=320, frames=0, generators=0,
                               **phases(name)[at])
            with tempfile.TemporaryDirectory() as folder:
                train(config, pack, folder, progress=False)
                records, _ = read_log(folder)
            late = records[len(records) // 3:]  # the first steps are slow
            values.append(statistics.median(r["images_per_second"] for r in late))
            print(f"{name:10} from {at:6,} images on: {values[-1]:6.1f} images/s", flush=True)
    factor = found["rates"][like]["0"] / statistics.median(rates[like, 0]) if like else 1
    for (name, at), values in rates.items():
        if name != like:
            found["rates"].setdefault(name, {})[str(at)] = round(factor * statistics.median(values), 1)
    keep(found)


def stretches(rates):
    """[(first image, last image, images/s between them), ...]; rates: {images: images/s from there on}."""
    starts = [*map(int, rates), 10**9]
    return [(start, end, rate) for (start, end), rate in zip(pairwise(starts), rates.values(), strict=True)]


def images_in(minutes, rates):
    """How many images a model sees in so many minutes, in whole thousands."""
    left = 60 * minutes
    seen = 0
    for start, end, rate in stretches(rates):
        seen = min(end, start + left * rate)
        left -= (seen - start) / rate
        if seen < end:
            break
    return round(seen / 1000) * 1000


def minutes_of(images, rates):
    """How many minutes a model takes to see so many images: the inverse of `images_in`."""
    passed = [(start, end, rate) for start, end, rate in stretches(rates) if images > start]
    return sum((min(end, images) - start) / rate / 60 for start, end, rate in passed)


def figure(out):
    """The curves of all models as a PNG: FD-lite against minutes, both on logarithmic axes.

    The best point of each is marked, and the legend has its value. Those of a second run of a model ("NAME,
    again") are dashed, and may begin late.
    """
    import matplotlib

    from ganlib.files import write_atomic
    from ganlib.images import encoded
    from ganlib.view.curves import Figure
    found = load()
    axes = Figure(figsize=(9, 5), dpi=120, layout="constrained").subplots()
    tab20 = matplotlib.colormaps["tab20"].colors  # dark and light in turn: here the dark ones first
    axes.set_prop_cycle(color=tab20[::2] + tab20[1::2])
    draw_curves(axes, found)
    real = found["rows"]["real"]["fd"]
    label = f"{real:.0f}  real images, half against half"
    axes.axhline(real, color="black", linestyle=":", label=label)
    axes.set(xscale="log", yscale="log", xlim=(1, None), xlabel="minutes of training on two CPU cores",
             ylabel=f"FD-lite of {CURVE_SAMPLES:,} samples (lower is better)")
    axes.set_xticks([1, 3, 10, 30, 90], ["1", "3", "10", "30", "90"])
    axes.set_yticks([10, 30, 100, 300, 1000], ["10", "30", "100", "300", "1,000"])
    axes.minorticks_off()
    axes.grid(alpha=0.3)
    axes.figure.legend(fontsize=8, loc="outside lower center", ncols=2)
    write_atomic(out, encoded(axes.figure.savefig))


def draw_curves(axes, found):
    """The curves of all models, the best first; second runs last, in the colour of the first."""
    best = {}
    for key, points in found["curves"].items():
        name = key.partition(", ")[0]
        best[name] = min(best.get(name, 1e9), *(fd for _, fd in points))
    colors = {}
    in_order = sorted(found["curves"], key=lambda key: (", " in key, best[key.partition(", ")[0]]))
    for key in in_order:
        name, _, again = key.partition(", ")
        x = [minutes_of(images, found["rates"][name]) for images, _ in found["curves"][key]]
        y = [fd for _, fd in found["curves"][key]]
        label = None if again else f"{best[name]:.0f}  {recipe_of(name).replace('`', '')}"
        style = "--" if again else "-"
        line, = axes.plot(x, y, style, linewidth=1.5, color=colors.get(name), label=label)
        colors[name] = line.get_color()
        if best[name] in y:
            axes.plot(x[y.index(best[name])], best[name], "o", color=colors[name])


def label_features(pack):
    """The function from uint8 images (N, 64, 64, 3) to 256 features of a network that knows the labels."""
    import torch
    from torch import nn

    from ganlib.files import data_dir
    torch.manual_seed(0)
    path = data_dir() / "stats" / f"labels-{pack.hash}.pt"
    heads = [len(names) for names in pack.attributes.values()]
    widths = (3, 32, 64, 128, 256)
    layers = []
    for a, b in pairwise(widths):
        layers += [nn.Conv2d(a, b, 4, 2, 1, bias=False), nn.BatchNorm2d(b), nn.LeakyReLU(0.2)]
    body = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())
    net = nn.Sequential(body, nn.Dropout(0.3), nn.Linear(widths[-1], sum(heads)))
    if path.exists():
        net.load_state_dict(torch.load(path, weights_only=True))
    else:
        train_on_labels(net, heads, pack)
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.save(net.state_dict(), path)
    body.eval()

    def describe(images):
        with torch.inference_mode():
            parts = [body(as_tensor(images[i:i + 256])) for i in range(0, len(images), 256)]
            return torch.cat(parts).numpy()
    return describe


def as_tensor(images):
    import torch
    return torch.from_numpy(images).permute(0, 3, 1, 2).float() / 127.5 - 1


def train_on_labels(net, heads, pack, held=1_000, epochs=12):
    """Train the network on all labels but those of `held` images, and print what it knows of these."""
    import torch
    from torch import nn
    order = torch.randperm(len(pack))
    x, y = as_tensor(pack.images), torch.from_numpy(pack.labels).long()
    optimizer = torch.optim.AdamW(net.parameters(), 2e-3, weight_decay=0.05)
    steps = epochs * -(-(len(pack) - held) // 64)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, steps)
    for _ in range(epochs):
        net.train()
        for batch in order[held:][torch.randperm(len(pack) - held)].split(64):
            some = x[batch].flip(3) if torch.rand(()) < 0.5 else x[batch]
            answers = net(some).split(heads, 1)
            loss = sum(nn.functional.cross_entropy(a, y[batch, k], ignore_index=-1, label_smoothing=0.1)
                       for k, a in enumerate(answers))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    net.eval()
    with torch.inference_mode():
        answers = net(x[order[:held]]).split(heads, 1)
    for k, (attribute, answer) in enumerate(zip(pack.attributes, answers, strict=True)):
        right = (answer.argmax(1) == y[order[:held], k]).float().mean().item()
        print(f"label network on {held:,} held out: {attribute} {right:.0%}")


def measure(pack, name, run):
    from ganlib.evaluation.distances import frechet
    from ganlib.evaluation.features import gaussian
    from ganlib.evaluation.table import evaluate
    from ganlib.models.sampling import sample
    from ganlib.models.store import load_generator
    table = evaluate(pack, {name: run}, n=SAMPLES, progress=False)
    generator = load_generator(run)
    if not generator.G.attributes:
        describe = label_features(pack)
        faces = sample(generator, SAMPLES, seed=1)
        labels = [frechet(gaussian(describe(a)), gaussian(describe(b)))
                  for a, b in ((pack.images[::2], pack.images[1::2]), (pack.images, faces))]
        for row, value in zip(table.rows, labels, strict=True):
            row.numbers["labels"] = value
    rows = []
    for row in table.rows:
        numbers = row.to_dict().items()
        rows.append({key: round(value, 5) if isinstance(value, float) else value for key, value in numbers})
    return rows, table.about


def measure_and_keep(pack, name, minutes, run):
    (real, row), about = measure(pack, name, run)
    found = load()
    if found.get("about", about)["data"] != about["data"]:
        raise SystemExit(f"error: the results are of the pack {found['about']['data']}, and this is "
                         f"{about['data']}.")
    found["about"], found["rows"]["real"] = about, found["rows"].get("real", {}) | real
    found["rows"][f"{name}, {minutes} minutes"] = row | {"minutes": minutes}
    keep(found)
    print(row, flush=True)


def run_of(name):
    from ganlib.files import data_dir
    return data_dir() / "runs" / "equal" / name


def train_all(pack, names):
    """Train models to their budgets; (name, minutes, the generator kept there) of each."""
    import shutil

    from ganlib.training.loop import train
    for minutes, those in BUDGETS.items():
        for name in (n for n in names if n in those):
            images, run = images_in(minutes, load()["rates"][name]), run_of(name)
            kept = run / f"{minutes}-minutes.safetensors"
            if not kept.exists():
                print(f"{name}, {minutes} minutes: {images:,} images", flush=True)
                config = config_of(name, images=images, minutes=0, frames=60, generators=16, score="off")
                if train(config, pack, run).stopped != "budget":
                    return
                shutil.copy(run / "generator.safetensors", kept)
            yield name, minutes, kept


def run_all(pack, names):
    from ganlib.data.packs import load_pack
    pack = load_pack(pack)
    for name, minutes, generator in train_all(pack, names):
        if f"{name}, {minutes} minutes" not in load()["rows"]:
            measure_and_keep(pack, name, minutes, generator)


def measure_files(pack, paths):
    """Rows of single generator files of runs, at the minutes that they stand for."""
    from ganlib.data.packs import load_pack
    from ganlib.models.store import load_generator
    pack = load_pack(pack)
    for path in map(Path, paths):
        name = path.parent.parent.name if path.parent.name == "snapshots" else path.parent.name
        minutes = round(minutes_of(int(load_generator(path).info["images"]), load()["rates"][name]))
        measure_and_keep(pack, name, minutes, path)


def curve(pack, name):
    """[[images seen, FD-lite of CURVE_SAMPLES samples], ...] of a run's saved generators and its last."""
    from ganlib.evaluation.distances import frechet
    from ganlib.evaluation.features import DEVICE, features, gaussian, real_statistics
    from ganlib.models.sampling import sample
    from ganlib.models.store import load_generator
    run, points, real = run_of(name), {}, real_statistics(pack)[1]
    for path in (*(run / "snapshots").glob("*.safetensors"), run / "generator.safetensors"):
        generator = load_generator(path, DEVICE)
        faces = features(sample(generator, CURVE_SAMPLES, seed=1), progress=False)
        points[int(generator.info["images"])] = round(frechet(real, gaussian(faces)), 1)
    return sorted(points.items())


def curves(pack, names):
    from ganlib.data.packs import load_pack
    pack = load_pack(pack)
    for name in (n for n in names if run_of(n).exists()):
        points, found = curve(pack, name), load()  # in this order: a row may be measured meanwhile
        found.setdefault("curves", {})[name] = points
        keep(found)
        print(name, found["curves"][name], flush=True)


CARD = """# {name}

{what}: {params:.1f} million parameters, 64x64 pixels, the averaged weights of the generator in half
precision.

- Trained on {real} anime faces of 64x64 pixels (data hash `{data}`), {images:,} images seen,
  {minutes} minutes of training time on {device}; two CPU cores take {cpu:.0f}, with nothing else running.
  The recipe is in `config.json`.{began}
{scores}
{bad}
- The pictures that it learned from are the work of their artists; what it draws is for research and play.
  It knows what was in the set, mostly young women in a few styles, and nothing else.

{pictures}
"""


def ship(model, name, bad, directions=(), with_d=False):
    """A model's generator to ganlib/shipped/NAME; its recipe, pictures and card to data/generators/NAME."""
    import shutil

    import ship_discriminator

    from ganlib.images import grid
    from ganlib.models.sampling import sample
    from ganlib.models.store import SHIPPED, load_generator, save_generator
    from ganlib.play.directions import make_directions
    from ganlib.view.movies import gif
    run, folder, weights = run_of(model), GALLERY / name, SHIPPED / name
    generator = load_generator(run)
    images, seconds = int(generator.info["images"]), float(generator.info["train_seconds"])
    folder.mkdir(parents=True, exist_ok=True)
    save_generator(weights / "generator.safetensors", generator.G, generator.config, images, seconds,
                   half=True)
    shutil.copy(run / "config.json", folder)
    faces = sample(load_generator(weights), 64, seed=1)
    grid(faces, columns=16).save(folder / "samples.webp", quality=95, method=6)
    more = ""
    if (run / "samples").exists():
        gif(run, folder / "progress.webp", max_bytes=1_300_000, include_real=False)
        more = " The training: `progress.webp`."
    if generator.has_styles:
        make_directions(weights, directions)
    if generator.G.attributes:
        draw_orders(load_generator(weights), folder)
        more += " All colours of one face: `orders.webp`. A walk through the colours of hair: `colours.webp`."
    if with_d:
        ship_discriminator.ship(run, name)
        more += " Its discriminator comes with it, for fine-tuning."
    (folder / "README.md").write_text(card_of(model, name, generator, bad, more))


def draw_orders(generator, folder, seed=3, psi=0.8):
    """One face in all colours, and a walk through the colours of its hair, as pictures in a folder."""
    from ganlib.models.sampling import generate
    from ganlib.play.styles import label_sheet, walk_through
    from ganlib.view.movies import movie
    label_sheet(generator, seed, psi).save(folder / "orders.webp", quality=90, method=6)
    colours = {"hair": generator.G.attributes["hair"]}
    way = walk_through(generator, seeds=[seed], frames=96, psi=psi, labels=colours, loop=True)
    movie(folder / "colours.webp", generate(generator, way))


def card_of(model, name, generator, bad, more):
    import textwrap

    from ganlib.runs.folder import read_log
    from ganlib.runs.origin import begun_with
    found = load()
    images, seconds = int(generator.info["images"]), float(generator.info["train_seconds"])
    start = [event for event in read_log(run_of(model))[1] if event["event"] == "start"][-1]
    device = start["device"]
    real = re.search(r"\(([\d,]+) images", start.get("pack", ""))  # older logs do not name the pack
    origin = begun_with(generator.config)
    began = "\n- It began with the weights of `{name}`: {images:,} images seen, data hash `{data}`."

    def point(text):
        return textwrap.fill(text, 106, initial_indent="- ", subsequent_indent="  ")

    return CARD.format(
        name=name,
        what=f"Preset `{generator.config.preset}`",
        params=sum(p.numel() for p in generator.G.parameters()) / 1e6,
        scores=point(scores_of(model, images, found)),
        bad=point(f"What it is bad at: {bad}"),
        real=real[1] if real else f"{found['about']['real']:,}",
        data=generator.config.data,
        images=images,
        began=began.format(**origin) if origin else "",
        minutes=round(seconds / 60, 1 if seconds < 600 else None),
        cpu=minutes_of(images, found["rates"][model]),
        device=f"one {device}" if device != "cpu" else "a shared CPU",
        pictures=textwrap.fill(f"Faces of seed 1, not picked: `samples.webp`.{more}", 106),
    )


def scores_of(model, images, found):
    """What was measured of a model at so many images, in words."""
    rows = [row for row in found["rows"].values() if row.get("images") == images and row["name"] == model]
    if not rows:
        return "Not measured at this point of its training."
    row, real = rows[0], found["rows"]["real"]
    return (f"FD-lite {row['fd']:.0f} ± {row['spread']['fd']:.1f} on 10,000 samples without truncation (real "
            f"images, half against half: {real['fd']:.1f}), KID x 1000 {1000 * row['kid']:.1f}, precision "
            f"{row['precision']:.2f}, recall {row['recall']:.2f}, coverage {row['coverage']:.2f}, median gap "
            f"of the irises' colours {row['eye_gap']:.0f} ({real['eye_gap']:.0f}). FD-lite is not FID.")


# -- tables: of the shell, and those that docs/tables.py writes into the Markdown files

KEYS = ("images", "minutes", "fd", "kid", "precision", "recall", "density", "coverage", "eye_gap", "labels")
# The README's rows, in a reader's words; "{}": the name of a generator that comes with ganlib
README_ROWS = {
    "real": "real pictures, half against half: the best possible FD-lite",
    "full, 289 minutes": "{}: style-based, large",
    "labels, 86 minutes": "{}: small enough for a laptop; takes orders",
    "dcgan-cpu, 33 minutes": "{}: DCGAN in small batches",
    "stylegan, 90 minutes": "{}: the StyleGAN that grows",
    "lsgan-cpu, 25 minutes": "{}: least squares, small batches",
    "wgan-gp-ttur, 81 minutes": "{}: Wasserstein distance",
    "dcgan, 75 minutes": "{}: DCGAN as Wu, Xu and Lu have it",
}
# ... and those of the sentence below: the best DCGAN of the table, and one of a smaller distance, whose
# pictures are faded
README_SENTENCE = ("dcgan-cpu, 33 minutes", "dcgan-10k, 67 minutes")
# Which rows to hold beside the FIDs of report.json: its model, a model here, and a DCGAN that has had about
# as much
BESIDE = [
    ("dcgan", "dcgan, 90 minutes", "dcgan, 90 minutes"),
    ("lsgan", "lsgan, 67 minutes", "dcgan, 75 minutes"),
    ("lsgan", "lsgan-cpu, 25 minutes", "dcgan-cpu, 33 minutes"),
    ("stylegan", "stylegan, 90 minutes", "dcgan, 90 minutes"),
    ("stylegan", "pairs, 90 minutes", "dcgan, 90 minutes"),
]


def table(found):
    """The Table of all rows, the best first; `of dcgan`: the part of its distance after the same minutes."""
    from ganlib.evaluation.table import Table, TableRow
    rows = []
    for key, row in in_order(found):
        name, _, after = key.partition(", ")
        other = found["rows"].get(f"dcgan, {after}")
        numbers = {k: row[k] for k in KEYS if k in row}
        if name in found["rates"]:
            numbers = {"per second": [*found["rates"][name].values()][-1]} | numbers
        if other:
            numbers["of dcgan"] = row["fd"] / other["fd"]
        rows.append(TableRow(f"{key}: {MODELS[name][3]}" if after else row["name"], numbers, row["spread"]))
    return Table(rows, found["about"])


def in_order(found):
    """[(key, row), ...] of all that was measured, the best first."""
    return sorted(found["rows"].items(), key=lambda item: item[1]["fd"])


def recipe_of(name):
    """What a reader types to get a model: `preset`, its profile, and the keys that differ."""
    kind, profile, values, _ = MODELS[name]
    words = [f"`{kind}`"] + [f"profile `{profile}`"] * (profile is not None)
    return ", ".join(words + [f"`{key}={value}`" for key, value in values.items()])


OF_SHIPPED = {"stylegan-fast": "full", "stylegan-labels": "labels"}  # those that are not called as here


def shipped():
    """{key of a row: name of the generator that comes with ganlib}: those of as many images."""
    from ganlib.models.store import SHIPPED, load_generator
    found = {}
    for path in sorted(SHIPPED.glob("*/generator.safetensors")):
        name = path.parent.name
        images = int(load_generator(name).info["images"])
        model = OF_SHIPPED.get(name, name)
        found |= {key: name for key, row in load()["rows"].items()
                  if key.startswith(f"{model}, ") and row["images"] == images}
    return found


def short(value, exact=False):
    """A number as the tables have it: 0.09, 9.2, 185, 1,248; exact: two digits behind the point."""
    if exact or abs(value) < 1:
        return f"{value:.2f}"
    return f"{value:,.1f}" if abs(value) < 100 else f"{value:,.0f}"


def with_spread(row, key):
    """A number and its spread over the draws, where that was kept."""
    spread = row["spread"].get(key)
    return short(row[key]) + (f"\N{NO-BREAK SPACE}±\N{NO-BREAK SPACE}{spread:.1f}" if spread else "")


def markdown(head, rows):
    """A Markdown table of a list of titles and lists of cells."""
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *rows))


def model_cell(key, row, names):
    """A model's recipe, in bold where its generator comes with ganlib."""
    if key == "real":
        return row["name"]
    recipe = recipe_of(key.partition(", ")[0])
    return f"**{recipe}**" if key in names else recipe


def readme_table(found):
    """At most eight rows and five columns: how long, how good, how varied; and one sentence."""
    names, rows = shipped(), []
    for key, words in README_ROWS.items():
        row = found["rows"][key]
        minutes = f"{row['minutes']:.0f}" if "minutes" in row else ""
        model = words.format(f"**{names[key]}**") if key in names else words
        rows.append([model, minutes, short(row["fd"]), short(row["precision"]), short(row["recall"])])
    dcgan, grey = (found["rows"][key] for key in README_SENTENCE)
    return (f"{markdown(['model', 'minutes', 'FD-lite', 'precision', 'recall'], rows)}\n\nThe newer "
            f"style-based networks are far ahead.\nThe best DCGAN of this table has {short(dcgan['fd'])} "
            f"after {dcgan['minutes']} minutes. Another one, `{grey['name']}`, has {short(grey['fd'])} after "
            f"{grey['minutes']}: its faces are [sharp, but grey](docs/results.md#what-it-shows).")


def distances_table(found):
    """How far each model's pictures are from the real ones, by three measures."""
    names, rows = shipped(), []
    for key, row in in_order(found):
        seen = [f"{row['images']:,.0f}", f"{row['minutes']:.0f}"] if "images" in row else ["", ""]
        labels = short(row["labels"]) if "labels" in row else ""
        rows.append([model_cell(key, row, names), *seen, with_spread(row, "fd"), labels,
                     short(1000 * row["kid"])])
    return markdown(["model", "images seen", "minutes", "FD-lite", "FD-labels", "KID × 1000"], rows)


def likeness_table(found):
    """How real and how varied the pictures are, in the order of the table of distances."""
    keys = ("precision", "recall", "density", "coverage", "nearest")
    names, rows = shipped(), []
    for key, row in in_order(found):
        minutes = f"{row['minutes']:.0f}" if "minutes" in row else ""
        cells = [short(row[k], exact=True) if k in row else "" for k in keys]
        gap = f"{row['eye_gap']:.0f}" if "eye_gap" in row else ""
        rows.append([model_cell(key, row, names), minutes, *cells, gap])
    return markdown(["model", "minutes", *keys, "eye gap"], rows)


def models_table(found):
    """The models by the names that this program has for them, with their pace on two CPU cores."""
    rows = []
    for name, (*_, what) in MODELS.items():
        rate = [f"{rate:.0f}" for rate in found["rates"].get(name, {}).values()]
        pace = rate[0] if len(rate) == 1 else f"{rate[0]} at first, {rate[-1]} at last" if rate else ""
        rows.append([name, recipe_of(name), what, pace])
    return markdown(["name", "recipe", "what it is", "images a second"], rows)


def report_table(found):
    """The report's FIDs and the distances here, each beside its ratio to a DCGAN's."""
    fids = json.loads(RESULTS.with_name("report.json").read_text())["fid"]
    rows = []
    for model, key, other in BESIDE:
        row, dcgan = found["rows"][key], found["rows"][other]
        rows.append([
            model, f"{fids[model]:.1f}", f"{fids[model] / fids['dcgan']:.2g}",
            f"{short(row['fd'])}: {recipe_of(key.partition(', ')[0])}, {row['minutes']} minutes",
            f"{row['fd'] / dcgan['fd']:.2g}", f"{short(dcgan['fd'])}, {dcgan['minutes']} minutes"])
    head = ["model", "report: FID", "ratio to its DCGAN", "here: FD-lite", "ratio to our DCGAN", "our DCGAN"]
    return markdown(head, rows)


def gallery_table(found):
    """The generators that come with ganlib, the best first, and the real images."""
    names, real = shipped(), found["rows"]["real"]
    rows = [[real["name"], "", short(real["fd"]), ""]]
    rows += [[f"[{names[key]}]({names[key]}/README.md)", recipe_of(key.partition(", ")[0]), short(row["fd"]),
             f"{row['minutes']:.0f}"] for key, row in in_order(found) if key in names]
    return markdown(["generator", "recipe", "FD-lite", "minutes"], rows)


def main():
    as_written = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=as_written)
    parser.add_argument("pack", nargs="?")
    parser.add_argument("models", nargs="*", metavar="MODEL", help=", ".join(MODELS))
    parser.add_argument("--rates", action="store_true")
    parser.add_argument("--like", metavar="MODEL", help="whose known rate puts the others right")
    parser.add_argument("--curves", action="store_true")
    parser.add_argument("--measure", nargs="+", metavar="FILE", help="generators saved on the way")
    parser.add_argument("--figure", metavar="OUT.png")
    parser.add_argument("--ship", nargs=2, metavar=("MODEL", "NAME"))
    parser.add_argument("--bad", default="", help="for the card: what it is bad at")
    parser.add_argument("--discriminator", action="store_true", help="ship it as well")
    parser.add_argument("--names", nargs="*", default=(), help="what its first directions do")
    args = parser.parse_intermixed_args()
    if args.figure:
        return figure(args.figure)
    if args.ship:
        return ship(*args.ship, args.bad, args.names, args.discriminator)
    names = args.models or list(MODELS)
    if args.pack and args.rates:
        measure_rates(args.pack, names, args.like)
    elif args.pack and args.measure:
        measure_files(args.pack, args.measure)
    elif args.pack and args.curves:
        curves(args.pack, names)
    elif args.pack:
        run_all(args.pack, names)
    print(table(load()) if load()["rows"] else "Nothing is measured yet.")


if __name__ == "__main__":
    main()
