"""What the person told the researcher: for the terminal and for programs."""

from collections.abc import Iterator, Sequence

from rich.text import Text

from autoresearch.records.notes import LONGEST, Note
from autoresearch.render import words


def lines(notes: Sequence[Note]) -> Iterator[Text]:
    """Yield a line a note: its number, when it was written, and until when it stood."""
    for each in notes:
        line = Text(f"note {each.id}", style="bold").append(f" {words.moment(each.created_at)}")
        if each.dropped_at is not None:
            line.append(f", dropped {words.moment(each.dropped_at)}", style="dim")
        line.append(": ").append_text(words.line(each.text, LONGEST))
        yield line


def plain(notes: Sequence[Note]) -> list[dict[str, object]]:
    """Return them for programs."""
    return [
        {
            "id": each.id,
            "text": each.text,
            "created_at": each.created_at.isoformat(),
            "dropped_at": each.dropped_at.isoformat() if each.dropped_at else None,
        }
        for each in notes
    ]
