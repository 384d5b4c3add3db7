"""What failed in the same way, by its fingerprint: an exception without its numbers and names."""

import re
from collections.abc import Iterable

from autoresearch.records.text import safe_line
from autoresearch.records.values import Verdict
from autoresearch.report.values import ExperimentReport, FailureGroup

WIDTH = 160
_VARIABLE = re.compile(r"0x[0-9a-fA-F]+|\d[\d.,]*|'[^']{0,200}'|\"[^\"]{0,200}\"")


def failures(experiments: Iterable[ExperimentReport]) -> tuple[FailureGroup, ...]:
    """Return failed experiments by what they have in common, the largest group first."""
    groups: dict[tuple[Verdict, str], list[ExperimentReport]] = {}
    for each in experiments:
        if each.verdict is not None and each.verdict.failed:
            groups.setdefault((each.verdict, fingerprint(_said(each))), []).append(each)
    found = [
        FailureGroup(verdict, mark, tuple(each.number for each in those), _said(those[-1]))
        for (verdict, mark), those in groups.items()
    ]
    return tuple(sorted(found, key=lambda group: (-len(group.experiments), group.experiments)))


def fingerprint(said: str) -> str:
    """Return what failures of one kind have in common: numbers and quoted names become "…"."""
    return _VARIABLE.sub("…", said)


def _said(row: ExperimentReport) -> str:
    """Return the exception where there is one (its last line says which), else the reason."""
    lines = row.traceback.strip().splitlines() if row.verdict is Verdict.CRASH else []
    return safe_line(lines[-1] if lines else row.reason, WIDTH) or "no reason given"
