"""`autoresearch note`."""

from contextlib import closing

import typer

from autoresearch.commands.output import stdout
from autoresearch.commands.status import chosen_study
from autoresearch.config import find_project
from autoresearch.errors import RegistryError, UsageFault
from autoresearch.records.notes import LONGEST, MOST, Note
from autoresearch.records.tables import Study
from autoresearch.registry import Registry, refuse_imported
from autoresearch.render import notes as view


def note(text: str | None, *, tag: str | None, listed: bool, drop: int | None) -> None:
    """Tell the researcher of a study something, take it back, or show what was told."""
    told = _checked(text, listed=listed, drop=drop)
    project = find_project()
    opened = Registry.look if listed else Registry.open
    with closing(opened(project.registry)) as registry:
        study = chosen_study(registry, tag)
        if listed:
            _list(registry, study)
        elif drop is not None:
            _drop(registry, study, drop)
        else:
            _add(registry, study, told)


def _checked(text: str | None, *, listed: bool, drop: int | None) -> str:
    if sum([text is not None, listed, drop is not None]) != 1:
        msg = 'one of these: note "what to heed", note --list, note --drop N'
        raise UsageFault(msg)
    told = (text or "").strip()
    if text is not None and not told:
        msg = "the note is empty: say what the researcher should heed"
        raise UsageFault(msg)
    if len(told) > LONGEST:
        msg = f"the note has {len(told):,} characters, {LONGEST:,} are allowed: shorten it, or "
        raise UsageFault(msg + "write it into program.md and start a new study")
    return told


def _add(registry: Registry, study: Study, text: str) -> None:
    refuse_imported(study, "note")
    if sum(each.stands for each in registry.notes(study)) >= MOST:
        msg = f"{MOST} notes stand already: take one back with `autoresearch note --drop N`"
        raise RegistryError(msg)
    row = Note(study_id=int(study.id or 0), text=text, created_at=registry.now())
    made = registry.save(row)
    typer.echo(f"Note {made.id} for study {study.tag}: every brief has it from now on.")
    typer.echo(f"Take it back with: autoresearch note --drop {made.id}")


def _drop(registry: Registry, study: Study, number: int) -> None:
    standing = {each.id: each for each in registry.notes(study) if each.stands}
    if number not in standing:
        known = f"they are {', '.join(map(str, standing))}" if standing else "none stands"
        msg = f"no note {number} stands in study {study.tag}: {known}"
        raise RegistryError(msg)
    row = standing[number]
    registry.save(row.model_copy(update={"dropped_at": registry.now()}))
    typer.echo(f"Note {number} is taken back: no brief has it from now on.")


def _list(registry: Registry, study: Study) -> None:
    found = registry.notes(study)
    for line in view.lines(found):
        stdout().print(line, highlight=False, soft_wrap=True)
    if not found:
        typer.echo(f'No note for study {study.tag} yet: autoresearch note "what to heed"')
