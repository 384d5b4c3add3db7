"""What a person tells the researcher of a study while it is at work."""

from datetime import datetime

from sqlmodel import Field

from autoresearch.records.columns import Plain, Row, Utc

LONGEST = 1000  # characters of a note: what is longer belongs into program.md
MOST = 20  # notes that stand in a brief at once


class Note(Row, table=True):
    """One note of the person's; every brief has it from `created_at` on, until `dropped_at`."""

    study_id: int = Field(foreign_key="study.id", index=True)
    text: str = Field(sa_type=Plain)
    created_at: datetime = Field(sa_type=Utc)
    dropped_at: datetime | None = Field(default=None, sa_type=Utc)

    @property
    def stands(self) -> bool:
        """Whether briefs have it."""
        return self.dropped_at is None
