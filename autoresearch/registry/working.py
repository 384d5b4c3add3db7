"""How long a study was worked on: its runs, without the pauses between them."""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from sqlmodel import col, select

from autoresearch.records.tables import Call, Experiment, Study, Trial
from autoresearch.registry.database import Database

# A run that is thinking or checking gives no sign of life; after so long it is taken for over.
LONGEST_SILENCE = timedelta(minutes=1)
Span = tuple[datetime, datetime]


def seconds_at_work(database: Database, study: Study) -> float:
    """Return for how long a study gave signs of life, short silences between them included.

    Signs are trials and calls from their beginning to their end, and the moments when experiments
    were opened and decided: one that was left open overnight was not worked on all night.
    """
    spans = [*_moments(database, study), *_trials(database, study), *_calls(database, study)]
    return _covered(sorted(spans)).total_seconds()


def _covered(spans: Iterable[Span]) -> timedelta:
    covered, until = timedelta(), None
    for begin, end in spans:
        if until is None or begin - until > LONGEST_SILENCE:
            until = begin
        covered += max(end - until, timedelta())
        until = max(until, end)
    return covered


def _moments(database: Database, study: Study) -> Iterator[Span]:
    # Two queries: one index answers each, none answers both.
    for moment in (col(Experiment.created_at), col(Experiment.finished_at)):
        query = select(moment).where(Experiment.study_id == study.id, moment.is_not(None))
        yield from ((each, each) for each in database.all(query))


def _trials(database: Database, study: Study) -> Iterator[Span]:
    columns = (col(Trial.started_at), col(Trial.heartbeat_at), col(Trial.finished_at))
    query = select(*columns).join(Experiment).where(Experiment.study_id == study.id)
    for begin, heartbeat, end in database.all(query):
        yield begin, max(begin, end or heartbeat)


def _calls(database: Database, study: Study) -> Iterator[Span]:
    query = select(Call.created_at, Call.latency_seconds).where(Call.study_id == study.id)
    for begin, seconds in database.all(query):
        yield begin, begin + timedelta(seconds=seconds)
