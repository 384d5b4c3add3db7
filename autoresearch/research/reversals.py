"""Taking back a keep that others build on: its reverse is tried like any other idea."""

from dataclasses import dataclass, field

from autoresearch import patching
from autoresearch.gitrepo import GitRepo, Picked
from autoresearch.records.proposals import Change, ChangeFormat, Proposal
from autoresearch.records.tables import Experiment, Study
from autoresearch.records.values import Category, Standing, Verdict
from autoresearch.registry import Registry
from autoresearch.research.trial_recorder import finished

PROPOSER = "autoresearch"


@dataclass(frozen=True)
class Reversals:
    """Proposes the reverse of every refuted keep that is still below the incumbent, once.

    One that was never trained, since what it was to change was taken back itself, does not count.
    """

    registry: Registry
    repo: GitRepo
    editable: tuple[str, ...]
    _stuck: set[int] = field(default_factory=set, init=False)

    def next(self, study: Study, incumbent: Experiment) -> Proposal | None:
        """Return a reverse that was not tried yet; None where there is none, or it conflicts."""
        kept = self.registry.experiments(study, verdict=Verdict.KEEP)
        refuted = [row for row in kept if row.standing is Standing.REFUTED]
        rows = self.registry.experiments(study) if refuted else []
        tried = {row.reverts_id for row in rows if self._was_tried(row)} | self._stuck
        for row in refuted:
            if row.id not in tried:
                change = self._reverse(row, incumbent)
                if change is not None:
                    return _proposal(row, change)
                self._stuck.add(row.number)
        return None

    def _was_tried(self, row: Experiment) -> bool:
        if not row.is_reversal:
            return False
        return row.verdict is not Verdict.DISCARD or bool(finished(self.registry, row))

    def _reverse(self, row: Experiment, incumbent: Experiment) -> Change | None:
        tip = str(incumbent.commit_sha)
        commit = self.repo.commit(str(row.commit_sha))
        with self.repo.picking(tip) as picker:
            undone = picker.undo(commit.sha, f"Take back experiment {row.id}", commit.when)
        if not isinstance(undone, Picked):
            return None
        before, after = (self.repo.read_files(sha, self.editable) for sha in (tip, undone.sha))
        return Change(ChangeFormat.DIFF, patching.unified_diff(before, after))


def _proposal(row: Experiment, change: Change) -> Proposal:
    return Proposal(
        PROPOSER,
        f"take back experiment {row.id} ({row.claim_reason})",
        change,
        Category.OTHER,
        reverts=row.number,
    )
