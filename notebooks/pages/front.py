"""The page at the end of `make demo`: what was trained, what a longer training gives, and what to do next."""
import html
import os
import sys
import webbrowser
from pathlib import Path
from urllib.parse import quote

import nbformat

from ganlib.images import encoded
from ganlib.models.store import load_generator
from ganlib.play.exports import export_walk
from ganlib.play.styles import mix, points
from ganlib.runs.folder import read_log, sample_files
from ganlib.view.pictures import table
from ganlib.view.report import report

from .links import ROOT, title_of

SHOWN = "stylegan-fast"  # a generator that comes with ganlib
WALK = [3, 8, 14, 21, 3]  # seeds of faces
ROWS, COLUMNS = [3, 5, 12, 17], [8, 9, 10, 14, 21]
PSI = 0.7
STYLE = """
:root { color-scheme: light dark; }
body { font: 17px/1.55 system-ui, sans-serif; max-width: 62rem; margin: 0 auto; padding: 1rem 1.2rem 4rem; }
h1 { margin: 1.2rem 0 .3rem; } h2 { margin: 2.6rem 0 .4rem; }
p { max-width: 44rem; }
figure { margin: 1.2rem 0; } figcaption { font-size: 15px; opacity: .8; max-width: 40rem; margin-top: .3rem; }
img { max-width: 100%; height: auto; border-radius: 6px; display: block; }
@media (min-width: 62rem) { .side { display: flex; gap: 2rem; } .side figcaption { max-width: 26rem; } }
ol, ul { padding-left: 1.3rem; } li { margin: .3rem 0; }
code { font-size: 15px; padding: .1em .3em; border-radius: 4px; background: color-mix(in srgb, currentColor 10%, transparent); }
a { color: light-dark(#0b62a8, #7cc0ff); }
"""  # noqa: E501


def make_front(folder, names):
    """Write folder/index.html with its pictures; names: of the notebooks whose pages lie there.

    folder: data/runs/<profile>. Gives the page's path. Raises GanlibError.
    """
    parts = ["<h1>Your first GAN</h1>", *trained(folder), *shipped(folder), *read_on(folder, names)]
    page = folder / "index.html"
    head = ('<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n<title>Your first GAN</title>\n'
            f'<meta name="viewport" content="width=device-width">\n<style>{STYLE}</style>\n')
    page.write_text(head + "\n".join(parts) + "\n</html>\n", encoding="utf-8")
    return page


def trained(folder):
    """What was trained: its pictures from noise to faces, and its curves."""
    runs = sorted(folder.glob("*/dcgan/log.jsonl"), key=lambda path: path.stat().st_mtime)
    if not runs:
        return []
    run = runs[-1].parent
    if not (run / "progress.webp").is_file() or not (run / "losses.png").is_file():
        report(run)
    last = read_log(run)[0][-1]
    minutes = last["train_seconds"] / 60
    return [
        f"<p>It began with noise. In {minutes:.0f} minutes on this computer it saw {last['images']:,} "
        "pictures of faces. Nobody told it what a face is. Its opponent, the discriminator, only said how "
        "real each of its pictures looked.</p>",
        '<div class="side">',
        picture(sample_files(run)[-1], folder, "What it draws now."),
        picture(run / "progress.webp", folder, "How it came to that: the real pictures first, then what "
                "it drew, from the first moment on."),
        "</div>",
        picture(run / "losses.png", folder, "The losses of the two networks, and what the discriminator "
                f"thought of real and of drawn pictures. {notebook(folder, '02_dcgan', 'Notebook 2')} says "
                "how to read the curves."),
    ]


def shipped(folder):
    """What comes with ganlib: a walk from face to face, and a table of mixed styles."""
    pictures = folder / "pictures"
    pictures.mkdir(exist_ok=True)
    generator = load_generator(SHOWN)
    if not (pictures / "walk.webp").is_file():
        export_walk(generator, pictures / "walk.webp", WALK, frames=96, psi=PSI)
    rows, columns = points(generator, ROWS, PSI), points(generator, COLUMNS, PSI)
    mixed = table(mix(generator, rows, columns), [f"seed {seed}" for seed in ROWS],
                  [f"seed {seed}" for seed in COLUMNS], "hair, colours from", "pose, shape from", scale=2)
    (pictures / "mixing.png").write_bytes(encoded(mixed.save))
    return [
        "<h2>With more time</h2>",
        f"<p>This generator came with the download. Its name is <code>{SHOWN}</code>. It is built from "
        f"styles, and it saw {int(generator.info['images']):,} real anime faces. None of these people "
        "exist.</p>",
        '<div class="side">',
        picture(pictures / "walk.webp", folder, "A walk: from one face to the next, in small "
                "steps."),
        picture(pictures / "mixing.png", folder, "A mixing table: each face has the pose of the "
                "face named above it, and the colours of the one named beside it."),
        "</div>",
        f"<p>{notebook(folder, '07_explore', 'Notebook 7')} has all of this with sliders. Run it to play: "
        "<code>make lab</code> opens it in your browser.</p>",
    ]


def read_on(folder, names):
    """Links to the notebooks' pages, and what to try next."""
    lines = []
    for name in names:
        title = title_of(nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", as_version=4), name)
        lines.append(f"<li>{notebook(folder, name, title)}</li>")
    return [
        "<h2>How it was done</h2>",
        "<p>These notebooks did the work. Here they are with their code and all that came of it.</p>",
        f"<ul>{''.join(lines)}</ul>",
        "<h2>What to do next</h2>",
        "<ul><li><code>make lab</code> opens all notebooks. Change something, and run them again.</li>",
        '<li>Train on real faces: write <code>faces="kaggle:soumikrakshit/anime-faces"</code> in the second '
        "cell of notebook 2.</li>",
        "<li>Train for longer: <code>.venv/bin/python notebooks/run.py cpu 02_dcgan</code>.</li></ul>",
    ]


def notebook(folder, name, text):
    """A text that leads to a notebook's page, where there is one."""
    if not (folder / f"{name}.html").is_file():
        return html.escape(text)
    return f'<a href="{name}.html">{html.escape(text)}</a>'


def picture(path, folder, caption):
    """A picture that lies below a folder, with a caption in HTML."""
    source = quote(path.relative_to(folder).as_posix())
    return f'<figure><img src="{source}" alt=""><figcaption>{caption}</figcaption></figure>'


def open_in_browser(page):
    """Open a page where somebody sits before a screen. Gives whether that was so."""
    has_screen = sys.platform in ("darwin", "win32") or {"DISPLAY", "WAYLAND_DISPLAY"} & os.environ.keys()
    return bool(has_screen) and sys.stdout.isatty() and webbrowser.open(Path(page).resolve().as_uri())
