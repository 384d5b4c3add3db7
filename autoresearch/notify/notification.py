"""What is sent."""

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What a notification is about."""

    CONFIRMED = "confirmed"
    UNCONFIRMED = "unconfirmed"
    PROPOSERS = "proposers"
    MACHINE = "machine"
    MONEY = "money"
    END = "end"
    TEST = "test"


@dataclass(frozen=True)
class Notification:
    """A title of one line, some lines of text, and a picture (PNG) where there is one.

    All of it is safe to show, and holds no secret: whoever makes it sees to that.
    """

    kind: Kind
    title: str
    text: str
    picture: bytes | None = None
