"""Sharing a generator through the Hugging Face Hub: its files, faces that it draws, and a card about it.

No picture of a training set goes there. All faces are drawn anew, from seed 1.
"""
import json
import re
import tempfile
from dataclasses import dataclass
from importlib.metadata import metadata
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import save

from ..config import Config
from ..errors import GanlibError
from ..files import write_atomic
from ..images import encoded, grid
from ..machine.progress import say
from ..models.sampling import sample
from ..models.store import LoadedGenerator, find_generator, load_generator
from ..play.latent_files import identity
from ..pretrained.hub_files import HOW_TO_ENTER, hub_address, hub_client, hub_trouble, is_on_hub
from ..runs.folder import RunFolder, read_scores
from ..tensors import metadata_of, read_safetensors
from .onnx_files import export, name_of

DRAWN, DRAWN_SEED = 64, 1  # faces of samples.png
GENERATOR, DIRECTIONS, ONNX = "generator.safetensors", "directions.safetensors", "generator.onnx"
SAMPLES_FILE, CARD_FILE = "samples.png", "README.md"
TASK = "unconditional-image-generation"  # as the Hub calls it


@dataclass(frozen=True)
class Parcel:
    """What goes to a repository.

    files: {name: bytes}; images: seen by the generator; left_out: why there is no ONNX file, or "".
    """

    files: dict[str, bytes]
    images: int
    left_out: str = ""


def push(source, address, private=False, message="", licence="other"):
    """Upload a generator to the Hugging Face Hub; returns the address of its page.

    source: as for `load_generator`. address: "hf:name/repository", which is made where it is missing.
    private: only you see it. message: of the commit. licence: as the Hub writes it, such as "cc0-1.0". The
    files are those of `parcel`. They take the place of older ones of these names, and no others are touched.
    The token is the one that huggingface_hub finds: HF_TOKEN, or that of its login. Raises GanlibError for a
    bad address, where the Hub refuses the token or cannot be reached, and for a private upload to a public
    repository.
    """
    target = hub_address(address)
    if target.revision:
        raise GanlibError(f"{address}: a generator goes to the main branch, so leave @{target.revision} out.")
    if not re.fullmatch(r"[a-z0-9][a-z0-9.-]*", licence):
        raise GanlibError(f"{licence!r} is no licence as the Hub writes it: expected one such as cc0-1.0, "
                          "cc-by-4.0, mit or other.")
    hub = hub_client()
    if not hub.get_token():
        raise GanlibError(f"The Hugging Face Hub takes a generator from those it knows: {HOW_TO_ENTER}.")
    packed = parcel(source, str(target), licence)
    _tell(packed, target)
    message = message or f"A generator of {packed.images:,} images seen"
    try:
        return _upload(hub, packed.files, target, private, message)
    except Exception as error:
        raise hub_trouble(error, target, writes=True) from error


def _tell(packed, target):
    """Say what goes, and how much it is."""
    say(f"To {target} go:")
    for name, content in packed.files.items():
        say(f"  {name:<24} {len(content) / 1e6:7.2f} MB")
    say(f"  {'in all':<24} {sum(map(len, packed.files.values())) / 1e6:7.2f} MB")
    if packed.left_out:
        say(f"{ONNX} is left out. {packed.left_out}")


def _upload(hub, files, target, private, message):
    """Make the repository where it is missing, and commit the files; returns the address of its page."""
    api = hub.HfApi()
    repository = target.repository
    page = api.create_repo(repository, private=private or None, exist_ok=True)
    there = api.model_info(repository)
    if private and there.private is False:
        raise GanlibError(f"{target} is there already, and it is public: name another repository, or leave "
                          "--private out.")
    operations = [hub.CommitOperationAdd(name, content) for name, content in files.items()]
    # A file of an older generator that this one does not have
    stale = {file.rfilename for file in there.siblings or []} & ({DIRECTIONS, ONNX} - files.keys())
    operations += [hub.CommitOperationDelete(name) for name in sorted(stale)]
    api.create_commit(repository, operations, commit_message=message)
    return str(page)


# -- what goes


def parcel(source, address, licence="other"):
    """The Parcel of a generator, for a repository at `address`, "hf:name/repository".

    generator.safetensors: the averaged generator, without names of folders of this machine; config.json: its
    recipe; generator.onnx: for other programs, where that can be made; directions.safetensors: where it lies
    beside; samples.png: 64 faces of seed 1, as they come; README.md: the card.
    """
    path = find_generator(source)
    generator = load_generator(path)
    images = int(generator.info["images"])
    name = name_of(source) or hub_address(address).repository.rpartition("/")[2]
    content, config = _without_folders(path)
    files = {
        GENERATOR: content,
        RunFolder(".").config_path.name: (json.dumps(config.to_dict(), indent=1) + "\n").encode(),
    }
    if _are_of(path.with_name(DIRECTIONS), generator):
        files[DIRECTIONS] = path.with_name(DIRECTIONS).read_bytes()
    onnx, left_out = _onnx_file(files, name)
    if onnx:
        files[ONNX] = onnx
    files[SAMPLES_FILE] = encoded(grid(sample(generator, DRAWN, DRAWN_SEED)).save)
    score = read_scores(path.parent).get(images)
    files[CARD_FILE] = card(generator, name, address, files, licence, score).encode()
    return Parcel(files, images, left_out)


def _without_folders(path):
    """(bytes, Config) of a generator file: of what it began with the name stays, and not where it lay."""
    tensors, info = read_safetensors(path)
    recipe = json.loads(info["config"])
    cleaned = dict(recipe)
    if recipe.get("start_from"):
        cleaned["start_from"] = _without_folder(recipe["start_from"])
    if recipe.get("origin"):
        origin = json.loads(recipe["origin"])
        cleaned["origin"] = json.dumps(origin | {"name": _without_folder(origin["name"])})
    config = Config().replace(**cleaned)
    if cleaned == recipe:
        return path.read_bytes(), config
    return save(tensors, info | {"config": json.dumps(cleaned)}), config


def _without_folder(source):
    return source if is_on_hub(source) else name_of(source)


def _onnx_file(files, name):
    """(bytes, "") of a generator among {name: bytes} as an ONNX file, or (b"", why there is none)."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / name  # what its metadata calls it
        for file, content in files.items():
            write_atomic(place / file, content, durable=False)
        try:
            export(place / GENERATOR, place / ONNX)
        except GanlibError as error:
            return b"", str(error)
        return (place / ONNX).read_bytes(), ""


def _are_of(directions, generator):
    """Whether a file of directions is there, and of this LoadedGenerator."""
    try:
        return metadata_of(directions)["model"] == identity(generator)
    except (OSError, ValueError, KeyError, SafetensorError):
        return False


# -- the card


def card(generator: LoadedGenerator, name, address, files, licence="other", score=None):
    """The text of README.md: what the Hub reads, as YAML, and what people read, as Markdown.

    name: of the generator; address: "hf:name/repository"; files: names of the files beside it; score: its
    FD-lite, or None.
    """
    config, side = generator.config, generator.G.resolution
    images = int(generator.info["images"])
    told = {
        "license": licence,
        "library_name": "ganlib",
        "pipeline_tag": TASK,
        "tags": ["gan", "anime", "faces", "pytorch", config.model, *(["onnx"] if ONNX in files else [])],
    }
    if score is not None:
        told |= _score_for_the_hub(name, score, config)
    lines = ["---", *(f"{key}: {json.dumps(value)}" for key, value in told.items()), "---", ""]
    lines += [
        f"# {name}: anime faces of {side}×{side} pixels", "",
        f"A generator of anime faces, a GAN of the kind `{config.model}`. It was trained with ganlib, by the "
        f"recipe `{config.preset}`, and has seen {images:,} images.", "",
        f"![{DRAWN} faces that it draws]({SAMPLES_FILE})", "",
        f"All {DRAWN} faces above are drawn by it, from seed {DRAWN_SEED}. None was chosen, and none is of "
        "the training set.", "",
        "## Draw faces", "",
        "```sh", f'pip install "ganlib[hub] @ git+{_home()}"',
        f"ganlib sample {address} faces/ --n {DRAWN} --seed {DRAWN_SEED}", "```", "",
        "```python", "import ganlib", "", f'generator = ganlib.load_generator("{address}")',
        f"images = ganlib.sample(generator, {DRAWN}, seed={DRAWN_SEED})"
        f"  # uint8, ({DRAWN}, {side}, {side}, 3)", "```", "",
        *_table_of(generator, score), "",
        "## The files", "",
        *(f"- `{file}`: {words}" for file, words in _files_in_words().items() if file in files), "",
        "## Licence, and whose pictures", "",
        f"The licence of this generator: `{licence}`. The pictures that it learned from are the work of "
        "their artists. They are not in this repository, and this licence is none for them. Faces that it "
        "draws may look like theirs. It has their habits as well: hair, eyes and faces as they were common "
        "in that set.",
    ]
    return "\n".join(lines) + "\n"


def _home():
    """The address of ganlib's own repository."""
    return metadata("ganlib")["Project-URL"].split(", ")[1]


def _files_in_words():
    return {
        GENERATOR: "the averaged weights, as safetensors. Nothing is executed when it is loaded",
        RunFolder(".").config_path.name: "the recipe: `ganlib train config.json PACK RUN` trains by it",
        ONNX: "for programs without PyTorch",
        DIRECTIONS: "where to go in w so that one thing about a face changes",
        SAMPLES_FILE: "the faces above",
    }


def _table_of(generator, score):
    """Rows of Markdown: the numbers of a LoadedGenerator."""
    config, info = generator.config, generator.info
    rows = {
        "pixels": f"{generator.G.resolution}×{generator.G.resolution}",
        "recipe": f"`{config.preset}`, loss `{config.loss}`, batches of {config.batch}",
        "images seen": f"{int(info['images']):,}",
        "hours of training": f"{float(info['train_seconds']) / 3600:.1f}",
        "weights": f"{sum(p.numel() for p in generator.G.parameters()) / 1e6:.1f} million",
        "labels": ", ".join(generator.G.attributes) or "none",
    }
    if score is not None:
        rows["FD-lite"] = f"{score:.1f}, lower is better. It is not FID: never compare the two"
    return ["## Numbers", "", "| what | how much |", "|---|---|",
            *(f"| {what} | {words} |" for what, words in rows.items())]


def _score_for_the_hub(name, score, config):
    """The part of the metadata from which the Hub makes a table of scores."""
    metric = {"type": "fd-lite", "name": "FD-lite", "value": round(score, 2)}
    dataset = {"type": "anime-faces", "name": f"anime faces (pack {config.data or 'unknown'})"}
    result = {"task": {"type": TASK}, "dataset": dataset, "metrics": [metric]}
    return {"metrics": ["fd-lite"], "model-index": [{"name": name, "results": [result]}]}
