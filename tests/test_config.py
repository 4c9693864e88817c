import json

import pytest

from ganlib.config import PRESETS, PROFILES, REPORT_EPOCH, Config, difference, pick_profile, preset
from ganlib.errors import GanlibError


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


@pytest.mark.parametrize("key, value", [
    ("lr_g", 0), ("lr_d", float("nan")), ("batch", 1), ("real_label", 1.1), ("fake_label", -0.1),
    ("resolution", 48), ("beta1", 1), ("first", "both"), ("precision", "fp8"), ("images", -1), ("z_dim", 0),
    ("batch", "many"), ("flip", "perhaps"), ("batch", 2.5), ("minutes", float("inf")), ("loss", "hinge"),
])
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


def test_every_profile_fits_every_preset():
    for name in PRESETS:
        for profile in PROFILES:
            c = preset(name, profile)
            assert c.images or c.minutes


def test_difference():
    assert difference({"a": 1, "b": 2}, {"a": 1, "b": 3, "c": 4}) == {"b": (2, 3), "c": (None, 4)}


def test_profile_from_the_environment(monkeypatch):
    monkeypatch.setenv("GANLIB_PROFILE", "demo")
    assert pick_profile().name == "demo" and "GANLIB_PROFILE" in str(pick_profile())
    monkeypatch.setenv("GANLIB_PROFILE", "dmeo")
    with pytest.raises(GanlibError, match="Did you mean 'demo'"):
        pick_profile()
