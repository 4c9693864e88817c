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
from torch.nn.functional import adaptive_avg_pool2d, avg_pool2d, interpolate
from torch.nn.utils import get_total_norm
from torchvision.utils import make_grid, save_image
from tqdm.auto import tqdm

from ..config import Config, changed_keys
from ..data.batching import batches
from ..data.packs import Pack, load_pack
from ..errors import GanlibError
from ..files import write_atomic
from ..images import to_uint8
from ..models.build import build_networks
from ..models.sampling import generate, latents
from ..models.store import not_finite, read_metadata, save_generator
from ..seeding import mixed, seeded
from .augment import augment
from .losses import LOSSES, NEEDS_REAL, PENALTIES, SIGMOID, clip_weights, noisy_labels
from .schedule import phase
from .states import load_state, save_state, state_files

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
FIT_Z = 1_024  # latents from which the averaged generator's batch-norm statistics are estimated
GATE_STEPS = 500  # a gate that lets nothing through for so many steps is warned of
RECORD = ("loss_g", "loss_d", "d_real", "d_fake", "d_fake_g", "accuracy", "grad_g", "grad_d", "penalty", "skipped_g",
          "skipped_d")  # averages since the last record, or what its last step tells


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
    G, D = (m.to(device, memory_format=torch.channels_last) for m in build_networks(config))
    ema = copy.deepcopy(G).requires_grad_(False)
    opt_g, opt_d = _optimizer(config, G, config.lr_g, device), _optimizer(config, D, config.lr_d, device)
    scaler = torch.amp.GradScaler(device.type, enabled=dtype == torch.float16)
    loss_d, loss_g = LOSSES[config.loss]
    penalty = PENALTIES.get(config.penalty)
    answer = torch.sigmoid if config.loss in SIGMOID else torch.clone  # what the log has as D(x)
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
    totals, last, idle = {}, {}, {"g": 0, "d": 0}  # sums since the last record, what one step tells, steps without an update

    def note(**values):
        for key, value in values.items():
            total, n = totals.get(key, (0.0, 0))
            totals[key] = (total + value, n + 1)

    def seen(x):
        """Pictures as D sees them: with instance noise, and augmented."""
        if config.instance_noise:
            left = max(0.0, 1 - images / (1000 * config.noise_kimg)) if config.noise_kimg else 1.0
            x = x + config.instance_noise * left * torch.randn_like(x)
        return augment(x, config.augment)

    def learn(name, loss, gate, is_open):
        """One step of an optimizer, unless its gate is closed; only a gate makes the host wait for the loss."""
        if gate:
            is_open = is_open(loss.item())
            note(**{f"skipped_{name}": float(not is_open)})
            idle[name] = 0 if is_open else idle[name] + 1
            if idle[name] == GATE_STEPS:
                text = (f"{name}_gate={gate} has let no update of {name.upper()} through for {GATE_STEPS} steps "
                        f"(its loss is {loss.item():.3f}): move the gate, or leave it out.")
                tqdm.write(f"Warning: {text}")
                log.write({"event": "warning", "images": images, "train_seconds": round(seconds, 3), "text": text})
            if not is_open:
                return
        opt = optimizers[f"opt_{name}"]
        opt.zero_grad()
        scaler.scale(loss).backward()
        if measure:
            scaler.unscale_(opt)
            last[f"grad_{name}"] = get_total_norm(p.grad for p in modules[name].parameters() if p.grad is not None)
        scaler.step(opt)
        scaler.update()

    def update_g(real, fake):
        D.requires_grad_(False)  # no gradients of D's weights are needed here
        with autocast:
            d_fake = D(seen(fake))
            d_real = D(seen(real)) if config.loss in NEEDS_REAL else None
        loss = loss_g(d_fake, config.g_label, d_real)
        note(loss_g=loss.detach())
        if config.first == "d":  # the same pictures as before D's update
            note(d_fake_g=answer(d_fake.detach()).mean())
        learn("g", loss, config.g_gate, lambda value: value > config.g_gate)
        D.requires_grad_(True)

    def update_d(real, fake):
        real, fake = seen(real), seen(fake.detach())
        with autocast:
            d_real, d_fake = D(real), D(fake)
        targets = [noisy_labels(label, len(real), config.label_noise, device) if config.label_noise else label
                   for label in (config.real_label, config.fake_label)]
        loss = loss_d(d_real, d_fake, *targets)
        note(loss_d=loss.detach(), d_real=answer(d_real.detach()).mean(), d_fake=answer(d_fake.detach()).mean(),
             accuracy=(d_real > d_fake).float().mean())
        if penalty and images // len(real) % config.penalty_every == 0:
            value = penalty(D, real, fake)
            note(penalty=value.detach())
            loss = loss + config.penalty_weight * config.penalty_every * value
        learn("d", loss, config.d_gate, lambda value: value >= config.d_gate)
        if config.clip:
            clip_weights(D, config.clip)
        if measure and config.first == "g":  # what D now says of the same pictures; its statistics stay as they were
            buffers = [b.clone() for b in D.buffers()]
            with torch.no_grad(), autocast:
                last["d_fake_g"] = answer(D(fake)).mean()
            for buffer, value in zip(D.buffers(), buffers):
                buffer.copy_(value)

    def average(batch):
        half_life = min(config.ema_kimg * 1000, config.ema_rampup * images)
        decay = 0.5 ** (batch / half_life) if half_life > 0 else 0.0
        torch._foreach_lerp_(list(ema.parameters()), list(G.parameters()), 1 - decay)

    def share():
        """The part of the budget that is used up, by whichever limit is nearer."""
        return max(images / config.images if config.images else 0,
                   seconds / (60 * config.minutes) if config.minutes else 0)

    fixed = latents(64, config.z_dim, config.seed)  # drawn before the first step, the same at every snapshot
    z_fit = latents(FIT_Z, config.z_dim, config.seed + 1)

    def refresh():
        """The averaged weights in the phase of now; what depends on them (batch norm's statistics) estimated anew."""
        if config.grow:
            now = phase(config, images)
            ema.grow(now.resolution, now.fade)
        with torch.no_grad(), autocast:
            ema.calibrate([z.to(device) for z in z_fit.split(config.batch)])
        ema.eval()

    def snapshot():
        """The fixed latents as a grid; returns how varied they are, compared with real images."""
        refresh()
        pictures = generate(ema, fixed)
        _save_grid(run / "samples" / f"{images:09d}.png", pictures)
        return round(spread(pictures) / max(spread(first), 1e-9), 4)

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
    first = to_uint8(next(batches(pack, 64, config.seed, flip=False))[0]).numpy()
    if images == 0:  # the first frame of every GIF: real images, then the untrained generator
        _save_grid(run / "samples" / "real.png", first)
        snapshot()
    data = batches(pack, lambda at: phase(config, at).batch, config.seed, images, device, config.flip)
    logged, saved, reached, record = (images, seconds), seconds, share(), None
    G.train(), D.train()
    counted = (lambda: images) if config.images and not config.minutes else (lambda: round(seconds))
    bar = tqdm(total=round(60 * config.minutes) or config.images, initial=counted(), disable=not progress,
               unit="img" if config.images and not config.minutes else "s", mininterval=2, dynamic_ncols=True)

    with _interruptible() as interrupt, torch.random.fork_rng([device] if device.type == "cuda" else []):
        stop, clock = False, time.perf_counter()
        while not stop:
            # Where in the schedule: resolution, fade, batch and learning rates
            now = phase(config, images)
            if config.grow:
                G.grow(now.resolution, now.fade), D.grow(now.resolution, now.fade)
            for opt, rate in (opt_g, config.lr_g), (opt_d, config.lr_d):
                opt.param_groups[0]["lr"] = rate * now.rate
            measure = (images + config.d_steps * now.batch) // config.log_images > logged[0] // config.log_images

            # One step: D learns d_steps times, G once, before the first of them or after the last
            for turn in range(config.d_steps):
                torch.manual_seed(mixed(config.seed, images, "step"))  # every draw depends on (seed, images seen)
                real = at_phase(next(data)[0], now)
                z = torch.randn(now.batch, config.z_dim, generator=seeded(config.seed, images, "z"))
                z = z.to(device, non_blocking=device.type == "cuda")
                g_learns = turn == (0 if config.first == "g" else config.d_steps - 1)
                with autocast, torch.set_grad_enabled(g_learns):
                    fake = G(z)
                if g_learns and config.first == "g":
                    update_g(real, fake)
                update_d(real, fake)
                if g_learns and config.first == "d":
                    update_g(real, fake)
                images += now.batch
            average(config.d_steps * now.batch)
            tick = time.perf_counter()
            seconds, clock = seconds + tick - clock, tick

            # What is due? Steps in between never make the host wait for the device
            before, reached = reached, share()
            frame = _due(before, reached, config.frames)
            keep = _due(before, reached, config.generators)
            stop = reached >= 1 or interrupt.is_set()
            save = stop or seconds - saved >= 60 * config.checkpoint_minutes
            if not (images // config.log_images > logged[0] // config.log_images or frame or keep or save):
                continue

            # Log: the averages since the last record
            values = {k: float(total) / n for k, (total, n) in totals.items()} | {k: float(v) for k, v in last.items()}
            tick = time.perf_counter()
            seconds, clock = seconds + tick - clock, tick
            rate = (images - logged[0]) / max(seconds - logged[1], 1e-9)
            record = {"images": images, "train_seconds": round(seconds, 3)}
            record |= {k: round(values[k], 5) for k in RECORD if k in values}
            record |= {"images_per_second": round(rate, 2)}
            if config.grow:
                now = phase(config, images)  # of the pictures made here
                record |= {"resolution": now.resolution, "fade": round(now.fade, 4)}
            bad = [k for k, v in record.items() if not math.isfinite(v)]
            if frame or keep or save:
                bad += [k for m in modules.values() if (k := not_finite(m.state_dict()))]
            if bad:
                bar.close()
                log.write({"event": "diverged", "images": images, "train_seconds": round(seconds, 3), "text": ", ".join(bad)})
                raise GanlibError(_diverged(run, bad, images, dtype))
            if frame:
                record["diversity"] = snapshot()
            log.write(record)
            totals.clear(), bar.update(counted() - bar.n)
            bar.set_postfix_str(f"{images:,} images, {rate:.0f}/s, loss G {record['loss_g']:.2f} D {record['loss_d']:.2f}",
                                refresh=False)
            logged = (images, seconds)

            # Generators and states; their time, as that of pictures, is not training time
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


def _optimizer(config, module, lr, device):
    fused, params = device.type in ("cpu", "cuda"), module.parameters()
    if config.optimizer == "rmsprop":  # it has no fused form
        return torch.optim.RMSprop(params, lr, weight_decay=config.weight_decay)
    if config.optimizer == "sgd":
        return torch.optim.SGD(params, lr, config.momentum, weight_decay=config.weight_decay, fused=fused)
    return torch.optim.Adam(params, lr, (config.beta1, config.beta2), weight_decay=config.weight_decay, fused=fused)


def at_phase(x, now):
    """Real images (B, 3, R, R) at the resolution of a Phase, faded in as the networks' are (Karras et al. 2017)."""
    if x.shape[-1] > now.resolution:
        x = avg_pool2d(x, x.shape[-1] // now.resolution)
    if now.fade < 1:
        x = interpolate(avg_pool2d(x, 2), scale_factor=2).lerp(x, now.fade)
    return x


def spread(images):
    """How varied pictures are: mean distance between two of them. uint8 (N, H, W, 3), N at least 2.

    Root mean square over 8x8 regions and colours, in [0, 1]; it falls when modes collapse, and ignores fine noise.
    """
    x = adaptive_avg_pool2d(torch.from_numpy(np.asarray(images)).permute(0, 3, 1, 2).float() / 255, 8).flatten(1)
    return (torch.pdist(x) / x.shape[1] ** 0.5).mean().item()


def _due(before, now, times):
    """Whether one of `times` moments was passed; the k-th is at (k / times)^2 of the budget."""
    return math.floor(times * min(before, 1) ** 0.5) < math.floor(times * min(now, 1) ** 0.5)


@contextlib.contextmanager
def _claim(run, config):
    """Make the run folder, or check that it is of the same recipe; write config.json; keep other trainings out."""
    path = run / "config.json"
    if path.exists():
        changed = changed_keys(Config.load(path).recipe(), config.recipe())
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
