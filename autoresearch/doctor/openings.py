"""What a project opens to its trials beyond their commit, and what that takes from a score."""

from collections.abc import Iterator
from pathlib import Path

from autoresearch.config import Project
from autoresearch.doctor.finding import Finding, fault, ok, refusal, warning
from autoresearch.errors import ProjectError
from autoresearch.records.text import counted
from autoresearch.records.values import Trust
from autoresearch.sandbox import Sandbox
from autoresearch.sandbox.data import link_of, links, named


def openings(project: Project, sandbox: Sandbox) -> Iterator[Finding]:
    """Yield what [sandbox] and [data] mean for trials of a project's own command."""
    settings = project.settings
    if not settings.target.command:
        return
    yield from _readable(project)
    if settings.sandbox.network:
        yield warning(
            "network",
            "open to trials: one can fetch weights and answers, and send away what it reads: a "
            "score is no proof of its code alone",
            "fetch beforehand what they need, name it in [sandbox] readable, and close the network",
        )
    yield from _held_out(project, sandbox)


def _readable(project: Project) -> Iterator[Finding]:
    words, data = project.settings.sandbox.readable, project.settings.data
    try:
        links(project.root, words, (*data.held_out, *data.test), project.hidden)
    except ProjectError as error:
        yield refusal("readable", error, "mend [sandbox] readable")
        return
    home, opened = Path.home(), [link_of(each, project.root).source for each in words]
    if any(home.is_relative_to(each) for each in opened):
        yield warning(
            "readable",
            "trials read your whole home, keys among it, and what they print reaches briefs",
            "name in [sandbox] readable only what the command needs",
        )
    elif words:
        said = f"trials read {', '.join(words)}: it is in no commit, and scores rest on it as it is"
        yield ok("readable", said)


def _held_out(project: Project, sandbox: Sandbox) -> Iterator[Finding]:
    data = project.settings.data
    for name, globs in (("held_out", data.held_out), ("test", data.test)):
        if not globs:
            continue
        try:
            count = len(named(project.root, globs))
        except ProjectError as error:
            yield refusal("held out", error, f"mend [data] {name}")
            continue
        said = f"[data] {name}: {counted(count, 'file or folder', 'files and folders')}"
        if not count:
            yield fault("held out", f"[data] {name} names no file", f"mend [data] {name}")
        elif sandbox.trust is Trust.SEALED:
            yield ok("held out", f"{said} that no trial is shown")
        else:
            yield warning(
                "held out",
                f"{said}; {sandbox.name} alone may not keep a trial from them: scores are unsealed",
                "see the line on the sandbox above",
            )
