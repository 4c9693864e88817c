"""Packs of any size that take no disk: their images are a hole in a file, which reads as zeros."""
import json

import numpy as np

from ganlib.data.packs import PACK_FORMAT


def make_sparse_pack(path, n, size=64, rows=None):
    """A pack of n black images without labels; returns its folder. Its hash is made up.

    rows: how many the manifest has, which is read when it is asked for; one for each image by default.
    """
    path.mkdir(parents=True)
    np.save(path / "labels.npy", np.zeros((n, 0), np.int16))
    with open(path / "images.npy", "wb") as file:
        about = {"descr": "|u1", "fortran_order": False, "shape": (n, size, size, 3)}
        np.lib.format.write_array_header_1_0(file, about)
        file.truncate(file.tell() + n * size * size * 3)
    with open(path / "manifest.csv", "w", encoding="utf-8") as file:
        file.write("file,index,reason,detail\r\n")
        file.writelines(f"{i:09d}.png,{i},,\r\n" for i in range(n if rows is None else rows))
    info = {"format": PACK_FORMAT, "size": size, "n": n, "files": n, "attributes": {}, "hash": f"{n:016x}",
            "settings": {"source": "nowhere"}}
    (path / "pack.json").write_text(json.dumps(info))
    return path
