"""Fine-tuning: what is taken of a source, what is said and kept of it, and what is refused."""
import json
import shutil

import pytest
import torch
from helpers import make_pack, make_report, random_images, tiny

from ganlib.__main__ import main
from ganlib.data.labelled import with_pack
from ganlib.data.packs import pack as write_pack
from ganlib.errors import GanlibError
from ganlib.models import store
from ganlib.models.store import load_generator
from ganlib.presets import preset
from ganlib.runs.folder import read_config, read_log
from ganlib.runs.origin import (
    NETWORK_KEYS,
    as_begun,
    begun_with,
    open_origin,
    preset_from,
    save_discriminator,
)
from ganlib.runs.states import state_files
from ganlib.runs.taking import take_origin
from ganlib.tensors import read_safetensors
from ganlib.training.loop import train
from ganlib.training.step import Step

CPU = torch.device("cpu")
SMALL = dict(resolution=32, width=4, max_width=8, z_dim=8, w_dim=8, mapping_layers=2, batch=16, images=64,
             log_images=32, frames=2, generators=1, device="cpu", precision="fp32", threads=1)
KINDS = {"dcgan": {}, "sngan": {}, "stylegan-fast": {}, "stylegan": dict(batches="", grow="")}
CLASSES = {"hair": ["blue", "red"], "eyes": ["black", "green"]}


def small(name, **changes):
    return preset(name, **(SMALL | KINDS[name] | changes))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("origin")


@pytest.fixture(scope="module")
def pack(folder):
    labels = [{"hair": ("blue", "red", None)[i % 3], "eyes": ("black", "green")[i % 2]} for i in range(60)]
    return write_pack(make_report(random_images(60), labels, CLASSES), folder / "pack")


@pytest.fixture(scope="module")
def sources(folder, pack):
    """{preset: a run of it}, and "labels", one that was told hair and eyes."""
    found = {name: train(small(name), pack, folder / name, progress=False).path for name in KINDS}
    told = small("stylegan-fast", labels="hair,eyes")
    return found | {"labels": train(told, pack, folder / "labels", progress=False).path}


def begun(config):
    """(a Step that has taken what its Config starts from, what was told, what was said)."""
    config = as_begun(config, range(1_000), "no run")
    step, said, told = Step(config, CPU, torch.float32), [], {}
    take_origin(step, said.append, lambda event, **values: told.update(values))
    return step, told, said


def saved(run):
    """The tensors of a run's newest state."""
    return read_safetensors(state_files(run)[0])[0]


@pytest.mark.parametrize("name", KINDS)
def test_the_same_networks_are_taken_whole(sources, name):
    step, told, said = begun(small(name, start_from=str(sources[name]), seed=9))
    there = saved(sources[name])
    for prefix, network in (("g", step.G), ("ema", step.G_ema)):
        assert all(torch.equal(p, there[f"{prefix}.{key}"]) for key, p in network.named_parameters())
    assert all(torch.equal(value, there[f"d.{key}"]) for key, value in step.D.state_dict().items())
    assert any(not torch.equal(a, b) for a, b in zip(step.G.parameters(), step.G_ema.parameters()))
    g, d = len(list(step.G.parameters())), len(step.D.state_dict())
    assert told["took_g"] == [g, g] and told["took_d"] == [d, d] and told["new"] == []
    assert said == [f"Begins with {sources[name]} (64 images seen): took {g} of {g} tensors of G and {d} of "
                    f"{d} tensors of D."]
    assert not any(optimizer.state for optimizer in step.optimizers.values())


# what is new where pictures are twice as large, and which tensors are then the same: (here, there)
LARGER = {
    # channels from 4x4 up: 8, 8, 4 there, and 8, 8, 8, 4 here
    "dcgan": (["layers.2", "layers.3", "to_rgb", "layers.0"],
              [("d", "layers.4.0.weight", "layers.3.0.weight"), ("d", "to_logit.weight", "to_logit.weight"),
               ("g", "layers.1.0.weight", "layers.1.0.weight")]),
    "stylegan-fast": (["layers.8", "layers.9", "rgb_style.4", "to_rgb.4", "from_rgb", "blocks.0"],
                      [("d", "blocks.1.conv1.weight", "blocks.0.conv1.weight"),
                       ("d", "blocks.3.skip.weight", "blocks.2.skip.weight"),
                       ("g", "layers.7.conv.weight", "layers.7.conv.weight")]),
    "stylegan": (["layers.8", "layers.9", "to_rgb.4", "from_rgb.4", "conv1.3", "conv2.3"],
                 [("d", "conv1.2.weight", "conv1.2.weight"),
                  ("d", "from_rgb.3.weight", "from_rgb.3.weight")]),
}


@pytest.mark.parametrize("name", LARGER)
def test_at_another_resolution_the_layers_below_are_shared(sources, name):
    """Layers keep their place counted from 4x4 pixels up, however the discriminator numbers them."""
    step, told, said = begun(small(name, resolution=64, start_from=str(sources[name])))
    there = saved(sources[name])
    new, pairs = LARGER[name]
    assert told["new"] == new
    more = f" and {len(new) - 4} more" if len(new) > 4 else ""
    assert f"; new: {', '.join(new[:4])}{more}." in said[0]
    for network, key, its in pairs:
        assert torch.equal(step.networks[network].state_dict()[key], there[f"{network}.{its}"])
    assert 0 < told["took_d"][0] < told["took_d"][1] and 0 < told["took_g"][0] < told["took_g"][1]


def test_a_smaller_one_takes_the_lower_layers(folder, pack, sources):
    run = folder / "larger"
    larger = make_pack(folder / "pack64", 40, 64)
    train(small("stylegan-fast", resolution=64, images=16), larger, run, progress=False)
    step, told, _ = begun(small("stylegan-fast", start_from=str(run)))
    assert told["took_g"][0] == told["took_g"][1] and told["new"] == ["from_rgb"]
    assert torch.equal(step.D.state_dict()["blocks.0.conv1.weight"], saved(run)["d.blocks.1.conv1.weight"])


# -- the run that begins so


def test_a_run_keeps_its_origin_and_goes_on_without_the_source(folder, pack, sources, capsys):
    source = folder / "to-be-lost"
    shutil.copytree(sources["stylegan-fast"], source)
    config = small("stylegan-fast", start_from=str(source), seed=5, images=128, augment="color,cutout",
                   augment_target=0.001, augment_kimg=0.2, freeze_d=1)
    whole = train(config, pack, folder / "whole", progress=False)
    parts = train(config.replace(images=64), pack, folder / "parts", progress=False)
    shutil.rmtree(source)
    assert train(config, pack, parts.path, progress=False).images == 128
    a, b = saved(whole.path), saved(parts.path)
    assert a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)
    assert 0 < a["augment.p"] < 1 and a["augment.r_t"] != 0

    origin = begun_with(read_config(parts.path))
    there = read_config(sources["stylegan-fast"])
    assert origin == {"name": str(source), "images": 64, "data": there.data, "weights": origin["weights"]}
    assert begun_with(load_generator(parts.path).config) == origin  # the card of its generator has it
    records, events = read_log(whole.path)
    (event,) = [event for event in events if event["event"] == "start_from"]
    assert event["source"] == str(source) and event["seen"] == 64 and event["took_g"][0] == event["took_g"][1]
    assert 0 <= records[-1]["augment_p"] <= 1 and -1 <= records[-1]["r_t"] <= 1
    assert "Begins with" in "".join(capsys.readouterr())


def test_the_first_pictures_are_the_sources(folder, pack, sources):
    from ganlib.runs.folder import sample_files
    config = small("stylegan-fast", start_from=str(sources["stylegan-fast"]), images=16)
    run = train(config, pack, folder / "first", progress=False)
    here, there = sample_files(run.path)[0], sample_files(sources["stylegan-fast"])[-1]
    assert here.stem == "000000000" and here.read_bytes() == there.read_bytes()


def test_frozen_blocks_are_those_of_the_source_to_the_end(folder, pack, sources):
    config = small("stylegan-fast", start_from=str(sources["stylegan-fast"]), freeze_d=2)
    a, b = (saved(run) for run in (train(config, pack, folder / "frozen", progress=False).path,
                                   sources["stylegan-fast"]))
    frozen = [key for key in a if key.startswith(("d.from_rgb", "d.blocks.0", "d.blocks.1"))]
    assert len(frozen) == 14 and all(torch.equal(a[key], b[key]) for key in frozen)
    assert not torch.equal(a["d.blocks.2.conv1.weight"], b["d.blocks.2.conv1.weight"])


@pytest.mark.parametrize("there, here, words", [
    ("", "X", "was begun without start_from .--from.. To go on with it, leave start_from out; for one that "
              "begins with X, name another folder"),
    ("X", "Y", "was begun from X. To go on with it, say start_from='X'; for one that begins with Y"),
    ("X", "", "was begun from X. To go on with it, say start_from='X'; for one that begins anew"),
])
def test_a_run_keeps_its_beginning(pack, sources, tmp_path, there, here, words, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "X").symlink_to(sources["dcgan"])
    (tmp_path / "Y").symlink_to(sources["sngan"])
    config = small("dcgan", start_from=there, images=32)
    train(config, pack, "run", progress=False)
    with pytest.raises(GanlibError, match=words):
        train(config.replace(start_from=here, images=64), pack, "run", progress=False)
    assert read_config("run").start_from == there


def test_a_source_may_have_moved(pack, sources, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(sources["dcgan"], "one")
    train(small("dcgan", start_from="one", images=32), pack, "run", progress=False)
    shutil.move("one", "two")
    train(small("dcgan", start_from="two", images=48), pack, "run", progress=False)
    assert read_config("run").start_from == "one" and read_log("run")[1][-1]["images"] == 48


# -- generators without and with a discriminator


@pytest.fixture
def shipped(sources, tmp_path, monkeypatch):
    """The name of a generator that comes with the package."""
    folder = tmp_path / "shipped" / "faces"
    folder.mkdir(parents=True)
    shutil.copy(sources["stylegan-fast"] / "generator.safetensors", folder)
    monkeypatch.setattr(store, "SHIPPED", folder.parent)
    return "faces"


def test_a_generator_alone_gets_a_new_d_and_may_wait_for_it(pack, shipped, sources, tmp_path, capsys):
    config = preset_from("stylegan-fast", **(SMALL | dict(start_from=shipped, images=32)))
    assert config.g_waits_kimg == 2
    run = train(config, pack, tmp_path / "run", progress=False)
    a, b = saved(run.path), saved(sources["stylegan-fast"])
    G = [key for key in a if key.startswith("g.") and "noise" not in key and "w_avg" not in key]
    assert all(torch.equal(a[key], b[key.replace("g.", "ema.")]) for key in G) and len(G) > 10
    assert not torch.equal(a["d.from_rgb.weight"], b["d.from_rgb.weight"])
    said = "".join(capsys.readouterr())
    assert "took 61 of 61 tensors of G and 0 of 26 tensors of D; new: from_rgb, blocks.0" in said
    assert "D begins anew, and G waits for the first 2,000 images." in said
    _, _, said = begun(config.replace(g_waits_kimg=0))
    assert said[1].endswith("G learns from it at once; with g_waits_kimg=2 it would wait.")


def test_a_discriminator_beside_it_is_taken_in_half_precision(shipped, sources):
    origin = open_origin(sources["stylegan-fast"])
    path = store.SHIPPED / shipped / "discriminator.safetensors"
    save_discriminator(path, origin)
    config = preset_from("stylegan-fast", **(SMALL | dict(start_from=shipped)))
    assert config.g_waits_kimg == 0
    step, told, _ = begun(config)
    assert told["took_d"][0] == told["took_d"][1]
    for key, value in step.D.state_dict().items():
        assert torch.equal(value, origin.tensors["d"][key].half().float())
    assert {str(value.dtype) for value in read_safetensors(path)[0].values()} == {"torch.float16"}
    before = open_origin(shipped).weights
    save_discriminator(path, open_origin(sources["labels"]))
    assert open_origin(shipped).weights != before


def test_a_discriminator_of_another_generator_is_refused(shipped, folder, pack, tmp_path):
    other = train(small("stylegan-fast", width=2, images=16), pack, tmp_path / "other", progress=False).path
    path = store.SHIPPED / shipped / "discriminator.safetensors"
    save_discriminator(path, open_origin(other))
    with pytest.raises(GanlibError, match="of another generator than the one beside it: it has width=2"):
        open_origin(shipped)
    path.write_bytes(b"no tensors at all")
    with pytest.raises(GanlibError, match="is not a discriminator that this version can read"):
        open_origin(shipped)
    with pytest.raises(GanlibError, match="has no discriminator: expected a run's folder with a state"):
        save_discriminator(path, open_origin(other / "generator.safetensors"))


def test_g_of_a_projected_gan_is_that_of_the_fast_one(sources):
    config = preset_from("stylegan-projected", **(SMALL | dict(start_from=str(sources["stylegan-fast"]))))
    assert config.g_waits_kimg == 2 and config.model == "stylegan-projected"


# -- labels


def draw(step_or_G, z, c=None):
    G = getattr(step_or_G, "G_ema", step_or_G).eval()
    with torch.no_grad():
        return G(z, c)


@pytest.mark.parametrize("asked", ["", "hair"])
def test_without_the_labels_a_style_based_g_draws_as_with_all_unknown(sources, pack, asked):
    z = torch.randn(4, 8, generator=torch.Generator().manual_seed(0))
    source = load_generator(sources["labels"]).G
    config = small("stylegan-fast", start_from=str(sources["labels"]), labels=asked)
    step, told, _ = begun(with_pack(config, pack))
    for i in range(source.num_layers):  # they are drawn from another seed
        getattr(step.G_ema, f"noise_{i}").copy_(getattr(source, f"noise_{i}"))
    unknown = torch.full((4, 2), -1)
    here = draw(step, z, unknown[:, :1] if asked else None)
    assert torch.allclose(here, draw(source, z, unknown), atol=1e-5)
    if asked:  # and hair is what it was
        red = torch.tensor([[1, -1]] * 4)
        assert torch.allclose(draw(step, z, red[:, :1]), draw(source, z, red), atol=1e-5)
        assert not torch.allclose(draw(step, z, red[:, :1]), draw(step, z, unknown[:, :1]), atol=1e-3)
    assert told["took_g"][0] == told["took_g"][1]


def test_new_labels_begin_as_nothing(sources, pack):
    z = torch.randn(4, 8, generator=torch.Generator().manual_seed(0))
    source = load_generator(sources["stylegan-fast"]).G
    config = small("stylegan-fast", start_from=str(sources["stylegan-fast"]), labels="hair")
    step, told, _ = begun(with_pack(config, pack))
    for i in range(source.num_layers):
        getattr(step.G_ema, f"noise_{i}").copy_(getattr(source, f"noise_{i}"))
    for c in (-1, 0, 1):
        assert torch.allclose(draw(step, z, torch.full((4, 1), c)), draw(source, z), atol=1e-5)
    assert told["new"] == ["embed", "labels"]
    x, c = torch.rand(4, 3, 32, 32), torch.tensor([[0], [1], [0], [1]])
    assert torch.equal(step.D(x, c), step.D(x))


def test_classes_of_the_same_name_keep_their_vectors(sources, folder):
    names = {"eyes": ["green", "blue", "black"]}
    labels = [{"eyes": names["eyes"][i % 3]} for i in range(60)]
    other = write_pack(make_report(random_images(60), labels, names), folder / "other-eyes")
    config = small("stylegan-fast", start_from=str(sources["labels"]), labels="eyes")
    step, _, _ = begun(with_pack(config, other))
    there = saved(sources["labels"])
    table, old = step.G.embed.tables[0], there["g.embed.tables.1"]  # black, green, unknown
    assert torch.equal(table[[0, 2, 3]], old[[1, 0, 2]]) and old.any()  # green, black, unknown
    blue, unknown = (step.G.embed(torch.tensor([[number]])) for number in (1, -1))
    assert torch.equal(blue, unknown)
    assert torch.equal(step.D.labels.project[0].weight[[0, 2]], there["d.labels.project.1.weight"][[1, 0]])
    assert not step.D.labels.project[0].weight[1].any()


def test_a_dcgan_keeps_what_its_first_layer_makes_of_z(sources, pack):
    config = small("dcgan", start_from=str(sources["dcgan"]), labels="hair")
    step, told, _ = begun(with_pack(config, pack))
    there = saved(sources["dcgan"])["g.layers.0.0.weight"]
    assert step.G.layers[0][0].weight.shape == (8 + 64, *there.shape[1:])
    assert torch.equal(step.G.layers[0][0].weight[:8], there)


# -- the networks of a recipe, and what is refused


def test_the_networks_are_the_sources_unless_one_sets_them(sources, capsys):
    source = str(sources["stylegan-fast"])
    config = preset_from("stylegan-fast", "cpu", start_from=source, resolution=32)
    there = read_config(source)
    assert all(getattr(config, key) == getattr(there, key) for key in NETWORK_KEYS)
    assert config.batch == 16 and config.loss == "relativistic"  # the profile's
    assert f"The networks are those of {source}: width=4, max_width=8, z_dim=8" in capsys.readouterr().out
    config = preset_from("stylegan-fast", "cpu", start_from=source, width=64, resolution=32)
    assert config.width == 64 and config.max_width == 8
    assert preset_from("stylegan-fast", "cpu") == preset("stylegan-fast", "cpu")


def test_a_grown_network_stays_grown(sources):
    config = preset_from("stylegan", "cpu", start_from=str(sources["stylegan"]), resolution=32)
    assert config.grow == "" and config.model == "stylegan"


@pytest.mark.parametrize("name, changes, words", [
    ("dcgan", {}, "has networks of model='stylegan-fast', and the recipe of model='dcgan': none of them fits."
                  " Take the preset 'stylegan-fast'"),
    ("stylegan-fast", dict(width=64, max_width=64), "None of the layers of .* fits: it has width=4, "
                                                    "max_width=8, and the recipe width=64, max_width=64"),
])
def test_other_networks_are_refused_in_words(sources, pack, tmp_path, name, changes, words):
    config = small(name, start_from=str(sources["stylegan-fast"]), **changes)
    with pytest.raises(GanlibError, match=words):
        train(config, pack, tmp_path / "run", progress=False)


def test_other_refusals(sources, shipped, pack, tmp_path):
    with pytest.raises(GanlibError, match="There is no run 'nowhere', nor a shipped generator of that name"):
        train(small("dcgan", start_from="nowhere"), pack, tmp_path / "run", progress=False)
    with pytest.raises(GanlibError, match="freeze_d=1: faces has no discriminator, and blocks of D that"):
        begun(small("stylegan-fast", start_from=shipped, freeze_d=1))
    with pytest.raises(GanlibError, match="freeze_d=1: .* has other ones"):
        begun(small("stylegan-fast", start_from=str(sources["stylegan-fast"]), freeze_d=1, resolution=64))
    with pytest.raises(GanlibError, match="at 28 pixels no layer is as at other sizes"):
        begun(small("dcgan", start_from=str(sources["dcgan"]), resolution=28))


def test_a_set_of_fewer_images_than_two_batches(folder, tmp_path):
    few = make_pack(tmp_path / "few", 30)
    words = "has 30 images, fewer than two batches of 16: set batch=15 or lower, or add pictures"
    with pytest.raises(GanlibError, match=words):
        train(tiny(), few, tmp_path / "run", progress=False)
    assert not (tmp_path / "run").exists()
    growing = preset("stylegan", "smoke", batch=8)
    with pytest.raises(GanlibError, match='two batches of 32: set batch=15 or lower with batches="", or'):
        train(growing, few, tmp_path / "run", progress=False)
    train(tiny(batch=15, images=15), few, tmp_path / "run", progress=False)


def test_a_shell_fine_tunes(sources, pack, tmp_path, capsys):
    source, run = tmp_path / "source", tmp_path / "run"
    shutil.copytree(sources["stylegan-fast"], source)
    words = ["train", "stylegan-fast", str(pack.path), str(run), "--from", str(source), "--set",
             "resolution=32", "batch=16", "device=cpu", "threads=1", "frames=1", "--images"]
    assert main([*words, "32"]) == 0
    shutil.rmtree(source)
    assert main([*words, "48"]) == 0
    config = read_config(run)
    assert config.width == 4 and config.start_from == str(source)
    assert json.loads(config.origin)["images"] == 64
    assert [event["event"] for event in read_log(run)[1]].count("start_from") == 1
    assert main([word for word in words if word not in ("--from", str(source))] + ["64"]) == 2
    assert "was begun from" in capsys.readouterr().err
