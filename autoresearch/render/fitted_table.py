"""Tables that fit their terminal: columns give way as it narrows."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

GAP = 2
NARROWEST = 12  # columns of a name

T = TypeVar("T")
Cells = Mapping[str, Callable[[T], str]]


@dataclass(frozen=True)
class Column(Generic[T]):
    """A column: its name, its cells, and whether they stand at the right."""

    name: str
    cell: Callable[[T], Text | str]
    right: bool = False

    def shown(self, row: T) -> Text:
        """Return the cell of a row; no markup in it is obeyed."""
        cell = self.cell(row)
        return cell if isinstance(cell, Text) else Text(cell)


def bare_table(columns: Sequence[Column[T]] = ()) -> Table:
    """Return a table without lines around its cells, and with these columns so far."""
    table = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0), header_style="bold")
    for each in columns:
        table.add_column(Text(each.name), no_wrap=True, justify="right" if each.right else "left")
    return table


def fit(
    layouts: Iterable[Sequence[Column[T]]], rows: Sequence[T], width: int, least: int
) -> tuple[Sequence[Column[T]], int]:
    """Return the first layout that leaves `least` of a width, else the last, and what it leaves."""
    for columns in layouts:
        widest = (
            max([cell_len(each.name), *(each.shown(row).cell_len for row in rows)])
            for each in columns
        )
        room = width - sum(wide + GAP for wide in widest)
        if room >= least:
            break
    return columns, max(room, 1)


def fitted_table(
    rows: Sequence[T],
    title: str,
    name: Callable[[T], Text],
    cells: Cells[T],
    width: int,
    *,
    give_way: Sequence[str],
) -> Table:
    """Return a table with a line a row: its name, then a cell of each column that fits.

    Args:
        rows: what it tells of.
        title: what the column of names is called.
        name: what a row is called.
        cells: what a row has in the other columns, by what these are called.
        width: columns of the terminal.
        give_way: the columns that are left out where there is no room, the first one first.
    """
    layouts = (
        [Column(each, cells[each], right=True) for each in cells if each not in give_way[:gone]]
        for gone in range(len(give_way) + 1)
    )
    columns, room = fit(layouts, rows, width - GAP, NARROWEST)
    table = bare_table()
    table.add_column(title, no_wrap=True, max_width=room)
    for column in columns:
        table.add_column(Text(column.name), no_wrap=True, justify="right")
    for row in rows:
        named = name(row)
        named.truncate(room, overflow="ellipsis")
        table.add_row(named, *(column.shown(row) for column in columns))
    return table
