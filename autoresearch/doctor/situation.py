"""Every check in order, each chapter as soon as it is known."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path

from autoresearch import sandbox as sandboxes
from autoresearch.config import PROMPTS, Keys, Project, Settings
from autoresearch.devices import Access, DeviceTree, access
from autoresearch.doctor import machine, openings, program, starting
from autoresearch.doctor import project as projects
from autoresearch.doctor.finding import Chapter, Finding, fault, ok, refusal
from autoresearch.doctor.notifications import notifications
from autoresearch.doctor.proposers import Bench, proposer
from autoresearch.errors import AutoresearchError, ProjectError, RegistryError
from autoresearch.notify import Notification
from autoresearch.process.cores import usable
from autoresearch.proposers import ProposerContext, specs
from autoresearch.records.money import Caps, Ledger
from autoresearch.registry import Registry
from autoresearch.sandbox import Detection
from autoresearch.workers.slots import SlotChooser


@dataclass(frozen=True)
class Situation:
    """What is looked at.

    `project` is the fault where there is none; `here` the folder one stands in; `proposers` are
    specs, none for what `run` would choose; `data` is where corpora lie; `offline`: no calls;
    `trial` is a notification to send;
    `opens` returns the tag of the study that `run` would open, or raises what `run` would; `tree`
    is where cards are looked for.
    """

    project: Project | ProjectError
    here: Path
    data: Path
    keys: Keys
    endpoints: Mapping[str, str]
    environment: Mapping[str, str]
    proposers: tuple[str, ...] = ()
    offline: bool = False
    trial: Notification | None = None
    opens: Callable[[], str] | None = None
    tree: DeviceTree = field(default_factory=DeviceTree)

    @property
    def found(self) -> Project | None:
        """The project, if there is one."""
        return self.project if isinstance(self.project, Project) else None

    @property
    def settings(self) -> Settings:
        """The project's settings, or the defaults."""
        return self.found.settings if self.found else Settings()

    @property
    def hidden(self) -> tuple[Path, ...]:
        """What no trial may see."""
        return self.found.hidden if self.found else (self.data,)

    @cached_property
    def detection(self) -> Detection:
        """What trials are confined in here."""
        return sandboxes.examine(self.environment, self.hidden, self.access)

    @cached_property
    def access(self) -> Access:
        """What lets a trial reach its device."""
        return access(self.settings.training.device, self.environment, self.tree)


def diagnose(situation: Situation) -> Iterator[Chapter]:
    """Yield the findings, a chapter at a time, without any key in them; no file is changed."""
    return (chapter.shown(situation.keys.redact) for chapter in _chapters(situation))


def _chapters(at: Situation) -> Iterator[Chapter]:
    yield _chapter("machine", lambda: _machine(at))
    if isinstance(at.project, ProjectError):
        yield Chapter("project", (_no_project(at.project),))
    else:
        project = at.project
        yield _chapter("project", lambda: _project(project))
        yield _chapter(
            "start", lambda: starting.starts(project, lambda: at.detection.sandbox, at.opens)
        )
        yield _chapter("program.md", lambda: _program(project))
        urls = project.settings.notify.urls
        if urls or at.trial:
            yield _chapter("notify", lambda: notifications(urls, at.environment, at.trial))
    for spec in at.proposers:
        yield _chapter(f"proposer {spec}", partial(_proposer, spec, at))
    if not at.proposers:
        spec = specs.default(at.keys) or "optuna"
        yield _chapter(f"proposer {spec}, as run chooses", partial(_proposer, spec, at))


def _chapter(title: str, look: Callable[[], Iterable[Finding]]) -> Chapter:
    """Return what a look finds; what stops it is a finding too."""
    found: list[Finding] = []
    try:
        found += look()
    except AutoresearchError as error:
        found.append(refusal(title, error))
    except OSError as error:
        what = f"{error.filename or title}: {error.strerror or error}"
        found.append(fault(title, what, "see that it is there and can be read and written"))
    return Chapter(title, tuple(found))


def _machine(at: Situation) -> Iterator[Finding]:
    training = at.settings.training
    found = at.detection
    yield machine.python()
    yield from machine.device(training.device, found.sandbox)
    yield from machine.slots(
        SlotChooser(training.device, training.threads, at.environment, at.tree, usable())
    )
    yield machine.memory(training.memory_gib)
    work = machine.temporary(at.found, at.environment)
    yield work
    if not work.mend:
        yield machine.disk("work disk", Path(work.said))
    yield machine.disk("corpus disk", at.data)
    yield machine.sandbox(found, required=at.settings.sandbox.require)
    if at.found is not None:
        yield from openings.openings(at.found, found.sandbox)


def _no_project(error: ProjectError) -> Finding:
    if "in no autoresearch project" in str(error):
        return refusal("project", error)
    return refusal("settings", error, "mend that in autoresearch.toml")


def _project(project: Project) -> Iterator[Finding]:
    training = project.settings.training
    yield ok("project", str(project.root))
    yield ok(
        "settings", f"profile {training.profile}, {training.budget} of {training.clock} a trial"
    )
    yield from projects.repository(project)
    yield from projects.corpus(project)
    yield from projects.registry(project)
    yield projects.checkpoints(project)
    yield machine.disk("disk", project.root)


def _program(project: Project) -> tuple[Finding, ...]:
    path = project.root / program.SUBJECT
    if not path.is_file():
        mend = "write what to lower and what to try: docs/program.md has an example"
        return (fault(program.SUBJECT, "is not there", mend),)
    text = path.read_text("utf-8", "replace")
    editable = projects.globs(project)
    return program.program(text, editable=editable, fixed=projects.fixed_files(project))


def _proposer(spec: str, at: Situation) -> Iterator[Finding]:
    with _ledger(at.found) as ledger:
        yield from proposer(spec, _bench(at, ledger))


def _bench(at: Situation, ledger: Ledger | None) -> Bench:
    root = at.found.root if at.found else at.here
    context = ProposerContext(
        settings=at.settings,
        keys=at.keys,
        endpoints=at.endpoints,
        environment=at.environment,
        root=at.here,
        project=root,
        prompts=root / PROMPTS,
        work=at.found.work if at.found else at.here,
        sandbox=sandboxes.detect(at.environment),
    )
    source = ""
    with suppress(OSError, UnicodeDecodeError):
        source = (root / at.settings.target.entry).read_text("utf-8")
    return Bench(context, at.offline, ledger, source)


@contextmanager
def _ledger(project: Project | None) -> Iterator[Ledger | None]:
    """The ledger of the latest study, where there is one; an older registry's stays as it is."""
    with ExitStack() as held:
        ledger = None
        with suppress(RegistryError):  # told in the project's chapter
            if project is not None and project.registry.exists():
                registry = held.enter_context(closing(Registry.look(project.registry)))
                study, money = registry.study(), project.settings.money
                caps = Caps(study=money.study_usd, call=money.call_usd)
                ledger = None if study is None else registry.ledger(study, caps)
        yield ledger
