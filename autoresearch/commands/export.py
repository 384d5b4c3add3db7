"""`autoresearch export`."""

import re
import shlex
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

import typer

from autoresearch.commands.status import chosen_study
from autoresearch.config import find_project
from autoresearch.errors import ProjectError, UsageFault
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
        _to_a_file(options)
    elif options.table is not None:
        msg = "--table is of a file: with --to a study goes whole; leave one of them out"
        raise UsageFault(msg)
    elif options.to == "tensorboard":
        _to_tensorboard(options)
    elif options.to == "mlflow":
        _to_mlflow(options)
    else:
        msg = f"--to {options.to}: it is tensorboard or mlflow"
        raise UsageFault(msg)


def _to_a_file(options: ExportOptions) -> None:
    """Write a table of a study into a file whose name says the form."""
    path, table = Path(options.place), _table(options.table or Table.EXPERIMENTS)
    ending = path.suffix.lower()
    if ending not in FORMS:
        msg = f"{path.name} names no form: let it end in {', '.join(FORMS)}"
        raise UsageFault(msg)
    if path.exists() and not options.force:
        msg = f"{path} is there already: --force writes over it"
        raise UsageFault(msg)
    with closing(Registry.look(find_project().registry)) as registry:
        study = chosen_study(registry, options.tag)
        data = rendered(registry, study, table, ending)
    _write(path, data)
    size = counted(len(data), "byte")
    typer.echo(f"The {table} of study {study.tag} are in {safe_line(str(path))}, {size}.")


def _to_tensorboard(options: ExportOptions) -> None:
    with closing(Registry.look(find_project().registry)) as registry:
        study = chosen_study(registry, options.tag)
        folder = Path(options.place) / re.sub(r"[^\w-]", "_", study.tag)
        count = tensorboard.write(folder, tracked_runs(registry, study), force=options.force)
    shown = safe_line(str(folder))
    typer.echo(f"{counted(count, 'experiment')} of study {study.tag} in {shown}.")
    typer.echo(f"Next: tensorboard --logdir {shlex.quote(options.place)}")


def _to_mlflow(options: ExportOptions) -> None:
    project = find_project()
    with closing(Registry.look(project.registry)) as registry:
        study = chosen_study(registry, options.tag)
        name = safe_line(f"autoresearch/{project.root.name}/{study.tag}")
        runs = tracked_runs(registry, study)
        count = mlflow.write(options.place, name, runs, force=options.force)
    typer.echo(f"{counted(count, 'experiment')} of study {study.tag} in MLflow's {name}.")


def _table(name: str) -> Table:
    if name not in list(Table):
        msg = f"--table {name}: it is one of {', '.join(Table)}"
        raise UsageFault(msg)
    return Table(name)


def _write(path: Path, data: bytes) -> None:
    """Write a file, whole or not at all."""
    part = path.with_name(f"{path.name}.part")
    try:
        part.write_bytes(data)
        part.replace(path)
    except OSError as fault:
        with suppress(OSError):
            part.unlink()
        msg = f"cannot write {path}: {fault.strerror}: name a folder that exists and has room"
        raise ProjectError(msg) from None
