"""A run's folder: who may train in it, its log, pictures, generators and states, and what is read from them.

No other module knows the names of these files.
"""
import contextlib
import json
from pathlib import Path

from ..config import Config, changed_keys
from ..errors import GanlibError
from ..files import append_text, json_line, locked, remove_folder, write_atomic
from ..images import encoded, grid
from ..models.store import save_generator
from ..tensors import metadata_of
from .states import load_state, remove_state, save_state, state_files


def folder_of(run):
    """The folder of a run: given itself, or as what `train` returned."""
    return Path(getattr(run, "path", run))


def read_log(run):
    """(training records, event records) of a run's log.jsonl; a line that was cut off is left out."""
    path = folder_of(run) / "log.jsonl"
    if not path.is_file():
        raise GanlibError(f"{path.parent} has no log.jsonl: expected a run's folder, as `train` writes it.")
    records = [record for line in path.read_text().splitlines() if (record := json_line(line))]
    return [r for r in records if "event" not in r], [r for r in records if "event" in r]


def read_config(run):
    """The Config of a run."""
    return Config.load(folder_of(run) / "config.json")


def sample_files(run):
    """The sample grids of a run, in the order of images seen."""
    pictures = (folder_of(run) / "samples").glob("*.png")
    return sorted((p for p in pictures if p.stem.isdigit()), key=lambda p: int(p.stem))


def read_scores(run):
    """{images seen: score} of the generators of a run that are scored, in the order of images."""
    has_begun = (folder_of(run) / "log.jsonl").is_file()
    events = read_log(run)[1] if has_begun else []
    found = {event["images"]: event["fd"] for event in events if event["event"] == "score"}
    return dict(sorted(found.items()))


def kept_generators(run):
    """{images seen: file} of a run's generators: those on the way, and the last."""
    last = folder_of(run) / "generator.safetensors"
    files = {_images_in(last): last} | {int(file.stem): file for file in snapshot_files(run)}
    files.pop(None, None)
    return files


def real_file(run):
    """The grid of real images of a run, or None; `sample_files` are those beside it."""
    path = folder_of(run) / "samples" / "real.png"
    return path if path.is_file() else None


def snapshot_files(run):
    """The generators that were saved on the way, in the order of images seen."""
    files = (folder_of(run) / "snapshots").glob("*.safetensors")
    return sorted((p for p in files if p.stem.isdigit()), key=lambda p: int(p.stem))


class RunFolder:
    """The folder of a run that is being trained."""

    def __init__(self, path):
        self.path = Path(path)
        self.log_path = self.path / "log.jsonl"
        self.config_path = self.path / "config.json"
        self.generator_path = self.path / "generator.safetensors"
        self.best_path = self.path / "best.safetensors"

    # -- who may train here

    @contextlib.contextmanager
    def claimed(self, config, pack):
        """Keep other trainings out of the folder; make it, or check that it holds a run of this recipe.

        A run binds the folder to its recipe once it has had a state: what a start left that failed before
        is cleared away.
        """
        self._refuse_other_folders()
        lock = locked(self.path, f"Another training runs in {self.path}: stop it first (a notebook's kernel "
                                 "may still be at it), or name another folder.")
        try:
            if self.config_path.exists():
                there = Config.load(self.config_path)  # or: this is no config of a run
                if self._has_had_a_state(there):
                    self._refuse_other_recipes(there, config, pack)
                else:
                    self._clear()
            text = json.dumps(config.to_dict(), indent=1) + "\n"
            write_atomic(self.config_path, text.encode())
            yield
        finally:
            if lock:
                lock.release()

    def _refuse_other_folders(self):
        if self.config_path.exists() or not self.path.exists():
            return
        if not self.path.is_dir() or any(not p.name.startswith(".") for p in self.path.iterdir()):
            raise GanlibError(f"{self.path} exists and is not a run: name a new folder (nothing was "
                              "changed).")

    def _has_had_a_state(self, config):
        """Whether the run has a state, or had one that was deleted: each leg that ends writes one."""
        if state_files(self.path) or self.generator_path.exists():
            return True
        if not self.log_path.exists():
            return False
        records, events = read_log(self.path)
        if any(event["event"] == "stop" for event in events):
            return True
        return bool(records) and records[-1]["train_seconds"] >= 60 * config.checkpoint_minutes

    def _refuse_other_recipes(self, there, config, pack):
        changed = changed_keys(there.recipe(), config.recipe())
        if not changed:
            return
        lines = [f"{k}: {a!r} there, {b!r} now" for k, (a, b) in changed.items() if k != "data"]
        if "data" in changed:
            lines.append(f"data: other pictures, {self._pack_in_words(there)} there, {pack.in_words} now")
        raise GanlibError(f"The folder {self.path} holds a run of another recipe ({'; '.join(lines)}). Name "
                          "another folder, delete that one, or use the recipe it was begun with.")

    def _pack_in_words(self, config):
        """The pack that the run was begun on, as its log has it; an older log has no words for it."""
        with contextlib.suppress(GanlibError):
            words = [event["pack"] for event in read_log(self.path)[1] if "pack" in event]
            if words:
                return words[0]
        return f"the pack of hash {config.data}"

    def _clear(self):
        """Remove what a start without a state left behind, but for its config.json, which is written anew."""
        if read_scores(self):
            self.best_path.unlink(missing_ok=True)
        self.log_path.unlink(missing_ok=True)
        remove_folder(self.path / "samples")
        remove_folder(self.path / "snapshots")

    # -- states

    def resume(self, step, say):
        """Fill a Step from the newest intact state and cut the run back to it; its progress, or None."""
        progress = self.fill(step, say)
        if progress is None and self.generator_path.exists():
            raise GanlibError(f"{self.path} holds a generator but no state file to resume from. Its "
                              "generator still works; to train, name another folder (nothing was changed).")
        self._cut_back(progress["images"] if progress else 0)
        return progress

    def fill(self, step, say):
        """Fill a Step from the newest intact state; its progress, or None."""
        progress = load_state(self.path, step.networks, self._optimizers(step), step.G_ema, say)
        if progress and step.scaler.is_enabled() and progress["scaler"]:
            step.scaler.load_state_dict(progress["scaler"])
        return progress

    def save_state(self, step, images, seconds):
        progress = {"images": images, "train_seconds": seconds, "scaler": step.scaler.state_dict()}
        save_state(self.path, images, step.networks, self._optimizers(step), step.G_ema, progress)

    def newest_state(self):
        """The name of the newest state file, or None."""
        files = state_files(self.path)
        return files[0].name if files else None

    def _optimizers(self, step):
        return {f"opt_{name}": optimizer for name, optimizer in step.optimizers.items()}

    def _cut_back(self, images):
        """Drop what is past the state that a run resumes from, and what a kill left half written."""
        scored = read_scores(self)
        if self.log_path.exists():
            lines = self.log_path.read_text().splitlines()
            kept = [line for line in lines if images and 0 <= _images_of(line) <= images]
            write_atomic(self.log_path, "".join(f"{line}\n" for line in kept).encode())
        for file in (*sample_files(self.path), *snapshot_files(self.path)):
            if int(file.stem) > images:
                file.unlink()
        for file in state_files(self.path):
            if int(file.stem.removeprefix("state-")) > images:
                remove_state(file)
        for file in (*self.path.glob(".*.part"), *self.path.glob("*/.*.part")):
            file.unlink()
        if scored:
            self.update_best()

    # -- log, pictures, generators

    def log(self, record):
        """Add a record to log.jsonl: it is on the disk as soon as this returns."""
        try:
            append_text(self.log_path, json.dumps(record) + "\n")
        except OSError as error:
            raise GanlibError(f"Could not write {self.log_path} ({error.strerror}). Free some space and make "
                              "the same call again: it goes on from the last checkpoint.") from error

    def save_grid(self, name, pictures):
        """uint8 pictures (64, H, W, 3) as samples/<name>.png, eight by eight."""
        write_atomic(self.path / "samples" / f"{name}.png", encoded(grid(pictures, 8).save))

    def save_snapshot(self, G, config, images, seconds):
        """The averaged generator on the way, in half precision."""
        path = self.path / "snapshots" / f"{images:09d}.safetensors"
        save_generator(path, G, config, images, seconds, half=True)

    def export(self, G, config, images, seconds):
        """The averaged generator, to draw from."""
        save_generator(self.generator_path, G, config, images, seconds)

    def exported_images(self):
        """The images seen of the generator in the folder, or None."""
        return _images_in(self.generator_path)

    def update_best(self):
        """Make best.safetensors the generator with the lowest score; without scores there is none.

        A generator that is nowhere else any more, as its file on the way was deleted, still counts.
        """
        scores = read_scores(self)
        files = {_images_in(self.best_path): self.best_path} | kept_generators(self)
        best = min(scores.keys() & files.keys(), key=lambda images: scores[images], default=None)
        if best is None:
            self.best_path.unlink(missing_ok=True)
        elif best != _images_in(self.best_path):
            write_atomic(self.best_path, files[best].read_bytes())


def _images_in(path):
    """The images seen of a generator file; None where it cannot be read."""
    try:
        return int(metadata_of(path)["images"])
    except (OSError, ValueError, KeyError):
        return None


def _images_of(line):
    """The images seen on a line of the log, or -1 for a line without."""
    return (json_line(line) or {}).get("images", -1)
