"""Builds the proposer that a spec names, in two steps.

All that can be wrong with a spec is found before a study is opened for it; the proposer itself
needs the study's ledger.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from autoresearch.config import Keys, Settings
from autoresearch.errors import ProposerError
from autoresearch.process import Confined
from autoresearch.proposers import specs
from autoresearch.proposers.base import Proposer
from autoresearch.proposers.specs import Spec
from autoresearch.records.money import Ledger
from autoresearch.sandbox import Sandbox

if TYPE_CHECKING:
    from autoresearch.proposers.programs import Confine
    from autoresearch.proposers.prompting import Prompting

Stop = Callable[[], bool]
Tell = Callable[[str], None]
ProposerFactory = Callable[[Ledger, Stop, Tell], Proposer]


@dataclass(frozen=True)
class ProposerContext:
    """What proposers are built from.

    `root` is what a relative patches:DIR is relative to; `project` the person's checkout and
    `prompts` its folder of own templates; `work` where throw-away folders may be made; `endpoints`
    are base URLs by provider that are not the official ones; `environment` is the person's own,
    for commands; `sandbox` what they run in.
    """

    settings: Settings
    keys: Keys
    endpoints: Mapping[str, str]
    environment: Mapping[str, str]
    root: Path
    project: Path
    prompts: Path
    work: Path
    sandbox: Sandbox


def build(spec: Spec, context: ProposerContext) -> ProposerFactory:
    """Return a function that makes the proposer that a spec names, once there is a ledger.

    It takes the ledger, a function that says whether the run is to stop (for proposers that can end
    early), and one that is called with lines for the person.

    Raises:
        ProposerError: it cannot work here: a key is not set, a program or folder is not there.
    """
    # Imported when needed: optuna and the SDKs take a second to load.
    if spec.kind == "optuna":
        from autoresearch.proposers.optuna import OptunaProposer  # noqa: PLC0415

        return lambda _ledger, _stop, _tell: OptunaProposer()
    if spec.kind == "random":
        from autoresearch.proposers.random_search import RandomProposer  # noqa: PLC0415

        return lambda _ledger, _stop, _tell: RandomProposer()
    if spec.kind == "patches":
        from autoresearch.proposers.patches import PatchesProposer  # noqa: PLC0415

        patches = PatchesProposer(spec.text, context.root / _expanded(spec))
        return lambda _ledger, _stop, _tell: patches
    return _command(spec, context) if spec.kind == "command" else _llm(spec, context)


def _llm(spec: Spec, context: ProposerContext) -> ProposerFactory:
    from autoresearch.proposers.llm import LlmProposer  # noqa: PLC0415
    from autoresearch.proposers.metered import MeteredModel  # noqa: PLC0415

    settings, redact = context.settings, context.keys.redact
    priced = specs.model(
        spec,
        llm=settings.llm,
        prices=settings.prices,
        keys=context.keys,
        endpoints=context.endpoints,
    )
    prompting = _prompting(spec, context)

    def make(ledger: Ledger, _stop: Stop, tell: Tell) -> Proposer:
        model = MeteredModel(spec.text, priced, ledger=ledger, redact=redact, tell=tell)
        return LlmProposer(spec.text, model, prompting, settings.llm)

    return make


def _command(spec: Spec, context: ProposerContext) -> ProposerFactory:
    from autoresearch.proposers.command import CommandProposer  # noqa: PLC0415
    from autoresearch.proposers.programs import (  # noqa: PLC0415
        find_program,
        refuse_hidden,
        unconfined,
    )

    settings, prompting, redact = context.settings, _prompting(spec, context), context.keys.redact
    argv = find_program(spec.argument, context.environment)
    confine = _confinement(context, argv[0]) if settings.command.sandbox else unconfined
    if settings.command.sandbox:
        refuse_hidden(spec.argument, argv, context.environment, confine)

    def make(ledger: Ledger, stop: Stop, _tell: Tell) -> Proposer:
        return CommandProposer(
            redact(spec.text),
            argv,
            settings=settings.command,
            write=prompting.text,
            explain=prompting.reason,
            ledger=ledger,
            limits=settings.limits(),
            work=context.work,
            environment=context.environment,
            redact=redact,
            confine=confine,
            stop=stop,
        )

    return make


def _confinement(context: ProposerContext, program: str) -> "Confine":
    """Return a function that puts a command into the sandbox, with its home and the network."""
    shown = (context.project, Path(program), Path(program).resolve().parent)
    home = Path(context.environment.get("HOME") or "/nonexistent")

    def confine(argv: Sequence[str], folder: Path) -> Sequence[str] | Confined:
        return context.sandbox.command(
            argv, readable=shown, writable=(home, folder), limits=context.settings.limits(),
            network=True,
        )  # fmt: skip

    return confine


def _prompting(spec: Spec, context: ProposerContext) -> "Prompting":
    from autoresearch.proposers.prompting import Prompting  # noqa: PLC0415

    return Prompting(context.settings.llm, folder=context.prompts, proposer=spec.text)


def _expanded(spec: Spec) -> Path:
    try:
        return Path(spec.argument).expanduser()
    except RuntimeError as fault:
        msg = f"{spec.text}: {fault}"
        raise ProposerError(msg) from None
