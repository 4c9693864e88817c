"""Trainings that are killed at random moments, many times, end like one that was left alone (make faults)."""
import random
import time

import pytest
import torch
from helpers import make_pack
from processes import start, states


@pytest.fixture(scope="module")
def pack(tmp_path_factory):
    return make_pack(tmp_path_factory.mktemp("data") / "pack", 40)


@pytest.mark.parametrize("seed", range(3))
def test_twelve_kills(pack, tmp_path, seed):
    rng = random.Random(seed)
    total = 16 * 1_500
    process = start(pack, tmp_path / "whole", total)
    assert process.wait() == 0
    kills = 0
    for _ in range(60):
        process = start(pack, tmp_path / "killed", total)
        try:
            process.wait(timeout=rng.uniform(3, 8) if kills < 12 else 600)
        except Exception:
            process.kill()
            process.wait()
            kills += 1
            continue
        assert process.returncode == 0, process.stdout.read()
        break
    a, b = states(tmp_path / "whole"), states(tmp_path / "killed")
    assert kills >= 3 and all(torch.equal(a[k], b[k]) for k in a)


def test_killed_while_it_writes(pack, tmp_path):
    """A checkpoint at nearly every step: kills fall into the writing of one, and the run always goes on."""
    reached = 0
    for i in range(10):
        process = start(pack, tmp_path / "run", 10**9, checkpoint_minutes=1e-6)
        time.sleep(6 + 0.13 * i)
        process.kill()
        process.wait()
        newest = max(int(p.stem.split("-")[1]) for p in (tmp_path / "run").glob("state-*.safetensors"))
        assert newest >= reached
        reached = newest
    assert reached > 16 * 100
