"""`autoresearch promote`."""

from collections.abc import Iterable

import typer

from autoresearch.config import find_project, scrub_git_environment
from autoresearch.gitrepo import GitRepo
from autoresearch.promotion import Promotable, Promotion
from autoresearch.promotion import promote as cherry_pick
from autoresearch.records.comparing import warning
from autoresearch.records.text import safe_line
from autoresearch.registry import Registry


def promote(numbers: tuple[int, ...], *, onto: str | None, dry_run: bool, force: bool) -> None:
    """Cherry-pick experiments onto a branch of the person's and say what came of it."""
    scrub_git_environment()
    project = find_project()
    registry = Registry.open(project.registry)
    repo = GitRepo.open(project.root)
    warn_of_incomparable(registry, numbers)
    chosen = [_promotable(registry, number) for number in dict.fromkeys(numbers)]
    _say(cherry_pick(repo, chosen, onto=onto, dry_run=dry_run, force=force))


def warn_of_incomparable(registry: Registry, numbers: Iterable[int]) -> None:
    """Say so where the scores of experiments will stand side by side and cannot be compared."""
    rows = map(registry.experiment, numbers)
    if said := warning(registry.study_of(row).comparability for row in rows):
        typer.echo(f"warning: {safe_line(said, 400)}", err=True)


def _promotable(registry: Registry, number: int) -> Promotable:
    row = registry.experiment(number)
    return Promotable(
        id=number,
        sha=row.commit_sha,
        study=registry.study_of(row).tag,
        verdict=row.verdict,
        hypothesis=row.hypothesis,
        val_bpb=row.val_bpb,
        delta=row.delta,
    )


def _say(done: Promotion) -> None:
    verb = "would become" if done.dry_run else "is now"
    for each in done.commits:
        typer.echo(f"experiment {each.id} {verb} {each.sha[:7]} on {done.branch}: {each.subject}")
    for number in done.already:
        typer.echo(f"experiment {number} is on {done.branch} already")
    if done.commits and not done.dry_run:
        typer.echo(f"{done.branch}: {done.old[:7]} → {done.new[:7]}")
