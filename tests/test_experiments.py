"""The experiment on the seeds' claims: its arms exist, and its verdicts follow from the numbers."""
import sys
from pathlib import Path

import pytest

from ganlib.config import changed_keys
from ganlib.presets import preset

sys.path.insert(0, str(Path(__file__).parents[1] / "experiments"))
import claims  # noqa: E402
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
    assert "| v1 | 200,000 | 401 ± 1 | 1 ± 0 | 0.1 ± 0 | 0.7 ± 0 | 50%, 0% |" in text
    assert "| v2 |  |  |  |  |  |  |" in text and text.count("not run yet") == len(claims.CLAIMS)
    arms = text.split("\n\n")[1].splitlines()
    assert arms[2].startswith("| v1 ")  # the best first


def test_where_nothing_is_trained_yet_nothing_is_said():
    row = {"images": 200_000, "diversity": 1.0, "swing": 0.1, "accuracy": 0.7, "skipped_d": 0, "skipped_g": 0}
    claim = "| One-sided smoothing: better pictures? |"
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


def test_the_readme_has_the_verdicts():
    readme = (Path(__file__).parent.parent / "README.md").read_text()
    done = claims.load()
    for line in claims.tables(done).splitlines():  # the claims, and all recipes
        assert line in readme
