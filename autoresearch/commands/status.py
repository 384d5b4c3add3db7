"""`autoresearch status`."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass

from autoresearch.commands.output import stdout
from autoresearch.config import Project, find_project
from autoresearch.devices import DeviceTree, names
from autoresearch.errors import RegistryError, UsageFault
from autoresearch.records.tables import Study
from autoresearch.registry import Registry, run_at_work
from autoresearch.render import at_work, machine, money, tsv
from autoresearch.render import experiment as one
from autoresearch.render.status import status as table

SHOWN = 30


@dataclass(frozen=True)
class StatusOptions:
    """The options as typed; see `autoresearch status --help`."""

    experiment: int | None
    tag: str | None
    everything: bool
    log: bool
    as_json: bool
    as_tsv: bool


def status(options: StatusOptions) -> None:
    """Show a study, or one experiment in full."""
    if options.as_json and options.as_tsv:
        msg = "--json and --tsv exclude each other"
        raise UsageFault(msg)
    project = find_project()
    registry = Registry.look(project.registry)
    if options.experiment is not None:
        _show_one(registry, options.experiment, options)
    elif options.log:
        msg = "--log needs an experiment: `autoresearch status ID --log`"
        raise UsageFault(msg)
    else:
        study = chosen_study(registry, options.tag)
        card = next(iter(names(DeviceTree())), None)
        tariff = money.tariff(project.settings.money, study, card)
        _show_study(registry, study, options, tariff, project)


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


def _show_study(
    registry: Registry,
    study: Study,
    options: StatusOptions,
    tariff: money.Tariff,
    project: Project,
) -> None:
    note = run_at_work(project.control, project.lock)
    if options.as_json:
        machine.write_study_json(registry, study, sys.stdout, tariff, at_work.plain(note))
    elif options.as_tsv:
        tsv.write_tsv(registry, study, sys.stdout)
    else:
        last = None if options.everything else SHOWN
        console = stdout()
        table(registry, study, console, last=last, tariff=tariff)
        for line in at_work.lines(note, registry.now(), project.log) if note else ():
            console.print(line, highlight=False, soft_wrap=True)


def _show_one(registry: Registry, number: int, options: StatusOptions) -> None:
    if options.as_tsv or options.tag is not None or options.everything:
        msg = "--tsv, --tag and --all are for a whole study: leave the experiment out"
        raise UsageFault(msg)
    if options.as_json and options.log:
        msg = "--json and --log exclude each other"
        raise UsageFault(msg)
    row = registry.experiment(number)
    study = registry.study_of(row)
    if options.as_json:
        machine.write_experiment_json(registry, study, row, sys.stdout)
    elif options.log:
        one.log(registry, row, stdout())
    else:
        one.experiment(registry, study, row, stdout())
