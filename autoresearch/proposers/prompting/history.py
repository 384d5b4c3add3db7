"""The study's history as text that only grows.

A row is made of what hardly ever changes (a keep may be taken back), so that each brief begins with
the bytes of the one before it, which a provider has cached. Where the history outgrows its room,
the oldest rows are shortened, many at a time: a beginning that changes rarely is worth more than a
few rows in full.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from types import SimpleNamespace

from autoresearch.policy.verdicts import BETTER, NO_BETTER
from autoresearch.proposers.base import Brief, HistoryEntry, TrialSummary
from autoresearch.proposers.prompting import untrusted_blocks
from autoresearch.proposers.prompting.templates import Templates
from autoresearch.proposers.prompting.untrusted_blocks import UntrustedBlocks
from autoresearch.records.values import Verdict

WORDS = 300  # characters of a hypothesis, a risk or a reason
PATCH_LINES, PATCH_SIZE = 60, 5000
TRACEBACK_LINES, TRACEBACK_SIZE = 16, 1600
_BYTES = 3
_CONSTANT = re.compile(r"[-+][A-Z][A-Z0-9_]* = ")
_PLAIN = (BETTER, NO_BETTER)  # reasons that say no more than the verdict
# The folder of a trial's copy of the project, or of a library: long, and not to be shown.
_FOLDER = re.compile(r'^(\s*File ")[^"\n]*/(?:tree|site-packages)/', re.MULTILINE)


@dataclass(frozen=True)
class HistoryText:
    """One experiment in full and as a line; the shortest form is its verdict."""

    number: int
    verdict: Verdict
    full: str
    line: str


class HistorySection:
    """Writes the history of a brief."""

    def __init__(self, templates: Templates, brief: Brief) -> None:
        self._templates = templates
        self._brief = brief
        self._blocks = UntrustedBlocks(brief.salt)

    def rows(self) -> list[HistoryText]:
        """Return the texts of every experiment, oldest first."""
        return [self._text(each) for each in self._brief.history]

    def fitting(self, rows: Sequence[HistoryText], room: int) -> list[str]:
        """Return the history as sections that fit into `room` tokens, if the verdicts alone do.

        Its beginning stays the same from brief to brief, unless rows have to be shortened.
        """
        bare, lines = shortened(rows, room)
        texts = self._texts(rows, bare, lines)
        if sum(map(estimate, texts)) > room:
            texts = self._texts(rows, len(rows), len(rows))
        return texts

    def _texts(self, rows: Sequence[HistoryText], bare: int, lines: int) -> list[str]:
        texts = [section(self._verdicts(rows[:bare]))] if bare else []
        return [
            *texts,
            *(row.line for row in rows[bare:lines]),
            *(row.full for row in rows[lines:]),
        ]

    def _verdicts(self, rows: Sequence[HistoryText]) -> str:
        # Numbers may have gaps: those of another study, or of one that ended later.
        places = groupby(enumerate(rows), key=lambda at: (at[1].verdict, at[1].number - at[0]))
        runs = [[row for _, row in same] for _, same in places]
        spans = [(run[0].number, run[-1].number, str(run[0].verdict)) for run in runs]
        return self._render("verdicts", verdicts=spans)

    def _text(self, entry: HistoryEntry) -> HistoryText:
        values = self._values(entry)
        data = self._blocks.data("experiment", experiment_data(entry))
        words = self._blocks.inline("hypothesis", untrusted_blocks.line(entry.hypothesis, 160))
        full = self._render("experiment", row=SimpleNamespace(**values, data=data))
        line = self._render("line", row=SimpleNamespace(**values, data=words))
        return HistoryText(entry.id, entry.verdict, section(full), f"{line}\n")

    def _render(self, name: str, **values: object) -> str:
        return self._templates.render(name, self._brief.scale.metric, **values)

    def _values(self, entry: HistoryEntry) -> dict[str, object]:
        """Return the values of a row but for its `data`, the block of what others have written.

        `speed`, `steps` and `memory` are shares of the incumbent's. `pairs` are the differences as
        they were read, by seed, which says something where trainings are `paired` by it; `believed`
        with its `error` is the effect after weighing them. `curve` and `beside`, the incumbent's,
        are training losses by eighths of the budget, in bits per byte if `in_bytes`, else in nats
        per token; `steers` says that only their ends can be compared.
        """
        runs = [run for run in (entry.run, entry.beside) if run is not None]
        costs = [(run.speed, run.steps, run.memory) for run in runs]
        shares: Sequence[float | None] = [None] * 3
        if len(costs) == 2 and all(map(all, costs)):
            shares = [mine / theirs for mine, theirs in zip(*costs, strict=True)]
        token_bytes = self._brief.measuring.token_bytes if self._brief.measuring else None
        return {
            "number": entry.id,
            "verdict": entry.verdict,
            "category": entry.category,
            "parent": entry.parent_id,
            "predicted": entry.predicted_delta,
            "pairs": entry.pairs,
            "paired": self._brief.scale.noise.paired,
            "measured": entry.measured,
            "believed": entry.delta,
            "error": entry.delta_error,
            "chances": entry.chances,
            "run": entry.run,
            "speed": shares[0],
            "steps": shares[1],
            "memory": shares[2],
            "curve": _curve(entry.run, token_bytes),
            "beside": _curve(entry.beside, token_bytes),
            "in_bytes": token_bytes is not None,
            "steers": bool(entry.steers),
            "guarded": self._guarded(entry.run),
        }

    def _guarded(self, run: TrialSummary | None) -> str:
        """Return the numbers that guards are set on, in words."""
        known = run.gauges if run is not None else {}
        guards = [each.name for each in self._brief.guards if each.name in known]
        return ", ".join(f"{name} {known[name]:.4g}" for name in guards)


def _curve(run: TrialSummary | None, token_bytes: float | None) -> Sequence[float | None]:
    """Return a curve in bits per byte where the bytes of a token are known."""
    if run is None or not any(run.curve):
        return ()
    scale = math.log(2) * token_bytes if token_bytes else 1.0
    return [None if loss is None else loss / scale for loss in run.curve]


def shortened(rows: Sequence[HistoryText], room: int) -> tuple[int, int]:
    """Return how many of the oldest rows are bare verdicts, and how many are no longer in full.

    It is decided as if the rows came one by one: when those in full pass five eighths of the room,
    the oldest become lines until half of that is left; lines have a quarter, and are shortened
    likewise. So a longer history shortens all that a shorter one has shortened, and the beginning
    changes rarely.
    """
    full = [estimate(row.full) for row in rows]
    short = [estimate(row.line) for row in rows]
    bare = lines = in_full = in_lines = 0
    for newest, size in enumerate(full):
        in_full += size
        if in_full > room * 5 // 8:
            while lines <= newest and in_full > (
                room * 5 // 16 if lines < newest else room * 5 // 8
            ):
                in_full -= full[lines]
                in_lines += short[lines]
                lines += 1
        if in_lines > room // 4:
            while bare < lines and in_lines > room // 8:
                in_lines -= short[bare]
                bare += 1
    return bare, lines


def estimate(text: str) -> int:
    """Return an upper estimate of a text's tokens: a third of its bytes, rounded up.

    English and code have three to four bytes a token with today's tokenizers; costs are never
    estimated so.
    """
    return -(-len(text.encode("utf-8", "surrogatepass")) // _BYTES)


def section(text: str) -> str:
    """Return a text as a section, with an empty line after it."""
    return f"{text}\n\n"


def experiment_data(entry: HistoryEntry, lines: int = PATCH_LINES, size: int = PATCH_SIZE) -> str:
    """Return what others have written: a line each, `| ` before a traceback, the patch last.

    So no text can begin a line that looks like another's. The patch of a keep is left out: it is in
    the incumbent; of any other one so many lines and characters are shown.
    """
    words = {"hypothesis": entry.hypothesis, "risk": entry.risk, "reason": _why(entry)}
    rows = [f"{name}: {untrusted_blocks.line(text, WORDS)}" for name, text in words.items() if text]
    if entry.traceback:
        trace = _FOLDER.sub(r"\g<1>", entry.traceback)
        tail = untrusted_blocks.tail(trace, lines=TRACEBACK_LINES, size=TRACEBACK_SIZE)
        rows += ["traceback:", *(f"| {line}" for line in tail.split("\n"))]
    if entry.patch and entry.verdict is not Verdict.KEEP:
        rows += [
            "patch:",
            untrusted_blocks.excerpt(_lean(entry.patch), lines=lines, size=size),
        ]
    return "\n".join(rows)


def _lean(patch: str) -> str:
    """Return a patch without its context lines if all that it changes is constants."""
    lines = patch.splitlines(keepends=True)
    heads = [line for line in lines if line.startswith(("--- ", "+++ "))]
    changed = [line for line in lines if line.startswith(("-", "+")) and line not in heads]
    return "".join([*heads, *changed]) if all(map(_CONSTANT.match, changed)) else patch


def _why(entry: HistoryEntry) -> str:
    """Return what a reason says beyond the verdict, its numbers and the traceback.

    The numbers have fields of their own.
    """
    why = entry.reason.partition(": ")[0] if entry.chances else entry.reason
    if why in _PLAIN:
        return ""
    last = entry.traceback.rstrip("\n").rpartition("\n")[2]
    return why.removesuffix(last).rstrip(": ") if last else why
