"""Generator files: what comes back from them, and what is refused."""
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import tiny

import ganlib
from ganlib.config import Config
from ganlib.errors import GanlibError
from ganlib.models.build import build_networks
from ganlib.models.sampling import generate, latents, sample, styles
from ganlib.models.store import find_generator, load_generator, save_generator, shipped
from ganlib.play.characters import character
from ganlib.play.directions import directions, find_directions
from ganlib.play.latent_files import identity, load_latents, save_latents
from ganlib.play.panels.base import opened
from ganlib.play.panels.directions import DirectionsPanel
from ganlib.play.styles import mixing_sheet, swap
from ganlib.runs.states import save_state

CARDS = Path(__file__).resolve().parents[2] / "data" / "generators"


def test_nan_never_becomes_a_generator(tmp_path):
    G, _ = build_networks(tiny())
    save_generator(tmp_path / "generator.safetensors", G, tiny(), 16)
    with torch.no_grad():
        G.to_rgb.weight[0, 0, 0, 0] = float("inf")
    with pytest.raises(GanlibError, match="to_rgb.weight.*not saved"):
        save_generator(tmp_path / "generator.safetensors", G, tiny(), 32)
    assert load_generator(tmp_path).info["images"] == "16"


def test_generator_round_trip(tmp_path):
    G, _ = build_networks(tiny())
    G.eval()
    save_generator(tmp_path / "generator.safetensors", G, tiny(), 160, 1.5)
    for source in (tmp_path, str(tmp_path), tmp_path / "generator.safetensors"):
        generator = load_generator(source)
        z = torch.randn(3, 8)
        assert torch.equal(G(z), generator.G(z))
        assert generator.folder == tmp_path
    assert generator.config.resolution == 32 and generator.info["images"] == "160"
    assert not generator.has_styles
    assert not generator.G.training and not any(p.requires_grad for p in generator.G.parameters())


def test_a_generator_knows_whether_it_has_styles(plain, styled):
    assert styled.has_styles and not plain.has_styles
    assert styled.to("cpu") is styled


@pytest.mark.parametrize("call", [
    lambda generator: sample(generator, 3, seed=1),
    lambda generator: generate(generator, latents(3, 16, 1)),
    lambda generator: styles(generator, latents(3, 16, 1), 0.5).numpy(),
    lambda generator: swap(generator, *styles(generator, latents(2, 16)), "fine").numpy(),
    lambda generator: np.asarray(mixing_sheet(generator, [1], [2])),
])
def test_a_call_that_needs_the_network_only_takes_both(styled, call):
    assert np.array_equal(call(styled), call(styled.G))


@pytest.mark.parametrize(
    "call",
    [
        identity,
        directions,
        character,
        find_directions,
        DirectionsPanel,
        opened,
        lambda G: save_latents("x", G, latents(1, 16)),
        lambda G: load_latents("x", G),
    ],
)
def test_a_network_alone_is_refused_where_more_is_needed(styled, call, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save_latents("x", styled, latents(1, 16))
    if call is DirectionsPanel:
        assert "expected what load_generator(...) returns, not its network" in call(styled.G).problem
        return
    with pytest.raises(
        GanlibError, match="found StyleGANGenerator; expected what load_generator.*not its network"
    ):
        call(styled.G)


@pytest.mark.parametrize("call", [sample, load_generator, identity, lambda G: generate(G, latents(1, 16))])
def test_what_is_no_generator_is_refused(call):
    with pytest.raises(GanlibError, match="found int; expected"):
        call(7)


def test_half_precision_is_half_the_size_and_nearly_the_same(tmp_path):
    G, _ = build_networks(tiny(width=32))
    G.eval()
    save_generator(tmp_path / "full.safetensors", G, tiny(width=32))
    save_generator(tmp_path / "half.safetensors", G, tiny(width=32), half=True)
    half, full = ((tmp_path / f"{name}.safetensors").stat().st_size for name in ("half", "full"))
    assert half < 0.52 * full
    H = load_generator(tmp_path / "half.safetensors").G
    z = torch.randn(3, 8)
    assert H.to_rgb.weight.dtype == torch.float32 and (G(z) - H(z)).abs().max() < 0.01


def test_generators_that_cannot_be_loaded(tmp_path, monkeypatch):
    monkeypatch.setattr("ganlib.models.store.SHIPPED", tmp_path / "shipped")
    G, _ = build_networks(tiny())
    save_generator(tmp_path / "shipped" / "dcgan" / "generator.safetensors", G, tiny())
    assert find_generator("dcgan").parent.name == "dcgan"
    with pytest.raises(GanlibError, match="Did you mean 'dcgan'"):
        load_generator("dcgam")
    (tmp_path / "empty").mkdir()
    with pytest.raises(GanlibError, match="no generator.safetensors"):
        load_generator(tmp_path / "empty")
    good = (tmp_path / "shipped" / "dcgan" / "generator.safetensors").read_bytes()
    for name, data in (("cut", good[:-50]), ("text", b"hello world, this is not a generator"), ("none", b"")):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(GanlibError, match="is not a generator"):
            load_generator(tmp_path / name)
    G, D = build_networks(tiny())
    state = save_state(tmp_path, 16, {"d": D}, {}, G, {"images": 16})
    with pytest.raises(GanlibError, match="is not a generator"):
        load_generator(state)


def test_the_best_of_a_run_and_names_with_colons(tmp_path):
    """A name that is there is that file or folder, whatever stands at its end."""
    G, _ = build_networks(tiny())
    run = tmp_path / "C:" / "my:best" / "first"
    save_generator(run / "generator.safetensors", G, tiny(), 32)
    with pytest.raises(GanlibError, match=r"no best.safetensors, .* with score='after'"):
        load_generator(f"{run}:best")
    save_generator(run / "best.safetensors", G, tiny(), 16)
    for source in (f"{run}:best", Path(f"{run}:best")):
        assert load_generator(source).info["images"] == "16" and find_generator(source).parent == run
    assert load_generator(run).info["images"] == "32"
    save_generator(tmp_path / "first:best" / "generator.safetensors", G, tiny(), 64)
    (tmp_path / "first").mkdir()
    (tmp_path / "first" / "best.safetensors").write_bytes((run / "best.safetensors").read_bytes())
    assert load_generator(f"{tmp_path}/first:best").info["images"] == "64"  # a folder of that name
    (tmp_path / "one:best").write_bytes((run / "best.safetensors").read_bytes())
    assert load_generator(f"{tmp_path}/one:best").info["images"] == "16"  # a file of that name
    for source in ("nothing:best", f"{run}:last", "dcgan:best"):
        with pytest.raises(GanlibError, match="There is no run"):
            load_generator(source)


def test_no_pickle_is_read():
    source = "".join(p.read_text() for p in Path(ganlib.__file__).parent.rglob("*.py"))
    assert source.count("torch.load(") == source.count("weights_only=True")  # of named third-party packages
    assert "import pickle" not in source and "allow_pickle=True" not in source


def test_the_shipped_generators_draw_varied_pictures_without_training():
    assert {"dcgan", "stylegan-fast"} <= {*shipped()}
    for name in shipped():
        assert find_generator(name).stat().st_size < 12e6
        generator = load_generator(name)
        assert Config.load(CARDS / name / "config.json").recipe() == generator.config.recipe()
        images = sample(generator, n=32, seed=3)
        assert images.shape == (32, 64, 64, 3) and images.std(axis=0).mean() > 30  # no two alike, no noise:
        smooth = np.abs(np.diff(images.astype(int), axis=2)).mean()
        assert smooth < 0.5 * np.abs(images.astype(int) - images[::-1, ::-1]).mean()
