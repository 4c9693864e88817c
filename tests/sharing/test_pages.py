"""The folder of a page: what is in it, and what it must not replace. The page itself: tests/browser."""
import hashlib
import json
import os
import tarfile
from pathlib import Path

import pytest
from generators import save_dcgan, save_stylegan

from ganlib.__main__ import main
from ganlib.errors import GanlibError
from ganlib.models.store import load_generator
from ganlib.play.latent_files import identity
from ganlib.sharing import pages
from ganlib.sharing.pages import CODE, FILES, PAGE, fetch_runtime, make_page

NPM = """#!/bin/sh
echo "$@" >> {log}
{does}
"""


@pytest.fixture
def npm(tmp_path, monkeypatch):
    """npm(lines): a stand-in for npm that runs these lines of a shell. It packs small files."""
    package = tmp_path / "package.tgz"
    contents = {name: f"this is {name}".encode() for name in FILES}
    with tarfile.open(package, "w:gz") as archive:
        for name, content in contents.items():
            path = tmp_path / name
            path.write_bytes(content)
            archive.add(path, f"package/dist/{name}")
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
    monkeypatch.setattr(pages, "FILES", hashes)
    monkeypatch.setenv("GANLIB_DATA", str(tmp_path / "data"))
    place = tmp_path / "bin"
    place.mkdir()
    monkeypatch.setenv("PATH", str(place), prepend=os.pathsep)
    log = tmp_path / "npm.log"
    log.touch()

    def does(lines=f"cp {package} ."):
        script = place / "npm"
        script.write_text(NPM.format(log=log, does=lines))
        script.chmod(0o755)
        return log

    does()
    does.log = log
    return does


def test_a_page_has_all_that_it_needs(npm, tmp_path):
    faces = save_stylegan(tmp_path / "faces" / "generator.safetensors")
    plain = save_dcgan(tmp_path / "plain" / "generator.safetensors")
    out = make_page([faces, plain.parent], tmp_path / "out")
    others = {"ort", "generators", "generators.json", pages.MARK}
    assert {path.name for path in out.iterdir()} == {*CODE} | others
    assert all((out / name).read_bytes() == (PAGE / name).read_bytes() for name in CODE)
    assert {path.name for path in (out / "ort").iterdir()} == {*FILES, "LICENCE.txt"}
    entries = json.loads((out / "generators.json").read_text())
    assert [entry["name"] for entry in entries] == ["faces", "plain"]
    for entry, path in zip(entries, (faces, plain), strict=True):
        content = (out / entry["file"]).read_bytes()
        assert len(content) == entry["size"] and hashlib.sha256(content).hexdigest() == entry["sha256"]
        assert f"weights {entry['mark']}" in identity(load_generator(path))
        assert entry["about"]["z_dim"] == 16


def test_all_of_the_pages_code_is_listed():
    assert {path.name for path in PAGE.iterdir()} == {*CODE}


def test_a_page_takes_the_place_of_a_page_and_of_nothing_else(npm, tmp_path):
    run = save_dcgan(tmp_path / "plain" / "generator.safetensors").parent
    out = make_page([run], tmp_path / "out")
    (out / "old.txt").write_text("of the page before")
    make_page([run], out)
    assert not (out / "old.txt").exists()
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "letter.txt").write_text("Dear reader")
    with pytest.raises(GanlibError, match="holds something else than a page of ganlib"):
        make_page([run], tmp_path / "letters")
    assert [*(tmp_path / "letters").iterdir()] == [tmp_path / "letters" / "letter.txt"]
    with pytest.raises(GanlibError, match="it is no folder"):
        make_page([run], tmp_path / "letters" / "letter.txt")


def test_where_a_generator_fails_the_page_before_stays(npm, tmp_path):
    run = save_dcgan(tmp_path / "plain" / "generator.safetensors").parent
    out = make_page([run], tmp_path / "out")
    before = (out / "generators.json").read_bytes()
    (tmp_path / "empty").mkdir()
    with pytest.raises(GanlibError, match="has no generator.safetensors"):
        make_page([run, tmp_path / "empty"], out)
    assert (out / "generators.json").read_bytes() == before


def test_two_generators_of_one_name(npm, tmp_path):
    runs = [save_dcgan(tmp_path / place / "mine" / "generator.safetensors").parent for place in "ab"]
    with pytest.raises(GanlibError, match="Two of these generators are called 'mine'"):
        make_page(runs, tmp_path / "out")


def test_from_a_shell(npm, tmp_path, capsys):
    run = save_dcgan(tmp_path / "plain" / "generator.safetensors").parent
    assert main(["page", str(run), str(tmp_path / "out")]) == 0
    assert f"-m http.server --directory {tmp_path / 'out'}" in capsys.readouterr().out


# -- the runtime


def test_the_runtime_is_fetched_once(npm):
    folder = fetch_runtime()
    assert {path.name for path in folder.iterdir()} == {*FILES}
    assert npm.log.read_text() == f"pack --silent --fetch-retries=1 {pages.PACKAGE}@{pages.VERSION}\n"
    fetch_runtime()
    assert npm.log.read_text().count("pack") == 1
    (folder / next(iter(FILES))).write_text("spoiled")
    fetch_runtime()
    assert npm.log.read_text().count("pack") == 2


@pytest.mark.parametrize("lines, words", [
    ("echo 'npm error network' >&2; exit 1", "could not fetch onnxruntime-web .*error network.*connection"),
    ("exit 0", "could not fetch onnxruntime-web .*it said nothing"),
])
def test_where_npm_fails(npm, lines, words):
    npm(lines)
    with pytest.raises(GanlibError, match=words):
        fetch_runtime()
    assert not (Path(os.environ["GANLIB_DATA"]) / "vendor").exists()


def test_another_file_than_expected_is_not_used(npm, monkeypatch):
    monkeypatch.setitem(pages.FILES, next(iter(FILES)), "0" * 64)
    with pytest.raises(GanlibError, match="is not the file that is expected: it is not used"):
        fetch_runtime()


def test_without_npm(npm, monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("PATH", str(tmp_path))
    run = save_dcgan(tmp_path / "plain" / "generator.safetensors").parent
    assert main(["page", str(run), str(tmp_path / "out")]) == 2
    assert "Install Node.js" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
