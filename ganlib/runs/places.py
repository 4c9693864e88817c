"""Where in a network a tensor belongs, by its key: the same layer of networks for other resolutions.

All networks double or halve the side of their pictures from 4x4 pixels up. A layer keeps its place when it is
counted from there. Generators, and the discriminator that grows, are numbered so already. The other two
discriminators are numbered from the picture down.
"""
from torch import nn

from ..errors import GanlibError

FROM_THE_PICTURE = ("blocks", "layers")  # lists of D that are numbered so
OF_THE_PICTURE = ("from_rgb", "to_rgb")  # a single such layer is made for one resolution


def places(keys, resolution, is_d):
    """{key: its place}, for the keys of the state of a G, or of a D (is_d), for pictures of a resolution.

    A place is a key as well. Two networks of one kind have tensors of the same meaning at the same place.
    """
    numbers = _numbers(keys)
    return {key: _place(key, numbers, resolution, is_d) for key in keys}


def freeze(D, count):
    """Keep the first `count` blocks of D, from the picture on, as they are; a ParameterList of what learns.

    A block is what works at one resolution. Mo et al. 2020, https://arxiv.org/abs/2002.10964. Raises
    GanlibError where D has fewer blocks.
    """
    named = dict(D.named_parameters())
    blocks = _blocks(named)
    last = max(blocks.values(), default=-1)
    if count > last + 1:
        raise GanlibError(f"freeze_d={count}: expected {last + 1} or less, as many blocks as this "
                          "discriminator has.")
    frozen = {key for key, block in blocks.items() if block > last - count}
    for key in frozen:
        named[key].requires_grad_(False)
    return nn.ParameterList(parameter for key, parameter in named.items() if key not in frozen)


def layers_of_keys(keys):
    """The layers that tensors are of, each once: "layers.8" of "layers.8.conv.weight"."""
    split = [_split(key) for key in keys]
    return list(dict.fromkeys(head if number is None else f"{head}.{number}" for head, number, _ in split))


def _place(key, numbers, resolution, is_d):
    head, number, rest = _split(key)
    if number is None:
        return f"{key} at {resolution} pixels" if head in OF_THE_PICTURE else key
    if is_d and head in FROM_THE_PICTURE:
        return f"{head}.-{_from_4x4(number, numbers[head])}.{rest}"
    return key


def _blocks(keys):
    """{key of D: number of its block from 4x4 pixels up}; what comes after the blocks has none."""
    numbers, found = _numbers(keys), {}
    for key in keys:
        head, number, _ = _split(key)
        if head in FROM_THE_PICTURE:
            found[key] = _from_4x4(number, numbers[head])
        elif head in ("conv1", "conv2"):  # of a D that grows: number i goes from 4 * 2^(i + 1) pixels down
            found[key] = number
        elif head == "from_rgb":  # one for each stage, or one for all
            found[key] = len(numbers["blocks"]) - 1 if number is None else number - 1
    return found


def _numbers(keys):
    """{head: the numbers that occur after it, in their order}."""
    found: dict = {}
    for key in keys:
        head, number, _ = _split(key)
        if number is not None:
            found.setdefault(head, set()).add(number)
    return {head: sorted(numbers) for head, numbers in found.items()}


def _from_4x4(number, numbers):
    return len(numbers) - 1 - numbers.index(number)


def _split(key):
    """("layers", 2, "0.weight") of "layers.2.0.weight"; the number is None where there is none."""
    head, _, rest = key.partition(".")
    number, _, after = rest.partition(".")
    return (head, int(number), after) if number.isdigit() else (head, None, rest)
