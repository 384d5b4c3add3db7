"""What a proposer is shown, built from the registry and git alone."""

import json
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache

from autoresearch import patching
from autoresearch.config import Project
from autoresearch.gitrepo import GitRepo
from autoresearch.proposers import (
    Brief,
    HistoryEntry,
    Known,
    KnownIdea,
    Machine,
    Measuring,
    Pending,
    Remaining,
    TextSize,
)
from autoresearch.records.proposals import Change, ChangeFormat, Notes
from autoresearch.records.tables import Experiment, Study, Trial
from autoresearch.records.training import ProfileRow
from autoresearch.records.values import Category, Estimate, Reading
from autoresearch.registry import Registry
from autoresearch.registry.packing import unpack_counts
from autoresearch.research.guarding import guards_of
from autoresearch.research.history import ExperimentHistory
from autoresearch.research.posterior import noise_beside

PROGRAM = "program.md"
_COMMITS = 4  # whose files are remembered: a base, an incumbent, and one more of each


class Briefing:
    """Makes briefs. Commits never change, so what is read from one is read once."""

    def __init__(self, registry: Registry, repo: GitRepo, project: Project) -> None:
        self._registry = registry
        self._repo = repo
        self._settings = project.settings
        self._editable = project.settings.target.editable
        self._guards = guards_of(self._settings)
        self._history = ExperimentHistory(registry, repo, self._settings.target, self._guards)
        self._read: Callable[[str], Mapping[str, str]] = lru_cache(_COMMITS)(
            lambda commit: repo.read_files(commit, ("**",))
        )
        self._before: tuple[Known, ...] | None = None
        self._waiting: dict[str, Pending] = {}  # by their commits

    def files(self, commit: str) -> Mapping[str, str]:
        """Return every text file of the project at a commit, path to text."""
        return self._read(commit)

    def editable(self, commit: str) -> dict[str, str]:
        """Return the files a proposer may change, at a commit."""
        return patching.matching(self.files(commit), self._editable)

    def effect(self, commit: str) -> str:
        """Return the effect hash of a commit's editable files."""
        return patching.effect_hash(self.editable(commit))

    def brief(
        self,
        study: Study,
        incumbent: Experiment,
        remaining: Remaining = Remaining(),  # noqa: B008 - it is frozen
        pending: Sequence[Experiment] = (),
    ) -> Brief:
        """Return the brief for the study's next proposal.

        Args:
            study: the one at work.
            incumbent: its best so far.
            remaining: what is left of the run.
            pending: experiments that are at work or wait for their turn.
        """
        notes = tuple(each.text for each in self._registry.notes(study) if each.stands)
        readings = self._registry.readings(study)
        history = self._history.entries(study, readings)
        waiting, scale = self._pending(pending), self._registry.scale(study)
        noise = noise_beside(readings, scale, incumbent.id)
        trials = self._registry.trials(incumbent)
        files, editable = self.files(study.base_commit), self.editable(study.base_commit)
        return Brief(
            study=study.tag,
            number=max([0, *(each.id for each in history), *(each.id for each in waiting)]) + 1,
            incumbent_id=incumbent.number,
            program=files.get(PROGRAM, ""),
            entry=self._settings.target.entry,
            files=self.editable(str(incumbent.commit_sha)),
            base_files=editable,
            history=history,
            pending=waiting,
            notes=notes,
            fixed_files={path: text for path, text in files.items() if path not in editable},
            editable=self._editable,
            score=_score(incumbent),
            profile=_profile(trials),
            parameters=_parameters(trials),
            baseline=_baseline(history, readings),
            scale=scale,
            noise=noise if noise.measured else None,
            guards=self._guards,
            command=self._settings.target.command,
            total=self._settings.total,
            limits=self._settings.limits(),
            measuring=self._measuring(study) if study.metric.is_bits_per_byte else None,
            device=study.device,
            budget=self._settings.budget(study.budget_seconds),
            remaining=remaining,
            salt=study.salt,
            known=self._known(study),
        )

    def _known(self, study: Study) -> tuple[Known, ...]:
        """Return what came with the project; an imported study never changes."""
        if self._before is None:
            self._before = tuple(
                self._known_of(each, study.base_commit) for each in self._registry.imported()
            )
        return self._before

    def _known_of(self, study: Study, base: str) -> Known:
        """Return what an imported study knows; `base` is the commit that the new one began with."""
        best = self._registry.incumbent(study)
        sha = self._repo.resolve(best.commit_sha) if best and best.commit_sha else None
        return Known(
            origin=study.origin,
            metric=study.metric,
            ideas=tuple(
                KnownIdea(
                    each.verdict,
                    None if each.val_bpb is None else study.metric.shown(each.val_bpb),
                    each.hypothesis,
                )
                for each in self._registry.experiments(study)
                if each.verdict is not None
            ),
            # Whether its last keep is part of what that commit holds; None: not known here.
            inside=None if sha is None else self._repo.merge_base(sha, base) == sha,
        )

    def _pending(self, rows: Sequence[Experiment]) -> tuple[Pending, ...]:
        commits = [(str(row.commit_sha), row) for row in rows if row.parent_id is not None]
        self._waiting = {
            sha: self._waiting.get(sha) or self._one_pending(row) for sha, row in commits
        }
        return tuple(self._waiting[sha] for sha, _ in commits)

    def _one_pending(self, row: Experiment) -> Pending:
        entry = self._settings.target.entry
        code = self._repo.read_files(str(row.commit_sha), (entry,))
        return Pending(
            id=row.number,
            proposer=row.proposer,
            hypothesis=row.hypothesis,
            change=Change(ChangeFormat(row.change_format), row.change_text),
            category=row.category,
            notes=Notes.of(row.notes),
            constants=patching.numbers(code.get(entry, "")),
        )

    def _measuring(self, study: Study) -> Measuring | None:
        if self._settings.target.command:  # what it reads, and how, is its own affair
            return None
        settings, sizes = self._settings, unpack_counts(study.doc_bytes)
        return Measuring(
            vocabulary=settings.corpus.vocab_size,
            context=settings.evaluation.context,
            threads=settings.training.threads,
            documents=len(sizes),
            bytes=sum(sizes),
            token_bytes=study.token_bytes,
            train=_train(study),
            machine=_machine(study),
        )


def _score(incumbent: Experiment) -> Estimate | None:
    if incumbent.val_bpb is None:
        return None
    return Estimate(incumbent.val_bpb, incumbent.val_bpb_error)


def _profile(trials: Sequence[Trial]) -> tuple[ProfileRow, ...]:
    found = [each.profile for each in trials if each.profile]
    return tuple(ProfileRow(*row) for row in found[-1]) if found else ()


def _parameters(trials: Sequence[Trial]) -> int | None:
    """Return how many parameters the first scored training said that it has."""
    said = [each.facts.get("num_params") for each in trials if each.val_bpb is not None]
    return said[0] if said and type(said[0]) is int and said[0] > 0 else None


def _baseline(
    history: Sequence[HistoryEntry], readings: Mapping[int, Sequence[Reading]]
) -> tuple[tuple[int, float], ...]:
    found = [readings.get(each.id, ()) for each in history if each.category is Category.BASELINE]
    return tuple((each.seed, each.bpb) for each in next(filter(None, found), ()))


def _train(study: Study) -> TextSize | None:
    names = ("documents", "bytes", "tokens")
    return TextSize(*(study.facts[name] for name in names)) if {*names} <= {*study.facts} else None


def _machine(study: Study) -> Machine | None:
    facts = study.facts
    if not facts:
        return None
    known: dict[str, str] = json.loads(study.comparability)
    processor, card, software = (known.get(name, "") for name in ("processor", "card", "software"))
    return Machine(processor, card, software, facts["compiles"])
