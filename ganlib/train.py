"""train(): the one loop that every GAN here goes through."""
import contextlib
import copy
import io
import json
import math
import signal
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from filelock import FileLock, Timeout
from torch.optim.swa_utils import update_bn
from torchvision.utils import make_grid, save_image
from tqdm.auto import tqdm

from .checkpoint import (build_networks, load_state, not_finite, read_metadata, save_generator, save_state, state_files,
                         write_atomic)
from .config import Config, difference
from .data import Pack, batches, load_pack, seeded
from .errors import GanlibError
from .losses import LOSSES
from .sample import generate, latents

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
BATCHNORM_Z = 1_024  # latents from which the averaged generator's batch-norm statistics are estimated


@dataclass(frozen=True)
class Run:
    """What `train` returns: the folder, how far it came, and why it stopped ("budget" or "interrupt")."""

    path: Path
    images: int
    train_seconds: float
    stopped: str

    def __str__(self):
        return f"{self.path}: {self.images:,} images seen in {self.train_seconds / 60:.1f} minutes ({self.stopped})"


def pick_device(name="auto", precision="auto"):
    """(device, dtype of the forward passes) for the hardware at hand.

    bf16 where it is native (GPUs of compute capability 8.0 and up, CPUs with AVX512-BF16 or AMX), fp16
    on older GPUs (a T4 only emulates bf16), else fp32.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        device = torch.device(name)
        if device.type not in ("cpu", "cuda", "mps"):
            raise RuntimeError("expected auto, cpu, cuda or mps")
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise GanlibError(f"device={name!r} cannot be used here ({str(error).splitlines()[0]}).") from error
    if precision == "auto":
        precision = "fp32"
        if device.type == "cuda":
            precision = "bf16" if torch.cuda.get_device_capability(device)[0] >= 8 else "fp16"
        elif device.type == "cpu" and any(getattr(torch.cpu, f"_is_{isa}_supported", bool)()
                                          for isa in ("avx512_bf16", "amx_tile")):
            precision = "bf16"
    if precision == "fp16" and device.type == "cpu":
        raise GanlibError("precision='fp16' needs a GPU: use 'bf16' or 'fp32' on a CPU.")
    return device, DTYPES[precision]


def train(config, pack, run, hook=None, progress=True):
    """Train a GAN on a pack in the folder `run`; resume when the folder holds a cut-off run.

    config: a Config; its budget (images, minutes of train_seconds, or both: whichever ends first)
    counts over all legs. hook(record) is called with every log record (a dict) once it is in log.jsonl and the
    pictures of that moment are saved. Interrupting (Ctrl-C, the notebook's stop button, SIGTERM) stops after the step
    at hand, with a checkpoint. Returns a Run.

    Raises GanlibError for a folder of another recipe, a pack of another resolution, a device that is not there,
    a full disk, and for losses that are no longer finite.
    """
    pack = pack if isinstance(pack, Pack) else load_pack(pack)
    run = Path(run)
    if not (config.images or config.minutes):
        raise GanlibError("The config has no budget: set images=... or minutes=... (or name a profile).")
    if pack.size != config.resolution:
        raise GanlibError(f"The pack {pack.path} holds {pack.size}x{pack.size} images and the networks are for "
                          f"{config.resolution}: pack again at that size, or set resolution={pack.size}.")
    device, dtype = pick_device(config.device, config.precision)
    config = config.replace(data=pack.hash)
    with _claim(run, config):
        return _train(config, pack, run, device, dtype, hook, progress)


def _train(config, pack, run, device, dtype, hook, progress):
    """The loop of `train`, on a folder that is its own."""
    # Networks, their averaged generator, optimizers, loss
    G, D = build_networks(config)
    G, D = (m.to(device, memory_format=torch.channels_last) for m in (G, D))
    ema = copy.deepcopy(G).requires_grad_(False)
    fused = device.type in ("cpu", "cuda")
    betas = (config.beta1, config.beta2)
    opt_g = torch.optim.Adam(G.parameters(), config.lr_g, betas, fused=fused)
    opt_d = torch.optim.Adam(D.parameters(), config.lr_d, betas, fused=fused)
    scaler = torch.amp.GradScaler(device.type, enabled=dtype == torch.float16)
    loss_d, loss_g = LOSSES[config.loss]
    autocast = torch.autocast(device.type, dtype, enabled=dtype != torch.float32)

    # Resume: state, then the log and the pictures cut back to it
    modules, optimizers = {"g": G, "d": D}, {"opt_g": opt_g, "opt_d": opt_d}
    state = load_state(run, modules, optimizers, ema, say=tqdm.write)
    images, seconds = (state["images"], state["train_seconds"]) if state else (0, 0.0)
    if state and scaler.is_enabled() and state["scaler"]:
        scaler.load_state_dict(state["scaler"])
    if not state and (run / "generator.safetensors").exists():
        raise GanlibError(f"{run} holds a generator but no state file to resume from. Its generator still works; "
                          "to train, name another folder (nothing was changed).")
    _cut_back(run, images)
    log = Log(run / "log.jsonl")
    start = {"event": "start", "images": images, "train_seconds": seconds, "device": _describe(device),
                 "precision": str(dtype).removeprefix("torch."), "torch": torch.__version__,
                 "threads": torch.get_num_threads(), "engine": config.engine()}

    def update_g(fake):
        D.requires_grad_(False)  # no gradients of D's weights are needed here
        with autocast:
            d_fake = D(fake)
        loss = loss_g(d_fake, config.g_label)
        opt_g.zero_grad()
        scaler.scale(loss).backward()
        scaler.step(opt_g)
        D.requires_grad_(True)
        return loss.detach()

    def update_d(real, fake):
        with autocast:
            d_real, d_fake = D(real), D(fake.detach())
        loss = loss_d(d_real, d_fake, config.real_label, config.fake_label)
        opt_d.zero_grad()
        scaler.scale(loss).backward()
        scaler.step(opt_d)
        return loss.detach(), d_real.detach().sigmoid().mean(), d_fake.detach().sigmoid().mean()

    def average():
        half_life = min(config.ema_kimg * 1000, config.ema_rampup * images)
        decay = 0.5 ** (config.batch / half_life) if half_life > 0 else 0.0
        torch._foreach_lerp_(list(ema.parameters()), list(G.parameters()), 1 - decay)

    def share():
        """The part of the budget that is used up, by whichever limit is nearer."""
        return max(images / config.images if config.images else 0,
                   seconds / (60 * config.minutes) if config.minutes else 0)

    fixed = latents(64, config.z_dim, config.seed)  # drawn before the first step, the same at every snapshot
    z_bn = latents(BATCHNORM_Z, config.z_dim, config.seed + 1)

    def refresh():
        """Batch-norm statistics of the averaged weights, estimated anew."""
        with torch.no_grad(), autocast:
            update_bn([z.to(device) for z in z_bn.split(config.batch)], ema)
        ema.eval()

    def snapshot():
        """The fixed latents as a grid."""
        refresh()
        _save_grid(run / "samples" / f"{images:09d}.png", generate(ema, fixed))

    def export():
        refresh()
        save_generator(run / "generator.safetensors", ema, config, images, seconds)

    def checkpoint():
        save_state(run, images, modules, optimizers, ema,
                   {"images": images, "train_seconds": seconds, "scaler": scaler.state_dict()})
        export()

    if share() >= 1:  # nothing left to do, unless a kill came between the last state and its generator
        if _exported(run) != images:
            export()
        return Run(run, images, seconds, "budget")
    log.write(start)
    if images == 0:  # the first frame of every GIF: real images, then the untrained generator
        first = next(batches(pack, 64, config.seed, flip=False))[0]
        _save_grid(run / "samples" / "real.png", (first.add(1).mul(127.5).round().byte()
                                                  .permute(0, 2, 3, 1).numpy()))
        snapshot()
    data = batches(pack, config.batch, config.seed, images, device, config.flip)
    stats, steps, logged = torch.zeros(4, device=device), 0, (images, seconds)
    saved, reached, record = seconds, share(), None
    G.train(), D.train()
    counted = (lambda: images) if config.images and not config.minutes else (lambda: round(seconds))
    bar = tqdm(total=round(60 * config.minutes) or config.images, initial=counted(), disable=not progress,
               unit="img" if config.images and not config.minutes else "s", mininterval=2, dynamic_ncols=True)

    with _interruptible() as interrupt:
        stop, clock = False, time.perf_counter()
        while not stop:
            # One step: G maps noise to images, then the two updates in the recipe's order
            real, labels = next(data)
            z = torch.randn(config.batch, config.z_dim, generator=seeded(config.seed, images, "z"))
            z = z.to(device, non_blocking=device.type == "cuda")
            with autocast:
                fake = G(z)
            if config.first == "g":
                lg = update_g(fake)
                ld, d_real, d_fake = update_d(real, fake)
            else:
                ld, d_real, d_fake = update_d(real, fake)
                lg = update_g(fake)
            scaler.update()
            images += config.batch
            average()
            stats += torch.stack([lg, ld, d_real, d_fake])
            steps += 1
            now = time.perf_counter()
            seconds, clock = seconds + now - clock, now

            # What is due? Steps in between never make the host wait for the device
            before, reached = reached, share()
            frame = _due(before, reached, config.frames)
            keep = _due(before, reached, config.generators)
            stop = reached >= 1 or interrupt.is_set()
            save = stop or seconds - saved >= 60 * config.checkpoint_minutes
            if not (images // config.log_images > logged[0] // config.log_images or frame or keep or save):
                continue

            # Log: the averages since the last record
            values = (stats / steps).tolist()
            now = time.perf_counter()
            seconds, clock = seconds + now - clock, now
            rate = (images - logged[0]) / max(seconds - logged[1], 1e-9)
            record = {"images": images, "train_seconds": round(seconds, 3)}
            record |= dict(zip(("loss_g", "loss_d", "d_real", "d_fake"), (round(v, 5) for v in values)))
            record |= {"images_per_second": round(rate, 2)}
            bad = [k for k, v in record.items() if not math.isfinite(v)]
            if frame or keep or save:
                bad += [k for m in modules.values() if (k := not_finite(m.state_dict()))]
            if bad:
                bar.close()
                raise GanlibError(_diverged(run, bad, images, dtype))
            log.write(record)
            stats.zero_(), bar.update(counted() - bar.n)
            bar.set_postfix_str(f"{images:,} images, {rate:.0f}/s, loss G {values[0]:.2f} D {values[1]:.2f}", refresh=False)
            steps, logged = 0, (images, seconds)

            # Pictures, generators and states; their time is not training time
            if frame:
                snapshot()
            if keep:
                refresh()
                save_generator(run / "snapshots" / f"{images:09d}.safetensors", ema, config, images, seconds, half=True)
            if save:
                checkpoint()
                saved = seconds
            if hook:
                hook(record)
            clock = time.perf_counter()

    stopped = "budget" if share() >= 1 else "interrupt"
    log.write({"event": "stop", "images": images, "train_seconds": round(seconds, 3), "reason": stopped})
    bar.close()
    if stopped == "interrupt":
        tqdm.write(f"Stopped at {images:,} images, with a checkpoint: the same call goes on from here.")
    return Run(run, images, seconds, stopped)


def _due(before, now, times):
    """Whether one of `times` moments was passed; the k-th is at (k / times)^2 of the budget."""
    return math.floor(times * min(before, 1) ** 0.5) < math.floor(times * min(now, 1) ** 0.5)


@contextlib.contextmanager
def _claim(run, config):
    """Make the run folder, or check that it is of the same recipe; write config.json; keep other trainings out."""
    path = run / "config.json"
    if path.exists():
        changed = difference(Config.load(path).recipe(), config.recipe())
        if changed:
            lines = "; ".join(f"{k}: {a!r} there, {b!r} now" for k, (a, b) in changed.items())
            raise GanlibError(f"The folder {run} holds a run of another recipe ({lines}). Name another folder, delete "
                              "that one, or use the recipe it was begun with.")
    elif run.exists() and (not run.is_dir() or any(not p.name.startswith(".") for p in run.iterdir())):
        raise GanlibError(f"{run} exists and is not a run: name a new folder (nothing was changed).")
    lock = None
    try:
        run.mkdir(parents=True, exist_ok=True)
        lock = FileLock(run / ".lock")
        lock.acquire(timeout=0)
    except Timeout:
        raise GanlibError(f"Another training runs in {run}: stop it first (a notebook's kernel may still be at it), or "
                          "name another folder.") from None
    except (OSError, NotImplementedError) as error:
        if lock is None:
            raise GanlibError(f"Cannot make the folder {run} ({getattr(error, 'strerror', None) or error}): name another "
                              "one.") from error
        lock = None  # a file system without locks, as a mounted Drive: go on without
    try:
        write_atomic(path, (json.dumps(config.to_dict(), indent=1) + "\n").encode())
        yield
    finally:
        if lock:
            lock.release()


def _exported(run):
    """The images seen of the generator in a run folder, or None."""
    try:
        return int(read_metadata((run / "generator.safetensors").read_bytes())["images"])
    except (OSError, ValueError, KeyError):
        return None


def _cut_back(run, images):
    """Drop what is past the checkpoint a run resumes from (records, pictures, damaged states), and what a kill left."""
    path = run / "log.jsonl"
    if path.exists():
        lines = path.read_text().splitlines()
        kept = [line for line in lines if (seen := _images(line)) is not None and seen <= images and images]
        write_atomic(path, "".join(f"{line}\n" for line in kept).encode())
    for file in (*(run / "samples").glob("*.png"), *(run / "snapshots").glob("*.safetensors")):
        if file.stem.isdigit() and int(file.stem) > images:
            file.unlink()
    for file in state_files(run):
        if int(file.stem.removeprefix("state-")) > images:
            file.unlink()
            Path(f"{file}.sha256").unlink(missing_ok=True)
    for file in (*run.glob(".*.part"), *run.glob("*/.*.part")):
        file.unlink()


def _images(line):
    try:
        return json.loads(line)["images"]
    except (ValueError, KeyError, TypeError):
        return None  # a line cut short by a kill


class Log:
    """log.jsonl: each record is on the disk as soon as it is written."""

    def __init__(self, path):
        self.path = path

    def write(self, record):
        try:
            with open(self.path, "a") as file:
                file.write(json.dumps(record) + "\n")
        except OSError as error:
            raise GanlibError(f"Could not write {self.path} ({error.strerror}). Free some space and make the same call "
                              "again: it goes on from the last checkpoint.") from error


def _save_grid(path, images):
    """uint8 (64, H, W, 3) as a PNG, eight by eight, with white lines of 2 pixels."""
    x = torch.from_numpy(np.ascontiguousarray(images)).permute(0, 3, 1, 2).float() / 255
    png = io.BytesIO()
    save_image(make_grid(x, nrow=8, padding=2, pad_value=1), png, format="png")
    write_atomic(path, png.getvalue())


def _describe(device):
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def _diverged(run, bad, images, dtype):
    good = state_files(run)
    last = f"The last good checkpoint is {good[0].name}." if good else "There is no checkpoint yet."
    fp32 = " or resume with precision='fp32'" if dtype != torch.float32 else ""
    return (f"{', '.join(bad)} is NaN or infinite at {images:,} images: training stopped. {last} "
            f"Lower lr_g or lr_d in a new run{fp32}.")


class _interruptible:
    """SIGINT and SIGTERM set an event instead of breaking a step in two; a second SIGINT breaks it."""

    def __enter__(self):
        self.event, self.old = threading.Event(), {}
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self.old[number] = signal.signal(number, self.handle)
        return self.event

    def handle(self, number, frame):
        if self.event.is_set() and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.event.set()

    def __exit__(self, *_):
        for number, handler in self.old.items():
            signal.signal(number, handler or signal.SIG_DFL)
