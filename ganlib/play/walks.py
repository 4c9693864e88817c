"""The way that the walk panel goes: through faces, and through labels, at an even pace."""
import torch

from ..errors import GanlibError
from ..models.sampling import seed_latents, styles
from ..models.store import network
from ..seeding import seed_numbers
from .latent_files import is_latent_file, load_latents
from .styles import label_vectors, labels_of, walk, with_vectors

EACH = "each in turn"  # a label that goes through all of its classes


def way(generator, stops, frames=101, path="spherical", psi=1.0, labels=None, goals=None, loop=False):
    """`frames` latents for `generate` on the way through stops: ws (frames, L, w_dim), or z without styles.

    stops: seeds, words, and paths of latent files, in a list or in a text with commas. path: "spherical"
    turns z, "straight" goes through w; where a stop is a file of styles, it is straight. psi: as for
    `styles`, for seeds only. labels: {attribute: class} at the beginning, as drawn for the seeds where it is
    not asked for. goals: {attribute: class}, where a label goes to on the way, or "each in turn". One stop is
    enough where there is a goal. loop: back to the first stop, a frame before it. Raises GanlibError.
    """
    G = network(generator)
    stops = stop_list(stops)
    if (labels or goals) and any(is_latent_file(stop) for stop in stops):
        raise GanlibError("Labels are for seeds: a face from a file has its own already. Leave the labels as "
                          "they are, or take the file out of the stops.")
    label_ways = _label_ways(G, stops, labels or {}, goals or {}, loop)
    if len(stops) < 2 and all(len(c) < 2 for c in label_ways):
        other = ", or a label to go to" if G.attributes else ""
        raise GanlibError(f"stops={stops}: expected two or more, as in 3, 7{other}.")
    faces = _through_faces(generator, stops, frames, path, psi, loop)
    if not label_ways:
        return faces
    vectors = sum(_walk(label_vectors(G, c), frames, "straight", loop) for c in label_ways)
    return with_vectors(G, faces, vectors)


def stop_list(stops):
    """The stops of a walk as a list of seeds (numbers) and paths of latent files."""
    words = stops.replace(",", " ").split() if isinstance(stops, str) else [*stops]
    found = [word if is_latent_file(word) else seed_numbers([word])[0] for word in words]
    return found if found else seed_numbers("")  # raises


def _through_faces(generator, stops, frames, path, psi, loop):
    """The way through faces whose labels are unknown."""
    G = network(generator)
    if not any(is_latent_file(stop) for stop in stops):
        z = seed_latents(G, stops)
        if not G.has_styles:
            return _walk(z, frames, path, loop)
        if path == "straight":
            return styles(G, _walk(styles(G, z), frames, path, loop), psi)
        return styles(G, _walk(z, frames, path, loop), psi)
    faces = []
    for stop in stops:
        z = load_latents(stop, generator)[0][:1] if is_latent_file(stop) else seed_latents(G, [stop])
        if G.has_styles and z.ndim == 2:
            z = styles(G, z, psi)
        elif not G.has_styles:
            z = G.told(z)
        faces.append(z)
    return _walk(torch.cat(faces), frames, "straight" if G.has_styles else path, loop)


def _label_ways(G, stops, labels, goals, loop):
    """For each attribute the labels c (n, K) that it goes through, all others unknown."""
    seeds = [None if is_latent_file(stop) else stop for stop in stops]
    drawn = torch.full((len(seeds), len(G.attributes)), -1)  # the labels of a file are in its latents
    for number, seed in enumerate(seeds):
        if seed is not None and G.attributes:
            drawn[number] = labels_of(G, [seed], labels)[0]
    ways = []
    for column, (name, classes) in enumerate(G.attributes.items()):
        numbers = drawn[:, column].tolist()
        goal = goals.get(name)
        if goal == EACH:
            begin = max(0, numbers[0])
            steps = len(classes) if loop else len(classes) + 1  # a loop goes back by itself
            numbers = [(begin + step) % len(classes) for step in range(steps)]
        elif goal is not None:
            numbers = [numbers[0], classes.index(goal)]
        c = torch.full((len(numbers), len(G.attributes)), -1)
        c[:, column] = torch.tensor(numbers)
        ways.append(c)
    return ways


def _walk(stops, frames, kind, loop):
    """A `walk`; one stop stays where it is."""
    stops = stops.repeat(2, *[1] * (stops.ndim - 1)) if len(stops) == 1 else stops
    return walk(stops, frames, kind, loop)
