"""The values for the templates of the rules, and of how to answer."""

from dataclasses import dataclass

from autoresearch.policy.confirmation import CONFIRMED
from autoresearch.policy.verdicts import ENOUGH_REPEATS, MAX_PAIRS
from autoresearch.proposers.base import Brief, Machine, Measuring
from autoresearch.proposers.prompting import untrusted_blocks
from autoresearch.records.values import Category

CATEGORIES = " | ".join(
    each for each in Category if each not in (Category.BASELINE, Category.OTHER)
)


@dataclass(frozen=True)
class Setting:
    """What never changes in a study.

    `command` is what a training runs, empty where that is `entry` with a session, and `total` the
    wall seconds after which it is ended; `paired` says whether it takes a seed. `guards` are bounds
    in words; `threads` and `memory`, in bytes, are what a training has. `line_price` and `tie` are
    in the metric's unit; or in `shares` of the noise between seeds, where that is still being
    learned, so that they stay the same throughout the study.
    """

    entry: str
    command: str
    total: float
    paired: bool
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
    threads: int
    memory: int
    machine: str
    compiles: bool | None
    shares: bool
    line_price: float
    tie: float
    first_repeats: int
    most_pairs: int
    confirmed: float


def setting_of(brief: Brief, proposals: int) -> Setting:
    """Return the values for the rules, and for how to answer."""
    unit = 1.0 if brief.scale.metric.is_bits_per_byte else brief.scale.noise.seed
    machine = brief.measuring.machine if brief.measuring else None
    return Setting(
        entry=untrusted_blocks.line(brief.entry, 120),
        command=untrusted_blocks.line(brief.command, 300),
        total=brief.total,
        paired=brief.scale.noise.paired,
        guards=tuple(f"`{each.name}` {each.description}" for each in brief.guards),
        example=brief.example_delta,
        editable=untrusted_blocks.line(", ".join(brief.editable), 300),
        several=len(brief.editable) > 1 or "*" in brief.editable[0],
        device=untrusted_blocks.line(brief.device, 40),
        seconds=brief.budget.training,
        clock=str(brief.budget.clock),
        startup=brief.budget.startup,
        categories=CATEGORIES,
        proposals=proposals,
        measuring=brief.measuring,
        threads=brief.limits.threads,
        memory=brief.limits.memory,
        machine=_machine_in_words(machine) if machine else "",
        compiles=machine.compiles if machine else None,
        shares=unit != 1.0,
        line_price=brief.scale.line_price / unit,
        tie=brief.scale.tie / unit,
        first_repeats=ENOUGH_REPEATS,
        most_pairs=MAX_PAIRS,
        confirmed=CONFIRMED,
    )


def _machine_in_words(machine: Machine) -> str:
    parts = (machine.processor, machine.card, machine.software)
    return untrusted_blocks.line(", ".join(filter(None, parts)), 200)
