"""`autoresearch doctor`."""

import json
import os
from collections.abc import Sequence
from contextlib import closing
from functools import partial
from pathlib import Path

import typer
from rich.console import Console
from rich.text import Text

from autoresearch.commands.output import stdout
from autoresearch.commands.proposers import keys_of
from autoresearch.commands.stations import sandbox_for, slot_chooser
from autoresearch.commands.tasks import task_of, trust_of
from autoresearch.config import (
    Keys,
    Project,
    data_home,
    endpoints,
    find_project,
    scrub_git_environment,
)
from autoresearch.doctor import Chapter, Level, Situation, diagnose, plain, worst
from autoresearch.errors import ExitCode, ProjectError
from autoresearch.gitrepo import GitRepo
from autoresearch.notify import Notification
from autoresearch.registry import Registry
from autoresearch.render import notifications
from autoresearch.research.study import require_openable

_STYLES = {Level.OK: "green", Level.WARNING: "yellow", Level.FAULT: "bold red"}


def doctor(proposers: Sequence[str], *, offline: bool, notify: bool, as_json: bool) -> None:
    """Name every fault of the set-up and its mend.

    Raises:
        typer.Exit: with 1, there is a fault.
    """
    scrub_git_environment()
    console, found = stdout(), list[Chapter]()
    for chapter in diagnose(_situation(proposers, offline=offline, notify=notify)):
        found.append(chapter)
        if not as_json:
            _show(console, chapter)
    if as_json:
        typer.echo(json.dumps(plain(found), indent=2))
    else:
        _conclude(console, found)
    if worst(found) is Level.FAULT:
        raise typer.Exit(ExitCode.FAULT)


def _situation(proposers: Sequence[str], *, offline: bool, notify: bool) -> Situation:
    project: Project | ProjectError
    try:
        project = find_project()
    except ProjectError as fault:
        project = fault
    return Situation(
        project=project,
        here=Path.cwd(),
        data=data_home(),
        keys=keys_of(project) if isinstance(project, Project) else Keys.read(),
        endpoints=endpoints(),
        environment=dict(os.environ),
        proposers=tuple(dict.fromkeys(proposers)),
        offline=offline,
        trial=_sample(project) if notify and not offline else None,
        opens=partial(_opens, project) if isinstance(project, Project) else None,
    )


def _sample(project: Project | ProjectError) -> Notification:
    root = project.root if isinstance(project, Project) else Path.cwd()
    return notifications.sample(notifications.Situation(root.name))


def _opens(project: Project) -> str:
    """Return the tag of the study that `run` would open; raise what it would; change nothing."""
    task = task_of(project)
    trust = trust_of(project, task, sandbox_for(project))
    repo, (slot,) = GitRepo.open(project.root), slot_chooser(project).slots(None)
    if not project.registry.exists():
        return require_openable(None, repo, project, task, trust, slot.hardware)
    with closing(Registry.look(project.registry)) as registry:
        return require_openable(registry, repo, project, task, trust, slot.hardware)


def _show(console: Console, chapter: Chapter) -> None:
    console.print(Text(chapter.title, style="bold"), soft_wrap=True)
    for each in chapter.findings:
        line = Text(f"  {each.level:8}", style=_STYLES[each.level])
        console.print(line.append(f" {each.subject:12} {each.said}", style="none"), soft_wrap=True)
        if each.mend:
            console.print(Text(f"{'':11}→ {each.mend}"), soft_wrap=True)


def _conclude(console: Console, found: list[Chapter]) -> None:
    levels = [finding.level for chapter in found for finding in chapter.findings]
    faults, warnings = levels.count(Level.FAULT), levels.count(Level.WARNING)
    said = f"{faults} to mend first" if faults else "ready to run"
    console.print(Text(f"{said}; warnings: {warnings}", style=_STYLES[worst(found)]))
    if not faults:
        console.print("Next: autoresearch run --hours 8", highlight=False)
