"""On what, and how precisely, a run is computed."""
import contextlib
import os

import torch

from ..errors import GanlibError
from .processes import started

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}

# What torch says of a GPU that it cannot use, and what to do then
REMEDIES = {
    "driver on your system is too old": "Update the driver of the GPU, or install a PyTorch that was built "
                                        "for it. device='cpu' works meanwhile.",
    "busy or unavailable": "Another program has the GPU to itself: nvidia-smi lists it. Stop it, or take "
                           "another device.",
    "no NVIDIA driver": "Install the driver of the GPU, or take device='cpu'.",
    "not compiled with CUDA": "Install a PyTorch with CUDA, or take device='cpu'.",
    "invalid device ordinal": "GPUs are counted from cuda:0 on, and nvidia-smi lists them.",
}


def pick_device(name="auto", precision="auto"):
    """(device, dtype of the forward passes) for the hardware at hand.

    Where several processes train on GPUs, each gets one of its own. bf16 where it is native (GPUs of compute
    capability 8.0 and up, CPUs with AVX512-BF16 or AMX), fp16 on older GPUs (a T4 only emulates bf16), else
    fp32. Raises GanlibError for a device that is not there.
    """
    device = _device(name)
    if precision == "auto":
        precision = _native_precision(device)
    if precision == "fp16" and device.type == "cpu":
        raise GanlibError("precision='fp16' needs a GPU: use 'bf16' or 'fp32' on a CPU.")
    return device, DTYPES[precision]


def describe(device):
    """The device in words, as the log has it."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def global_generator(device):
    """torch's own random generator of a device: what its layers draw from, dropout among them."""
    if device.type == "cuda":
        return torch.cuda.default_generators[device.index or 0]
    if device.type == "mps":
        return torch.mps._get_default_mps_generator()
    return torch.default_generator


@contextlib.contextmanager
def tuned(device):
    """On a GPU, cuDNN tries its ways of each convolution when it first comes, and keeps the fastest."""
    before = torch.backends.cudnn.benchmark
    torch.backends.cudnn.benchmark = device.type == "cuda" or before
    try:
        yield
    finally:
        torch.backends.cudnn.benchmark = before


def _device(name):
    if name == "auto" and torch.cuda.is_available():
        name = "cuda"
    elif name == "auto":
        name = "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        device = torch.device(name)
        if device.type not in ("cpu", "cuda", "mps"):
            raise RuntimeError("expected auto, cpu, cuda or mps")
        device = _of_this_process(device)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        words = f"device={name!r} cannot be used here ({reason.rstrip('.')})."
        advice = [f" {remedy}" for cause, remedy in REMEDIES.items() if cause in reason]
        raise GanlibError(words + "".join(advice[:1])) from error
    return device


def _of_this_process(device):
    """The GPU of this process where several train together: the one of its number on this machine."""
    _, processes, local = started()
    if processes == 1 or device.type == "cpu":
        return device
    if device.type == "mps":
        raise GanlibError("A Mac has one GPU, and this run has several processes: start one, or take "
                          "device='cpu'.")
    if device.index is not None:
        raise GanlibError(f"device='{device}' is one GPU, and each of the {processes} processes needs one of "
                          "its own: write device='cuda'.")
    gpus = torch.cuda.device_count()
    here = int(os.environ.get("LOCAL_WORLD_SIZE", local + 1))
    if here > gpus > 0:
        found = "1 GPU" if gpus == 1 else f"{gpus} GPUs"
        raise GanlibError(f"This machine has {found} and {here} processes, each of which needs one: start "
                          f"{gpus}, or take device='cpu'.")
    return torch.device("cuda", local)


def _native_precision(device):
    if device.type == "cuda":
        return "bf16" if torch.cuda.get_device_capability(device)[0] >= 8 else "fp16"
    if device.type == "cpu":
        for instructions in ("avx512_bf16", "amx_tile"):
            if getattr(torch.cpu, f"_is_{instructions}_supported", bool)():
                return "bf16"
    return "fp32"
