"""The tray: the faces that were kept, above all panels and in each of them."""
import functools
import html
from typing import Any

import ipywidgets as widgets

from ...colors import BLUE
from ...errors import GanlibError
from ..kept_faces import KeptFaces, thumbnail
from .controls import clickable, hint, mark, one_cell, press, row, title

KEPT_SIZE = 72  # pixels of a kept face
FACE_BYTES = 5_000_000  # bytes of a latent file at most


def uploaded(upload):
    """(bytes, name) of the file that was chosen, and the control made ready for the next one."""
    files = upload.value
    if isinstance(files, dict):  # ipywidgets 7, as on Colab
        name, file = next(iter(files.items()))
    else:
        file = files[0]
        name = file["name"]
    upload.set_trait("value", type(files)())  # so that the same file can be chosen again
    return bytes(file["content"]), name


class Tray:
    """The kept faces of a generator: keep, load, name, sort, remove. A strip in each panel shows them too.

    box: its widget. kept: KeptFaces, or None where there is no generator. chosen: the Face that the buttons
    are for, or None.
    """

    kept: Any = None
    chosen: Any = None

    def __init__(self):
        self.images = {}  # of faces: shared by all strips
        self.strips = []
        self.message = widgets.HTML()
        self.faces = row()
        self.name = widgets.Text(description="name", continuous_update=False,
                                 style={"description_width": "45px"}, layout=widgets.Layout(width="200px"))
        self.name.observe(self._renamed, "value")
        self.upload = widgets.FileUpload(accept=".png,.safetensors", description="Load a face",
                                         tooltip="a latent file, or a PNG that a panel or the page saved")
        self.upload.observe(self._uploaded, "value")
        self.tools = row(self.name, press("", functools.partial(self._move, -1), "arrow-left", "to the left"),
                         press("", functools.partial(self._move, 1), "arrow-right", "to the right"),
                         press("Remove", self._remove, "trash"))
        self.hint = hint("")
        self.box = widgets.VBox([row(title("Kept faces"), self.upload), self.hint, self.faces, self.tools,
                                 self.message])
        self.draw()

    def open(self, generator):
        """Show the kept faces of a LoadedGenerator; None: there is none."""
        if self.kept and generator is self.kept.generator:
            return
        self.kept = KeptFaces(generator) if generator else None
        self.chosen, self.images = None, {}
        self.draw()
        if self.kept and self.kept.unreadable:
            self.say(f"Left out, as they are no faces of this generator: {', '.join(self.kept.unreadable)} "
                     f"in {self.kept.folder}.")

    def say(self, text):
        self.message.value = hint(html.escape(text)).value if text else ""

    def strip(self, click, changed):
        """A row of the kept faces for a panel.

        click: called with the Face that is clicked; changed: with the old and the new name of one that got
        another name, None for one that was removed.
        """
        strip = Strip(self, click, changed)
        self.strips.append(strip)
        return strip

    def add(self, face):
        """Keep a Face; returns it as it was kept. Raises GanlibError where the tray is full."""
        kept = self.kept.add(face)
        self.chosen = kept
        self.draw()
        return kept

    def named(self, name):
        return self.kept.named(name)

    def image_of(self, face):
        """The Image of a kept face."""
        if face not in self.images:
            layout = widgets.Layout(**one_cell(KEPT_SIZE))
            self.images[face] = widgets.Image(value=thumbnail(face), format="png", layout=layout)
        return self.images[face]

    def draw(self):
        """Show the faces of now, here and in all panels."""
        faces = self.kept.faces if self.kept else []
        cells = []
        for face in faces:
            cell = clickable(KEPT_SIZE, f"{face.name}: name, move or remove it",
                             functools.partial(self._choose, face), self.image_of(face))
            mark(cell, BLUE if face is self.chosen else None)
            cells.append(cell)
        self.faces.children = cells
        words = "Click one to name, move or remove it." if faces else (
            "None yet. <i>Keep</i> below a picture puts a face here. It stays as long as its file does.")
        self.hint.value = hint(words).value
        self.tools.layout.display = "" if self.chosen else "none"
        self.name.value = self.chosen.name if self.chosen else ""
        for strip in self.strips:
            strip.draw(faces)

    def _act(self, work):
        """Do what an event asks for, and say what is wrong with it."""
        self.say("")
        try:
            work()
        except (GanlibError, OSError) as error:
            self.say(str(error))
        if self.kept and self.chosen not in self.kept.faces:
            self.chosen = None
        self.draw()

    def _choose(self, face):
        self.chosen = face
        self.draw()

    def _renamed(self, change):
        if self.chosen and change["new"] and change["new"] != self.chosen.name:
            self._act(lambda: self._rename(change["new"]))

    def _rename(self, name):
        old = self.chosen.name
        self.kept.give_name(self.chosen, name.strip())
        self._tell(old, self.chosen.name)

    def _move(self, by):
        self._act(lambda: self.kept.shift(self.chosen, by))

    def _remove(self):
        self._act(self._remove_chosen)

    def _remove_chosen(self):
        face, old = self.chosen, self.chosen.name
        self.kept.remove(face)
        self.images.pop(face, None)
        self._tell(old, None)

    def _tell(self, old, new):
        for strip in self.strips:
            strip.changed(old, new)

    def _uploaded(self, change):
        if change["new"]:
            content, name = uploaded(self.upload)
            self._act(lambda: self._load(content, name))

    def _load(self, content, name):
        if self.kept is None:
            raise GanlibError("There is no generator yet: choose one above.")
        if len(content) > FACE_BYTES:
            raise GanlibError(f"{name} has {len(content) / 1e6:.1f} MB: a face has {FACE_BYTES / 1e6:.0f} at "
                              "most.")
        self.chosen = self.kept.load(content, name)


class Strip:
    """The kept faces in a panel, to be clicked. box: its widget; click, changed: as for `Tray.strip`."""

    def __init__(self, tray, click, changed):
        self.tray, self.click, self.changed = tray, click, changed
        self.box = row()
        self.draw(tray.kept.faces if tray.kept else [])

    def draw(self, faces):
        cells = [clickable(KEPT_SIZE, f"use {face.name}", functools.partial(self.click, face),
                           self.tray.image_of(face)) for face in faces]
        self.box.children = [title("Kept"), *cells] if cells else []
