"""How long decoding, cleaning (without the face detector) and packing take, and what is dropped.

    python tests/benchmarks/packing.py [ARCHIVE]

ARCHIVE (or a folder) defaults to $GANLIB_TEST_FACES/anime-faces.zip, and to drawn faces where there is none.
The bar of 60 s is for that archive's 29,504 files of 64x64 on two cores; unpacking is timed apart.
"""
import os
import sys
import tempfile
import time
from pathlib import Path

from ganlib.data.cleaning import clean
from ganlib.data.packs import pack
from ganlib.data.sources import fetch


def main():
    faces = Path(os.environ.get("GANLIB_TEST_FACES", Path(__file__).parents[3] / "shared" / "data"))
    real = faces / "anime-faces.zip"
    source = sys.argv[1] if len(sys.argv) > 1 else str(real) if real.is_file() else "synthetic"
    with tempfile.TemporaryDirectory() as folder:
        begun = time.perf_counter()
        raw = fetch(source, Path(folder) / "raw", progress=False)
        fetched = time.perf_counter()
        report = clean(raw, faces="off", progress=False)
        packed = pack(report, Path(folder) / "pack")
        done = time.perf_counter()
        print(f"{source}: fetched in {fetched - begun:.1f} s; "
              f"decoded, cleaned and packed in {done - fetched:.1f} s")
        print(report)
        print(f"{len(packed):,} images, hash {packed.hash}")
    if source == str(real) and done - fetched > 60:
        sys.exit("over the limit of 60 s")


if __name__ == "__main__":
    main()
