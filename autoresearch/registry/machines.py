"""What trials ran on."""

from sqlmodel import col, select

from autoresearch.records.hardware import Hardware, RanOn
from autoresearch.records.tables import Experiment, Study, Trial
from autoresearch.registry.database import Database


def ran_on(database: Database, study: Study) -> list[RanOn]:
    """Return what a study's trials ran on since the machine was seen to change, oldest first.

    Those of which it is not known are left out.
    """
    mine = col(Trial.id) > study.steady_since, Experiment.study_id == study.id
    query = select(Trial.id, Trial.worker, Trial.hardware).join(Experiment).where(*mine)
    rows = database.all(query.order_by(col(Trial.id)))
    known = ((number, worker, Hardware.of(stored)) for number, worker, stored in rows)
    return [RanOn(number, worker, hardware) for number, worker, hardware in known if hardware]


def newest_hardware(database: Database, study: Study) -> Hardware | None:
    """Return what a study's last trial ran on; None where that is not known."""
    query = select(Trial.hardware).join(Experiment).where(Experiment.study_id == study.id)
    return Hardware.of(database.first(query.order_by(col(Trial.id).desc())) or {})
