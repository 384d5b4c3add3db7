"""Finished experiments as proposers see them. What a row says once it is done is read once."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import fmean

from autoresearch import patching
from autoresearch.gitrepo import GitRepo
from autoresearch.proposers import Past, Run
from autoresearch.records.tables import Experiment, Study, Trial
from autoresearch.records.values import Change, ChangeFormat, Verdict
from autoresearch.registry import Registry
from autoresearch.research.recording import settled

CURVE_POINTS = 8
_FRAME = re.compile(r'\s*File "(?P<path>[^"\n]+)", line \d+, in (?P<function>.+)')
_KIND = re.compile(r"(?P<kind>[A-Za-z_][\w.]*)(?::.*)?")


@dataclass(frozen=True)
class Target:
    """Which file trains, and the globs of those that may change."""

    entry: str
    editable: tuple[str, ...]


class Pasts:
    """Every finished experiment of a study, in the order in which they ended.

    Little of a row ever changes (`_fresh` knows what), so all else is remembered.
    """

    def __init__(self, registry: Registry, repo: GitRepo, target: Target) -> None:
        self._registry = registry
        self._repo = repo
        self._target = target
        self._known: dict[int, Past] = {}
        self._constants: dict[str, Mapping[str, patching.Number]] = {}

    def of(self, study: Study) -> tuple[Past, ...]:
        """Return them all, oldest end first: so a history only ever grows at its end."""
        rows = self._registry.experiments(study)
        done = [row for row in rows if row.verdict is not None]
        new = [at for at, row in enumerate(rows) if self._is_new(row)]
        if new:
            for row in self._registry.experiments(study, last=len(rows) - new[0], whole=True):
                if self._is_new(row):
                    self._known[int(row.id or 0)] = self._past(row)
        done.sort(key=lambda row: (row.finished_at or row.created_at, row.id or 0))
        return tuple(_fresh(self._known[int(row.id or 0)], row) for row in done)

    def _is_new(self, row: Experiment) -> bool:
        return row.verdict is not None and row.id not in self._known

    def _past(self, row: Experiment) -> Past:
        trials = self._registry.trials(row, whole=True)
        crashed = row.verdict is Verdict.CRASH
        traceback = _traceback(trials) if crashed else ""
        return Past(
            id=int(row.id or 0),
            proposer=row.proposer,
            hypothesis=row.hypothesis,
            change=Change(ChangeFormat(row.change_format), row.change_text),
            verdict=row.verdict or Verdict.CRASH,
            category=row.category,
            reason=row.reason,
            val_bpb=row.val_bpb,
            error=row.val_bpb_error,
            delta=row.delta,
            delta_error=row.delta_error,
            predicted_delta=row.predicted_delta,
            risk=row.risk,
            parent_id=row.parent_id,
            patch=row.patch,
            traceback=traceback,
            fingerprint=fingerprint(traceback, row.reason, self._target) if crashed else "",
            run=next((_run(trial) for trial in trials if trial.val_bpb is not None), None),
            constants=self._numbers(row.commit_sha),
        )

    def _numbers(self, commit: str | None) -> Mapping[str, patching.Number]:
        if commit is None:
            return {}
        if commit not in self._constants:
            entry = self._target.entry
            source = self._repo.read_files(commit, (entry,)).get(entry, "")
            self._constants[commit] = patching.numbers(source)
        return self._constants[commit]


def _fresh(past: Past, row: Experiment) -> Past:
    return replace(
        past,
        val_bpb=row.val_bpb,
        error=row.val_bpb_error,
        standing=row.standing,
        verdict=row.verdict or past.verdict,
        reason=row.reason,
    )


def fingerprint(traceback: str, reason: str, target: Target) -> str:
    """Return what crashes of the same kind at the same place have in common, in 12 hex digits.

    The place is the innermost frame in a file that may change: its function and its line of code,
    for line numbers move with every patch. Without a traceback the reason tells them apart, its
    numbers aside: those are measured anew in every crash.

    Args:
        traceback: its end as Python writes it; empty where there is none.
        reason: how the experiment ended.
        target: says which files may change.
    """
    lines = traceback.split("\n")
    kind = _kind(lines)
    places = [
        (found["function"], code.strip())
        for line, code in pairwise(lines)
        if (found := _FRAME.fullmatch(line)) and _may_change(found["path"], target)
    ]
    if kind and places:
        told = (kind, *places[-1])
    else:
        told = ("", kind, re.sub(r"\d+(?:\.\d+)?", "#", reason))
    return hashlib.sha256("\0".join(told).encode("utf-8", "surrogatepass")).hexdigest()[:12]


def thinned(points: Sequence[Sequence[float]], most: int = CURVE_POINTS) -> list[list[float]]:
    """Return the means of up to `most` stretches of points, each as long as the next."""
    count = min(most, len(points))
    edges = [len(points) * at // count for at in range(count + 1)] if count else []
    stretches = [points[first:last] for first, last in pairwise(edges)]
    return [[fmean(column) for column in zip(*each, strict=True)] for each in stretches]


def _kind(lines: Sequence[str]) -> str:
    """Return the exception's type: what follows the last frame, whatever its message says."""
    last = max((at for at, line in enumerate(lines) if _FRAME.fullmatch(line)), default=0)
    return next((found["kind"] for line in lines[last:] if (found := _KIND.fullmatch(line))), "")


def _may_change(path: str, target: Target) -> bool:
    inside = path.rpartition("/tree/")[2]  # a trial's files lie in its folder `tree`
    return not inside.startswith("/") and patching.matches(inside, target.editable)


def _traceback(trials: Sequence[Trial]) -> str:
    own = (trial.traceback for trial in reversed(trials) if trial.traceback and settled(trial))
    return next(own, "")


def _run(trial: Trial) -> Run:
    points = [(point[3], point[1]) for point in trial.curve]
    return Run(
        val_bpb=trial.val_bpb or 0.0,
        steps=trial.steps,
        tokens=trial.tokens,
        speed=trial.tokens / trial.training_seconds if trial.training_seconds > 0 else 0.0,
        memory=trial.peak_memory,
        curve=tuple((progress, loss) for progress, loss in thinned(points)),
    )
