"""From `--proposer` options to participants in the schedule."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import typer

from autoresearch.config import PROMPTS, Keys, Project, endpoints
from autoresearch.errors import ProposerError, UsageFault
from autoresearch.proposers import ProposerContext, build, specs
from autoresearch.proposers.building import ProposerFactory
from autoresearch.proposers.specs import Spec
from autoresearch.records.money import Ledger
from autoresearch.research.schedule import Participant
from autoresearch.sandbox import Sandbox

Makers = Sequence[tuple[Spec, ProposerFactory]]


def chosen(options: Sequence[str], keys: Keys, control: str | None = None) -> list[Spec]:
    """Return the proposers named, or the one that this environment suggests, then the control.

    Args:
        options: every --proposer.
        keys: the secrets of the environment.
        control: --control, `SPEC:SHARE`.

    Raises:
        UsageFault: a spec names no proposer, one is named twice, or the control has no share.
    """
    try:
        rival = None if control is None else specs.control(control)
    except ProposerError as fault:
        msg = f"--control {fault}"
        raise UsageFault(msg) from None
    named = options or [_suggested(keys)]
    try:
        parsed = [specs.parse(each) for each in named]
    except ProposerError as fault:
        raise UsageFault(str(fault)) from None
    _refuse_twice([each.text for each in parsed])
    if rival is None:
        return parsed
    if rival.text in [each.text for each in parsed]:
        raise UsageFault(_same(rival.text, given=bool(options)))
    return [*parsed, rival]


def _suggested(keys: Keys) -> str:
    found = specs.default(keys)
    why = "" if found else "no key is set, so "
    typer.echo(f"no --proposer given: {why}using {found or 'optuna'}", err=True)
    return found or "optuna"


def _refuse_twice(names: Sequence[str]) -> None:
    for name in names:
        if names.count(name) > 1:
            msg = f"--proposer {name} is given twice: write 2:{name} for a double share"
            raise UsageFault(msg)


def _same(name: str, *, given: bool) -> str:
    """Say that a proposer would be compared with itself."""
    if given:
        return f"--control {name} is a --proposer as well: nothing is its own control; name another"
    other = "random" if name == "optuna" else "optuna"
    return (
        f"without --proposer this run would ask {name}, which is also the --control: "
        f"name another --proposer, or write --control {other}:SHARE"
    )


def keys_of(project: Project) -> Keys:
    """Return the secrets of the environment that this project's proposers may need."""
    settings = project.settings
    return Keys.read(settings.llm.key_variable, *settings.command.environment)


def makers(parsed: Sequence[Spec], project: Project, keys: Keys, sandbox: Sandbox) -> Makers:
    """Return what makes each proposer once there is a ledger.

    Raises:
        ProposerError: one cannot work here.
    """
    context = ProposerContext(
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
    return [(spec, build(spec, context)) for spec in parsed]


def participants(
    made: Makers, ledger: Ledger, stop: Callable[[], bool], tell: Callable[[str], None]
) -> list[Participant]:
    """Return the proposers with their shares of the turns.

    `stop` says when the run is to end; `tell` is given what the person should know.
    """
    return [
        Participant(
            make(ledger, stop, tell),
            spec.weight,
            spec.share,
            spec.at_once,
            ahead=not spec.is_series,
        )
        for spec, make in made
    ]
