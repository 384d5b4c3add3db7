"""What the rules of a study, and how to answer, are told."""

from dataclasses import dataclass

from autoresearch.policy.claims import CONFIRMED
from autoresearch.policy.verdicts import ENOUGH_REPEATS, MAX_PAIRS
from autoresearch.proposers.base import Brief, Machine, Measuring
from autoresearch.proposers.prompting import frames
from autoresearch.records.values import Category

CATEGORIES = " | ".join(
    each for each in Category if each not in (Category.BASELINE, Category.OTHER)
)


@dataclass(frozen=True)
class Setting:
    """What never changes in a study.

    `command` is what a training runs, empty where that is `entry` with a session; `paired` says
    whether it takes a seed, `source` where its score comes from. `guards` are bounds in words.
    """

    entry: str
    command: str
    paired: bool
    source: str
    guards: tuple[str, ...]
    example: str
    editable: str
    several: bool
    device: str
    seconds: float
    clock: str
    startup: float
    categories: str
    proposals: int
    measuring: Measuring | None
    machine: str
    compiles: bool | None
    line_price: float
    tie: float
    first_repeats: int
    most_pairs: int
    confirmed: float


def setting_of(brief: Brief, proposals: int) -> Setting:
    """Return what the rules, and how to answer, are told."""
    machine = brief.measuring.machine if brief.measuring else None
    return Setting(
        entry=frames.line(brief.entry, 120),
        command=frames.line(brief.command, 300),
        paired=brief.scale.noise.paired,
        source=str(brief.scale.metric.source),
        guards=tuple(f"`{each.name}` {each.told}" for each in brief.guards),
        example=brief.example_delta,
        editable=frames.line(", ".join(brief.editable), 300),
        several=len(brief.editable) > 1 or "*" in brief.editable[0],
        device=frames.line(brief.device, 40),
        seconds=brief.budget.training,
        clock=str(brief.budget.clock),
        startup=brief.budget.startup,
        categories=CATEGORIES,
        proposals=proposals,
        measuring=brief.measuring,
        machine=_machine(machine) if machine else "",
        compiles=machine.compiles if machine else None,
        line_price=brief.scale.line_price,
        tie=brief.scale.tie,
        first_repeats=ENOUGH_REPEATS,
        most_pairs=MAX_PAIRS,
        confirmed=CONFIRMED,
    )


def _machine(machine: Machine) -> str:
    told = (machine.processor, machine.card, machine.software)
    return frames.line(", ".join(filter(None, told)), 200)
