"""What stands behind verdicts: noise, drift, documents; for a person and as values."""

import json
from collections.abc import Iterator
from dataclasses import asdict

from rich.text import Text

from autoresearch import policy
from autoresearch.records.tables import Experiment, Study
from autoresearch.records.text import counted
from autoresearch.registry import Registry
from autoresearch.registry.packing import unpack_counts
from autoresearch.render import words
from autoresearch.report import machine


class Machine(machine.Machine):
    """A study's noise and its checks of the machine, in words and as values."""

    def lines(self, study: Study) -> Iterator[Text]:
        """Yield what `status` says of it; nothing before anything was trained twice."""
        if self.noise.measured:
            yield Text(self.advice or self.sight.told, style="yellow" if self.advice else "dim")
        if study.steady_since:
            yield Text(
                f"the machine changed after trial {study.steady_since}: no later experiment is "
                "compared with what was read until then",
                style="yellow",
            )
        elif self.checks:
            times = "once" if len(self.checks) == 1 else f"{len(self.checks)} times"
            told = f"looked for drift {times}: an incumbent trained again {self.checks[-1][1].told}"
            yield Text(told, style="dim")

    def plain(self) -> dict[str, object]:
        """Return it for a program."""
        checks = [
            {"trial": trial, "difference": each.bpb, "expected": each.expected, "steps": each.steps}
            for trial, each in self.checks
        ]
        sight = asdict(self.sight) | {"advice": self.advice}
        return {"noise": asdict(self.noise), "sight": sight, "drift": checks}


def by_document(
    registry: Registry, before: Experiment, after: Experiment
) -> policy.ByDocument | None:
    """Return how two experiments differ document by document, within one corpus only.

    Raises:
        RegistryError: the registry is damaged.
    """
    studies = registry.study_of(before), registry.study_of(after)
    corpora = [json.loads(each.comparability).get("corpus") for each in studies]
    sizes = [unpack_counts(each.doc_bytes) for each in studies]
    if corpora[0] != corpora[1] or sizes[0] != sizes[1] or not sizes[0]:
        return None
    after_bits, before_bits = registry.document_bits(after), registry.document_bits(before)
    return policy.by_document(after_bits, before_bits, sizes[0])


def documents(found: policy.ByDocument, digits: int = 4) -> str:
    """Return in words how two experiments differ document by document."""
    difference = words.delta(found.bpb, found.error, digits)
    count = counted(found.documents, "document")
    return f"{difference} bpb, better on {found.better:.0%} of the text ({count})"


def measured(row: Experiment, digits: int = 6) -> str:
    """Return in words what an experiment's pairs say, before and after any expectation."""
    pairs = counted(row.pairs, "pair")
    chances = f"; {row.chances}" if row.chances else ""
    return f"{words.delta(row.measured, row.measured_error, digits)} bpb on {pairs}{chances}"
