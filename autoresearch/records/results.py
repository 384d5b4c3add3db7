"""karpathy/autoresearch's results.tsv, row by row: read as people and agents left it, and written.

Five columns, tabs between them: commit, the score, peak memory in GiB, status, description. The
column of the score is called as the metric is.
"""

import codecs
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from autoresearch.records.text import safe_line
from autoresearch.records.values import Verdict

COLUMNS = ("commit", "val_bpb", "memory_gb", "status", "description")
LONGEST = 10_000  # characters of a description
_MOST_GB = 2.0**20
# What a spreadsheet takes for a formula or an open quote, at full width too.
_LEADING = ("=", "+", "-", "@", '"', "\uff1d", "\uff0b", "\uff0d", "\uff20")
_NAME = re.compile(r"[A-Za-z_][\w./-]{0,59}", re.ASCII)
_SHA = re.compile(r"[0-9a-f]{7,40}")
_WORDS = MappingProxyType(
    {
        "keep": Verdict.KEEP, "kept": Verdict.KEEP,
        "discard": Verdict.DISCARD, "discarded": Verdict.DISCARD,
        "crash": Verdict.CRASH, "crashed": Verdict.CRASH,
    }
)  # fmt: skip


@dataclass(frozen=True)
class ResultsRow:
    """One experiment as that table tells it; every text may be hostile.

    `commit` is "" where the cell is no hash (blank, "baseline"), `score` as the project knows it
    and None where there is none, `verdict` KEEP, DISCARD or CRASH.
    """

    commit: str
    score: float | None
    memory_gb: float
    verdict: Verdict
    description: str

    @property
    def line(self) -> str:
        """The row as upstream writes it, without its line end; it is one harmless line."""
        scored = self.verdict is not Verdict.CRASH and self.score is not None
        score, memory = (self.score, self.memory_gb) if scored else (0.0, 0.0)
        told = harmless(safe_line(self.description, LONGEST))
        return f"{self.commit[:7]}\t{score:.6f}\t{memory:.1f}\t{self.verdict}\t{told}"


@dataclass(frozen=True)
class ResultsTable:
    """What a results.tsv holds, oldest first; `metric` is what its column of scores is called.

    `unread` are the numbers of lines that say nothing: without a status that is known, or a keep
    without a score.
    """

    rows: tuple[ResultsRow, ...]
    unread: tuple[int, ...] = ()
    metric: str = COLUMNS[1]


def header(metric: str = "val_bpb") -> str:
    """Return the first line of the table, for a metric's name."""
    return "\t".join([COLUMNS[0], metric, *COLUMNS[2:]])


def harmless(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula or a quoted cell.

    Some pass over blanks, tabs and line ends before they look.
    """
    return f"'{text}" if text.lstrip().startswith(_LEADING) else text


def read_results(data: bytes) -> ResultsTable:
    """Return what a results.tsv holds, whatever encoding, line ends and further columns it has."""
    places, rows, unread = _places(COLUMNS), list[ResultsRow](), list[int]()
    metric = COLUMNS[1]
    for number, text in enumerate(re.split(r"\r?\n", _decoded(data)), 1):
        cells = [cell.strip() for cell in text.split("\t")]
        if not any(cells):
            continue
        if not rows and not unread and "status" in map(str.lower, cells):
            places = _places([cell.lower() for cell in cells])
            metric = cells[places["val_bpb"]] if "val_bpb" in places else metric
        elif row := _row(cells, places):
            rows.append(row)
        else:
            unread.append(number)
    named = metric if _NAME.fullmatch(metric) else COLUMNS[1]
    return ResultsTable(tuple(rows), tuple(unread), named)


def _decoded(data: bytes) -> str:
    wide = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))  # PowerShell's `>`
    return data.decode("utf-16" if wide else "utf-8-sig", "replace")


def _places(names: Sequence[str]) -> Mapping[str, int]:
    """Return where each of our columns is: by name, and the score in the first that is left."""
    found = {name: names.index(name) for name in COLUMNS if name in names}
    rest = [at for at, name in enumerate(names) if name not in COLUMNS]
    if "val_bpb" not in found and rest:
        found["val_bpb"] = rest[0]
    return found


def _row(cells: Sequence[str], places: Mapping[str, int]) -> ResultsRow | None:
    told = {name: cells[at] for name, at in places.items() if at < len(cells)}
    verdict = _WORDS.get(told.get("status", "").lower())
    if verdict is None:
        return None
    memory = min(max(_number(told.get("memory_gb", "")) or 0.0, 0.0), _MOST_GB)
    score = _number(told.get("val_bpb", ""))
    if verdict is Verdict.CRASH or (score == 0 and memory == 0):
        score = None  # what came to no score is written as zeros
    if verdict is Verdict.KEEP and score is None:
        return None
    commit = told.get("commit", "").lower()
    return ResultsRow(
        commit if _SHA.fullmatch(commit) else "", score, memory, verdict, _words(cells, places)
    )


def _words(cells: Sequence[str], places: Mapping[str, int]) -> str:
    """Return the description; as the last column it may hold tabs."""
    at = places.get("description", len(cells))
    last = at == max(places.values(), default=0)
    mine = cells[at:] if last else cells[at : at + 1]
    text = " ".join(cell for cell in mine if cell)[:LONGEST]
    return text[1:] if text.startswith("'") and text[1:].lstrip().startswith(_LEADING) else text


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
