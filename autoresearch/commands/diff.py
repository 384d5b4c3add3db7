"""`autoresearch diff`."""

import json
import sys
from dataclasses import dataclass

import typer

from autoresearch.commands.output import stdout
from autoresearch.commands.status import chosen_study
from autoresearch.config import find_project, scrub_git_environment
from autoresearch.errors import RegistryError, UsageFault
from autoresearch.gitrepo import Difference, GitRepo
from autoresearch.records.tables import Experiment
from autoresearch.registry import Registry
from autoresearch.render import diff as view
from autoresearch.render import words
from autoresearch.render.patch import code


@dataclass(frozen=True)
class DiffOptions:
    """The options as typed; see `autoresearch diff --help`."""

    first: int | None
    second: int | None = None
    baseline: bool = False
    tag: str | None = None
    stat: bool = False
    as_json: bool = False
    patch: bool = False


def diff(options: DiffOptions) -> None:
    """Compare two experiments: the code and its effect."""
    _require_sense(options)
    scrub_git_environment()
    project = find_project()
    registry = Registry.look(project.registry)
    before, after = _sides(registry, options)
    repo = GitRepo.open(project.root)
    _refuse_unknown(registry, repo, before, after)
    found = _difference(repo, before, after)
    if options.patch or options.stat:
        _show_code(_committed(found, before, after), options)
    elif options.as_json:
        _show_json(registry, before, after, found)
    else:
        changes = found.text.decode("utf-8", "backslashreplace") if found else after.change_text
        view.diff(registry, before, after, changes=changes, console=stdout())
        if not registry.study_of(after).is_imported and (promote := words.promoting(after)):
            typer.echo(f"Next: {promote}")


def _require_sense(options: DiffOptions) -> None:
    if options.baseline and options.second is not None:
        msg = "--baseline compares one experiment with the unchanged project: leave the second out"
        raise UsageFault(msg)
    if options.first is None and not options.baseline:
        msg = "name an experiment (`diff 7`), two (`diff 3 7`), or --baseline for all that was kept"
        raise UsageFault(msg)
    if options.tag is not None and (options.first is not None or not options.baseline):
        msg = "--tag belongs to --baseline alone: an experiment's number says its study"
        raise UsageFault(msg)
    if sum([options.stat, options.as_json, options.patch]) > 1:
        msg = "--stat, --json and --patch exclude each other"
        raise UsageFault(msg)


def _sides(registry: Registry, options: DiffOptions) -> tuple[Experiment, Experiment]:
    if options.baseline:
        if options.first is None:
            return view.since_baseline(registry, chosen_study(registry, options.tag))
        study = registry.study_of(registry.experiment(options.first))
        return view.since_baseline(registry, study, options.first)
    assert options.first is not None
    return view.sides(registry, options.first, options.second)


def _refuse_unknown(registry: Registry, repo: GitRepo, *rows: Experiment) -> None:
    """Return if there is a commit behind every experiment that was read from a file."""
    for row in rows:
        study = registry.study_of(row)
        if study.is_imported and (row.commit_sha is None or repo.resolve(row.commit_sha) is None):
            named = f"commit {row.commit_sha}, which is not here" if row.commit_sha else "no commit"
            msg = f"experiment {row.id} was read from {study.origin}, with {named}: "
            raise RegistryError(msg + "there is nothing to compare")


def _difference(repo: GitRepo, before: Experiment, after: Experiment) -> Difference | None:
    """Return how the code differs; None: nothing of it was committed, only what was written."""
    if after.commit_sha is None and after.parent_id == before.id:
        return None
    for row in (before, after):
        if row.commit_sha is None:
            msg = f"experiment {row.id} was refused before training: try `diff {row.id}` alone"
            raise RegistryError(msg)
    return repo.difference(str(before.commit_sha), str(after.commit_sha))


def _committed(found: Difference | None, before: Experiment, after: Experiment) -> Difference:
    if found is None:
        msg = (
            f"experiment {after.id} was refused before training, so no commit differs from "
            f"experiment {before.id}: `diff {after.id}` shows what was proposed"
        )
        raise RegistryError(msg)
    return found


def _show_code(found: Difference, options: DiffOptions) -> None:
    if options.stat:
        view.stat(found.files, stdout())
    elif sys.stdout.isatty():
        # As it stands it might steer the terminal.
        code(found.patch.decode("utf-8", "backslashreplace"), stdout())
        typer.echo("for `git apply` write it to a file: autoresearch diff … --patch > it", err=True)
    else:
        sys.stdout.flush()
        sys.stdout.buffer.write(found.patch)


def _show_json(
    registry: Registry, before: Experiment, after: Experiment, found: Difference | None
) -> None:
    files = found.files if found else ()
    patch: str | None = after.change_text
    if found:
        try:
            patch = found.patch.decode()
        except UnicodeDecodeError:
            patch = None
    told = view.plain(registry, before, after, files=files, patch=patch)
    typer.echo(json.dumps(told, indent=2, allow_nan=False))
