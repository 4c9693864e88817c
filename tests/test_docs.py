"""What README, docs/ and the gallery promise: measured tables, links that lead somewhere, few words."""
import json
import re
import shlex
import shutil
import statistics
import subprocess
import sys
import tomllib
import unicodedata
from pathlib import Path

import pytest
from PIL import Image

from ganlib.__main__ import main
from ganlib.config import DEFAULTS
from ganlib.models.store import load_generator
from ganlib.presets import PRESETS, PROFILES

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "experiments"))
import claims  # noqa: E402
import equal_time  # noqa: E402

README = ROOT / "README.md"
PAGES = [README, ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md")), ROOT / "data" / "README.md",
         *sorted((ROOT / "data" / "generators").glob("**/README.md"))]
REPOSITORY = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["urls"]["Repository"]
NOTEBOOKS = sorted(path.stem for path in (ROOT / "notebooks").glob("[0-9]*.ipynb"))
LINK = re.compile(r"\]\(([^)\s]+)\)")
SHIPPED = sorted(path.parent.name for path in (ROOT / "ganlib" / "shipped").glob("*/generator.safetensors"))


def named(path):
    return str(path.relative_to(ROOT))


def prose(path):
    """The text of a page without its fenced code."""
    return re.sub(r"^```.*?^```$", "", path.read_text(encoding="utf-8"), flags=re.M | re.S)


def words_of(path):
    """The text of a page with every gap one space: a sentence may be wrapped anywhere."""
    return " ".join(path.read_text(encoding="utf-8").split())


# -- the README


def test_the_readme_is_short():
    text = README.read_bytes()
    assert len(text) <= 6_000 and len(text.splitlines()) <= 100


def test_the_readme_has_a_row_with_a_thumbnail_for_each_notebook_in_their_order():
    rows = re.findall(r"^\| !\[\]\((\S+)\) \| \[[^]]+\]\((\S+)\) \| ", prose(README), re.M)
    assert rows == [(f"docs/images/{stem}.webp", f"notebooks/{stem}.ipynb") for stem in NOTEBOOKS]


def test_the_table_of_results_fits():
    table = README.read_text().split("<!-- table: results -->\n")[1].split("\n\n")[0].splitlines()
    assert len(table) - 2 <= 8  # but for the head and the line below it
    assert all(line.count("|") - 1 <= 5 and len(line) <= 90 for line in table)


def test_the_folder_that_is_cloned_is_entered():
    """Whatever the address is: `make address` changes it, and not the line after it."""
    assert re.search(rf"^git clone {REPOSITORY} (\S+)\ncd \1\n", README.read_text(), re.M)


def test_the_code_of_the_readme_draws_faces(tmp_path, monkeypatch):
    code, = re.findall(r"^```python\n(.*?)^```$", README.read_text(), re.M | re.S)
    assert len(code.splitlines()) == 3
    *lines, last = code.splitlines()
    names = {}
    exec("\n".join(lines), names)  # noqa: S102, that it runs is what is tested
    picture = eval(last.partition("  #")[0], names)  # noqa: S307
    picture.save(tmp_path / "faces.png")
    with Image.open(tmp_path / "faces.png") as image:
        assert image.size[0] > 8 * 64


@pytest.mark.parametrize("name", ["panels", *NOTEBOOKS])
def test_pictures_of_the_readme_are_small_and_move_where_they_should(name):
    path = ROOT / "docs" / "images" / f"{name}.webp"
    with Image.open(path) as image:
        frames = getattr(image, "n_frames", 1)
        assert (frames > 20) == (name == "panels") and image.size[0] <= (800 if name == "panels" else 160)
    assert path.stat().st_size < (1_500_000 if name == "panels" else 20_000)


def test_no_dcgan_that_was_measured_is_better_than_the_readme_says():
    """The best one in its table is named as the best of the table, and any better one beside it."""
    text = words_of(README)
    rows = json.loads(equal_time.RESULTS.read_text())["rows"]
    best = rows["dcgan-cpu, 33 minutes"]["fd"]
    assert f"The best DCGAN of this table has {best:.0f} after 33 minutes." in text
    shown = {key: row for key, row in rows.items() if key in equal_time.README_ROWS}
    assert min(row["fd"] for key, row in shown.items() if key.startswith("dcgan")) == best
    for key, row in rows.items():
        if key.startswith("dcgan") and row["fd"] < best:
            assert f"`{row['name']}`, has {row['fd']:.0f} after {row['minutes']}" in text, key


# -- tables and numbers


def test_tables_are_those_of_the_commands_that_measure(tmp_path):
    """Spoil every table in a copy, write them anew, and compare with what is there."""
    copies = {}
    for path in (p for p in PAGES if "\n<!-- table:" in p.read_text()):
        copies[path] = tmp_path / path.relative_to(ROOT)
        copies[path].parent.mkdir(parents=True, exist_ok=True)
        spoiled = re.sub(r"^(<!-- table: .*-->\n).*?^(<!-- /table -->)$", r"\1spoiled\n\2", path.read_text(),
                         flags=re.M | re.S)
        copies[path].write_text(spoiled)
    assert {named(path) for path in copies} >= {
        "README.md", "docs/results.md", "docs/claims.md", "docs/running.md", "data/generators/README.md"}
    command = [sys.executable, ROOT / "docs" / "tables.py", tmp_path]
    subprocess.run(command, check=True, capture_output=True)
    for path, copy in copies.items():
        assert copy.read_text() == path.read_text(), f"{named(path)}: run make tables"


@pytest.mark.parametrize("text, words", [
    ("<!-- table: nonsense -->\n<!-- /table -->\n", "no table 'nonsense'"),
    ("<!-- table: results -->\n", "no <!-- /table --> line"),
])
def test_a_table_that_cannot_be_written_is_told_of(tmp_path, text, words):
    (tmp_path / "README.md").write_text(text)
    command = [sys.executable, ROOT / "docs" / "tables.py", tmp_path]
    found = subprocess.run(command, capture_output=True, text=True)
    assert found.returncode != 0 and words in found.stderr and "Traceback" not in found.stderr
    assert (tmp_path / "README.md").read_text() == text


def whole(value):
    return 0


def two(value):
    return 2


def by_size(value):
    """Digits behind the point of a distance: 0.09, 9.2, 185."""
    return 2 if value < 1 else 1 if value < 100 else 0


# {table of docs/results.md: {column: (key of equal_time.json, factor, digits behind the point of a number)}}
COLUMNS = {
    "distances": {3: ("fd", 1, by_size), 4: ("labels", 1, by_size), 5: ("kid", 1000, by_size)},
    "likeness": {
        2: ("precision", 1, two),
        3: ("recall", 1, two),
        4: ("density", 1, two),
        5: ("coverage", 1, two),
        6: ("nearest", 1, two),
        7: ("eye_gap", 1, whole),
    },
}


def test_the_tables_have_the_measured_numbers():
    """Read back from the written tables, not from the functions that wrote them."""
    rows = sorted(json.loads(equal_time.RESULTS.read_text())["rows"].values(), key=lambda row: row["fd"])
    text = (ROOT / "docs" / "results.md").read_text()
    for name, keys in COLUMNS.items():
        table = text.split(f"<!-- table: {name} -->\n")[1].split("<!-- /table -->")[0].splitlines()[2:]
        assert len(table) == len(rows)
        for line, row in zip(table, rows):
            shown = [cell.strip() for cell in line.split("|")[1:-1]]
            for i, (key, factor, digits) in keys.items():
                if key not in row:
                    assert shown[i] == "", (line, key)
                    continue
                measured = factor * row[key]
                value = float(shown[i].split("\xa0")[0].replace(",", ""))
                assert value == pytest.approx(measured, abs=0.501 * 0.1 ** digits(measured)), (line, key)


# Sentences that repeat measured numbers: {page: what has to stand in it}. fd[...] and the like: of a row of
# equal_time.json; curve[...]: the last FD-lite of a curve; arm[...]: the mean FD-lite of claims.json's arm
SENTENCES = {
    "README.md": ["{real:,} real faces", "{claims} claims"],
    "docs/results.md": [
        "the same {real:,} anime faces",
        "`stylegan-fast` in the profile `cpu` has {fd[pairs, 30 minutes]:.0f} after 30 minutes and "
        "{fd[pairs, 90 minutes]:.0f} after 90",
        "DCGAN in the profile `cpu` has {fd[dcgan-cpu, 33 minutes]:.0f} after 33, and the report's DCGAN "
        "{fd[dcgan, 90 minutes]:.0f} after 90",
        "With these DCGAN has {fd[dcgan-cpu, 33 minutes]:.0f} after 33 minutes, where the report's recipe "
        "has {fd[dcgan, 75 minutes]:.0f} after 75.",
        "LSGAN has {fd[lsgan-cpu, 25 minutes]:.0f} after 25 minutes, where the report's recipe has "
        "{fd[lsgan, 67 minutes]:.0f} after 67.",
        "one has {curve[dcgan, again]:.0f} after 90 minutes, the other collapsed ({curve[dcgan]:,.0f})",
        "the generator learns 1,700 times, and has {curve[wgan-gp]:.0f}",
        "7,200 times, and has {curve[wgan-gp-ttur]:.0f}",
        "FD-lite hardly notices ({fd[dcgan-10k, 67 minutes]:.0f}), FD-labels does "
        "({labels[dcgan-10k, 67 minutes]:.0f})",
        "Its recall is {recall[projected, 30 minutes]:.0f}",
        "DCGAN's {fd[dcgan, 90 minutes]:.0f} is the better of its two runs",
        "Real faces have {eye_gap[real]:.0f}",
        "It has seen {images[dcgan, 75 minutes]:,.0f} images",
        "has seen {images[labels, 86 minutes]:,.0f} images",
        "without labels have {late[pairs, again][0][1]:.0f} after {late[pairs, again][0][0]:,} images and "
        "{late[pairs, again][1][1]:.0f} after {late[pairs, again][1][0]:,}",
        "it is {fd[labels, 86 minutes]:.1f} with labels and {fd[pairs, 90 minutes]:.1f} without",
        "It has seen {images[full, 289 minutes]:,.0f} images",
        "Two CPU cores see {rate[full]:.0f} images a second",
    ],
    "docs/claims.md": [
        "We tried {claims} of their claims",
        "is {arm[dcgan]:,.0f}. With D as fast as G (0.0005) it is {arm[dcgan, D as fast]:.0f}",
        "goes from {arm[dcgan-10k]:.0f} to {arm[dcgan-10k, all of it]:.0f} when",
        "With it, it has {arm[wgan-gp]:.0f}",
        "A generator that never learned has an FD-lite of {arm[v4.3]:,.0f}",
        "LSGAN's three seeds lie between {least[lsgan, longer]:.0f} and {most[lsgan, longer]:.0f}",
        "66 of the {runs} runs",
    ],
    "CHANGELOG.md": ["{claims} claims", "{presets} presets"],
}


def numbers():
    found, done = equal_time.load(), claims.load()
    rows = found["rows"]

    def of_arms(function):
        return {arm: function(claims.values_of(done, arm, "fd")) for arm in claims.ARMS}

    keys = ("fd", "labels", "recall", "eye_gap", "images")
    return {key: {name: row[key] for name, row in rows.items() if key in row} for key in keys} | {
        "curve": {name: points[-1][1] for name, points in found["curves"].items()},
        "late": {name: points[-2:] for name, points in found["curves"].items()},
        "rate": {name: [*rates.values()][-1] for name, rates in found["rates"].items()},
        "arm": of_arms(statistics.mean), "least": of_arms(min), "most": of_arms(max),
        "real": found["about"]["real"], "claims": len(claims.CLAIMS), "runs": len(done),
        "presets": len(PRESETS),
    }


@pytest.mark.parametrize("page, sentence", [(page, one) for page, some in SENTENCES.items() for one in some])
def test_sentences_repeat_the_measured_numbers(page, sentence):
    assert sentence.format_map(numbers()) in words_of(ROOT / page)


def test_the_most_that_labels_do_is_no_verdict():
    """The first thing to take away: no change of labels makes a difference that three seeds can show."""
    labels = [claim for claim in claims.CLAIMS
              if any(word in claim.text for word in ("labels", "smoothing")) and claim.measure == "fd"]
    assert len(labels) >= 3
    for claim in labels:
        assert claims.claim_line(claims.load(), claim).endswith("| too close to call |")


@pytest.mark.parametrize("name", SHIPPED)
def test_a_card_has_the_measured_scores(name):
    card = words_of(ROOT / "data" / "generators" / name / "README.md")
    assert all(words in card for words in ("Trained on", "What it is bad at", "work of their artists"))
    images = int(load_generator(name).info["images"])
    model = equal_time.OF_SHIPPED.get(name, name)
    assert f"{images:,} images seen" in card
    assert equal_time.scores_of(model, images, equal_time.load()) in card


def test_what_comes_with_ganlib_is_bold_and_in_the_gallery():
    results = (ROOT / "docs" / "results.md").read_text()
    bold = results.split("<!-- table: distances -->")[1].split("<!-- /table -->")[0].count("| **")
    gallery = (ROOT / "data" / "generators" / "README.md").read_text()
    assert bold == len(SHIPPED)
    assert all(f"| [{name}]({name}/README.md) | " in gallery for name in SHIPPED)
    assert all(f"]({name}/samples.webp)" in gallery for name in SHIPPED)
    assert all(f"**{name}**" in README.read_text() for name in SHIPPED)


# -- links


def anchors(path):
    """The anchors that GitHub gives the headings of a page."""
    found = []
    for title in re.findall(r"^#+ (.+)$", prose(path), re.M):
        plain = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", title).lower().strip()
        kept = "".join(c for c in plain if c in "-_ " or unicodedata.category(c)[0] in "LN")
        found.append(kept.replace(" ", "-"))
    return found


def test_anchors_as_github_makes_them(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# The *way* there?\n\n```sh\n# no heading\n```\n\n## [dcgan-cpu](x.md), 2×2\n")
    assert anchors(page) == ["the-way-there", "dcgan-cpu-22"]


def links():
    return [(path, link) for path in PAGES for link in dict.fromkeys(LINK.findall(prose(path)))]


def test_there_are_links():
    assert len(links()) > 80


@pytest.mark.parametrize("path, link", links(), ids=str)
def test_links_and_anchors_lead_somewhere(path, link):
    if link.startswith(("https://", "http://")):
        assert "OWNER" not in link or REPOSITORY.split("github.com/")[1] in link
        return
    file, _, anchor = link.partition("#")
    there = (path.parent / file).resolve() if file else path
    assert there.exists() and there.is_relative_to(ROOT), f"{named(path)} links to {link}"
    committed = subprocess.run(["git", "check-ignore", "-q", there], cwd=ROOT)
    assert committed.returncode == 1, f"{link} is not in git"
    assert not anchor or anchor in anchors(there), f"{named(path)}: {link}"


@pytest.mark.parametrize("path", PAGES, ids=named)
def test_every_page_is_linked_from_the_readme_or_from_one_that_is(path):
    seen, todo = set(), [README]
    while todo:
        page = todo.pop()
        seen.add(page)
        for link in LINK.findall(prose(page)):
            there = (page.parent / link.partition("#")[0]).resolve()
            if there in PAGES and there not in seen:
                todo.append(there)
    assert path in seen or path == ROOT / "docs" / "index.md"  # the site's own


# -- commands


def commands():
    """The `ganlib` commands in the pages' shell code, as lists of words."""
    found = []
    for path in PAGES:
        for block in re.findall(r"^```sh\n(.*?)^```$", path.read_text(), re.M | re.S):
            for line in block.splitlines():
                if line.startswith(("ganlib ", ".venv/bin/ganlib ")):
                    found.append(shlex.split(line, comments=True)[1:])
    return found


def test_there_are_commands_of_every_verb():
    verbs = {words[0] for words in commands()}
    assert verbs == {"data", "check", "train", "gif", "sample", "evaluate", "presets", "mix", "walk",
                     "export", "page", "push"}


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_commands_are_understood(words, monkeypatch):
    """Each is parsed as the shell would; what it would do is left out."""
    import argparse

    asked = []

    def parse(parser, args=None, namespace=None):
        found = known(parser, args, namespace)
        if parser.prog != "ganlib":
            return found  # of a verb
        asked.append(found)
        raise KeyboardInterrupt

    known = argparse.ArgumentParser.parse_known_args
    monkeypatch.setattr(argparse.ArgumentParser, "parse_known_args", parse)
    with pytest.raises(KeyboardInterrupt):
        main(words)
    args, labels = asked[0]
    assert not labels or args.verb in ("sample", "mix", "walk")
    if args.verb == "train":
        assert args.preset in PRESETS and (args.profile is None or args.profile in PROFILES)
        assert {item.split("=")[0] for item in args.set} <= DEFAULTS.keys()
    if args.verb in ("sample", "mix", "walk"):
        assert args.run in SHIPPED or args.run.startswith(("data/runs/", "hf:"))


def test_the_drawing_commands_of_the_pages_work(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    drawing = [words for words in commands() if words[0] in ("mix", "walk", "sample") and words[1] in SHIPPED]
    assert len(drawing) >= 4
    for words in drawing:
        target = tmp_path / words[2]
        shutil.rmtree(target, ignore_errors=True)
        assert main(words) == 0 and target.exists(), words


def test_makes_targets_are_told_of():
    targets = re.findall(r"^([a-z]+):.*##", (ROOT / "Makefile").read_text(), re.M)
    text = (ROOT / "docs" / "contributing.md").read_text() + README.read_text()
    assert len(targets) >= 8
    assert not [target for target in targets if f"make {target}" not in text]
    for path in PAGES:  # and no page names one that is not there
        named_there = re.findall(r"`make ([a-z]+)|^make ([a-z]+)", path.read_text(), re.M)
        assert {a or b for a, b in named_there} <= {*targets, "setup"}, named(path)
