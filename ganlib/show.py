"""What runs and data look like: grids, curves and what they say, the progress GIF, the live panel, dropped files.

Pictures are PIL images and plots are Figures: both show inline as the last line of a cell and go to a file
with `.save(...)` or `.savefig(...)`. Nothing here opens a window or knows pyplot.
"""
import base64
import importlib.util
import io
import json
import math
import time
import warnings
from collections import Counter
from dataclasses import asdict
from pathlib import Path

import imageio.v3 as imageio
import ipywidgets as widgets
import matplotlib.figure
import numpy as np
from IPython import get_ipython
from IPython.display import HTML, Image as Shown, display
from matplotlib.lines import Line2D
from PIL import Image, ImageDraw, ImageFont
from tqdm import tqdm

from .checkpoint import write_atomic
from .config import Config, phase
from .errors import GanlibError
from .logs import diagnosis, folder_of, logs_of, read_log, values_of  # noqa: F401
from .sample import to_uint8

# Colour-blind safe: Okabe & Ito (2008), without the yellow and with a darker purple for white paper
COLORS = BLUE, RED, GREEN, PURPLE, *_ = "#0072B2 #D55E00 #009E73 #A8518A #E69F00 #56B4E9".split()
INK, GREY = "#222222", "#6b6b6b"
FONT = ImageFont.load_default(18)


class Figure(matplotlib.figure.Figure):
    """A figure that shows inline whether or not pyplot was imported, and once only."""

    def _repr_png_(self):
        return encoded(self.savefig)


def encoded(save, format="png", **options):
    """The bytes that `save`, the save method of a picture or a figure, writes in a format."""
    file = io.BytesIO()
    save(file, format=format, **options)
    return file.getvalue()


# -- grids


def grid(images, columns=8, padding=2, scale=1):
    """Images side by side as one PIL image, with white lines of `padding` pixels between and around them.

    images: uint8 (N, H, W, 3) or float tensor (N, 3, H, W) in [-1, 1]; scale: a whole number by which small
    pictures are enlarged (nearest neighbour). Raises GanlibError for anything else.
    """
    x = images
    if hasattr(x, "detach"):
        x = (to_uint8(x.detach()) if x.is_floating_point() and x.ndim == 4 else x).cpu().numpy()
    if getattr(x, "dtype", None) != np.uint8 or x.ndim != 4 or x.shape[3] != 3 or not x.size:
        found = f"{getattr(x, 'dtype', type(x).__name__)} of shape {tuple(getattr(x, 'shape', ()))}"
        raise GanlibError(f"These are no images: found {found}; expected uint8 (N, H, W, 3) or float "
                          "(N, 3, H, W) in [-1, 1], with N at least 1.")
    columns, p = min(columns, len(x)), padding
    x = x.repeat(scale, 1).repeat(scale, 2)
    x = np.pad(x, ((0, -len(x) % columns), (0, p), (0, p), (0, 0)), constant_values=255)
    _, h, w, _ = x.shape  # with the lines below and to the right
    x = x.reshape(-1, columns, h, w, 3).swapaxes(1, 2).reshape(-1, columns * w, 3)  # (rows * h, ...)
    return Image.fromarray(np.pad(x, ((p, 0), (p, 0), (0, 0)), constant_values=255))


def side_by_side(sheets, columns=8):
    """Sample grids of several runs as one PIL image, all of one size: {title: images, as for `grid`}."""
    grids = [grid(images, columns) for images in sheets.values()]
    w = max(sheet.width for sheet in grids)
    across = max(1, min(len(grids), 1080 // w))
    w *= max(1, 1080 // (w * max(2, across)))
    heights = [round(sheet.height * w / sheet.width) for sheet in grids]
    cards = [_titled(sheet.resize((w, h), Image.NEAREST), title, w, max(heights))
             for sheet, h, title in zip(grids, heights, sheets)]
    return grid(np.stack(cards), across, padding=8)


def real_vs_fake(real, fake, columns=8):
    """PIL image of a grid of real images on the left and one of generated images on the right (as `grid`)."""
    return side_by_side({"Real": real, "Generated": fake}, columns)


def _titled(picture, text, width, height):
    """A picture in the middle of a white one of this size, under a strip of 30 pixels with a text."""
    page = Image.new("RGB", (width, height + 30), "white")
    page.paste(picture, ((width - picture.width) // 2, 30))
    ImageDraw.Draw(page).text((6, 16), text, INK, FONT, "lm")
    return page


# -- curves

# Panels: title, curves (key of the log, meaning, colour, dashes), limits (a pair, "log", or as the data), a line across
LOSS = "Loss", [("loss_g", "generator", BLUE, "-"), ("loss_d", "discriminator", RED, "--")], None, None
OPINION = [("d_real", "real, D(x)", GREEN, "-"), ("d_fake", "generated, D(G(z))", PURPLE, "--")]
ANSWER, SCORE = ("D's answer", OPINION, (0, 1), 0.5), ("D's score", OPINION, None, None)
CRITIC = "Critic", [("d_real", "D(x)", GREEN, "-"), ("d_fake", "D(G(z))", PURPLE, "--"),
                    ("estimate", "Wasserstein estimate", INK, ":")], None, None
INDICATORS = (
    ("D's accuracy (0.5: guessing)", [("accuracy", "", INK, "-")], (0, 1.02), 0.5),
    ("Gradient norm", [("grad_g", "G", BLUE, "-"), ("grad_d", "D", RED, "--")], "log", None),
    ("Diversity (1: as the data)", [("diversity", "", INK, "-")], (0, 1.3), 1),
    ("D(G(z))", [("d_fake", "before D's step", BLUE, "-"), ("d_fake_g", "after", RED, "--")], None, None),
    ("Updates skipped", [("skipped_g", "G", BLUE, "-"), ("skipped_d", "D", RED, "--")], (-0.02, 1.02), None),
    ("Penalty", [("penalty", "", INK, "-")], None, None),
)


def smooth(values, window):
    """Centred average over an odd number of values, weighted by a Hann window; over fewer at the two ends."""
    kernel = np.hanning(window + 2)[1:-1]
    total, weight = (np.convolve(v, kernel) for v in (values, np.ones(len(values))))
    return (total / weight)[window // 2:][:len(values)]


def _draw(ax, logs, title, curves, limits, line):
    """One panel (see above) of one or several runs."""
    seen, alone = [], logs[0].number is None
    for log in logs:
        for key, _, color, style in curves:
            raw, images = values_of(log.records, key)
            look = dict(color=color if alone else COLORS[log.number % 6], linestyle="-" if alone else style)
            if len(raw):
                ax.plot(images / 1000, raw, color=look["color"], alpha=0.25, linewidth=0.8)
                ax.plot(images / 1000, smooth(raw, 2 * (len(raw) // 40) + 1), **look, linewidth=1.8)
                seen += [*np.percentile(raw, [1, 99])]  # a few spikes must not flatten the rest
        for at in (e["images"] / 1000 for e in log.events if e["event"] == "start" and e["images"]):
            ax.axvline(at, color=GREY, alpha=0.4, linewidth=0.8)
    if limits == "log":
        ax.set_yscale("log")
    else:
        room = 0.1 * np.ptp(seen or 0) or 0.1
        ax.set_ylim(limits or (min(seen, default=0) - room, max(seen, default=0) + room))
        ax.locator_params(nbins=6)
    if line:
        ax.axhline(line, color=GREY, linewidth=1, linestyle=":")
    ax.set_title(title, fontsize=11, color=INK, loc="left", y=1)
    ax.set_xlabel("images seen (thousands)", fontsize=10)
    ax.grid(color="#e4e4e4", linewidth=0.6)
    ax.spines[["top", "right"]].set_visible(False)
    ax.margins(x=0.01)
    keys = [Line2D([], [], label=meaning, color=color if alone else INK, ls="-" if alone else style)
            for _, meaning, color, style in curves if meaning]
    ax.legend(handles=keys, ncols=3, fontsize=9, frameon=False, loc="lower right", bbox_to_anchor=(1.01, 0.98),
              handlelength=1.6, columnspacing=1.2)


def _opinion(log):
    return ANSWER if log.kind == "answer" else CRITIC if log.kind == "wasserstein" else SCORE


def _figure(panels, across, logs, out):
    """Figure of panels [(logs, panel), ...], so many in a row, and a legend if there are several runs."""
    down = -(-len(panels) // across)
    figure = Figure(figsize=(10, 3.1 * down + 0.7), dpi=100, layout="constrained")
    for i, (some, panel) in enumerate(panels):
        _draw(figure.add_subplot(down, across, i + 1), some, *panel)
    if not panels:
        figure.text(0.5, 0.5, "This log has no indicators: an older version wrote it.", ha="center", color=INK)
    if len(logs) > 1:
        lines = [Line2D([], [], label=log.name, color=COLORS[log.number % 6], linewidth=2) for log in logs]
        figure.legend(handles=lines, ncols=6, fontsize=9, frameon=False, loc="outside lower center")
    if out is not None:
        write_atomic(out, encoded(figure.savefig, Path(out).suffix[1:] or "png"))
    return figure


def curves(*runs, out=None):
    """Figure of the losses (left) and of D(x) and D(G(z)) (right) against images seen, from log.jsonl.

    runs: run folders, or what `train` returned; several are laid over one another, in a row for each kind of loss.
    Light lines are the log's values, strong ones a moving average, upright ones mark where a run was resumed.
    out: a file to save it in as well (.png, .svg, .pdf).
    """
    logs, panels = logs_of(*runs), []
    kinds = {log.kind: [one for one in logs if one.kind == log.kind] for log in logs}
    for some in kinds.values():
        loss = f"Loss ({', '.join(sorted({log.config.loss for log in some}))})" if len(kinds) > 1 else "Loss"
        panels += (some, (loss, *LOSS[1:])), (some, _opinion(some[0]))
    return _figure(panels, 2, logs, out)


def indicators(*runs, out=None):
    """Figure of what warns of collapse, drawn as by `curves`: D's accuracy, gradient norms, how varied the samples are,
    D(G(z)) before and after D's update (a gap shows how much D learns in one step), updates skipped by gates, the penalty.

    Left out is what no log has (an older one, no gate), and D(G(z)) where the losses differ in kind.
    """
    logs = logs_of(*runs)
    records, kinds = [r for log in logs for r in log.records], {log.kind for log in logs}
    known = {key for r in records for key in r} - {"d_fake"}
    if len(kinds) > 1:
        known -= {"d_fake_g"}
    found = [(logs, panel) for panel in INDICATORS if known & {key for key, *_ in panel[1]}]
    return _figure(found, 2 if len(found) in (2, 4) else 3, logs, out)


def label_counts(pack):
    """Figure of how many images of a pack have each label, one plot per attribute."""
    figure = Figure(figsize=(10, 3 if pack.attributes else 0.5), dpi=100, layout="constrained")
    if not pack.attributes:
        figure.text(0.5, 0.5, "This pack has no labels.", ha="center", fontsize=12, color=INK)
    for k, (attribute, names) in enumerate(pack.attributes.items()):
        ax = figure.add_subplot(1, len(pack.attributes), k + 1)
        counts = [int((pack.labels[:, k] == i).sum()) for i in [*range(len(names)), -1]]
        ax.bar_label(ax.bar([*names, "unknown"], counts, color=[BLUE] * len(names) + [GREY]), fontsize=8, color=INK)
        ax.set_title(f"{attribute} ({len(names)} classes)", fontsize=11, color=INK, loc="left")
        ax.tick_params(axis="x", rotation=60)
        ax.spines[["top", "right"]].set_visible(False)
    return figure


# -- GIF and MP4

STEPS = [(8, 8, 256), (8, 8, 128), (8, 6, 128), (6, 6, 128), (6, 4, 128), (4, 4, 128), (4, 3, 128), (4, 2, 128),
         (3, 2, 128), (2, 2, 64), (1, 1, 64)]  # columns, rows and colours, from large to small


def gif(run, out, seconds=8.0, max_bytes=3_000_000, include_real=True):
    """Write the progress of a run, from its samples/, as a GIF or MP4 (`out` decides). Returns the path.

    The first frame is real images (unless include_real is False); every frame says what it shows; the last
    is held longer. seconds: about how long it plays. To stay within max_bytes it takes fewer colours, then
    a part of the grid, and leaves out frames as long as 24 remain.
    """
    run, out = folder_of(run), Path(out)
    encode = encoder(out)
    files, real = _samples(run), run / "samples" / "real.png"
    if not files:
        raise GanlibError(f"{run} has no samples/*.png: expected a run's folder, as `train` writes it (the generators "
                          "that come with ganlib have no such pictures).")
    config = Config.load(run / "config.json") if (run / "config.json").is_file() else Config()
    pages = [(real, "real images")] * (include_real and real.is_file())
    opening = len(pages)  # 1 or 0
    for path in files:
        now = asdict(phase(config, int(path.stem))) if config.grow else {}
        pages.append((path, _seen({"images": int(path.stem)} | now)))
    few, (width, _) = min(len(files), 24), Image.open(files[0]).size
    for columns, rows, colors in [s for s in STEPS if s[0] * width // 8 <= 660] or STEPS[-1:]:
        wide = max(FONT.getlength(text) for _, text in pages) + 12
        frames = [_frame(path, text, columns, rows, wide) for path, text in pages]

        def movie_of(n):
            chosen = [frames[round(i)] for i in np.linspace(len(frames) - 1, opening, n)][::-1]
            each = min(1, max(0.06, (seconds - 2 - 1.5 * opening) / max(1, n - 1)))
            return encode(frames[:opening] + chosen, [1.5] * opening + [each] * (n - 1) + [2.0], colors)

        data = movie_of(few)
        if len(data) > max_bytes:
            continue
        n = min(len(files), int(few * max_bytes / len(data)))
        while n > few and len(more := movie_of(n)) > max_bytes:
            n -= max(1, n // 30)
        write_atomic(out, more if n > few else data)
        return out
    raise GanlibError(f"{out} cannot be made as small as max_bytes={max_bytes:,}: allow more.")


def animation(path):
    """A GIF or MP4 file for display in a notebook; unlike IPython's Image it is kept when exported to HTML."""
    data, mp4 = base64.b64encode(Path(path).read_bytes()).decode(), Path(path).suffix.lower() == ".mp4"
    return HTML(f'<video controls loop src="data:video/mp4;base64,{data}"></video>' if mp4 else
                f'<img alt="{Path(path).name}" src="data:image/gif;base64,{data}">')


def _samples(run):
    """The sample grids of a run in the order of images seen."""
    return sorted((p for p in (run / "samples").glob("*.png") if p.stem.isdigit()), key=lambda p: int(p.stem))


def _frame(path, text, columns, rows, wide):
    """The upper left part of a sample grid (of tiny pictures enlarged) under a strip with the text."""
    with Image.open(path) as file:
        pitch, scale = (file.width - 2) // 8, max(1, 560 // file.width)
        picture = file.convert("RGB").crop((0, 0, columns * pitch + 2, min(file.height, rows * pitch + 2)))
    w, h = picture.width * scale, picture.height * scale
    page = 2 * math.ceil(max(w, wide) / 2), h + h % 2  # even, for H.264
    return _titled(picture.resize((w, h), Image.NEAREST), text, *page)


def encoder(path):
    """The function (frames, durations in s, colors) -> bytes of a GIF or MP4, as the end of a path says."""
    kinds = {".gif": _encode_gif, ".mp4": _encode_mp4}
    if (suffix := Path(path).suffix.lower()) not in kinds:
        raise GanlibError(f"{path}: expected a name that ends in .gif or .mp4.")
    return kinds[suffix]


def _encode_gif(frames, durations, colors):
    # One palette for all frames, and no dither: it would flicker and take more room
    palette = Image.fromarray(np.concatenate(frames)).quantize(colors, Image.Quantize.FASTOCTREE)
    palette.putpalette([255 if value >= 248 else value for value in palette.getpalette()])  # paper is white
    frames = [f.quantize(palette=palette, dither=Image.Dither.NONE) for f in frames]
    return encoded(frames[0].save, "gif", save_all=True, append_images=frames[1:], loop=0, optimize=False,
                  duration=[10 * round(100 * d) for d in durations])  # ms, and a GIF counts in 10 ms


def _encode_mp4(frames, durations, colors):
    if importlib.util.find_spec("imageio_ffmpeg") is None:
        raise GanlibError("An .mp4 needs a package (pip install imageio-ffmpeg); a .gif none.")
    frames = [np.asarray(f) for f, d in zip(frames, durations) for _ in range(max(1, round(20 * d)))]
    try:
        return imageio.imwrite("<bytes>", frames, extension=".mp4", plugin="FFMPEG", fps=20, quality=colors ** 0.5 / 2,
                               macro_block_size=2)
    except (OSError, RuntimeError) as error:
        raise GanlibError(f"The encoder of imageio-ffmpeg does not run here ({error}). A .gif needs none.") from error


# -- the live panel


class live:
    """A hook for `train`: one panel in the notebook with curves, newest grid and speed, updated in place.

    hook(record) after a record was logged draws at most once in `every` seconds (up to 30 in a long run) from
    the run's files; hook.close() draws what is still missing. Outside a notebook it does nothing, and
    a failure in it is a warning: it never stops a training.
    """

    def __init__(self, run, every=5.0):
        self.run, self.every, self.cell, self.behind = folder_of(run), every, None, False

    def __call__(self, record=None):
        shell, now = get_ipython(), time.monotonic()
        if not hasattr(shell, "kernel"):
            return
        if self.cell != shell.execution_count:  # in another cell than before: a new panel
            self.cell, self.handle, self.begun, self.drawn = shell.execution_count, None, now, -math.inf
        self.behind = True
        if now - self.drawn >= max(self.every, min(30, (now - self.begun) / 60)):
            self.close()

    def close(self):
        """Draw what the panel does not show yet."""
        if not self.behind:
            return
        try:
            shown = Shown(encoded(self.panel().savefig), width=1000, height=570)
            if self.handle:
                self.handle.update(shown)
            else:
                self.handle = display(shown, display_id=True)
        except Exception as error:
            warnings.warn(f"The live panel could not be drawn: {error}", stacklevel=2)
        self.drawn, self.behind = time.monotonic(), False

    def panel(self):
        """Figure, 1000 pixels wide: a line of text, the curves, the newest sample grid."""
        logs = logs_of(self.run)
        figure = Figure(figsize=(10, 5.7), dpi=100)
        layout = dict(left=0.055, right=0.45, top=0.88, bottom=0.09, hspace=0.42)
        for ax, panel in zip(figure.subplots(2, 1, gridspec_kw=layout), (LOSS, _opinion(logs[0]))):
            _draw(ax, logs, *panel)
        figure.text(0.008, 0.965, _where(logs[0].config, logs[0].records[-1]), fontsize=11, color=INK, va="center")
        if files := _samples(self.run):
            with Image.open(files[-1]) as sheet:
                size = 530, round(sheet.height * 530 / sheet.width)
                sheet = sheet.resize(size, Image.LANCZOS if sheet.width > 530 else Image.NEAREST)
            figure.figimage(np.asarray(sheet), 470, 532 - size[1])
        return figure


def _seen(record):
    """How many images were seen at a record of the log, and of a growing run its phase, in words."""
    text = f"{record['images']:,} images seen"
    if "fade" in record:
        text += f", {record['resolution']}x{record['resolution']}, fade {record['fade']:.1f}"
    return text


def _where(config, last):
    """How far a run is, in words: images seen, images/s, time left, losses."""
    rate = last["images_per_second"]
    left = min((config.images - last["images"]) / max(rate, 1e-9) if config.images else math.inf,
               60 * config.minutes - last["train_seconds"] if config.minutes else math.inf)
    left = f"{tqdm.format_interval(max(0, left))} left" if left < math.inf else ""
    return "     ".join((_seen(last), f"{rate:.0f} images/s", left,
                         f"loss G {last['loss_g']:.2f}   D {last['loss_d']:.2f}"))


# -- what cleaning dropped, and taking it back


def contact_sheet(report, reason, n=48):
    """PIL image of n files that were dropped for a reason, evenly picked, each with its name and the detail.

    Of a copy the left picture was dropped and the right one was kept.
    """
    dropped = _dropped(report)
    if reason not in dropped:
        found = ", ".join(f"{r} ({len(rows)})" for r, rows in dropped.items()) or "none"
        raise GanlibError(f"No file was dropped as {reason!r}. The reasons in this report: {found}.")
    rows = dropped[reason]
    cards = _cards(report, [rows[round(i)] for i in np.linspace(0, len(rows) - 1, min(n, len(rows)))])
    return grid(cards, columns=960 // cards.shape[2], padding=0)


def _dropped(report):
    """{reason: rows}, the most frequent reason first."""
    counts = Counter(row.reason for row in report.rows if row.reason)
    return {reason: [row for row in report.rows if row.reason == reason] for reason, _ in counts.most_common()}


def _cards(report, rows, side=104):
    """uint8 (N, H, W, 3): each row's picture, for a copy also the kept one, and name and detail below."""
    files, font, cards = {row.file: row for row in report.rows}, ImageFont.load_default(12), []
    pairs = any(row.match for row in rows)
    for row in rows:
        card = Image.new("RGB", ((side + 4) * (1 + pairs) + 8, side + 38), "white")
        draw = ImageDraw.Draw(card)
        for left, one in (4, row), (side + 8, files.get(row.match)):
            if one and one.index >= 0:
                picture = Image.fromarray(np.asarray(report.images[one.index]))
                card.paste(picture.resize((side, side), Image.LANCZOS), (left, 4))
            elif one:
                draw.rectangle((left, 4, left + side - 1, side + 3), "#eeeeee")
                draw.text((left + side / 2, side / 2), "no picture", GREY, font, "mm")
        for text, top, ink in (row.file, side + 6, INK), (row.detail, side + 21, GREY):
            while font.getlength(text) > card.width - 8:
                text = "…" + text[2:] if ink == INK else text[:-2] + "…"
            draw.text((4, top), text, ink, font)
        cards.append(np.asarray(card))
    return np.stack(cards)


class review:
    """A panel of the dropped files, by reason, with a button under each to take it back.

    A click is saved at once in pack_path/review.json, {"keep": [files]}, which `pack(report, pack_path)`
    honours; .toggle(file, back) does it in code. Where widgets cannot run, a contact sheet is shown.
    """

    PAGE = 24

    def __init__(self, report, pack_path):
        self.report, self.path, self.dropped = report, Path(pack_path) / "review.json", _dropped(report)
        try:
            self.keep = set(json.loads(self.path.read_text())["keep"]) if self.path.exists() else set()
        except (ValueError, KeyError, TypeError) as error:
            raise GanlibError(f"{self.path} is not readable ({error}): mend or delete it.") from error
        w = widgets
        self.reason = w.Dropdown(options=[(f"{r} ({len(rows):,})", r) for r, rows in self.dropped.items()],
                                 description="dropped as")
        self.page = w.IntSlider(value=1, min=1, max=1, description="page", continuous_update=False)
        self.status, self.pictures = w.Label(), w.Box(layout=w.Layout(flex_flow="row wrap"))
        wide = w.Layout(width="auto", margin="0 4px 8px")
        self.slots = [w.VBox([w.Image(format="png"), w.ToggleButton(layout=wide)]) for _ in range(self.PAGE)]
        for i, slot in enumerate(self.slots):
            slot.children[1].observe(lambda change, i=i: self.clicked(i, change["new"]), "value")
        self.reason.observe(lambda change: self.fill(1), "value")
        self.page.observe(lambda change: self.fill(change["new"]), "value")
        self.box = w.VBox([w.HBox([self.reason, self.page, self.status]), self.pictures])
        if self.dropped:
            self.fill(1)

    def toggle(self, file, back=True):
        """Take a dropped file back, or with back=False leave it dropped after all."""
        if not any(file == row.file for rows in self.dropped.values() for row in rows):
            raise GanlibError(f"{file!r} is not among the dropped files.")
        (self.keep.add if back else self.keep.discard)(file)
        write_atomic(self.path, (json.dumps({"keep": sorted(self.keep)}, indent=1) + "\n").encode())

    def fill(self, page):
        """Show a page of the chosen reason."""
        rows = self.dropped[self.reason.value]
        self.page.max, self.page.value = -(-len(rows) // self.PAGE), page
        self.shown = rows[(page - 1) * self.PAGE:page * self.PAGE]
        for slot, row, card in zip(self.slots, self.shown, _cards(self.report, self.shown)):
            image, button = slot.children
            image.value, button.value = encoded(Image.fromarray(card).save), row.file in self.keep
            button.description, button.icon, button.button_style = (
                ("taken back", "check", "success") if button.value else ("take back", "", ""))
        self.pictures.children = self.slots[:len(self.shown)]
        self.status.value = f"{len(self.keep):,} taken back; pack to use them" if self.keep else ""

    def clicked(self, i, back):
        if back != (self.shown[i].file in self.keep):  # a click, and not a page being filled
            self.toggle(self.shown[i].file, back)
            self.fill(self.page.value)

    def _repr_mimebundle_(self, **_):
        if not self.dropped:
            return {"text/plain": "No file was dropped: there is nothing to review."}
        sheet = encoded(contact_sheet(self.report, next(iter(self.dropped)), self.PAGE).save)
        return {"text/plain": "Dropped files (without widgets: review(...).toggle(file) takes one back)",
                "image/png": base64.b64encode(sheet).decode(), "application/vnd.jupyter.widget-view+json": {
                    "version_major": 2, "version_minor": 0, "model_id": self.box.model_id}}
