"""What each of several processes knows of the others, and what it says when something is wrong."""
import json

import pytest
import torch
import torch.distributed as dist
from helpers import make_pack, tiny
from several import together
from torch import nn

from ganlib.__main__ import main
from ganlib.errors import ElsewhereError, GanlibError, LostError
from ganlib.machine import processes
from ganlib.machine.device import pick_device
from ganlib.machine.processes import World, heard, joined, started, world
from ganlib.seeding import draw

CPU, GPU = torch.device("cpu"), torch.device("cuda", 0)


@pytest.fixture
def as_one_of_two(monkeypatch):
    """A function that makes this process look as if torchrun had started it as one of two."""
    def become(rank, **more):
        values = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": 2, "LOCAL_WORLD_SIZE": 2} | more
        for name, value in values.items():
            monkeypatch.setenv(name, str(value))

    return become


def test_alone_nothing_is_shared():
    assert started() == (0, 1, 0)
    with joined(CPU) as alone:
        assert alone is world() and (alone.rank, alone.size, alone.is_first) == (0, 1, True)
    x = torch.tensor([1.0, 3.0])
    alone.average([x])
    assert x.tolist() == [1, 3]
    assert alone.means([1.5]) == [1.5] and alone.most(2, True) == (2, True) and alone.first(lambda: 7) == 7
    alone.need_equal("recipes", {})
    alone.check_batches([7])
    network = nn.BatchNorm2d(3)
    assert alone.with_shared_norms(network) is network


# -- among two, for real


def exchange(rank, folder):
    with joined(CPU) as both:
        one, other = torch.full((2, 2), 1.0 + rank), torch.arange(3.0) * rank
        both.average([one, other])
        found = {"average": [one.tolist(), other.tolist()], "means": both.means([rank, 4.0]),
                 "most": both.most(float(rank), rank == 0), "first": both.first(lambda: f"of {rank}"),
                 "drawn": draw(torch.rand, (3, 2), torch.Generator().manual_seed(1)).tolist()}
        for name, error in (("told", GanlibError("The disk is full.")), ("failed", KeyError("x"))):
            try:
                both.first(lambda error=error: fail(error))
            except Exception as caught:
                found[name] = f"{type(caught).__name__}: {caught}"
        both.need_equal("recipes", {"a": 1})
    assert world().size == 1
    with joined(CPU) as again:  # a second training of the same processes
        found["again"] = again.means([2.0 * rank])
    (folder / f"{rank}.json").write_text(json.dumps(found))


def fail(error):
    raise error


def test_what_two_processes_exchange(tmp_path):
    assert together(2, exchange, tmp_path) == [0, 0]
    first, second = (json.loads((tmp_path / f"{rank}.json").read_text()) for rank in range(2))
    whole = torch.rand(6, 2, generator=torch.Generator().manual_seed(1))
    assert torch.equal(torch.tensor(first.pop("drawn")), whole[0::2])
    assert torch.equal(torch.tensor(second.pop("drawn")), whole[1::2])
    assert first.pop("told") == "GanlibError: The disk is full."
    assert second.pop("told") == "ElsewhereError: The disk is full."
    assert first.pop("failed") == "KeyError: 'x'" and second.pop("failed") == "ElsewhereError: 'x'"
    assert first == second == {"average": [[[1.5, 1.5], [1.5, 1.5]], [0, 0.5, 1]], "means": [0.5, 4],
                               "most": [1, 1], "first": "of 0", "again": [1]}


# -- errors


def test_a_batch_that_does_not_divide():
    for batch, near in ((15, "14 or 16"), (1, "2")):
        words = f"A batch of {batch} does not divide among 2 .* take {near}, or"
        with pytest.raises(GanlibError, match=words) as told:
            World(0, 2).check_batches([16, batch])
        assert type(told.value) is GanlibError
        with pytest.raises(ElsewhereError):
            World(1, 2).check_batches([16, batch])
    World(1, 2).check_batches([16, "4", 2])


def refuses(words, backend="auto"):
    with pytest.raises(GanlibError, match=words), joined(CPU, backend):
        pass


def test_backends_that_are_not_there(as_one_of_two, monkeypatch):
    as_one_of_two(1)
    refuses("backend='nccl' is for GPUs, and this run is on cpu: take", "nccl")
    monkeypatch.setattr(dist, "is_nccl_available", lambda: False)
    with pytest.raises(GanlibError, match="backend='nccl' is not in this PyTorch: take backend='gloo'"):
        processes._backend(GPU, "nccl")
    assert processes._backend(GPU, "auto") == "gloo"
    monkeypatch.setattr(dist, "is_nccl_available", lambda: True)
    assert processes._backend(GPU, "auto") == "nccl" and processes._backend(CPU, "auto") == "gloo"


def test_an_environment_that_no_torchrun_made(as_one_of_two, monkeypatch):
    as_one_of_two(0)
    refuses("not MASTER_ADDR and MASTER_PORT: start with torchrun")
    monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")
    monkeypatch.setenv("MASTER_PORT", "no port")
    refuses("do not find each other .*start the same command again")
    monkeypatch.setenv("RANK", "first")
    with pytest.raises(GanlibError, match="RANK='first'.* are no numbers"):
        started()


def test_a_gpu_for_each_process(as_one_of_two, monkeypatch):
    asked = []
    monkeypatch.setattr(torch, "empty", lambda *_, device: asked.append(device))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (9, 0))
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    as_one_of_two(1)
    for name in ("auto", "cuda"):
        assert pick_device(name)[0] == torch.device("cuda", 1) == asked[-1]
    assert pick_device("cpu", "fp32")[0] == CPU
    as_one_of_two(3, LOCAL_RANK=1, WORLD_SIZE=4)  # on the second of two machines
    assert pick_device("cuda")[0] == torch.device("cuda", 1)
    with pytest.raises(GanlibError, match="device='cuda:1' is one GPU, and .* write device='cuda'"):
        pick_device("cuda:1")
    with pytest.raises(GanlibError, match="A Mac has one GPU"):
        pick_device("mps")
    for rank in range(2):  # all of them see it, not only the one that gets no GPU
        as_one_of_two(rank)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
        with pytest.raises(GanlibError, match="This machine has 1 GPU and 2 processes, .* start 1, or take"):
            pick_device("auto")


def test_a_lost_process_is_said_in_one_line():
    error = processes.lost(RuntimeError("[gloo/pair.cc:1] Connection closed by peer\nmore\nlines"))
    assert isinstance(error, LostError)
    assert "\n" not in str(error) and "Connection closed by peer" in str(error)


def test_the_first_process_speaks_and_the_others_wait(as_one_of_two, monkeypatch, tmp_path, capsys):
    waits = []
    monkeypatch.setattr(processes.time, "sleep", waits.append)
    file = tmp_path / "error.json"
    monkeypatch.setenv("TORCHELASTIC_ERROR_FILE", str(file))

    def end(rank, error):
        as_one_of_two(rank)
        with pytest.raises(type(error)), heard():
            raise error
        return json.loads(file.read_text())["message"]["message"]

    assert end(0, GanlibError("No.")) == "GanlibError: No." and waits == []
    assert end(1, GanlibError("No.")) == "GanlibError: No." and waits == [processes.LET_SPEAK]
    # nobody else may be there to say this
    assert end(1, LostError("Gone.")) == "LostError: Gone." and len(waits) == 1
    file.unlink()
    monkeypatch.setenv("WORLD_SIZE", "1")
    monkeypatch.setenv("RANK", "0")
    with pytest.raises(GanlibError), heard():
        raise GanlibError("Alone.")
    assert not file.exists()


def test_in_a_shell_what_another_process_says_is_not_said_again(monkeypatch, tmp_path, capsys):
    make_pack(tmp_path / "pack", 20)
    full = ElsewhereError("The disk is full.")
    monkeypatch.setattr("ganlib.training.loop.train", lambda *_, **__: fail(full))
    assert main(["train", "dcgan", str(tmp_path / "pack"), str(tmp_path / "run"), "--images", "10"]) == 2
    assert capsys.readouterr().err == ""


def test_only_the_first_process_prints_the_run_and_tells_of_an_interrupt(as_one_of_two, monkeypatch, capsys):
    """torchrun ends the others when one fails: no other may do so before the first has written all."""
    from ganlib.training.loop import Run

    monkeypatch.setattr("ganlib.training.loop.train", lambda *_, **__: Run("run", 64, 1.0, "interrupt"))
    for rank, code, printed in ((0, 130, "run: 64 images, 0.0 minutes (interrupt)\n"), (1, 0, "")):
        as_one_of_two(rank)
        assert main(["train", "dcgan", "pack", "run", "--images", "99"]) == code
        assert capsys.readouterr().out == printed


def test_batch_norm_is_synchronised_where_nccl_is(monkeypatch):
    network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4))
    monkeypatch.setattr(dist, "get_backend", lambda: "nccl")
    shared = World(0, 2).with_shared_norms(network)
    assert isinstance(shared[1], nn.SyncBatchNorm) and list(shared.state_dict()) == list(network.state_dict())


def test_a_run_with_a_launcher_like_that_of_accelerate(tmp_path):
    """It gives RANK and so on, calls train in each process, and has no torchrun around it."""
    pack = make_pack(tmp_path / "pack", 40)
    assert together(2, launched_by_hand, pack, tmp_path) == [0, 0]
    assert sorted(file.name for file in tmp_path.glob("*.txt")) == ["0.txt", "1.txt"]
    assert {file.read_text() for file in tmp_path.glob("*.txt")} == {f"{tmp_path}/run: 32 images"}


def launched_by_hand(rank, pack, folder):
    import ganlib

    run = ganlib.train(tiny(images=32), pack, folder / "run", progress=False)
    (folder / f"{rank}.txt").write_text(str(run).split(",")[0])
