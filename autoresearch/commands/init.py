"""`autoresearch init`."""

import shlex
from pathlib import Path

import typer

from autoresearch.config import scrub_git_environment
from autoresearch.scaffold import create_project


def init(path: Path, *, template: str, profile: str, merge: bool) -> None:
    """Make a project and say what comes next."""
    scrub_git_environment()
    made = create_project(path, template=template, profile=profile, merge=merge)
    typer.echo(f"Made a project in {made.root} (profile {made.profile}, commit {made.commit[:7]}).")
    if made.reason:
        typer.echo(f"Profile {made.profile}: {made.reason}.")
    if made.kept:
        typer.echo(f"Left as they were: {', '.join(made.kept)}.")
    enter = "" if path == Path() else f"cd {shlex.quote(str(path))} && "
    typer.echo(f"Next: {enter}autoresearch prepare && autoresearch run")
