"""Draws the floors of the package from its imports: docs/floors.svg.

    python benchmarks/floors.py

Floors and rooms are those of the import contract in pyproject.toml; a room is a package or module
directly below `autoresearch`. A line is an import. Two kinds are left out, so that the rest can be
followed: an import that follows from others (commands/ reaches execution/ by way of research/), and
those of a room that most others import (records/, errors), which is drawn filled.
"""

import tomllib
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

import grimp

ROOT = Path(__file__).parent.parent
PICTURE = ROOT / "docs" / "floors.svg"
PACKAGE = "autoresearch"
LAYERS = "A floor imports only floors below it"

Floors = Sequence[Sequence[str]]  # the rooms of each floor, the highest floor first
Imports = Mapping[str, frozenset[str]]  # the rooms that each room imports

WIDTH, MARGIN, TALL, BETWEEN, APART = 1040, 20, 34, 44, 12  # pixels
AROUND = 110  # pixels by which a line passes beside the rooms between its ends
_STYLE = """
  .ground { fill: #ffffff } .floor { fill: #f3f5f7 }
  .room { fill: #ffffff; stroke: #8a949e } .beside { stroke-dasharray: 4 3 }
  .common { fill: #dbe6f7 }
  text { fill: #1b1f23; font: 14px ui-monospace, monospace; text-anchor: middle }
  .import { fill: none; stroke: #2563c9; stroke-width: 1.2; stroke-opacity: .45 }
  @media (prefers-color-scheme: dark) {
    .ground { fill: #14171a } .floor { fill: #1d2125 }
    .room { fill: #272c32; stroke: #69727a } .common { fill: #24405f }
    text { fill: #e6e9ec }
    .import { stroke: #7fb0ff; stroke-opacity: .55 }
  }
"""


def contract(root: Path = ROOT) -> list[list[str]]:
    """Return the rooms of each floor as the import contract names them, the highest first."""
    settings = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))
    contracts = settings["tool"]["importlinter"]["contracts"]
    (layers,) = [each["layers"] for each in contracts if each["name"] == LAYERS]
    return [[_room(name) for name in layer.split("|")] for layer in layers]


def imports() -> dict[str, frozenset[str]]:
    """Return which rooms each room imports today; the root of the package is none."""
    graph = grimp.build_graph(PACKAGE, cache_dir=None)
    found: dict[str, set[str]] = {}
    for module in graph.modules:
        room = _room(module)
        reached = {_room(each) for each in graph.find_modules_directly_imported_by(module)}
        found.setdefault(room, set()).update(reached - {room, ""})
    return {room: frozenset(found[room]) for room in sorted(found) if room not in ("", "__main__")}


def _room(module: str) -> str:
    """Return what stands directly below the package: `research` for autoresearch.research.plan."""
    return [*module.strip().split("."), ""][1]


def needed(imports: Imports) -> list[tuple[str, str]]:
    """Return the imports, as pairs of rooms, that do not follow from others."""
    reach = {room: _reach(room, imports) for room in imports}
    return [
        (room, other)
        for room in sorted(imports)
        for other in sorted(imports[room])
        if not any(other in reach[between] for between in imports[room])
    ]


def _reach(room: str, imports: Imports) -> set[str]:
    """Return the rooms below a room, however many imports lead there."""
    found: set[str] = set()
    queue = [*imports.get(room, ())]
    while queue:
        other = queue.pop()
        if other not in found:
            found.add(other)
            queue += imports.get(other, ())
    return found


def common(imports: Imports) -> set[str]:
    """Return the rooms that more than half of the others import."""
    users = Counter(other for others in imports.values() for other in others)
    return {room for room, count in users.items() if 2 * count >= len(imports)}


def svg(floors: Floors, imports: Imports) -> str:
    """Return a picture of the floors; rooms that are on none of them stand in a row below."""
    known = {room for floor in floors for room in floor}
    beside = [room for room in imports if room not in known]
    most = common(imports)
    lines = [each for each in needed(imports) if each[1] not in most]
    rows = _arranged([*floors, *([beside] if beside else [])], lines)
    places = _places(rows)
    places |= {room: (places[room][0] / 2, places[room][1]) for room in beside}  # lines reach them
    height = 2 * MARGIN + len(rows) * (TALL + BETWEEN) - BETWEEN
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">',
            "<title>The rooms of the package by floor; each imports only what is below it</title>",
            f"<style>{_STYLE}</style>",
            f'<rect class="ground" width="{WIDTH}" height="{height}"/>',
            *(_band(row) for row in range(len(floors))),
            *(_line(places[one], places[other]) for one, other in lines),
            *(_box(room, places[room], _kind(room, beside, most)) for row in rows for room in row),
            "</svg>\n",
        ]
    )


def _arranged(rows: Floors, lines: Iterable[tuple[str, str]]) -> list[list[str]]:
    """Return each row in the order of what imports its rooms, so that fewer lines cross."""
    above: dict[str, list[str]] = {}
    for one, other in lines:
        above.setdefault(other, []).append(one)
    arranged: list[list[str]] = []
    for row in rows:
        places = _places([*arranged, row])

        def middle(room: str, places: Mapping[str, tuple[float, float]] = places) -> float:
            tops = [places[each][0] for each in above.get(room, ()) if each in places]
            return sum(tops) / len(tops) if tops else places[room][0]

        arranged.append(sorted(row, key=middle))
    return arranged


def _places(rows: Floors) -> dict[str, tuple[float, float]]:
    """Return the middle of each room's box."""
    return {
        room: (round(WIDTH * (place + 0.5) / len(row), 1), _top(number) + TALL / 2)
        for number, row in enumerate(rows)
        for place, room in enumerate(row)
    }


def _top(row: int) -> float:
    return MARGIN + row * (TALL + BETWEEN)


def _wide(room: str) -> float:
    return 8.5 * len(room) + 2 * APART


def _band(row: int) -> str:
    top, wide, tall = _top(row) - APART / 2, WIDTH - MARGIN, TALL + APART
    return f'<rect class="floor" x="10" y="{top:g}" width="{wide}" height="{tall}" rx="6"/>'


def _kind(room: str, beside: Collection[str], most: Collection[str]) -> str:
    return "room" + " beside" * (room in beside) + " common" * (room in most)


def _box(room: str, middle: tuple[float, float], kind: str) -> str:
    (x, y), wide = middle, _wide(room)
    return (
        f'<rect class="{kind}" x="{x - wide / 2:g}" y="{y - TALL / 2:g}" width="{wide:g}" '
        f'height="{TALL}" rx="5"/><text x="{x:g}" y="{y + 5:g}">{room}</text>'
    )


def _line(one: tuple[float, float], other: tuple[float, float]) -> str:
    """Return a curve from the foot of a box to the head of another, around what lies between."""
    (x, y), (end_x, end_y) = (one[0], one[1] + TALL / 2), (other[0], other[1] - TALL / 2)
    bend = (end_y - y) / 2
    aside = AROUND if end_y - y > BETWEEN and end_x == x else 0
    return (
        f'<path class="import" d="M{x:g} {y:g}C{x + aside:g} {y + bend:g} '
        f'{end_x + aside:g} {end_y - bend:g} {end_x:g} {end_y:g}"/>'
    )


if __name__ == "__main__":
    PICTURE.write_text(svg(contract(), imports()), "utf-8")
    print(f"wrote {PICTURE}")
