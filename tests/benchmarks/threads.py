"""How fast a training is with each choice of threads, on an idle machine and with one core taken.

    python tests/benchmarks/threads.py [--rounds 3] [--seconds 25]

The profile `demo` of dcgan (64x64, batches of 16) on drawn faces. Every training is a process of its own, for
some seconds of training time; its rate counts from the first step on, the tries of `auto` among them. A core
is taken by a process that does nothing but count. The choices are measured in turn, round after round, so
that a noisy machine is noisy for all; the ratios are medians over rounds. Exits with 1 where `auto` misses
its limits: 0.95 of all threads' rate on an idle machine, 0.9 of one thread's with a core taken.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
TRAIN = """
import json, sys
from ganlib.presets import preset
from ganlib.training.loop import train
pack, run, threads, seconds = sys.argv[1:]
config = preset("dcgan", "demo", threads=threads, minutes=float(seconds) / 60, frames=0, generators=0)
print(json.dumps(train(config, pack, run, progress=False).images))
"""
CHOICES = {  # name: (threads, environment)
    "one thread": ("1", {}),
    "all threads": (str(CORES), {}),
    "all, passive wait": (str(CORES), {"OMP_WAIT_POLICY": "passive"}),
    "auto": ("auto", {}),
}


def make_pack(folder):
    from ganlib.data.cleaning import clean
    from ganlib.data.packs import pack
    from ganlib.data.sources import fetch

    raw = fetch("synthetic", folder / "raw", n=500, size=64, progress=False)
    return pack(clean(raw, faces="off", progress=False), folder / "pack").path


def images_per_second(pack, run, choice, seconds):
    threads, environment = CHOICES[choice]
    command = [sys.executable, "-c", TRAIN, str(pack), str(run), threads, str(seconds)]
    done = subprocess.run(command, env=os.environ | environment, check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1]) / seconds


def measure(pack, folder, rounds, seconds, busy):
    """{choice: rates, one a round}."""
    rates = {choice: [] for choice in CHOICES}
    for k in range(rounds):
        for choice in CHOICES:
            other = subprocess.Popen([sys.executable, "-c", "while True: pass"]) if busy else None
            try:
                run = folder / f"{busy}-{k}-{choice.replace(' ', '-')}"
                rates[choice].append(images_per_second(pack, run, choice, seconds))
            finally:
                if other:
                    other.kill()
                    other.wait()
    return rates


def ratio(rates, over):
    """The median over rounds of auto's rate, in parts of another choice's."""
    return statistics.median(a / b for a, b in zip(rates["auto"], rates[over], strict=True))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=25)
    args = parser.parse_args()
    found = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pack = make_pack(folder)
        for busy in False, True:
            found[busy] = measure(pack, folder, args.rounds, args.seconds, busy)
            print("one core taken" if busy else f"idle, {CORES} cores")
            for choice, rates in found[busy].items():
                rounds = ", ".join(f"{rate:.0f}" for rate in rates)
                print(f"  {choice:18} {statistics.median(rates):5.0f} images/s  ({rounds})")
    idle, busy = ratio(found[False], "all threads"), ratio(found[True], "one thread")
    print(f"auto: {idle:.2f} of all threads' rate when idle (at least 0.95), "
          f"{busy:.2f} of one thread's with a core taken (at least 0.9)")
    return idle < 0.95 or busy < 0.9


if __name__ == "__main__":
    sys.exit(main())
