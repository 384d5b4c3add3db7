"""How a machine of a cluster becomes a host: what it must be, and what it trains and scores with.

All of this runs there. What crosses to it is a `StudyHost`, which names no place of any machine, or
where a project has a command of its own a `CommandHost` (`command_hosting.py`).
"""

import fcntl
import os
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from autoresearch import __version__
from autoresearch import corpus as corpora
from autoresearch import sandbox as sandboxes
from autoresearch.config import Settings, data_home, make_private
from autoresearch.corpus import Corpus
from autoresearch.devices import access
from autoresearch.errors import CorpusError, ProjectError
from autoresearch.evaluation import PROTOCOL
from autoresearch.execution.task import Place
from autoresearch.execution.text_task import TextTask
from autoresearch.execution.trial import Checkout, Host
from autoresearch.process import remove
from autoresearch.records.hardware import MACHINE, Hardware
from autoresearch.records.values import Trust
from autoresearch.sandbox import Sandbox
from autoresearch.workers.checkpoint_store import CheckpointStore
from autoresearch.workers.compiled import CompileCache
from autoresearch.workers.hardware import hardware

NOT_SEALED = "autoresearch.toml requires a sealed sandbox, and it has none"


@dataclass(frozen=True)
class HostFacts:
    """What a machine is, as far as scores hang on it.

    `has_corpus`: the study's text is there. `protocol` is the sealed evaluator's; 0 where a score
    comes from elsewhere. `fault` is why it cannot be used, whatever the study; "" where it can.
    """

    hardware: Hardware
    trust: Trust
    has_corpus: bool = True
    version: str = __version__
    protocol: int = PROTOCOL
    fault: str = ""

    @property
    def key(self) -> dict[str, str]:
        """The parts of a comparability key that a machine decides."""
        evaluator = {"evaluator": f"protocol {self.protocol}"} if self.protocol else {}
        return {**self.hardware.key, "trust": str(self.trust), **evaluator}


def misfit(facts: HostFacts, key: Mapping[str, str]) -> str:
    """Return why scores of a machine could not stand beside a study's; "" where they can.

    `key` is the study's comparability key.
    """
    if facts.version != __version__:
        return f"it has autoresearch {facts.version}, and here is {__version__}"
    if facts.fault:
        return facts.fault
    own = facts.key
    for name in (*MACHINE, "trust", "evaluator"):
        if own.get(name) != key.get(name):
            return f"its {name} is {own.get(name, 'unknown')}, the study's {key.get(name, 'none')}"
    return ""


class HostPlan(Protocol):
    """How a machine becomes a host. It is sent to that machine."""

    def facts(self) -> HostFacts:
        """Return what this machine is."""

    def open(self, checkout: Checkout, stop: Callable[[], bool], study: str) -> Host:
        """Return what this machine trains and scores with.

        Args:
            checkout: gives the code of a commit.
            stop: asked often; true ends a scoring as Interrupted.
            study: a name that stands for the study's first commit and what its scores rest on.
        """


@dataclass(frozen=True)
class StudyHost:
    """What a machine must know of a study to train and score for it; see `HostPlan`.

    `settings` are those of `for_hosts`; `corpus` is a fingerprint; `lies_open` says that the text
    is on every machine anyhow.
    """

    settings: Settings
    corpus: str
    lies_open: bool

    @classmethod
    def of(cls, task: TextTask) -> "StudyHost":
        """Return what machines must know of a task; the text itself is brought to them apart."""
        corpus = task.corpus
        return cls(for_hosts(task.settings), corpus.fingerprint, corpus.lies_open)

    def facts(self) -> HostFacts:
        """Return what this machine is; see `HostPlan`."""
        training, sandbox = self.settings.training, self._sandbox()
        trust = self._trust(sandbox)
        unfit = self.settings.sandbox.require and trust is not Trust.SEALED
        return HostFacts(
            hardware(training.device, training.threads, sandbox.access.variables),
            trust,
            has_corpus=corpora.find(data_home(), self.corpus) is not None,
            fault=NOT_SEALED if unfit else "",
        )

    def open(self, checkout: Checkout, stop: Callable[[], bool], study: str) -> Host:
        """Return the host; see `HostPlan`.

        Raises:
            CorpusError: the corpus is not here, or damaged.
            ProjectError: there is no private folder for trials.
        """
        sandbox, corpus = self._sandbox(), self._corpus()
        room = self.settings.checkpoint_bytes
        place = place_here(sandbox, checkout, stop, study, self._trust(sandbox), room)
        return TextTask(corpus, self.settings).host(place)

    def _sandbox(self) -> Sandbox:
        return sandbox_here(self.settings.training.device, (data_home(),))

    def _trust(self, sandbox: Sandbox) -> Trust:
        return Trust.UNSEALED if self.lies_open else sandbox.trust

    def _corpus(self) -> Corpus:
        found = corpora.find(data_home(), self.corpus)
        if found is None:
            msg = f"there is no corpus {self.corpus[:12]} below {data_home()}"
            raise CorpusError(msg)
        corpora.verify_changed(found, lambda _told: None)
        return found


def for_hosts(settings: Settings) -> Settings:
    """Return what machines must know of a project's settings; the other sections stay here."""
    return Settings(
        target=settings.target,
        training=settings.training,
        evaluation=settings.evaluation,
        sandbox=settings.sandbox,
        metric=settings.metric,
        data=settings.data,
    )


def sandbox_here(device: str, hidden: tuple[Path, ...]) -> Sandbox:
    """Return what trials run in on this machine, which reach a device and see no hidden folder."""
    return sandboxes.examine(os.environ, hidden, access(device, os.environ)).sandbox


def place_here(
    sandbox: Sandbox,
    checkout: Checkout,
    stop: Callable[[], bool],
    study: str,
    trust: Trust,
    room: int,
) -> Place:
    """Return where trials run on this machine, in a new private folder; see `HostPlan.open`.

    Raises:
        ProjectError: there is no such folder to be had.
    """
    work = private_work()
    compiled = CompileCache(data_home() / "compiled" / study)
    keep = CheckpointStore(work / "checkpoints", room).put
    return Place(sandbox, checkout, work, compiled, keep, trust, stop)


def private_work() -> Path:
    """Make and return a folder for this process's trials; those of dead processes are removed.

    A file in it is locked for as long as this process lives. That hangs on no clock, and on no
    number of a process, which may be another's in another container.

    Raises:
        ProjectError: nobody else may reach into it, and somebody could; or it cannot be made.
    """
    shared = Path(tempfile.gettempdir()) / f"autoresearch-{os.getuid()}"
    make_private(shared)
    try:
        turn = _lock(shared, fcntl.LOCK_EX)  # nobody looks at one that is made and not locked yet
        try:
            for old in shared.glob("host-*"):
                with suppress(BlockingIOError, FileNotFoundError):  # in use, or gone meanwhile
                    left = _lock(old)
                    remove(old)
                    os.close(left)
            own = Path(tempfile.mkdtemp(prefix="host-", dir=shared))
            _lock(own)
        finally:
            os.close(turn)
    except OSError as fault:
        msg = f"cannot make a folder for trials in {shared}: {fault.strerror}"
        raise ProjectError(msg) from None
    return own


def _lock(folder: Path, how: int = fcntl.LOCK_EX | fcntl.LOCK_NB) -> int:
    """Lock a folder until what is returned is closed, by whatever end of this process.

    Raises:
        BlockingIOError: another process has locked it.
        OSError: it cannot be locked at all.
    """
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(descriptor, how)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor
