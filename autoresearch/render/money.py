"""What a study cost: a table of its proposers' accounts, a line of totals, single calls."""

from collections.abc import Iterator, Mapping, Sequence

from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from autoresearch.records.money import CallEnding, CallState, dollars
from autoresearch.records.tables import Call
from autoresearch.records.text import counted
from autoresearch.registry import Spending
from autoresearch.render import words
from autoresearch.render.fitted_table import Cells, fitted_table
from autoresearch.render.scores import ScoreFormat
from autoresearch.report import StudyReport
from autoresearch.report.tariff import GpuRate


def accounts(report: StudyReport, width: int) -> Iterator[Table | Text]:
    """Yield what a study's proposers cost and brought; nothing where no money is in play."""
    if not report.costs_money:
        return
    proposers = [each for each in report.spending if each.experiments or each.calls]
    if proposers:
        yield fitted_table(
            proposers,
            "proposer",
            lambda each: words.line(each.proposer, 60),
            _cells(report),
            width,
            give_way=_GIVE_WAY,
        )
    yield totals(report)


def spent(report: StudyReport) -> str:
    """Return what counts against a study's cap, beside that: calls, and training with a price."""
    gpu, cap = report.tariff.gpu, report.tariff.study_usd
    hour = gpu if gpu and gpu.counted else None
    told = sum(
        each.usd + (hour.cost(each.gpu_seconds) if hour else 0.0) for each in report.spending
    )
    return dollars(told) if cap is None else f"{dollars(told)} of {dollars(cap)}"


def totals(report: StudyReport) -> Text:
    """Return all that was spent in one line, beside the study's cap."""
    reserved = sum(each.reserved_usd for each in report.spending)
    seconds = sum(each.gpu_seconds for each in report.spending)
    gpu = report.tariff.gpu
    line = Text(f"spent {spent(report)}")
    line.append(f", calls {dollars(report.usd)}" if gpu and gpu.counted else "")
    line.append(f" ({dollars(reserved)} reserved)" if reserved else "")
    return line.append(f", {_machine(gpu, seconds)}") if gpu else line


def _machine(gpu: GpuRate, seconds: float) -> str:
    hours = f"{seconds / 3600:.1f} h" if seconds >= 3600 else words.duration(seconds)
    rate = f"{dollars(gpu.cost(seconds))} at {dollars(gpu.hour_usd)}/h"
    if gpu.counted:
        return f"{gpu.name} {hours} {rate}"
    return f"GPU {hours} about {rate} ({gpu.name}, counts against no cap)"


def _share(amount: float, number: int) -> str:
    return dollars(amount / number) if number else "-"


# As the terminal narrows.
_GIVE_WAY = ("Δ missed by", "cached", "GPU", "$/experiment", "$/keep", "confirmed")


def _cells(report: StudyReport) -> Cells[Spending]:
    tariff, form = report.tariff, ScoreFormat.of(report.study)
    rate = tariff.gpu
    gpu: Cells[Spending] = (
        {"GPU": lambda each: dollars(rate.cost(each.gpu_seconds))} if rate else {}
    )
    return {
        "experiments": lambda each: words.count(each.experiments),
        "keeps": lambda each: words.count(each.keeps),
        "confirmed": lambda each: words.count(each.confirmed),
        "calls": lambda each: dollars(each.usd) if each.calls else "-",
        **gpu,
        "$/experiment": lambda each: _share(tariff.total(each), each.experiments),
        "$/keep": lambda each: _share(tariff.total(each), each.keeps),
        "$/confirmed": lambda each: _share(tariff.total(each), each.confirmed),
        "cached": lambda each: "-" if (part := each.cached_share) is None else f"{part:.0%}",
        "Δ missed by": lambda each: (
            "-" if (error := each.prediction_error) is None else form.amount(error)
        ),
    }


def calls(rows: Sequence[Call], made: Mapping[int, Sequence[int]]) -> Iterator[Text | Padding]:
    """Yield calls, each in a line, with what was sent back and what went wrong below it.

    `made` are the experiments that each of them has made, by its number.
    """
    for call in rows:
        yield _call(call, made.get(int(call.id or 0), ()))
        for note, text in (("sent back", call.sent_back), (str(call.ending), call.detail)):
            if text:
                said = words.line(f"{note}: {text}", 400, "yellow")
                yield Padding(said, (0, 0, 0, 2))


def cost(rows: Sequence[Call], made: Mapping[int, Sequence[int]]) -> str:
    """Return what calls cost an experiment; of one that has made several, its equal share."""
    among = [max(len(made.get(int(each.id or 0), ())), 1) for each in rows]
    shares = [each.cost_usd / number for each, number in zip(rows, among, strict=True)]
    unsure = [each.state is CallState.RESERVED for each in rows]
    reserved = sum(share for share, each in zip(shares, unsure, strict=True) if each)
    number = counted(len(rows), "call")
    unknown = f", {dollars(reserved)} of it reserved" if reserved else ""
    return f"{dollars(sum(shares))} in {number}{unknown}"


def _call(call: Call, made: Sequence[int]) -> Text:
    ending = str(call.ending or "no end known")
    reserved = " reserved" if call.state is CallState.RESERVED else ""
    cached = f" ({words.count(call.tokens_cached)} cached)" if call.tokens_cached else ""
    parts: list[Text | str] = [
        Text(f"call {call.id}", style="bold"),
        words.line(call.purpose, 20),
        Text(ending, style="" if call.ending is CallEnding.ANSWERED else "red"),
        words.line(call.model, 60),
        f"{counted(call.tokens_in, 'token')} in{cached}, {words.count(call.tokens_out)} out",
        f"{dollars(call.cost_usd)}{reserved}",
        words.duration(round(call.latency_seconds, 1)),
    ]
    if len(made) > 1:
        parts.append(f"shared by experiments {', '.join(map(str, made))}")
    return words.joined(parts)
