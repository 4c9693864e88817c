"""What a training with labels takes from a pack: the classes of its attributes, and labels of its images."""
import json

import numpy as np
import torch

from ..errors import GanlibError, did_you_mean
from ..models.labels import ROWS
from ..seeding import seeded
from ..typed import names_of

NO_LABELS = (" It has no labels at all. Put a labels.csv with the columns file,hair,eyes beside the pictures "
             "and pack them again, or take a preset without labels, such as 'stylegan-fast'.")
RAKINGS = 20  # of putting the weights of images right


def with_pack(config, pack):
    """The Config for a training on a pack: with the pack's hash, and the classes of the labels it asks for.

    Raises GanlibError where the pack has no such attribute, or knows it of no image.
    """
    names = names_of(config.labels)
    for name in names:
        if name not in pack.attributes:
            known = did_you_mean(name, pack.attributes) if pack.attributes else NO_LABELS
            raise GanlibError(f"labels={config.labels!r}: the pack {pack.path} has no attribute {name!r}."
                              f"{known}")
    for name, column in zip(names, label_columns(config, pack), strict=True):
        if not (pack.labels[:, column] >= 0).any():
            raise GanlibError(f"labels={config.labels!r}: the pack {pack.path} knows {name!r} of none of its "
                              "images. Leave it out, or pack again with --labels.")
    classes = json.dumps({name: pack.attributes[name] for name in names}) if names else ""
    return config.replace(data=pack.hash, classes=classes)


def label_columns(config, pack):
    """The columns of a pack's labels that a Config asks for, in its order."""
    order = list(pack.attributes)
    return [order.index(name) for name in names_of(config.labels)]


def evened_table(config, pack):
    """The numbers of a pack's images, int64 (about 8 N,), those of rare classes more often; None without.

    With balance 1 each class of an attribute comes as often as the others. In between, their frequencies are
    raised to the power of 1 - balance. The weights of the images are found by raking: one attribute after the
    other is put right, several times (Deming & Stephan 1940).
    """
    columns = label_columns(config, pack)
    if not (columns and config.balance):
        return None
    weights = np.ones(len(pack))
    for column in columns * RAKINGS:
        numbers = pack.labels[:, column] + 1  # 0: unknown
        wanted = np.bincount(numbers)[1:] ** (1 - config.balance) * (np.bincount(numbers)[1:] > 0)
        found = np.bincount(numbers, weights)[1:]
        factors = wanted / wanted.sum() * found.sum() / found.clip(1e-9)
        weights *= np.concatenate([[1], factors])[numbers]
    often = 8 * len(pack) * weights / weights.sum()
    chance = torch.rand(len(pack), generator=seeded(config.seed, 0, "balance"), dtype=torch.float64).numpy()
    times = np.floor(often + chance).astype(np.int64)
    return torch.from_numpy(np.repeat(np.arange(len(pack)), times))


def example_rows(config, pack):
    """Labels (ROWS, K) int64 of images of a pack: classes occur in them as often together as in all of it."""
    labels = torch.from_numpy(pack.labels[:, label_columns(config, pack)]).long()
    order = torch.randperm(len(labels), generator=seeded(0, 0, "label rows"))
    # images with like labels stand together in this order, and so each part of the order has its share
    for column in reversed(range(labels.shape[1])):
        order = order[labels[order, column].argsort(stable=True)]
    places = (torch.arange(ROWS) + 0.5) * len(labels) / ROWS
    return labels[order[places.long()]]


def sheet_labels(config, pack):
    """c (64, K) of a sheet of pictures, eight by eight, or None where a Config has no labels.

    The most frequent classes of the first attribute are down, those of the second across. Other attributes
    are unknown.
    """
    columns = label_columns(config, pack)
    if not columns:
        return None
    c = torch.full((64, len(columns)), -1)
    c[:, 0] = torch.from_numpy(_frequent(pack, columns[0])).repeat_interleave(8)
    if len(columns) > 1:
        c[:, 1] = torch.from_numpy(_frequent(pack, columns[1])).repeat(8)
    return c


def real_sheet(config, pack):
    """Real pictures, uint8 (64, H, W, 3), for `sheet_labels`: white where no image has such labels."""
    known = pack.labels[:, label_columns(config, pack)]
    pictures = np.full((64, *pack.images.shape[1:]), 255, np.uint8)
    taken: set = set()
    for i, asked in enumerate(sheet_labels(config, pack).numpy()):
        fits = ((known == asked) | (asked < 0)).all(1)
        found = next((index for index in np.flatnonzero(fits) if index not in taken), None)
        if found is not None:
            taken.add(found)
            pictures[i] = pack.images[found]
    return pictures


def _frequent(pack, column):
    """The eight most frequent classes of a column, int64 (8,); with fewer classes they come again."""
    known = pack.labels[:, column]
    counts = np.bincount(known[known >= 0])
    order = np.argsort(-counts, kind="stable")[:min(8, np.count_nonzero(counts))]
    return np.resize(np.sort(order), 8)
