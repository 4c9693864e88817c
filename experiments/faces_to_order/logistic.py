"""Multinomial logistic regression: which class a row of numbers belongs to."""
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional as F

from ganlib.machine.threads import ThreadChooser

FOLDS = 3


@dataclass(frozen=True)
class Classifier:
    """Scores of classes: ((x - mean) / scale) @ weight + bias, for x (N, D); weight (D, C)."""

    mean: np.ndarray
    scale: np.ndarray
    weight: np.ndarray
    bias: np.ndarray

    def __call__(self, x):
        """The likeliest class of each row of x (N, D): int64 (N,)."""
        return (((x - self.mean) / self.scale) @ self.weight + self.bias).argmax(1)


def fit(x, y, classes, strengths, seed=0):
    """(Classifier, the strength of its penalty) of x (N, D) and the class of each row, y (N,).

    The strength is the one with the most right answers in cross validation. strengths: the strongest first.
    """
    fold = np.random.default_rng(seed).permutation(len(x)) % FOLDS
    right = np.zeros(len(strengths))
    with ThreadChooser(1):  # where another program takes a core, two threads wait for each other
        for number in range(FOLDS):
            train, test = fold != number, fold == number
            for k, found in enumerate(_path(x[train], y[train], classes, strengths)):
                right[k] += (found(x[test]) == y[test]).sum()
        best = int(right.argmax())
        return _path(x, y, classes, strengths[:best + 1])[-1], strengths[best]


def _path(x, y, classes, strengths):
    """The Classifier of each strength. Each begins where the one before it ended, which saves steps."""
    mean, scale = x.mean(0), x.std(0) + 1e-6
    rows, answers = torch.from_numpy((x - mean) / scale), torch.from_numpy(y).long()
    weight = torch.zeros(x.shape[1], classes, requires_grad=True)
    bias = torch.zeros(classes, requires_grad=True)
    found = []
    for strength in strengths:
        _minimise(rows, answers, weight, bias, strength)
        found.append(Classifier(mean, scale, weight.detach().numpy().copy(), bias.detach().numpy().copy()))
    return found


def _minimise(rows, answers, weight, bias, strength):
    """Minimise cross entropy + strength / 2 * |weight|^2, which has one minimum."""
    optimizer = torch.optim.LBFGS([weight, bias], max_iter=100, tolerance_change=1e-6,
                                  line_search_fn="strong_wolfe")

    def loss():
        optimizer.zero_grad()
        value = F.cross_entropy(rows @ weight + bias, answers) + strength / 2 * weight.square().sum()
        value.backward()
        return value

    optimizer.step(loss)
