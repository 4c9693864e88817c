"""The panel of style mixing: which layers of which faces."""
import functools

import ipywidgets as widgets

from ...colors import BLUE, RED
from ...images import encoded
from ...models.sampling import generate, layer_groups
from ..kept_faces import Face
from ..styles import mixing_sheet, points, swap
from .base import Panel
from .controls import (
    AS_DRAWN,
    clickable,
    column,
    columns,
    hint,
    label_menus,
    mark,
    picture,
    press,
    put,
    row,
    slider,
    title,
)

ON_SHOW = 8  # faces in a strip
IN_THE_TABLE = 96  # pixels of a face there
CHOSEN_AT_MOST = 4  # of a strip


class MixStrip:
    """A row of faces to click: seeds, or kept Faces. `chosen` are some of them, the latest last.

    fresh: called for a seed that no strip has yet. changed: called when other faces are chosen or on show.
    """

    def __init__(self, name, colour, chosen, fresh, changed):
        self.colour, self.chosen, self.fresh, self.changed = colour, chosen, fresh, changed
        self.shown = [fresh() for _ in range(ON_SHOW)]
        self.cells = [clickable(72, "click to choose or leave", functools.partial(self.click, place))
                      for place in range(ON_SHOW)]
        name = title(f'<span style="color:{colour}">■</span> {name}')
        self.box = column(row(name, press("other faces", self.turn, "refresh")), row(*self.cells))

    def click(self, place):
        """Choose the face at a place, or leave it. One always stays; of too many the oldest goes."""
        face = self.shown[place]
        if face not in self.chosen:
            self.chosen = [*self.chosen, face][-CHOSEN_AT_MOST:]
        elif len(self.chosen) > 1:
            self.chosen = [one for one in self.chosen if one != face]
        self.changed()

    def turn(self):
        """Show other faces; those that are chosen stay where they are."""
        self.shown = [face if face in self.chosen else self.fresh() for face in self.shown]
        self.changed()

    def put_in(self, face):
        """Show a face in the place of the last one that is not chosen, and choose it."""
        if face not in self.shown:
            free = [place for place, one in enumerate(self.shown) if one not in self.chosen]
            self.shown[free[-1]] = face
        if face not in self.chosen:
            self.chosen = [*self.chosen, face][-CHOSEN_AT_MOST:]
        self.changed()

    def forget(self):
        """Show seeds in the place of kept faces that are gone."""
        gone = [face for face in self.shown if isinstance(face, Face) and face.path is None]
        if gone:
            self.shown = [self.fresh() if face in gone else face for face in self.shown]
            self.chosen = [face for face in self.chosen if face not in gone] or self.shown[:1]

    def draw(self, images):
        """Show uint8 (ON_SHOW, H, W, 3)."""
        for cell, image, face in zip(self.cells, images, self.shown, strict=True):
            put(cell.children[0], image)
            mark(cell, self.colour if face in self.chosen else None)


class MixPanel(Panel):
    """Faces A to click give the rows, faces B the columns; a slider says which layers come from B.

    Where the generator has learned labels, menus ask for those of all faces.
    """

    stem = "mix"

    def build(self):
        groups = layer_groups(self.G)  # raises where there are no styles
        self.next_seed = 0
        self.result, self.table = picture(256), widgets.Image(format="png")
        self.a = MixStrip("A: shape and pose (rows)", BLUE, [0, 3], self._fresh, self._changed)
        self.b = MixStrip("B: colours (columns)", RED, [8, 9, 10], self._fresh, self._changed)
        layers = groups["coarse"].stop, self.G.num_layers
        self.layers = slider("layers from B", layers, 0, self.G.num_layers, 1, widgets.IntRangeSlider)
        self.psi = slider("psi (0: average)", 0.7, 0, 1.2)
        self.labels = label_menus(self.G, AS_DRAWN)
        self.goes_to = widgets.ToggleButtons(options=["A", "B"], description="kept faces go to",
                                             style={"description_width": "initial", "button_width": "40px"})
        self.watch(self.layers, self.psi, *self.labels.values())
        words = {"coarse": "shape and pose", "middle": "features and colours", "fine": "shades"}
        legend = [f"{group.start}–{group.stop} {words[name]}" for name, group in groups.items() if len(group)]
        self.about = hint("")
        controls = self.layers, hint(" · ".join(legend)), self.psi, *self.labels.values(), self.goes_to
        return [columns(column(self.a.box, self.b.box, *controls),
                        column(title("the last A with the last B"), self.result)),
                title("every A with every B"), self.about, self.table]

    def _fresh(self):
        """A seed that no strip has shown yet."""
        self.next_seed += 1
        return self.next_seed - 1

    def take_face(self, face):
        """A kept face goes to the strip that is chosen."""
        strip, other = (self.a, self.b) if self.goes_to.value == "A" else (self.b, self.a)
        if face in other.chosen:
            self.say(f"{face.name} is in the other row already: a face mixed with itself is that face.", "")
        else:
            strip.put_in(face)

    def _changed(self):
        self.soon(self.draw)

    def _asked(self):
        """The labels that are asked for, {attribute: class}."""
        return {name: menu.value for name, menu in self.labels.items() if menu.value != AS_DRAWN}

    def kept_changed(self, old, new):
        if self.ready:
            self.a.forget()
            self.b.forget()
        super().kept_changed(old, new)

    def _points(self, faces):
        return points(self.generator, faces, self.psi.value, self._asked())

    def draw(self):
        layers, asked = self.layers.value, self._asked()
        rows, columns_of = seeds_and_paths(self.a.chosen), seeds_and_paths(self.b.chosen)
        a, b = rows[-1:], columns_of[-1:]
        self.mixed = swap(self.G, self._points(a), self._points(b), layers)
        put(self.result, self.pixels())
        labels = f", labels={asked}" if asked else ""
        psi = f"psi={self.psi.value:g}{labels}"
        sheet = f"mixing_sheet(generator, {rows}, {columns_of}, layers={layers}, {psi}, scale=2)"
        self.tell(f"swap(generator, points(generator, {a}, {psi}), points(generator, {b}, {psi}), {layers})",
                  "display(ganlib.grid(ganlib.generate(generator, face), scale=4))", sheet,
                  imports=["from ganlib.play.styles import mixing_sheet, points, swap"])
        self.soon(self.draw_rest, 0.25, anew=True)

    def draw_rest(self):
        """The strips and the table, which can wait until the slider rests."""
        for strip in self.a, self.b:
            strip.draw(generate(self.G, self._points(seeds_and_paths(strip.shown))))
        sheet = self.figure()
        self.table.value = encoded(sheet.save, compress_level=1)
        self.table.width = sheet.width
        self.about.value = hint(self._about_the_table()).value

    def _about_the_table(self):
        first, end = self.layers.value
        if first == end:
            return "No layer comes from B: every row is its A. Drag the slider <i>layers from B</i>."
        if (first, end) == (0, self.G.num_layers):
            return "All layers come from B: every column is its B. Drag the slider <i>layers from B</i>."
        return ""

    def face(self):
        return Face(self.mixed)

    def figure(self):
        rows, columns_of = seeds_and_paths(self.a.chosen), seeds_and_paths(self.b.chosen)
        return mixing_sheet(self.generator, rows, columns_of, self.layers.value, self.psi.value,
                            IN_THE_TABLE / self.G.resolution, self._asked())


def seeds_and_paths(faces):
    """Seeds and paths of latent files, as `points` takes them, of seeds and kept Faces."""
    return [str(face.path) if isinstance(face, Face) else face for face in faces]
