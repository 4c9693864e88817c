"""train(): the one loop that every GAN here goes through."""
import contextlib
import dataclasses
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch

from ..data.batching import batches
from ..data.labelled import (
    evened_table,
    example_rows,
    label_columns,
    real_sheet,
    sheet_labels,
    with_pack,
)
from ..data.packs import Pack, load_pack
from ..errors import GanlibError, memory_advice
from ..evaluation.scores import scorer
from ..images import spread, to_uint8
from ..machine.clock import Clock
from ..machine.device import describe, global_generator, pick_device, tuned
from ..machine.graphs import obstacle_to_recording, recorder_for
from ..machine.interrupts import interruptible
from ..machine.launcher import Launched, how_many
from ..machine.processes import joined
from ..machine.progress import ProgressLine, say, silent
from ..machine.threads import ThreadChooser
from ..models.sampling import generate, latents
from ..runs.folder import RunFolder
from ..runs.origin import as_begun
from ..runs.scores import Scores
from ..runs.taking import take_origin
from ..seeding import draw, mixed
from ..tensors import not_finite
from ..typed import steps_of
from .agenda import Agenda, State
from .fitting import what_to_lower
from .meter import Meter, not_finite_keys
from .schedule import ema_decay, moment
from .step import Step

FIT_Z = 1_024  # latents from which the averaged generator's batch-norm statistics are estimated


@dataclass(frozen=True)
class Run:
    """What `train` returns: the folder, how far it came, and why it stopped.

    stopped: "budget", "worse" (as stop_when_worse has it) or "interrupt": the same call goes on then.
    """

    path: Path
    images: int
    train_seconds: float
    stopped: str

    def __str__(self):
        return f"{self.path}: {self.images:,} images, {self.train_seconds / 60:.1f} minutes ({self.stopped})"


def train(config, pack, run, hook=None, progress=True, processes=1):
    """Train a GAN on a pack in the folder `run`; resume when the folder holds a cut-off run.

    config: a Config; its budget (images, minutes of training, or both: whichever ends first) counts over all
    legs. hook(record) is called with every log record (a dict) once it is in log.jsonl and the pictures of
    that moment are saved. An interrupt (Ctrl-C, the notebook's stop button, SIGTERM, a closed terminal)
    stops after the step at hand, with a checkpoint. Returns a Run.

    processes: on how many GPUs of this machine, or 0 for all of them. Each has a process of its own, which
    computes its share of every batch. Without a GPU they share the threads of the CPU.

    Raises GanlibError for a folder of another recipe, a pack of another resolution, a device that is not
    there, a full disk, too little memory, and for losses that are no longer finite.
    """
    pack = pack if isinstance(pack, Pack) else load_pack(pack)
    _check(config, pack)
    if (processes := how_many(processes)) > 1:
        return _launched(config, pack, run, hook, progress, processes)
    device, dtype = pick_device(config.device, config.precision)
    config = as_begun(with_pack(config, pack), pack, run)
    folder = RunFolder(run)
    with contextlib.ExitStack() as stack:
        world = stack.enter_context(joined(device, config.backend))
        world.need_equal("recipes or budgets", config.to_dict())
        world.check_batches(steps_of(config.batches).values() or [config.batch])
        world.first(lambda: stack.enter_context(folder.claimed(config, pack)) and None)
        stack.enter_context(torch.random.fork_rng([device] if device.type == "cuda" else []))
        state = State()
        stack.enter_context(memory_advice(lambda: what_to_lower(config, state.images, device, dtype)))
        return _Leg(config, pack, folder, state, device, dtype, hook, progress, world).run()


def _check(config, pack):
    if not (config.images or config.minutes):
        raise GanlibError("The config has no budget: set images=... or minutes=... (or name a profile).")
    if pack.size != config.resolution:
        raise GanlibError(f"The pack {pack.path} holds {pack.size}x{pack.size} images and the networks are "
                          f"for {config.resolution}: pack again at that size, or set resolution={pack.size}.")


def _launched(config, pack, run, hook, progress, processes):
    """What `train` does on several processes, which do the work: here it is followed."""
    agenda = Agenda(config, State())
    with (Launched(config.to_dict(), pack.path, run, processes) as launched,
          contextlib.closing(ProgressLine(0, progress)) as line):
        for record in launched:
            at = State(record["images"], record["train_seconds"])
            line.update(at.images, at.seconds, agenda.share(at), partial(agenda.seconds_left, at), True,
                        record["images_per_second"])
            if hook:
                hook(record)
    return Run(Path(run), *(launched.ended[name] for name in ("images", "train_seconds", "stopped")))


class _Leg:
    """One call of train: from the start or a checkpoint to the budget's end or an interrupt."""

    def __init__(self, config, pack, folder, state, device, dtype, hook, progress, world):
        self.config, self.pack, self.folder, self.hook, self.world = config, pack, folder, hook, world
        self.progress = progress and world.is_first
        self.say = say if world.is_first else silent
        obstacle = obstacle_to_recording(config, device, dtype)
        recorder = recorder_for(config.graphs, device, obstacle, self.say)
        self.step = Step(config, device, dtype, recorder)
        self.dice = global_generator(device)
        self.z_dice = torch.Generator(device)
        self.columns = label_columns(config, pack)
        if self.columns:
            self.step.remember_labels(example_rows(config, pack))
        self.scores = Scores(folder, config, device, scorer(pack, device, self.progress), self.note, self.say)
        self.state = state
        if saved := self.resume():
            state.images, state.seconds = saved["images"], saved["train_seconds"]
        elif config.start_from:
            take_origin(self.step, self.say, self.note)
        self.agenda = Agenda(config, self.state)
        self.meter = Meter(config, self.state)
        # drawn before the first step, the same at every snapshot
        self.fixed_z, self.fixed_c = latents(64, config.z_dim, config.seed), sheet_labels(config, pack)
        self.fit_z = latents(FIT_Z, config.z_dim, config.seed + 1).split(config.batch)
        self.real = to_uint8(next(batches(pack, 64, config.seed, flip=False))[0]).numpy()

    def resume(self):
        """Fill the Step from the newest state, of which this returns the progress, or None."""
        saved = self.world.first(lambda: self.folder.resume(self.step, self.say))
        if saved and not self.world.is_first:
            self.folder.fill(self.step, self.say)
        return saved

    def run(self):
        """Begin, go on until nothing is left to do, score what was kept, and tell."""
        if self.ended():
            self.world.first(self.complete)
        else:
            with contextlib.closing(ProgressLine(self.state.images, self.progress)) as self.line:
                self.world.first(self.begin)
                self.go_on()
            self.note("stop", reason=self.ended() or "interrupt")
        stopped = self.ended() or "interrupt"
        if stopped == "interrupt":
            self.say(f"Stopped at {self.state.images:,} images, and saved: the same call goes on from here.")
        elif self.scores.complete(self.world, self.state.seconds, stopped, self.progress):
            stopped = "interrupt"
        return Run(self.folder.path, self.state.images, self.state.seconds, stopped)

    def ended(self):
        """Why nothing is left to train: "budget", "worse", or "" where there is."""
        if self.agenda.reached >= 1:
            return "budget"
        return "worse" if self.world.first(self.scores.are_worse) else ""

    def go_on(self):
        """Steps, and what is due between them."""
        data = self.batches()
        threads = self.config.threads if self.step.device.type == "cpu" else torch.get_num_threads()
        chooser = ThreadChooser(threads, self.tell_threads)
        with (interruptible() as interrupt, chooser, Clock() as self.clock, tuned(self.step.device),
              self.step.recorder or contextlib.nullcontext()):
            stopped = False
            while not stopped:
                at = moment(self.config, self.state.images)
                piece = chooser.piece(self.config.d_steps * at.batch, (at.resolution, at.batch))
                with piece:
                    self.one_step(data, at)
                due = self.agenda.due(self.state, self.tick(interrupt.is_set()))
                stopped = bool(due) and self.write(due)
                self.show_progress(stopped)

    def show_progress(self, at_once):
        state = self.state
        self.line.update(state.images, state.seconds, self.agenda.share(state),
                         lambda rate: self.agenda.seconds_left(state, rate), at_once)

    def complete(self):
        """Nothing is left to train, but a kill may have come between the last state and its generator."""
        if self.folder.exported_images() != self.state.images:
            self.folder.export(self.averaged(), self.config, self.state.images, self.state.seconds)

    def begin(self):
        """The log's first line, and the first pictures: real ones, then the untrained generator's."""
        precision = str(self.step.dtype).removeprefix("torch.")
        self.note("start", device=describe(self.step.device), precision=precision, torch=torch.__version__,
                  threads=torch.get_num_threads(), processes=self.world.size, pack=self.pack.in_words,
                  engine=self.config.engine())
        if self.state.images == 0:
            self.folder.save_grid("real", real_sheet(self.config, self.pack) if self.columns else self.real)
            self.save_frame(self.averaged())

    def batches(self):
        """Endless (images, labels), from where the run is.

        It counts the images that it gives, as the run does.
        """
        return batches(self.pack, lambda images: moment(self.config, images).batch, self.config.seed,
                       self.state.images, self.step.device, self.config.flip, self.world.rank,
                       self.world.size, self.columns,
                       evened_table(self.config, self.pack))

    def one_step(self, data, start):
        """D learns d_steps times, G once: before the first of them or after the last.

        start: the Moment in which the step begins. Its resolution, fade and rates hold for all of it.
        """
        config, state, begun = self.config, self.state, self.state.images
        measure = self.agenda.is_log_due(begun + config.d_steps * start.batch)
        turn_of_g = 0 if config.first == "g" else config.d_steps - 1
        for turn in range(config.d_steps):
            now = moment(config, state.images)
            at = dataclasses.replace(start, noise=now.noise, penalised=now.penalised, hidden=now.hidden)
            real, labels = next(data)
            z = self.draw_z(len(real))
            self.dice.manual_seed(mixed(config.seed, state.images, "step"))
            seen = state.images + at.batch
            ema = ema_decay(config, seen, seen - begun) if turn == config.d_steps - 1 else None
            told = self.step(real, labels, z, at, self.dice, turn == turn_of_g, measure, ema)
            self.warn(self.meter.add(told))
            state.images = seen

    def draw_z(self, n):
        """z ~ N(0, 1), (n, z_dim): this process's of the whole batch, drawn on the device."""
        self.z_dice.manual_seed(mixed(self.config.seed, self.state.images, "z"))
        return draw(partial(torch.randn, device=self.step.device), (n, self.config.z_dim), self.z_dice)

    def tick(self, interrupted=False):
        """Count the time since the last tick as training, but for sleep; whether any process is interrupted.

        The clock of the process of rank 0 counts, and so all of them agree on what is due.
        """
        seconds, slept = self.clock.tick()
        seconds, interrupted = self.world.most(seconds if self.world.is_first else 0.0, interrupted)
        self.state.seconds += seconds
        if slept:
            self.note("slept", seconds=round(slept, 1))
        return bool(interrupted)

    def write(self, due):
        """A record; pictures, generators and states as they are due. Whether the run stops here."""
        values = self.meter.read()  # this waits for the steps that a GPU still has to do,
        self.tick()  # ... which is training time; what follows is not
        at = moment(self.config, self.state.images) if self.config.grow else None  # of the pictures made here
        record = self.meter.record(values, self.state, at)
        worse = self.world.first(lambda: self.save(due, record))
        self.clock.restart()
        return due.stop or worse

    def save(self, due, record):
        """What is due, in the files of the run; whether it ends by its score."""
        images, seconds = self.state.images, self.state.seconds
        G = self.averaged() if due.frame or due.snapshot or due.state else None
        self.stop_if_diverged(record, G)
        if due.frame:
            record["diversity"] = self.save_frame(G)
        self.folder.log(record)
        self.line.words = f", loss G {record['loss_g']:.2f} D {record['loss_d']:.2f}"
        if due.snapshot:
            self.folder.save_snapshot(G, self.config, images, seconds)
        worse = due.snapshot and self.scores.add(G, images, seconds)
        if due.state or worse:
            self.folder.save_state(self.step, images, seconds)
            self.folder.export(G, self.config, images, seconds)
        if self.hook:
            self.hook(record)
        return worse

    def averaged(self):
        """The averaged generator as it is now, ready to draw."""
        return self.step.averaged_generator(moment(self.config, self.state.images), self.fit_z)

    def save_frame(self, G):
        """The fixed latents as a grid; returns how varied they are, compared with real images."""
        pictures = generate(G, self.fixed_z, c=self.fixed_c)
        self.folder.save_grid(f"{self.state.images:09d}", pictures)
        return round(spread(pictures) / max(spread(self.real), 1e-9), 4)

    def stop_if_diverged(self, record, G):
        """Raise GanlibError where a loss is NaN or infinite, or a weight, before any of them is saved."""
        bad = not_finite_keys(record)
        networks = (self.step.G, self.step.D, G) if G else ()
        bad += [key for network in networks if (key := not_finite(network.state_dict()))]
        if not bad:
            return
        names = ", ".join(dict.fromkeys(bad))  # G and its average have the same keys
        self.note("diverged", text=names)
        good = self.folder.newest_state()
        last = f"The last good checkpoint is {good}." if good else "There is no checkpoint yet."
        fp32 = " or resume with precision='fp32'" if self.step.dtype != torch.float32 else ""
        raise GanlibError(f"{names} is NaN or infinite at {self.state.images:,} images: training stopped. "
                          f"{last} Lower lr_g or lr_d in a new run{fp32}.")

    def warn(self, text):
        if text:
            self.say(f"Warning: {text}")
            self.note("warning", text=text)

    def tell_threads(self, threads, rates):
        rounded = {str(n): round(rate, 1) for n, rate in sorted(rates.items())}
        self.note("threads", threads=threads, images_per_second=rounded)

    def note(self, event, **values):
        """An event in the log."""
        record = {"event": event, "images": self.state.images, "train_seconds": round(self.state.seconds, 3)}
        if self.world.is_first:
            self.folder.log(record | values)
