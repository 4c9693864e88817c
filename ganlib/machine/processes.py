"""Several processes that train one run together, on the GPUs of a machine or of several.

torchrun starts them and tells each its rank, a number from 0 up, and how many there are. Each makes its share
of the batch. The process of rank 0 writes the files, and decides how much time has passed.
"""
import atexit
import contextlib
import datetime
import os
import time

import torch
import torch.distributed as dist

from ..errors import ElsewhereError, GanlibError, LostError

BACKENDS = ("gloo", "nccl")  # carry numbers between processes, of CPUs and of GPUs
LONGEST = datetime.timedelta(hours=12)  # for what the process of rank 0 does alone: scores of a large pack
LET_SPEAK = 5.0  # seconds in which the process of rank 0 may say what is wrong, before another one does


class World:
    """The processes of a run, as one of them sees them.

    rank: the number of this process; size: how many there are.
    """

    def __init__(self, rank=0, size=1, host=None):
        self.rank, self.size = rank, size
        self.host = host  # the group for what stays in the CPU's memory
        self.is_first = rank == 0
        self.told = False  # that batch norm is not shared

    @torch.no_grad()
    def average(self, tensors):
        """Replace tensors, all of one device, by their means over all processes: they travel together."""
        if self.size == 1:
            return
        flat = torch.cat([tensor.reshape(-1) for tensor in tensors])
        # a step that NCCL is part of may be recorded, and its errors are for the Recorder
        with contextlib.nullcontext() if self.is_on_nccl else self._alive():
            dist.all_reduce(flat)
        flat /= self.size
        parts = flat.split([tensor.numel() for tensor in tensors])
        torch._foreach_copy_(tensors, [part.view(x.shape) for part, x in zip(parts, tensors, strict=True)])

    @property
    def is_on_nccl(self):
        return self.size > 1 and dist.get_backend() == "nccl"

    def with_shared_norms(self, network):
        """The network, with statistics of batch norm over all processes where NCCL carries them.

        Where they are not, a line says so, once.
        """
        if self.is_on_nccl:
            return torch.nn.SyncBatchNorm.convert_sync_batchnorm(network)
        if self.size > 1 and self.is_first and not self.told and has_batch_norm(network):
            self.told = True
            from .progress import say  # not at the top: tqdm takes its time, and alone nothing is said

            say(f"Batch norm: each of the {self.size} processes normalises its own part of a batch, as only "
                "NCCL on GPUs shares the statistics. One process would learn a little differently.")
        return network

    def means(self, values):
        """The means of a list of numbers over all processes."""
        if self.size == 1:
            return values
        summed = torch.tensor(values, dtype=torch.float64)
        with self._alive():
            dist.all_reduce(summed, group=self.host)
        return (summed / self.size).tolist()

    def most(self, *numbers):
        """The largest of each of some numbers over all processes. All processes wait for each other here."""
        if self.size == 1:
            return numbers
        largest = torch.tensor(numbers, dtype=torch.float64)
        with self._alive():
            dist.all_reduce(largest, dist.ReduceOp.MAX, group=self.host)
        return largest.tolist()

    def first(self, function):
        """What `function()` returns in the process of rank 0, for all of them; its error as well."""
        if self.size == 1:
            return function()
        answer, error = None, None
        if self.is_first:
            try:
                answer = function()
            except Exception as caught:  # the others must not wait for what never comes
                error = caught
        box = [answer, str(error) if error else ""]
        with self._alive():
            dist.broadcast_object_list(box, 0, group=self.host)
        if error:
            raise error
        if box[1]:
            raise ElsewhereError(box[1])
        return box[0]

    def check_batches(self, batches):
        """Raise GanlibError where a batch cannot be shared out among the processes."""
        for batch in map(int, batches):
            if batch % self.size:
                less = batch - batch % self.size
                near = f"{less} or {less + self.size}" if less else self.size
                raise self._refusal(f"A batch of {batch} does not divide among {self.size} processes: take "
                                    f"{near}, or another number of processes.")

    def need_equal(self, name, value):
        """Raise GanlibError in all processes where they do not have the same value."""
        if self.size == 1:
            return
        found = [None] * self.size
        with self._alive():
            dist.all_gather_object(found, value, group=self.host)
        for rank, other in enumerate(found):
            if other != found[0]:
                here, there = _difference(found[0], other)
                raise self._refusal(f"The processes of this run have unequal {name}: process 0 has {here}, "
                                    f"process {rank} has {there}. Start all of them with the same command.")

    def _refusal(self, words):
        """The error for what all processes find wrong: the first of them says it."""
        return GanlibError(words) if self.is_first else ElsewhereError(words)

    @contextlib.contextmanager
    def _alive(self):
        """Turn the loss of another process into a GanlibError."""
        try:
            yield
        except RuntimeError as error:
            raise lost(error) from error


_here = World()  # that this process is in


def world():
    """The World that this process is in: alone in it, but within `joined`."""
    return _here


def started():
    """(rank, size, rank on this machine), as torchrun gave them to this process; without it (0, 1, 0)."""
    names = {"RANK": 0, "WORLD_SIZE": 1, "LOCAL_RANK": 0}
    try:
        rank, size, local = (int(os.environ.get(name, default)) for name, default in names.items())
    except ValueError:
        found = ", ".join(f"{name}={os.environ.get(name)!r}" for name in names)
        raise GanlibError(f"{found} in the environment are no numbers: unset them, or start with "
                          "torchrun.") from None
    return rank, size, local


@contextlib.contextmanager
def joined(device, backend="auto"):
    """The World of the processes that torchrun started, for a block; alone where there is but one.

    device: where this process computes. backend: one of BACKENDS; "auto" takes NCCL for GPUs, where it is
    there, else gloo. Raises GanlibError where the backend is not there, or the others cannot be reached.
    """
    global _here
    rank, size, _ = started()
    if size == 1:
        yield _here
        return
    backend = _backend(device, backend)
    if device.type == "cuda":
        torch.cuda.set_device(device)
    if not dist.is_initialized():
        _meet(device, backend)
    # what the host decides goes over the CPU, so that it never waits for a GPU
    host = dist.new_group(timeout=LONGEST, backend="gloo")
    _here = World(rank, size, host)
    try:
        yield _here
    finally:
        _here = World()


def _backend(device, backend):
    """The name of the backend for a device, checked."""
    has_nccl = dist.is_available() and dist.is_nccl_available()
    if backend == "auto":
        return "nccl" if device.type == "cuda" and has_nccl else "gloo"
    if backend == "nccl" and device.type != "cuda":
        raise GanlibError(f"backend='nccl' is for GPUs, and this run is on {device.type}: take "
                          "backend='gloo'.")
    if backend == "nccl" and not has_nccl:
        raise GanlibError("backend='nccl' is not in this PyTorch: take backend='gloo'.")
    return backend


def _meet(device, backend):
    """Wait for the other processes."""
    if not (dist.is_available() and dist.is_gloo_available()):
        raise GanlibError("This PyTorch cannot train on several processes: start one.")
    missing = [name for name in ("MASTER_ADDR", "MASTER_PORT") if name not in os.environ]
    if missing:
        raise GanlibError(f"WORLD_SIZE is set, but not {' and '.join(missing)}: start with torchrun, or "
                          "unset it.")
    try:
        dist.init_process_group(backend, device_id=device if backend == "nccl" else None)
    except (RuntimeError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise GanlibError(f"The processes of this run do not find each other ({reason}): stop what is left "
                          "of them, and start the same command again.") from error
    atexit.register(_part)


def _part():
    if dist.is_initialized():
        dist.destroy_process_group()


def lost(error):
    """The LostError for a RuntimeError in which another process went away."""
    reason = str(error).strip().splitlines()[0][:120]
    return LostError("Another process of this run has ended, so this one ends too. The run stands at its "
                     f"last checkpoint: start the same command again. ({reason})")


@contextlib.contextmanager
def heard():
    """Errors of the block reach torchrun, in a process that it has started, and are said once.

    What all processes find wrong is for the process of rank 0 to say. The others wait: torchrun ends them
    when that one has ended. After a while they speak themselves.
    """
    rank, size, _ = started()
    try:
        yield
    except Exception as error:
        if size > 1:
            from torch.distributed.elastic.multiprocessing.errors import get_error_handler

            get_error_handler().record_exception(error)
        if rank and not isinstance(error, LostError):
            time.sleep(LET_SPEAK)
        raise


def has_batch_norm(network):
    return any(isinstance(part, torch.nn.modules.batchnorm._BatchNorm) for part in network.modules())


def _difference(one, other):
    """What is different in two values: of dicts in dicts, the keys whose values differ."""
    if not (isinstance(one, dict) and isinstance(other, dict)):
        return one, other
    pairs = {key: _difference(one.get(key), other.get(key)) for key in one | other
             if one.get(key) != other.get(key)}
    return {key: pair[0] for key, pair in pairs.items()}, {key: pair[1] for key, pair in pairs.items()}
