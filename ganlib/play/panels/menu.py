"""The menu above all panels: which generator they draw with, and the faces that were kept."""
import json
import os
from pathlib import Path

import ipywidgets as widgets

from ...errors import GanlibError
from ...files import data_dir, kept_dir
from ...models.store import SHIPPED, LoadedGenerator, shipped
from ...tensors import metadata_of
from ...view.stills import show_panel
from .base import opened
from .controls import field, hint, row
from .tray import Tray

EXPLAINED = ("<b>styles</b>: mixing, directions and colours work. <b>labels</b>: it has learned names of "
             "colours. The others can only walk.")


def known_sources():
    """{name: source} of generators that come with ganlib, and of runs under $GANLIB_DATA and $GANLIB_KEEP."""
    found = {name: name for name in shipped()}
    for root in dict.fromkeys((data_dir(), kept_dir() or data_dir())):
        for path in sorted((root / "runs").rglob("generator.safetensors")):
            found[str(path.parent.relative_to(root))] = path.parent
    return found


def kind_of(source):
    """What a generator has, in words: "styles", "styles, labels", "labels" or ""."""
    folder = SHIPPED / source if source in shipped() else Path(source)
    try:
        config = json.loads(metadata_of(folder / "generator.safetensors")["config"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""
    has = {"styles": str(config.get("model", "")).startswith("stylegan"), "labels": config.get("labels")}
    return ", ".join(name for name, there in has.items() if there)


class GeneratorMenu:
    """A box to choose the generator of all panels on it (a shipped one, a run, or any folder), and a tray.

    source: what was chosen; opened: its LoadedGenerator, which the panels share, or the source itself where
    it cannot be opened (each panel then says why).
    """

    def __init__(self, source="stylegan-fast"):
        self.panels = []
        self.tray = Tray()
        self.known = known_sources()
        listed = isinstance(source, str | Path) and source in self.known
        folder = source.folder if isinstance(source, LoadedGenerator) else source
        self.menu = field(widgets.Dropdown, "generator", source if listed else None, options=self._options())
        self.folder = field(widgets.Text, "or a run's folder", "" if listed else str(folder),
                            continuous_update=False)
        self.menu.observe(self._chosen, "value")
        self.folder.observe(self._typed, "value")
        self.box = widgets.VBox([row(self.menu, self.folder), hint(EXPLAINED), self.tray.box])
        self.open(source)

    def _options(self):
        """(words, name) of each known generator; the words say what it has."""
        options = []
        for name, source in self.known.items():
            kind = kind_of(source)
            options.append((f"{name} ({kind})" if kind else name, name))
        return options

    def _chosen(self, change):
        if change["new"]:
            self.folder.value = ""  # what it had can then be typed again
            self.open(self.known[change["new"]])

    def _typed(self, change):
        text = change["new"].strip()
        if text:
            self.menu.value = None  # what it had can then be chosen again
            self.open(Path(os.path.expanduser(text)))

    def open(self, source):
        """Open a source in every panel."""
        self.source = source
        try:
            self.opened = opened(source)
        except GanlibError:
            self.opened = source
            self.tray.open(None)
        else:
            self.tray.open(self.opened)
        for panel in self.panels:
            panel.open(self.opened)

    def _ipython_display_(self):
        show_panel(self.box, "GeneratorMenu", f"Generator: {self.source}", advice="to choose another")
