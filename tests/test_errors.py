"""What counts as out of memory."""
import errno

import pytest

from ganlib.errors import GanlibError, memory_advice


@pytest.mark.parametrize("error", [
    MemoryError(),
    OSError(errno.ENOMEM, "Cannot allocate memory"),
    RuntimeError("[enforce fail at alloc_cpu.cpp:121] . DefaultCPUAllocator: can't allocate memory"),
    RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    RuntimeError("std::bad_alloc"),
    RuntimeError("could not create a memory object"),
    RuntimeError("could not create a primitive"),
])
def test_no_memory_is_one_sentence(error):
    with pytest.raises(GanlibError, match="^Out of memory. Lower the batch.$"), \
            memory_advice("Lower the batch."):
        raise error


@pytest.mark.parametrize("error", [
    RuntimeError("could not create a primitive descriptor for a convolution forward propagation primitive"),
    RuntimeError("could not create a primitive descriptor for the matmul primitive"),
    RuntimeError("mat1 and mat2 shapes cannot be multiplied"),
    OSError(errno.ENOSPC, "No space left on device"),
    KeyError("memory"),
])
def test_other_errors_pass_unchanged(error):
    with pytest.raises(type(error)) as found, memory_advice("Lower the batch."):
        raise error
    assert found.value is error
