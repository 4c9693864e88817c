"""Labels in the networks: what G is asked for, and how D tells whether a picture is what was asked for.

An attribute (hair) has classes (pink, blue, ...). c: int64 (B, K), the number of a class for each of K
attributes, -1 where it is unknown. Conditional GAN: Mirza & Osindero 2014, https://arxiv.org/abs/1411.1784.
"""
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.nn.functional import cross_entropy

from ..seeding import draw
from .layers import in_fp32

ROWS = 1_024  # how many labels of the training images a generator remembers


def all_unknown(attributes, n, device):
    """c (n, K) of which nothing is known."""
    return torch.full((n, len(attributes)), -1, device=device)


class LabelEmbedding(nn.Module):
    """c (B, K) to vectors (B, dim): the sum of one for each attribute.

    Each class has a learned vector, and so has "unknown". That of a class counts from that of "unknown",
    where all begin. attributes: {name: [classes]}. `rows` (ROWS, K) are labels of training images: from them
    labels are drawn that occur together as often as in the data.
    """

    rows: torch.Tensor

    def __init__(self, attributes, dim):
        super().__init__()
        sizes = [len(classes) + 1 for classes in attributes.values()]
        self.tables = nn.ParameterList(torch.zeros(size, dim) for size in sizes)
        self.register_buffer("rows", torch.full((ROWS, len(attributes)), -1))

    def forward(self, c):
        vectors = []
        for table, number in zip(self.tables, c.unbind(1), strict=True):
            known = (number >= 0)[:, None]
            vectors.append(table[-1] + table[number.clamp(0)] * known)
        return torch.stack(vectors).sum(0)


class WithRows(nn.Module):
    """A generator that is asked for the labels of training images, in their order: G(z) is G(z, rows)."""

    def __init__(self, G):
        super().__init__()
        self.G = G

    def forward(self, z):
        places = torch.arange(len(z), device=z.device) * (ROWS // len(z) or 1) % ROWS
        return self.G(z, self.G.embed.rows[places])


class LabelHead(nn.Module):
    """What D says of labels, from features h (B, F) of a picture.

    linear: function of (F, classes) that makes a layer. `agreement` is added to D's logit: how well h and the
    labels go together (projection: Miyato & Koyama 2018, https://arxiv.org/abs/1802.05637). `guesses` are for
    the auxiliary classifier (Odena et al. 2017, https://arxiv.org/abs/1610.09585).
    """

    def __init__(self, attributes, features, linear):
        super().__init__()
        counts = [len(classes) for classes in attributes.values()]
        self.project = nn.ModuleList(linear(features, count) for count in counts)
        self.classify = nn.ModuleList(linear(features, count) for count in counts)

    def agreement(self, h, c):
        """(B,): the sum over the attributes; one that is unknown adds nothing."""
        scores = [layer(h).gather(1, number.clamp(0)[:, None])[:, 0] * (number >= 0)
                  for layer, number in zip(self.project, c.unbind(1), strict=True)]
        return torch.stack(scores).sum(0)

    def guesses(self, h):
        """A list with the logits (B, classes) of each attribute."""
        return [layer(h) for layer in self.classify]


class Judging(nn.Module):
    """What discriminators share: images (B, 3, R, R), and labels where it has learned them, to logits (B,).

    A subclass has `features` (images to (B, ...)) and `logit` (features to (B,)).
    """

    features: Callable
    logit: Callable
    labels: Any  # a LabelHead, or None

    def forward(self, x, c=None, with_guesses=False):
        """The logits; c None: no label is known. with_guesses: (logits, what its LabelHead guesses)."""
        logits, guesses = self.judge(x, c)
        return (logits, guesses) if with_guesses else logits

    def judge(self, x, c):
        """(logits, guesses) of images and labels."""
        h = self.features(x).float()
        with in_fp32(h):
            logits = self.logit(h)
            if self.labels is None:
                return logits, []
            if c is not None:
                logits = logits + self.labels.agreement(h.flatten(1), c)
            return logits, self.labels.guesses(h.flatten(1))


def hidden(c, probability, dice=None):
    """c (B, K) in which each label has become unknown with a probability."""
    chance = draw(partial(torch.rand, device=c.device), c.shape, dice)
    return torch.where(chance < probability, -1, c)


def guess_loss(guesses, c):
    """The cross entropy of guesses, as a LabelHead gives them, and the labels c (B, K) that are known.

    The sum over the attributes of the mean over the images.
    """
    losses = [cross_entropy(logits, number.clamp(0), reduction="none") * (number >= 0)
              for logits, number in zip(guesses, c.unbind(1), strict=True)]
    return torch.stack(losses).sum(0).mean()
