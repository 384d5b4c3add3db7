"""`autoresearch status`."""

import sys
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TypeVar

from autoresearch.commands.output import stdout
from autoresearch.config import Project, find_project, parse_duration
from autoresearch.errors import ProjectError, RegistryError, UsageFault
from autoresearch.records.tables import Study
from autoresearch.records.values import Category
from autoresearch.registry import Registry, RunNote, changed_at, run_at_work
from autoresearch.report import StudyReport, study_report
from autoresearch.report.selection import Order, Selection
from autoresearch.report.tariff import tariff

Word = TypeVar("Word", bound=StrEnum)


@dataclass(frozen=True)
class Chosen:
    """Which experiments, as typed."""

    everything: bool = False
    kept: bool = False
    last: int | None = None
    proposer: str | None = None
    category: str | None = None
    since: str | None = None
    sort: str | None = None

    @property
    def anything(self) -> bool:
        """Whether any of it was typed."""
        return self != Chosen()


@dataclass(frozen=True)
class StatusOptions:
    """The options as typed; see `autoresearch status --help`."""

    experiment: int | None
    tag: str | None
    chosen: Chosen
    log: bool
    watch: bool
    as_json: bool
    as_tsv: bool


def status(options: StatusOptions) -> None:
    """Show a study, or one experiment in full."""
    if sum([options.as_json, options.as_tsv, options.watch]) > 1:
        msg = "--json, --tsv and --watch exclude each other"
        raise UsageFault(msg)
    project = find_project()
    if options.experiment is not None:
        _show_one(project, options.experiment, options)
    elif options.log:
        msg = "--log needs an experiment: `autoresearch status ID --log`"
        raise UsageFault(msg)
    elif options.watch:
        _watch(project, options)
    else:
        _show_study(project, options)


def chosen_study(registry: Registry, tag: str | None) -> Study:
    """Return the study with this tag, or the latest.

    Raises:
        RegistryError: there is none.
    """
    study = registry.study(tag)
    if study is None:
        raise RegistryError(_none(tag, [each.tag for each in registry.studies()]))
    return study


def _none(tag: str | None, known: Sequence[str]) -> str:
    if not known:
        return "no study yet: `autoresearch run`"
    if tag is not None:
        return f"no study {tag!r}: they are {', '.join(known)}"
    return f"no study was run yet: `autoresearch run`, or --tag {known[-1]} for what came with it"


def read_report(registry: Registry, study: Study, project: Project, *, whole: bool) -> StudyReport:
    """Return a study's report, with the price of the card that it was last trained on."""
    hardware = registry.newest_hardware(study)
    prices = tariff(project.settings.money, study, hardware.name if hardware else None)
    return study_report(registry, study, prices, whole=whole)


def _show_study(project: Project, options: StatusOptions) -> None:
    chosen, run = _selection(options.chosen, datetime.now(UTC)), _run(project)
    everything = replace(chosen, most=None)
    with closing(Registry.look(project.registry)) as registry:
        study = chosen_study(registry, options.tag)
        report = read_report(registry, study, project, whole=False)
        if options.as_json:
            asked = everything if options.chosen.anything else None
            _show_json(registry, study, report, asked, run)
            return
    if options.as_tsv:
        from autoresearch.render.tsv import write_tsv  # noqa: PLC0415 - each form has its own

        write_tsv(everything.of(report.experiments), report.study.metric, sys.stdout)
    else:
        from autoresearch.render.status import status as table  # noqa: PLC0415 - the same

        table(report, stdout(), chosen=chosen, run=run, log=project.log)


def _show_json(
    registry: Registry,
    study: Study,
    report: StudyReport,
    chosen: Selection | None,
    run: RunNote | None,
) -> None:
    from autoresearch.render.machine import write_study_json  # noqa: PLC0415 - each form has its own
    from autoresearch.report.rows import StudyRows  # noqa: PLC0415 - the same

    rows = StudyRows.of(registry, study)
    if chosen is not None:
        rows = rows.only([each.number for each in chosen.of(report.experiments)])
    write_study_json(report, rows, sys.stdout, run)


def _watch(project: Project, options: StatusOptions) -> None:
    from autoresearch.render.watching import Frame, watch  # noqa: PLC0415 - only it needs it

    def read() -> Frame:
        chosen = _selection(options.chosen, datetime.now(UTC))
        with closing(Registry.look(project.registry)) as registry:
            study = chosen_study(registry, options.tag)
            report = read_report(registry, study, project, whole=False)
        return Frame(report, chosen, _run(project), project.log)

    watch(read, lambda: changed_at(project.registry), stdout())


def _show_one(project: Project, number: int, options: StatusOptions) -> None:
    from autoresearch.render import experiment as view  # noqa: PLC0415 - only it needs it
    from autoresearch.render.machine import write_experiment_json  # noqa: PLC0415 - the same
    from autoresearch.report.full import experiment_in_full  # noqa: PLC0415 - the same

    if options.as_tsv or options.watch or options.tag is not None or options.chosen.anything:
        msg = "an experiment's number goes with --json and --log alone: leave it, or the rest, out"
        raise UsageFault(msg)
    if options.as_json and options.log:
        msg = "--json and --log exclude each other"
        raise UsageFault(msg)
    with closing(Registry.look(project.registry)) as registry:
        found = experiment_in_full(registry, number)
    if options.as_json:
        write_experiment_json(found, sys.stdout)
    elif options.log:
        view.log(found, stdout())
    else:
        view.experiment(found, stdout())


def _run(project: Project) -> RunNote | None:
    return run_at_work(project.control, project.lock)


def _selection(chosen: Chosen, now: datetime) -> Selection:
    """Return what was typed as a selection.

    Raises:
        UsageFault: it makes no sense.
    """
    if chosen.last is not None and chosen.last < 1:
        msg = f"--last {chosen.last}: must be above zero"
        raise UsageFault(msg)
    if chosen.everything and chosen.last is not None:
        msg = "--all and --last exclude each other"
        raise UsageFault(msg)
    selection = Selection(
        kept=chosen.kept,
        proposer=chosen.proposer or "",
        category=one_of(Category, "--category", chosen.category),
        since=None if chosen.since is None else _moment(chosen.since, now),
        last=chosen.last,
        order=one_of(Order, "--sort", chosen.sort) or Order.NUMBER,
    )
    return replace(selection, most=None) if chosen.everything else selection


def one_of(kind: type[Word], option: str, typed: str | None) -> Word | None:
    """Return the word of a kind that an option has, None where it was not given.

    Raises:
        UsageFault: there is no such word.
    """
    if typed is None:
        return None
    if typed not in list(kind):
        msg = f"{option} {typed}: it is one of {', '.join(kind)}"
        raise UsageFault(msg)
    return kind(typed)


def _moment(typed: str, now: datetime) -> datetime:
    """Return when "8h" ago was, or a date with or without a time, of this clock."""
    try:
        return now - timedelta(seconds=parse_duration(typed))
    except ProjectError:
        pass
    try:
        return datetime.fromisoformat(typed).astimezone()
    except ValueError:
        msg = f"--since {typed}: write how long ago, 8h or 30m, or when, 2026-11-23 or "
        raise UsageFault(f'{msg}"2026-11-23 22:00"') from None
