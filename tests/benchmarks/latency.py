"""From a slider's event to the new picture, in the kernel: median and worst of 50 positions, per panel.

    python tests/benchmarks/latency.py [run folder]

Without a folder: an untrained style-based generator of the shipped one's size. Its weights do not matter.
"""
import statistics
import sys
import tempfile
import time
from pathlib import Path

from ganlib.models.build import build_networks
from ganlib.models.sampling import latents
from ganlib.models.store import save_generator
from ganlib.play.panels.design import DesignPanel
from ganlib.play.panels.directions import DirectionsPanel
from ganlib.play.panels.walk import WalkPanel
from ganlib.presets import preset

LIMIT = 0.1  # seconds, on two idle cores


def untrained(path, **changes):
    """The file of a style-based generator that was never trained, with the mean of w set."""
    config = preset("stylegan-fast", **changes)
    G = build_networks(config)[0]
    G.calibrate([latents(500, G.z_dim)])
    save_generator(path, G, config)
    return path


def measure(panel, control, values):
    seconds = []
    for value in values:
        begin = time.perf_counter()
        control.value = value  # outside of a kernel the picture is drawn before this returns
        seconds.append(time.perf_counter() - begin)
    return seconds


def main(source=None):
    folder = tempfile.TemporaryDirectory()
    source = source or untrained(Path(folder.name, "generator.safetensors"))
    walk, change, design = (panel(source) for panel in
                            (WalkPanel, DirectionsPanel, DesignPanel))
    design.draw_rest = lambda: None  # in a kernel it waits until the slider rests
    design.controls["hair"].value = "pink"
    sliders = {"walk: position": (walk, walk.position, range(1, 100, 2)),
               "walk: psi": (walk, walk.groups["coarse"], [i / 50 for i in range(50)]),
               "directions": (change, [*change.sliders.values()][4], [i / 10 for i in range(-25, 25)]),
               "design: hair": (design, design.controls["hair_amount"], [i / 30 for i in range(50)])}
    medians = {}
    for name, arguments in sliders.items():
        seconds = measure(*arguments)
        medians[name] = statistics.median(seconds)
        print(f"{name:16} median {1000 * medians[name]:4.0f} ms, worst {1000 * max(seconds):4.0f} ms")
    return medians


if __name__ == "__main__":
    sys.exit(max(main(*sys.argv[1:2]).values()) > LIMIT)
