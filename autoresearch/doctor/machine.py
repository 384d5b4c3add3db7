"""The machine: Python, PyTorch, the device, room to work, what stands around a trial."""

import platform
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import psutil

from autoresearch.config import Project
from autoresearch.devices import ask
from autoresearch.doctor import accelerator
from autoresearch.doctor.finding import Finding, Level, fault, ok, refusal, warning
from autoresearch.errors import ProjectError
from autoresearch.records.text import counted, safe_line
from autoresearch.records.values import Trust
from autoresearch.sandbox import Detection, Sandbox
from autoresearch.workers.slots import SlotChooser, described

_TIGHT, _FULL = 10.0, 1.0  # GiB: what a night with logs, checkpoints and caches wants; needs
_UNSEALED = (
    "unsealed: hostile code of a trial can reach files of yours, sealed documents and keys among "
    "them, and no score can be relied on further than that code"
)
_MEND = "read what you promote, and run where there is nothing you would miss"


def python() -> Finding:
    """Return which Python this is; on one that is too old nothing of this would load."""
    return ok("python", f"{platform.python_version()} ({sys.executable})")


def device(
    asked: str, sandbox: Sandbox, steps: Sequence[str] = accelerator.ALL
) -> tuple[Finding, ...]:
    """Return PyTorch's version and whether the device asked for is there, for a trial, too.

    Args:
        asked: "cuda", "mps" or "cpu".
        sandbox: that of trials, with access to their card.
        steps: what is tried in it, if all is well outside.
    """
    if asked == "cpu":
        return _cpu()
    access = sandbox.access
    outside = accelerator.seen(asked, ask(asked, accelerator.LOOK, access.variables), access)
    missing = tuple(accelerator.nodes(access))
    if missing or any(each.level is Level.FAULT for each in outside):
        return *outside, *missing
    return *outside, accelerator.confined(asked, sandbox, steps)


def _cpu() -> tuple[Finding, ...]:
    try:
        import torch  # noqa: PLC0415 - over a second, and it may be missing or broken
    except (ImportError, OSError) as error:
        return (fault("torch", f"cannot be imported: {error}", "install it: `pip install torch`"),)
    found = ok("torch", f"{torch.__version__}, {counted(torch.get_num_threads(), 'thread')}")
    cores = psutil.cpu_count(logical=True) or 1
    if torch.cuda.is_available():
        idle = warning(
            "device", f"cpu is asked for, and {torch.cuda.get_device_name()} stands idle",
            "make the project with `autoresearch init`, which chooses a profile for that card",
        )  # fmt: skip
        return found, idle
    return found, ok("device", f"cpu: {cores} logical cores")


def missing_device(asked: str, sandbox: Sandbox) -> str | None:
    """Return in one line why the device asked for cannot be used; None where it can.

    It is asked in processes of their own: what PyTorch holds of a card would stay all night.

    Args:
        asked: "cuda", "mps" or "cpu".
        sandbox: that of trials, in which the driver must answer, too.
    """
    if asked == "cpu":
        return None
    found = device(asked, sandbox, ("driver",))
    faults = [f"{each.said}: {each.mend}" for each in found if each.level is Level.FAULT]
    return safe_line("; ".join(faults), 600) or None


def slots(chooser: SlotChooser) -> Iterator[Finding]:
    """Yield what `run --devices all` would use, where that is more than one device."""
    found = chooser.kinds()
    if sum(map(len, found)) < 2:
        return
    if chooser.device == "cpu":
        (mine,) = found
        said = f"{counted(len(mine), 'slot')} of {counted(len(mine[0].cores), 'core')} each"
        yield ok("devices", f"`run --devices all` would use {said}; without it one training runs")
    elif len(found) == 1:
        said = f"`run --devices all` would use {described(found)}; without it one is used"
        yield ok("devices", said)
    else:
        said = f"a run uses cards of one kind: --devices {described(found)}; without it one is used"
        yield ok("devices", said)


def memory(cap: float) -> Finding:
    """Return whether the machine has the memory that a trial may take.

    Args:
        cap: [training] memory_gib.
    """
    now = psutil.virtual_memory()
    said = f"{now.available / 2**30:.1f} of {now.total / 2**30:.1f} GiB free"
    if now.available < 2**30:
        return fault("memory", said, "end other programs: a trial needs a GiB at the very least")
    if now.total / 2**30 < cap:
        return warning("memory", f"{said}, and a trial may take {cap:g}",
                       "lower [training] memory_gib below what the machine has")  # fmt: skip
    return ok("memory", f"{said}; a trial may take {cap:g}")


def disk(subject: str, place: Path) -> Finding:
    """Return whether there is room where something is to be written.

    Args:
        subject: what for.
        place: a folder, or one that will be made.
    """
    there = next(each for each in (place, *place.parents) if each.is_dir())
    gib = shutil.disk_usage(there).free / 2**30
    said = f"{gib:.1f} GiB free at {there}"
    if gib < _FULL:
        return fault(subject, said, "make room there")
    if gib < _TIGHT:
        return warning(subject, said, f"make room there: a night is safe with {_TIGHT:g} GiB")
    return ok(subject, said)


def temporary(project: Project | None, environment: Mapping[str, str]) -> Finding:
    """Return whether trials have a folder of temporary files that nobody else reaches into."""
    wanted = environment.get("TMPDIR", "")
    here = tempfile.gettempdir()
    try:
        if project is not None:
            project.make_work()
            here = str(project.work)
        with tempfile.NamedTemporaryFile(dir=here):
            pass
    except ProjectError as error:
        return refusal("work folder", error, "make TMPDIR name a folder that is yours alone")
    except OSError as error:
        return fault(
            "work folder", f"{here}: {error.strerror}", "make TMPDIR name a folder you own"
        )
    if wanted and not Path(wanted).is_dir():
        return warning("work folder", f"TMPDIR is {wanted}, which is no folder; {here} serves",
                       "make that folder, or unset TMPDIR")  # fmt: skip
    return ok("work folder", here)


def sandbox(found: Detection, *, required: bool) -> Finding:
    """Return what stands between a proposer's code and the machine, and why it is no more."""
    level = found.sandbox
    if level.trust is Trust.SEALED:
        said = f"sealed by {level.name}: a trial reaches its own files and nothing else"
        return ok("sandbox", said)
    mend = found.notes[0] if found.notes else _MEND
    if required:
        return fault("sandbox", f"{level.name}, but [sandbox] require asks for a sealed one", mend)
    return warning("sandbox", _UNSEALED, mend)
