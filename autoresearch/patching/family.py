"""Whether the learning curves of two sources can be compared at the same progress.

They cannot where a change touches the schedule (learning rates, momentum, decay, shares of the
budget), the optimizer, the batches or what the loss is: a shorter warm-down looks better half-way
and ends worse, a softer loss is lower without being better. Found by the names that code uses,
rather too often than too seldom. Nothing is run.
"""

import ast
import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import lru_cache

from autoresearch.patching.lines import MARK
from autoresearch.patching.syntax import drop_docstrings, parse, read

# Code with one of these words, also as a part of a name, may change what a curve means: it steers.
_STEERING_WORDS = """
lr rate learning sched schedule scheduler warm warmup warmdown cooldown decay anneal
cosine momentum nesterov beta adam adamw muon sgd optim optimizer optimiser clip grad
gradient backward accumulate accumulated accumulation progress budget pace session step
epoch iteration ema swa batch feed data loader shard sample shuffle seed random rand randn
randint randperm noise loss nll ce entropy criterion logit softcap target label smoothing
ignore reduction tokenizer drop dropout stochastic bernoulli training eval exec compile
globals setattr getattr vars
"""
_STEERING = frozenset(_STEERING_WORDS.split())
# These words are also in code that does much else (a model's __init__): of functions, only the
# single statements that use them count.
_SHAPING = frozenset({"vocab", "context", "seq", "sequence"})
_LONGEST = 200  # characters of a text in which words are looked for
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")


@dataclass(frozen=True)
class _Unit:
    """A function, or a statement outside of one: where it stands, what it says, uses and binds.

    What it says is told by a hash: many are remembered.
    """

    place: str
    said: str
    steers: bool
    uses: frozenset[str]
    binds: frozenset[str]


def steering_change(before: Mapping[str, str], after: Mapping[str, str]) -> str | None:
    """Return the place where a change alters what a learning curve means; None where it does not.

    Args:
        before: the incumbent's editable files, path to text.
        after: the same files with the change.
    """
    paths = sorted({*before, *after})
    changed = (path for path in paths if before.get(path) != after.get(path))
    found = (_steered(path, before.get(path, ""), after.get(path, "")) for path in changed)
    return next((place for place in found if place is not None), None)


def _steered(path: str, old: str, new: str) -> str | None:
    if not path.endswith(".py"):
        return path
    try:
        was, now = _steering(old), _steering(new)
    except (RecursionError, ValueError):  # too deep, or an int of over 4,300 digits
        return path
    if was is None or now is None:
        return path
    return min((place for place, *_ in was ^ now), default=None)


@lru_cache(maxsize=8)  # one incumbent is compared with many
def _steering(source: str) -> frozenset[tuple[str, str, int]] | None:
    """Return the units that steer, by their words or as others that steer use them, with counts.

    None: the source is no Python.
    """
    known = read(source)
    if known is None:
        return None
    units = [unit for each in _statements(known.tree, source) for unit in _units_of(each)]
    found = {unit for unit in units if unit.steers}
    while more := _used(units, found) - found:
        found |= more
    counts = Counter((unit.place, unit.said) for unit in units if unit in found)
    return frozenset((*each, times) for each, times in counts.items())


def _statements(tree: ast.Module, source: str) -> Iterator[str | ast.stmt]:
    """Yield a module's statements but its docstring: as text where lines are theirs alone.

    From one text to the next most are the same, and looked at once.
    """
    lines = source.removeprefix(MARK).split("\n")
    body = tree.body[1:] if ast.get_docstring(tree, clean=False) is not None else tree.body
    ends = [0, *((node.end_lineno or 0) for node in body)]
    starts = [*map(_first_line, body), len(lines) + 1]
    for at, node in enumerate(body):
        alone = ends[at] < starts[at] and ends[at + 1] < starts[at + 1]
        own = alone and node.col_offset == 0 and "\r" not in source
        yield "\n".join(lines[starts[at] - 1 : ends[at + 1]]) if own else node


def _first_line(node: ast.stmt) -> int:
    above: list[ast.expr] = getattr(node, "decorator_list", [])
    return min([node.lineno, *(each.lineno for each in above)])


def _units_of(statement: str | ast.stmt) -> tuple[_Unit, ...]:
    return _known(statement) if isinstance(statement, str) else _looked_at(deepcopy(statement))


@lru_cache(maxsize=1024)
def _known(statement: str) -> tuple[_Unit, ...]:
    tree = parse(statement)
    assert tree is not None  # as it was in its source
    return _looked_at(*tree.body)


def _looked_at(*statements: ast.stmt) -> tuple[_Unit, ...]:
    """Return the units of statements that are in nothing else; they are changed by it."""
    for node in statements:
        drop_docstrings(node)
    return tuple(_units(statements, ""))


def _used(units: Sequence[_Unit], by: Iterable[_Unit]) -> set[_Unit]:
    names = {name for unit in by for name in unit.uses}
    return {unit for unit in units if unit.binds & names}


def _units(body: Sequence[ast.stmt], outside: str) -> Iterator[_Unit]:
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield _unit(node, outside + node.name, binds=() if outside else (node.name,))
            yield from _shaping(node, outside + node.name)
        elif isinstance(node, ast.ClassDef):
            yield from _units(node.body, f"{outside}{node.name}.")
            node.body = []
            yield _unit(node, outside + node.name)
        else:
            names = sorted(_names(ast.walk(node), ast.Store))
            place = outside + (", ".join(names) or type(node).__name__)
            yield _unit(node, place, binds=() if outside else names, also=_SHAPING)


def _shaping(function: ast.AST, place: str) -> Iterator[_Unit]:
    for node in ast.walk(function):
        if isinstance(node, ast.stmt) and not hasattr(node, "body"):
            unit = _unit(node, place, also=_SHAPING)
            if unit.steers:
                yield unit


def _unit(
    node: ast.stmt, place: str, *, binds: Iterable[str] = (), also: frozenset[str] = frozenset()
) -> _Unit:
    nodes = list(ast.walk(node))
    words = {word.lower() for name in {*_mentions(nodes)} for word in _WORD.findall(name)}
    words |= {word.removesuffix("s") for word in words}
    return _Unit(
        place=place,
        said=hashlib.sha256(ast.dump(node).encode("utf-8", "surrogatepass")).hexdigest(),
        steers=bool(words & (_STEERING | also)),
        uses=_names(nodes, ast.Load),
        binds=frozenset(binds),
    )


def _names(nodes: Iterable[ast.AST], context: type[ast.expr_context]) -> frozenset[str]:
    inside = (each for each in nodes if isinstance(each, ast.Name))
    return frozenset(each.id for each in inside if isinstance(each.ctx, context))


def _mentions(nodes: Iterable[ast.AST]) -> Iterator[str]:
    """Yield every identifier, also those in texts: getattr(x, "lr")."""
    for each in nodes:
        for _, value in ast.iter_fields(each):
            for item in value if isinstance(value, list) else (value,):
                if isinstance(item, str) and len(item) <= _LONGEST:
                    yield item
