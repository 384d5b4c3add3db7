"""`autoresearch promote`."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import typer

from autoresearch.commands.evidence import Unscored, earn, examine
from autoresearch.commands.output import stdout
from autoresearch.commands.stations import require_devices, stations_for
from autoresearch.commands.status import chosen_study
from autoresearch.config import find_project, scrub_git_environment
from autoresearch.errors import AutoresearchError, GitError, RegistryError, UsageFault
from autoresearch.gitrepo import CommitOptions, GitRepo
from autoresearch.promotion import (
    Evidence,
    Promotable,
    Promotion,
    Shape,
    evidence_of,
    leave_manifest,
)
from autoresearch.promotion import promote as cherry_pick
from autoresearch.records.comparing import warning
from autoresearch.records.text import safe_line
from autoresearch.records.values import Standing, Verdict
from autoresearch.registry import Registry, refuse_imported
from autoresearch.render import promoting as view

PAIRS = 6


@dataclass(frozen=True)
class PromoteOptions:
    """The options as typed; see `autoresearch promote --help`."""

    experiments: tuple[int, ...]
    all_confirmed: bool
    tag: str | None
    onto: str | None
    dry_run: bool
    force: bool
    confirm: bool
    pairs: int | None
    commits: CommitOptions
    shape: Shape = Shape.COMMITS


def promote(options: PromoteOptions) -> None:
    """Cherry-pick confirmed experiments onto a branch of the person's, scored on test."""
    scrub_git_environment()
    pairs = _pairs(options)
    project = find_project()
    opened = Registry.look if options.dry_run else Registry.open
    registry, repo = opened(project.registry), GitRepo.open(project.root)
    numbers = _numbers(registry, options)
    ahead = _chosen(registry, numbers)
    for each in ahead:
        refuse_imported(each.study, "promote")
    if said := warning(each.study.comparability for each in ahead):
        typer.echo(f"warning: {safe_line(said, 400)}", err=True)
    if pairs:
        ahead = [each.hoped for each in ahead]
    pick = partial(cherry_pick, repo, onto=options.onto, force=options.force, shape=options.shape)
    # What git refuses is refused before anything is trained or scored.
    if options.dry_run:
        done = pick(ahead, dry_run=True)
        _show_evidence(registry, repo, numbers)
        _say(done)
        return
    pick(ahead, dry_run=True, commits=options.commits)
    if pairs:
        require_devices(project, stations_for(project))
        earn(project, numbers, pairs)
        pick(_chosen(registry, numbers), dry_run=True)
    _heed(examine(project, numbers), options)
    evidence = _show_evidence(registry, repo, numbers)
    done = pick(_chosen(registry, numbers), commits=options.commits)
    _say(done)
    try:
        told = leave_manifest(project, repo, done, evidence, registry.now())
    except (OSError, AutoresearchError) as fault:  # what was promoted stays so
        typer.echo(f"note: no manifest was left: {safe_line(str(fault), 300)}", err=True)
    else:
        typer.echo("\n".join([*told, f"Next: {_next_step(done)}"]))


def _show_evidence(registry: Registry, repo: GitRepo, numbers: Sequence[int]) -> list[Evidence]:
    """Say what stands behind each experiment, before anything is done with it."""
    found = [evidence_of(registry, repo, number) for number in numbers]
    for each in found:
        for line in view.lines(registry, each.study, each.row, each.pairs):
            stdout().print(line, highlight=False, soft_wrap=True)
    return found


def _pairs(options: PromoteOptions) -> int | None:
    if options.pairs is not None and not options.confirm:
        msg = "--pairs belongs to --confirm"
        raise UsageFault(msg)
    if options.pairs is not None and options.pairs < 1:
        msg = f"--pairs {options.pairs}: must be at least 1"
        raise UsageFault(msg)
    if options.confirm and options.dry_run:
        msg = "--dry-run trains nothing: leave --confirm out"
        raise UsageFault(msg)
    return (options.pairs or PAIRS) if options.confirm else None


def _numbers(registry: Registry, options: PromoteOptions) -> tuple[int, ...]:
    """Return the experiments that are named, or all that are confirmed in a study."""
    if bool(options.experiments) == options.all_confirmed:
        msg = "name experiments (`promote 7`), or --all-confirmed, and not both"
        raise UsageFault(msg)
    if options.tag is not None and not options.all_confirmed:
        msg = "--tag belongs to --all-confirmed: an experiment's number says its study"
        raise UsageFault(msg)
    if not options.all_confirmed:
        return tuple(dict.fromkeys(options.experiments))
    study = chosen_study(registry, options.tag)
    kept = registry.experiments(study, verdict=Verdict.KEEP)
    found = tuple(int(row.id or 0) for row in kept if row.standing is Standing.CONFIRMED)
    if not found:
        msg = (
            f"no experiment of study {study.tag} is confirmed yet: `autoresearch promote ID "
            "--confirm` trains further pairs of a keep"
        )
        raise RegistryError(msg)
    return found


def _chosen(registry: Registry, numbers: Sequence[int]) -> list[Promotable]:
    rows = map(registry.experiment, numbers)
    return [Promotable(row, registry.study_of(row)) for row in rows]


def _heed(unscored: Sequence[Unscored], options: PromoteOptions) -> None:
    """Tell why there is no score on test; stop where a rule was broken there."""
    breaches = [each.said for each in unscored if each.breach]
    if breaches and not options.force:
        msg = f"{'; '.join(breaches)}: --force promotes it all the same"
        raise GitError(msg)
    for note in (*breaches, *(each.said for each in unscored if not each.breach)):
        typer.echo(note, err=True)


def _say(done: Promotion) -> None:
    for each in done.commits:
        # The message, and so the name, may still gain a score on test.
        verb = "would become a commit" if done.dry_run else f"is now {each.sha[:7]}"
        base = f", on top of {each.base}" if each.base != each.branch else ""
        typer.echo(f"experiment {each.id} {verb} on {each.branch}{base}: {each.subject}")
    for number in done.already:
        typer.echo(f"experiment {number} is on {done.branch} already")
    if done.new != done.old and not done.dry_run:
        typer.echo(f"{done.branch}: {done.old[:7]} → {done.new[:7]}")
    for note in done.notes:
        typer.echo(f"note: {note}", err=True)


def _next_step(done: Promotion) -> str:
    if done.new == done.old:
        return shlex.join(["git", "push", "origin", *(each.branch for each in done.commits)])
    return f"git show {done.new[:7]}, and push {done.branch} when you are content"
