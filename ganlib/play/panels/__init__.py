"""Panels to play with a generator in a notebook: one class each."""
from .base import GeneratorMenu
from .design import design_panel
from .directions import directions_panel
from .invert import invert_panel
from .mix import mix_panel
from .walk import walk_panel

__all__ = ["GeneratorMenu", "design_panel", "directions_panel", "invert_panel", "mix_panel", "walk_panel"]
