"""The panel of style mixing: which layers of which faces."""
import functools

import ipywidgets as widgets

from ...colors import BLUE, RED
from ...images import encoded
from ...models.sampling import generate, layer_groups
from ..styles import mixing_sheet, points, swap
from .base import AS_DRAWN, Panel, clickable, column, label_menus, picture, press, put, row, slider, title

ON_SHOW = 8  # faces in a strip
IN_THE_TABLE = 96  # pixels of a face there
CHOSEN_AT_MOST = 4  # of a strip


class Strip:
    """A row of faces to click: `start` is the seed of the first, `chosen` are seeds, the latest last."""

    def __init__(self, name, colour, start, chosen, changed):
        self.colour, self.start, self.chosen, self.changed = colour, start, chosen, changed
        self.cells = [clickable(72, "click to choose or leave", functools.partial(self.click, place))
                      for place in range(ON_SHOW)]
        name = title(f'<span style="color:{colour}">{name}</span>')
        self.box = column(row(name, press("other faces", self.turn, "refresh")), row(*self.cells))

    def click(self, place):
        """Choose the face at a place, or leave it. One always stays; of too many the oldest goes."""
        seed = self.start + place
        if seed not in self.chosen:
            self.chosen = [*self.chosen, seed][-CHOSEN_AT_MOST:]
        elif len(self.chosen) > 1:
            self.chosen = [one for one in self.chosen if one != seed]
        self.changed()

    def turn(self):
        """Show other faces."""
        self.start += ON_SHOW
        self.changed()

    def draw(self, G, psi, labels):
        seeds = range(self.start, self.start + ON_SHOW)
        images = generate(G, points(G, seeds, psi, labels))
        for cell, image, seed in zip(self.cells, images, seeds, strict=True):
            put(cell.children[0], image)
            cell.layout.border = f"3px solid {self.colour if seed in self.chosen else 'transparent'}"


class MixPanel(Panel):
    """Faces A to click give the rows, faces B the columns; a slider says which layers come from B.

    Where the generator has learned labels, menus ask for those of all faces.
    """

    def build(self):
        groups = layer_groups(self.G)  # raises where there are no styles
        self.result, self.table = picture(192), widgets.Image(format="png")
        self.a = Strip("A: shape and pose (rows)", BLUE, 0, [0, 3], self._changed)
        self.b = Strip("B: colours (columns)", RED, ON_SHOW, [8, 9, 10], self._changed)
        layers = groups["coarse"].stop, self.G.num_layers
        self.layers = slider("layers from B", layers, 0, self.G.num_layers, 1, widgets.IntRangeSlider)
        self.psi = slider("psi (0: average)", 0.7, 0, 1.2)
        self.labels = label_menus(self.G, AS_DRAWN)
        self.watch(self.layers, self.psi, *self.labels.values())
        words = {"coarse": "shape and pose", "middle": "features and colours", "fine": "shades"}
        legend = [f"{group.start}–{group.stop} {words[name]}" for name, group in groups.items() if len(group)]
        controls = self.layers, widgets.HTML(" · ".join(legend)), self.psi, *self.labels.values()
        return [row(column(self.a.box, self.b.box, *controls),
                    column(title("the last A with the last B"), self.result)),
                title("every A with every B"), self.table]

    def _changed(self):
        self.soon(self.draw)

    def _asked(self):
        """The labels that are asked for, {attribute: class}."""
        return {name: menu.value for name, menu in self.labels.items() if menu.value != AS_DRAWN}

    def draw(self):
        psi, layers, asked = self.psi.value, self.layers.value, self._asked()
        a, b = (points(self.G, strip.chosen[-1:], psi, asked) for strip in (self.a, self.b))
        put(self.result, generate(self.G, swap(self.G, a, b, layers))[0])
        labels = f", labels={asked}" if asked else ""
        self.tell(f"mixing_sheet(generator, {self.a.chosen}, {self.b.chosen}, layers={layers}, "
                  f"psi={psi:g}{labels})")
        self.soon(self.draw_rest, 0.25, anew=True)

    def draw_rest(self):
        """The strips and the table, which can wait until the slider rests."""
        for strip in self.a, self.b:
            strip.draw(self.G, self.psi.value, self._asked())
        sheet = self.figure()
        self.table.value = encoded(sheet.save, compress_level=1)
        self.table.width = sheet.width

    def figure(self):
        return mixing_sheet(self.generator, self.a.chosen, self.b.chosen, self.layers.value, self.psi.value,
                            IN_THE_TABLE / self.G.resolution, self._asked())
