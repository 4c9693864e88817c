"""Directions in w: where to go so that one thing about a face changes.

Closed-form directions come from the style weights alone. Colour directions are learnt from generated faces,
of which the colours of hair and eyes were looked up.
"""
import functools
import json

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import save

from ..errors import GanlibError
from ..files import write_atomic
from ..models.asking import drawn_labels
from ..models.sampling import check_shape, generate, latents, layer_groups, layers_of, styles
from ..models.store import find_generator, load_generator, need_loaded, network
from ..tensors import read_safetensors
from .latent_files import identity
from .styles import swap

SPREAD_OF = 1_000  # faces from which the spread of w along a direction is estimated


def edit(G, ws, direction, strength, layers="all"):
    """ws + strength * direction (w_dim,), in `layers` only."""
    check_shape(direction, [len(network(G).w_avg)])
    return swap(G, ws, ws + strength * direction.to(ws.device), layers)


def factorise(G, layers="all", k=10):
    """(directions (k, w_dim), singular values (k,)): the unit steps in w that change styles of `layers` most.

    They are the right singular vectors of the layers' style weights, stacked (SeFa: Shen & Zhou 2021,
    https://arxiv.org/abs/2007.06600, eq. 8). The largest component of each is positive.
    """
    chosen = layers_of(G, layers)
    styled = [network(G).layers[i].style for i in chosen]
    weights = torch.cat([style.weight * style.scale for style in styled])
    _, values, vectors = torch.linalg.svd(weights.detach().double(), full_matrices=False)
    largest = vectors.gather(1, vectors.abs().argmax(1, keepdim=True))
    vectors = vectors * largest.sign()
    return vectors[:k].float(), values[:k].float()


def label_directions(w, labels):
    """Directions (k, w_dim): the mean change of w (n, w_dim) per unit of one of k labels (n, k), others held.

    It is least squares of w on the labels. That needs fewer samples than labels on w would, and leads to
    where faces are. Raises GanlibError where a label is the same for all.
    """
    w = w.double().cpu()
    y = torch.as_tensor(labels).double().reshape(len(w), -1)
    if not (y.std(0) > 0).all():
        raise GanlibError(f"All {len(y)} samples have the same label: expected different ones.")
    return torch.linalg.lstsq(y - y.mean(0), w - w.mean(0)).solution.float()


def face_colours(images):
    """RGB of the hair (median) and of the eyes (mean, where the dark counts more) of faces: float (n, 6).

    images: uint8 (n, H, W, 3) of faces as in a pack. The colours are looked up in fixed places. On 1,486
    real faces they tell the hair label (of 12) of 79% and the eyes' (of 10) of 73%; the colours of the
    detector animeface tell only 73% and 60%.
    """
    unit = images.shape[1] / 64  # the places below are those in pictures of 64 pixels

    def cut(top, bottom, left, right):
        """The pixels of a rectangle, float (n, pixels, 3)."""
        rows = slice(round(top * unit), round(bottom * unit))
        columns = slice(round(left * unit), round(right * unit))
        return images[:, rows, columns].reshape(len(images), -1, 3).astype(float)

    hair = cut(2, 12, 16, 48)
    eyes = np.concatenate([cut(24, 32, 16, 24), cut(24, 32, 40, 48)], 1)
    dark = (256 - eyes.mean(2, keepdims=True)) ** 2
    return np.concatenate([np.median(hair, 1), (eyes * dark).sum(1) / dark.sum(1)], 1)


def colour_directions(G, n=1_000, seed=0):
    """(6, w_dim): the mean change of w per level of red, green and blue of the hair, then of the eyes.

    They are learnt from n generated faces, with labels as in the data where G has learned some. A direction
    to a colour is (wanted - face_colours(image)) @ these, with zeros for what shall stay.
    """
    ws = _faces_of(G, n, seed)
    return label_directions(ws[:, 0], face_colours(generate(G, ws)))


def _faces_of(G, n, seed=0):
    """ws (n, L, w_dim) of the faces that `sample` draws."""
    return styles(G, latents(n, network(G).z_dim, seed), c=drawn_labels(G, n, seed))


def find_directions(generator, names=(), n=4_000):
    """({"closed": (10, w_dim), "colours": (6, w_dim)}, about): a step of "closed" is a spread of w along it.

    names: what the first closed-form directions do, once someone has looked. n: from how many faces the
    colours are learnt. about: the metadata of a file of directions.
    """
    G = need_loaded(generator).G
    closed = factorise(G)[0]
    w = _faces_of(G, SPREAD_OF)[:, 0]
    closed = closed * ((w - G.w_avg) @ closed.T).std(0)[:, None]
    names = [*names, *(f"direction {i + 1}" for i in range(len(names), len(closed)))]
    about = {"format": "1", "kind": "ganlib directions", "model": identity(generator),
             "names": json.dumps(names)}
    tensors = {"closed": closed, "colours": colour_directions(G, n)}
    return {name: tensor.cpu().contiguous() for name, tensor in tensors.items()}, about


def make_directions(source, names=(), n=4_000):
    """Write what `find_directions` finds as directions.safetensors beside a generator; returns the path."""
    path = find_generator(source).with_name("directions.safetensors")
    tensors, about = find_directions(load_generator(source), names, n)
    write_atomic(path, save(tensors, about))
    return path


def directions(generator):
    """({name: (w_dim,)}, (6, w_dim)): closed-form directions by name, and those of the colours.

    They come from the file beside the generator's. Where there is none, or one of another model, a quick
    search finds them. Raises GanlibError where the generator has no styles.
    """
    return _directions(need_loaded(generator))


@functools.lru_cache(maxsize=8)
def _directions(generator):
    layer_groups(generator)  # raises where there are no styles
    try:
        tensors, about = read_safetensors(generator.folder / "directions.safetensors")
        if about["model"] == identity(generator):
            return _by_name(tensors, about)
    except (OSError, TypeError, ValueError, KeyError, SafetensorError):
        pass  # none that can be read
    return _by_name(*find_directions(generator, n=500))


def _by_name(tensors, about):
    return dict(zip(json.loads(about["names"]), tensors["closed"], strict=True)), tensors["colours"]
