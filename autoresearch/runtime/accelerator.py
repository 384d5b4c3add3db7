"""Whether the device that a process was promised is there, asked of its driver.

Standard library only, and in milliseconds: PyTorch, which takes a second to import, is asked only
where no driver can be.
"""

import contextlib
import ctypes
import os
import select
import signal

_DRIVER = "libcuda.so.1"
_PATIENCE = 120.0  # seconds: a machine of many sleeping cards takes tens of them
_AMD, _WINDOWS, _NVIDIA = "/dev/kfd", "/dev/dxg", "/dev/nvidiactl"


class AcceleratorError(RuntimeError):
    """The device is not there; named as PyTorch names what a device answers with."""


def fault(device: str) -> str:
    """Return why a device cannot be used, or "" where it can; this process keeps its driver."""
    if device == "cpu":
        return ""
    if not device.startswith("cuda") or (os.path.exists(_AMD) and not os.path.exists(_NVIDIA)):  # noqa: PTH110 - quick to import
        return _by_torch(device)
    try:
        driver = ctypes.CDLL(_DRIVER)
    except OSError as missing:
        # AMD's cards have another driver, and PyTorch brings it along.
        either = os.path.exists(_AMD) or os.path.exists(_WINDOWS)  # noqa: PTH110
        return _by_torch(device) if either else f"no driver: {missing}"
    return _by_driver(driver)


def _by_driver(driver: ctypes.CDLL) -> str:
    count = ctypes.c_int()
    if code := driver.cuInit(0):
        return f"cuInit fails with {_name(driver, code)}"
    if code := driver.cuDeviceGetCount(ctypes.byref(count)):
        return f"cuDeviceGetCount fails with {_name(driver, code)}"
    return "" if count.value else "the driver shows no card"


def _name(driver: ctypes.CDLL, code: int) -> str:
    name = ctypes.c_char_p()
    with contextlib.suppress(AttributeError):
        driver.cuGetErrorName(code, ctypes.byref(name))
    return f"{name.value.decode('ascii', 'replace')} ({code})" if name.value else f"error ({code})"


def _by_torch(device: str) -> str:
    import torch  # noqa: PLC0415 - only where nothing cheaper can tell

    kind = device.partition(":")[0]
    return "" if getattr(torch, kind).is_available() else "PyTorch does not find it"


def fault_in_child(device: str) -> str:
    """Return what `fault` does, from a child: the driver's state goes with it, and a hang ends.

    PyTorch must not be imported here before the entry has: it may have settings to make.
    """
    if device == "cpu":
        return ""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        _tell(writer, device)
    os.close(writer)
    ready = select.select([reader], [], [], _PATIENCE)[0]
    if not ready:
        os.kill(child, signal.SIGKILL)
    said = os.read(reader, 4096).decode("utf-8", "replace") if ready else "its driver hangs"
    os.close(reader)
    failed = os.waitpid(child, 0)[1] != 0
    return said or ("its driver broke down" if failed else "")


def _tell(writer: int, device: str) -> None:
    """Write what is found and exit."""
    code = 1
    try:
        os.write(writer, fault(device).encode()[:4000])
        code = 0
    except BaseException as broken:  # noqa: BLE001 - whatever it is, the device is not to be had
        os.write(writer, f"{type(broken).__name__}: {broken}".encode()[:4000])
    finally:
        os._exit(code)
