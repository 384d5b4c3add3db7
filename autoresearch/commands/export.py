"""`autoresearch export`."""

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


@dataclass(frozen=True)
class ExportOptions:
    """The options as typed; see `autoresearch export --help`."""

    path: Path
    table: str
    tag: str | None
    force: bool


def export(options: ExportOptions) -> None:
    """Write a table of a study into a file whose name says the form."""
    path, ending, table = options.path, options.path.suffix.lower(), _table(options.table)
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
