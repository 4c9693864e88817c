"""The faces that somebody kept: a folder of PNGs with their latents in them, and the order of these.

Each of the PNGs is a latent file (see latent_files): `load_latents` reads it, and so do the page and
`ganlib walk`.
"""
import json
import re
from dataclasses import dataclass, field
from pathlib import Path

import torch
from PIL import Image

from ..errors import GanlibError
from ..files import data_dir, kept_dir, write_atomic
from ..images import encoded
from ..models.sampling import generate, styles
from .latent_files import identity, latents_in, load_latents, picture_with_latents

MOST_KEPT = 24  # faces in a tray
ORDER = "order.json"  # the names of the faces, in the order that they stand in
FACE_NAME = re.compile(r"[^\W_](?:[\w-]{0,38}[^\W_])?")  # letters and digits; - and _ between them


@dataclass(eq=False)
class Face:
    """A face that can go from panel to panel.

    latents: ws (1, L, w_dim), or z (1, z_dim) where there are no styles. settings: those of `character` that
    give it back, {} where only its latents do. path: of its file, None where it has none, or has no longer.
    """

    latents: torch.Tensor = field(repr=False)
    settings: dict = field(default_factory=dict)
    path: Path | None = None

    @property
    def name(self):
        return self.path.stem if self.path else ""


def tray_folder(generator):
    """Where the kept faces of a generator lie: under $GANLIB_KEEP or the data folder, by its weights."""
    weights = identity(generator).rpartition(" ")[2]
    name = f"{as_name(generator.config.preset)}-{weights}"
    return (kept_dir() or data_dir()) / "faces" / "kept" / name


class KeptFaces:
    """The kept faces of a LoadedGenerator, in their order. Every change is written at once.

    Another notebook may change the same folder: it is read again before each change.
    """

    def __init__(self, generator):
        self.generator = generator
        self.folder = tray_folder(generator)
        self.faces = []
        self.unreadable = []  # names of files that are no faces of this generator
        self.reread()

    def reread(self):
        """Take what is in the folder now: new faces come, and those that are gone have no path any more."""
        known = {face.name: face for face in self.faces}
        self.faces, self.unreadable = [], []
        for name in self._names_on_disk():
            try:
                if not FACE_NAME.fullmatch(name):
                    raise GanlibError(f"{name} is no name of a face.")
                self.faces.append(known.pop(name, None) or self._read(self.folder / f"{name}.png"))
            except GanlibError:
                self.unreadable.append(f"{name}.png")
        for face in known.values():
            face.path = None

    def _names_on_disk(self):
        """The names of the files, those that the order does not know last."""
        there = sorted(path.stem for path in self.folder.glob("*.png"))
        try:
            order = json.loads((self.folder / ORDER).read_text())
            known = [name for name in order if name in there]
        except (OSError, ValueError, TypeError, RecursionError):
            known = []
        return [*dict.fromkeys([*known, *there])]

    def _read(self, path):
        latents, settings = load_latents(path, self.generator)
        return Face(self._drawable(latents), settings, path)

    def _drawable(self, latents):
        """The first of some latents: ws where there are styles, so that every panel can use them."""
        first = latents[:1].float()
        return styles(self.generator, first) if self.generator.has_styles and first.ndim == 2 else first

    def add(self, face, name=""):
        """Keep a face under a name of its own, and return it. Raises GanlibError where the tray is full."""
        self.reread()
        if len(self.faces) >= MOST_KEPT:
            raise GanlibError(f"The tray is full: {MOST_KEPT} faces are kept. Remove one first.")
        path = self._free_path(name or face.name or "face")
        picture = Image.fromarray(generate(self.generator, face.latents)[0])
        write_atomic(path, picture_with_latents(picture, self.generator, face.latents, face.settings))
        kept = Face(face.latents, face.settings, path)
        self.faces.append(kept)
        self._write_order()
        return kept

    def load(self, content, name):
        """Keep the face of a latent file, given as bytes: a .safetensors, or a PNG that holds one."""
        latents, settings = latents_in(content, self.generator, name)
        return self.add(Face(self._drawable(latents), settings), as_name(Path(name).stem))

    def remove(self, face):
        """Forget a face, and remove its file. It has no path any more."""
        self.reread()
        if face in self.faces:
            face.path.unlink(missing_ok=True)
            face.path = None
            self.faces.remove(face)
            self._write_order()

    def give_name(self, face, name):
        """Give a face another name; raises GanlibError for one that cannot be, or is taken."""
        self.reread()
        self._need(face)
        if name == face.name:
            return
        if not FACE_NAME.fullmatch(name):
            raise GanlibError(f"{name!r} cannot be a name: expected letters and digits, such as anna or "
                              "pink-2, at most 40.")
        path = self.folder / f"{name}.png"
        if path.exists():
            raise GanlibError(f"There is a face {name!r} already: choose another name.")
        write_atomic(path, face.path.read_bytes())
        face.path.unlink(missing_ok=True)
        face.path = path
        self._write_order()

    def shift(self, face, by):
        """Move a face by so many places to the right."""
        self.reread()
        self._need(face)
        place = self.faces.index(face)
        self.faces.pop(place)
        self.faces.insert(max(0, place + by), face)
        self._write_order()

    def _need(self, face):
        """Raise GanlibError for a face that is kept no longer."""
        if face not in self.faces:
            raise GanlibError("This face is gone: it was removed, perhaps by another notebook.")

    def named(self, name):
        """The face of a name; raises GanlibError where there is none."""
        for face in self.faces:
            if face.name == name:
                return face
        names = ", ".join(face.name for face in self.faces) or "no face yet"
        raise GanlibError(f"There is no kept face {name!r}. Kept: {names}.")

    def _free_path(self, name):
        """The path of a name; numbered where it is taken."""
        numbered = [name] if not (self.folder / f"{name}.png").exists() and name != "face" else []
        number = 1
        while not numbered:
            path = self.folder / f"{name}-{number}.png"
            numbered = [] if path.exists() else [path.stem]
            number += 1
        return self.folder / f"{numbered[0]}.png"

    def _write_order(self):
        names = [face.name for face in self.faces]
        write_atomic(self.folder / ORDER, (json.dumps(names) + "\n").encode())


def thumbnail(face):
    """The bytes of a kept face's picture, without what else is in its file; grey where the file is gone."""
    try:
        with Image.open(face.path) as file:
            picture = file.convert("RGB")
    except (OSError, SyntaxError, ValueError, AttributeError):
        picture = Image.new("RGB", (8, 8), "gray")
    return encoded(picture.save, compress_level=1)


def as_name(text):
    """The name of a face or a folder that is most like a text, such as the name of a file."""
    words = re.sub(r"\W+", "-", text).strip("-_")[:40].strip("-_")
    return words or "face"
