"""What `promote` leaves: the evidence for what was promoted, and how to train it again."""

import os
import shlex
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import typer

from autoresearch import corpus as corpora
from autoresearch.config import Project
from autoresearch.config.project import SETTINGS_FILE
from autoresearch.errors import AutoresearchError, CorpusError
from autoresearch.gitrepo import GitRepo
from autoresearch.promotion import Evidence, Promotion, manifest, replay
from autoresearch.records.text import safe_line

_NAME = "manifest.json"
_UNKNOWN = "autoresearch prepare --corpus …"  # of a corpus that is not here any more


def leave_manifest(
    project: Project, repo: GitRepo, done: Promotion, evidence: Sequence[Evidence], now: datetime
) -> None:
    """Write the manifest beside the registry and into a git note, and say how to replay it.

    What was promoted stays so, whatever hinders this: that is said in a line.
    """
    mine = {each.id for each in done.commits}
    proven = [each for each in evidence if each.experiment in mine]
    folder = project.promoted / done.commits[-1].sha[:12]
    prepare = _prepare(project, repo)
    commands = [
        replay(each, repo.prefix, prepare, str(folder / str(each.experiment))) for each in proven
    ]
    text = manifest(done, proven, [line for lines in commands for line in lines], now).json
    try:
        _write(folder, proven, text)
        for sha in dict.fromkeys(each.sha for each in done.commits):
            repo.annotate(sha, text)
    except (OSError, AutoresearchError) as fault:
        typer.echo(f"note: no manifest was left: {safe_line(str(fault), 300)}", err=True)
        return
    shown = os.path.relpath(folder / _NAME)
    typer.echo(f"evidence: {shown}, and `git notes --ref=autoresearch show {folder.name}`")
    typer.echo(f"train it again: {' && '.join(commands[0])}")
    typer.echo(f"Next: {_next_step(done)}")


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


def _write(folder: Path, evidence: Sequence[Evidence], text: str) -> None:
    for each in evidence:
        place = folder / str(each.experiment)
        place.mkdir(parents=True, exist_ok=True)
        hypothesis = safe_line(each.hypothesis, 200)
        patch = f"Subject: {hypothesis}\n\n{each.patch}"
        (place / f"{each.experiment}.patch").write_text(patch, "utf-8")
    (folder / _NAME).write_text(text, "utf-8")


def _next_step(done: Promotion) -> str:
    if done.new == done.old:
        return shlex.join(["git", "push", "origin", *(each.branch for each in done.commits)])
    return f"git show {done.new[:7]}, and push {done.branch} when you are content"
