"""Helpers behind the notebooks: clean a set of anime faces, train GANs on it, look at what comes out."""
from .errors import GanlibError

__version__ = "0.1.0"
