"""Panels to play with a generator in a notebook, and a menu that chooses the generator of all."""
from .base import GeneratorMenu
from .design import DesignPanel
from .directions import DirectionsPanel
from .invert import InvertPanel
from .mix import MixPanel
from .walk import WalkPanel

__all__ = ["DesignPanel", "DirectionsPanel", "GeneratorMenu", "InvertPanel", "MixPanel", "WalkPanel"]
