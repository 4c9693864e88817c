"""How often a generator draws what is asked for, as a judge reads it."""
from dataclasses import dataclass

import numpy as np

from ganlib.errors import GanlibError, did_you_mean
from ganlib.models.sampling import sample
from ganlib.models.store import network

from .describing import KINDS
from .judge import counts


def attributes_of(generator, judge):
    """{attribute: class names} that a generator draws to order and a judge can read; {} without labels."""
    known = getattr(network(generator), "attributes", None) or {}
    found = {name: list(classes) for name, classes in known.items() if name in judge.attributes}
    for attribute, classes in found.items():
        for name in classes:
            if name not in judge.attributes[attribute]:
                near = did_you_mean(name, judge.attributes[attribute])
                raise GanlibError(f"The generator draws {attribute} {name!r}, which the pack does not have."
                                  f"{near} Judge it with the pack that it was trained on.")
    return found


def asked_and_read(generator, judge, attribute, n, draw=sample, kinds=KINDS):
    """{kind: counts (C, C)}: down the class asked for, across the class read, n pictures each.

    draw: function as `sample`. What is not asked for is as the data has it.
    """
    names = judge.attributes[attribute]
    answers = {}
    asked = []
    for name in attributes_of(generator, judge)[attribute]:
        i = names.index(name)
        images = draw(generator, n, seed=1 + i, labels={attribute: name})
        for kind, read in judge.read(images, attribute, kinds).items():
            answers.setdefault(kind, []).append(read)
        asked.append(np.full(n, i))
    asked = np.concatenate(asked)
    return {kind: counts(asked, np.concatenate(read), len(names)) for kind, read in answers.items()}


def shares(images, judge, attribute, kind="plain"):
    """The share of pictures that seem to be of each class, float (C,)."""
    read = judge.read(images, attribute, [kind])[kind]
    return np.bincount(read, minlength=len(judge.attributes[attribute])) / len(images)


@dataclass(frozen=True)
class Obedience:
    """What two tables of counts say: of generated faces (`asked`), and of real ones (`tested`), (C, C) each.

    A class that was not asked for, or of which no real face is read right, has no ratio (NaN).
    """

    asked: np.ndarray
    tested: np.ndarray

    @property
    def accuracy(self):
        """(C,): how much of each class that was asked for is read as such."""
        return _right(self.asked)

    @property
    def ceiling(self):
        """(C,): the same of real faces."""
        return _right(self.tested)

    @property
    def ratio(self):
        """(C,): accuracy over ceiling."""
        ceiling = self.ceiling
        return np.divide(self.accuracy, ceiling, out=np.full(len(ceiling), np.nan), where=ceiling > 0)

    @property
    def mean_of_ratios(self):
        """The mean over the classes of accuracy over ceiling."""
        return float(np.nanmean(self.ratio))

    @property
    def ratio_of_means(self):
        """The mean accuracy over the mean ceiling, over the classes asked for."""
        asked = ~np.isnan(self.ratio)
        return float(self.accuracy[asked].mean() / self.ceiling[asked].mean())

    @property
    def over_all(self):
        """(generated, real): right answers where classes are as frequent as in the real set."""
        real = self.tested.sum(1)
        weights = np.where(self.asked.sum(1) > 0, real, 0)
        return tuple(float((np.nan_to_num(_right(table)) * weights).sum() / weights.sum())
                     for table in (self.asked, self.tested))

    @property
    def worst(self):
        """The index of the class with the lowest ratio."""
        return int(np.nanargmin(self.ratio))


def _right(table):
    """(C,): the share on the diagonal of each row of counts; NaN where a row is empty."""
    total = table.sum(1)
    return np.divide(np.diag(table), total, out=np.full(len(table), np.nan), where=total > 0)
