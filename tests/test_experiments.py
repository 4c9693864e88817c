"""The experiment on the seeds' claims: its arms exist, and its verdicts follow from the numbers."""
import sys
from collections import Counter
from pathlib import Path

import pytest

from ganlib.config import changed_keys
from ganlib.presets import preset

sys.path.insert(0, str(Path(__file__).parents[1] / "experiments"))
import claims  # noqa: E402
import equal_time  # noqa: E402
from helpers import make_pack  # noqa: E402

TOGETHER = {  # what more than one key stands for
    "Fuzzy labels make D weaker": "fake_label real_label",
    "Fuzzy labels: better pictures?": "fake_label real_label",
    "Adam is recommended: better than SGD?": "lr_d lr_g optimizer",
    "WGAN's recipe, the next objective: better than DCGAN's?": "clip d_steps first loss lr_d lr_g optimizer",
    "A gradient penalty is better than clipping": "beta1 beta2 clip d_norm lr_d lr_g optimizer penalty",
    "The same, with the gates on the sum of D's losses": "d_gate g_gate",
}


def test_every_claim_compares_arms_that_differ():
    def recipe(arm):
        name, changes = claims.ARMS[arm]
        config = preset(name, **({"images": claims.IMAGES} | changes))
        return {k: v for k, v in config.recipe().items() if k != "preset"} | {"images": config.images}

    for claim in claims.CLAIMS:
        assert claim.better in ("lower", "higher") and claim.arm != claim.other
        if claim.other is not None:
            changed = set(changed_keys(recipe(claim.arm), recipe(claim.other)))
            assert len(changed) == 1 or changed == set(TOGETHER[claim.text].split()), claim


@pytest.mark.parametrize("better, worse, direction, word", [
    ([1, 2, 3], [11, 12, 13], "lower", "held"),
    ([11, 12, 13], [1, 2, 3], "lower", "did not hold"),
    ([11, 12, 13], [1, 2, 3], "higher", "held"),
    ([1, 2, 3], [2, 3, 4], "lower", "too close to call"),  # t = 1 / 0.82 at 4 degrees of freedom: 29%
    ([1, 2, 3], [3.2, 4.2, 5.2], "lower", "too close to call"),  # t = 2.69 at 4: 5.5%
    ([1, 2, 3], [3.3, 4.3, 5.3], "lower", "held"),  # t = 2.82: 4.8%
    ([1, 2], [11, 12, 13], "lower", "not run yet"),
    ([1, 2, 3], [], "lower", "not run yet"),
    ([0.95, 0.96, 0.99], None, "higher", "held"), ([0.5, 0.96, 0.99], None, "higher", "did not hold"),
])
def test_verdicts(better, worse, direction, word):
    assert claims.verdict(better, worse, direction) == word


def test_tables_of_what_is_there():
    row = {"images": 200_064, "train_seconds": 10, "fd": 400.0, "diversity": 1.0, "swing": 0.1,
           "accuracy": 0.7, "weights": 1.0, "skipped_d": 0.5, "skipped_g": 0}
    done = {("v1", s): row | {"arm": "v1", "seed": s, "fd": 400.0 + s} for s in range(3)}
    text = claims.tables(done)
    assert "| v1 | 200,000 | 401.0\xa0±\xa01.0 | 1 | 0.1 | 0.7 | 50%, 0% |" in text
    assert "| v2 |  |  |  |  |  |  |" in text and text.count("not run yet") == len(claims.CLAIMS)
    assert claims.arms_table(done).splitlines()[2].startswith("| v1 ")  # the best first
    assert claims.verdict_counts({}) == f"All {len(claims.CLAIMS)} claims were not run yet."


def test_verdicts_are_counted():
    done = claims.load()
    lines = claims.claims_table(done).splitlines()[2:]
    counts = Counter(line.removesuffix(" |").rpartition("| ")[2] for line in lines)
    sentence = claims.verdict_counts(done)
    assert sum(counts.values()) == len(claims.CLAIMS) and len(counts) > 1
    assert sentence.startswith(f"Of {len(claims.CLAIMS)} claims, ")
    assert all(f"{number} " in sentence and word in sentence for word, number in counts.items())


@pytest.mark.parametrize("values, text", [
    ([1122.87, 1187.66, 1105.58], "1139 ± 43"), ([0.9345, 0.9, 1.0], "0.945 ± 0.051"), ([3.0], "3"),
    ([0.0338, 0.0317, 0.036], "0.0338 ± 0.0022"), ([], ""), ([100, 100.004, 99.996], "100.0000 ± 0.0040"),
])
def test_a_mean_has_as_many_digits_as_its_spread(values, text):
    assert claims.in_short(values) == text.replace(" ", "\xa0")  # which stays on one line


@pytest.mark.parametrize("value, text", [
    (0.0917, "0.09"), (9.23, "9.2"), (82.6, "82.6"), (185.2, "185"), (1247.6, "1,248")])
def test_numbers_of_the_results_are_short(value, text):
    assert equal_time.short(value) == text


def test_a_model_is_told_as_one_would_type_it():
    assert equal_time.recipe_of("dcgan") == "`dcgan`"
    assert equal_time.recipe_of("narrow") == "`stylegan-fast`, profile `cpu`, `loss=bce`, `penalty=r1`"


def test_rows_of_generators_that_ship_are_found_by_their_images():
    found = equal_time.shipped()
    assert found["full, 289 minutes"] == "stylegan-fast" and found["dcgan, 75 minutes"] == "dcgan"
    assert "dcgan, 90 minutes" not in found and "pairs, 90 minutes" not in found
    assert sorted(found.values()) == sorted(set(found.values()))


def test_the_readmes_rows_and_those_beside_the_report_are_measured_ones():
    rows = equal_time.load()["rows"]
    assert set(equal_time.README_ROWS) <= rows.keys() and len(equal_time.README_ROWS) <= 8
    assert {key for _, *keys in equal_time.BESIDE for key in keys} <= rows.keys()
    shown = equal_time.report_table(equal_time.load())
    assert "| lsgan | 149.2 | 2.3 | 814: `lsgan`, 67 minutes | 1.7 | 484, 75 minutes |" in shown


def test_where_nothing_is_trained_yet_nothing_is_said():
    row = {"images": 200_000, "diversity": 1.0, "swing": 0.1, "accuracy": 0.7, "skipped_d": 0, "skipped_g": 0}
    claim = "| One-sided smoothing: better pictures? (AnimeFacesWithGAN, v3) |"
    for best, words in ((claims.UNTRAINED + 1, "too early to tell"), (claims.UNTRAINED - 1, "held")):
        done = {}
        for seed in range(3):
            done["v3, no gate", seed] = row | {"fd": best + seed}
            done["v1", seed] = row | {"fd": 1_100.0 + seed}
        line, = (line for line in claims.tables(done).splitlines() if line.startswith(claim))
        assert line.endswith(f"| {words} |")


def test_results_of_other_faces_are_kept_apart(tmp_path, monkeypatch):
    packs = {32: make_pack(tmp_path / "a", 8).path, 28: make_pack(tmp_path / "b", 8, 28).path}
    with pytest.raises(SystemExit, match="results of other faces.*--out"):
        claims.run_all(packs, 1)
    monkeypatch.setattr(claims, "RESULTS", tmp_path / "mine.json")
    monkeypatch.setattr(claims, "ARMS", {})  # nothing to run
    claims.run_all(packs, 1)
