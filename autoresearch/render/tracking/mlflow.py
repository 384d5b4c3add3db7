"""Runs on an MLflow tracking server: an experiment of MLflow's a study, in it nested runs."""

import os
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from autoresearch.errors import ProjectError, UsageFault
from autoresearch.records.text import safe_line
from autoresearch.render.tracking.runs import TrackedRun

KEY = "autoresearch.run"  # the tag by which an export finds its own runs again
BATCH = 900  # metrics of one request: the server takes 1,000 at most
# Unless the person says otherwise: nothing is reported to anybody, no URL (it may hold a password)
# is printed for each run, and a server that is down is not waited for minutes.
_DEFAULTS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
}


def write(uri: str, name: str, runs: Iterable[TrackedRun], *, force: bool) -> int:
    """Write runs to a tracking server and return how many experiments.

    Args:
        uri: of the server, or of a database such as sqlite:///mlflow.db.
        name: of the experiment there.
        runs: what to write.
        force: delete those of an earlier export first.

    Raises:
        ProjectError: mlflow is not installed, or the server cannot be reached or refuses.
        UsageFault: they are there already.
    """
    client, failure = _client(uri)
    try:
        where = _experiment(client, name)
        _make_room(client, where, name, force=force)
        count = 0
        for run in runs:
            _write(client, where, run, None)
            count += 1
    except failure as fault:
        raise ProjectError(_told(uri, fault)) from None
    return count


def _client(uri: str) -> tuple[Any, type[Exception]]:
    """Return a client, and what it raises."""
    for name, value in _DEFAULTS.items():
        os.environ.setdefault(name, value)  # the library has no other way to be told
    try:
        from mlflow import MlflowClient  # noqa: PLC0415 - an extra
        from mlflow.exceptions import MlflowException  # noqa: PLC0415
    except ImportError:
        msg = "--to mlflow needs MLflow's client: `pip install 'autoresearch[mlflow]'`"
        raise ProjectError(msg) from None
    try:
        return MlflowClient(tracking_uri=uri), MlflowException
    except MlflowException as fault:
        raise ProjectError(_told(uri, fault)) from None


def _experiment(client: Any, name: str) -> str:
    found = client.get_experiment_by_name(name)
    return str(found.experiment_id if found else client.create_experiment(name))


def _make_room(client: Any, where: str, name: str, *, force: bool) -> None:
    before = list(_exported(client, where))
    if before and not force:
        msg = f"MLflow's experiment {name} has runs already: --force writes them anew"
        raise UsageFault(msg)
    for run in before:
        client.delete_run(run.info.run_id)


def _exported(client: Any, where: str) -> Iterator[Any]:
    token = None
    while True:
        page = client.search_runs([where], max_results=1000, page_token=token)
        yield from (run for run in page if KEY in run.data.tags)
        token = page.token
        if not token:
            return


def _write(client: Any, where: str, run: TrackedRun, parent: str | None) -> None:
    from mlflow.entities import Metric, Param  # noqa: PLC0415 - an extra

    tags = {**run.tags, KEY: run.key} | ({"mlflow.parentRunId": parent} if parent else {})
    made = client.create_run(where, start_time=_ms(run.began), tags=tags, run_name=run.name)
    number = made.info.run_id
    client.log_batch(number, params=[Param(each, str(run.params[each])) for each in run.params])
    metrics = [Metric(each.name, each.value, _ms(each.at), each.step) for each in run.scalars]
    for at in range(0, len(metrics), BATCH):
        client.log_batch(number, metrics=metrics[at : at + BATCH])
    if run.failed is not None:
        ended = None if run.ended is None else _ms(run.ended)
        client.set_terminated(number, "FAILED" if run.failed else "FINISHED", ended)
    for trial in run.trials:
        _write(client, where, trial, number)


def _ms(at: datetime) -> int:
    return round(at.timestamp() * 1000)


def _told(uri: str, fault: Exception) -> str:
    """Return what MLflow said, without what may be a password."""
    who, host = urlsplit(uri).netloc.rpartition("@")[::2]
    said = str(fault).replace(f"{who}@", "") if who else str(fault)
    return f"MLflow at {host or 'that URI'}: {safe_line(said, 300)}"
