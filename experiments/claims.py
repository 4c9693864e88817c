"""The seeds' claims on what helps and what hurts, tested on real faces: three random seeds, equal images seen.

    python experiments/claims.py PACK32 PACK28 [--jobs 2]    run what is missing; call it again to go on
    python experiments/claims.py --check PACK64              the first and the last of them once more at 64x64
    python experiments/claims.py                             the tables, from claims.json beside this file
    --out FILE.json     with any of these: another file of results, for faces of your own

PACK32 and PACK28: packs of the same faces at 32x32 and 28x28, as `ganlib data ARCHIVE PACK --size 32` makes them.
Every run is a folder under data/runs/claims (of another file: under its name) and resumes; its result goes into the file
when it is finished.
All of a kind: narrow networks (width 32, bf16), IMAGES images seen, 4,096 samples of the averaged generator for
FD-lite against all real images. The check has the full width.
"""
import argparse
import json
import multiprocessing
import os
import statistics
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

OURS = RESULTS = Path(__file__).with_suffix(".json")
IMAGES, LONGER, SEEDS, SAMPLES, WIDTH = 200_000, 400_000, (0, 1, 2), 4_096, 32

# name: (preset, what differs from it)
ARMS = {
    "dcgan": ("dcgan", {}),
    "dcgan, hard labels": ("dcgan", dict(real_label=1, fake_label=0)),
    "dcgan, D as fast": ("dcgan", dict(lr_d=0.0005)),
    "dcgan, equal rates": ("dcgan", dict(lr_g=0.0002, lr_d=0.0002)),
    "lsgan": ("lsgan", {}),
    "dcgan-10k": ("dcgan-10k", {}),
    "dcgan-10k, no decay": ("dcgan-10k", dict(weight_decay=0)),
    "dcgan-10k, no noise": ("dcgan-10k", dict(label_noise=0)),
    "dcgan-residual": ("dcgan-residual", {}),
    "dcgan-28": ("dcgan-28", {}),
    "dcgan-28-rmsprop": ("dcgan-28-rmsprop", {}),
    "dcgan-28-sgd": ("dcgan-28-sgd", {}),
    "dcgan-28-mse": ("dcgan-28-mse", {}),
    "wgan": ("wgan", {}),
    "wgan-gp": ("wgan-gp", {}),
    "v1": ("v1", {}),
    "v1, gate 0.2": ("v1", dict(d_gate=0.2)),
    "v2": ("v2", {}),
    "v3": ("v3", {}),
    "v3, no gate": ("v3", dict(d_gate=0)),
    "v4.1": ("v4.1", {}),
    "v4.2": ("v4.2", {}),
    "v4.3": ("v4.3", {}),
    "v4.3, sum": ("v4.3", dict(d_gate=0.1)),  # if the gate of 0.2 was meant for the sum of D's losses, not half of it
    "dcgan-10k, all of it": ("dcgan-10k", dict(images=640_000)),  # its 10,000 iterations
    "dcgan-28, -1..1": ("dcgan-28", dict(values="-1..1")),
    # the report's rates are for 150 epochs: at IMAGES its networks have learned next to nothing
    "dcgan, longer": ("dcgan", dict(images=LONGER)),
    "dcgan, hard labels, longer": ("dcgan", dict(real_label=1, fake_label=0, images=LONGER)),
    "lsgan, longer": ("lsgan", dict(images=LONGER)),
}

A, M, F = "AnimeCharacterDCGANGeneration", "Menon & Dubey", "AnimeFacesWithGAN"

# (claim, where it is made, the arm that should be better, the other one, measure, "lower" or "higher" is better).
# "faces": the share of 500 samples in which animeface finds a face, over that of real images of the same size
CLAIMS = [
    ("LSGAN's pictures are worse than DCGAN's", "report, table 1", "dcgan, hard labels, longer", "lsgan, longer", "fd", "lower"),
    ("LSGAN's pictures vary less", "report, 5.2", "dcgan, hard labels, longer", "lsgan, longer", "diversity", "higher"),
    ("LSGAN learns more steadily: D's accuracy jumps less", "report, 5.2", "lsgan, longer", "dcgan, hard labels, longer",
     "unrest", "lower"),
    ("Fuzzy labels make D weaker", "report, 4.1", "dcgan, longer", "dcgan, hard labels, longer", "accuracy", "lower"),
    ("Fuzzy labels: better pictures?", "report, 4.1", "dcgan, longer", "dcgan, hard labels, longer", "fd", "lower"),
    ("D should learn more slowly than G", "report, 4.1", "dcgan", "dcgan, D as fast", "fd", "lower"),
    ("Weight decay of 1e-8 keeps the weights small", A, "dcgan-10k", "dcgan-10k, no decay", "weights", "lower"),
    ("Normal noise on the labels improves D", A, "dcgan-10k", "dcgan-10k, no noise", "accuracy", "higher"),
    ("Normal noise on the labels: better pictures?", A, "dcgan-10k", "dcgan-10k, no noise", "fd", "lower"),
    ("10,000 iterations at 0.0004 give faces that can be told", A, "dcgan-10k, all of it", None, "faces", "higher"),
    ("More iterations would help", A, "dcgan-10k, all of it", "dcgan-10k", "fd", "lower"),
    ("Residual blocks would help", A, "dcgan-residual", "dcgan-10k", "fd", "lower"),
    ("Pixels of 0 to 1: better than -1 to 1?", M, "dcgan-28", "dcgan-28, -1..1", "fd", "lower"),
    ("Adam is recommended: better than RMSprop?", f"{M}, after Radford et al.", "dcgan-28", "dcgan-28-rmsprop", "fd",
     "lower"),
    ("Adam is recommended: better than SGD?", f"{M}, after Radford et al.", "dcgan-28", "dcgan-28-sgd", "fd", "lower"),
    ("Cross-entropy is recommended: better than squared error?", f"{M}, after Radford et al.", "dcgan-28", "dcgan-28-mse",
     "fd", "lower"),
    ("WGAN's recipe, the next objective: better than DCGAN's?", M, "wgan", "dcgan, equal rates", "fd", "lower"),
    ("A gradient penalty is better than clipping", "Gulrajani et al. 2017", "wgan-gp", "wgan", "fd", "lower"),
    ("LeakyReLU in the generator collapses", f"{F}, v2", "v1", "v2", "diversity", "higher"),
    ("One-sided smoothing: better pictures?", f"{F}, v3", "v3, no gate", "v1", "fd", "lower"),
    ("A gate on D stabilises: G's loss varies less", f"{F}, v3", "v1, gate 0.2", "v1", "swing", "lower"),
    ("A gate on D: better pictures?", f"{F}, v3", "v1, gate 0.2", "v1", "fd", "lower"),
    ("Tried: a gate of 0.1 in the place of 0.2", f"{F}, v4.1", "v4.1", "v3", "fd", "lower"),
    ("Tried: a gate of 0.3 in the place of 0.2", f"{F}, v4.2", "v4.2", "v3", "fd", "lower"),
    ("The same: steadier?", f"{F}, v4.2", "v4.2", "v3", "swing", "lower"),
    ("Tried: G learns only while its loss is above 4", f"{F}, v4.3", "v4.3", "v3", "fd", "lower"),
    ("The same, with the gates on the sum of D's losses", f"{F}, v4.3", "v4.3, sum", "v3, no gate", "fd", "lower"),
]
UNTRAINED = 1_000  # v4.3's generator, which no update ever reached, has 1,042: above this FD-lite ranks nothing
WITH_FACES = {arm for _, _, arm, _, key, _ in CLAIMS if key == "faces"}


def one(arm, seed, packs, folder, **changes):
    """Train one arm with one seed (or go on with it), and measure it."""
    os.environ["OMP_NUM_THREADS"] = "1"
    import torch

    from ganlib.data.detector import detector_trouble
    from ganlib.data.packs import load_pack
    from ganlib.evaluation.distances import face_numbers, frechet
    from ganlib.evaluation.features import DEVICE, features, gaussian, real_statistics
    from ganlib.models.sampling import sample
    from ganlib.models.store import load_generator
    from ganlib.presets import preset
    from ganlib.training.runs import read_log
    from ganlib.training.loop import train

    torch.set_num_threads(1)
    name, values = ARMS[arm]
    size = 28 if name.startswith("dcgan-28") else 32
    config = preset(name, **(dict(resolution=size, width=WIDTH, images=IMAGES, seed=seed, log_images=2_000, frames=20,
                                  generators=0, minutes=0, checkpoint_minutes=2, precision="bf16") | values | changes))
    pack = load_pack(packs[config.resolution])
    run = folder / f"{arm.replace(', ', '-').replace(' ', '-')}-{seed}"
    if not finished(run, config) and train(config, pack, run, progress=False).stopped != "budget":
        raise KeyboardInterrupt  # it goes on another time
    records, _ = read_log(run)
    generator = load_generator(run, DEVICE)
    images, seconds = int(generator.info["images"]), float(generator.info["train_seconds"])
    late = [r for r in records if r["images"] > images / 2]
    losses, accuracy = ([r[key] for r in late] for key in ("loss_g", "accuracy"))
    fake = gaussian(features(sample(generator, SAMPLES, seed=1), progress=False))
    weights = sum(p.square().sum().item() for p in generator.G.parameters()) ** 0.5
    row = {"arm": arm, "seed": seed, "pack": pack.hash, "images": images, "train_seconds": round(seconds, 1),
           "fd": round(frechet(fake, real_statistics(pack, progress=False)[1]), 2),
           "diversity": [r["diversity"] for r in records if "diversity" in r][-1],
           "swing": round(statistics.stdev(losses) / abs(statistics.mean(losses)), 4),
           "accuracy": round(statistics.mean(accuracy), 4), "device": DEVICE,
           "unrest": round(statistics.mean(abs(b - a) for a, b in zip(accuracy, accuracy[1:])), 4), "weights": round(weights, 3),
           "skipped_d": round(statistics.mean(r.get("skipped_d", 0) for r in records), 4),
           "skipped_g": round(statistics.mean(r.get("skipped_g", 0) for r in records), 4)}
    if arm in WITH_FACES and not detector_trouble():
        share = [face_numbers(x, progress=False)["faces"] for x in (sample(generator, 500, seed=2), pack.images[:500])]
        row["faces"] = round(share[0] / share[1], 3)
    return row


def finished(run, config):
    """Whether a run folder has the generator of its whole budget."""
    from ganlib.errors import GanlibError
    from ganlib.models.store import load_generator
    try:
        return int(load_generator(run).info["images"]) >= config.images
    except GanlibError:
        return False


def runs_folder():
    from ganlib.files import data_dir
    return data_dir() / "runs" / ("claims" if RESULTS == OURS else RESULTS.stem)


def run_all(packs, jobs):
    from ganlib.data.packs import load_pack
    from ganlib.files import write_atomic

    done, folder = load(), runs_folder()
    if strangers := {row["pack"] for row in done.values()} - {load_pack(pack).hash for pack in packs.values()}:
        raise SystemExit(f"{RESULTS} holds results of other faces (packs {', '.join(sorted(strangers))}): name a file for "
                         "those of these packs, as in --out mine.json.")
    missing = [(arm, seed) for seed in SEEDS for arm in ARMS
               if (arm, seed) not in done or arm in WITH_FACES and "faces" not in done[arm, seed]]
    print(f"{len(ARMS) * len(SEEDS) - len(missing)} of {len(ARMS) * len(SEEDS)} runs are done")
    with ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn")) as pool:
        futures = [pool.submit(one, arm, seed, packs, folder) for arm, seed in missing]
        for future in as_completed(futures):
            try:
                row = future.result()
            except Exception as error:  # the others go on; the next call tries it again
                print(f"A run failed: {error}", flush=True)
                continue
            done[row["arm"], row["seed"]] = row
            rows = [done[key] for key in sorted(done, key=lambda k: (list(ARMS).index(k[0]), k[1]))]
            found = {"images": IMAGES, "samples": SAMPLES, "width": WIDTH, "rows": rows, "check": load_check()}
            write_atomic(RESULTS, json.dumps(found, indent=1).encode())
            print(f"{len(done)}: {row}", flush=True)


def check(pack):
    """The first and the last of the recipes, and the next to them, once at 64x64 with networks of the full width."""
    from ganlib.files import write_atomic

    order = ranking(load())
    rows = [one(arm, 0, {64: pack}, runs_folder() / "check", resolution=64, width=64, images=IMAGES)
            for arm in order[:2] + order[-2:]]
    write_atomic(RESULTS, json.dumps(json.loads(RESULTS.read_text()) | {"check": rows}, indent=1).encode())


def load_check():
    return json.loads(RESULTS.read_text()).get("check", []) if RESULTS.exists() else []


def ranking(done):
    """The arms that saw as many images as the others, by their mean distance, the best first."""
    arms = [arm for arm, (_, changes) in ARMS.items() if "images" not in changes and values_of(done, arm, "fd")]
    return sorted(arms, key=lambda arm: statistics.mean(values_of(done, arm, "fd")))


def load():
    if not RESULTS.exists():
        return {}
    return {(row["arm"], row["seed"]): row for row in json.loads(RESULTS.read_text())["rows"] if row["arm"] in ARMS}


def values_of(done, arm, key):
    return [row[key] for (name, _), row in done.items() if name == arm and key in row]


def verdict(better, worse, direction):
    """Held, did not hold (the other way round), or too close to call: Welch's t-test, two-sided, at 5%."""
    from scipy.stats import ttest_ind
    if min(len(better), len(better if worse is None else worse)) < 3:
        return "not run yet"
    if worse is None:  # a share that should be nearly that of real images
        return "held" if min(better) > 0.9 else "did not hold"
    gain = statistics.mean(worse) - statistics.mean(better)
    gain = gain if direction == "lower" else -gain
    close = ttest_ind(better, worse, equal_var=False).pvalue >= 0.05
    return "too close to call" if close else "held" if gain > 0 else "did not hold"


def tables(done):
    """Markdown: the claims with their verdicts, and all arms."""
    def show(values):
        if not values:
            return ""
        spread = f" ± {statistics.stdev(values):.3g}" if len(values) > 1 else ""
        return f"{statistics.mean(values):.4g}{spread}"

    lines = ["| claim | made in | measure | with | without | verdict |", "|---|---|---|---|---|---|"]
    for claim, where, better, other, key, direction in CLAIMS:
        a, b = values_of(done, better, key), values_of(done, other, key) if other else None
        early = b and all(min(values_of(done, arm, "fd"), default=0) > UNTRAINED for arm in (better, other))
        lines.append(f"| {claim} | {where} | {key} ({direction} is better) | {better}: {show(a)} | "
                     f"{f'{other}: {show(b)}' if other else ''} | "
                     f"{'too early to tell' if early else verdict(a, b, direction)} |")
    lines += ["", "| recipe | images seen | FD-lite | diversity | swing of L_G | D's accuracy | skipped updates of D, of G |",
              "|---|---|---|---|---|---|---|"]
    for arm in sorted(ARMS, key=lambda arm: statistics.mean(values_of(done, arm, "fd") or [9e9])):
        cells = [""] * 6
        if images := values_of(done, arm, "images"):
            gates = [statistics.mean(values_of(done, arm, k)) for k in ("skipped_d", "skipped_g")]
            cells = [f"{round(images[0], -3):,}", *(show(values_of(done, arm, k)) for k in ("fd", "diversity", "swing", "accuracy")),
                     f"{gates[0]:.0%}, {gates[1]:.0%}"]
        lines.append(f"| {arm} | {' | '.join(cells)} |")
    if rows := load_check():
        lines += ["", "Once at 64x64 with the full width, FD-lite: " + ", ".join(
            f"{r['arm']} {r['fd']:.0f} (diversity {r['diversity']:.2f})" for r in rows)]
    return "\n".join(lines)


def main():
    global RESULTS
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("packs", nargs="*", metavar="PACK", help="PACK32 PACK28")
    parser.add_argument("--jobs", type=int, default=1, help="runs at the same time, one thread each")
    parser.add_argument("--check", action="store_true", help="the first and the last at 64x64; PACK: that of 64x64")
    parser.add_argument("--out", type=Path, default=RESULTS, help="the file of results")
    args = parser.parse_args()
    RESULTS = args.out
    if args.check:
        check(*args.packs)
    elif args.packs:
        run_all(dict(zip((32, 28), args.packs)), args.jobs)
    print(tables(load()))


if __name__ == "__main__":
    main()
