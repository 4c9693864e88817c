"""The first step of fine-tuning: the weights of an Origin go into the networks of a Step, where they fit."""
import torch

from ..errors import GanlibError
from ..models.layers import EqualLinear
from .origin import begun_with, has_discriminator, open_origin, other_networks, refuse_other_kinds
from .places import layers_of_keys, places

OF_LABELS = ("embed", "labels")  # parts of G and of D that belong to the classes of labels
SHOWN = 4  # names of new layers in a line


def take_origin(step, say, note):
    """Fill the networks of a Step with the weights of what its Config starts from.

    A tensor is taken where it has its place in both networks, and the same shape there. The averaged G gets
    those of the source's averaged one. say(text) is told what was taken, and note("start_from", ...) as well.
    Raises GanlibError where nothing fits, or where a block of D is frozen that is new.
    """
    config = step.config
    origin = open_origin(config.start_from)
    if origin.weights != begun_with(config)["weights"]:
        raise GanlibError(f"{origin.name} has changed while the training was started: make the same call "
                          "again.")
    refuse_other_kinds(config, origin)
    networks = {"g": step.G, "ema": step.G_ema}
    if has_discriminator(origin, config):
        networks["d"] = step.D
    new = {"d": list(step.D.state_dict())}
    for name, network in networks.items():
        new[name] = _take(network, origin, config, name)
    _refuse_misfits(step, origin, new)
    told = {"source": origin.name, "seen": origin.images, "data": origin.config.data}
    for name in ("g", "d"):
        count = len(_wanted(step.networks[name], name))
        told[f"took_{name}"] = [count - len(new[name]), count]
    told["new"] = layers_of_keys([*new["g"], *new["d"]])
    for line in _in_words(origin, told, config.g_waits_kimg):
        say(line)
    note("start_from", **told)


@torch.no_grad()
def _take(network, origin, config, name):
    """Fill a network; the keys of the tensors that are new."""
    tensors, wanted = origin.tensors[name], _wanted(network, name)
    there = {place: tensors[key]
             for key, place in places(tensors, origin.config.resolution, name == "d").items()}
    there_attributes, attributes = origin.config.attributes(), config.attributes()
    taken = _take_labels(wanted, tensors, there_attributes, attributes)
    for key, place in places(wanted, config.resolution, name == "d").items():
        found = there.get(place)
        if found is not None and key.split(".")[0] not in OF_LABELS and _fill(wanted[key], found, config):
            taken.add(key)
    if name != "d":
        left = [list(there_attributes).index(a) for a in there_attributes if a not in attributes]
        _shift_styles(network, [tensors[f"embed.tables.{i}"][-1] for i in left], taken)
    return [key for key in wanted if key not in taken]


def _wanted(network, name):
    """{key: tensor} that a network may take. A G's buffers are drawn from its seed, or estimated anew."""
    return network.state_dict() if name == "d" else dict(network.named_parameters())


def _fill(tensor, found, config):
    """Copy a tensor of the source where it has the shape, and say whether it was.

    DCGAN's first layer reads z, and then the vector of the labels: without labels on one side the part for z
    is common.
    """
    if tensor.shape == found.shape:
        tensor.copy_(found)
        return True
    both = min(len(tensor), len(found)) if tensor.ndim and found.ndim else 0
    if config.model == "dcgan" and both == config.z_dim and tensor.shape[1:] == found.shape[1:]:
        tensor[:both].copy_(found[:both])
        return True
    return False


def _take_labels(wanted, tensors, there, here):
    """Take what belongs to classes of the same name; a set of keys. there, here: {attribute: [classes]}.

    New attributes and classes begin as nothing: with vectors of zero.
    """
    for key in wanted:
        if key.startswith(("embed.tables", "labels.project")):
            wanted[key].zero_()
    taken = set()
    for number, (attribute, classes) in enumerate(here.items()):
        if attribute not in there:
            continue
        old = list(there).index(attribute)
        rows = {i: there[attribute].index(name) for i, name in enumerate(classes) if name in there[attribute]}
        table = f"embed.tables.{number}"
        if table in wanted and wanted[table].shape[1:] == tensors[f"embed.tables.{old}"].shape[1:]:
            for i, row in (rows | {-1: -1}).items():  # the last one is of "unknown"
                wanted[table][i] = tensors[f"embed.tables.{old}"][row]
            taken.add(table)
        for part in ("project", "classify"):
            for kind in ("weight", "bias"):
                key, its = (f"labels.{part}.{n}.{kind}" for n in (number, old))
                if key in wanted and its in tensors and wanted[key].shape[1:] == tensors[its].shape[1:]:
                    for i, row in rows.items():
                        wanted[key][i] = tensors[its][row]
                    taken.add(key)
    return taken


def _shift_styles(G, vectors, taken):
    """Make the vectors that labels left out would have added to w part of the layers that read w.

    So a style-based G without labels draws what it drew with all of them unknown.
    """
    if not (G.has_styles and vectors):
        return
    vector = torch.stack(vectors).sum(0)
    for name, module in G.named_modules():
        is_style = isinstance(module, EqualLinear) and "style" in name
        if is_style and f"{name}.weight" in taken and f"{name}.bias" in taken:
            module.bias += (module.weight * module.scale) @ vector.to(module.weight) / module.lr


def _refuse_misfits(step, origin, new):
    config = step.config
    convolutions = {key for key, p in step.G.named_parameters() if key.startswith("layers.") and p.ndim == 4}
    if convolutions <= set(new["g"]):
        other = other_networks(config, origin)
        there = ", ".join(f"{key}={pair[0]!r}" for key, pair in other.items())
        here = ", ".join(f"{key}={pair[1]!r}" for key, pair in other.items())
        raise GanlibError(f"None of the layers of {origin.name} fits: it has {there}, and the recipe {here}. "
                          "Set them as they are there.")
    learns = {id(parameter) for parameter in step.d_learns}
    frozen = {key for key, parameter in step.D.named_parameters() if id(parameter) not in learns}
    if frozen & set(new["d"]):
        has = "no discriminator" if not has_discriminator(origin, config) else "other ones"
        raise GanlibError(f"freeze_d={config.freeze_d}: {origin.name} has {has}, and blocks of D that begin "
                          "anew must learn. Leave freeze_d out.")


def _in_words(origin, told, g_waits_kimg):
    """What was taken, in a line, and another one where D is new."""
    took = " and ".join("{} of {} tensors of {}".format(*told[f"took_{name}"], name.upper()) for name in "gd")
    more = f" and {len(told['new']) - SHOWN} more" if len(told["new"]) > SHOWN else ""
    is_new = f"; new: {', '.join(told['new'][:SHOWN])}{more}" if told["new"] else ""
    yield f"Begins with {origin.name} ({origin.images:,} images seen): took {took}{is_new}."
    if not told["took_d"][0]:
        waits = f"and G waits for the first {1000 * g_waits_kimg:,.0f} images" if g_waits_kimg else (
            "and G learns from it at once; with g_waits_kimg=2 it would wait")
        yield f"There is no discriminator for these networks: D begins anew, {waits}."
