"""On what, and how precisely, a run is computed."""
import pytest
import torch

from ganlib.errors import GanlibError
from ganlib.machine.device import pick_device


def test_device_and_precision(monkeypatch):
    assert pick_device("cpu", "fp32") == (torch.device("cpu"), torch.float32)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True)
    assert pick_device("cpu")[1] == torch.bfloat16
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
    assert pick_device("cpu")[1] == torch.float32
    # GPUs are decided by compute capability: a T4 (7.5) says that it supports bf16 and only emulates it
    monkeypatch.setattr(torch, "empty", lambda *a, **k: None)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda *a: True)
    for capability, dtype in (((7, 5), torch.float16), ((8, 0), torch.bfloat16), ((9, 0), torch.bfloat16)):
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda *a, c=capability: c)
        assert pick_device("cuda")[1] == dtype


@pytest.mark.parametrize("says, advice", [
    ("The NVIDIA driver on your system is too old (found version 11040).", "Update the driver"),
    ("CUDA error: CUDA-capable device(s) is/are busy or unavailable", "Another program has the GPU"),
    ("Found no NVIDIA driver on your system.", "Install the driver"),
    ("Torch not compiled with CUDA enabled", "Install a PyTorch with CUDA"),
    ("CUDA error: invalid device ordinal", "GPUs are counted from cuda:0 on"),
    ("something new", "")])
def test_a_gpu_that_cannot_be_used_says_what_to_do(says, advice, monkeypatch):
    """What torch says of it, as it has it in its first line."""
    def refuse(*_, **__):
        raise RuntimeError(f"{says}\nCompile with `TORCH_USE_CUDA_DSA`")
    monkeypatch.setattr(torch, "empty", refuse)
    with pytest.raises(GanlibError) as found:
        pick_device("cuda:0")
    words = str(found.value)
    assert words.startswith(f"device='cuda:0' cannot be used here ({says.rstrip('.')}).")
    assert words.partition("). ")[2].startswith(advice) and "\n" not in words


def test_a_device_that_is_not_there():
    with pytest.raises(GanlibError, match="device='cudda' cannot be used here"):
        pick_device("cudda")
