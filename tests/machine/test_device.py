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


def test_a_device_that_is_not_there():
    with pytest.raises(GanlibError, match="device='cudda' cannot be used here"):
        pick_device("cudda")
