"""Each experiment in full, packed in blocks that the page opens when somebody asks for one.

All texts are made printable here, as for a terminal: what is hidden in them is spelled out.
"""

import base64
import json
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from autoresearch.records.money import dollars
from autoresearch.records.text import counted, safe_line, safe_text
from autoresearch.render import words
from autoresearch.render.page.data import curve_of
from autoresearch.render.scores import ScoreFormat
from autoresearch.report import ExperimentReport, StudyReport, TrialReport
from autoresearch.report.values import Pair

EXACT = 2  # digits more than the metric's own
BLOCK = 25  # experiments
LARGEST = 3_300_000  # characters that all blocks may take of a page of 5 MB
CUT = "\n… the rest is in `autoresearch diff {}`"


@dataclass(frozen=True)
class Sizes:
    """How many characters of each text are told."""

    change: int
    log: int
    line: int


# In the order in which texts give way as a study grows.
SIZES = (Sizes(60_000, 4_000, 4_000), Sizes(8_000, 1_500, 1_000), Sizes(2_000, 400, 400))
LEAST = Sizes(300, 0, 160)


def details(report: StudyReport) -> dict[str, object]:
    """Return the experiments in `blocks` of `size`: base64 of zlib of JSON, in their order."""
    for sizes in SIZES:
        blocks = _blocks(report, sizes)
        if sum(map(len, blocks)) <= LARGEST:
            break
    else:
        blocks = _blocks(report, LEAST)
    return {"size": BLOCK, "blocks": blocks}


def _blocks(report: StudyReport, sizes: Sizes) -> list[str]:
    by_number = {each.number: each for each in report.experiments}
    told = [
        _detail(each, by_number.get(each.parent or 0), report, sizes) for each in report.experiments
    ]
    return [_packed(told[at : at + BLOCK]) for at in range(0, len(told), BLOCK)]


def _packed(value: object) -> str:
    plain = json.dumps(value, separators=(",", ":"), allow_nan=False)
    return base64.b64encode(zlib.compress(plain.encode(), 6)).decode()


def _detail(
    row: ExperimentReport, parent: ExperimentReport | None, report: StudyReport, sizes: Sizes
) -> dict[str, object]:
    seed = next((each.seed for each in row.trials if len(each.curve) > 1), None)
    form = ScoreFormat.of(report.study, EXACT)
    return {
        "number": row.number,
        "fate": row.fate,
        "hypothesis": safe_line(row.hypothesis, sizes.line),
        "rows": [*_rows(row, report, sizes)],
        "pairs": [_pair(each, form) for each in row.pairs],
        "trials": [_trial(each, form) for each in row.trials],
        "change": _cut(row, sizes.change),
        "log": row.log[-sizes.log :] if sizes.log else "",
        "traceback": safe_text(row.traceback, size=max(sizes.log, 300)),
        "later": [
            f"{each.number} {safe_line(each.text, 400)}" + (f" ({each.fate})" if each.fate else "")
            for each in row.later
        ],
        "curve": curve_of(row),
        "before": curve_of(parent, seed) if parent else (),
    }


def _pair(each: Pair, form: ScoreFormat) -> Sequence[str]:
    read = (form.number(score) for score in (each.incumbent, each.experiment))
    return [str(each.seed), *read, form.delta(each.difference)]


def _cut(row: ExperimentReport, size: int) -> str:
    whole = words.source(row.change[: 2 * size])
    cut = len(row.change) > size or len(whole) > size
    return whole[:size] + CUT.format(row.number) if cut else whole


def _rows(row: ExperimentReport, report: StudyReport, sizes: Sizes) -> Iterator[Sequence[str]]:
    form = ScoreFormat.of(report.study, EXACT)
    as_control = " (as control)" if row.control == row.proposer else ""
    yield "proposer", safe_line(row.proposer) + as_control
    yield "category", row.category
    if row.risk:
        yield "risk", safe_line(row.risk, sizes.line)
    yield "reason", safe_line(row.reason, sizes.line) or "-"
    if row.bpb is not None:
        score = form.number(row.bpb.mean, row.bpb.error)
        yield form.name, f"{score} ({form.trust})"
    yield from _effect(row, form)
    yield from _history(row)


def _effect(row: ExperimentReport, form: ScoreFormat) -> Iterator[Sequence[str]]:
    if row.delta is not None:
        against = f" to experiment {row.parent}" if row.parent else ""
        told = form.delta(row.delta.mean, row.delta.error)
        yield f"effect{against}", f"{told}{form.unit}"
    if row.predicted is not None:
        yield "predicted effect", form.delta(row.predicted)
    if row.measured is not None:
        told = form.delta(row.measured.mean, row.measured.error)
        open_ = row.documents_error
        left = "" if open_ is None else f"; the choice of val data leaves ± {open_:.6f}"
        yield "measured", f"{told} on {counted(len(row.pairs), 'pair')}{left}"
    if row.chances is not None:
        yield "believed", str(row.chances)
    if row.claim or row.standing:
        yield "claim", f"{row.standing or 'not confirmed'}: {safe_line(row.claim)}"
    if row.test_bpb is not None:
        judged = f"; {row.gap.description}" if row.gap else ""
        yield form.test_name, f"{form.number(row.test_bpb)} ({form.trust}){judged}"


def _history(row: ExperimentReport) -> Iterator[Sequence[str]]:
    yield "took", words.duration(row.seconds)
    if row.cost.calls:
        tokens = f"{words.count(row.cost.tokens_in)} tokens in, {words.count(row.cost.tokens_out)}"
        count = counted(row.cost.calls, "call")
        yield "calls", f"{dollars(row.cost.usd)} in {count}: {tokens} out"
    if row.memory:
        yield "peak memory", words.memory(row.memory)
    yield "lines", f"+{row.lines[0]} -{row.lines[1]}"
    yield "commit", safe_line(row.commit, 40) or "-"
    yield "opened", words.moment(row.opened)


def _trial(row: TrialReport, form: ScoreFormat) -> Sequence[str]:
    fault = " (the machine's fault)" if row.faulty else ""
    return [
        str(row.number),
        str(row.seed),
        row.purpose,
        f"{row.ending}{fault}" + (f": {safe_line(row.detail, 120)}" if row.detail else ""),
        form.number(row.bpb),
        words.duration(row.startup),
        words.duration(row.training),
        words.duration(row.scoring),
        words.count(row.steps),
        words.memory(row.memory),
    ]
