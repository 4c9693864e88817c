"""The set-up cell of the notebooks, executed: where ganlib is installed, and where it is not."""
import functools
import http.server
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import threading
from importlib.metadata import version
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOK = ROOT / "notebooks" / "01_data.ipynb"

spec = importlib.util.spec_from_file_location("address", ROOT / ".ci" / "address.py")
address = importlib.util.module_from_spec(spec)
spec.loader.exec_module(address)

CELL = "".join(json.loads(NOTEBOOK.read_text())["cells"][1]["source"])
HERE = f"https://github.com/{address.present()}"
AFTER = "print('the next cell ran')"


@pytest.fixture
def without_ganlib(tmp_path):
    """The Python of an environment that has what this one has (by links to it), but for ganlib."""
    folder = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    python = folder / "bin" / "python"
    where = "import sysconfig; print(sysconfig.get_path('purelib'))"
    site = subprocess.run([python, "-c", where], capture_output=True, text=True, check=True).stdout.strip()
    for path in Path(sysconfig.get_path("purelib")).iterdir():
        if "ganlib" not in path.name:
            (Path(site) / path.name).symlink_to(path)
    return python


@pytest.fixture(scope="module")
def web(tmp_path_factory):
    """The address of a server in place of github.com: it holds this package as name/repository.

    One generator is enough here, of those that come with it.
    """
    others = [path.name for path in (ROOT / "ganlib" / "shipped").iterdir() if path.name != "dcgan"]
    folder = tmp_path_factory.mktemp("web")
    checkout = tmp_path_factory.mktemp("checkout")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy2(ROOT / name, checkout / name)
    left_out = shutil.ignore_patterns("__pycache__", *others)
    shutil.copytree(ROOT / "ganlib", checkout / "ganlib", ignore=left_out)
    git = ["git", "-C", checkout, "-c", "user.name=test", "-c", "user.email=test@localhost"]
    for command in (["init", "--quiet"], ["add", "."], ["commit", "--quiet", "--message", "as it is"]):
        subprocess.run([*git, *command], check=True)
    bare = folder / "name" / "repository"
    subprocess.run(["git", "clone", "--quiet", "--bare", checkout, bare], check=True)
    subprocess.run(["git", "-C", bare, "update-server-info"], check=True)

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

    handler = functools.partial(Handler, directory=folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def execute(cell, folder, python=sys.executable, **environment):
    """Run the cell and one after it in a kernel of `python`: the notebook, and whether it stopped."""
    kernel = folder / "kernels" / "tried"
    kernel.mkdir(parents=True)
    (kernel / "kernel.json").write_text(json.dumps({
        "argv": [str(python), "-m", "ipykernel_launcher", "-f", "{connection_file}"],
        "display_name": "tried", "language": "python",
    }))
    cells = [nbformat.v4.new_code_cell(text) for text in (cell, AFTER)]
    notebook = nbformat.v4.new_notebook(cells=cells)
    # Without a package index; setuptools and all that ganlib needs are there. pip takes this 0 for a 1
    offline = {"http_proxy": "", "https_proxy": "", "HTTP_PROXY": "", "HTTPS_PROXY": "", "no_proxy": "*",
               "PIP_NO_INDEX": "1", "PIP_NO_BUILD_ISOLATION": "0", "PIP_FIND_LINKS": "",
               "PIP_DISABLE_PIP_VERSION_CHECK": "1", "GIT_TERMINAL_PROMPT": "0", "PYTHONPATH": "",
               "PYDEVD_DISABLE_FILE_VALIDATION": "1", "JUPYTER_PATH": str(folder)}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {**offline, **environment}.items():
            patch.setenv(name, value)
        client = NotebookClient(notebook, kernel_name="tried", timeout=300,
                                resources={"metadata": {"path": str(folder)}})
        try:
            client.execute()
        except CellExecutionError:
            return notebook, True
    return notebook, False


def shown(notebook):
    """What stands below the first cell: its text; errors that IPython shows as such would be kept apart."""
    outputs = notebook.cells[0].outputs
    assert not [output for output in outputs if output.output_type != "stream"], outputs
    return "".join(output.text for output in outputs)


def refused(cell, folder, python, **environment):
    """The one line that the cell ends with where it does not work, and what stands above it."""
    notebook, stopped = execute(cell, folder, python, **environment)
    assert stopped and not notebook.cells[1].outputs  # Run all ends here
    text = shown(notebook)
    assert "Traceback" not in text and text.count("UsageError: ") == 1
    above, line = text.rstrip("\n").rsplit("UsageError: ", 1)
    assert "\n" not in line
    return line, above


def test_the_cell_is_short():
    code = [line for line in CELL.splitlines() if line.strip() and not line.startswith("#")]
    assert len(code) <= 15 and max(map(len, CELL.replace(HERE, "").splitlines())) <= 110


def test_nothing_happens_where_ganlib_is_installed(tmp_path):
    """Not even without a network, and with an address that is none."""
    notebook, stopped = execute(CELL, tmp_path)
    assert not stopped and not notebook.cells[0].outputs
    assert notebook.cells[1].outputs[0].text == "the next cell ran\n"
    assert not (tmp_path / "keep.txt").exists()


def test_it_installs_the_package_with_its_generators(without_ganlib, web, tmp_path):
    cell = CELL.replace(HERE, f"{web}/name/repository").replace("https://github.com", web)
    notebook, stopped = execute(cell, tmp_path, without_ganlib)
    assert not stopped, shown(notebook)
    assert notebook.cells[1].outputs[0].text == "the next cell ran\n"
    assert (tmp_path / "keep.txt").read_text().splitlines() == [
        f"{name}=={version(name)}" for name in ("numpy", "pillow", "torch", "torchvision")
    ]
    code = "import ganlib; print(ganlib.__file__); ganlib.load_generator('dcgan')"
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    loaded = subprocess.run([without_ganlib, "-c", code], cwd=tmp_path, capture_output=True, text=True,
                            env=environment)
    assert loaded.returncode == 0, loaded.stderr
    assert Path(loaded.stdout.strip()).is_relative_to(tmp_path / "venv")


def test_no_internet(without_ganlib, tmp_path):
    """A name that no server resolves stands for github.com."""
    cell = CELL.replace(HERE, "http://no-such-host.invalid/name/repository")
    cell = cell.replace("https://github.com", "http://no-such-host.invalid")
    line, above = refused(cell, tmp_path, without_ganlib)
    assert line.startswith("No internet: on Kaggle, switch it on in the settings on the right "
                           "(needs a verified phone) (<urlopen error ")
    assert not above


def test_no_connection(without_ganlib, tmp_path):
    cell = CELL.replace("https://github.com", "http://127.0.0.1:9")
    line, above = refused(cell, tmp_path, without_ganlib)
    assert line.startswith("No internet") and "refused" in line and not above


@pytest.mark.parametrize(("repo", "message"), [
    ("OWNER/repository", address.NOT_SET),
    ("someone/private", address.NOT_SHOWN),
])
def test_an_address_that_is_not_set_or_leads_nowhere(without_ganlib, web, tmp_path, repo, message):
    cell = address.set_up_cell(repo).replace("https://github.com", web)
    assert ("not set" in message) == (repo == "OWNER/repository")
    line, above = refused(cell, tmp_path, without_ganlib)
    assert line == f"{message} {web}/{repo} (HTTP Error 404: File not found)"
    assert not above


def test_an_older_numpy_is_not_replaced(without_ganlib, web, tmp_path):
    """Where ganlib needs a newer one, pip says what is in the way, and the cell says that it did."""
    (site,) = (tmp_path / "venv").rglob("site-packages")
    (link,) = site.glob("numpy-*.dist-info")
    link.unlink()
    old = site / "numpy-1.26.4.dist-info"
    old.mkdir()
    (old / "METADATA").write_text("Metadata-Version: 2.1\nName: numpy\nVersion: 1.26.4\n")
    (old / "RECORD").touch()
    cell = CELL.replace(HERE, f"{web}/name/repository").replace("https://github.com", web)
    line, above = refused(cell, tmp_path, without_ganlib)
    assert line == ("pip could not install ganlib, see above; if nothing stands there, restart the runtime "
                    "(No module named 'ganlib')")
    assert "numpy==1.26.4" in (tmp_path / "keep.txt").read_text()
    assert "ERROR: Cannot install ganlib" in above and "conflicting dependencies" in above
    assert old.exists() and not [*site.glob("ganlib*")]
