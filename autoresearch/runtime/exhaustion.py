"""Whether an exception says that memory ran out: the device's or the machine's, whoever noticed.

PyTorch's allocator has a type of its own for it. Whoever asks past that allocator has not: cuBLAS
and cuDNN for their workspaces, the driver for a context or a mapping, Triton for a kernel's launch,
the CPU's allocator. They raise what a wrong shape raises, and only the message tells.
"""

import errno
import itertools
import re
import sys
from collections.abc import Iterator

_DEEPEST = 100  # causes of one failure, looked at
_NO_MEMORY_LEFT = 2  # cudaErrorMemoryAllocation, and hipErrorOutOfMemory
_SAID = re.compile(
    r"out of memory"  # CUDA, HIP, MPS, XPU; their drivers; Triton Error [CUDA]
    r"|_ALLOC(?:ATION)?_FAILED\b"  # CUBLAS_STATUS_…, CUDNN_STATUS_…, CUFFT_…, HIPBLAS_STATUS_…
    r"|_OUT_OF_MEMORY\b|ErrorOutOfMemory\b|cudaErrorMemoryAllocation\b"
    r"|rocblas_status_memory_error|miopenStatusAllocFailed"
    r"|^\[(?:metal::)?malloc\w*\]"  # MLX
    r"|can(?:'|no)t allocate memory|not enough memory|\bbad_alloc\b",  # the machine's
    re.IGNORECASE,
)


def out_of_memory(fault: BaseException) -> bool:
    """Return whether an exception, or one that it was raised from, says that memory ran out.

    A message is read only of what PyTorch, MLX, Triton and C++ libraries raise: a RuntimeError.
    """
    return any(map(_says_so, itertools.islice(_causes(fault), _DEEPEST)))


def _causes(fault: BaseException | None) -> Iterator[BaseException]:
    while fault is not None:
        yield fault
        # A compiler's error holds what it met, and is raised from nothing.
        inner = getattr(fault, "inner_exception", None)
        fault = inner if isinstance(inner, BaseException) else fault.__cause__


def _says_so(fault: BaseException) -> bool:
    torch = sys.modules.get("torch")
    if isinstance(fault, (MemoryError, getattr(torch, "OutOfMemoryError", MemoryError))):
        return True
    if isinstance(fault, OSError):
        return fault.errno == errno.ENOMEM
    if not isinstance(fault, RuntimeError):
        return False
    coded = isinstance(fault, getattr(torch, "AcceleratorError", ()))
    code = getattr(fault, "error_code", None) if coded else None
    return code == _NO_MEMORY_LEFT or bool(_SAID.search(str(fault)))
