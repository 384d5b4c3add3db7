"""What stands behind a promotion, left in one file: with it anyone can train the evidence again."""

import hashlib
import json
import os
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from autoresearch import __version__, policy
from autoresearch import corpus as corpora
from autoresearch.config import Project
from autoresearch.config.project import SETTINGS_FILE
from autoresearch.errors import CorpusError
from autoresearch.gitrepo import GitRepo
from autoresearch.promotion.home import Promotion
from autoresearch.records.metric import Metric
from autoresearch.records.tables import Experiment, Study, Trial
from autoresearch.records.text import safe_line
from autoresearch.records.values import Purpose
from autoresearch.registry import Registry

FORMAT = 1
_NAME = "manifest.json"
_UNKNOWN = "autoresearch prepare --corpus …"  # of a corpus that is not here any more


class Pair(NamedTuple):
    """Two trials on one seed; the difference is as stored.

    `fresh`: it is not the first, which made it look good, so a claim may rest on it.
    """

    seed: int
    difference: float
    fresh: bool


@dataclass(frozen=True)
class Evidence:
    """What stands behind an experiment: its rows, its pairs, and `told`, its part of a manifest.

    In `told` scores and effects are as the study's metric goes; elsewhere they are as stored.
    """

    row: Experiment
    study: Study
    pairs: tuple[Pair, ...]
    told: Mapping[str, object]


def evidence_of(registry: Registry, repo: GitRepo, number: int) -> Evidence:
    """Return what stands behind an experiment.

    Raises:
        GitError: the commit that its study began with is gone.
        RegistryError: there is no such experiment.
    """
    row = registry.experiment(number)
    study = registry.study_of(row)
    parent = registry.experiment(row.parent_id) if row.parent_id else None
    readings = registry.readings(study)
    found = policy.by_seed(readings.get(number, []), readings.get(row.parent_id or 0, []))
    pairs = tuple(Pair(seed, difference, at > 0) for at, (seed, difference) in enumerate(found))
    shown = study.metric.shown
    told = {
        "experiment": number,
        "parent": row.parent_id,
        "hypothesis": row.hypothesis,
        "proposer": row.proposer,
        "commit": row.commit_sha,
        "parent_commit": row.parent_sha,
        "ref": f"refs/autoresearch/{study.tag}/{number}",  # keeps the commit
        "verdict": row.verdict,
        "standing": row.standing,
        "effect": _estimate(row.delta, row.delta_error, study.metric),
        "measured": _estimate(row.measured, row.measured_error, study.metric),
        "claim": row.claim,
        "claim_pairs": row.claim_pairs,
        "claim_reason": row.claim_reason,
        "val_gain": _estimate(row.val_gain, row.val_gain_error, study.metric),
        "test_gain": _estimate(row.test_gain, row.test_gain_error, study.metric),
        "test_bpb": None if row.test_bpb is None else shown(row.test_bpb),
        "pairs": [each._replace(difference=shown(each.difference))._asdict() for each in pairs],
        "readings": _readings(registry.trials(row), study.metric),
        "parent_readings": _readings(registry.trials(parent) if parent else (), study.metric),
        "study": _study(study, repo),
        "patch": row.patch,
    }
    return Evidence(row, study, pairs, told)


def _estimate(mean: float | None, error: float | None, metric: Metric) -> Sequence[float | None]:
    return None if mean is None else metric.shown(mean), error


def _readings(trials: Iterable[Trial], metric: Metric) -> list[dict[str, object]]:
    """Return the trials that were scored, but for those that only looked for drift."""
    return [
        {
            "trial": int(each.id or 0),
            "seed": each.seed,
            "purpose": each.purpose,
            "val_bpb": metric.shown(each.val_bpb),
            "steps": each.steps,
            "hardware": each.hardware,
        }
        for each in trials
        if each.val_bpb is not None and each.purpose != Purpose.DRIFT
    ]


def _study(study: Study, repo: GitRepo) -> dict[str, object]:
    """Return what the scores rest on, with the SHA-256 of the settings that it began with."""
    settings = repo.read_files(study.base_commit, (SETTINGS_FILE,)).get(SETTINGS_FILE, "")
    return {
        "tag": study.tag,
        "base_commit": study.base_commit,
        "device": study.device,
        "clock": study.clock,
        "budget_seconds": study.budget_seconds,
        "corpus": study.corpus,
        "trust": study.trust,
        "comparability": json.loads(study.comparability),
        "settings": hashlib.sha256(settings.encode()).hexdigest(),
        "metric": asdict(study.metric),
    }


def leave_manifest(
    project: Project, repo: GitRepo, done: Promotion, evidence: Sequence[Evidence], now: datetime
) -> list[str]:
    """Write the manifest beside the registry and into a git note; return how it is used.

    Raises:
        GitError: the note cannot be written.
        OSError: nor can the files.
    """
    mine = {each.id for each in done.commits}
    proven = [each for each in evidence if each.row.id in mine]
    folder = project.promoted / done.commits[-1].sha[:12]
    prepare = _prepare(project, repo)
    commands = [_replay(each, repo.prefix, prepare, folder / str(each.row.id)) for each in proven]
    manifest = {
        "format": FORMAT,
        "version": __version__,
        "made_at": now.isoformat(),
        "branch": done.branch,
        "old": done.old,
        "new": done.new,
        "promoted": [asdict(each) for each in done.commits],
        "evidence": [each.told for each in proven],
        "replay": [line for lines in commands for line in lines],
    }
    text = json.dumps(manifest, indent=1, allow_nan=False) + "\n"
    for each in proven:
        own = folder / str(each.row.id)
        own.mkdir(parents=True, exist_ok=True)
        patch = f"Subject: {safe_line(each.row.hypothesis, 200)}\n\n{each.row.patch}"
        (own / f"{each.row.id}.patch").write_text(patch, "utf-8")
    (folder / _NAME).write_text(text, "utf-8")
    for sha in dict.fromkeys(each.sha for each in done.commits):
        repo.annotate(sha, text)
    place = os.path.relpath(folder / _NAME)
    return [
        f"evidence: {place}, and `git notes --ref=autoresearch show {folder.name}`",
        f"train it again: {' && '.join(commands[0])}",
    ]


def _prepare(project: Project, repo: GitRepo) -> list[str]:
    """Return what has to be done in another checkout before the project can be run there."""
    told = list[str]()
    if SETTINGS_FILE not in repo.read_files(repo.head(), (SETTINGS_FILE,)):
        told.append(shlex.join(["cp", str(project.root / SETTINGS_FILE), "."]))
    if project.settings.target.command:
        return [*told, *(["autoresearch prepare"] if project.settings.data.prepare else [])]
    try:
        return [*told, corpora.load(project.corpus_pointer).command or _UNKNOWN]
    except CorpusError:
        return [*told, _UNKNOWN]


def _replay(each: Evidence, prefix: str, prepare: Sequence[str], patches: Path) -> list[str]:
    """Return the commands that train an experiment and its parent again, in a study of its own.

    `prefix` is the project's folder in its repository, `patches` the one that holds its patch.
    """
    name = f"replay-{each.row.id}"
    place = f"../{name}/{prefix}".rstrip("/")
    up = "../" * prefix.count("/")
    return [
        f"git worktree add --detach {up}../{name} {(each.row.parent_sha or '')[:12]}",
        shlex.join(["cd", f"{up}{place}"]),
        *prepare,
        shlex.join(
            ["autoresearch", "run", "--tag", name, "--budget", f"{each.study.budget_seconds:g}s",
             "--experiments", "2", "--proposer", f"patches:{patches}"]
        ),
    ]  # fmt: skip
