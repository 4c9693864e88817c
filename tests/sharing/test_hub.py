"""Generators on the Hugging Face Hub, against a stand-in of it on loopback."""
import io
import json
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from generators import save_dcgan, save_stylegan
from hub_stand_in import HubStandIn
from PIL import Image
from run_folders import write_samples

from ganlib.__main__ import main
from ganlib.config import Config
from ganlib.errors import GanlibError
from ganlib.images import grid
from ganlib.models.sampling import sample
from ganlib.models.store import find_generator, load_generator, save_generator
from ganlib.play.directions import directions, make_directions
from ganlib.pretrained.hub_files import fetch_from_hub, hub_address
from ganlib.sharing.hub import parcel, push
from ganlib.sharing.onnx_files import name_of

pytest.importorskip("huggingface_hub", reason="the extra [hub] is not installed")
ALL = {".gitattributes", "generator.safetensors", "config.json", "generator.onnx", "samples.png", "README.md"}
PLACE = "hf:someone/faces"


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """The stand-in, where huggingface_hub looks for the Hub; its cache is new and empty."""
    from huggingface_hub import constants

    with HubStandIn() as stand_in:
        lead_to(stand_in.address, monkeypatch)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
        monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "token"))
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True, raising=False)
        monkeypatch.setenv("HF_TOKEN", stand_in.token)
        yield stand_in


def lead_to(address, monkeypatch):
    """Make huggingface_hub take another address for the Hub's."""
    from huggingface_hub import constants, hf_api

    monkeypatch.setattr(constants, "ENDPOINT", address)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE",
                        address + "/{repo_id}/resolve/{revision}/{filename}")
    monkeypatch.setattr(hf_api.api, "endpoint", address)


def cached(tmp_path):
    """The files in the cache that hold something of a repository."""
    return [path for path in (tmp_path / "cache").rglob("*")
            if path.is_file() and {"blobs", "snapshots"} & {*path.parts}]


@pytest.fixture
def shared(hub, generator_files):
    """The stand-in with a DCGAN at PLACE, without the work of a push."""
    content = (generator_files / "dcgan.safetensors").read_bytes()
    hub.add("someone/faces", {"generator.safetensors": content, "config.json": b"{}", "README.md": b"a card"})
    return hub


# -- there and back


@pytest.mark.parametrize("name", ["dcgan", "stylegan"])
def test_what_was_pushed_draws_the_same(hub, generator_files, name, capsys):
    source = generator_files / f"{name}.safetensors"
    assert main(["push", str(source), PLACE]) == 0
    said = capsys.readouterr().out
    assert hub.files("someone/faces").keys() == ALL
    assert f"{hub.address}/someone/faces" in said and "in all" in said and hub.token not in said
    assert f"generator.safetensors    {source.stat().st_size / 1e6:7.2f} MB" in said
    back, before = load_generator(PLACE), load_generator(source)
    assert np.array_equal(sample(back, 6, seed=3), sample(before, 6, seed=3))
    assert {path.name for path in back.folder.iterdir()} == {"generator.safetensors", "config.json"}
    assert Config.load(back.folder / "config.json").recipe() == before.config.recipe()


def test_directions_come_along(hub, tmp_path):
    source = save_stylegan(tmp_path / "run" / "generator.safetensors")
    make_directions(source, names=["smile"], n=100)
    push(source.parent, PLACE)
    assert hub.files("someone/faces").keys() == ALL | {"directions.safetensors"}
    named, colours = directions(load_generator(PLACE))
    expected = directions(load_generator(source))
    assert "smile" in named and torch.equal(colours, expected[1])
    # Of another generator: they stay at home, and those in the repository go
    save_stylegan(source, seed=1)
    push(source.parent, PLACE)
    assert hub.files("someone/faces").keys() == ALL


def test_a_run_gives_its_generator_and_no_picture_of_the_training_set(hub, tmp_path):
    run = write_samples(tmp_path / "first", 3)
    save_dcgan(run / "generator.safetensors")
    events = [{"event": "score", "images": 0, "train_seconds": 1.0, "fd": 123.456, "n": 100}]
    (run / "log.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events))
    assert push(run, PLACE) == f"{hub.address}/someone/faces"
    files = hub.files("someone/faces")
    assert files.keys() == ALL
    drawn = grid(sample(load_generator(run), 64, seed=1))
    assert np.array_equal(Image.open(io.BytesIO(files["samples.png"])), drawn)
    pictures = {path.read_bytes() for path in run.rglob("*.png")}
    assert not pictures & {*files.values()}
    header, card = files["README.md"].decode().removeprefix("---\n").split("---\n")
    told = {key: json.loads(value) for key, value in (line.split(": ", 1) for line in header.splitlines())}
    assert told["license"] == "other" and told["pipeline_tag"] == "unconditional-image-generation"
    metric = told["model-index"][0]["results"][0]["metrics"][0]
    assert metric == {"type": "fd-lite", "name": "FD-lite", "value": 123.46}
    assert f'ganlib.load_generator("{PLACE}")' in card and "artists" in card and "# first: anime" in card


def test_no_folder_of_this_machine_goes_along(hub, tmp_path):
    """A run that was fine-tuned knows where it began."""
    begun = save_dcgan(tmp_path / "secret" / "generator.safetensors")
    generator = load_generator(begun)
    origin = json.dumps({"name": str(begun.parent), "images": 0, "data": "", "weights": "0"})
    config = generator.config.replace(start_from=str(begun.parent), origin=origin)
    source = tmp_path / "tuned.safetensors"
    save_generator(source, generator.G, config)
    push(source, PLACE)
    files = hub.files("someone/faces")
    assert not [name for name, content in files.items() if str(tmp_path).encode() in content]
    assert load_generator(PLACE).config.start_from == "secret"


def test_a_second_push_makes_a_commit_and_the_first_stays_loadable(hub, tmp_path):
    one, two = save_dcgan(tmp_path / "1.safetensors"), save_stylegan(tmp_path / "2.safetensors")
    push(one, PLACE)
    first = hub.repositories["someone/faces"]["commits"][-1][0]
    assert load_generator(PLACE).config.model == "dcgan"
    push(two, PLACE, message="with styles", licence="cc0-1.0")
    assert hub.repositories["someone/faces"]["commits"][-1][1] == "with styles"
    assert b'license: "cc0-1.0"' in hub.files("someone/faces")["README.md"]
    assert load_generator(PLACE).has_styles
    assert load_generator(f"{PLACE}@{first}").config.model == "dcgan"
    assert load_generator(f"{PLACE}@main").has_styles
    with pytest.raises(GanlibError, match="hf:someone/faces on the Hugging Face Hub has no revision 'v7'"):
        load_generator(f"{PLACE}@v7")


def test_without_onnx_the_file_is_left_out_and_that_is_said(hub, generator_files, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "onnx", None)
    push(generator_files / "dcgan.safetensors", PLACE)
    assert hub.files("someone/faces").keys() == ALL - {"generator.onnx"}
    assert "generator.onnx is left out. This needs the package onnx" in capsys.readouterr().out


def test_private_is_private(hub, generator_files, monkeypatch):
    source = generator_files / "dcgan.safetensors"
    push(source, PLACE, private=True)
    assert hub.repositories["someone/faces"]["private"]
    hub.add("someone/open", {"README.md": b""})
    with pytest.raises(GanlibError, match="it is public"):
        push(source, "hf:someone/open", private=True)
    assert hub.files("someone/open").keys() == {"README.md"}
    load_generator(PLACE)
    monkeypatch.delenv("HF_TOKEN")
    hub.add("someone/hidden", {}, private=True)
    with pytest.raises(GanlibError, match=r"does not give you hf:someone/hidden \(401\).*log in with"):
        load_generator("hf:someone/hidden")


def test_it_is_a_source_everywhere(shared, tmp_path, capsys):
    assert main(["sample", PLACE, str(tmp_path / "faces.npy"), "--n", "2"]) == 0
    assert np.load(tmp_path / "faces.npy").shape == (2, 32, 32, 3)
    assert main(["export", PLACE, str(tmp_path / "x.onnx")]) == 0
    assert name_of("hf:someone/faces.v1@main") == "faces.v1"
    assert find_generator(PLACE).parent == load_generator(PLACE).folder
    from ganlib.play.panels.base import opened

    assert opened(PLACE).config.model == "dcgan"


def test_the_shell_finds_the_hub_by_its_variables(shared, tmp_path, generator_files):
    """HF_ENDPOINT, HF_HOME and HF_TOKEN, as huggingface_hub reads them when it is imported."""
    variables = {"HF_ENDPOINT": shared.address, "HF_HOME": str(tmp_path / "home"), "HF_HUB_DISABLE_XET": "1"}
    command = [sys.executable, "-m", "ganlib", "sample", PLACE, str(tmp_path / "faces.npy"), "--n", "1"]
    subprocess.run(command, check=True, env=os.environ | variables, capture_output=True, timeout=60)
    assert list((tmp_path / "home" / "hub").rglob("generator.safetensors"))
    assert (tmp_path / "faces.npy").exists()


# -- connections, checksums


def test_what_is_cached_needs_no_connection(shared, monkeypatch):
    before = sample(load_generator(PLACE), 2)
    lead_to("http://127.0.0.1:9", monkeypatch)
    assert np.array_equal(sample(load_generator(PLACE), 2), before)
    with pytest.raises(GanlibError, match="cannot be reached for hf:someone/others: check the connection"):
        load_generator("hf:someone/others")
    with pytest.raises(GanlibError, match="cannot be reached"):
        push("dcgan-cpu", PLACE)


def test_a_cut_download_goes_on(shared, tmp_path, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 4096)  # it keeps whole pieces only
    shared.cuts = [20_000]
    load_generator(PLACE)
    assert len(shared.ranges()) == 2 and shared.ranges()[0] is None
    assert 0 < int(shared.ranges()[1].removeprefix("bytes=").removesuffix("-")) <= 20_000
    content = shared.files("someone/faces")["generator.safetensors"]
    assert find_generator(PLACE).read_bytes() == content


@pytest.mark.parametrize("name", ["generator.safetensors", "config.json"])
def test_what_came_damaged_is_removed(shared, tmp_path, name):
    right = shared.files("someone/faces")[name]
    shared.spoiled = {name: right[:-1] + bytes([right[-1] ^ 1])}
    with pytest.raises(GanlibError, match=f"^{name} of {PLACE} came damaged, .* and was removed"):
        load_generator(PLACE)
    assert shared.spoiled[name] not in [path.read_bytes() for path in cached(tmp_path)]
    shared.spoiled = {}
    assert load_generator(PLACE).folder.joinpath(name).read_bytes() == right


def test_what_the_disk_damaged_is_removed(shared, tmp_path):
    path = fetch_from_hub(PLACE)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(GanlibError, match="came damaged"):
        load_generator(PLACE)
    assert load_generator(PLACE).config.model == "dcgan"


def test_a_cache_that_cannot_be_written(shared, tmp_path, monkeypatch):
    from huggingface_hub import constants

    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(GanlibError, match="could not be kept .*: free some space, or set HF_HOME"):
        load_generator(PLACE)


def test_only_what_a_generator_has_is_fetched(shared):
    files = shared.files("someone/faces") | {"weights.bin": b"x" * 99, "code.py": b"", "more/x.json": b"{}"}
    shared.add("someone/more", files)
    assert {path.name for path in load_generator("hf:someone/more").folder.iterdir()} == {
        "generator.safetensors", "config.json"}


def test_a_repository_of_something_else(hub):
    hub.add("someone/words", {"README.md": b""})
    with pytest.raises(GanlibError, match="hf:someone/words has no generator.safetensors"):
        load_generator("hf:someone/words")
    hub.add("someone/words", {"README.md": b"", "config.json": b"{}", "pytorch_model.bin": b""})
    with pytest.raises(GanlibError, match="hf:someone/words has no generator.safetensors"):
        load_generator("hf:someone/words")
    hub.add("someone/words", {"generator.safetensors": b"no safetensors"})
    with pytest.raises(GanlibError, match="is not a generator that this version can read"):
        load_generator("hf:someone/words")


# -- refusals


def test_a_refused_token_is_one_clear_line(shared, generator_files, monkeypatch, capsys):
    source = str(generator_files / "dcgan.safetensors")
    monkeypatch.setenv("HF_TOKEN", "hf_bad")
    assert main(["push", source, PLACE]) == 2
    said = capsys.readouterr().err
    assert "does not let you write to hf:someone/faces (401)" in said and "hf auth login" in said
    assert "hf_bad" not in said and len(said.strip().splitlines()) == 1
    monkeypatch.setenv("HF_TOKEN", shared.token)
    shared.status = 403
    assert main(["push", source, PLACE]) == 2
    said = capsys.readouterr().err
    assert "(403)" in said and shared.token not in said and len(said.strip().splitlines()) == 1
    assert main(["sample", PLACE, "nothing.npy"]) == 2
    monkeypatch.delenv("HF_TOKEN")
    asked = len(shared.requests)
    assert main(["push", source, PLACE]) == 2
    assert "from those it knows: log in with" in capsys.readouterr().err and len(shared.requests) == asked


def test_a_missing_repository(hub):
    with pytest.raises(GanlibError, match=r"has no hf:someone/nothing for you \(404\): check the name"):
        load_generator("hf:someone/nothing")


def test_a_card_that_the_hub_refuses(hub, generator_files):
    hub.card_errors = ['"license" must be one of ...']
    with pytest.raises(GanlibError, match='"license" must be one of ....: if the licence is at fault, name'):
        push(generator_files / "dcgan.safetensors", PLACE, licence="dreamt-up")
    with pytest.raises(GanlibError, match="'My own' is no licence as the Hub writes it"):
        push(generator_files / "dcgan.safetensors", PLACE, licence="My own")
    assert hub.files("someone/faces").keys() == {".gitattributes"}


@pytest.mark.parametrize("text", [
    "hf:", "hf:name", "hf:a/b/c", "hf:/faces", "hf:name/", "hf:a/<b>x</b>", "hf:<script>/x", "hf:a/b@",
    "hf:a/../b", "hf:../x", "hf:a/b..c", "hf:a/b--c", "hf:a/b:best", "hf:a/b@x/../y", "hf:a b/c", "hf:a/b\n",
    "hf://a/b", "a/b", "", "hf:a/" + "b" * 97,
])
def test_bad_addresses(text, generator_files):
    with pytest.raises(GanlibError, match="no address on the Hugging Face Hub: expected hf:name/repository"):
        hub_address(text)
    if text.startswith("hf:"):
        with pytest.raises(GanlibError, match="no address on the Hugging Face Hub"):
            load_generator(text)
    with pytest.raises(GanlibError, match="no address on the Hugging Face Hub"):
        push(generator_files / "dcgan.safetensors", text)


def test_addresses():
    found = hub_address("hf:a-b_c/Faces.v1@refs/pr/1")
    assert (found.repository, found.revision) == ("a-b_c/Faces.v1", "refs/pr/1")
    assert str(found) == "hf:a-b_c/Faces.v1@refs/pr/1" and str(hub_address("hf:a/b")) == "hf:a/b"


def test_a_push_goes_to_no_other_revision(generator_files):
    with pytest.raises(GanlibError, match="leave @v1 out"):
        push(generator_files / "dcgan.safetensors", f"{PLACE}@v1")


def test_without_the_extra(generator_files, monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    for call in (lambda: load_generator(PLACE), lambda: push(generator_files / "dcgan.safetensors", PLACE)):
        with pytest.raises(GanlibError, match=r"not installed: pip install 'ganlib\[hub\]'"):
            call()


def test_a_shipped_generator_with_directions_makes_a_parcel_of_known_size():
    packed = parcel("stylegan-fast", PLACE)
    assert {*packed.files} == ALL - {".gitattributes"} | {"directions.safetensors"} and not packed.left_out
    assert sum(map(len, packed.files.values())) < 15e6
