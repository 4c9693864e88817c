"""Asking a generator for labels: which it draws by itself, and what it has not learned."""
import pytest
import torch

from ganlib.errors import GanlibError
from ganlib.models.asking import drawn_labels, numbers_of

HAIR, EYES = 0, 1


def test_labels_occur_together_as_in_the_data(labelled):
    c = drawn_labels(labelled, 20_000)
    assert c.shape == (20_000, 3) and c.dtype == torch.int64
    rows = labelled.G.embed.rows
    for wanted in ([0, 0, 0], [2, 1, 1], [2, 0, 0], [-1, 1, 0]):
        found = [(one == torch.tensor(wanted)).all(1).double().mean().item() for one in (c, rows)]
        assert abs(found[0] - found[1]) < 0.01, wanted
    assert ((c[:, HAIR] == 2) & (c[:, EYES] == 0)).sum() == 0  # red hair never comes with brown eyes


def test_number_i_depends_on_the_seed_and_i_only(labelled):
    c = drawn_labels(labelled, 3_000, seed=5)
    assert torch.equal(drawn_labels(labelled, 10, seed=5), c[:10])
    assert torch.equal(drawn_labels(labelled, 1_100, seed=5, start=1_000), c[1_000:2_100])
    assert not torch.equal(drawn_labels(labelled, 3_000, seed=6), c)


def test_what_is_asked_for(labelled):
    red = drawn_labels(labelled, 500, labels={"hair": "red"})
    assert (red[:, HAIR] == 2).all() and (red[:, EYES] == 1).all()  # as they occur together
    assert 0.35 < (red[:, 2] == 1).double().mean() < 0.65
    never = drawn_labels(labelled, 500, labels={"hair": "red", "eyes": "brown"})  # no image has both
    assert (never[:, HAIR] == 2).all() and (never[:, EYES] == 0).all()
    for nothing in "unknown", None:
        c = drawn_labels(labelled, 500, labels={"hair": nothing})
        assert (c[:, HAIR] == -1).all() and len(c[:, EYES].unique()) == 2
    assert numbers_of(labelled, {"eyes": "green", "hair": "blue"}) == {1: 1, 0: 0}


def test_without_labels(styled, plain):
    for generator in styled, plain:
        assert drawn_labels(generator, 3) is None
        with pytest.raises(GanlibError, match="hair='pink': this generator has learned no labels. .*labels="):
            drawn_labels(generator, 3, labels={"hair": "pink"})


@pytest.mark.parametrize("labels, words", [
    ({"hair": "pnk"}, "hair='pnk': there is no such class. Did you mean 'pink'"),
    ({"har": "pink"}, "has learned hair, eyes, glasses, and no 'har'. Did you mean 'hair'"),
])
def test_labels_that_it_has_not_learned(labelled, labels, words):
    with pytest.raises(GanlibError, match=words):
        drawn_labels(labelled, 3, labels=labels)
