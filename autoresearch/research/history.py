"""Finished experiments as proposers see them. What a row says once it is done is read once."""

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import pairwise
from statistics import fmean

from autoresearch import patching, policy
from autoresearch.config.settings import TargetSettings
from autoresearch.gitrepo import GitRepo
from autoresearch.proposers import HistoryEntry, TrialSummary
from autoresearch.records.proposals import Change, ChangeFormat, Notes
from autoresearch.records.tables import Experiment, Study, Trial
from autoresearch.records.values import Purpose, Reading, Verdict
from autoresearch.registry import Registry
from autoresearch.research.guarding import Guards, broken
from autoresearch.research.trial_recorder import is_finished

CURVE_PARTS = 8
_CODES = 4  # commits whose files are remembered
_FRAME = re.compile(r'\s*File "(?P<path>[^"\n]+)", line \d+, in (?P<function>.+)')
_KIND = re.compile(r"(?P<kind>[A-Za-z_][\w.]*)(?::.*)?")


class ExperimentHistory:
    """Every finished experiment of a study, in the order in which they ended.

    Little of a row ever changes (`_fresh` knows what), so all else is remembered.
    """

    def __init__(
        self, registry: Registry, repo: GitRepo, target: TargetSettings, guards: Guards = ()
    ) -> None:
        self._registry = registry
        self._target = target
        self._guards = guards
        self._known: dict[int, HistoryEntry] = {}
        self._told: dict[int, tuple[Experiment, HistoryEntry]] = {}  # as they were last
        files = (target.entry, *target.editable)
        self._code: Callable[[str], Mapping[str, str]] = lru_cache(_CODES)(
            lambda commit: repo.read_files(commit, files)
        )
        self._besides: dict[tuple[int, int], TrialSummary] = {}

    def entries(
        self, study: Study, readings: Mapping[int, Sequence[Reading]]
    ) -> tuple[HistoryEntry, ...]:
        """Return them all, oldest end first: so a history only ever grows at its end.

        `readings` are every experiment's, by its number.
        """
        rows = self._registry.experiments(study)
        done = [row for row in rows if row.verdict is not None]
        new = [at for at, row in enumerate(rows) if self._is_new(row)]
        if new:
            for row in self._registry.experiments(study, last=len(rows) - new[0], whole=True):
                if self._is_new(row):
                    self._known[row.number] = self._past(row, readings)
        done.sort(key=lambda row: (row.finished_at or row.created_at, row.number))
        return tuple(self._entry(row, readings) for row in done)

    def _entry(self, row: Experiment, readings: Mapping[int, Sequence[Reading]]) -> HistoryEntry:
        """Return an experiment as it is now: most rows are as they were the last time."""
        number = row.number
        last = self._told.get(number)
        if last is None or last[0] is not row or row.verdict is Verdict.KEEP:
            last = self._told[number] = row, _fresh(self._known[number], row, readings)
        return last[1]

    def _is_new(self, row: Experiment) -> bool:
        return row.verdict is not None and row.id not in self._known

    def _past(self, row: Experiment, readings: Mapping[int, Sequence[Reading]]) -> HistoryEntry:
        trials = self._registry.trials(row, whole=True)
        crashed = row.verdict is Verdict.CRASH
        traceback = _traceback(trials) if crashed else ""
        code = old = self._code(row.commit_sha) if row.commit_sha else {}
        if row.parent_sha and row.commit_sha:
            old = self._code(row.parent_sha)
        first = next((trial for trial in trials if trial.val_bpb is not None), None)
        return HistoryEntry(
            id=row.number,
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
            chances=row.chances,
            pairs=_pairs(row, trials, readings),
            predicted_delta=row.predicted_delta,
            risk=row.risk,
            notes=Notes.of(row.notes),
            parent_id=row.parent_id,
            patch=row.patch,
            traceback=traceback,
            fingerprint=fingerprint(traceback, row.reason, self._target.editable)
            if crashed
            else "",
            run=_run(first) if first else None,
            beside=self._beside(row.parent_id, first.seed) if first and row.parent_id else None,
            broke=broken(trials, self._guards),
            steers=patching.steering_change(old, code) or "",
            constants=patching.numbers(code.get(self._target.entry, "")),
        )

    def _beside(self, parent: int, seed: int) -> TrialSummary | None:
        """Return the parent's training on a seed; None where it came to no score."""
        if (parent, seed) not in self._besides:
            row = self._registry.experiment(parent, whole=False)
            for each in self._registry.trials(row, whole=True):
                if each.val_bpb is not None and each.purpose is not Purpose.DRIFT:
                    self._besides[parent, each.seed] = _run(each)
        return self._besides.get((parent, seed))


def _fresh(
    past: HistoryEntry, row: Experiment, readings: Mapping[int, Sequence[Reading]]
) -> HistoryEntry:
    return replace(
        past,
        further=_further(row, past.pairs, readings),
        val_bpb=row.val_bpb,
        error=row.val_bpb_error,
        standing=row.standing,
        verdict=row.verdict or past.verdict,
        reason=row.reason,
    )


def fingerprint(traceback: str, reason: str, editable: Sequence[str]) -> str:
    """Return what crashes of the same kind at the same place have in common, in 12 hex digits.

    The place is the innermost frame in a file that may change: its function and its line of code,
    for line numbers move with every patch. Without a traceback the reason tells them apart, its
    numbers aside: those are measured anew in every crash.

    Args:
        traceback: its end as Python writes it; empty where there is none.
        reason: how the experiment ended.
        editable: globs of the files that may change.
    """
    lines = traceback.split("\n")
    kind = _kind(lines)
    places = [
        (found["function"], code.strip())
        for line, code in pairwise(lines)
        if (found := _FRAME.fullmatch(line)) and _may_change(found["path"], editable)
    ]
    if kind and places:
        told = (kind, *places[-1])
    else:
        told = ("", kind, re.sub(r"\d+(?:\.\d+)?", "#", reason))
    return hashlib.sha256("\0".join(told).encode("utf-8", "surrogatepass")).hexdigest()[:12]


def smoothed(points: Sequence[tuple[float, float]], parts: int = CURVE_PARTS) -> list[float | None]:
    """Return the mean loss in each of as many equal parts of the budget; None where none was told.

    So two curves are read at the same shares, whatever their steps.

    Args:
        points: progress from 0 to 1, and the loss.
        parts: how many.
    """
    found: list[list[float]] = [[] for _ in range(parts)]
    for progress, loss in points:
        found[min(int(progress * parts), parts - 1)].append(loss)
    return [fmean(each) if each else None for each in found]


def _kind(lines: Sequence[str]) -> str:
    """Return the exception's type: what follows the last frame, whatever its message says."""
    last = max((at for at, line in enumerate(lines) if _FRAME.fullmatch(line)), default=0)
    return next((found["kind"] for line in lines[last:] if (found := _KIND.fullmatch(line))), "")


def _may_change(path: str, editable: Sequence[str]) -> bool:
    inside = path.rpartition("/tree/")[2]  # a trial's files lie in its folder `tree`
    return not inside.startswith("/") and patching.matches(inside, editable)


def _traceback(trials: Sequence[Trial]) -> str:
    own = (trial.traceback for trial in reversed(trials) if trial.traceback and is_finished(trial))
    return next(own, "")


def _pairs(
    row: Experiment, trials: Sequence[Trial], readings: Mapping[int, Sequence[Reading]]
) -> tuple[tuple[int, float], ...]:
    """Return the differences that were read up to the verdict, by seed, as they were read."""
    seeds = {each.seed for each in trials if each.purpose in (Purpose.SCREENING, Purpose.PAIR)}
    mine = [each for each in readings.get(row.number, ()) if each.seed in seeds]
    return tuple(policy.by_seed(mine, readings.get(row.parent_id or 0, ())))


def _further(
    row: Experiment,
    pairs: Sequence[tuple[int, float]],
    readings: Mapping[int, Sequence[Reading]],
) -> tuple[tuple[int, float], ...]:
    """Return the differences of a keep that were read after its verdict, by seed."""
    if row.verdict is not Verdict.KEEP or row.parent_id is None:
        return ()
    known = {seed for seed, _ in pairs}
    read = policy.by_seed(readings.get(row.number, ()), readings.get(row.parent_id, ()))
    return tuple(each for each in read if each[0] not in known)


def _run(trial: Trial) -> TrialSummary:
    return TrialSummary(
        val_bpb=trial.val_bpb or 0.0,
        steps=trial.steps,
        tokens=trial.tokens,
        speed=trial.tokens / trial.training_seconds if trial.training_seconds > 0 else 0.0,
        memory=trial.peak_memory,
        seconds=trial.training_seconds,
        gauges=trial.gauges,
        curve=tuple(smoothed([(point[3], point[1]) for point in trial.curve])),
    )
