"""The report of a training: the curves, what they mean in words, the pictures on the way, and the numbers."""
import base64
import html
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..errors import GanlibError
from ..files import check_replaceable, told_apart, write_atomic
from ..images import encoded
from ..presets import PROFILES, REPORT_EPOCH
from ..runs.folder import read_log, read_scores, sample_files
from ..runs.scores import SPREAD, best_of
from .curves import curves, indicators
from .diagnosis import MUCH_WORSE, Diagnosis, diagnosis
from .logs import logs_of, values_of
from .movies import damaged_samples, known_folder, left_out, progress

REPORT_EPOCHS = PROFILES["paper"]["images"] // REPORT_EPOCH
CARD = "background:#fff; max-width:100%; height:auto; padding:4px; border-radius:4px; box-sizing:border-box"
CELL = "text-align:left; padding:2px 14px 2px 0; vertical-align:top"


@dataclass(frozen=True)
class _OneRun:
    """What is told of one run. animation: a WebP's bytes, b"" where there are no samples yet."""

    name: str
    numbers: dict[str, str]
    words: Diagnosis | None  # None where nothing is logged yet
    animation: bytes
    notes: list[str]  # what there is not yet, or what could not be done, in sentences


class TrainingReport:
    """What `report` found. In a shell it is text; in a notebook a page with its pictures in it.

    files: the paths of what was written.
    """

    def __init__(self, runs, figures, files):
        self.runs, self.figures, self.files = runs, figures, files

    def __repr__(self):
        parts = []
        for run in self.runs:
            width = max(len(name) for name in run.numbers)
            lines = [f"  {name:<{width}}  {value}" for name, value in run.numbers.items()]
            parts.append("\n".join([run.name, *lines]))
            parts += [str(run.words)] if run.words else []
            parts += run.notes
        parts += [f"Written: {path}" for path in self.files]
        return "\n".join(parts)

    def _repr_html_(self):
        parts = [self._table_of_numbers()]
        for run in self.runs:
            parts += [run.words._repr_html_()] if run.words else []
            parts += [f"<p>{html.escape(note)}</p>" for note in run.notes]
        parts += [_figure(name, png) for name, png in self.figures.items()]
        parts += [_figure_of_progress(run) for run in self.runs if run.animation]
        return f'<div style="max-width:800px">{"".join(parts)}</div>'

    def _table_of_numbers(self):
        """A row for each number, a column for each run."""
        names = dict.fromkeys(name for run in self.runs for name in run.numbers)
        titles = ["", *(run.name for run in self.runs)]
        heads = [f'<th style="{CELL}">{html.escape(title)}</th>' for title in titles]
        rows = [f'<tr>{"".join(heads)}</tr>']
        for name in names:
            cells = [name, *(run.numbers.get(name, "") for run in self.runs)]
            row = "".join(f'<td style="{CELL}">{html.escape(cell)}</td>' for cell in cells)
            rows.append(f"<tr>{row}</tr>")
        return f'<table style="margin:0 0 8px; border-collapse:collapse">{"".join(rows)}</table>'


def _figure(name, png):
    data = base64.b64encode(png).decode()
    return f'<p><img alt="{name}" style="{CARD}" src="data:image/png;base64,{data}"></p>'


def _figure_of_progress(run):
    data = base64.b64encode(run.animation).decode()
    name = html.escape(run.name)
    return (f'<p>{name}, from the first picture to the last:<br>'
            f'<img alt="{name} while it learnt" style="{CARD}" src="data:image/webp;base64,{data}"></p>')


def report(*runs):
    """What came of a training, or of several: a TrainingReport, which shows as the last line of a cell.

    runs: run folders, or what `train` returned. It has the curves and the indicators (of several runs laid
    over one another), and of each run the numbers, the diagnosis in words, and the pictures on the way. It
    writes losses.png and progress.webp into each run's folder, and says so where it cannot, as in a folder
    that is read-only. A run that has only begun gives what there is. Damaged pictures are left out.
    Raises GanlibError for what is no run's folder.
    """
    folders = _folders_of(runs)
    logged = [folder for folder in folders if read_log(folder)[0]]
    figures = {}
    if logged:
        figures["curves"] = encoded(curves(*logged).savefig)
        figures["indicators"] = encoded(indicators(*logged).savefig)
    files = []
    told = []
    for folder, name in zip(folders, told_apart(folders), strict=True):
        made = {}
        if folder in logged:
            made["losses.png"] = figures["curves"] if len(folders) == 1 else encoded(curves(folder).savefig)
        moving, notes = _progress(folder, folder in logged)
        if moving:
            made["progress.webp"] = moving
        written, reason = _written(folder, made)
        if reason:
            missing = " and ".join(name for name in made if name not in written)
            notes.append(f"Not written into {folder}: {missing} ({reason}). All of it is shown here.")
        files += written.values()
        told.append(_told(folder, name, moving, notes))
    return TrainingReport(told, figures, files)


def _folders_of(runs):
    """The folders of runs, each once. Raises GanlibError where one is none."""
    if not runs:
        raise GanlibError("report() of which run? Name its folder, or give what train returned, as in "
                          "report(run).")
    folders: dict[Path, Path] = {}
    for run in runs:
        folder = known_folder(run)
        read_log(folder)  # raises where there is none
        folders.setdefault(folder.resolve(), folder)
    return list(folders.values())


def _progress(folder, is_logged):
    """(the bytes of the animation, or b"" where there is none; notes: sentences about it)"""
    notes = []
    if not is_logged:
        notes.append("Nothing is logged yet: train a while, then make the report again.")
    if not sample_files(folder):
        if is_logged:
            notes.append("There are no samples yet, so there are no pictures of the progress.")
        return b"", notes
    damaged = damaged_samples(folder)
    if damaged:
        notes.append(left_out(damaged))
    if not set(sample_files(folder)) - set(damaged):
        return b"", notes
    return progress(folder, "progress.webp", damaged=damaged), notes


def _written(folder, made):
    """({name: path} of the files that could be written, why the others could not be or "").

    made: {name: bytes}.
    """
    written = {}
    reason = ""
    for name, data in made.items():
        try:
            check_replaceable(folder / name)
            write_atomic(folder / name, data)
            written[name] = folder / name
        except GanlibError as error:
            cause = error.__cause__
            reason = getattr(cause, "strerror", None) or str(error).rstrip(".")
    return written, reason


def _told(folder, name, moving, notes):
    """What there is to tell of a run, under the name that tells it apart."""
    records, events = read_log(folder)
    words = replace(diagnosis(folder), name=name) if records else None
    return _OneRun(name, _numbers(folder, records, events), words, moving, notes)


def _numbers(folder, records, events):
    """{what: number in words}, in the order in which they are shown."""
    last = (records or events or [{"images": 0, "train_seconds": 0}])[-1]
    images, seconds = last["images"], last["train_seconds"]
    numbers = {"images seen": f"{images:,}", "in epochs": _epochs(images)}
    packs = dict.fromkeys(event["pack"] for event in events if "pack" in event)
    if packs:
        numbers["learnt from"] = "; ".join(packs)
    numbers["time"] = f"{_duration(seconds)} {_machine(events)}"
    if records:
        rate = images / max(seconds, 1e-9)
        numbers["speed"] = f"{rate:,.{0 if rate >= 10 else 1}f} images a second, on average"
        numbers |= _judgement(folder) | _scored(folder, images)
    if "fade" in last:
        numbers["resolution"] = f"{last['resolution']}x{last['resolution']}, fade {last['fade']:.2f}"
    numbers["ended"] = _ending(events)
    return numbers


def _epochs(images):
    """How often a run saw as many images as the report's set has."""
    epochs = images / REPORT_EPOCH
    shown = f"{epochs:.0f}" if epochs >= 10 else f"{epochs:.2f}" if epochs >= 0.01 else f"{epochs:.1g}"
    return f"{shown} epochs of {REPORT_EPOCH:,} images; the report has {REPORT_EPOCHS}"


def _duration(seconds):
    return f"{seconds / 60:.1f} minutes" if seconds >= 60 else f"{seconds:.1f} seconds"


def _machine(events):
    """On what a run was trained, as its log tells it."""
    devices = dict.fromkeys(event["device"] for event in events if "device" in event)
    threads = [event["threads"] for event in events if "threads" in event]
    named = []
    for device in devices:
        if device == "cpu":
            many = "1 thread" if threads[-1:] == [1] else f"{threads[-1]} threads" if threads else ""
            named.append(f"on a CPU ({many})" if many else "on a CPU")
        else:
            named.append(f"on the GPU {device}")
    return f"{', then '.join(named)} of the machine that trained it".strip()


def _judgement(folder):
    """What D says, as medians over the last quarter of the log, and how varied the newest samples are."""
    log, = logs_of(folder)
    late = [record for record in log.records if record["images"] > 0.75 * log.records[-1]["images"]]
    kind = "" if log.kind == "answer" else " (a score, no probability)"
    names = {"d_real": "D(x), for real images", "d_fake": "D(G(z)), for generated ones"}
    if log.kind == "wasserstein":
        names["estimate"] = "Wasserstein estimate"
    numbers = {}
    for key, name in names.items():
        values, _ = values_of(late, key)
        if len(values):
            numbers[name] = f"{np.median(values):.3g}{kind if key != 'estimate' else ''}"
    varied, _ = values_of(log.records, "diversity")
    if len(varied):
        numbers["diversity"] = f"{varied[-1]:.3g} (1: as varied as the data)"
    return numbers


def _scored(folder, seen):
    """FD-lite of the last generator that is scored, and of the best. seen: images of the run."""
    scores = read_scores(folder)
    if not scores:
        return {}
    *_, last = scores
    best = best_of(scores)
    samples = {event["n"] for event in read_log(folder)[1] if event["event"] == "score"}
    where = "at the end" if last == seen else f"at {last:,} images, the last that is scored"
    numbers = {"FD-lite": f"{scores[last]:.4g} {where} ({max(samples):,} samples)"}
    if scores[last] <= (1 + SPREAD) * scores[best]:
        numbers["its best"] = f"{scores[best]:.4g} at {best:,} images: as good, as far as one can tell"
        return numbers
    collapsed = ": collapsed since?" if scores[last] > MUCH_WORSE * scores[best] else "."
    numbers["its best"] = (f"at {best:,} images it was better (FD-lite {scores[best]:.4g} against "
                           f"{scores[last]:.4g}){collapsed} It is loaded as {folder.name}:best")
    return numbers


def _ending(events):
    """How a training ended, from the last of its events that tells."""
    endings = [event for event in events if event["event"] in ("start", "stop", "diverged")]
    last = endings[-1] if endings else {"event": "start"}
    if last["event"] == "diverged":
        return f"at {last['images']:,} images, as {last['text']} was no longer a number: it diverged"
    if last["event"] == "start":
        return "not yet: it is training, or was cut off (the same call of train goes on)"
    if last["reason"] == "worse":
        return f"at {last['images']:,} images, as its scores had got worse (stop_when_worse)"
    if last["reason"] == "budget":
        return f"at {last['images']:,} images, when its budget was spent"
    return f"at {last['images']:,} images, stopped by hand (the same call of train goes on)"
