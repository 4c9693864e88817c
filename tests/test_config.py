import json
import re
from pathlib import Path
from types import SimpleNamespace

import pytest

from ganlib.config import Config, changed_keys
from ganlib.errors import GanlibError
from ganlib.models.build import build_networks
from ganlib.presets import PRESETS, PROFILES, REPORT_EPOCH, pick_profile, preset
from ganlib.training.schedule import moment, steps_of


def test_the_default_preset_is_the_reports_recipe():
    c = preset("dcgan", "paper")
    assert (c.batch, c.z_dim, c.lr_g, c.lr_d, c.beta1) == (64, 100, 0.0005, 0.0001, 0.5)
    assert (c.real_label, c.fake_label, c.g_label, c.first) == (0.9, 0.1, 1.0, "g")
    assert c.images == 150 * 21_551 == 150 * REPORT_EPOCH
    assert c.recipe() == Config().replace(**c.recipe()).recipe()


def test_unknown_names_tell_the_nearest():
    with pytest.raises(GanlibError, match="Did you mean 'dcgan'"):
        preset("dcgna")
    with pytest.raises(GanlibError, match="Did you mean 'lr_g'"):
        preset("dcgan", lrg=1)
    with pytest.raises(GanlibError, match="Did you mean 'smoke'"):
        preset("dcgan", "smok")


@pytest.mark.parametrize(
    "key, word, meant",
    [
        ("optimizer", "SGD", "sgd"),
        ("loss", "BCE", "bce"),
        ("loss", "lsgan", "mse"),
        ("loss", "Least squares", "mse"),
        ("loss", "WGAN", "wasserstein"),
    ],
)
def test_other_names_and_capitals_are_understood(key, word, meant):
    with pytest.raises(GanlibError, match=f"{key}='{word}'.*Did you mean '{meant}'"):
        preset("dcgan", **{key: word})
    with pytest.raises(GanlibError, match="Did you mean 'wgan-gp'"):
        preset("WGAN-GP")


@pytest.mark.parametrize(
    "key, value",
    [
        ("lr_g", 0),
        ("lr_d", float("nan")),
        ("batch", 1),
        ("real_label", 1.1),
        ("fake_label", -0.1),
        ("resolution", 48),
        ("beta1", 1),
        ("first", "both"),
        ("precision", "fp8"),
        ("images", -1),
        ("z_dim", 0),
        ("batch", "many"),
        ("flip", "perhaps"),
        ("batch", 2.5),
        ("minutes", float("inf")),
        ("loss", "hinges"), ("d_width", -1),
        ("threads", 0), ("threads", "99999"), ("threads", "many"),
        ("data", None), ("preset", [1]), ("grow", None),
    ],
)
def test_bad_values_are_refused_by_name(key, value):
    with pytest.raises(GanlibError, match=key):
        preset("dcgan", **{key: value})


def test_values_from_the_shell_take_the_type_of_their_key():
    c = preset("dcgan", batch="32", lr_g="1e-3", flip="false", minutes="2")
    assert (c.batch, c.lr_g, c.flip, c.minutes) == (32, 0.001, False, 2.0)
    assert [type(v) for v in (c.batch, c.lr_g, c.flip, c.minutes)] == [int, float, bool, float]


def test_json_round_trip_and_absent_keys(tmp_path):
    c = preset("dcgan", "demo", seed=7)
    path = tmp_path / "config.json"
    path.write_text(json.dumps(c.to_dict()))
    assert Config.load(path) == c
    saved = c.to_dict()
    del saved["recipe"]["ema_rampup"], saved["engine"]["frames"]
    path.write_text(json.dumps(saved))
    assert Config.load(path) == c.replace(frames=Config().frames)
    path.write_text(json.dumps(saved | {"format": 2}))
    with pytest.raises(GanlibError, match="newer ganlib"):
        Config.load(path)
    path.write_text("{")
    with pytest.raises(GanlibError, match="config.json"):
        Config.load(path)


def test_recipe_and_engine_are_all_of_the_config():
    c = Config()
    assert not c.recipe().keys() & c.engine().keys()
    assert c.recipe() | c.engine() == {k: getattr(c, k) for k in c.__dataclass_fields__}


def test_the_rows_have_the_numbers_of_their_sources():
    def has(name, **values):
        assert {k: getattr(preset(name), k) for k in values} == values

    has("lsgan", loss="mse", real_label=1, fake_label=0, lr_g=0.0005, lr_d=0.0001, batch=64)
    has("dcgan-10k", batch=64, lr_g=0.0004, lr_d=0.0004, weight_decay=1e-8, images=640_000)
    assert preset("dcgan-10k").label_noise > 0 and preset("dcgan-residual").residual
    has(
        "dcgan-28",
        resolution=28,
        values="0..1",
        loss="bce",
        optimizer="adam",
        batch=128,
        lr_g=0.0002,
        lr_d=0.0002,
        beta1=0.5,
    )
    (
        has("dcgan-28-mse", loss="mse", resolution=28),
        has("dcgan-28-sgd", optimizer="sgd", values="0..1", momentum=0.9),
    )
    has("dcgan-28-rmsprop", optimizer="rmsprop")
    has(
        "wgan",
        optimizer="rmsprop",
        lr_d=5e-5,
        lr_g=5e-5,
        first="d",
        clip=0.01,
        d_steps=5,
        batch=64,
        loss="wasserstein",
    )
    has("wgan-gp-ttur", penalty="wgan-gp", d_steps=1, lr_d=0.0003, lr_g=0.0001)
    has(
        "wgan-gp",
        penalty="wgan-gp",
        penalty_weight=10,
        clip=0,
        lr_d=0.0001,
        lr_g=0.0001,
        beta1=0,
        beta2=0.9,
        d_norm="layer",
        d_steps=5,
    )
    has("v1", batch=128, z_dim=128, lr_g=0.0002, lr_d=0.0002, real_label=1, fake_label=0, first="d")
    has("v2", g_act="leaky_relu", d_gate=0), has("v3", real_label=0.9, fake_label=0, d_gate=0.2, g_act="relu")
    has("v4.1", d_gate=0.1), has("v4.2", d_gate=0.3), has("v4.3", d_gate=0.2, g_gate=4.0, real_label=0.9)
    # L_D is half of the published one where it is a cross-entropy, and so are the penalties' weights
    has("dragan", penalty="dragan", penalty_weight=5, loss="bce", d_norm="layer", real_label=1, fake_label=0)
    has("sngan", loss="hinge", spectral_norm=True, d_norm="none", lr_g=0.0002)
    has("rpgan", loss="relativistic", penalty="r1r2", d_norm="none")
    has(
        "stylegan",
        z_dim=512,
        w_dim=512,
        mapping_layers=8,
        mixing=0.9,
        loss="bce",
        penalty="r1",
        penalty_weight=5,
        first="d",
        lr_g=0.001,
        lr_d=0.001,
        beta1=0,
        beta2=0.99,
        batches="4:128 32:64 64:32 128:16 256:8",
        rates="128:1.5 256:2",
    )
    assert preset("stylegan", "cpu").max_width <= 128
    assert preset("stylegan", "paper").max_width == 512


def test_profiles_leave_the_comparison_of_lsgan_and_dcgan_alone():
    for profile in (None, *PROFILES):
        changed = changed_keys(preset("dcgan", profile).recipe(), preset("lsgan", profile).recipe())
        assert changed.keys() == {"preset", "loss", "real_label", "fake_label"}, profile
    for name in ("dcgan-10k", "dcgan-residual"):
        assert preset(name, "paper").images == 640_000


def test_a_preset_is_what_differs_from_its_base():
    for name, row in PRESETS.items():
        base = Config().to_dict() if "base" not in row else preset(row["base"]).to_dict()
        base = base["recipe"] | base["engine"]
        again = [k for k, v in row.items() if k not in ("base", "source", "profiles") and base[k] == v]
        assert not again, f"{name} repeats {again}"


@pytest.mark.parametrize(
    "changes, words",
    [
        (dict(loss="hings"), "Did you mean 'hinge'"),
        (dict(optimizer="adm"), "Did you mean 'adam'"),
        (dict(penalty="r1"), "d_norm='batch'.*batch norm"),
        (dict(penalty="wgan-gp", loss="wasserstein"), "d_norm"),
        (dict(clip=-0.01), "clip=-0.01"),
        (dict(loss="wasserstein"), "clip=0.0.*weight clipping or a penalty"),
        (dict(real_label=1.2), "real_label=1.2.*between 0 and 1"),
        (dict(dropout=1), "dropout"),
        (dict(d_steps=0), "d_steps"),
        (dict(d_gate=-1), "d_gate"),
        (dict(augment="colour"), "Did you mean 'color'"),
        (dict(residual=True, resolution=28), "residual=True.*32 pixels or more"),
        (dict(model="stylegan", resolution=28), "resolution=28"),
        (dict(model="stylegan-fast", dropout=0.3), "dropout=0.3.*DCGAN"),
        (dict(model="stylegan", spectral_norm=True), "spectral_norm"),
        (dict(model="stylegan", values="0..1"), "values"),
        (dict(model="stylegan", resolution=32, grow="8:1 16:2"), "each of 8, 16, 32.*end at 32"),
        (dict(model="stylegan", resolution=32, grow="64:0"), "each of 8, 16, 32"),
        (dict(model="stylegan", grow="8:3 16:2 32:4 64:5"), "starts that rise"),
        (dict(model="stylegan", grow="8:-1 16:2 32:4 64:5"), "thousands of images"),
        (dict(batches="4:0.5"), "whole batches of 2 or more"),
        (dict(batches="4:2.5"), "whole batches"),
        (dict(rates="8:0"), "positive factors"),
        (dict(rates="8:nan"), "positive factors"),
        (dict(grow="8:1"), "does not grow"),
        (dict(model="stylegan", grow="16:1 8:2"), "rising"),
        (dict(batches="8=3"), "resolution:number"),
    ],
)
def test_recipes_that_cannot_be(changes, words):
    with pytest.raises(GanlibError, match=words) as error:
        Config().replace(**changes)
    assert len(str(error.value).splitlines()) == 1


def test_half_of_the_cpu_profile_is_spent_at_the_full_size():
    """By the rates of two cores that equal_time.json has, as its `images_in` counts."""
    rates = json.loads((Path(__file__).parents[1] / "experiments" / "equal_time.json").read_text())["rates"][
        "stylegan"
    ]
    config, starts = preset("stylegan", "cpu"), [*map(int, rates)]
    assert starts == [0, *(1000 * kimg for kimg in steps_of(config.grow).values())]
    before = sum((end - start) / rate for start, end, rate in zip(starts, starts[1:], rates.values()))
    assert before / 60 < config.minutes / 2


def test_every_profile_fits_every_preset():
    for name in PRESETS:
        for profile in PROFILES:
            c = preset(name, profile)
            assert c.images or c.minutes


def test_profiles_of_gpus_have_batches_that_keep_one_busy():
    for name in PRESETS:
        assert 64 <= preset(name, "colab").batch <= 128 and preset(name, "big").batch >= 256
    c = preset("stylegan", "big", resolution=256)
    assert [moment(c, 1000 * kimg).batch for kimg in (0, 4000, 5000, 6500)] == [256, 256, 128, 64]


def test_learning_rates_grow_with_the_root_of_the_batch():
    def rates(name, profile):
        c = preset(name, profile)
        return c.batch, c.lr_g, c.lr_d

    assert rates("dcgan", "colab") == (64, 0.0005, 0.0001)  # as it was: its own batch is large enough
    assert rates("dcgan", "big") == (256, 0.001, 0.0002)  # four times the batch
    assert rates("wgan", "big") == (256, 0.0001, 0.0001) and rates("wgan-gp-ttur", "big")[2] == 0.0006
    assert rates("v1", "big") == (256, 0.00028, 0.00028)  # 128 before: times the root of 2, to two digits
    assert rates("dcgan-28-sgd", "big") == (256, 0.02, 0.02)  # plain SGD: in proportion
    assert rates("stylegan-fast", "colab") == (64, 0.004, 0.004)  # and these have their own
    assert rates("stylegan-fast", "big") == (256, 0.005, 0.005)
    assert rates("dcgan", "smoke") == (32, 0.0005, 0.0001)  # a profile that names a batch leaves the rates


def test_what_big_ships_is_small():
    G, _ = build_networks(preset("stylegan-fast", "big"))
    assert sum(x.numel() for x in G.state_dict().values()) * 2 < 8e6  # bytes in half precision


def test_difference():
    assert changed_keys({"a": 1, "b": 2}, {"a": 1, "b": 3, "c": 4}) == {"b": (2, 3), "c": (None, 4)}


def test_profile_from_the_environment(monkeypatch):
    monkeypatch.setenv("GANLIB_PROFILE", "demo")
    assert pick_profile().name == "demo" and "GANLIB_PROFILE" in str(pick_profile())
    monkeypatch.setenv("GANLIB_PROFILE", "dmeo")
    with pytest.raises(GanlibError, match="Did you mean 'demo'"):
        pick_profile()


@pytest.mark.parametrize("name, gigabytes, major, minor, profile, words", [
    ("Tesla T4", 14.6, 7, 5, "colab", r"a medium GPU \(Tesla T4, 15 GB, compute capability 7.5\)"),
    ("NVIDIA A100-SXM4-40GB", 39.4, 8, 0, "big", "a large GPU .*40GB, 39 GB, compute capability 8.0"),
    ("NVIDIA H100 80GB HBM3", 79.1, 9, 0, "big", "79 GB, compute capability 9.0"),
    ("NVIDIA L4", 22.0, 8, 9, "colab", "22 GB"),
    ("Tesla V100-PCIE-32GB", 31.7, 7, 0, "colab", "32 GB, compute capability 7.0"),
    ("GeForce GTX 1650", 3.8, 7, 5, "cpu", "a small GPU .*4 GB"),
])
def test_profile_of_a_gpu(monkeypatch, name, gigabytes, major, minor, profile, words):
    gpu = SimpleNamespace(name=name, total_memory=int(gigabytes * 2**30), major=major, minor=minor)
    monkeypatch.delenv("GANLIB_PROFILE", raising=False)
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.current_device", lambda: 1)
    monkeypatch.setattr("torch.cuda.get_device_properties", {1: gpu}.get)
    picked = pick_profile()
    assert picked.name == profile and picked.faces == PROFILES[profile]["faces"]
    assert re.search(words, str(picked)) and len(str(picked).splitlines()) == 1


def test_profile_without_a_gpu(monkeypatch):
    monkeypatch.delenv("GANLIB_PROFILE", raising=False)
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert pick_profile().name == "cpu" and "no GPU" in str(pick_profile())
