"""`autoresearch promote`."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import typer

from autoresearch import policy
from autoresearch.commands.evidence import Examination, earn, examine
from autoresearch.commands.manifest import leave_manifest
from autoresearch.commands.output import stdout
from autoresearch.commands.stations import require_devices, stations_for
from autoresearch.commands.status import chosen_study
from autoresearch.config import find_project, scrub_git_environment
from autoresearch.errors import GitError, RegistryError, UsageFault
from autoresearch.gitrepo import CommitOptions, GitRepo
from autoresearch.promotion import Evidence, Promotable, Promotion, Shape, evidence_of
from autoresearch.promotion import promote as cherry_pick
from autoresearch.records.comparing import warning
from autoresearch.records.text import safe_line
from autoresearch.records.values import Standing, Verdict
from autoresearch.registry import Registry, refuse_imported
from autoresearch.render import promoting as view

PAIRS = 6


@dataclass(frozen=True)
class Chosen:
    """Which experiments: by their numbers, or all that are confirmed in a study."""

    numbers: tuple[int, ...]
    all_confirmed: bool = False
    tag: str | None = None

    def of(self, registry: Registry) -> tuple[int, ...]:
        """Return their numbers.

        Raises:
            RegistryError: none is confirmed, or there is no such study.
            UsageFault: it is not clear which are meant.
        """
        if bool(self.numbers) == self.all_confirmed:
            msg = "name experiments (`promote 7`), or --all-confirmed, and not both"
            raise UsageFault(msg)
        if self.tag is not None and not self.all_confirmed:
            msg = "--tag belongs to --all-confirmed: an experiment's number says its study"
            raise UsageFault(msg)
        if not self.all_confirmed:
            return tuple(dict.fromkeys(self.numbers))
        study = chosen_study(registry, self.tag)
        kept = registry.experiments(study, verdict=Verdict.KEEP)
        found = [int(row.id or 0) for row in kept if row.standing is Standing.CONFIRMED]
        if not found:
            msg = (
                f"no experiment of study {study.tag} is confirmed yet: `autoresearch promote ID "
                "--confirm` trains further pairs of a keep"
            )
            raise RegistryError(msg)
        return tuple(found)


@dataclass(frozen=True)
class PromoteOptions:
    """The options as typed; see `autoresearch promote --help`."""

    chosen: Chosen
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
    numbers = options.chosen.of(registry)
    for number in numbers:
        refuse_imported(registry.study_of(registry.experiment(number)), "promote")
    warn_of_incomparable(registry, numbers)
    # What git refuses is refused before anything is trained or scored.
    ahead = _as_if_confirmed(_chosen(registry, numbers)) if pairs else _chosen(registry, numbers)
    if options.dry_run:
        done = _pick(repo, ahead, options, dry_run=True)
        _show_evidence(registry, repo, numbers)
        _say(done)
        return
    _pick(repo, ahead, options, dry_run=True, commits=options.commits)
    if pairs:
        require_devices(project, stations_for(project))
        earn(project, numbers, pairs)
        _pick(repo, _chosen(registry, numbers), options, dry_run=True)
    _heed(examine(project, numbers), options)
    evidence = _show_evidence(registry, repo, numbers)
    chosen = _chosen(registry, numbers)
    done = _pick(repo, chosen, options, dry_run=False, commits=options.commits)
    _say(done)
    leave_manifest(project, repo, done, evidence, registry.now())


def _show_evidence(registry: Registry, repo: GitRepo, numbers: Sequence[int]) -> list[Evidence]:
    """Say what stands behind each experiment, before anything is done with it."""
    found = [evidence_of(registry, repo, number) for number in numbers]
    for each in found:
        row = registry.experiment(each.experiment)
        pairs = [(pair.seed, pair.difference, pair.fresh) for pair in each.pairs]
        for line in view.lines(registry, registry.study_of(row), row, pairs):
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


def _pick(
    repo: GitRepo,
    chosen: Sequence[Promotable],
    options: PromoteOptions,
    *,
    dry_run: bool,
    commits: CommitOptions | None = None,
) -> Promotion:
    """Pick as the options say; with `commits`, the person's hooks have their say, too."""
    return cherry_pick(
        repo, chosen, onto=options.onto, dry_run=dry_run, force=options.force, commits=commits,
        shape=options.shape,
    )  # fmt: skip


def _chosen(registry: Registry, numbers: Sequence[int]) -> list[Promotable]:
    return [_promotable(registry, number) for number in numbers]


def warn_of_incomparable(registry: Registry, numbers: Iterable[int]) -> None:
    """Say so where the scores of experiments will stand side by side and cannot be compared."""
    rows = map(registry.experiment, numbers)
    if said := warning(registry.study_of(row).comparability for row in rows):
        typer.echo(f"warning: {safe_line(said, 400)}", err=True)


def _promotable(registry: Registry, number: int) -> Promotable:
    row = registry.experiment(number)
    study = registry.study_of(row)
    return Promotable(
        id=number,
        sha=row.commit_sha,
        study=study.tag,
        verdict=row.verdict,
        hypothesis=row.hypothesis,
        val_bpb=row.val_bpb,
        delta=row.delta,
        standing=row.standing,
        claim=row.claim,
        claim_pairs=row.claim_pairs,
        claim_reason=row.claim_reason,
        simpler=policy.kept_as_simpler(row.measured, row.delta),
        test_bpb=row.test_bpb,
        metric=study.metric,
    )


def _as_if_confirmed(chosen: Sequence[Promotable]) -> list[Promotable]:
    """Return the experiments with the keeps among them confirmed, as they may become."""
    return [
        replace(each, standing=Standing.CONFIRMED)
        if each.standing is None and each.verdict is Verdict.KEEP
        else each
        for each in chosen
    ]


def _heed(examined: Examination, options: PromoteOptions) -> None:
    """Tell why there is no score on test; stop where a rule was broken there."""
    if examined.breaches and not options.force:
        msg = f"{'; '.join(examined.breaches)}: --force promotes it all the same"
        raise GitError(msg)
    for note in (*examined.breaches, *examined.notes):
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
