"""The panel that finds a picture in a generator, then changes what was found."""
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import ipywidgets as widgets
import numpy as np

from ...data.decoding import read_picture
from ...data.synthetic import face
from ...errors import GanlibError
from ...files import write_atomic
from ...models.sampling import generate, layer_groups
from ..framing import frame_of, framed, middle_of, shrunk
from ..inversion import inversion
from ..kept_faces import Face
from .base import running_loop
from .controls import column, columns, hint, picture, press, put, row, slider, title
from .directions import DirectionsPanel
from .tray import uploaded

UPLOAD = 10_000_000  # bytes at most
EXAMPLE = 7  # the number of a drawn face
PAUSE = 0.005  # seconds between two steps, in which other panels can draw
SHOWN_EVERY = 10  # steps
LARGEST = 4  # times as many pixels as a face has stay in the frame of a large picture


class InvertPanel(DirectionsPanel):
    """Choose a picture of a face, watch the styles being found that draw it, then move the sliders.

    The face is looked for, and cut out upright; sliders correct that. Other panels go on while it is found.
    """

    stem = "found"
    frame: Any = None  # where the face is in source_picture, uint8 (H, W, 3)

    def __init__(self, source="stylegan-fast", steps=200):
        self.steps = steps
        self.source_picture = self.search = None
        super().__init__(source)

    def open(self, source):
        self.search = None  # what is being found is of the generator before
        super().open(source)

    def build(self):
        layer_groups(self.G)  # raises where there are no styles
        self.found = Face(self.G.w_avg.repeat(1, self.G.num_layers, 1))
        children = super().build()
        return [self._first_row(), self.framing, *children]

    def _first_row(self):
        """Choose a picture, and watch."""
        width = widgets.Layout(width="auto")
        self.upload = widgets.FileUpload(accept="image/*", description="Picture", layout=width,
                                         tooltip="PNG, JPEG, GIF, WebP or AVIF, up to 10 MB")
        self.upload.observe(self._uploaded, "value")
        self.bar = widgets.IntProgress(max=self.steps, layout=widgets.Layout(width="144px"))
        example = press("Try a drawn face", lambda: self.act(self.find_example), "image")
        self.stop_button = press("Stop", self.stop, "stop")
        self.stop_button.disabled = True
        self._build_framing()
        return row(self.upload, example, self.bar, self.stop_button)

    def _build_framing(self):
        """The sliders that correct which part of the picture is wanted; hidden until there is one."""
        self.across = slider("left – right (%)", 0, -50, 50, 1, widgets.IntSlider)
        self.down = slider("up – down (%)", 0, -50, 50, 1, widgets.IntSlider)
        self.zoom = slider("size", 1, 0.4, 2.5, 0.05)
        self.turn = slider("turn (degrees)", 0, -90, 90, 1, widgets.IntSlider)
        self.corrections = self.across, self.down, self.zoom, self.turn
        self.where = hint("")
        for control in self.corrections:
            control.observe(lambda change: self.soon(self.draw_wanted), "value")
        again = press("Find it again", lambda: self.act(self.find_again), "search")
        page = widgets.VBox([self.where, row(self.across, self.down), row(self.zoom, self.turn), again])
        self.framing = widgets.Accordion([page], layout=widgets.Layout(display="none"))
        self.framing.set_title(0, "Is this not the face? Correct the frame")
        self.framing.selected_index = None

    def pictures(self):
        """What is wanted, what was found, and what the sliders make of it, in one line."""
        self.seed = widgets.Text()  # of the panel of directions: not on show
        self.target = picture(144)
        put(self.target, np.full((1, 1, 3), 238, np.uint8))
        return columns(column(title("wanted"), self.target), column(title("found"), self.before),
                       column(title("after"), self.image))

    # the wanted picture

    def find_example(self):
        self.find(face(EXAMPLE)[0])

    def _uploaded(self, change):
        if change["new"]:
            self.act(self.find_upload)

    def find_upload(self):
        """Find the picture that was uploaded."""
        content, _ = uploaded(self.upload)
        self.want(self._decoded(content))
        self.find_again()

    def _decoded(self, content):
        """The pixels of an upload, uint8 (H, W, 3); raises GanlibError if it cannot be used."""
        if len(content) > UPLOAD:
            raise GanlibError(f"This file has {len(content) / 1e6:.1f} MB; "
                              f"expected {UPLOAD / 1e6:.0f} at most.")
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "upload")
            write_atomic(path, content)
            try:
                pixels = read_picture(path)
            except GanlibError as error:
                why = str(error).replace(str(path), "the file").partition(": mend it")[0]
                raise GanlibError(f"This is not a picture that can be read ({why}): expected a PNG, JPEG, "
                                  "GIF, WebP or AVIF.") from None
        if min(pixels.shape[:2]) < self.G.resolution / 2:
            raise GanlibError(f"This picture is too small: {pixels.shape[1]}x{pixels.shape[0]}; expected "
                              f"about {self.G.resolution} pixels or more.")
        return pixels

    def want(self, pixels):
        """Look for the face in a picture, uint8 (H, W, 3), and show the frame around it."""
        frame, words = frame_of(pixels)
        self._begin_framing(*shrunk(pixels, frame, LARGEST * self.G.resolution))
        self.where.value = hint(words).value
        self.framing.layout.display = ""

    def _begin_framing(self, pixels, frame):
        """A picture and the frame in it, not corrected yet."""
        self.source_picture, self.frame = pixels, frame
        for control in self.corrections:
            control.value = 1 if control is self.zoom else 0
        self.draw_wanted()

    def wanted(self):
        """The part of the picture that is to be found, uint8 (R, R, 3)."""
        side = self.frame.side * self.zoom.value
        frame = replace(self.frame, x=self.frame.x + self.across.value / 100 * self.frame.side,
                        y=self.frame.y + self.down.value / 100 * self.frame.side, side=side,
                        angle=self.frame.angle + self.turn.value)
        return framed(self.source_picture, frame, 2 * self.G.resolution)

    def draw_wanted(self):
        if self.source_picture is not None:
            put(self.target, self.wanted())

    def find(self, pixels):
        """Find uint8 (H, W, 3), its middle square as it is."""
        self._begin_framing(pixels, middle_of(pixels))
        self.framing.layout.display = "none"
        self.find_again()

    # the search: a step at a time, so that other panels can draw in between

    def find_again(self):
        """Find what the frame shows."""
        if self.source_picture is None:
            raise GanlibError("There is no picture yet: choose one above.")
        self.search = inversion(self.generator, self.wanted(), self.steps)
        self.bar.value = 0
        self.stop_button.disabled = False
        self.say("Looking for it. Meanwhile the other panels work.", "")
        if running_loop():
            self.soon(self._step_and_go_on, PAUSE)
            return
        while self.search:  # no kernel: all at once
            self._step()

    def _step_and_go_on(self):
        """One step, and the next one soon."""
        self._step()
        if self.search is not None:
            self.soon(self._step_and_go_on, PAUSE)

    def _step(self):
        """One step of the search, if there is one."""
        if self.search is None:
            return
        try:
            ws, _ = next(self.search)
        except StopIteration:
            self._finish("Found. Now move the sliders.")
            return
        except BaseException:
            self.stop()
            raise
        self.bar.value += 1
        self.latest = Face(ws)
        if self.bar.value % SHOWN_EVERY == 0:
            shown = generate(self.G, ws)[0]
            put(self.before, shown)
            put(self.image, shown)

    def stop(self):
        """End the search; what was found so far stays."""
        if self.search is not None and self.bar.value:
            self._finish("Stopped: this is as near as it came. Now move the sliders.")
        self.search = None
        self.stop_button.disabled = True

    def _finish(self, words):
        self.search = None
        self.stop_button.disabled = True
        self._begin_with(self.latest)
        self.cancel()  # the drawing that this asks for would take the words below away
        self.draw()
        self.say(words, "")
