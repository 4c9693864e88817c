"""The panel that finds a picture in a generator, then changes what was found."""
import tempfile
from pathlib import Path

import ipywidgets as widgets
import numpy as np

from ...colors import GREY, INK
from ...data.decoding import decode
from ...data.synthetic import face
from ...errors import GanlibError
from ...files import write_atomic
from ...models.sampling import generate
from ..inversion import invert
from .base import picture, press, put, title
from .directions import DirectionsPanel

UPLOAD = 10_000_000  # bytes at most
EXAMPLE = 7  # the number of a drawn face


class InvertPanel(DirectionsPanel):
    """Choose a picture of a face, watch the styles being found that draw it, then move the sliders."""

    stem = "found"

    def __init__(self, source="stylegan-fast", steps=200):
        self.steps = steps
        super().__init__(source)

    def choice(self):
        self.found = self.G.w_avg.repeat(1, self.G.num_layers, 1)
        width = widgets.Layout(width="144px")
        self.upload = widgets.FileUpload(accept="image/*", description="Picture", layout=width,
                                         tooltip="PNG, JPEG, GIF or WebP, up to 10 MB")
        self.upload.observe(self._uploaded, "value")
        self.target = picture(144)
        self.bar = widgets.IntProgress(max=self.steps, layout=width)
        put(self.target, np.full((1, 1, 3), 238, np.uint8))
        example = press("Try a drawn face", lambda: self.act(self.find_example), "image")
        return title("wanted"), self.target, self.upload, example, self.bar, title("found"), self.before

    def find_example(self):
        self.find(face(EXAMPLE)[0])

    def _uploaded(self, change):
        if change["new"]:
            self.act(self.find_upload)

    def find_upload(self):
        """Find the picture that was uploaded."""
        files = self.upload.value
        file = [*files.values()][0] if isinstance(files, dict) else files[0]  # ipywidgets 7, as on Colab
        self.upload.set_trait("value", type(files)())  # so that the same file can be chosen again
        self.find(self._decoded(file["content"]))

    def _decoded(self, content):
        """The pixels of an upload, uint8 (R, R, 3); raises GanlibError if it cannot be used."""
        if len(content) > UPLOAD:
            raise GanlibError(f"This file has {len(content) / 1e6:.1f} MB; "
                              f"expected {UPLOAD / 1e6:.0f} at most.")
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "upload")
            write_atomic(path, content)
            pixels, reason, detail, _ = decode(path, self.G.resolution)
            detail = detail.replace(str(path), "the file")
        if pixels is None:
            raise GanlibError(f"This is not a picture that can be read ({detail}): "
                              "expected a PNG, JPEG, GIF or WebP.")
        if reason:
            raise GanlibError(f"This picture cannot be used ({reason}: {detail}): expected about a square, "
                              f"of {self.G.resolution} pixels or more, with a face in the middle.")
        return pixels

    def find(self, pixels):
        """Find uint8 (H, W, 3), and show it on the way."""
        put(self.target, pixels)
        self.reset()
        self.cancel()  # the drawing that this asks for would take the words below away
        self.say("Looking for it; the stop button of the notebook ends it.", GREY)
        try:
            invert(self.generator, pixels, self.steps, progress=False, callback=self._watch)
        finally:
            self.draw()
        self.say("Found. Now move the sliders.", INK)

    def _watch(self, step, ws, loss):
        self.bar.value = step + 1
        self.found = ws
        if step % 10 == 0:
            put(self.image, generate(self.G, ws)[0])
