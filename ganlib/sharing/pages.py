"""A page on which anyone plays with generators: plain files, for any static host.

The page's own code lies in page/. Beside it go the generators as ONNX files, and the WebAssembly build of
ONNX Runtime, which computes them in the browser. It is fetched once, from its npm package.
"""
import hashlib
import json
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

from ..errors import GanlibError
from ..files import data_dir, replaced_folder, write_atomic
from .onnx_files import about, export, name_of

PAGE = Path(__file__).resolve().parent / "page"
PACKAGE = "onnxruntime-web"
VERSION = "1.30.0"
FILES = {  # of the package: their SHA-256
    "ort.wasm.min.mjs": "219e6a1fc8a9938268d18efca3c91d310bd2f4a59bbd13744df5b2b7fc6cee3b",
    "ort-wasm-simd-threaded.mjs": "e13f7f94fc51b4ca72b12faeb1ee95f4ace6dfbc8939bc718aabdc0a27c4299b",
    "ort-wasm-simd-threaded.wasm": "3398c10d07d229bd91b364548e130e0e51a8e5704b88c7c083ebbeb78842dee2",
    # The same with WebGPU: a browser asks for them only where there is a GPU
    "ort.webgpu.min.mjs": "3dffff71811bc13a3a3d9591c57ca5ee5735b8f5f3eaf789510b02bb040ae3a0",
    "ort-wasm-simd-threaded.asyncify.mjs": "3d1c85995364bb643302fc6fd877a0c3ba5ae72401815e0f24828a53d9191e28",
    "ort-wasm-simd-threaded.asyncify.wasm":
        "39f9f0894d478800487ed9f7dbe92618498db320cf55c8e3d89adff8dce658da",
}
LICENCE = """ONNX Runtime: https://github.com/microsoft/onnxruntime

MIT License

Copyright (c) Microsoft Corporation

Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated
documentation files (the "Software"), to deal in the Software without restriction, including without limitation
the rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and
to permit persons to whom the Software is furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial portions of
the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO
THE WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE
AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF
CONTRACT, TORT OR OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS
IN THE SOFTWARE.
"""  # noqa: E501
MARK = "ganlib-page"  # a file that tells such a folder from others
CODE = ("index.html", "style.css", "app.js", "drawing.js", "elements.js", "enlarge.js", "files.js",
        "generator.js", "half.js", "panels.js", "random.js", "state.js", "studio.js", "texts.js", "tray.js",
        "trouble.js", "webgpu.js", "worker.js")


def make_page(sources, out):
    """Write the page with these generators to a folder, in the place of an older page; returns its path.

    sources: as for `load_generator`; the first is shown first. Raises GanlibError where the folder holds
    anything else than such a page, for a generator that cannot be exported, where two have one name, and
    where the runtime cannot be fetched.
    """
    out = Path(out)
    _check_folder(out)
    names = [name_of(source) for source in sources]
    for name in names:
        if names.count(name) > 1:
            raise GanlibError(f"Two of these generators are called {name!r}: rename the folder of one.")
    runtime = fetch_runtime()
    with replaced_folder(out) as folder:
        for name in CODE:
            _add(folder / name, (PAGE / name).read_bytes())
        for name in FILES:
            _add(folder / "ort" / name, (runtime / name).read_bytes())
        _add(folder / "ort" / "LICENCE.txt", LICENCE.encode())
        entries = [_entry(source, name, folder) for source, name in zip(sources, names, strict=True)]
        _add(folder / "generators.json", json.dumps(entries).encode())
        _add(folder / MARK, b"This folder was written by ganlib page.\n")
    return out


def _add(path, data):
    """Write a file of a folder that is not in use yet."""
    path.parent.mkdir(exist_ok=True)
    write_atomic(path, data, durable=False)


def _check_folder(out):
    if out.exists() and not out.is_dir():
        raise GanlibError(f"{out} is there already, and it is no folder: choose another name.")
    if out.is_dir() and any(out.iterdir()) and not (out / MARK).is_file():
        raise GanlibError(f"{out} holds something else than a page of ganlib: choose another folder.")


def _entry(source, name, folder):
    """Export a generator into the folder of a page; what the page has to know of it."""
    (folder / "generators").mkdir(exist_ok=True)
    exported = folder / "generators" / "new.onnx"
    generator = export(source, exported)
    content = exported.read_bytes()
    exported.unlink()
    checksum = hashlib.sha256(content).hexdigest()
    # Called by its content: whatever the name has in it, and a browser never takes an older one for it
    file = f"generators/{checksum[:16]}.onnx"
    _add(folder / file, content)
    told = about(generator, name)
    return {
        "name": name,
        "file": file,
        "size": len(content),
        "sha256": checksum,
        "mark": told["model"].rpartition(" ")[2][:6],  # of its weights
        "about": told,
    }


# -- the runtime


def fetch_runtime():
    """The folder with ONNX Runtime for browsers, fetched from its npm package where it is not there yet.

    Raises GanlibError without npm, without a connection, and where a file is not the one that is expected.
    """
    folder = data_dir() / "vendor" / f"{PACKAGE}-{VERSION}"
    if folder.is_dir() and not _spoiled(folder):
        return folder
    npm = shutil.which("npm")
    if npm is None:
        raise GanlibError("The page needs ONNX Runtime for browsers, which npm fetches, and there is no npm "
                          "here. Install Node.js, and make the same call again.")
    with tempfile.TemporaryDirectory() as place:
        # Without a connection it would try for minutes
        command = [npm, "pack", "--silent", "--fetch-retries=1", f"{PACKAGE}@{VERSION}"]
        packed = subprocess.run(command, cwd=place, text=True, capture_output=True, check=False)  # noqa: S603
        archives = [*Path(place).glob("*.tgz")]
        if packed.returncode or not archives:
            why = (packed.stderr.strip().splitlines() or ["it said nothing"])[-1]
            raise GanlibError(f"npm could not fetch {PACKAGE} {VERSION} ({why}). Is there a connection?")
        with replaced_folder(folder) as new, tarfile.open(archives[0]) as archive:
            for name in FILES:
                member = archive.extractfile(f"package/dist/{name}")
                _add(new / name, member.read() if member else b"")
            if bad := _spoiled(new):
                raise GanlibError(f"{bad} of {PACKAGE} {VERSION} is not the file that is expected: it is not "
                                  "used.")
    return folder


def _spoiled(folder):
    """The name of a file of the runtime that is missing or not as expected; "" where all are there."""
    for name, expected in FILES.items():
        path = folder / name
        if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != expected:
            return name
    return ""
