"""The machine that a phase runs on, and what each phase is told."""
import os
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Job:
    """What a phase is told.

    out: the folder of results; work: a folder for what stays here; pack: the path of the faces; device: as
    a Config has it; seconds: how long the phase may take; rehearsal: on a CPU, everything in small sizes.
    train: the preset to be trained; profile: of all presets; minutes: of that training at most, 0 for as long
    as there is time; settings: what differs in its recipe.
    images: how many each model of the table sees, 0 for as many as there is time for; model: one of them.
    command: what starts another process of this job.
    """

    out: Path
    work: Path
    pack: Path
    device: str
    seconds: float
    rehearsal: bool
    train: str
    profile: str | None
    minutes: float = 0
    settings: dict = field(default_factory=dict)
    images: int = 0
    model: str = ""
    command: list = field(default_factory=list)
    begun: float = field(default_factory=time.monotonic)

    @property
    def left(self):
        """Seconds until the phase's limit."""
        return self.begun + self.seconds - time.monotonic()


def on(device):
    """What every number is of: the card, the versions, and the command."""
    import torch
    found = {"card": _card(device), "torch": torch.__version__, "python": sys.version.split()[0],
             "command": os.environ.get("GPU_COMMAND", " ".join(sys.argv))}
    if device.type == "cuda":
        properties = torch.cuda.get_device_properties(device)
        found |= {"memory": properties.total_memory, "capability": f"{properties.major}.{properties.minor}",
                  "cuda": torch.version.cuda, "cudnn": torch.backends.cudnn.version(), "driver": _driver()}
    return found


def _card(device):
    import torch
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"no GPU, {torch.get_num_threads()} thread(s) of a CPU"


def _driver():
    """The version of the driver, or "" where nvidia-smi does not tell it."""
    command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip().splitlines()[0] if done.returncode == 0 and done.stdout.strip() else ""


def wait_for(device):
    """Wait until a GPU has done all that it was given."""
    import torch
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def can_choose_graphs():
    """Whether this version of ganlib has the config key `graphs`."""
    from ganlib.config import TYPES
    return "graphs" in TYPES


def steps_as(mode):
    """The config changes for steps that are "eager", "captured", or as the library thinks best ("auto")."""
    values = {"eager": "off", "captured": "on", "auto": "auto"}
    return {"graphs": values[mode]} if can_choose_graphs() else {}
