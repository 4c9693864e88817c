"""Panels to play with a generator: walk, mix, directions, design a character, find a picture in it.

Core ipywidgets only, so that Colab, JupyterLab and VS Code can all show them. A face to click is a picture under a
transparent button of the same size, both in one cell of a GridBox: no CSS and no script of our own.
"""
import tempfile
from pathlib import Path

import ipywidgets as w
import numpy as np

from ...data.decoding import decode
from ...data.synthetic import face
from ...errors import GanlibError
from ...models.sampling import generate
from ...view.pictures import GREY, INK
from ..inversion import invert
from .base import picture, press, put, title
from .directions import directions_panel

UPLOAD = 10_000_000


class invert_panel(directions_panel):
    """Choose a picture of a face, watch the styles being found that draw it, then move the sliders."""

    name = "found"

    def __init__(self, source="stylegan-fast", steps=200):
        self.steps = steps
        super().__init__(source)

    def choice(self):
        self.start = self.G.w_avg.repeat(1, self.G.num_layers, 1)
        self.upload = w.FileUpload(accept="image/*", description="Picture", layout=w.Layout(width="144px"),
                                   tooltip="PNG, JPEG, GIF or WebP, up to 10 MB")
        self.upload.observe(lambda change: change["new"] and self.act(self.uploaded), "value")
        self.target, self.bar = picture(144), w.IntProgress(max=self.steps, layout=w.Layout(width="144px"))
        put(self.target, np.full((1, 1, 3), 238, np.uint8))
        example = press("Try a drawn face", lambda: self.act(lambda: self.find(face(7)[0])), "image")
        return title("wanted"), self.target, self.upload, example, self.bar, title("found"), self.before

    def uploaded(self):
        files = self.upload.value
        file = [*files.values()][0] if isinstance(files, dict) else files[0]  # ipywidgets 7, as on Colab
        self.upload.set_trait("value", type(files)())  # so that the same file can be chosen again
        if len(file["content"]) > UPLOAD:
            raise GanlibError(f"This file has {len(file['content']) / 1e6:.1f} MB; expected {UPLOAD / 1e6:.0f} at most.")
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "upload")
            path.write_bytes(file["content"])
            pixels, reason, detail, _ = decode(path, self.G.resolution)
            detail = detail.replace(str(path), "the file")
        if pixels is None:
            raise GanlibError(f"This is not a picture that can be read ({detail}): expected a PNG, JPEG, GIF or WebP.")
        if reason:
            raise GanlibError(f"This picture cannot be used ({reason}: {detail}): expected about a square, of "
                              f"{self.G.resolution} pixels or more, with a face in the middle.")
        self.find(pixels)

    def find(self, pixels):
        """Find uint8 (H, W, 3), and show it on the way."""
        put(self.target, pixels)
        self.reset()
        self.cancel()  # the drawing that this asks for would take the words below away

        def watch(step, ws, loss):
            self.bar.value, self.start = step + 1, ws
            if step % 10 == 0:
                put(self.image, generate(self.G, ws)[0])

        self.say("Looking for it; the stop button of the notebook ends it.", GREY)
        try:
            invert(self.G, pixels, self.steps, progress=False, callback=watch)
        finally:
            self.draw()
        self.say("Found. Now move the sliders.", INK)
