"""The accelerator as a trial finds it: its nodes, its driver, PyTorch; in the sandbox, too."""

import re
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

from autoresearch.devices import Access, Card, Step, Vendor, command, read_steps
from autoresearch.doctor.finding import Finding, fault, ok, warning
from autoresearch.process import launch
from autoresearch.records.text import counted, safe_line
from autoresearch.records.training import Limits
from autoresearch.sandbox import Sandbox

_SUBJECT = "in sandbox"
LOOK = ("driver", "torch")
ALL = (*LOOK, "matmul", "compile")
_PACKAGES = Path(__file__).parents[2]  # where `import autoresearch` finds this package
_PATIENCE = 300.0  # seconds: a first compilation takes one minute on a slow machine
_SAID_BYTES = 2**16
_UVM = "load its module and make its node: `sudo nvidia-modprobe -u -c 0`"
_CONTAINER = "in a container, start it with `--gpus all`"
_CPU = 'or write device = "cpu" under [training]'
_GET = "https://pytorch.org/get-started"
_BUILD = f"install the build for your CUDA ({_GET}), {_CPU}"
# What is said, by the driver first and then by PyTorch and its compiler, and what mends it. It is a
# hint for a person and decides nothing.
_MENDS = (
    (r"built without CUDA", _BUILD),
    (r"No module named 'torch'", "install it: `pip install torch`"),
    (r"\(802\)|not yet initialized|SYSTEM_NOT_READY",
     "start what joins the cards of such a machine: `sudo systemctl start nvidia-fabricmanager`"),
    (r"\(803\)|[Vv]ersion mismatch|DRIVER_MISMATCH",
     "the driver was updated while its old module is loaded: start the machine anew"),
    (r"\(804\)|too old|forward compatibility|\(35\)",
     "update the driver, or install a PyTorch built for an older CUDA"),
    (r"\(304\)|OPERATING_SYSTEM", f"see that /sys and {{nodes}} can be read; {_CONTAINER}"),
    (r"\(999\)|unknown error|CUDA_ERROR_UNKNOWN",
     f"{_UVM}; after a suspend `sudo rmmod nvidia_uvm && sudo modprobe nvidia_uvm`"),
    (r"\(46\)|busy or unavailable|\(208\)|exclusive",
     "another program holds the card: see `nvidia-smi`, and `sudo nvidia-smi -c 0` shares it"),
    (r"no kernel image|not compatible with the current Py", f"another build is needed: {_GET}"),
    (r"out of memory", "see who else uses the card: `nvidia-smi`"),
    (r"libcuda\.so|no driver", f"install NVIDIA's driver; {_CONTAINER}"),
    (r"C compiler|InvalidCxxCompiler|\bgcc\b|cc1",
     "Triton needs a compiler: `apt install build-essential`"),
    (r"Python\.h", "Triton needs Python's headers: `apt install python3-dev`"),
    (r"[Tt]riton", "install the Triton of this PyTorch: `pip install triton`"),
    (r"failed to map segment", "make TMPDIR name a folder whose file system may hold programs"),
    (r"\(100\)|NO_DEVICE|sees no card|no CUDA-capable|No CUDA GPUs|shows no card",
     f"see whether `nvidia-smi` does and CUDA_VISIBLE_DEVICES names a card; {_CONTAINER}"),
)  # fmt: skip
_NO_MPS = 'write device = "cpu" (or "cuda") under [training]'
_ELSE = "compare with `nvidia-smi` (or `rocminfo`); docs/gpu.md tells what a trial needs"


def mend(said: str, nodes: Sequence[Path] = ()) -> str:
    """Return what helps against a fault that a driver or PyTorch tells of."""
    found = next((mend for words, mend in _MENDS if re.search(words, said)), _ELSE)
    return found.replace("{nodes}", ", ".join(map(str, nodes)) or "/dev")


def seen(asked: str, steps: Sequence[Step], access: Access) -> tuple[Finding, ...]:
    """Return PyTorch's version and whether it sees the device, outside of any sandbox.

    Args:
        asked: "cuda" or "mps".
        steps: what the steps `LOOK` came to.
        access: to the card that was asked about.
    """
    last = steps[-1]
    if last.fault:
        helps = mend(last.fault) if asked != "mps" else _NO_MPS
        return (fault("device", f"{asked} is asked for, but {_first(last.fault)}", helps),)
    torch = ok("torch", f"{last.text('version')}, built for {last.text('build')}")
    said = f"{asked}: {access.card or last.text('name')}".removesuffix(": ")
    free, total = last.number("free") / 2**30, last.number("memory") / 2**30
    if free < total / 2:
        crowded = f"{said}; only {free:.1f} of {total:.1f} GiB free"
        return torch, warning("device", crowded, "see who else uses the card: `nvidia-smi`")
    return torch, ok("device", f"{said}; {free:.1f} of {total:.1f} GiB free" if total else said)


def nodes(access: Access) -> Iterator[Finding]:
    """Yield the device nodes that a trial needs and that are not there."""
    for node in access.missing:
        yield fault("device node", f"{node} is not there", _node_mend(node, access.card))


def _node_mend(node: Path, card: Card | None) -> str:
    if card is not None and card.vendor is Vendor.AMD:
        engine = "in a container, start it with `--device=/dev/kfd --device=/dev/dri`"
        return f"load the driver: `sudo modprobe amdgpu`; {engine}"
    if node.name == "nvidia-uvm":
        return f"{_UVM}; {_CONTAINER}"
    return f"make it: `sudo nvidia-modprobe -c {card.index if card else 0}`; {_CONTAINER}"


def confined(asked: str, sandbox: Sandbox, steps: Sequence[str]) -> Finding:
    """Return what these steps of a probe come to in the sandbox, as a trial would find it.

    Args:
        asked: "cuda" or "mps".
        sandbox: the one of trials.
        steps: some of "driver", "torch", "matmul" and "compile", in this order.
    """
    found = probe(asked, sandbox, steps)
    failed = next((each for each in found if each.fault), None)
    if failed is not None:
        said = f"{failed.name}: {_first(failed.fault)}"
        return fault(_SUBJECT, said, mend(failed.fault, sandbox.access.nodes))
    took = ", ".join(f"{each.name} {each.seconds:.1f} s" for each in found)
    cards = max(each.number("cards") for each in found)
    if cards > 1:
        return warning(
            _SUBJECT, f"{took}; a trial sees {counted(cards, 'card')}",
            "name one in CUDA_VISIBLE_DEVICES (`nvidia-smi -L` lists them)",
        )  # fmt: skip
    return ok(_SUBJECT, took)


def _first(said: str) -> str:
    """Return a fault's first line that says something."""
    return safe_line(next((each for each in said.splitlines() if each.strip()), said), 300)


def probe(asked: str, sandbox: Sandbox, steps: Sequence[str]) -> list[Step]:
    """Run a probe in the sandbox, as the worker runs a trial; return its steps."""
    limits = Limits()
    with ExitStack() as held:
        scratch = Path(held.enter_context(tempfile.TemporaryDirectory()))
        said = held.enter_context(tempfile.TemporaryFile())
        environment = sandbox.environment(scratch, limits)
        guarded = held.enter_context(
            launch(
                sandbox.command(
                    command(asked, steps),
                    readable=[_PACKAGES / "autoresearch"],
                    writable=[scratch],
                    limits=limits,
                    devices=True,
                ),
                cwd=scratch,
                env={**environment, "PYTHONPATH": str(_PACKAGES)},
                stdout=said.fileno(),
                file_size=limits.file_size,
            )
        )
        ended = guarded.wait(_PATIENCE)
        how = f"the process ended ({guarded.kill()})" if ended else f"no end in {_PATIENCE:.0f} s"
        said.seek(0)
        return read_steps(said.read(_SAID_BYTES), steps, how)
