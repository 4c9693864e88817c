"""The judge: it learned labels from one half of the real faces, and was tested on the other half.

It has no part in any training. It is a linear classifier of each attribute, one for each kind of numbers that
describe a picture. How much it reads right of real faces is the ceiling: no more can be expected of generated
ones, unless these are easier to read.
"""
import io
import json
import zipfile
from dataclasses import dataclass, field

import numpy as np

from ganlib.errors import GanlibError
from ganlib.evaluation.features import real_statistics
from ganlib.files import data_dir, write_atomic
from ganlib.pretrained.lite0 import LITE0_SHA256

from .describing import KINDS, PARTS, PLACES, REGIONS, TONES, describe
from .logistic import Classifier, fit

SEED = 19  # of the halves
STRENGTHS = {"plain": (0.3, 0.1, 0.03), "colours": (0.01, 0.003, 0.001, 0.0003)}  # of the penalty


@dataclass(frozen=True)
class Judge:
    """Reads attributes of faces.

    attributes: {attribute: class names}; classifiers: {(attribute, kind): Classifier}; tested: {(attribute,
    kind): counts (C, C)} of the half that it did not learn from, down the label and across what it read;
    strengths: {(attribute, kind): of the penalty}; data: the hash of the pack.
    """

    attributes: dict
    data: str
    classifiers: dict = field(default_factory=dict, repr=False)
    tested: dict = field(default_factory=dict, repr=False)
    strengths: dict = field(default_factory=dict, repr=False)

    def read(self, images, attribute, kinds=KINDS):
        """{kind: the class that each picture seems to have} of pictures, uint8 (N, S, S, 3)."""
        return {kind: self.classifiers[attribute, kind](describe(images, attribute, kind)) for kind in kinds}


def counts(asked, read, classes):
    """int (C, C): how often class j was read (across) where class i was asked for (down)."""
    found = np.zeros((classes, classes), int)
    np.add.at(found, (asked, read), 1)
    return found


def judge_of(pack, say=print):
    """The Judge of a pack, kept in stats/judge-<hash>.npz of data_dir().

    say: called with a word where it has to be made, which takes minutes.
    """
    path = data_dir() / "stats" / f"judge-{pack.hash}.npz"
    about = {"weights": LITE0_SHA256, "seed": SEED, "strengths": STRENGTHS, "regions": REGIONS,
             "parts": PARTS, "places": PLACES, "tones": TONES}
    about = json.loads(json.dumps(about))
    if path.exists():
        judge = _kept(path, about, pack)
        if judge:
            return judge
    judge = _learn(pack, say)
    write_atomic(path, _as_file(judge, about))
    return judge


def _learn(pack, say):
    order = np.random.default_rng(SEED).permutation(len(pack))
    is_first = np.zeros(len(pack), bool)
    is_first[order[:len(pack) // 2]] = True
    judge = Judge(dict(pack.attributes), pack.hash)
    for k, (attribute, names) in enumerate(pack.attributes.items()):
        labels = np.asarray(pack.labels[:, k]).astype(int)
        learn, test = is_first & (labels >= 0), ~is_first & (labels >= 0)
        _check(attribute, names, labels[learn], labels[test])
        say(f"The judge learns {attribute} from {learn.sum():,} real faces.")
        for kind in KINDS:
            x = _of_pack(pack, attribute, kind)
            found, strength = fit(x[learn], labels[learn], len(names), STRENGTHS[kind])
            judge.classifiers[attribute, kind] = found
            judge.strengths[attribute, kind] = strength
            judge.tested[attribute, kind] = counts(labels[test], found(x[test]), len(names))
    return judge


def _of_pack(pack, attribute, kind):
    """The numbers of all images of a pack: where they are those for FD-lite, they are kept already."""
    if kind == "plain" and attribute not in REGIONS:
        return real_statistics(pack, progress=False)[0]
    return describe(pack.images, attribute, kind)


def _check(attribute, names, *halves):
    """Raise GanlibError where a half of the real faces lacks a class."""
    for labels in halves:
        missing = [name for i, name in enumerate(names) if not (labels == i).any()]
        if missing:
            raise GanlibError(f"A half of the real faces has none with {attribute} {missing[0]!r}: a judge "
                              "needs some of every class in both halves. Take a larger pack.")


# -- the file


def _as_file(judge, about):
    """The bytes of a Judge's file."""
    arrays = {}
    for (attribute, kind), found in judge.classifiers.items():
        for name, array in vars(found).items():
            arrays[f"{attribute}/{kind}/{name}"] = array
        arrays[f"{attribute}/{kind}/tested"] = judge.tested[attribute, kind]
        arrays[f"{attribute}/{kind}/strength"] = judge.strengths[attribute, kind]
    file = io.BytesIO()
    np.savez(file, about=json.dumps(about), **arrays)
    return file.getvalue()


def _kept(path, about, pack):
    """The Judge in a file; None where it was made in another way."""
    judge = Judge(dict(pack.attributes), pack.hash)
    try:
        with np.load(path) as file:
            if json.loads(str(file["about"])) != about:
                return None
            for attribute in pack.attributes:
                for kind in KINDS:
                    start = f"{attribute}/{kind}"
                    parts = [file[f"{start}/{name}"] for name in ("mean", "scale", "weight", "bias")]
                    judge.classifiers[attribute, kind] = Classifier(*parts)
                    judge.tested[attribute, kind] = file[f"{start}/tested"]
                    judge.strengths[attribute, kind] = float(file[f"{start}/strength"])
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise GanlibError(f"{path} cannot be read ({error}): delete it and call again.") from error
    return judge
