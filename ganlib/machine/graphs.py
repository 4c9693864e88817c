"""Recorded work: all kernels of a function as one CUDA graph, launched at once.

A training step of small networks is a thousand small kernels, and to launch them one by one takes longer than
to compute them. A recorded step has one launch. It works on the same memory each time: what goes in is copied
there first.
"""
import contextlib
from collections import Counter

import torch

from .device import global_generator
from .processes import world

WARM_UP = 3  # calls that run as they are before one is recorded: libraries choose their kernels in them


MODES = ("auto", "on", "off")


def obstacle_to_recording(config, device, dtype):
    """Why updates of a Config cannot be recorded, in words, or ""."""
    if world().size > 1 and device.type == "cuda" and not world().is_on_nccl:
        return "only NCCL's sums over processes can be recorded"
    if config.d_gate or config.g_gate:
        return "a gate (d_gate, g_gate) reads a loss in each of them"
    if config.optimizer == "sgd" and config.grow:
        return "SGD of networks that grow reads its learning rate in each of them"
    if config.optimizer == "rmsprop" and dtype == torch.float16:
        return "with precision='fp16' RMSprop asks in each of them whether it may go on"
    return ""


def recorder_for(mode, device, obstacle, say):
    """A Recorder for what runs on a device; None where it is to run as it is.

    mode: one of MODES. "auto" records on NVIDIA's GPUs, "on" on a CPU as well, by a stand-in for tests.
    obstacle: why the work cannot be recorded, in words, or "". say(text) is told where that is in the way.
    """
    if mode == "off" or mode == "auto" and device.type != "cuda":
        return None
    if device.type not in ("cuda", "cpu"):
        obstacle = f"{device.type} has no CUDA graphs"
    if obstacle:
        say(f"Steps run without CUDA graphs: {obstacle}.")
        return None
    return Recorder(device, say)


class Recorder:
    """Calls a function as it is at first, then from a recording.

    device: the torch device of all tensors. say(text) is told, once, where recording failed: then all calls
    run as they are. On a CPU a stand-in replays: it calls the function on the same static memory.

    As a context manager it drops its recordings in the end, whatever holds it still. A process that leaves
    NCCL waits without end for those that NCCL is part of.
    """

    def __init__(self, device, say):
        self.device, self.say = device, say
        self.failed = False
        self.warm_ups: Counter = Counter()
        self.recordings: dict = {}
        self.stream = torch.cuda.Stream(device) if device.type == "cuda" else None
        self._begin_anew()

    def __call__(self, kind, function, inputs):
        """What `function(*inputs)` returns, tensors in dicts or tuples. They are good until the next call.

        kind: what the recording depends on beside the values in its inputs, such as their shapes and what the
        function does. inputs: tensors.
        """
        if self.failed:
            return function(*inputs)
        if kind in self.recordings:
            return self.recordings[kind].replay(inputs)
        self.warm_ups[kind] += 1
        if self.warm_ups[kind] <= WARM_UP:
            return self._warm_up(function, inputs)
        try:
            self.recordings[kind] = self._record(function, inputs)
        except RuntimeError as error:
            self._fail(error)
            return function(*inputs)
        return self.recordings[kind].replay(inputs)

    def __enter__(self):
        return self

    def __exit__(self, error, *_):
        if error:  # a GPU that has failed cannot be waited for, nor one that waits for a lost process
            self._begin_anew()
        else:
            self.forget()

    def forget(self):
        """Drop all recordings and their memory: what they are of has changed."""
        if self.stream:
            torch.cuda.synchronize(self.device)
        self._begin_anew()

    def _begin_anew(self):
        self.recordings.clear()
        self.warm_ups.clear()
        # the recordings share their memory. That of recordings which are gone cannot be recorded in again
        self.pool = torch.cuda.graph_pool_handle() if self.stream else None

    def _warm_up(self, function, inputs):
        """A call as it is, on the stream that will record: only so do libraries prepare what they need."""
        if not self.stream:
            return function(*inputs)
        main = torch.cuda.current_stream(self.device)
        self.stream.wait_stream(main)
        with torch.cuda.stream(self.stream):
            outputs = function(*inputs)
        main.wait_stream(self.stream)
        return outputs

    def _record(self, function, inputs):
        if not self.stream:
            return _StandIn(function, inputs)
        with _unharmed(self.device):
            return _Graph(function, inputs, self.stream, self.pool)

    def _fail(self, error):
        self.failed = True
        self.forget()
        error = error.__context__ or error  # the first one: to end a recording after it is an error as well
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        self.say(f"Steps run without CUDA graphs from here on: recording one failed ({reason}).")


@contextlib.contextmanager
def _unharmed(device):
    """Where recording a graph fails in the block, what comes after it runs as if nothing had been.

    PyTorch (2.11) leaves its stream current then. Its random generator stays as in a recording, and each
    later draw would be an error. Both are put back.
    """
    stream, dice = torch.cuda.current_stream(device), global_generator(device)
    state = dice.clone_state()
    try:
        yield
    except RuntimeError:
        torch.cuda.set_stream(stream)
        dice.graphsafe_set_state(state)
        raise


class _Recording:
    """A function and the static memory that it reads."""

    def __init__(self, inputs):
        self.inputs = [torch.empty_like(tensor).copy_(tensor) for tensor in inputs]

    def take(self, inputs):
        for static, tensor in zip(self.inputs, inputs, strict=True):
            static.copy_(tensor)


class _Graph(_Recording):
    """A CUDA graph. What it returns lies in its own memory, which the next replay writes again."""

    def __init__(self, function, inputs, stream, pool):
        super().__init__(inputs)
        self.graph = torch.cuda.CUDAGraph()
        # other threads may use the GPU meanwhile: a notebook's pictures, NCCL's watch
        with torch.cuda.graph(self.graph, pool, stream, capture_error_mode="thread_local"):
            self.outputs = function(*self.inputs)

    def replay(self, inputs):
        self.take(inputs)
        self.graph.replay()
        return self.outputs


class _StandIn(_Recording):
    """What a graph does, on a CPU: each replay calls the function on the static memory."""

    def __init__(self, function, inputs):
        super().__init__(inputs)
        self.function = function
        self.outputs = None

    def replay(self, inputs):
        self.take(inputs)
        fresh = self.function(*self.inputs)
        if self.outputs is None:
            self.outputs = fresh
        for static, tensor in zip(_tensors(self.outputs), _tensors(fresh), strict=True):
            static.copy_(tensor)
        return self.outputs


def _tensors(outputs):
    """The tensors in dicts and tuples."""
    if torch.is_tensor(outputs):
        yield outputs
        return
    for part in outputs.values() if isinstance(outputs, dict) else outputs:
        yield from _tensors(part)
