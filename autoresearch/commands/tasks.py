"""What a project's trials learn from and are scored by, as its settings and `prepare` left it."""

import typer

from autoresearch import corpus as corpora
from autoresearch.config import Project
from autoresearch.errors import ProjectError
from autoresearch.evaluation import require_fixed, runs_editable
from autoresearch.execution import CommandTask, Task, TextTask
from autoresearch.gitrepo import GitRepo
from autoresearch.records.values import Trust
from autoresearch.sandbox import Sandbox


def task_of(project: Project) -> Task:
    """Return a project's task; its data may have changed since, see `verified`.

    Raises:
        CorpusError: nothing is prepared yet, or it is damaged.
        ProjectError: what decides scores is not there, or a proposal could change it.
        GitError: there is no repository.
    """
    if project.settings.target.command:
        return _command_task(project)
    return TextTask(corpora.load(project.corpus_pointer), project.settings)


def _command_task(project: Project) -> CommandTask:
    settings, repo = project.settings, GitRepo.open(project.root)
    evaluator, editable = settings.metric.evaluator, settings.target.editable
    if not evaluator:
        return CommandTask(project)
    files = repo.read_files(repo.head(), ("**",))
    require_fixed(settings, files)
    return CommandTask(project, runs_editable(evaluator, files, editable))


def verified(task: Task) -> Task:
    """Return a task whose data are what they were; files that look touched are hashed again.

    Raises:
        CorpusError: they are not.
    """
    if isinstance(task, TextTask):
        corpora.verify_changed(task.corpus, lambda told: typer.echo(told, err=True))
    return task


def trust_of(project: Project, task: Task, sandbox: Sandbox) -> Trust:
    """Return how far a project's scores can be believed here.

    Raises:
        ProjectError: they must be sealed, and cannot be.
    """
    trust = task.trust(sandbox)
    if trust is Trust.UNSEALED and project.settings.sandbox.require:
        why = task.unsealed(sandbox)
        msg = f"autoresearch.toml requires sealed scores, but {why}"
        raise ProjectError(msg)
    return trust
