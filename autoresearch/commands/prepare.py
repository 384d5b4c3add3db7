"""`autoresearch prepare`."""

import subprocess
from functools import partial

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from autoresearch import corpus
from autoresearch.config import Project, data_home, find_project
from autoresearch.errors import ProjectError, UsageFault
from autoresearch.records.text import safe_line
from autoresearch.workers import with_python

DEFAULT = "stdlib"


def prepare(source: str, text_column: str = "") -> None:
    """Prepare a corpus for this project and say what came of it.

    Raises:
        UsageFault: the project prepares its data itself, and has no corpus.
        ProjectError: its own way to prepare them failed.
    """
    project = find_project()
    project.make_state()
    if project.settings.target.command:
        _run_own(project, asked=bool(text_column) or source != DEFAULT)
        return
    with _progress() as bar:
        tasks: dict[str, int] = {}

        def report(stage: str, done: int, total: int | None) -> None:
            task = tasks.setdefault(stage, -1)
            if task < 0:
                tasks[stage] = task = int(bar.add_task(stage, total=total))
            bar.update(task, completed=done, total=total)  # type: ignore[arg-type]

        made = corpus.prepare(
            source, project.settings.corpus, data_home(),
            report=report, tell=partial(_tell, bar.console), text_column=text_column,
        )  # fmt: skip
    corpus.write_pointer(project.corpus_pointer, made)
    typer.echo(f"Corpus {made.name} is ready (fingerprint {made.fingerprint[:12]}):")
    for split, counts in made.counts.items():
        typer.echo(
            f"  {split:5} {counts.documents:9,} documents {counts.bytes:13,} bytes"
            f" {counts.tokens:12,} tokens"
        )
    if left_out := _left_out(made):
        typer.echo(f"  left out: {left_out}")
    for doubt in corpus.doubts(made):
        typer.echo(f"warning: {doubt.said}; {doubt.mend}", err=True)
    typer.echo("Next: autoresearch doctor, then autoresearch run --hours 8")


def _run_own(project: Project, *, asked: bool) -> None:
    """Run the project's own line; it is the person's, so it runs as if they had typed it."""
    if asked:
        msg = "--corpus is for text: this project's command reads data of its own"
        raise UsageFault(msg)
    line = with_python(project.settings.data.prepare)
    if not line:
        typer.echo("There is nothing to prepare: this project's command reads data of its own.")
    elif code := subprocess.run(line, shell=True, cwd=project.root, check=False).returncode:  # noqa: S602 - theirs
        msg = f"[data] prepare: {project.settings.data.prepare!r} ended with exit code {code}"
        raise ProjectError(msg)
    typer.echo("Next: autoresearch doctor, then autoresearch run --hours 8")


def _tell(console: Console, line: str) -> None:
    """Say a line above the bars; it may hold a stranger's names."""
    console.print(safe_line(line, 2000), markup=False, highlight=False, soft_wrap=True)


def _left_out(made: corpus.Corpus) -> str:
    counts = {
        "duplicates": made.duplicates,
        **made.tally.left_out,
        "over the cap of val and test": made.dropped,
    }
    return ", ".join(f"{number:,} {what}" for what, number in counts.items() if number)


def _progress() -> Progress:
    console = Console(stderr=True)
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:,}"),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
