"""The rules of the house: who imports whom, who writes to the disk, what a name means, how long things are.

Nearly everything here reads the source; of the package only the registries are asked.
"""
import ast
import dataclasses
import graphlib
import io
import tokenize
from collections import defaultdict
from pathlib import Path

import pytest

from ganlib.config import Recipe
from ganlib.models.build import MODELS
from ganlib.models.dcgan import ACTIVATIONS, NORMS, VALUES
from ganlib.training.augment import POLICIES
from ganlib.training.losses import LOSSES, PENALTIES
from ganlib.training.optimizers import OPTIMIZERS

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "ganlib"

# From the ground up. A module may import from its own layer and from those below it.
# An entry stands for a module, or for all modules of a folder that no other entry names.
LAYERS = [
    ["errors", "seeding", "colors", "ranges", "typed", "machine", "pretrained"],
    ["files", "images", "machine.launcher"],
    ["tensors", "tables"],
    ["models", "training.losses", "training.augment", "training.optimizers", "training.schedule"],
    ["config"],
    ["presets"],
    ["models.store", "models.asking", "models.sampling"],
    ["data", "runs"],
    ["training", "evaluation"],
    ["play", "view"],
    ["sharing"],
    ["drive"],
    ["choice"],
    ["session"],
    ["__main__"],
]
LAYER_OF = {entry: number for number, entries in enumerate(LAYERS) for entry in entries}

# The only modules beside files.py that write to the disk by themselves, and why
WRITERS = {
    "data.archives": "unpacks members piece by piece: they need not fit in memory",
    "data.synthetic_set": "draws a set into a new folder, with files that are broken on purpose",
}
WRITING_CALLS = {
    "write_text", "write_bytes", "save", "savez", "savez_compressed", "save_file", "save_image",
    "copy", "copy2", "copyfile", "copyfileobj", "copytree", "move", "replace", "rename", "truncate", "touch",
}
# These methods are of text, lists, arrays and configs as well: they count as a module's function only
OF_MODULES_ONLY = {"copy": ["shutil"], "replace": ["os"], "save": ["np", "torch"]}

# A run's files are named here and nowhere else
RUN_FILES = ("config.json", "log.jsonl", "state-")
KNOW_RUN_FILES = {"runs.folder", "runs.states"}

NETWORKS = {"G", "D", "H", "ema", "g_ema", "averaged", "network", "generator", "discriminator"}
MAX_CORE_LINES = 2_300
MAX_FUNCTION_LINES = 60


def name_of(path):
    """ganlib/models/build.py -> models.build; ganlib/play/panels/__init__.py -> play.panels"""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


PATHS = {name_of(path): path for path in sorted(PACKAGE.rglob("*.py"))}
TREES = {name: ast.parse(path.read_text()) for name, path in PATHS.items()}
MODULES = [name for name in TREES if name]  # but for ganlib itself, whose names are loaded lazily


def imported(name):
    """The modules of the package that a module imports, anywhere in it."""
    package = name.split(".") if PATHS[name].name == "__init__.py" else name.split(".")[:-1]
    found = set()
    for node in ast.walk(TREES[name]):
        if isinstance(node, ast.Import):
            names = [one.name for one in node.names if one.name.startswith("ganlib.")]
            found |= {one.removeprefix("ganlib.") for one in names}
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                start = package[:len(package) - node.level + 1]
                source = ".".join(start + (node.module.split(".") if node.module else []))
            elif node.module.split(".")[0] == "ganlib":
                source = node.module.removeprefix("ganlib").removeprefix(".")
            else:
                continue
            for one in node.names:  # a module of a package, or a name in a module
                inner = f"{source}.{one.name}".removeprefix(".")
                found.add(inner if inner in TREES else source)
    return found - {name}


def layer(name):
    while name not in LAYER_OF:
        assert "." in name, f"{name} has no layer: add it to LAYERS"
        name = name.rpartition(".")[0]
    return LAYER_OF[name]


def functions(tree):
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def docstrings(tree):
    """The nodes that are docstrings."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node):
            yield node.body[0].value


@pytest.mark.parametrize("name", MODULES)
def test_imports_run_one_way(name):
    above = [other for other in imported(name) if layer(other) > layer(name)]
    assert not above, f"{name} stands below {above}"


def test_no_imports_in_a_circle():
    graphlib.TopologicalSorter({name: imported(name) for name in MODULES}).prepare()  # raises CycleError


REGISTRIES = {
    "model": MODELS,
    "loss": LOSSES,
    "penalty": PENALTIES,
    "optimizer": OPTIMIZERS,
    "augment": POLICIES,
    "g_act": ACTIVATIONS,
    "values": VALUES,
    "d_norm": NORMS,
}


@pytest.mark.parametrize("key", REGISTRIES)
def test_what_a_config_may_choose_is_what_is_registered(key, monkeypatch):
    in_range = next(field for field in dataclasses.fields(Recipe) if field.name == key).metadata["in_range"]
    registry = REGISTRIES[key]
    assert len(registry) >= 2 and not [name for name in registry if in_range(name)]
    assert in_range("dreamt-up")
    monkeypatch.setitem(registry, "dreamt-up", None)
    assert not in_range("dreamt-up")  # there is no second list


def writes(name):
    """(line, call) of every call in a module that writes to the disk."""
    in_memory = {target.id for node in ast.walk(TREES[name]) if isinstance(node, ast.Assign)
                 for target in node.targets if ast.unparse(node.value) == "io.BytesIO()"}
    for node in ast.walk(TREES[name]):
        if not isinstance(node, ast.Call):
            continue
        call = node.func
        if node.args and getattr(node.args[0], "id", None) in in_memory:
            continue
        if isinstance(call, ast.Name) and call.id == "open":
            modes = [*node.args[1:2], *(word.value for word in node.keywords if word.arg == "mode")]
            if any(set(getattr(mode, "value", "w")) & set("wax+") for mode in modes):
                yield node.lineno, ast.unparse(node)
        elif isinstance(call, ast.Attribute) and call.attr in WRITING_CALLS:
            owners = OF_MODULES_ONLY.get(call.attr)
            if owners is None or ast.unparse(call.value) in owners:
                yield node.lineno, ast.unparse(node)


@pytest.mark.parametrize("name", [name for name in MODULES if name != "files"])
def test_disk_writes_go_through_files(name):
    found = list(writes(name))
    if name in WRITERS:
        assert found, f"{name} no longer writes: take it out of WRITERS"
    else:
        assert not found


@pytest.mark.parametrize("name", [name for name in MODULES if name not in KNOW_RUN_FILES])
def test_a_runs_files_are_known_to_one_module(name):
    """Other modules ask runs.folder; error messages and docstrings may name the files."""
    tree = TREES[name]
    prose = set(docstrings(tree))
    values = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and node not in prose]
    names = [value for value in values if isinstance(value, str) and " " not in value]
    assert not [value for value in names if any(file in value for file in RUN_FILES)]


def is_network(node):
    last = node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", None)
    return last in NETWORKS


@pytest.mark.parametrize("name", MODULES)
def test_nothing_is_hung_on_a_network_or_looked_for_on_one(name):
    for node in ast.walk(TREES[name]):
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store | ast.Del):
            assert not is_network(node.value), f"line {node.lineno}: {ast.unparse(node)} is set from outside"
        if isinstance(node, ast.Call) and getattr(node.func, "id", None) in ("hasattr", "setattr", "delattr"):
            assert not is_network(node.args[0]), f"line {node.lineno}: {ast.unparse(node)}"


def defined(tree):
    """Names that a module gives a meaning to at its top level; imports are others' names."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            yield from (one.id for target in targets for one in ast.walk(target) if isinstance(one, ast.Name))


def test_a_public_name_is_defined_once():
    homes = defaultdict(list)
    for name in MODULES:
        for public in defined(TREES[name]):
            if not public.startswith("_"):
                homes[public].append(name)
    assert not {public: names for public, names in homes.items() if len(names) > 1}


def terms(tree):
    """Functions and classes that a module defines, and what it imports from other modules of the package."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.ImportFrom) and node.level:
            yield from (one.asname or one.name for one in node.names)


@pytest.mark.parametrize("name", MODULES)
def test_no_local_hides_a_term_of_its_module(name):
    known = set(terms(TREES[name]))
    for function in functions(TREES[name]):
        nodes = list(ast.walk(function))
        own = {node.arg for node in nodes if isinstance(node, ast.arg)}
        own |= {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
        hidden = own & known
        assert not hidden, f"{name}.{function.name}"


@pytest.mark.parametrize("name", MODULES)
def test_functions_fit_a_screen(name):
    long = {node.name: node.end_lineno - node.lineno + 1 for node in functions(TREES[name])}
    assert not {function: lines for function, lines in long.items() if lines > MAX_FUNCTION_LINES}


def test_no_two_test_files_have_one_name():
    """pytest imports a test file by its name alone where its folder is no package."""
    names = [path.name for path in (ROOT / "tests").rglob("*.py") if path.name != "conftest.py"]
    assert len(names) == len(set(names))


def code_lines(path):
    """How many lines of a module hold code: words about it may be as many as it takes."""
    tokens = tokenize.generate_tokens(io.StringIO(path.read_text()).readline)
    layout = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT,
              tokenize.ENDMARKER}
    lines = {line for token in tokens if token.type not in layout
             for line in range(token.start[0], token.end[0] + 1)}
    words = {line for node in docstrings(ast.parse(path.read_text()))
             for line in range(node.lineno, node.end_lineno + 1)}
    return len(lines - words)


def test_the_core_is_thin():
    core = [PACKAGE / "config.py", PACKAGE / "presets.py"]
    for folder in ("models", "training", "evaluation"):
        core += (PACKAGE / folder).rglob("*.py")
    assert sum(code_lines(path) for path in core) <= MAX_CORE_LINES
