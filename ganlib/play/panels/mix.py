"""Panels to play with a generator: walk, mix, directions, design a character, find a picture in it.

Core ipywidgets only, so that Colab, JupyterLab and VS Code can all show them. A face to click is a picture under a
transparent button of the same size, both in one cell of a GridBox: no CSS and no script of our own.
"""
import ipywidgets as w

from ...images import encoded
from ...models.sampling import generate, layer_groups, seed_latents, styles
from ...view.pictures import BLUE, RED
from ..styles import mixing_sheet, swap
from .base import Panel, clickable, column, picture, press, put, row, slider, title


class mix_panel(Panel):
    """Faces A to click give the rows, faces B the columns; a slider says which layers come from B."""

    def build(self):
        layer_groups(self.G)
        self.result, self.table = picture(192), w.Image(format="png")
        self.first, self.chosen = [0, 8], [[0, 3], [8, 9, 10]]
        self.strips, lines, colours = [], [], (BLUE, RED)
        for k, text in enumerate(("A: shape and pose (rows)", "B: colours (columns)")):
            self.strips.append([clickable(72, "click to choose or leave", lambda k=k, i=i: self.click(k, i))
                                for i in range(8)])
            lines.append(column(row(title(f'<span style="color:{colours[k]}">{text}</span>'),
                                    press("other faces", lambda k=k: self.turn(k), "refresh")), row(*self.strips[k])))
        groups, L = layer_groups(self.G), self.G.num_layers
        self.layers = slider("layers from B", (groups["coarse"].stop, L), 0, L, 1, w.IntRangeSlider)
        self.psi = slider("psi (0: average)", 0.7, 0, 1.2)
        self.watch(self.layers, self.psi)
        says = {"coarse": "shape and pose", "middle": "features and colours", "fine": "shades"}
        text = w.HTML(" · ".join(f"{r.start}–{r.stop} {says[name]}" for name, r in groups.items() if len(r)))
        return [row(column(*lines, self.layers, text, self.psi),
                    column(title("the last A with the last B"), self.result)),
                title("every A with every B"), self.table]

    def click(self, k, i):
        chosen, seed = self.chosen[k], self.first[k] + i
        if seed in chosen and len(chosen) > 1:
            chosen.remove(seed)
        elif seed not in chosen:
            self.chosen[k] = [*chosen[-3:], seed]
        self.soon(self.draw)

    def turn(self, k):
        self.first[k] += 8
        self.soon(self.draw)

    def draw(self):
        psi, layers = self.psi.value, self.layers.value
        a, b = (styles(self.G, seed_latents(self.G, [seeds[-1]]), psi) for seeds in self.chosen)
        put(self.result, generate(self.G, swap(self.G, a, b, layers))[0])
        self.tell(f"mixing_sheet(G, {self.chosen[0]}, {self.chosen[1]}, layers={layers}, psi={psi:g})")
        self.soon(self.draw_rest, 0.25, anew=True)

    def draw_rest(self):
        for first, strip, chosen, colour in zip(self.first, self.strips, self.chosen, (BLUE, RED)):
            seeds = range(first, first + 8)
            images = generate(self.G, styles(self.G, seed_latents(self.G, seeds), self.psi.value))
            for cell, image, seed in zip(strip, images, seeds):
                put(cell.children[0], image)
                cell.layout.border = f"3px solid {colour if seed in chosen else 'transparent'}"
        sheet = self.figure()
        self.table.value, self.table.width = encoded(sheet.save, compress_level=1), 1.5 * sheet.width

    def figure(self):
        return mixing_sheet(self.G, *self.chosen, self.layers.value, self.psi.value)
