"""`autoresearch export`."""

import re
import shlex
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import typer

from autoresearch.commands.status import chosen_study, one_of
from autoresearch.config import Project, find_project
from autoresearch.corpus.files import write_safely
from autoresearch.errors import ProjectError, UsageFault
from autoresearch.records.tables import Study
from autoresearch.records.text import counted, safe_line
from autoresearch.registry import Registry
from autoresearch.render.export import FORMS, Table
from autoresearch.render.export import export as rendered
from autoresearch.render.tracking import mlflow, tensorboard, tracked_runs


@dataclass(frozen=True)
class ExportOptions:
    """The options as typed; see `autoresearch export --help`."""

    place: str
    table: str | None
    tag: str | None
    force: bool
    to: str | None = None


def export(options: ExportOptions) -> None:
    """Write a study for other programs: a table into a file, or runs to where `--to` says."""
    if options.to is None:
        _refuse_file(options)
    elif options.table is not None:
        msg = "--table is of a file: with --to a study goes whole; leave one of them out"
        raise UsageFault(msg)
    elif options.to not in _WRITERS:
        msg = f"--to {options.to}: it is tensorboard or mlflow"
        raise UsageFault(msg)
    write = _WRITERS[options.to] if options.to else _to_a_file
    project = find_project()
    with closing(Registry.look(project.registry)) as registry:
        study = chosen_study(registry, options.tag)
        typer.echo(write(options, project, registry, study))


def _refuse_file(options: ExportOptions) -> None:
    path = Path(options.place)
    one_of(Table, "--table", options.table or None)
    if path.suffix.lower() not in FORMS:
        msg = f"{path.name} names no form: let it end in {', '.join(FORMS)}"
        raise UsageFault(msg)
    if path.exists() and not options.force:
        msg = f"{path} is there already: --force writes over it"
        raise UsageFault(msg)


def _to_a_file(options: ExportOptions, _project: Project, registry: Registry, study: Study) -> str:
    """Write a table of a study into a file whose name says the form."""
    path, table = Path(options.place), Table(options.table or Table.EXPERIMENTS)
    data = rendered(registry, study, table, path.suffix.lower())
    try:
        write_safely(path, [data], 0o666)
    except OSError as fault:
        msg = f"cannot write {path}: {fault.strerror}: name a folder that exists and has room"
        raise ProjectError(msg) from None
    size = counted(len(data), "byte")
    return f"The {table} of study {study.tag} are in {safe_line(str(path))}, {size}."


def _to_tensorboard(
    options: ExportOptions, _project: Project, registry: Registry, study: Study
) -> str:
    folder = Path(options.place) / re.sub(r"[^\w-]", "_", study.tag)
    count = tensorboard.write(folder, tracked_runs(registry, study), force=options.force)
    return (
        f"{counted(count, 'experiment')} of study {study.tag} in {safe_line(str(folder))}.\n"
        f"Next: tensorboard --logdir {shlex.quote(options.place)}"
    )


def _to_mlflow(options: ExportOptions, project: Project, registry: Registry, study: Study) -> str:
    name = safe_line(f"autoresearch/{project.root.name}/{study.tag}")
    runs = tracked_runs(registry, study)
    count = mlflow.write(options.place, name, runs, force=options.force)
    return f"{counted(count, 'experiment')} of study {study.tag} in MLflow's {name}."


_WRITERS = {"tensorboard": _to_tensorboard, "mlflow": _to_mlflow}
