"""What stands behind a promotion, in one file: with it anyone can train the evidence again."""

import hashlib
import json
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

from autoresearch import __version__, policy
from autoresearch.gitrepo import GitRepo
from autoresearch.promotion.home import Promotion
from autoresearch.promotion.picking import Promoted
from autoresearch.records.metric import Metric
from autoresearch.records.tables import Experiment, Study, Trial
from autoresearch.records.values import Purpose, Reading
from autoresearch.registry import Registry

FORMAT = 1
SETTINGS = "autoresearch.toml"


@dataclass(frozen=True)
class ReadingTold:
    """One scored trial: what it was for, what it read, and what it ran on."""

    trial: int
    seed: int
    purpose: str
    val_bpb: float
    steps: int
    hardware: dict[str, Any]


@dataclass(frozen=True)
class Pair:
    """Two trials on one seed; the difference is in the metric's unit.

    `fresh`: it is not the first, which made it look good, so a claim may rest on it.
    """

    seed: int
    difference: float
    fresh: bool


@dataclass(frozen=True)
class StudyTold:
    """What the scores rest on; `settings` is the SHA-256 of autoresearch.toml at its base."""

    tag: str
    base_commit: str
    device: str
    clock: str
    budget_seconds: float
    corpus: str
    trust: str
    comparability: dict[str, str]
    settings: str
    metric: Metric


@dataclass(frozen=True)
class Evidence:
    """An experiment, its commit and its parent's, and all that was read of the two.

    `effect` is what is believed, `measured` what the pairs read, each with its standard error; the
    gains are against the baseline. `ref` keeps the commit. Scores and effects are as stored, lower
    where they are better; in a manifest they are as the study's metric goes.
    """

    experiment: int
    parent: int | None
    hypothesis: str
    proposer: str
    commit: str | None
    parent_commit: str | None
    ref: str
    verdict: str | None
    standing: str | None
    effect: tuple[float | None, float | None]
    measured: tuple[float | None, float | None]
    claim: float | None
    claim_pairs: int
    claim_reason: str
    val_gain: tuple[float | None, float | None]
    test_gain: tuple[float | None, float | None]
    test_bpb: float | None
    pairs: tuple[Pair, ...]
    readings: tuple[ReadingTold, ...]
    parent_readings: tuple[ReadingTold, ...]
    study: StudyTold
    patch: str

    @property
    def shown(self) -> "Evidence":
        """The same, scores and effects as the metric goes."""
        shown = self.study.metric.shown
        readings = [
            tuple(replace(each, val_bpb=shown(each.val_bpb)) for each in those)
            for those in (self.readings, self.parent_readings)
        ]
        effect, measured, val_gain, test_gain = (
            (None if mean is None else shown(mean), error)
            for mean, error in (self.effect, self.measured, self.val_gain, self.test_gain)
        )
        return replace(
            self,
            effect=effect,
            measured=measured,
            val_gain=val_gain,
            test_gain=test_gain,
            test_bpb=None if self.test_bpb is None else shown(self.test_bpb),
            pairs=tuple(replace(each, difference=shown(each.difference)) for each in self.pairs),
            readings=readings[0],
            parent_readings=readings[1],
        )


@dataclass(frozen=True)
class Manifest:
    """A promotion and the evidence for it; `replay` are the commands that train it again."""

    format: int
    version: str
    made_at: str
    branch: str
    old: str
    new: str
    promoted: tuple[Promoted, ...]
    evidence: tuple[Evidence, ...]
    replay: tuple[str, ...]

    @property
    def json(self) -> str:
        """It as a file."""
        return json.dumps(asdict(self), indent=1, allow_nan=False) + "\n"


def manifest(
    done: Promotion, evidence: Iterable[Evidence], replay: Sequence[str], now: datetime
) -> Manifest:
    """Return the manifest of a promotion."""
    return Manifest(
        FORMAT, __version__, now.isoformat(), done.branch, done.old, done.new, done.commits,
        tuple(each.shown for each in evidence), tuple(replay),
    )  # fmt: skip


def evidence_of(registry: Registry, repo: GitRepo, number: int) -> Evidence:
    """Return what stands behind an experiment.

    Raises:
        GitError: the commit that its study began with is gone.
        RegistryError: there is no such experiment.
    """
    row = registry.experiment(number)
    study = registry.study_of(row)
    parent = registry.experiment(row.parent_id) if row.parent_id else None
    mine, theirs = (_scored(registry, each) for each in (row, parent))
    return Evidence(
        experiment=number,
        parent=row.parent_id,
        hypothesis=row.hypothesis,
        proposer=row.proposer,
        commit=row.commit_sha,
        parent_commit=row.parent_sha,
        ref=f"refs/autoresearch/{study.tag}/{number}",
        verdict=row.verdict,
        standing=row.standing,
        effect=(row.delta, row.delta_error),
        measured=(row.measured, row.measured_error),
        claim=row.claim,
        claim_pairs=row.claim_pairs,
        claim_reason=row.claim_reason,
        val_gain=(row.val_gain, row.val_gain_error),
        test_gain=(row.test_gain, row.test_gain_error),
        test_bpb=row.test_bpb,
        pairs=_pairs(registry.readings(study), row),
        readings=tuple(map(_told, mine)),
        parent_readings=tuple(map(_told, theirs)),
        study=_study(study, repo),
        patch=row.patch,
    )


def replay(each: Evidence, prefix: str, prepare: Sequence[str], patches: str) -> list[str]:
    """Return the commands that train an experiment and its parent again, in a study of its own.

    Args:
        each: the experiment.
        prefix: the project's folder in its repository, "" for the top.
        prepare: the commands that make another checkout ready, such as that for the corpus.
        patches: the folder that holds its patch.
    """
    name = f"replay-{each.experiment}"
    place = f"../{name}/{prefix}".rstrip("/")
    up = "../" * prefix.count("/")
    return [
        f"git worktree add --detach {up}../{name} {(each.parent_commit or '')[:12]}",
        shlex.join(["cd", f"{up}{place}"]),
        *prepare,
        shlex.join(
            ["autoresearch", "run", "--tag", name, "--budget", f"{each.study.budget_seconds:g}s",
             "--experiments", "2", "--proposer", f"patches:{patches}"]
        ),
    ]  # fmt: skip


def _scored(registry: Registry, row: Experiment | None) -> list[Trial]:
    """Return the trials that were scored, but for those that only looked for drift."""
    found = registry.trials(row) if row else []
    return [each for each in found if each.val_bpb is not None and each.purpose != Purpose.DRIFT]


def _pairs(readings: dict[int, list[Reading]], row: Experiment) -> tuple[Pair, ...]:
    theirs = readings.get(row.parent_id or 0, [])
    found = policy.by_seed(readings.get(int(row.id or 0), []), theirs)
    return tuple(Pair(seed, difference, at > 0) for at, (seed, difference) in enumerate(found))


def _told(trial: Trial) -> ReadingTold:
    assert trial.val_bpb is not None
    return ReadingTold(
        int(trial.id or 0), trial.seed, trial.purpose, trial.val_bpb, trial.steps, trial.hardware
    )


def _study(study: Study, repo: GitRepo) -> StudyTold:
    settings = repo.read_files(study.base_commit, (SETTINGS,)).get(SETTINGS, "")
    return StudyTold(
        study.tag, study.base_commit, study.device, study.clock, study.budget_seconds,
        study.corpus, study.trust, json.loads(study.comparability),
        hashlib.sha256(settings.encode()).hexdigest(), study.metric,
    )  # fmt: skip
