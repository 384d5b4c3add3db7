"""What the registry's columns hold, each kind refusing what must not be stored; what a row has."""

import math
from datetime import UTC, datetime
from enum import StrEnum

from sqlalchemy import DateTime, Dialect, Float, String, Text
from sqlalchemy.types import TypeDecorator
from sqlmodel import Field, SQLModel


class Finite(TypeDecorator[float]):
    """A float column that refuses NaN and infinity: the one place where they are stopped."""

    impl = Float
    cache_ok = True

    def process_bind_param(self, value: float | None, dialect: Dialect) -> float | None:
        """Return the value, or raise ValueError where it is not finite."""
        del dialect
        if value is not None and not math.isfinite(value):
            msg = f"{value} cannot be stored in the registry"
            raise ValueError(msg)
        return value


class Directed(Finite):
    """A score or an effect: lower where it is better, and turned round where it is shown.

    So `--json` and `export` give it in the direction of the study's metric; see `Metric.shown`.
    """

    cache_ok = True


class Plain(TypeDecorator[str]):
    """A text column without NUL, which PostgreSQL refuses and terminals dislike."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Return the text with NUL and lone surrogates replaced by U+FFFD."""
        del dialect
        if value is None:
            return None
        return value.replace("\0", "\ufffd").encode("utf-8", "replace").decode("utf-8")


class Utc(TypeDecorator[datetime]):
    """An aware UTC time; SQLite forgets the zone, this puts it back."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return the time in UTC; a naive time is refused by `astimezone`'s caller contract."""
        del dialect
        if value is not None and value.tzinfo is None:
            msg = "a naive time cannot be stored in the registry"
            raise ValueError(msg)
        return value.astimezone(UTC) if value is not None else None

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return the time as aware UTC."""
        del dialect
        if value is None:
            return None
        return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)


class Word(TypeDecorator[StrEnum]):
    """A StrEnum stored as its value, so that the file reads well in any SQLite browser."""

    impl = String
    cache_ok = True

    def __init__(self, kind: type[StrEnum]) -> None:
        super().__init__(24)
        self.kind = kind

    def process_bind_param(self, value: StrEnum | None, dialect: Dialect) -> str | None:
        """Return the word; ValueError where it is none of the enum's."""
        del dialect
        return None if value is None else str(self.kind(value))

    def process_result_value(self, value: str | None, dialect: Dialect) -> StrEnum | None:
        """Return the member."""
        del dialect
        return None if value is None else self.kind(value)


class Row(SQLModel):
    """A row of any table."""

    id: int | None = Field(default=None, primary_key=True)

    @property
    def number(self) -> int:
        """Its `id`; 0 before it is written."""
        return self.id or 0
