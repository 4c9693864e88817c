"""A generator as an ONNX file, with which programs without PyTorch draw: a browser, a phone, a game.

ONNX (Open Neural Network Exchange) is a file format for networks. A style-based generator has two inputs in
it, with w between them as the seam:

    z (n, z_dim)         ->  w (n, w_dim)             the mapping; labels are unknown
    ws (m, L, w_dim)     ->  image (m, 3, R, R)       the synthesis, with the fixed noise; in [-1, 1]

n and m may be any number, and 0 as well: so one half runs without the other. What happens to w in between is
up to the program: truncation, mixing, directions, labels. A DCGAN has z (n, inputs) -> image alone.

All that a program has to know beside is JSON under the key "ganlib" of the file's metadata (see `about`).
"""
import base64
import io
import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from ..errors import GanlibError
from ..files import check_replaceable, write_atomic
from ..models.sampling import latents, layer_groups
from ..models.store import load_generator
from ..play.directions import directions
from ..play.latent_files import identity
from ..play.named_colours import CLOSE, COLOURS, FARTHEST, LOOKS, STEPS
from ..pretrained.hub_files import hub_address, is_on_hub
from ..tensors import not_finite
from ..training.schedule import moment

FILE_FORMAT = 1
KEY = "ganlib"  # of the metadata
OPSET = 17  # ONNX's version of its operations: old enough for every onnxruntime since 1.12
FACES = 8  # that are compared with PyTorch's
LEVELS = 255 / 2  # of a pixel, for a step of 1 in an image in [-1, 1]


class WithSeam(nn.Module):
    """(z, ws) to (w, image): both halves of a style-based generator, side by side."""

    def __init__(self, G):
        super().__init__()
        self.G = G

    def forward(self, z, ws):
        return self.G.mapping(z), self.G.synthesis(ws).clamp(-1, 1)


# -- writing one


def export(source, out, full=False):
    """Write a generator as an ONNX file; returns its LoadedGenerator.

    source: as for `load_generator`. out: the path of the file. full: with 32 bits a number; else with 16, as
    in the generators that come with ganlib, which takes half the space. Raises GanlibError for a generator
    that has not grown up, for one whose numbers do not fit 16 bits, and where the package onnx is missing.
    """
    onnx = need("onnx")
    out = Path(out)
    if out.suffix.lower() != ".onnx":
        raise GanlibError(f"{out}: expected a name that ends in .onnx.")
    check_replaceable(out, _objection)
    generator = load_generator(source)
    need_grown(generator, source)
    model = onnx.load_from_string(_traced(generator.G))
    if not full:
        _halve(model, onnx)
    text = json.dumps(about(generator, name_of(source)))
    onnx.helper.set_model_props(model, {KEY: text})
    onnx.checker.check_model(model)
    write_atomic(out, model.SerializeToString())
    return generator


def _objection(path):
    """What a file is in words, where an export must not take its place; else "". Raises OSError."""
    onnx = need("onnx")
    try:
        model = onnx.load_from_string(Path(path).read_bytes())
    except Exception as error:  # whatever the parser of another version raises
        if isinstance(error, OSError):
            raise
        return "it is no ONNX file"
    ours = any(entry.key == KEY for entry in model.metadata_props)
    return "" if ours else "it is the ONNX file of another program"


def need(package):
    """A package of the extra [onnx], or GanlibError that says how to get it."""
    try:
        return __import__(package)
    except ImportError as error:
        raise GanlibError(f"This needs the package {package}, which is not installed: pip install "
                          f"'ganlib[onnx]', or pip install onnx onnxruntime. ({error})") from error


def need_grown(generator, source):
    """Raise GanlibError for a generator that was saved while it still grew."""
    now = moment(generator.config, int(generator.info["images"]))
    side = generator.G.resolution
    if now.resolution < side or now.fade < 1:
        raise GanlibError(f"{source} has not grown up yet: it draws {now.resolution} of {side} pixels, or "
                          "its last layers still fade in. Train it further first.")


def name_of(source):
    """What a generator is called: the end of the path, or of the address, that it was loaded from."""
    if is_on_hub(source):
        return hub_address(source).repository.rpartition("/")[2]
    path = Path(str(source).removesuffix(":best"))
    return path.parent.name if path.stem in ("generator", "best") and path.parent.name else path.stem


def _traced(G):
    """The bytes of the ONNX model of a network."""
    network: nn.Module = WithSeam(G) if G.has_styles else G
    if G.has_styles:
        examples = [torch.zeros(2, G.z_dim), torch.zeros(2, G.num_layers, len(G.w_avg))]
        inputs, outputs = ["z", "ws"], ["w", "image"]
        axes = {"z": {0: "n"}, "w": {0: "n"}, "ws": {0: "m"}, "image": {0: "m"}}
    else:
        examples = [torch.zeros(2, G.inputs)]
        inputs, outputs = ["z"], ["image"]
        axes = {"z": {0: "n"}, "image": {0: "n"}}
    file: Any = io.BytesIO()  # which it takes, though it does not say so
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of constants in the trace, which are meant
        # Weights stay as they are, to be kept in 16 bits; whoever loads the file folds them with their scales
        torch.onnx.export(network.eval(), tuple(examples), file, input_names=inputs, output_names=outputs,
                          dynamic_axes=axes, opset_version=OPSET, dynamo=False, do_constant_folding=False)
    return file.getvalue()


def _halve(model, onnx):
    """Keep all weights in 16 bits. A cast before each makes 32 bits of them when the file is loaded."""
    graph = model.graph
    kept = {weights.name: onnx.numpy_helper.to_array(weights) for weights in graph.initializer}
    with np.errstate(over="ignore"):  # what does not fit is infinite, and is found below
        small = {name: array.astype(np.float16) for name, array in kept.items()
                 if array.dtype == np.float32 and array.size > 1}
    if bad := not_finite({name: torch.from_numpy(array) for name, array in small.items()}):
        raise GanlibError(f"{bad} of the generator does not fit 16 bits: export it with 32 (--full).")
    del graph.initializer[:]
    casts = []
    for name, array in kept.items():
        stored = f"{name}.half" if name in small else name
        graph.initializer.append(onnx.numpy_helper.from_array(small.get(name, array), stored))
        if name in small:
            casts.append(onnx.helper.make_node("Cast", [stored], [name], to=onnx.TensorProto.FLOAT))
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)


# -- what else a program needs


def about(generator, name):
    """The metadata of a generator's ONNX file, for JSON. Arrays are base64 of float32, row after row.

    z_dim, resolution, recipe, images, model: as of the generator's file. Of a style-based one: w_dim, layers,
    layer_groups {name: [first, end]}, w_avg (w_dim,), the mean of w where labels are unknown, directions
    {"names": k, "steps": (k, w_dim), "colours": (6, w_dim)}, colours {"named", "sliders", "steps",
    "farthest", "close"} as in ganlib.play.named_colours. labels: {attribute: {"classes": [...], "vectors":
    (classes, dim)}}. Add the vector of a class to w, once that is truncated. Of a DCGAN add it to the numbers
    beside z, which are "unknown" (dim,) for a face of which nothing is asked for. label_rows: labels of
    training images, int16 (rows, attributes), -1 where unknown; attributes: their order.
    """
    G, config = generator.G, generator.config
    told = {
        "format": FILE_FORMAT,
        "name": name,
        "model": identity(generator),
        "images": int(generator.info["images"]),
        "resolution": G.resolution,
        "z_dim": G.z_dim,
        "has_styles": G.has_styles,
        "recipe": config.recipe(),
    }
    if G.has_styles:
        told |= _styles_of(generator)
    if G.attributes:
        told |= _labels_of(G)
    return told


def _styles_of(generator):
    G = generator.G
    named, colours = directions(generator)
    return {
        "w_dim": len(G.w_avg),
        "layers": G.num_layers,
        "layer_groups": {name: [layers.start, layers.stop] for name, layers in layer_groups(G).items()},
        "w_avg": as_text(G.w_avg),
        "directions": {
            "names": [*named],
            "steps": as_text(torch.stack([*named.values()])),
            "colours": as_text(colours),
        },
        "colours": {"named": COLOURS, "sliders": LOOKS, "steps": STEPS, "farthest": FARTHEST, "close": CLOSE},
    }


def _labels_of(G):
    labels = {}
    for table, (name, classes) in zip(G.embed.tables, G.attributes.items(), strict=True):
        labels[name] = {"classes": classes, "vectors": as_text(table[:-1])}
    rows = G.embed.rows.cpu().numpy().astype("<i2")
    unknown = torch.stack([table[-1] for table in G.embed.tables]).sum(0)
    return {"attributes": [*labels], "labels": labels, "unknown": as_text(unknown),
            "label_rows": base64.b64encode(rows.tobytes()).decode()}


def as_text(tensor):
    """base64 of a tensor as float32, the lowest byte first."""
    return base64.b64encode(tensor.detach().cpu().numpy().astype("<f4").tobytes()).decode()


# -- whether it draws the same


def difference(path, generator, faces=FACES, seed=0):
    """By how many of 255 levels the file's pictures differ from those of a LoadedGenerator, at most.

    Needs the package onnxruntime; raises GanlibError without it.
    """
    runtime = need("onnxruntime")
    session = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    G = generator.G
    z = latents(faces, G.z_dim, seed)
    with torch.no_grad():
        if G.has_styles:
            image = G(z).clamp(-1, 1)
            no_ws = np.zeros((0, G.num_layers, len(G.w_avg)), np.float32)
            w, _ = session.run(["w", "image"], {"z": z.numpy(), "ws": no_ws})
            ws = np.repeat(w[:, None], G.num_layers, 1)
            _, found = session.run(["w", "image"], {"z": z.numpy()[:0], "ws": ws})
        else:
            z = G.told(z)
            image = G(z)
            found, = session.run(["image"], {"z": z.numpy()})
    return float(np.abs(found - image.numpy()).max() * LEVELS)
