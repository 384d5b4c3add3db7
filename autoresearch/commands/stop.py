"""`autoresearch stop`, `pause` and `resume`."""

import typer

from autoresearch.config import find_project
from autoresearch.registry import Ask, send

_TOLD = {
    Ask.STOP: "it stops once what is at work has ended; `autoresearch stop --now` does not wait, "
    "`autoresearch status --watch` shows it",
    Ask.STOP_NOW: "it stops now, with everything saved",
    Ask.PAUSE: "what is at work ends, and nothing new begins until `autoresearch resume`; "
    "the clock of --hours goes on",
    Ask.RESUME: "it goes on",
}


def ask(what: Ask) -> None:
    """Ask something of the run at work in this project, and say what it will do."""
    project = find_project()
    note = send(project.control, project.lock, what)
    typer.echo(f"{note.who if note else 'the run'}: {_TOLD[what]}")
