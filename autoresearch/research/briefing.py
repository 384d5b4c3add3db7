"""What a proposer is shown, built from the registry and git alone."""

from collections.abc import Mapping

from autoresearch import patching
from autoresearch.config import Project
from autoresearch.gitrepo import GitRepo
from autoresearch.proposers import Brief, Past
from autoresearch.records.tables import Experiment, Study
from autoresearch.records.values import Change, ChangeFormat, ExperimentState, Verdict
from autoresearch.registry import Registry

PROGRAM = "program.md"


class Briefing:
    """Makes briefs. Commits never change, so what is read from one is read once."""

    def __init__(self, registry: Registry, repo: GitRepo, project: Project) -> None:
        self._registry = registry
        self._repo = repo
        self._target = project.settings.target
        self._constants: dict[str, Mapping[str, patching.Number]] = {}

    def files(self, commit: str) -> dict[str, str]:
        """Return every text file of the project at a commit, path to text."""
        return self._repo.read_files(commit, ("**",))

    def editable(self, commit: str) -> dict[str, str]:
        """Return the files a proposer may change, at a commit."""
        return self._repo.read_files(commit, self._target.editable)

    def effect(self, commit: str) -> str:
        """Return the effect hash of a commit's editable files."""
        return patching.effect_hash(self.editable(commit))

    def brief(self, study: Study, incumbent: Experiment) -> Brief:
        """Return the brief for the study's next proposal."""
        done = [
            row
            for row in self._registry.experiments(study, whole=True)
            if row.state is ExperimentState.DONE
        ]
        program = self._repo.read_files(study.base_commit, (PROGRAM,)).get(PROGRAM, "")
        return Brief(
            study=study.tag,
            number=max((int(row.id or 0) for row in done), default=0) + 1,
            incumbent_id=int(incumbent.id or 0),
            program=program,
            entry=self._target.entry,
            files=self.editable(str(incumbent.commit_sha)),
            base_files=self.editable(study.base_commit),
            history=tuple(self._past(row) for row in done),
        )

    def _past(self, row: Experiment) -> Past:
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
            traceback=self._traceback(row) if row.verdict is Verdict.CRASH else "",
            constants=self._numbers(row.commit_sha),
        )

    def _traceback(self, row: Experiment) -> str:
        tails = [trial.traceback for trial in self._registry.trials(row, whole=True)]
        return next((tail for tail in reversed(tails) if tail), "")

    def _numbers(self, commit: str | None) -> Mapping[str, patching.Number]:
        if commit is None:
            return {}
        if commit not in self._constants:
            entry = self._target.entry
            source = self._repo.read_files(commit, (entry,)).get(entry, "")
            self._constants[commit] = patching.numbers(source)
        return self._constants[commit]
