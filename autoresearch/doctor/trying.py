"""A project's own command tried for a moment: does it start, and is its number found?"""

from pathlib import Path

from autoresearch.config import Project
from autoresearch.doctor.finding import Finding, fault, ok
from autoresearch.errors import EvaluationError
from autoresearch.execution import CommandTask, Place
from autoresearch.gitrepo import GitRepo
from autoresearch.process import remove
from autoresearch.records.scores import Score, Unscored
from autoresearch.records.training import Outcome
from autoresearch.records.values import Ending
from autoresearch.sandbox import Sandbox
from autoresearch.workers import Assignment
from autoresearch.workers.compiled import CompileCache

_SEED = 1


def command(project: Project, sandbox: Sandbox, repo: GitRepo) -> Finding:
    """Return whether a project's command starts, and whether its number is found where it ends.

    Raises:
        ProjectError: what it is to be shown is not there, or no folder can be made.
        GitError: the commit cannot be exported.
        OSError: the machine hinders it.
    """
    line = project.settings.target.command
    mend = "mend it and commit: `run` would end with its baseline"
    try:
        outcome, score = _tried(CommandTask(project), sandbox, repo)
    except EvaluationError as error:
        return fault("command", str(error), mend)
    metric = project.settings.metric.metric
    if outcome.ending is not Ending.FINISHED:
        return fault("command", f"`{line}`: {outcome.ending}: {outcome.detail}", mend)
    if isinstance(score, Unscored):
        return fault("command", f"`{line}` ends, but has no score: {score.reason}", mend)
    seconds = f"{outcome.timing.total:.1f} s"
    if score is None:
        return ok("command", f"`{line}` starts, and was at work after {seconds}")
    said = f"`{line}` ends after {seconds} with {metric.name} {metric.text(score.bpb)}"
    return ok("command", f"{said} ({score.trust})")


def _tried(
    task: CommandTask, sandbox: Sandbox, repo: GitRepo
) -> tuple[Outcome, Score | Unscored | None]:
    """Run the head commit's command as a canary, and score it if it comes to its own end."""
    task.project.make_work()
    place, head = task.project.work / "tried", repo.head()
    scratch = place / "scratch"
    remove(place)
    scratch.mkdir(parents=True, mode=0o700)
    where = Place(
        sandbox=sandbox,
        checkout=repo.workspace,
        work=place,
        compiled=CompileCache(place / "compiled"),
        keep=lambda _number, _checkpoint: True,
        trust=task.trust(sandbox),
        stop=lambda: False,
    )
    try:
        host = task.host(where)
        with repo.workspace(head, place / "tree") as tree:
            outcome = host.worker.train(
                _assignment(task, tree, scratch), on_point=lambda _point: None, stop=lambda: False
            )
        if outcome.checkpoint is None:
            return outcome, None
        with repo.workspace(head, place / "tree") as tree:
            return outcome, host.evaluator.score(tree, outcome.checkpoint, scratch)
    finally:
        remove(place)


def _assignment(task: CommandTask, tree: Path, scratch: Path) -> Assignment:
    settings = task.settings
    return Assignment(
        tree=tree,
        scratch=scratch,
        entry=settings.target.entry,
        seed=_SEED,
        device=settings.training.device,
        budget=settings.budget(),
        limits=settings.limits(),
        train_files=(),
        token_bytes=1,
        canary=True,
    )
