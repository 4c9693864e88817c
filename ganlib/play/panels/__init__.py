"""Panels to play with a generator in a notebook, and a menu that chooses the generator of all."""
from .design import DesignPanel
from .directions import DirectionsPanel
from .invert import InvertPanel
from .menu import GeneratorMenu
from .mix import MixPanel
from .walk import WalkPanel

__all__ = ["DesignPanel", "DirectionsPanel", "GeneratorMenu", "InvertPanel", "MixPanel", "WalkPanel"]
