"""`autoresearch init`, from a template or with --adopt."""

import shlex
from dataclasses import fields
from pathlib import Path

import typer

from autoresearch.adoption import AGENTS_FILE, Adopted, Wishes, adopt, described
from autoresearch.config import scrub_git_environment
from autoresearch.config.project import SETTINGS_FILE
from autoresearch.errors import ProjectError, UsageFault
from autoresearch.scaffold import AUTO, TEMPLATES, agents_text, create_project


def init(path: Path, *, template: str, profile: str, merge: bool) -> None:
    """Make a project and say what comes next."""
    scrub_git_environment()
    made = create_project(path, template=template, profile=profile, merge=merge)
    typer.echo(f"Made a project in {made.root} (profile {made.profile}, commit {made.commit[:7]}).")
    if made.reason:
        typer.echo(f"Profile {made.profile}: {made.reason}.")
    if made.kept:
        typer.echo(f"Left as they were: {', '.join(made.kept)}.")
    typer.echo(f"Next: {_enter(path)}autoresearch prepare && autoresearch run")


def init_adopted(path: Path, wishes: Wishes, *, dry_run: bool) -> None:
    """Make a project of the repository at `path`, change none of its files, and say what comes.

    Raises:
        GitError: no repository, no commit, or git cannot be used.
        ProjectError: see `adopt`.
        UsageFault: what was said makes no sense together.
    """
    scrub_git_environment()
    if not path.is_dir():
        msg = f"{path} is no folder: --adopt is for a repository that is there"
        raise ProjectError(msg)
    made = adopt(path.resolve(), wishes, agents=agents_text(), dry_run=dry_run)
    if dry_run:
        typer.echo(f"Would write {made.root / SETTINGS_FILE}:\n\n{made.text}")
    _say_made(made, dry_run=dry_run)
    for line in described(made):
        typer.echo(line)
    if not dry_run:
        typer.echo(f"Next: {_enter(path)}autoresearch doctor && autoresearch run --hours 8")


def refuse_adopting(wishes: Wishes, *, dry_run: bool) -> None:
    """Return if none of the options is there that go with --adopt alone.

    Raises:
        UsageFault: one is.
    """
    given = [each.name for each in fields(wishes) if getattr(wishes, each.name)]
    given += ["dry-run"] if dry_run else []
    if given:
        msg = f"--{given[0]} goes with --adopt: a template has its own"
        raise UsageFault(msg)


def refuse_template(template: str, profile: str, *, merge: bool) -> None:
    """Return if none of the options is there that go with a template alone.

    Raises:
        UsageFault: one is.
    """
    given = {"template": template != TEMPLATES[0], "profile": profile != AUTO, "merge": merge}
    for name in (each for each, said in given.items() if said):
        msg = f"--{name} goes with a template: --adopt takes the project as it is"
        raise UsageFault(msg)


def _say_made(made: Adopted, *, dry_run: bool) -> None:
    verb, ignores = ("Would make", "would ignore") if dry_run else ("Made", "ignores")
    agents = AGENTS_FILE if made.agents else ""
    wrote = " and ".join(filter(None, (SETTINGS_FILE, agents)))
    typer.echo(f"{verb} a project of {made.root}: {wrote}; no file of yours changes.")
    if not made.agents:
        typer.echo(f"{AGENTS_FILE} is yours, and stays as it is.")
    if made.excluded:
        typer.echo(
            f"Git {ignores} {', '.join(made.excluded)} in this clone (.git/info/exclude); to share "
            f"the settings: git add --force {SETTINGS_FILE}"
        )


def _enter(path: Path) -> str:
    return "" if path == Path() else f"cd {shlex.quote(str(path))} && "
