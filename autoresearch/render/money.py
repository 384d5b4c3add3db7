"""What a study cost: a table of its proposers' accounts, a line of totals, single calls."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from rich.cells import cell_len
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from autoresearch.config import MoneySettings
from autoresearch.records.money import CallEnding, CallState, dollars
from autoresearch.records.tables import Call, Study
from autoresearch.records.text import counted
from autoresearch.registry import Registry, Spending
from autoresearch.render import words

# US dollars an hour of one card on demand, as clouds that rent single cards asked in 2026. They
# are shown, so that a night's cost can be judged; only `[money] gpu_hour_usd` counts against caps.
CARD_HOUR_USD: Mapping[str, float] = MappingProxyType(
    {
        "B300": 6.5, "B200": 5.0, "GH200": 2.0, "H200": 3.5, "H100": 2.5, "A100": 1.6,
        "L40S": 0.9, "L40": 0.8, "L4": 0.6, "A40": 0.5, "A10G": 0.9, "A10": 0.75, "A6000": 0.6,
        "V100": 0.5, "T4": 0.35, "5090": 0.7, "4090": 0.45, "3090": 0.25,
    }
)  # fmt: skip
GAP = 2
NARROWEST = 12  # columns of a proposer's name


@dataclass(frozen=True)
class GpuRate:
    """What an hour of the machine costs, in US dollars.

    `name` is what the price is of; `counted`: the settings give it, so it counts against caps.
    """

    hour_usd: float
    name: str
    counted: bool

    def cost(self, seconds: float) -> float:
        """Return what this many seconds cost."""
        return seconds * self.hour_usd / 3600


@dataclass(frozen=True)
class Tariff:
    """What is known of money beyond the registry: the study's cap, and the machine's price."""

    study_usd: float | None = None
    gpu: GpuRate | None = None

    def total(self, account: Spending) -> float:
        """Return what a proposer cost: calls, and training where that has a price."""
        return account.usd + (self.gpu.cost(account.gpu_seconds) if self.gpu else 0.0)


def tariff(settings: MoneySettings, study: Study, card: str | None) -> Tariff:
    """Return the tariff for a study on this machine; `card` is its GPU's name, if it has one."""
    if settings.gpu_hour_usd is not None:
        name = "machine" if study.device == "cpu" else "GPU"
        return Tariff(settings.study_usd, GpuRate(settings.gpu_hour_usd, name, counted=True))
    words_of_name = re.findall(r"[A-Z0-9]+", (card or "").upper())
    known = next((each for each in words_of_name if each in CARD_HOUR_USD), None)
    if known is None or study.device == "cpu":
        return Tariff(settings.study_usd)
    return Tariff(settings.study_usd, GpuRate(CARD_HOUR_USD[known], known, counted=False))


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
