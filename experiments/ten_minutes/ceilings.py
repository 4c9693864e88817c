"""What a machine can do at best: the rates of a large matrix product and of a large copy, measured."""
import statistics
import time

import torch

from ganlib.machine.device import DTYPES, pick_device

from .here import wait_for


def ceilings(job):
    """{"matrix": FLOP/s by precision, "copy": bytes/s read and written} of large operations."""
    device, _ = pick_device(job.device)
    size = 512 if job.rehearsal else 8_192
    names = ["fp32", "bf16"] if device.type == "cpu" else ["fp32", "tf32", "bf16", "fp16"]
    rates = {name: matrix_rate(device, name, size) for name in names}
    copied = copy_rate(device, 2**24 if job.rehearsal else 2**31)
    return {"size": size, "matrix": rates, "copy": copied}


def matrix_rate(device, name, size):
    """FLOP/s of the product of two random matrices (size, size); name: of DTYPES, or "tf32"."""
    dtype = DTYPES.get(name, torch.float32)
    a, b = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = name == "tf32"
    try:
        return 2 * size**3 / median_seconds(device, lambda: a @ b)
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before


def copy_rate(device, size):
    """Bytes a second that a copy of `size` bytes reads and writes."""
    source = torch.randint(0, 256, (size,), dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    return 2 * size / median_seconds(device, lambda: target.copy_(source))


def median_seconds(device, work, rounds=9):
    """Seconds that `work` takes: the median of several rounds, after three that warm up."""
    seconds = []
    for number in range(rounds + 3):
        wait_for(device)
        begun = time.perf_counter()
        work()
        wait_for(device)
        if number >= 3:
            seconds.append(time.perf_counter() - begun)
    return statistics.median(seconds)
