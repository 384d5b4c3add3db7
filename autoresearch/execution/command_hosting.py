"""How a machine of a cluster becomes a host for a project with a command of its own.

A commit's files are sent. The data beside them are not: they may be of any size, and lie anywhere.
They must be on each machine where they are here, as with a folder that machines share. A machine
that lacks them, or has other ones held out, is refused.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from autoresearch.config import Project, Settings
from autoresearch.errors import ProjectError
from autoresearch.execution.command_task import CommandTask
from autoresearch.execution.hosting import (
    NOT_SEALED,
    HostFacts,
    for_hosts,
    place_here,
    sandbox_here,
)
from autoresearch.execution.trial import Checkout, Host
from autoresearch.records.values import Trust
from autoresearch.sandbox import Sandbox
from autoresearch.workers.hardware import hardware

_HOME = "~"


@dataclass(frozen=True)
class CommandHost:
    """What a machine must know of a study to run its command and score it; see `HostPlan`.

    `root` is where the project's data lie, "~" for the home of who runs it there; `imports` is as
    in `CommandTask`; `held_out` is the fingerprint of what scores are made on.
    """

    root: str
    settings: Settings
    imports: str
    held_out: str

    @classmethod
    def of(cls, task: CommandTask) -> "CommandHost":
        """Return what machines must know of a project's task; what else it is stays here."""
        root = task.project.root
        with suppress(ValueError):
            root = Path(_HOME) / root.relative_to(Path.home())
        return cls(str(root), for_hosts(task.settings), task.imports, task.fingerprint)

    def facts(self) -> HostFacts:
        """Return what this machine is; see `HostPlan`."""
        task, training = self._task(), self.settings.training
        sandbox = self._sandbox(task)
        return HostFacts(
            hardware(training.device, training.threads, sandbox.access.variables),
            task.trust(sandbox),
            protocol=0,
            fault=self._fault(task, sandbox),
        )

    def open(self, checkout: Checkout, stop: Callable[[], bool], study: str) -> Host:
        """Return the host; see `HostPlan`.

        Raises:
            ProjectError: there is no private folder for trials, or data are gone meanwhile.
        """
        task = self._task()
        sandbox, room = self._sandbox(task), self.settings.checkpoint_bytes
        return task.host(place_here(sandbox, checkout, stop, study, task.trust(sandbox), room))

    def _fault(self, task: CommandTask, sandbox: Sandbox) -> str:
        """Return why this machine cannot be used; "" where it can."""
        required = self.settings.sandbox.require
        if required and sandbox.trust is not Trust.SEALED:
            return NOT_SEALED
        if required and task.trust(sandbox) is Trust.UNSEALED:
            return f"autoresearch.toml requires sealed scores, but {task.unsealed(sandbox)}"
        try:
            task.command_run()
            same = task.fingerprint == self.held_out
        except (ProjectError, OSError) as fault:
            return f"{fault} (the project's data must be there as they are here, in {self.root})"
        return "" if same else f"what [data] held_out names is not in its {self.root} as it is here"

    def _task(self) -> CommandTask:
        """Return the task as this machine's files are now."""
        return CommandTask(Project(Path(self.root).expanduser(), self.settings), self.imports)

    def _sandbox(self, task: CommandTask) -> Sandbox:
        return sandbox_here(self.settings.training.device, task.project.hidden)
