"""What a study cost: a table of its proposers' accounts, a line of totals, single calls."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from rich.cells import cell_len
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from autoresearch.records.money import CallEnding, CallState, dollars
from autoresearch.records.tables import Call, Study
from autoresearch.records.text import counted
from autoresearch.registry import Registry, Spending
from autoresearch.render import words
from autoresearch.report.tariff import CARD_HOUR_USD, GpuRate, Tariff, tariff

__all__ = [
    "CARD_HOUR_USD", "GpuRate", "Tariff", "accounts", "calls", "cost", "limits", "tariff", "totals",
]  # fmt: skip

GAP = 2
NARROWEST = 12  # columns of a proposer's name


def accounts(registry: Registry, study: Study, console: Console, tariff: Tariff) -> None:
    """Print what a study's proposers cost and brought; nothing where no money is in play.

    Raises:
        RegistryError: the registry is damaged.
    """
    if tariff.gpu is None and not registry.has_calls(study):
        return
    spent = registry.spending(study)
    proposers = [each for each in spent if each.experiments or each.calls]
    if proposers:
        console.print(_table(proposers, tariff, console.width))
    console.print(totals(spent, tariff), highlight=False)


def totals(spent: Sequence[Spending], tariff: Tariff) -> Text:
    """Return all that was spent in one line, beside the study's cap."""
    calls = sum(each.usd for each in spent)
    reserved = sum(each.reserved_usd for each in spent)
    seconds = sum(each.gpu_seconds for each in spent)
    gpu = tariff.gpu
    counted = gpu.cost(seconds) if gpu and gpu.counted else 0.0
    of = "" if tariff.study_usd is None else f" of {dollars(tariff.study_usd)}"
    line = Text(f"spent {dollars(calls + counted)}{of}")
    line.append(f", calls {dollars(calls)}" if counted else "")
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


def _cached(account: Spending) -> str:
    return "-" if account.cached_share is None else f"{account.cached_share:.0%}"


def _error(account: Spending) -> str:
    error = account.prediction_error
    return "-" if error is None else f"{error:.4f}"


def _gpu(account: Spending, tariff: Tariff) -> str:
    return dollars(tariff.gpu.cost(account.gpu_seconds)) if tariff.gpu else "-"


_COLUMNS: Mapping[str, Callable[[Spending, Tariff], str]] = MappingProxyType(
    {
        "experiments": lambda account, _: words.count(account.experiments),
        "keeps": lambda account, _: words.count(account.keeps),
        "confirmed": lambda account, _: words.count(account.confirmed),
        "calls": lambda account, _: dollars(account.usd) if account.calls else "-",
        "GPU": _gpu,
        "$/experiment": lambda each, tariff: _share(tariff.total(each), each.experiments),
        "$/keep": lambda each, tariff: _share(tariff.total(each), each.keeps),
        "$/confirmed": lambda each, tariff: _share(tariff.total(each), each.confirmed),
        "cached": lambda account, _: _cached(account),
        "Δ missed by": lambda account, _: _error(account),
    }
)
# As the terminal narrows.
_GIVE_WAY = ("Δ missed by", "cached", "GPU", "$/experiment", "$/keep", "confirmed")


def _table(proposers: Sequence[Spending], tariff: Tariff, width: int) -> Table:
    columns, room = _fit(proposers, tariff, width)
    table = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0), header_style="bold")
    table.add_column("proposer", no_wrap=True, max_width=room)
    for name in columns:
        table.add_column(name, no_wrap=True, justify="right")
    for each in proposers:
        proposer = words.line(each.proposer, 60)
        proposer.truncate(room, overflow="ellipsis")
        table.add_row(proposer, *(_COLUMNS[column](each, tariff) for column in columns))
    return table


def _fit(proposers: Sequence[Spending], tariff: Tariff, width: int) -> tuple[list[str], int]:
    """Return the columns that fit beside the proposers' names, and the room that these have."""
    columns = [name for name in _COLUMNS if name != "GPU" or tariff.gpu]
    widths = {
        name: max(cell_len(each) for each in (name, *(cell(row, tariff) for row in proposers)))
        for name, cell in _COLUMNS.items()
    }
    for name in (*_GIVE_WAY, None):
        room = width - sum(widths[each] + GAP for each in columns) - GAP
        if room >= NARROWEST or name is None:
            break
        columns = [each for each in columns if each != name]
    return columns, max(room, 1)


def limits(registry: Registry, study: Study) -> list[Text]:
    """Return a line for each proposer whose last call found its provider's limit reached."""
    last = {call.proposer: call for call in registry.calls(study)}
    return [
        words.line(f"{call.proposer}: {call.detail or call.ending}", 300, "yellow")
        for call in last.values()
        if call.ending is CallEnding.RATE_LIMITED
    ]


def calls(rows: Sequence[Call], made: Mapping[int, Sequence[int]], console: Console) -> None:
    """Print calls, each in a line, with what was sent back and what went wrong below it.

    `made` are the experiments that each of them has made, by its number.
    """
    for call in rows:
        console.print(_call(call, made.get(int(call.id or 0), ())), highlight=False)
        for note, text in (("sent back", call.sent_back), (str(call.ending), call.detail)):
            if text:
                said = words.line(f"{note}: {text}", 400, "yellow")
                console.print(Padding(said, (0, 0, 0, 2)), highlight=False)


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
