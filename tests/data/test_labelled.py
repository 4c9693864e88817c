"""What a training with labels takes from a pack: classes, examples of labels, rare ones more often."""
import json

import numpy as np
import pytest
import torch
from helpers import make_pack, tiny

from ganlib.data.labelled import (
    evened_table,
    example_rows,
    label_columns,
    real_sheet,
    sheet_labels,
    with_pack,
)
from ganlib.errors import GanlibError

ATTRIBUTES = {"hair": ["blue", "pink", "red"], "eyes": ["brown", "green"], "hat": ["no", "yes"]}
# Of 200 images: red hair always with green eyes, pink is rare, of some the hair or the eyes are not known
KINDS = [(("blue", "brown"), 80), (("blue", "green"), 50), (("pink", "brown"), 10), (("red", "green"), 30),
         ((None, "green"), 20), (("blue", None), 10)]


@pytest.fixture(scope="module")
def pack(tmp_path_factory):
    labels = [{"hair": hair, "eyes": eyes, "hat": None} for (hair, eyes), n in KINDS for _ in range(n)]
    order = np.random.default_rng(0).permutation(len(labels))
    mixed = [labels[i] for i in order]
    return make_pack(tmp_path_factory.mktemp("labelled") / "pack", len(mixed), labels=mixed,
                     attributes=ATTRIBUTES)


def asking(pack, labels="hair,eyes", **changes):
    return with_pack(tiny(labels=labels, **changes), pack)


def shares(rows):
    """{row: how often it is among rows}."""
    found, counts = np.unique(np.asarray(rows), axis=0, return_counts=True)
    return {tuple(row.tolist()): count / len(rows) for row, count in zip(found, counts, strict=True)}


def test_a_config_gets_the_classes_of_a_pack(pack):
    config = asking(pack, "eyes,hair")
    assert config.data == pack.hash and label_columns(config, pack) == [1, 0]
    assert json.loads(config.classes) == {name: ATTRIBUTES[name] for name in ("eyes", "hair")}
    assert config.attributes() == json.loads(config.classes)
    plain = with_pack(tiny(), pack)
    assert plain.data == pack.hash and plain.classes == "" and plain.attributes() == {}


@pytest.mark.parametrize("labels, words", [
    ("hair,eye", "no attribute 'eye'. Did you mean 'eyes'"),
    ("hat", "knows 'hat' of none of its images. Leave it out, or pack again with --labels"),
])
def test_labels_that_a_pack_has_not(pack, labels, words):
    with pytest.raises(GanlibError, match=words):
        asking(pack, labels)


def test_a_pack_without_labels(tmp_path):
    bare = make_pack(tmp_path / "bare", 32, labels=[{}] * 32, attributes={})
    with pytest.raises(GanlibError, match="no attribute 'hair'. It has no labels at all"):
        asking(bare, "hair")


def test_examples_occur_together_as_in_the_pack(pack):
    for labels, columns in (("hair,eyes", [0, 1]), ("eyes", [1]), ("eyes,hair", [1, 0])):
        config = asking(pack, labels)
        rows = example_rows(config, pack)
        assert rows.shape == (1_024, len(columns)) and rows.dtype == torch.int64
        found, wanted = shares(rows), shares(pack.labels[:, columns])
        assert found.keys() == wanted.keys()
        assert all(abs(found[row] - wanted[row]) < 0.003 for row in wanted)
    assert torch.equal(rows, example_rows(config, pack))  # the same in each run


def drawn(config, pack):
    """The labels of the images that a table names, (n, 2)."""
    return pack.labels[evened_table(config, pack).numpy()][:, :2]


def frequencies(column):
    known = column[column >= 0]
    return np.bincount(known) / len(known)


def test_balanced_classes_are_equally_frequent(pack):
    config = asking(pack, balance=1)
    table = evened_table(config, pack)
    assert table.dtype == torch.int64 and abs(len(table) - 8 * len(pack)) < 0.03 * 8 * len(pack)
    assert (table.diff() >= 0).all() and table.max() < len(pack)
    hair, eyes = drawn(config, pack).T
    assert np.allclose(frequencies(hair), 1 / 3, atol=0.02)
    assert np.allclose(frequencies(eyes), 1 / 2, atol=0.02)
    assert torch.equal(table, evened_table(config, pack))


def test_half_balanced_classes_lie_in_between(pack):
    hair, eyes = drawn(asking(pack, balance=0.5), pack).T
    for found, column in ((hair, 0), (eyes, 1)):
        counts = np.bincount(pack.labels[:, column][pack.labels[:, column] >= 0])
        assert np.allclose(frequencies(found), counts**0.5 / (counts**0.5).sum(), atol=0.02)


def test_without_balance_there_is_no_table(pack):
    assert evened_table(asking(pack), pack) is None
    assert evened_table(with_pack(tiny(balance=1), pack), pack) is None


def test_the_labels_of_a_sheet(pack):
    c = sheet_labels(asking(pack), pack)
    assert c.shape == (64, 2)
    down, across = c[:, 0].reshape(8, 8), c[:, 1].reshape(8, 8)
    assert (down == down[:, :1]).all() and (across == across[:1]).all()
    assert down[:, 0].tolist() == [0, 1, 2, 0, 1, 2, 0, 1]  # with fewer than eight they come again
    assert across[0].tolist() == [0, 1] * 4
    turned = sheet_labels(asking(pack, "eyes,hair"), pack)
    assert turned[:9, 0].tolist() == [0] * 8 + [1] and turned[:3, 1].tolist() == [0, 1, 2]
    assert (sheet_labels(asking(pack, "eyes"), pack).reshape(8, 8, 1)[:, 0, 0] == turned[::8, 0]).all()
    assert sheet_labels(with_pack(tiny(), pack), pack) is None


def test_a_sheet_has_the_most_frequent_classes(tmp_path):
    names = [f"colour {number}" for number in range(10)]
    counts = [3, 9, 1, 8, 7, 6, 5, 4, 2, 10]  # colours 2 and 8 are the rarest
    labels = [{"hair": name} for name, n in zip(names, counts, strict=True) for _ in range(n)]
    many = make_pack(tmp_path / "many", len(labels), labels=labels, attributes={"hair": names})
    c = sheet_labels(asking(many, "hair"), many)
    assert c[::8, 0].tolist() == [0, 1, 3, 4, 5, 6, 7, 9]


def test_real_pictures_of_a_sheet(pack):
    config = asking(pack)
    sheet, asked = real_sheet(config, pack), sheet_labels(config, pack).numpy()
    assert sheet.shape == (64, 32, 32, 3) and sheet.dtype == np.uint8
    known = {image.tobytes(): tuple(label[:2]) for image, label in zip(pack.images, pack.labels, strict=True)}
    shown = [known.get(picture.tobytes()) for picture in sheet]
    for picture, found, wanted in zip(sheet, shown, asked, strict=True):
        if found is None:
            assert (picture == 255).all()
        else:
            assert found == tuple(wanted)
    exists = {kind for kind in known.values() if min(kind) >= 0}
    for kind in ((0, 0), (0, 1), (1, 0), (2, 1)):
        assert kind in exists and kind in shown
    assert all(found is None for found, wanted in zip(shown, asked, strict=True) if tuple(wanted) == (2, 0))
    pictures = [picture.tobytes() for picture, found in zip(sheet, shown, strict=True) if found]
    assert len(pictures) == len(set(pictures))  # no picture twice
