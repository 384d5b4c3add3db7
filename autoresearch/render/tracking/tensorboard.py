"""Event files for TensorBoard: a folder an experiment, in it one a trial."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from autoresearch.errors import ProjectError, UsageFault
from autoresearch.render.tracking.runs import Scalar, TrackedRun

_FILES = "events.out.tfevents.*"
_TOLD = ("status", "proposer", "category", "hypothesis")  # beside parameters, in a table of them


def write(folder: Path, runs: Iterable[TrackedRun], *, force: bool) -> int:
    """Write runs below a folder and return how many experiments; `force` replaces those there.

    Scalars become time series, an experiment's parameters those of the HParams page.

    Raises:
        ProjectError: tensorboard is not installed, or the folder cannot be written.
        UsageFault: something is there already.
    """
    writer = _writer()
    _make_room(folder, force=force)
    count = 0
    try:
        for run in runs:
            place = folder / run.name
            _write_events(writer, place, [_parameters(run), *map(_event, run.scalars)])
            for trial in run.trials:
                _write_events(writer, place / trial.name, map(_event, trial.scalars))
            count += 1
    except OSError as fault:
        msg = f"cannot write {folder}: {fault.strerror}: name a folder that has room"
        raise ProjectError(msg) from None
    return count


def _writer() -> Any:
    try:
        from tensorboard.summary.writer.event_file_writer import (  # noqa: PLC0415 - an extra
            EventFileWriter,
        )
    except ImportError:
        msg = "--to tensorboard needs tensorboard: `pip install 'autoresearch[tensorboard]'`"
        raise ProjectError(msg) from None
    return EventFileWriter


def _make_room(folder: Path, *, force: bool) -> None:
    """Remove the event files of an earlier export, and nothing else."""
    there = list(folder.rglob(_FILES))
    if there and not force:
        msg = f"{folder} has event files already: --force writes them anew"
        raise UsageFault(msg)
    for each in there:
        each.unlink()


def _write_events(writer: Any, folder: Path, events: Iterable[Any]) -> None:
    out = writer(str(folder))
    for each in events:
        out.add_event(each)
    out.close()


def _event(scalar: Scalar) -> Any:
    from tensorboard.compat.proto.event_pb2 import Event  # noqa: PLC0415 - an extra
    from tensorboard.compat.proto.summary_pb2 import Summary  # noqa: PLC0415

    value = Summary.Value(tag=scalar.name, simple_value=scalar.value)
    return Event(wall_time=scalar.at.timestamp(), step=scalar.step, summary=Summary(value=[value]))


def _parameters(run: TrackedRun) -> Any:
    from tensorboard.compat.proto.event_pb2 import Event  # noqa: PLC0415 - an extra
    from tensorboard.plugins.hparams import summary_v2  # noqa: PLC0415

    began = run.began.timestamp()
    told = {name: run.tags[name] for name in _TOLD if name in run.tags}
    summary = summary_v2.hparams_pb({**run.params, **told}, trial_id=run.key, start_time_secs=began)
    return Event(wall_time=began, summary=summary)
