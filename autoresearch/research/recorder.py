"""What becomes of readings: verdicts, evidence, scores and claims in rows, keeps on the branch."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from autoresearch import policy
from autoresearch.errors import GitError
from autoresearch.gitrepo import GitRepo
from autoresearch.records.events import Event, ExperimentDone, Notice, StandingChanged
from autoresearch.records.tables import Experiment, Study
from autoresearch.records.values import ExperimentState, Reading, Standing, Verdict
from autoresearch.registry import Registry
from autoresearch.registry.packing import unpack_counts
from autoresearch.research.guarding import Guards, broken
from autoresearch.research.posterior import StudyPosterior, fit_posterior
from autoresearch.research.study import follow


@dataclass(frozen=True)
class Keep:
    """A kept experiment's row, and what the policy knows it by."""

    row: Experiment
    kept: policy.Kept


@dataclass
class Recorder:
    """Writes verdicts and what follows from them. Whatever is killed half-way is found again.

    What breaks one of `guards` on a later trial has no claim.
    """

    registry: Registry
    repo: GitRepo
    on_event: Callable[[Event], None]
    guards: Guards = ()
    _stuck: str = field(default="", init=False)  # why the branch could not follow last

    def follow(self, study: Study) -> None:
        """Let the branch follow what was kept or taken back; where it cannot now, say so once.

        The night needs no branch: rows say what is kept, and what is trained has commits of its
        own. So whoever has the branch checked out, or moved it, does not end it.
        """
        try:
            follow(self.registry, self.repo, study)
        except GitError as fault:
            if str(fault) != self._stuck:
                self.on_event(
                    Notice(f"{fault}; the run goes on, and the branch follows once it can")
                )
            self._stuck = str(fault)
            return
        if self._stuck:
            self.on_event(Notice(f"branch {study.branch} has followed"))
        self._stuck = ""

    def record_verdict(
        self, study: Study, experiment: Experiment, decision: policy.Decision
    ) -> None:
        """Write a verdict; a keep moves the branch between two writes of its row."""
        trials = self.registry.trials(experiment)
        kept = decision.verdict is Verdict.KEEP
        _decide(experiment, decision)
        experiment.seconds = sum(trial.total_seconds + trial.scoring_seconds for trial in trials)
        experiment.peak_memory = max((trial.peak_memory for trial in trials), default=0)
        experiment.finished_at = self.registry.now()
        experiment.state = ExperimentState.COMMITTING if kept else ExperimentState.DONE
        posterior = fit_posterior(self.registry, study, closing=experiment)
        _estimate(experiment, posterior)
        self._compare_documents(study, experiment)
        experiment = self.registry.save(experiment)
        if kept:
            self.follow(study)
        if trials:
            self._refresh(study, posterior)
        self.on_event(ExperimentDone.of(experiment))

    def refresh_scores(self, study: Study, experiment: Experiment | None = None) -> None:
        """Let new readings of kept experiments reach the rows: those of a new pair of one, too."""
        if experiment is not None:
            self._compare_documents(study, experiment)
            self.registry.save(experiment)
        self._refresh(study, fit_posterior(self.registry, study))

    def keeps(self, study: Study, posterior: StudyPosterior) -> list[Keep]:
        """Return the keeps that stand for an improvement: neither the baseline nor the refuted."""
        rows = self.registry.experiments(study, verdict=Verdict.KEEP)
        readings = {each.number: each.readings for each in posterior.past}
        return [
            Keep(row, _kept(row, readings[row.number], readings[row.parent_id]))
            for row in rows
            if row.parent_id in readings and row.standing is not Standing.REFUTED
        ]

    def broken_guard(self, experiment: Experiment) -> str:
        """Return how one of its trials breaks a guard; empty where none does."""
        return broken(self.registry.trials(experiment), self.guards) if self.guards else ""

    def revoke_keep(self, study: Study, experiment: Experiment, reason: str) -> None:
        """Un-keep a keep that was none. Where others build on it, it is marked and stays."""
        experiment = self.registry.experiment(experiment.number)
        experiment.standing = Standing.REFUTED
        experiment.claim_reason = reason
        incumbent = self.registry.incumbent(study)
        if incumbent is not None and incumbent.id == experiment.id:
            experiment.verdict = Verdict.DISCARD
            experiment.reason = f"taken back: {reason}"
            experiment.state = ExperimentState.WITHDRAWING
            posterior = fit_posterior(self.registry, study, closing=experiment)
            _estimate(experiment, posterior)
            experiment = self.registry.save(experiment)
            self.follow(study)
            self._refresh(study, posterior)
        else:
            experiment = self.registry.save(experiment)
        self._tell(study, experiment, Standing.REFUTED)

    def _refresh(self, study: Study, posterior: StudyPosterior) -> None:
        """Bring up to date what readings say: the noise, every incumbent's score, every claim."""
        # Not `study` itself: its row may have changed since it was read.
        study = self.registry.study(study.tag) or study
        sigma = posterior.noise.seed if posterior.noise.measured else None
        first_known = study.sigma is None and sigma is not None
        if first_known:
            self._advise(study, posterior)
        verdict = None if first_known else Verdict.KEEP
        rows = self.registry.experiments(study, verdict=verdict)
        copies = [row.model_copy() for row in rows]
        self.registry.save_all([row for row in copies if _estimate(row, posterior) or first_known])
        # Last: a run that is killed before it knows the noise for the first time once more.
        if study.sigma != sigma:
            self.registry.save(study.model_copy(update={"sigma": sigma}))
        self._claim(study, posterior)

    def _advise(self, study: Study, posterior: StudyPosterior) -> None:
        found = policy.power(posterior.noise, posterior.scale)
        if advice := policy.advice(found, study.device, study.clock):
            self.on_event(Notice(advice))

    def _compare_documents(self, study: Study, experiment: Experiment) -> None:
        """Note how far the difference to its parent hangs on which documents val holds."""
        if experiment.parent_id is None or not study.doc_bytes:
            return
        parent = self.registry.experiment(experiment.parent_id, whole=False)
        found = policy.by_document(
            self.registry.document_bits(experiment),
            self.registry.document_bits(parent),
            unpack_counts(study.doc_bytes),
        )
        experiment.documents_error = found.error if found else None

    def _claim(self, study: Study, posterior: StudyPosterior) -> None:
        keeps = self.keeps(study, posterior)
        pairs = [(keep.row, self._claimed(keep, posterior)) for keep in keeps]
        news = [(old, new) for old, new in pairs if _claim_of(old) != _claim_of(new)]
        stored = self.registry.save_all([new for _, new in news])
        for (old, _), new in zip(news, stored, strict=True):
            if old.standing is not new.standing:
                self._tell(study, new, new.standing)

    def _claimed(self, keep: Keep, posterior: StudyPosterior) -> Experiment:
        """Return a keep's row with the claim that its further pairs have earned by now."""
        claim = policy.claim(keep.kept, posterior.noise, posterior.belief.prior, posterior.scale)
        sure = claim.confirmed and not self.broken_guard(keep.row)
        return keep.row.model_copy(
            update={
                "standing": Standing.CONFIRMED if sure else None,
                "claim": claim.probability if claim.pairs else None,
                "claim_pairs": claim.pairs,
                "claim_reason": claim.reason,
            }
        )

    def _tell(self, study: Study, row: Experiment, standing: Standing | None) -> None:
        incumbent = self.registry.incumbent(study)
        best = incumbent.val_bpb if incumbent else None
        self.on_event(
            StandingChanged(
                row.number, standing, row.claim_reason, best,
                row.hypothesis, row.delta, row.delta_error,
            )
        )  # fmt: skip


def _claim_of(row: Experiment) -> tuple[Standing | None, int, str]:
    return row.standing, row.claim_pairs, row.claim_reason


def _kept(row: Experiment, mine: Sequence[Reading], theirs: Sequence[Reading]) -> policy.Kept:
    return policy.Kept(
        mine,
        theirs,
        lines=row.lines_added - row.lines_removed,
        sampling=row.documents_error or 0.0,
        reversal=row.is_reversal,
    )


def _decide(experiment: Experiment, decision: policy.Decision) -> None:
    experiment.verdict, experiment.reason = decision.verdict, decision.reason
    experiment.pairs = decision.pairs
    if (chances := decision.chances) is not None:
        experiment.p_better, experiment.p_neutral = chances.better, chances.neutral
    if decision.measured is not None:
        experiment.measured = decision.measured.mean
        experiment.measured_error = decision.measured.error
    if decision.effect is not None:
        experiment.delta, experiment.delta_error = decision.effect.mean, decision.effect.error


def _estimate(experiment: Experiment, posterior: StudyPosterior) -> bool:
    """Give a row its score; return whether that is news."""
    estimate = posterior.scores.get(experiment.number)
    if estimate is None:
        return False
    before = experiment.val_bpb
    experiment.val_bpb, experiment.val_bpb_error = estimate.mean, estimate.error
    return before is None or abs(before - estimate.mean) > posterior.scale.same
