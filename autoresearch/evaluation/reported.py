"""Scores that trials report themselves, in a file or in what they print: believed as they are."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from autoresearch.config import MetricSettings
from autoresearch.evaluation.own_metric import OwnMetricScorer, RawMetric
from autoresearch.evaluation.parsing import find, number, numbers, parse_object
from autoresearch.evaluation.rules import Cause, NoScore
from autoresearch.records.text import safe_line, whole_text
from autoresearch.records.values import Trust

MAX_FILE = 4 * 2**20  # bytes
_RULE = "---"


class ReportedScorer(OwnMetricScorer):
    """Reads a trial's own number: from its JSON file, or from the last block that it printed.

    A block is what follows the last line `---`; there each number is printed once. Without such a
    line the whole of what was printed is a running log, in which the last line of a name counts.
    """

    def __init__(self, settings: MetricSettings) -> None:
        """Build it; the settings have `file` and `key`, or `summary`."""
        super().__init__(settings, Trust.SELF_REPORTED)

    def _read(self, tree: Path, checkpoint: Path, scratch: Path) -> RawMetric:
        del tree, scratch
        settings = self._settings
        return _in_file(checkpoint, settings) if settings.file else _printed(checkpoint, settings)


def _in_file(checkpoint: Path, settings: MetricSettings) -> RawMetric:
    name = safe_line(settings.file, 80)
    values = parse_object(_text_of(checkpoint, settings.file, name), name)
    key = f"{safe_line(settings.key, 80)} in {name}"
    return RawMetric(key, find(values, settings.key), numbers=numbers(values))


def _text_of(checkpoint: Path, path: str, name: str) -> str:
    """Return the text of a file that a trial left, in its tree or in its output folder."""
    for place in (checkpoint / "tree" / path, checkpoint / "out" / path):
        try:
            facts = os.lstat(place)
        except (FileNotFoundError, NotADirectoryError):
            continue
        if not stat.S_ISREG(facts.st_mode) or facts.st_size > MAX_FILE:
            reason = f"{name} is no plain file of at most {MAX_FILE // 2**20} MiB"
            raise NoScore(Cause.METRIC, reason)
        return place.read_text("utf-8", "replace")
    raise NoScore(Cause.METRIC, f"the trial wrote no {name}")


def _printed(checkpoint: Path, settings: MetricSettings) -> RawMetric:
    rows = whole_text((checkpoint / "log").read_bytes()).split("\n")
    rules = [at for at, row in enumerate(rows) if row.strip() == _RULE]
    lines = list(_lines(rows[rules[-1] + 1 :] if rules else rows))
    reports = [value for name, value in lines if name == settings.summary]
    name, where = safe_line(settings.summary, 80), f" after its last line {_RULE}" if rules else ""
    if not reports:
        raise NoScore(Cause.METRIC, f"the trial printed no line `{name}: NUMBER`{where}")
    if rules and len(different := list(dict.fromkeys(reports))) > 1:
        values = " and ".join(safe_line(each, 30) for each in different[:2])
        raise NoScore(Cause.METRIC, f"the trial printed {name} more than once{where}: {values}")
    score = number(reports[-1])
    latest: dict[str, object] = {}  # a running log has many names: those of its end count
    for each, value in reversed(lines):
        latest.setdefault(each, number(value))
    return RawMetric(name, reports[-1] if score is None else score, numbers=numbers(latest))


def _lines(rows: list[str]) -> Iterator[tuple[str, str]]:
    """Yield name and value of every line `name: value`."""
    for row in rows:
        name, colon, value = row.partition(":")
        if colon:
            yield name.strip(), value.strip()
