"""The study's past, as text that only grows.

A row is made of what hardly ever changes (a keep may be taken back), so that each brief begins
with the bytes of the one before it and a provider need not read them anew. Where the past outgrows
its room, the oldest rows are shortened, many at a time: a beginning that breaks seldom is worth
more than a few rows in full.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from autoresearch.policy import Guard
from autoresearch.policy.verdicts import BETTER, NO_BETTER
from autoresearch.proposers.base import HistoryEntry, TrialSummary
from autoresearch.proposers.prompting import untrusted_blocks
from autoresearch.proposers.prompting.templates import Templates
from autoresearch.proposers.prompting.untrusted_blocks import UntrustedBlocks
from autoresearch.records.metric import BITS_PER_BYTE, Metric
from autoresearch.records.values import Chances, Verdict

WORDS = 300  # characters of a hypothesis, a risk or a reason
PATCH_LINES, PATCH_SIZE = 60, 5000
TRACEBACK_LINES, TRACEBACK_SIZE = 16, 1600
_BYTES = 3
_CONSTANT = re.compile(r"[-+][A-Z][A-Z0-9_]* = ")
_PLAIN = (BETTER, NO_BETTER)  # no more than the verdict
# Where a trial's copy of the project, or a library, lies: long, and nobody's to know.
_FOLDER = re.compile(r'^(\s*File ")[^"\n]*/(?:tree|site-packages)/', re.MULTILINE)


@dataclass(frozen=True)
class Row:
    """What a row's template is given. `speed`, `steps`, `memory` are shares of the incumbent's.

    `pairs` are the differences as they were read, by seed, which says something where trainings
    are `paired` by it; `believed` with its `error` is the effect after weighing them. `curve` and
    `beside`, the incumbent's, are training losses by eighths of the budget, in bits per byte if
    `in_bytes`, else in nats per token; `steers` says that only their ends can be compared;
    `guarded` are the numbers that guards are set on. `data` is a frame around everything that
    someone else has written.
    """

    number: int
    verdict: str
    category: str
    data: str
    parent: int | None = None
    predicted: float | None = None
    pairs: Sequence[tuple[int, float]] = ()
    paired: bool = True
    measured: float | None = None
    believed: float | None = None
    error: float | None = None
    chances: Chances | None = None
    run: TrialSummary | None = None
    speed: float | None = None
    steps: float | None = None
    memory: float | None = None
    curve: Sequence[float | None] = ()
    beside: Sequence[float | None] = ()
    in_bytes: bool = False
    steers: bool = False
    guarded: str = ""


@dataclass(frozen=True)
class HistoryText:
    """One experiment in its three lengths; the shortest is its verdict."""

    number: int
    verdict: Verdict
    full: str
    line: str


class HistorySection:
    """Tells the past."""

    def __init__(
        self,
        templates: Templates,
        salt: str,
        token_bytes: float | None = None,
        metric: Metric = BITS_PER_BYTE,
        guards: Sequence[Guard] = (),
        *,
        paired: bool = True,
    ) -> None:
        """Build it.

        Args:
            templates: of rows.
            salt: the study's.
            token_bytes: of training text in a token, so that losses are told in bits per byte.
            metric: in whose direction scores are told.
            guards: whose numbers are told beside them.
            paired: whether a training takes a seed.
        """
        self._templates = templates
        self._blocks = UntrustedBlocks(salt)
        self._token_bytes = token_bytes
        self._metric = metric
        self._guards = guards
        self._paired = paired

    def rows(self, past: Sequence[HistoryEntry]) -> list[HistoryText]:
        """Return every experiment in all its lengths, oldest first."""
        return [self._told(each) for each in past]

    def fitting(self, rows: Sequence[HistoryText], room: int) -> list[str]:
        """Return the past as sections that fit into `room` tokens, if verdicts alone do.

        Its beginning stays the same from brief to brief, but where rows have to be shortened.
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
        return self._templates.render("verdicts", self._metric, verdicts=spans)

    def _told(self, past: HistoryEntry) -> HistoryText:
        framed = self._blocks.data("experiment", _data(past))
        words = self._blocks.inline("hypothesis", untrusted_blocks.line(past.hypothesis, 160))
        row = self._row(past, framed)
        full = self._templates.render("experiment", self._metric, row=row)
        line = self._templates.render("line", self._metric, row=replace(row, data=words))
        return HistoryText(past.id, past.verdict, section(full), f"{line}\n")

    def _row(self, past: HistoryEntry, data: str) -> Row:
        speed, steps, memory = _shares(past.run, past.beside)
        return Row(
            number=past.id,
            verdict=str(past.verdict),
            category=str(past.category),
            data=data,
            parent=past.parent_id,
            predicted=past.predicted_delta,
            pairs=past.pairs,
            paired=self._paired,
            measured=past.measured,
            believed=past.delta,
            error=past.delta_error,
            chances=past.chances,
            run=past.run,
            speed=speed,
            steps=steps,
            memory=memory,
            curve=self._curve(past.run),
            beside=self._curve(past.beside),
            in_bytes=self._token_bytes is not None,
            steers=bool(past.steers),
            guarded=self._guarded(past.run),
        )

    def _guarded(self, run: TrialSummary | None) -> str:
        """Return the numbers that guards are set on."""
        known = run.gauges if run is not None else {}
        found = [each.name for each in self._guards if each.name in known]
        return ", ".join(f"{name} {known[name]:.4g}" for name in found)

    def _curve(self, run: TrialSummary | None) -> Sequence[float | None]:
        """Return a curve in bits per byte where the bytes of a token are known."""
        if run is None or not any(run.curve):
            return ()
        scale = math.log(2) * self._token_bytes if self._token_bytes else 1.0
        return [None if loss is None else loss / scale for loss in run.curve]


def shortened(rows: Sequence[HistoryText], room: int) -> tuple[int, int]:
    """Return how many of the oldest rows are bare verdicts, and how many are no longer in full.

    It is told as if the rows came one by one: when those in full pass five eighths of the room,
    the oldest become lines until half of that is left; lines have a quarter and do likewise. So
    a longer history shortens at least what a shorter one has shortened, and does it rarely.
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

    English and code take three to four bytes a token with the tokenizers of the day; nothing
    that is paid is counted this way.
    """
    return -(-len(text.encode("utf-8", "surrogatepass")) // _BYTES)


def section(text: str) -> str:
    """Return a text as a section: what follows it begins after an empty line."""
    return f"{text}\n\n"


def _shares(run: TrialSummary | None, parent: TrialSummary | None) -> tuple[float | None, ...]:
    if run is None or parent is None or not all((*_costs(run), *_costs(parent))):
        return (None, None, None)
    return tuple(mine / theirs for mine, theirs in zip(_costs(run), _costs(parent), strict=True))


def _costs(run: TrialSummary) -> tuple[float, ...]:
    return run.speed, run.steps, run.memory


def _data(past: HistoryEntry) -> str:
    """Return what others have written: a line a word, `| ` before a traceback, the patch last.

    So no text can begin a line that looks like another's. The patch of a keep is in the incumbent.
    """
    words = {"hypothesis": past.hypothesis, "risk": past.risk, "reason": _why(past)}
    rows = [f"{name}: {untrusted_blocks.line(text, WORDS)}" for name, text in words.items() if text]
    if past.traceback:
        trace = _FOLDER.sub(r"\g<1>", past.traceback)
        tail = untrusted_blocks.tail(trace, lines=TRACEBACK_LINES, size=TRACEBACK_SIZE)
        rows += ["traceback:", *(f"| {line}" for line in tail.split("\n"))]
    if past.patch and past.verdict is not Verdict.KEEP:
        rows += [
            "patch:",
            untrusted_blocks.excerpt(_lean(past.patch), lines=PATCH_LINES, size=PATCH_SIZE),
        ]
    return "\n".join(rows)


def _lean(patch: str) -> str:
    """Return a patch without the lines around, where all that it changes is constants."""
    lines = patch.splitlines(keepends=True)
    heads = [line for line in lines if line.startswith(("--- ", "+++ "))]
    changed = [line for line in lines if line.startswith(("-", "+")) and line not in heads]
    return "".join([*heads, *changed]) if all(map(_CONSTANT.match, changed)) else patch


def _why(past: HistoryEntry) -> str:
    """Return what a reason says beyond the verdict, its numbers and the traceback.

    The numbers stand above, under names of their own.
    """
    why = past.reason.partition(": ")[0] if past.chances else past.reason
    if why in _PLAIN:
        return ""
    last = past.traceback.rstrip("\n").rpartition("\n")[2]
    return why.removesuffix(last).rstrip(": ") if last else why
