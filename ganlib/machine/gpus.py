"""What the GPU at hand is good for."""
import torch

MEDIUM = 6  # GB (of 2^30 bytes) of memory, from which on there is room for batches of 64
LARGE = 30  # GB, for batches of 256; with compute capability 8.0 (native bf16): A100, H100 and such


def gpu_size():
    """("small", "medium" or "large", the GPU in words) of torch's current GPU."""
    gpu = torch.cuda.get_device_properties(torch.cuda.current_device())
    memory = gpu.total_memory / 2**30
    words = f"{gpu.name}, {memory:.0f} GB, compute capability {gpu.major}.{gpu.minor}"
    if memory < MEDIUM:
        return "small", words
    if memory >= LARGE and gpu.major >= 8:
        return "large", words
    return "medium", words
