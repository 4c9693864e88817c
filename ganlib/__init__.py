"""Clean a set of anime faces, train GANs on it, and play with what comes out.

The names below are loaded when they are first used (PEP 562), so that `import ganlib` takes no time.
"""
import importlib

__version__ = "0.1.0"

# name: the module that has it
_PUBLIC = {
    "GanlibError": "errors",
    # the first cell: machine, pictures, pack, recipe, run folder
    "start": "session",
    # pictures -> a pack
    "fetch": "data.sources",
    "clean": "data.cleaning",
    "pack": "data.packs",
    "load_pack": "data.packs",
    # a recipe -> a run
    "pick_profile": "presets",
    "preset": "presets",
    "train": "training.loop",
    # a generator -> pictures
    "load_generator": "models.store",
    "sample": "models.sampling",
    "generate": "models.sampling",
    "label_sheet": "play.styles",
    # how good, and how it went
    "evaluate": "evaluation.table",
    "diagnosis": "view.diagnosis",
    "curves": "view.curves",
    "indicators": "view.curves",
    "report": "view.report",
    "grid": "images",
    "gif": "view.movies",
}
__all__ = [*_PUBLIC]


def __getattr__(name):
    if name not in _PUBLIC:
        raise AttributeError(f"module 'ganlib' has no attribute {name!r}")
    module = importlib.import_module(f".{_PUBLIC[name]}", __name__)
    value = getattr(module, name)
    globals()[name] = value
    return value


def __dir__():
    return sorted([*globals(), *_PUBLIC])
