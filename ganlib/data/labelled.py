"""What a training with labels takes from a pack: the classes of its attributes, and labels of its images."""
import json

import torch

from ..config import names_of_labels
from ..errors import GanlibError, did_you_mean
from ..models.labels import ROWS
from ..seeding import seeded


def with_pack(config, pack):
    """The Config for a training on a pack: with the pack's hash, and the classes of the labels it asks for.

    Raises GanlibError where the pack has no such attribute, or knows it of no image.
    """
    names = names_of_labels(config.labels)
    for name in names:
        if name not in pack.attributes:
            known = did_you_mean(name, pack.attributes) if pack.attributes else " It has no labels at all."
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
    return [order.index(name) for name in names_of_labels(config.labels)]


def example_rows(config, pack):
    """Labels (ROWS, K) int64 of images of a pack: classes occur in them as often together as in all of it."""
    labels = torch.from_numpy(pack.labels[:, label_columns(config, pack)]).long()
    order = torch.randperm(len(labels), generator=seeded(0, 0, "label rows"))
    # images with like labels stand together in this order, and so each part of the order has its share
    for column in reversed(range(labels.shape[1])):
        order = order[labels[order, column].argsort(stable=True)]
    places = (torch.arange(ROWS) + 0.5) * len(labels) / ROWS
    return labels[order[places.long()]]
