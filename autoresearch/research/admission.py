"""From a proposal to a row to a commit: each step written down before the next."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import lru_cache, partial

from autoresearch import preflight
from autoresearch.config import Project
from autoresearch.gitrepo import Conflict, GitRepo, Nothing, commit_message
from autoresearch.patching import apply_diff, effect_hash, merge_files, unified_diff
from autoresearch.records.proposals import Change, ChangeFormat, Patch, Proposal, Rejection
from autoresearch.records.tables import Experiment, Study
from autoresearch.records.values import Category, ExperimentState
from autoresearch.registry import Registry
from autoresearch.research.briefing import Briefing

_READ = 256  # changes that are remembered: those that wait or are thought of, and more
BASELINE = Proposal("baseline", "the unchanged project", Change.none(), Category.BASELINE)


# Trains a change for a few tiny steps: all text files with the change and without it in, why it
# would fail out.
SmokeTestRun = Callable[[Mapping[str, str], Mapping[str, str]], Rejection | None]


class Admission:
    """Opens experiments. What a killed run did already is found, not done again.

    What a smoke test said of a change is remembered: `check` and `check_on` have it run, in any
    thread; whoever writes the experiment's commit then finds it.
    """

    def __init__(
        self,
        project: Project,
        registry: Registry,
        repo: GitRepo,
        briefing: Briefing,
        smoke_test: SmokeTestRun | None = None,
    ) -> None:
        self._smoke_test = smoke_test
        self._target = project.settings.target
        self._registry = registry
        self._repo = repo
        self._briefing = briefing
        # A change is read in its author's thread, and again when its commit is written.
        self._read = lru_cache(_READ)(self._preflight)
        self._answers: dict[tuple[str, str], Rejection | None] = {}  # by parent and effect

    @property
    def is_quick(self) -> bool:
        """Whether checks take no time: nothing is smoke-tested."""
        return self._smoke_test is None

    def open(
        self, study: Study, proposal: Proposal, incumbent: Experiment | None, control: str = ""
    ) -> Experiment:
        """Write the row of a proposal; the baseline's has no incumbent.

        `control` is the one that could have had its turn as well, where there is one.
        """
        return self._registry.save(
            Experiment(
                study_id=study.number,
                parent_id=incumbent.id if incumbent else None,
                state=ExperimentState.OPEN,
                proposer=proposal.proposer,
                control=control,
                hypothesis=proposal.hypothesis,
                category=proposal.category,
                predicted_delta=proposal.predicted_delta,
                risk=proposal.risk,
                notes=proposal.notes.stored,
                change_format=proposal.change.format,
                change_text=proposal.change.text,
                parent_sha=incumbent.commit_sha if incumbent else study.base_commit,
                reverts_id=proposal.reverts,
                call_id=proposal.shares,
                reason=proposal.fault,  # a row that is refused already stays so after a kill
                created_at=self._registry.now(),
            ),
            calls=proposal.calls,
        )

    def check(self, study: Study, proposal: Proposal, incumbent: Experiment) -> Rejection | None:
        """Return why a proposal would be refused, None where it would be trained."""
        checked = self._examine(study, proposal, str(incumbent.commit_sha), anew=True)
        return checked if isinstance(checked, Rejection) else None

    def check_on(self, study: Study, experiment: Experiment, incumbent: Experiment) -> None:
        """Find out what `rebase` and `repeat_on` will need to know.

        Raises:
            GitError: the repository cannot be read or written.
        """
        moved = self._moved(experiment, incumbent)
        if not isinstance(moved, Rejection):
            tip = str(incumbent.commit_sha)
            self._examine(study, moved[0], tip, but=experiment.number, anew=True)

    def commit(self, study: Study, experiment: Experiment) -> Experiment | Rejection:
        """Return the row with its commit, or why the proposal is refused.

        Raises:
            GitError: the repository cannot be written.
        """
        if experiment.commit_sha is not None:
            # A kill between its ref and its row, when it was put on top of another one.
            if experiment.parent_id is not None:
                self._refer(study, experiment, experiment.commit_sha)
            return experiment
        if experiment.parent_id is None:
            experiment.commit_sha = study.base_commit
            experiment.effect_hash = self._briefing.effect(study.base_commit)
            return self._registry.save(experiment)
        checked = self._examine(study, _proposal(experiment), str(experiment.parent_sha))
        if isinstance(checked, Rejection):
            return checked
        return self._write(study, experiment, checked)

    def repeat_on(
        self, study: Study, experiment: Experiment, incumbent: Experiment
    ) -> Experiment | Rejection:
        """Return a new row and commit of an experiment's change on another incumbent, if it fits.

        A killed run may have made that row already: then it is this one, whoever proposed it.

        Raises:
            GitError: the repository cannot be read or written.
        """
        moved = self._moved(experiment, incumbent)
        if isinstance(moved, Rejection):
            return moved
        proposal, code = moved
        known = self._open_one(study, experiment, incumbent, code)
        if known is not None:
            return known
        tip = str(incumbent.commit_sha)
        checked = self._examine(study, proposal, tip, but=experiment.number)
        if isinstance(checked, Rejection):
            return checked
        again = self.open(study, proposal, incumbent, experiment.control)
        return self._write(study, again, checked)

    def rebase(
        self, study: Study, experiment: Experiment, incumbent: Experiment
    ) -> Experiment | Rejection:
        """Put an experiment that was not trained on top of another incumbent, in the same row.

        Raises:
            GitError: the repository cannot be written.
        """
        moved = self._moved(experiment, incumbent)
        if isinstance(moved, Rejection):
            return moved
        tip = str(incumbent.commit_sha)
        checked = self._examine(study, moved[0], tip, but=experiment.number)
        if isinstance(checked, Rejection):
            return checked
        parent = {"parent_id": incumbent.id, "parent_sha": incumbent.commit_sha}
        return self._write(study, experiment.model_copy(update=parent), checked)

    def _moved(
        self, experiment: Experiment, incumbent: Experiment
    ) -> tuple[Proposal, Mapping[str, str]] | Rejection:
        """Return an experiment's change on top of another incumbent, and the code then."""
        tip, own = str(incumbent.commit_sha), str(experiment.commit_sha)
        merged = self._repo.merged(own, tip)
        if isinstance(merged, Nothing):
            return Rejection("its change is there already")
        before = self._briefing.editable(tip)
        if isinstance(merged, Conflict):
            base, mine = (self._editable(sha) for sha in (str(experiment.parent_sha), own))
            both = merge_files(base, mine, before)
            if both is None:
                return Rejection(f"its change conflicts in {', '.join(merged.files) or 'a file'}")
            after = both
        else:
            after = self._editable(merged.tree)
        diff = Change(ChangeFormat.DIFF, unified_diff(before, after))
        return replace(_proposal(experiment), change=diff, fault=""), after

    def _editable(self, sha: str) -> dict[str, str]:
        return self._repo.read_files(sha, self._target.editable)

    def _open_one(
        self, study: Study, experiment: Experiment, incumbent: Experiment, code: Mapping[str, str]
    ) -> Experiment | None:
        """Return the open experiment that tries this code on top of the incumbent already."""
        effect = effect_hash(code)
        for row in self._registry.experiments(study):
            same = row.effect_hash == effect and row.parent_id == incumbent.id
            if same and row.state is not ExperimentState.DONE and row.id != experiment.id:
                return self._registry.experiment(row.number)
        return None

    def _examine(
        self, study: Study, proposal: Proposal, parent: str, *, but: int = 0, anew: bool = False
    ) -> Patch | Rejection:
        checked = self._read(proposal.change, proposal.fault, parent)
        if isinstance(checked, Rejection):
            return checked
        # Code that was there before is no new idea, and a reversal need not be one.
        seen = {} if proposal.reverts else self._registry.effects(study, but=but)
        if known := preflight.tried_before(checked, seen):
            return known
        if self._smoke_test is None:
            return checked
        code = parent, checked.effect_hash
        if anew or code not in self._answers:
            files = self._briefing.files(parent)
            self._answers[code] = self._smoke_test({**files, **checked.files}, files)
        return self._answers[code] or checked

    def _preflight(self, change: Change, fault: str, parent: str) -> Patch | Rejection:
        return preflight.check(
            Proposal("", "", change, fault=fault),
            self._briefing.files(parent),
            editable=self._target.editable,
            entry="" if self._target.command else self._target.entry,
            apply_diff=partial(apply_diff, prefix=self._repo.prefix),
        )

    def _write(self, study: Study, experiment: Experiment, patch: Patch) -> Experiment:
        message = commit_message(
            experiment.hypothesis, experiment=experiment.number, study=study.tag
        )
        sha = self._repo.write_commit(
            str(experiment.parent_sha), patch.files, message, experiment.created_at
        )
        self._refer(study, experiment, sha)
        experiment.commit_sha = sha
        experiment.patch = patch.diff
        experiment.effect_hash = patch.effect_hash
        experiment.lines_added = patch.lines_added
        experiment.lines_removed = patch.lines_removed
        return self._registry.save(experiment)

    def _refer(self, study: Study, experiment: Experiment, sha: str) -> None:
        """Keep an experiment's commit, a discard's too, from git's garbage collection."""
        self._repo.set_ref(f"refs/autoresearch/{study.tag}/{experiment.id}", sha, old=None)


def _proposal(experiment: Experiment) -> Proposal:
    change = Change(ChangeFormat(experiment.change_format), experiment.change_text)
    return Proposal(
        experiment.proposer,
        experiment.hypothesis,
        change,
        experiment.category,
        experiment.predicted_delta,
        experiment.risk,
        reverts=experiment.reverts_id,
        fault=experiment.reason,
    )
