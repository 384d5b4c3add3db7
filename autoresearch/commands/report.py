"""`autoresearch report`."""

import os
import sys
import webbrowser
from contextlib import closing, suppress
from pathlib import Path

from rich.console import Console

from autoresearch.commands.output import stdout
from autoresearch.commands.serving import LivePage, ReportServer, Source
from autoresearch.commands.status import chosen_study, read_report
from autoresearch.config import Project, find_project
from autoresearch.corpus.files import write_safely
from autoresearch.errors import ProjectError, UsageFault
from autoresearch.registry import Registry
from autoresearch.render.page import page
from autoresearch.render.picture import picture
from autoresearch.report import StudyReport

PAGE, PICTURE = "report.html", "progress.png"


def report(
    tag: str | None, *, out: Path | None, no_open: bool, serve: bool, port: int | None
) -> None:
    """Write a study's page and picture, say where they are, and show the page; or serve it live."""
    project = find_project()
    shows = not no_open and _has_a_desktop()
    if serve and out is not None:
        msg = "--serve writes no file: leave --out out"
        raise UsageFault(msg)
    if serve:
        _serve(project, tag, port, shows=shows)
        return
    if port is not None:
        msg = "--port is for --serve"
        raise UsageFault(msg)
    made = study_report_of(project, tag)
    folder = out or project.state / "report"
    written = [
        _write(folder, PAGE, page(made).encode()),
        _write(folder, PICTURE, picture(made)),
    ]
    for path in written:
        stdout().print(str(path), highlight=False, markup=False, soft_wrap=True)
    if shows:
        webbrowser.open(written[0].as_uri())


def study_report_of(project: Project, tag: str | None) -> StudyReport:
    """Return a study of a project, the latest where no tag is given, as one value.

    Raises:
        RegistryError: there is none, or the registry is damaged.
    """
    with closing(Registry.look(project.registry)) as registry:
        return read_report(registry, chosen_study(registry, tag), project, whole=True)


def _serve(project: Project, tag: str | None, port: int | None, *, shows: bool) -> None:
    """Serve a study's page until Ctrl-C, as it is at any time."""
    live = LivePage(_source(project, tag))
    live.version()  # where there is nothing to show, that is said at once
    with ReportServer(live, port) as server, suppress(KeyboardInterrupt):
        stdout().print(server.url, highlight=False, markup=False, soft_wrap=True)
        Console(stderr=True).print("live, for this machine alone; Ctrl-C ends it", style="dim")
        if shows:
            webbrowser.open(server.url)
        server.serve_forever()


def _source(project: Project, tag: str | None) -> Source:
    def revision() -> str:
        with closing(Registry.look(project.registry)) as registry:
            return registry.revision(chosen_study(registry, tag))

    log = project.registry.with_name(f"{project.registry.name}-wal")
    return Source((project.registry, log), revision, lambda: study_report_of(project, tag))


def _write(folder: Path, name: str, data: bytes) -> Path:
    """Write a file whole or not at all, and return where it is.

    Raises:
        ProjectError: the folder cannot be written.
    """
    path = folder.absolute() / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_safely(path, [data], 0o666)
    except OSError as fault:
        msg = f"{path} cannot be written ({fault.strerror}): name another folder with --out"
        raise ProjectError(msg) from None
    return path


def _has_a_desktop() -> bool:
    """Whether a browser opens beside the terminal, and somebody sits there to see it.

    Without a display some systems have a browser that takes the terminal instead.
    """
    shown = sys.platform != "linux" or "DISPLAY" in os.environ or "WAYLAND_DISPLAY" in os.environ
    return shown and sys.stdout.isatty()
