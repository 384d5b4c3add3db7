"""From `--proposer` options to seats in the rota."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import typer

from autoresearch.config import PROMPTS, Keys, Project, endpoints
from autoresearch.errors import ProposerError, UsageFault
from autoresearch.proposers import Means, build, specs
from autoresearch.proposers.building import Maker
from autoresearch.proposers.specs import Spec
from autoresearch.records.money import Ledger
from autoresearch.research.rota import Seat
from autoresearch.sandbox import Sandbox

Makers = Sequence[tuple[Spec, Maker]]


def chosen(options: Sequence[str], keys: Keys) -> list[Spec]:
    """Return the proposers named, or the one that this environment suggests.

    Raises:
        UsageFault: a spec names no proposer, or one is named twice.
    """
    if not options:
        found = specs.default(keys)
        why = "" if found else "no key is set, so "
        typer.echo(f"no --proposer given: {why}using {found or 'optuna'}", err=True)
        options = [found or "optuna"]
    try:
        parsed = [specs.parse(each) for each in options]
    except ProposerError as fault:
        raise UsageFault(str(fault)) from None
    names = [each.text for each in parsed]
    for name in names:
        if names.count(name) > 1:
            msg = f"--proposer {name} is given twice: write 2:{name} for a double share"
            raise UsageFault(msg)
    return parsed


def keys_of(project: Project) -> Keys:
    """Return the secrets of the environment that this project's proposers may need."""
    settings = project.settings
    return Keys.read(settings.llm.key_variable, *settings.command.environment)


def makers(parsed: Sequence[Spec], project: Project, keys: Keys, sandbox: Sandbox) -> Makers:
    """Return what makes each proposer once there is a ledger.

    Raises:
        ProposerError: one cannot work here.
    """
    means = Means(
        settings=project.settings,
        keys=keys,
        endpoints=endpoints(),
        environment=dict(os.environ),
        root=Path.cwd(),
        project=project.root,
        prompts=project.root / PROMPTS,
        work=project.work,
        sandbox=sandbox,
    )
    return [(spec, build(spec, means)) for spec in parsed]


def seats(made: Makers, ledger: Ledger, stop: Callable[[], bool]) -> list[Seat]:
    """Return the proposers with their shares of the turns; `stop` says when the run is to end."""
    return [Seat(make(ledger, stop), spec.weight) for spec, make in made]
