"""How the code is shaped: files, lines, lengths of functions, helpers, a proposal's way, repeats.

    python benchmarks/shape.py [--modules]

Everything but the last row is of the package alone. A helper is a function whose name begins with
an underscore; it is called once if its own file has one mention of it beside the definition. A
proposal's way is looked at in a night of a stub whose trainings are real processes: the modules in
which a function of this process is called between a proposal and its verdict (`--modules` names
them). The stub is scored by a stub, and there is no smoke test, so that evaluation/ and most of
preflight/ are no part of it. Repeats are lines in a run of ten or more that stands again elsewhere,
to the letter but for indentation; blank lines, comments, imports and lone brackets do not count.
"""

import argparse
import ast
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

sys.path.insert(0, str(Path(__file__).parent.parent))

from autoresearch.proposers import Brief, Check, ProposeFailure
from autoresearch.records.events import Event, ExperimentDone
from autoresearch.records.proposals import Proposal
from autoresearch.research import StopRules
from tests.stubs import TRAIN, Night, Scripted, make_project, processes

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "autoresearch"
RUN = 10  # lines
Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Source:
    """A file of the package."""

    path: Path
    text: str
    tree: ast.Module

    @property
    def functions(self) -> list[Function]:
        """Its functions and methods, those inside of others too."""
        return [each for each in ast.walk(self.tree) if isinstance(each, Function)]


def sources(folder: Path = PACKAGE) -> list[Source]:
    """Return the Python files below a folder."""
    texts = {path: path.read_text("utf-8") for path in sorted(folder.rglob("*.py"))}
    return [Source(path, text, ast.parse(text)) for path, text in texts.items()]


def lengths(files: Iterable[Source]) -> list[int]:
    """Return the lines of every function from `def` to its end, shortest first."""
    return sorted(
        (each.end_lineno or each.lineno) - each.lineno + 1
        for source in files
        for each in source.functions
    )


def helpers(source: Source) -> tuple[int, int]:
    """Return how many private functions a file has, and how many of them it mentions once."""
    named = [each.name for each in source.functions if each.name.startswith("_")]
    private = {name for name in named if not name.endswith("__")}
    mentions = Counter(
        node.id if isinstance(node, ast.Name) else node.attr
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Name | ast.Attribute)
    )
    return len(private), sum(mentions[name] == 1 for name in private)


def repeated(texts: Mapping[str, str], run: int = RUN) -> set[tuple[str, int]]:
    """Return the places, as file and line number, that are in a run which stands elsewhere too."""
    lines = {name: list(_telling(text)) for name, text in texts.items()}
    places = defaultdict[tuple[str, ...], list[tuple[str, int]]](list)
    for name, told in lines.items():
        for at in range(len(told) - run + 1):
            places[tuple(line for _, line in told[at : at + run])].append((name, at))
    return {
        (name, number)
        for found in places.values()
        if len(found) > 1
        for name, at in found
        for number, _ in lines[name][at : at + run]
    }


def _telling(text: str) -> Iterator[tuple[int, str]]:
    """Yield the lines that say something, with their numbers."""
    for number, line in enumerate(text.splitlines(), 1):
        bare = line.strip()
        if bare.strip("()[]{}, ") and not bare.startswith(("#", "import ", "from ")):
            yield number, bare


class Trace:
    """The modules of the package in which a function is called, from any thread."""

    def __init__(self) -> None:
        self.modules: set[str] = set()
        self.on = False

    def __call__(self, frame: FrameType, event: str, _argument: object) -> None:
        """Take notice of what the interpreter does; see `sys.setprofile`."""
        if self.on and event == "call":
            path = Path(frame.f_code.co_filename)
            if path.is_relative_to(PACKAGE):
                self.modules.add(path.relative_to(PACKAGE).as_posix())

    def __enter__(self) -> None:
        threading.setprofile(self)
        sys.setprofile(self)

    def __exit__(self, *_fault: object) -> None:
        sys.setprofile(None)
        threading.setprofile(None)


@dataclass
class Traced(Scripted):
    """A stub's proposer; what is called is traced from its proposal on."""

    trace: Trace = field(default_factory=Trace)

    def propose(self, brief: Brief, check: Check) -> Proposal | ProposeFailure | None:
        """Return a proposal."""
        made = super().propose(brief, check)
        self.trace.on = isinstance(made, Proposal)
        return made


def modules_to_verdict() -> list[str]:
    """Return the modules that a proposal of a stub night passes until it has its verdict."""
    trace = Trace()

    def on_event(event: Event) -> None:
        if isinstance(event, ExperimentDone):
            trace.on = False

    with tempfile.TemporaryDirectory() as place:
        night = Night(
            make_project(Path(place) / "project"),
            Traced([TRAIN.replace("= 2.0", "= 1.0", 1)], trace=trace),
            StopRules(experiments=2),
            listener=on_event,
            clock=time.monotonic,
            worker=processes(),
        )
        with trace:
            night.run()
    return sorted(trace.modules)


def rows(files: Sequence[Source], passed: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield what is measured, with its value."""
    lines = [source.text.count("\n") for source in files]
    yield "files", f"{len(files)}"
    yield "lines", f"{sum(lines):,}"
    yield "files of more than 300 lines", f"{sum(each > 300 for each in lines)}"
    long = lengths(files)
    yield "functions", f"{len(long):,}"
    high = long[int(0.95 * len(long))]
    yield (
        "lines of a function: median, 95th percentile, longest",
        (f"{statistics.median(long):g}, {high}, {long[-1]}"),
    )
    private, once = map(sum, zip(*map(helpers, files), strict=True))
    yield "private helpers; called once", f"{private:,}; {once:,} ({once / private:.0%})"
    yield "modules from a proposal to its verdict", f"{len(passed)}"
    own = repeated({str(source.path): source.text for source in files})
    yield "repeated lines", f"{len(own)}"
    whole = {str(path): path.read_text("utf-8") for path in _all()}
    yield "repeated lines with tests, benchmarks and templates", f"{len(repeated(whole))}"


def _all() -> Iterator[Path]:
    for folder in ("autoresearch", "tests", "benchmarks", "templates"):
        yield from sorted((ROOT / folder).rglob("*.py"))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--modules", action="store_true", help="name the modules of the way, too")
    arguments = parser.parse_args()
    passed = modules_to_verdict()
    print("| measured | today |\n|---|---|")
    for name, value in rows(sources(), passed):
        print(f"| {name} | {value} |")
    if arguments.modules:
        print("\n" + "\n".join(passed))


if __name__ == "__main__":
    main()
