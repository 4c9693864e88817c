"""Fine-tuning: what a run begins with, the weights of a run, of a generator file, or of a shipped one."""
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError

from ..config import Config
from ..data.batching import need_two_batches
from ..errors import GanlibError
from ..machine.processes import started
from ..machine.progress import say
from ..models.store import FORMAT, find_generator, load_generator
from ..presets import preset, preset_or_file
from ..tensors import not_finite, read_checked, read_safetensors, write_safetensors
from .folder import read_config
from .states import state_files

NETWORK_KEYS = ("width", "max_width", "d_width", "z_dim", "w_dim", "mapping_layers", "g_act", "residual",
                "values")
SAME_G = {"stylegan-fast", "stylegan-projected"}  # models whose generators are alike
WAIT_KIMG = 2.0  # thousands of images that a new D learns alone, beside a G that has learned
KIND = "ganlib discriminator"


@dataclass(frozen=True)
class Origin:
    """Weights to begin with, and where they are from.

    name: as the user gave it; config: the Config they were trained with; images: how many they have seen;
    weights: a fingerprint of their files; tensors: {"g", "ema": {key: tensor}, "d": likewise, or {} without a
    discriminator}.
    """

    name: str
    config: Config
    images: int
    weights: str
    tensors: dict[str, dict]

    def to_json(self):
        """What a config.json and a generator file keep of it."""
        about = {"name": self.name, "images": self.images, "data": self.config.data, "weights": self.weights}
        return json.dumps(about)


def open_origin(source):
    """The Origin of a source: a run's folder, a generator file, or the name of a shipped generator.

    Of a run its newest state is taken. A generator may have its discriminator.safetensors beside it. Raises
    GanlibError where there is no such source.
    """
    for path in state_files(source):
        found = read_checked(path)
        if found:
            tensors, metadata = found
            parts: dict[str, dict] = {"g": {}, "d": {}, "ema": {}}
            for key, tensor in tensors.items():
                name, _, rest = key.partition(".")
                if name in parts:
                    parts[name][rest] = tensor
            images = json.loads(metadata["progress"])["images"]
            return Origin(str(source), read_config(source), images, _fingerprint(path), parts)
    path = find_generator(source)
    generator = load_generator(path)
    G = dict(generator.G.named_parameters())
    beside = path.with_name("discriminator.safetensors")
    files = [path, beside] if path.name == "generator.safetensors" and beside.is_file() else [path]
    D = _read_discriminator(beside, generator.config) if len(files) == 2 else {}
    images = int(generator.info["images"])
    return Origin(str(source), generator.config, images, _fingerprint(*files), {"g": G, "ema": G, "d": D})


def _fingerprint(*paths):
    key = hashlib.blake2b(digest_size=8)
    for path in paths:
        key.update(Path(path).read_bytes())
    return key.hexdigest()


def begun_with(config):
    """{"name", "images", "data", "weights"} of what a Config's run began with; {} where it began anew."""
    return json.loads(config.origin or "{}")


# -- the discriminator of a shipped generator


def save_discriminator(path, origin):
    """Write the discriminator of an Origin, in half precision, to lie beside its generator.safetensors."""
    if not origin.tensors["d"]:
        raise GanlibError(f"{origin.name} has no discriminator: expected a run's folder with a state.")
    tensors = {key: value.half() if value.is_floating_point() else value
               for key, value in origin.tensors["d"].items()}
    if bad := not_finite(tensors):
        raise GanlibError(f"{bad} of the discriminator does not fit half precision: not saved.")
    metadata = {"format": str(FORMAT), "kind": KIND, "config": json.dumps(origin.config.recipe()),
                "images": str(origin.images)}
    write_safetensors(path, tensors, metadata)


def _read_discriminator(path, config):
    """The tensors of a discriminator beside a generator of a Config."""
    try:
        tensors, info = read_safetensors(path)
        if info.get("kind") != KIND or int(info["format"]) > FORMAT:
            raise ValueError(f"it is a {info.get('kind', 'file of another kind')}")
        its_config = Config().replace(**json.loads(info["config"]))
    except (OSError, ValueError, KeyError, TypeError, SafetensorError, GanlibError) as error:
        raise GanlibError(f"{path} is not a discriminator that this version can read ({error}). Move it away "
                          "to begin with the generator alone.") from error
    for key in ("model", "resolution", *NETWORK_KEYS):
        if getattr(its_config, key) != getattr(config, key):
            raise GanlibError(f"{path} is of another generator than the one beside it: it has "
                              f"{key}={getattr(its_config, key)!r}. Move it away to begin with the generator "
                              "alone.")
    return {key: value.float() if value.is_floating_point() else value for key, value in tensors.items()}


# -- the Config of a run that begins with one


def preset_from(name, profile=None, run=None, /, **changes):
    """As `preset_or_file`; with start_from=SOURCE, the Config has the networks of the source.

    Keys of the networks are taken from there, but for those in `changes`, and a line says so. A network that
    has grown stays at its full size. Where the source has no discriminator, a new one learns alone at first.
    run: the folder of the run: if it was begun from this source, the source itself is not needed any more.
    """
    source = changes.get("start_from")
    if not source or str(name).endswith(".json"):
        return preset_or_file(name, profile, **changes)
    begun = _begun(run) if run else None
    if begun and begun.start_from == source:
        values = {key: getattr(begun, key) for key in (*NETWORK_KEYS, "grow", "g_waits_kimg")}
        return preset(name, profile, **(values | changes))
    origin, plain = open_origin(source), preset(name, profile, **changes)
    refuse_other_kinds(plain, origin)
    values = {key: getattr(origin.config, key) for key in NETWORK_KEYS} | {"grow": ""}
    if not has_discriminator(origin, plain):
        values["g_waits_kimg"] = WAIT_KIMG
    config = preset(name, profile, **(values | changes))
    _tell_networks(origin, plain, config)
    return config


def as_begun(config, pack, run):
    """The Config with its origin filled in: of a run that goes on, as the run has it.

    Raises GanlibError where the run in the folder was begun otherwise. For one that begins, where there is no
    such source, and where the pack has fewer images than two batches.
    """
    begun = _begun(run)
    if begun is None:
        need_two_batches(pack, config)
        origin = open_origin(config.start_from).to_json() if config.start_from else ""
        return config.replace(origin=origin)
    if _is_same_source(config.start_from, begun):
        return config.replace(start_from=begun.start_from, origin=begun.origin)
    was = f"from {begun.start_from}" if begun.start_from else "without start_from (--from)"
    now = f"begins with {config.start_from}" if config.start_from else "begins anew"
    same = f"say start_from={begun.start_from!r}" if begun.start_from else "leave start_from out"
    raise GanlibError(f"The run in {run} was begun {was}. To go on with it, {same}; for one that {now}, name "
                      "another folder.")


def _begun(run):
    """The Config of a run that has a state, or None."""
    return read_config(run) if state_files(run) else None


def _is_same_source(source, begun):
    """Whether a run was begun from a source. It may lie elsewhere now, or be gone."""
    if source == begun.start_from:
        return True
    if not source or not begun.start_from:
        return False
    try:
        return open_origin(source).weights == begun_with(begun)["weights"]
    except GanlibError:
        return False


def has_discriminator(origin, config):
    """Whether an Origin has a discriminator for the networks of a Config."""
    return bool(origin.tensors["d"]) and origin.config.model == config.model


def refuse_other_kinds(config, origin):
    """Raise GanlibError where the networks of a Config are of another kind than those of an Origin."""
    there, here = origin.config, config
    if there.model != here.model and not {there.model, here.model} <= SAME_G:
        raise GanlibError(f"{origin.name} has networks of model={there.model!r}, and the recipe of model="
                          f"{here.model!r}: none of them fits. Take the preset {there.preset!r}, or another "
                          "source.")
    if there.resolution != here.resolution and 28 in (there.resolution, here.resolution):
        raise GanlibError(f"{origin.name} is for {there.resolution} pixels and the recipe for "
                          f"{here.resolution}: at 28 pixels no layer is as at other sizes. Take a pack of "
                          f"{there.resolution} pixels, or another source.")


def other_networks(config, origin):
    """The keys of the networks in which a Config differs from an Origin: {key: (there, here)}."""
    keys = [key for key in NETWORK_KEYS if getattr(origin.config, key) != getattr(config, key)]
    return {key: (getattr(origin.config, key), getattr(config, key)) for key in keys}


def _tell_networks(origin, plain, config):
    """A line about what a Config has from its Origin and not from its preset."""
    taken = [f"{key}={there!r}" for key, (there, _) in other_networks(plain, origin).items()
             if getattr(config, key) == there]
    if taken and started()[0] == 0:
        say(f"The networks are those of {origin.name}: {', '.join(taken)}.")
