"""Whether a night would start: the commit's files, the study's refs, the program at toy size."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from autoresearch.config import Project
from autoresearch.doctor import trying
from autoresearch.doctor.finding import Finding, fault, ok, refusal, warning
from autoresearch.errors import CorpusError, GitError, ProjectError, RegistryError
from autoresearch.gitrepo import Gap, GitRepo, default_tag
from autoresearch.preflight import SmokeTest
from autoresearch.preflight.smoke_result import SIZELESS, SmokeOutcome, SmokeResult
from autoresearch.registry import Registry, RunLock
from autoresearch.runtime.smoke_faults import ACCELERATOR
from autoresearch.sandbox import Sandbox

_SHOWN = 8  # gaps, one by one
# Besides what fails the same at any size: what misses a file, or may not have it.
_CERTAIN = SIZELESS | {
    "SyntaxError", "FileNotFoundError", "IsADirectoryError", "NotADirectoryError",
    "PermissionError", "UnpicklingError", "SafetensorError",
}  # fmt: skip


def starts(
    project: Project, sandbox: Callable[[], Sandbox], opens: Callable[[], str] | None = None
) -> Iterator[Finding]:
    """Yield whether trials get all they need, refs can be written, and the program comes through.

    `opens` is that of the `Situation`.
    Nothing is looked at where git cannot be used (`repository` tells that), and beside a run at
    work only what does not disturb it.
    """
    try:
        repo = GitRepo.open(project.root)
        head = repo.head()
        entry = project.settings.target.entry
        files = repo.read_files(head, ("**",))
    except GitError:
        return
    gaps = repo.gaps(head, entry, project.settings.sandbox.readable)
    yield from _files(gaps)
    if _is_at_work(project):
        yield ok("start", "not tried: a run is at work")
        return
    refs = _refs(project, repo)
    yield refs
    if opens is not None and not refs.mend:
        yield from _study(opens)
    if project.settings.target.command:
        yield trying.command(project, sandbox(), repo)
    elif entry in files:
        yield program(project, sandbox(), files, lambda to: repo.export(head, to), gaps)


def _files(gaps: Sequence[Gap]) -> Iterator[Finding]:
    if not gaps:
        yield ok("files", "a trial gets all that the program imports and reads")
    for gap in gaps[:_SHOWN]:
        yield warning("files", str(gap), gap.mend)
    if len(gaps) > _SHOWN:
        rest = ", ".join(gap.path for gap in gaps[_SHOWN:])
        yield warning("files", f"{len(gaps) - _SHOWN} more: {rest}", "as those above")


def _is_at_work(project: Project) -> bool:
    if not project.registry.exists():
        return False
    try:
        with RunLock(project.lock):
            return False
    except RegistryError:
        return True


def _refs(project: Project, repo: GitRepo) -> Finding:
    tag, last = default_tag(datetime.now(UTC)), 0
    with suppress(RegistryError):  # told in the project's chapter
        if project.registry.exists():
            with closing(Registry.look(project.registry)) as registry:
                last, study = registry.newest(), registry.study()
                tag = study.tag if study else tag
    try:
        repo.require_clear(tag, last)
        repo.require_unused(f"autoresearch/{tag}")
    except GitError as error:
        return refusal("refs", error)
    return ok("refs", f"autoresearch/{tag} and its experiments' refs can be written")


def _study(opens: Callable[[], str]) -> Iterator[Finding]:
    try:
        tag = opens()
    except CorpusError:  # told in the project's chapter
        return
    except (GitError, ProjectError) as error:
        yield refusal("study", error)
    else:
        yield ok("study", f"`run` works on {tag}")


def program(
    project: Project,
    sandbox: Sandbox,
    files: Mapping[str, str],
    export: Callable[[Path], None],
    gaps: Sequence[Gap],
) -> Finding:
    """Return whether the unchanged program imports, trains and loads, at toy size on the CPU.

    Args:
        project: whose settings count.
        sandbox: how trials are confined.
        files: the commit's texts, path to text.
        export: writes all the commit holds into a folder.
        gaps: what trials of it lack; where there are any, they are taken for the reason.
    """
    project.make_work()
    settings = project.settings
    steps = max(settings.preflight.steps, 1)
    settings = replace(settings, preflight=replace(settings.preflight, steps=steps))
    smoke_test = SmokeTest(settings, sandbox=sandbox, work=project.work, furnish=export)
    return _told(settings.target.entry, smoke_test.verdict(files), gaps)


def _told(entry: str, found: SmokeResult, gaps: Sequence[Gap]) -> Finding:
    if found.outcome is SmokeOutcome.PASSED:
        said = f"{entry} imports, trains and loads at toy size, in {found.seconds:.1f} s"
        return ok("entry", said)
    if found.kind == ACCELERATOR:
        return ok("entry", f"{entry} needs its accelerator: not tried to the end on the CPU")
    if found.outcome is SmokeOutcome.FAULT and (gaps or found.kind in _CERTAIN):
        lacks = "".join(f"; {gap}" for gap in gaps[:2])
        mend = gaps[0].mend if gaps else "mend it and commit: `run` would end with its baseline"
        return fault("entry", f"{entry}: {found.reason}{lacks}", mend)
    return warning("entry", found.doubt, "see [preflight]: toy values may not fit this program")
