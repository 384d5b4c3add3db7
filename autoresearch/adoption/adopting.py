"""`init --adopt`: a repository of the person's becomes a project; none of its files changes."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from autoresearch.adoption.finding import Sources, find
from autoresearch.adoption.history import TAG, History, find_history, import_history
from autoresearch.adoption.surroundings import Machine
from autoresearch.adoption.values import Found, Wishes
from autoresearch.adoption.writing import settings_text
from autoresearch.config import Project, Settings, load_settings
from autoresearch.config.project import SETTINGS_FILE, STATE_DIRECTORY
from autoresearch.errors import ProjectError
from autoresearch.gitrepo import GitRepo, committed, exclude, unignored
from autoresearch.patching.interface import printed
from autoresearch.process import put_new
from autoresearch.registry import Registry

AGENTS_FILE = "AGENTS.md"
_PROGRAM = "program.md"
_GAPS = 3  # of files that a trial will lack, told one by one


@dataclass(frozen=True)
class Adopted:
    """What `init --adopt` found and made, or would make.

    `excluded` are the paths that git was told to ignore in this clone; `agents` whether AGENTS.md
    was written; `history` the earlier results that were imported; `notes` lines for the person.
    """

    root: Path
    text: str
    found: Found
    excluded: tuple[str, ...]
    agents: bool
    history: History | None
    notes: tuple[str, ...]


def adopt(
    root: Path,
    wishes: Wishes,
    *,
    agents: str,
    machine: Machine | None = None,
    dry_run: bool = False,
) -> Adopted:
    """Make a project of a repository: its settings, its state folder, its earlier results.

    Args:
        root: a folder of a git repository, with at least one commit.
        wishes: what need not be looked for.
        agents: the text of AGENTS.md, which is written where there is none.
        machine: which machine it is for; None: this one.
        dry_run: change nothing.

    Raises:
        GitError: no repository, no commit, or git cannot be used.
        ProjectError: it is a project already, something cannot be found, or cannot be written.
        UsageFault: what was said makes no sense.
    """
    repo = GitRepo.open(root)
    head = repo.head()
    settings_file = root / SETTINGS_FILE
    if os.path.lexists(settings_file):
        msg = f"{settings_file} is there already: this is a project; `autoresearch doctor` looks"
        raise ProjectError(msg)
    sources = Sources(root, committed(root, head), repo.read_files(head, ("**/*.py",)))
    machine = machine or Machine()
    found = find(sources, wishes, machine)
    _refuse_dirty(repo, found)
    text = settings_text(found)
    project = Project(root, _checked(text))
    history = find_history(root, found)
    notes = [*_notes(sources, found, machine), *_gaps(repo, head, found)]
    writes_agents = not os.path.lexists(root / AGENTS_FILE)
    made = (SETTINGS_FILE, f"{STATE_DIRECTORY}/", *([AGENTS_FILE] if writes_agents else []))
    seen = unignored(root, made)
    if not dry_run:
        exclude(root, seen)
        notes += _keep(project, repo, history, found)
        if writes_agents:
            _publish(project, root / AGENTS_FILE, agents)
        # The last: while it is missing all of this can be done again.
        _publish(project, settings_file, text)
    return Adopted(root, text, found, seen, writes_agents, history, tuple(notes))


def _refuse_dirty(repo: GitRepo, found: Found) -> None:
    if repo.is_dirty(found.editable):
        msg = (
            f"{', '.join(found.editable)}: there are uncommitted changes; commit them first, a "
            "study starts from a commit"
        )
        raise ProjectError(msg)


def _checked(text: str) -> Settings:
    """Return the settings that a text says, as `run` will read them."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / SETTINGS_FILE
        _write(path, text)
        return load_settings(path)


def _keep(project: Project, repo: GitRepo, history: History | None, found: Found) -> list[str]:
    """Make the state folder, put the earlier results into it; return what was left as it was."""
    project.make_state()
    if history is None:
        return []
    with closing(Registry.open(project.registry, create=True)) as registry:
        if registry.study(TAG):
            return [f"study {TAG} is in the registry already, and stays as it is"]
        import_history(registry, repo, history, found)
    return []


def _notes(sources: Sources, found: Found, machine: Machine) -> Iterator[str]:
    """Yield what the person should know of what was found."""
    if found.command.startswith("uv ") and machine.which("uv") is None:
        yield "uv is not on PATH: install it, or give --command"
    prints = any(found.metric in printed(text) for text in sources.python.values())
    if not (found.evaluator or found.file or prints):
        yield f"no source here prints a line `{found.metric}: value`: the first trial will tell"
    if not found.seed:
        yield "it takes no seed: trials repeat by chance alone, and pairs tell less (--seed)"
    for place in found.readable:
        if place.startswith("~/.cache/") and not machine.has(place):
            yield f"{place} is not there yet: prepare the data, and train once by hand"
    if _PROGRAM not in sources.names:
        yield f"no {_PROGRAM}: write what you are after and commit it, proposers are told it"


def _gaps(repo: GitRepo, head: str, found: Found) -> Iterator[str]:
    """Yield what trials will lack of what the checkout has, and cannot read all the same."""
    gaps = repo.gaps(head, found.entry, found.readable)
    yield from (f"{gap}: {gap.mend}" for gap in gaps[:_GAPS])
    if len(gaps) > _GAPS:
        yield f"{len(gaps) - _GAPS} more files that a trial lacks: `autoresearch doctor` names them"


def _publish(project: Project, path: Path, text: str) -> None:
    """Write a new file whole or not at all; one that came meanwhile is never overwritten.

    Half of one would be taken for the person's own by the next try.
    """
    draft = project.state / f"{path.name}.part"
    draft.unlink(missing_ok=True)  # a killed try's
    _write(draft, text)
    try:
        put_new(draft, path)
    except OSError as fault:
        msg = f"cannot write {path}: {fault.strerror}"
        raise ProjectError(msg) from None


def _write(path: Path, text: str) -> None:
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except UnicodeEncodeError:
        msg = "an option holds bytes that are no UTF-8: type it anew"
        raise ProjectError(msg) from None
    except OSError as fault:
        msg = f"cannot write {path}: {fault.strerror}"
        raise ProjectError(msg) from None
