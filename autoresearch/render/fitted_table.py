"""A table of numbers by name, of which columns are left out as the terminal narrows."""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

GAP = 2
NARROWEST = 12  # columns of a name

T = TypeVar("T")
Cells = Mapping[str, Callable[[T], str]]


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
    left, room = _fit(rows, cells, width, give_way)
    table = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0), header_style="bold")
    table.add_column(title, no_wrap=True, max_width=room)
    for column in left:
        table.add_column(column, no_wrap=True, justify="right")
    for row in rows:
        named = name(row)
        named.truncate(room, overflow="ellipsis")
        table.add_row(named, *(cell(row) for cell in left.values()))
    return table


def _fit(
    rows: Sequence[T], cells: Cells[T], width: int, give_way: Sequence[str]
) -> tuple[Cells[T], int]:
    """Return the columns that fit beside the names, and the room that these have."""
    left = dict(cells)
    widths = {
        column: max(cell_len(each) for each in (column, *map(cell, rows)))
        for column, cell in cells.items()
    }
    for column in (*give_way, None):
        room = width - sum(widths[each] + GAP for each in left) - GAP
        if room >= NARROWEST or column is None:
            break
        left.pop(column, None)
    return left, max(room, 1)
