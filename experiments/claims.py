"""What publications claim to help or hurt, tested on real faces: three random seeds, equal images seen.

    python experiments/claims.py PACK32 PACK28 [--jobs 2]    run what is missing; call it again to go on
    python experiments/claims.py --check PACK64              the first and the last of them once more at 64x64
    python experiments/claims.py                             the tables, from claims.json beside this file
    --out FILE.json     with any of these: another file of results, for faces of your own

PACK32 and PACK28: packs of the same faces at 32x32 and 28x28, as `ganlib data ARCHIVE PACK --size 32` makes
them. Every run is a folder under data/runs/claims (of another file: under its name) and resumes. Its result
goes into the file when it is finished.
All of a kind: narrow networks (width 32, bf16), IMAGES images seen, 4,096 samples of the averaged generator
for FD-lite against all real images. The check has the full width.
"""
import argparse
import json
import math
import multiprocessing
import os
import statistics
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

OURS = RESULTS = Path(__file__).with_suffix(".json")
IMAGES = 200_000
LONGER = 400_000
SEEDS = (0, 1, 2)
SAMPLES = 4_096
WIDTH = 32

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
    # if the gate of 0.2 was meant for the sum of D's losses, not half of it
    "v4.3, sum": ("v4.3", dict(d_gate=0.1)),
    "dcgan-10k, all of it": ("dcgan-10k", dict(images=640_000)),  # its 10,000 iterations
    "dcgan-28, -1..1": ("dcgan-28", dict(values="-1..1")),
    # the report's rates are for 150 epochs: at IMAGES its networks have learned next to nothing
    "dcgan, longer": ("dcgan", dict(images=LONGER)),
    "dcgan, hard labels, longer": ("dcgan", dict(real_label=1, fake_label=0, images=LONGER)),
    "lsgan, longer": ("lsgan", dict(images=LONGER)),
}

ANIME_10K = "AnimeCharacterDCGANGeneration"
MENON = "Menon & Dubey"
FACES = "AnimeFacesWithGAN"


@dataclass(frozen=True)
class Claim:
    """What is said, where, and the two arms that tell: the first should be better, by this measure.

    A measure of "faces" is the share of 500 samples in which animeface finds a face, over that of real images
    of the same size. Such a claim has no second arm.
    """

    text: str
    where: str
    arm: str
    other: str | None
    measure: str
    better: str = "lower"  # or "higher"


CLAIMS = [
    Claim("LSGAN's pictures are worse than DCGAN's", "report, table 1",
          "dcgan, hard labels, longer", "lsgan, longer", "fd"),
    Claim("LSGAN's pictures vary less", "report, 5.2",
          "dcgan, hard labels, longer", "lsgan, longer", "diversity", "higher"),
    Claim("LSGAN learns more steadily: D's accuracy jumps less", "report, 5.2",
          "lsgan, longer", "dcgan, hard labels, longer", "unrest"),
    Claim("Fuzzy labels make D weaker", "report, 4.1",
          "dcgan, longer", "dcgan, hard labels, longer", "accuracy"),
    Claim("Fuzzy labels: better pictures?", "report, 4.1",
          "dcgan, longer", "dcgan, hard labels, longer", "fd"),
    Claim("D should learn more slowly than G", "report, 4.1", "dcgan", "dcgan, D as fast", "fd"),
    Claim("Weight decay of 1e-8 keeps the weights small", ANIME_10K,
          "dcgan-10k", "dcgan-10k, no decay", "weights"),
    Claim("Normal noise on the labels improves D", ANIME_10K,
          "dcgan-10k", "dcgan-10k, no noise", "accuracy", "higher"),
    Claim("Normal noise on the labels: better pictures?", ANIME_10K,
          "dcgan-10k", "dcgan-10k, no noise", "fd"),
    Claim("10,000 iterations at 0.0004 give faces that can be told", ANIME_10K,
          "dcgan-10k, all of it", None, "faces", "higher"),
    Claim("More iterations would help", ANIME_10K, "dcgan-10k, all of it", "dcgan-10k", "fd"),
    Claim("Residual blocks would help", ANIME_10K, "dcgan-residual", "dcgan-10k", "fd"),
    Claim("Pixels of 0 to 1: better than -1 to 1?", MENON, "dcgan-28", "dcgan-28, -1..1", "fd"),
    Claim("Adam is recommended: better than RMSprop?", f"{MENON}, after Radford et al.",
          "dcgan-28", "dcgan-28-rmsprop", "fd"),
    Claim("Adam is recommended: better than SGD?", f"{MENON}, after Radford et al.",
          "dcgan-28", "dcgan-28-sgd", "fd"),
    Claim("Cross-entropy is recommended: better than squared error?", f"{MENON}, after Radford et al.",
          "dcgan-28", "dcgan-28-mse", "fd"),
    Claim("WGAN's recipe, the next objective: better than DCGAN's?", MENON,
          "wgan", "dcgan, equal rates", "fd"),
    Claim("A gradient penalty is better than clipping", "Gulrajani et al. 2017", "wgan-gp", "wgan", "fd"),
    Claim("LeakyReLU in the generator collapses", f"{FACES}, v2", "v1", "v2", "diversity", "higher"),
    Claim("One-sided smoothing: better pictures?", f"{FACES}, v3", "v3, no gate", "v1", "fd"),
    Claim("A gate on D stabilises: G's loss varies less", f"{FACES}, v3", "v1, gate 0.2", "v1", "swing"),
    Claim("A gate on D: better pictures?", f"{FACES}, v3", "v1, gate 0.2", "v1", "fd"),
    Claim("Tried: a gate of 0.1 instead of 0.2", f"{FACES}, v4.1", "v4.1", "v3", "fd"),
    Claim("Tried: a gate of 0.3 instead of 0.2", f"{FACES}, v4.2", "v4.2", "v3", "fd"),
    Claim("The same: steadier?", f"{FACES}, v4.2", "v4.2", "v3", "swing"),
    Claim("Tried: G learns only while its loss is above 4", f"{FACES}, v4.3", "v4.3", "v3", "fd"),
    Claim("The same, with the gates on the sum of D's losses", f"{FACES}, v4.3",
          "v4.3, sum", "v3, no gate", "fd"),
]
# v4.3's generator, which no update ever reached, has 1,042: above this FD-lite ranks nothing
UNTRAINED = 1_000
WITH_FACES = {claim.arm for claim in CLAIMS if claim.measure == "faces"}


def one(arm, seed, packs, folder, **changes):
    """Train one arm with one seed (or go on with it), and measure it."""
    os.environ["OMP_NUM_THREADS"] = "1"
    import torch

    from ganlib.data.packs import load_pack
    from ganlib.training.loop import train

    torch.set_num_threads(1)
    config = config_of(arm, seed, **changes)
    pack = load_pack(packs[config.resolution])
    run = folder / f"{arm.replace(', ', '-').replace(' ', '-')}-{seed}"
    if not finished(run, config) and train(config, pack, run, progress=False).stopped != "budget":
        raise KeyboardInterrupt  # it goes on another time
    return {"arm": arm, "seed": seed} | measured(arm, run, pack)


def config_of(arm, seed, **changes):
    from ganlib.presets import preset
    name, values = ARMS[arm]
    shared = dict(
        resolution=28 if name.startswith("dcgan-28") else 32, width=WIDTH, images=IMAGES, seed=seed,
        log_images=2_000, frames=20, generators=0, minutes=0, checkpoint_minutes=2, precision="bf16")
    return preset(name, **(shared | values | changes))


def measured(arm, run, pack):
    """The numbers of a finished run: of its log, and of its generator's samples."""
    from ganlib.data.detector import detector_trouble
    from ganlib.evaluation.distances import face_numbers, frechet
    from ganlib.evaluation.features import DEVICE, features, gaussian, real_statistics
    from ganlib.models.sampling import sample
    from ganlib.models.store import load_generator
    from ganlib.runs.folder import read_log

    records, _ = read_log(run)
    generator = load_generator(run, DEVICE)
    images = int(generator.info["images"])
    late = [record for record in records if record["images"] > images / 2]
    losses = [record["loss_g"] for record in late]
    accuracy = [record["accuracy"] for record in late]
    jumps = [abs(after - before) for before, after in pairwise(accuracy)]
    fake = gaussian(features(sample(generator, SAMPLES, seed=1), progress=False))
    _, real = real_statistics(pack, progress=False)
    weights = sum(p.square().sum().item() for p in generator.G.parameters()) ** 0.5
    row = {
        "pack": pack.hash,
        "images": images,
        "train_seconds": round(float(generator.info["train_seconds"]), 1),
        "fd": round(frechet(fake, real), 2),
        "diversity": [record["diversity"] for record in records if "diversity" in record][-1],
        "swing": round(statistics.stdev(losses) / abs(statistics.mean(losses)), 4),
        "accuracy": round(statistics.mean(accuracy), 4),
        "device": DEVICE,
        "unrest": round(statistics.mean(jumps), 4),
        "weights": round(weights, 3),
        "skipped_d": round(statistics.mean(record.get("skipped_d", 0) for record in records), 4),
        "skipped_g": round(statistics.mean(record.get("skipped_g", 0) for record in records), 4),
    }
    if arm in WITH_FACES and not detector_trouble():
        ours = face_numbers(sample(generator, 500, seed=2), progress=False)["faces"]
        theirs = face_numbers(pack.images[:500], progress=False)["faces"]
        row["faces"] = round(ours / theirs, 3)
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
    ours = {load_pack(pack).hash for pack in packs.values()}
    if strangers := {row["pack"] for row in done.values()} - ours:
        names = ", ".join(sorted(strangers))
        raise SystemExit(f"{RESULTS} holds results of other faces (packs {names}): name a file for those of "
                         "these packs, as in --out mine.json.")
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
            found = {"images": IMAGES, "samples": SAMPLES, "width": WIDTH, "rows": rows}
            write_atomic(RESULTS, json.dumps(found | {"check": load_check()}, indent=1).encode())
            print(f"{len(done)}: {row}", flush=True)


def check(pack):
    """The two first and the two last of the recipes, once at 64x64 with networks of the full width."""
    from ganlib.files import write_atomic

    order = ranking(load())
    rows = [one(arm, 0, {64: pack}, runs_folder() / "check", resolution=64, width=64, images=IMAGES)
            for arm in order[:2] + order[-2:]]
    found = json.loads(RESULTS.read_text()) | {"check": rows}
    write_atomic(RESULTS, json.dumps(found, indent=1).encode())


def load_check():
    return json.loads(RESULTS.read_text()).get("check", []) if RESULTS.exists() else []


def ranking(done):
    """The arms that saw as many images as the others, by their mean distance, the best first."""
    alike = [arm for arm, (_, changes) in ARMS.items() if "images" not in changes]
    arms = [arm for arm in alike if values_of(done, arm, "fd")]
    return sorted(arms, key=lambda arm: statistics.mean(values_of(done, arm, "fd")))


def load():
    if not RESULTS.exists():
        return {}
    rows = json.loads(RESULTS.read_text())["rows"]
    return {(row["arm"], row["seed"]): row for row in rows if row["arm"] in ARMS}


def values_of(done, arm, key):
    return [row[key] for (name, _), row in done.items() if name == arm and key in row]


def verdict(better, worse, direction):
    """Held, did not hold (the other way round), or too close to call: Welch's t-test, two-sided, at 5%."""
    from scipy.stats import ttest_ind
    if min(len(better), len(better if worse is None else worse)) < 3:
        return "not run yet"
    if worse is None:  # a share that should be nearly that of real images
        return "held" if min(better) > 0.9 else "did not hold"
    if ttest_ind(better, worse, equal_var=False).pvalue >= 0.05:
        return "too close to call"
    lower = statistics.mean(better) < statistics.mean(worse)
    return "held" if lower == (direction == "lower") else "did not hold"


MEASURES = {  # key: what readers call it
    "fd": "FD-lite",
    "diversity": "variety",
    "swing": "swing of G's loss",
    "accuracy": "D's accuracy",
    "unrest": "unrest of D",
    "weights": "size of G's weights",
    "faces": "faces found",
}
PLUS_MINUS = "\N{NO-BREAK SPACE}±\N{NO-BREAK SPACE}"  # a number and its spread stay on one line
WANTED = {"lower": "↓", "higher": "↑"}


def tables(done):
    """Markdown: the claims with their verdicts, all arms, and the check at 64x64."""
    return "\n\n".join([claims_table(done), arms_table(done), *check_line()])


def claims_table(done):
    """The claims, what was measured with and without, and the verdicts."""
    lines = ["| claim | measure | with | without | verdict |", "|---|---|---|---|---|"]
    return "\n".join(lines + [claim_line(done, claim) for claim in CLAIMS])


def arms_table(done):
    """All arms, the best first."""
    lines = ["| recipe | images seen | FD-lite | variety | swing of G's loss | D's accuracy "
             "| updates skipped by D, by G |", "|---|---|---|---|---|---|---|"]
    best_first = sorted(ARMS, key=lambda arm: statistics.mean(values_of(done, arm, "fd") or [9e9]))
    return "\n".join(lines + [arm_line(done, arm) for arm in best_first])


def check_line():
    """[the line about the runs at 64x64], or nothing where there are none."""
    each = [f"{row['arm']} {row['fd']:.0f} (variety {row['diversity']:.2f})" for row in load_check()]
    return [f"Once at 64×64 with the full width, FD-lite: {'; '.join(each)}."] if each else []


def verdict_counts(done):
    """How many claims came to which verdict, in a sentence."""
    words = [claim_line(done, claim).rpartition(" | ")[2].removesuffix(" |") for claim in CLAIMS]
    was = {"too close to call": "were too close to call", "too early to tell": "were too early to tell",
           "not run yet": "were not run yet"}
    if len(set(words)) == 1:
        return f"All {len(words)} claims {was.get(words[0], words[0])}."
    counts = [f"{words.count(word)} {was.get(word, word)}" for word in sorted(set(words), key=words.count)]
    return f"Of {len(words)} claims, {', '.join(counts[:-1])} and {counts[-1]}."


def claim_line(done, claim):
    arms = [claim.arm, claim.other] if claim.other else [claim.arm]
    values = [values_of(done, arm, claim.measure) for arm in arms]
    shown = [f"{arm}: {in_short(some)}" for arm, some in zip(arms, values, strict=True)]
    word = verdict(values[0], values[1] if claim.other else None, claim.better)
    lowest = [min(values_of(done, arm, "fd"), default=0) for arm in arms]
    if claim.other and values[1] and min(lowest) > UNTRAINED:
        word = "too early to tell"
    cells = [f"{claim.text} ({claim.where})", f"{MEASURES[claim.measure]} {WANTED[claim.better]}", shown[0],
             shown[1] if claim.other else "", word]
    return f"| {' | '.join(cells)} |"


def arm_line(done, arm):
    cells = [""] * 6
    if images := values_of(done, arm, "images"):
        skipped = [statistics.mean(values_of(done, arm, key)) for key in ("skipped_d", "skipped_g")]
        shown = [in_short(values_of(done, arm, key)) for key in ("fd", "diversity", "swing", "accuracy")]
        shown[1:] = [text.replace(PLUS_MINUS, " ± ") for text in shown[1:]]  # or the table is too wide
        cells = [f"{round(images[0], -3):,}", *shown, f"{skipped[0]:.0%}, {skipped[1]:.0%}"]
    return f"| {arm} | {' | '.join(cells)} |"


def in_short(values):
    """The mean, and the standard deviation to two digits where there are several: 718 ± 55, 0.935 ± 0.059."""
    if not values:
        return ""
    spread = statistics.stdev(values) if len(values) > 1 else 0
    if spread == 0:
        return f"{statistics.mean(values):.4g}"
    digits = max(0, 1 - math.floor(math.log10(spread)))
    return f"{statistics.mean(values):.{digits}f}{PLUS_MINUS}{spread:.{digits}f}"


def main():
    global RESULTS
    as_written = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=as_written)
    parser.add_argument("packs", nargs="*", metavar="PACK", help="PACK32 PACK28")
    parser.add_argument("--jobs", type=int, default=1, help="runs at the same time, one thread each")
    parser.add_argument("--check", action="store_true", help="the first and the last at 64x64")
    parser.add_argument("--out", type=Path, default=RESULTS, help="the file of results")
    args = parser.parse_args()
    RESULTS = args.out
    if args.check:
        check(*args.packs)
    elif args.packs:
        if len(args.packs) != 2:
            parser.error("expected two packs, of 32x32 and of 28x28")
        run_all({32: args.packs[0], 28: args.packs[1]}, args.jobs)
    print(tables(load()))


if __name__ == "__main__":
    main()
