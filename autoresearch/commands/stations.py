"""Where trials run on this machine: its slots, each with a sandbox that reaches its device."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from autoresearch import sandbox as sandboxes
from autoresearch.config import Project
from autoresearch.devices import Access, access
from autoresearch.doctor import missing_device
from autoresearch.errors import ProjectError
from autoresearch.records.values import Trust
from autoresearch.sandbox import Sandbox
from autoresearch.workers.slots import Slot, SlotChooser


@dataclass(frozen=True)
class Station:
    """A slot of this machine, and the sandbox in which its trials reach its device alone."""

    slot: Slot
    sandbox: Sandbox


def slot_chooser(project: Project) -> SlotChooser:
    """Return what knows which slots this project's trainings can have here."""
    training = project.settings.training
    return SlotChooser.here(training.device, training.threads, os.environ)


def stations_for(project: Project, devices: str | None = None) -> tuple[Station, ...]:
    """Return where trials run: on the devices that --devices names, without it on one.

    Raises:
        UsageFault: there are no such devices, or they are of different kinds.
        ProjectError: trials must be sealed, and here they cannot be.
    """
    found: list[Station] = []
    for slot in slot_chooser(project).slots(devices):
        # Slots of a CPU reach the same; that of a card is tried with its own nodes.
        same = (each.sandbox for each in found if each.slot.access == slot.access)
        sandbox = next(same, None) or sandbox_for(project, slot.access)
        found.append(Station(slot, sandbox))
    return tuple(found)


def require_devices(project: Project, stations: Sequence[Station]) -> None:
    """Return if the devices that trainings are promised are there, in their sandboxes too.

    Raises:
        ProjectError: one is not; the message says what to do.
    """
    device = project.settings.training.device
    sandboxes = [each.sandbox for each in stations if device != "cpu"]
    with ThreadPoolExecutor() as pool:  # each imports PyTorch
        faults = pool.map(lambda sandbox: missing_device(device, sandbox), sandboxes)
    for station, fault in zip(stations, faults, strict=False):
        if fault:
            which = f"device {station.slot.name}: " if len(stations) > 1 else ""
            raise ProjectError(f"{which}{fault}")


def sandbox_for(project: Project, reach: Access | None = None) -> Sandbox:
    """Return what trials run in; the project, its corpus and its history stay out of their reach.

    Args:
        project: whose trials.
        reach: to their device; by default the one that is used without --devices.

    Raises:
        ProjectError: it must be sealed, and here it cannot be.
    """
    reach = reach or access(project.settings.training.device, os.environ)
    found = sandboxes.examine(os.environ, project.hidden, reach)
    if project.settings.sandbox.require and found.sandbox.trust is not Trust.SEALED:
        msg = f"autoresearch.toml requires a sealed sandbox; {found.notes[0]}"
        raise ProjectError(msg)
    return found.sandbox
