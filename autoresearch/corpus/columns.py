"""Which column of a file of records is the text: the one named, a usual name, or the only one."""

import re
import shlex
from collections.abc import Mapping, Sequence

from autoresearch.corpus.documents import Flaw, to_utf8
from autoresearch.errors import CorpusError

FIELDS = ("text", "content")
SAMPLE = 100  # records by which the column is chosen
_OTHERS = {
    *("article", "body", "code", "doc", "document", "full_text", "markdown", "page_content"),
    *("paragraph", "passage", "raw_content", "raw_text", "sentence", "story", "txt"),
}
_MOST = 0.9  # of all characters: a column with so many is the text, the others are about it
_WORDS = re.compile(r"[^\W\d_]\s+[^\W\d_]")
_SHOWN = 12  # columns named at most
Names = tuple[str, ...]


class TextColumns:
    """Finds the text of records. `guessed` holds columns that nobody named, and where each was.

    Args:
        wanted: the column that the person named; empty to look for it.
    """

    def __init__(self, wanted: str = "") -> None:
        self.wanted = wanted
        self.guessed: dict[str, str] = {}

    def choose(self, where: str, records: Sequence[object], *, strict: bool = True) -> Names:
        """Return the columns that may hold the text; of a record, the first that it has is taken.

        Args:
            where: the file or dataset, for the message.
            records: some of it.
            strict: false for a file that may be no text at all: nothing is guessed or refused.

        Raises:
            CorpusError: no column is text, or it is not clear which; the columns are named.
        """
        texts = _texts(records)
        names = self._named(texts)
        if not names and strict and not self.wanted:
            names = _only(texts)
        if names and not self.wanted and names != FIELDS:
            self.guessed.setdefault(names[0], where)
        if names or not strict:
            return names
        columns = list(dict.fromkeys(str(name) for each in _dicts(records) for name in each))
        if not columns:
            return FIELDS  # strings, or nothing that could be named
        raise CorpusError(self._objection(where, columns, texts))

    def _named(self, texts: Mapping[str, Sequence[str]]) -> Names:
        if self.wanted:
            return (self.wanted,) if self.wanted in texts else ()
        if any(name in texts for name in FIELDS):
            return FIELDS
        folded = tuple(name for name in texts if name.strip().lower() in FIELDS)
        others = tuple(name for name in texts if name.strip().lower() in _OTHERS)
        return folded or (others if len(others) == 1 else ())

    def _objection(
        self, where: str, columns: Sequence[str], texts: Mapping[str, Sequence[str]]
    ) -> str:
        if self.wanted:
            mend = "name another by `--text-column`"
            return f"{where} has no text in a column {self.wanted}, only {_list(columns)}: {mend}"
        if not texts:
            mend = "make one of strings, and name it by `--text-column`"
            return f"{where} has no column of text, only {_list(columns)}: {mend}"
        longest = max(texts, key=lambda name: sum(map(len, texts[name])))
        mend = f"say `--text-column {shlex.quote(longest)}` or another"
        return f"several columns of {where} may be the text, {_list(list(texts))}: {mend}"


def text_of(record: object, names: Names) -> bytes | Flaw:
    """Return the text of a record: a string itself, else the first of `names` that is one."""
    if isinstance(record, str):
        return to_utf8(record)
    if not names:
        return Flaw.NO_COLUMN
    if isinstance(record, dict):
        for name in names:
            if isinstance(record.get(name), str):
                return to_utf8(record[name])
    return Flaw.MALFORMED


def _dicts(records: Sequence[object]) -> list[dict[object, object]]:
    return [each for each in records if isinstance(each, dict)]


def _texts(records: Sequence[object]) -> dict[str, list[str]]:
    texts: dict[str, list[str]] = {}
    for record in _dicts(records):
        for name, value in record.items():
            if isinstance(name, str) and isinstance(value, str):
                texts.setdefault(name, []).append(value)
    return texts


def _only(texts: Mapping[str, Sequence[str]]) -> Names:
    """Return the one column that can be the text: the only one, by far the longest, or of words."""
    if len(texts) == 1:
        return tuple(texts)
    known = [name for name in texts if name.lower() in _OTHERS]
    sizes = {name: sum(map(len, texts[name])) for name in known or texts}
    if sizes and max(sizes.values()) > _MOST * sum(sizes.values()):
        return (max(sizes, key=sizes.__getitem__),)
    wordy = tuple(name for name in sizes if _is_wordy(texts[name]))
    return wordy if len(wordy) == 1 else ()


def _is_wordy(values: Sequence[str]) -> bool:
    filled = [value for value in values if value.strip()]
    return 2 * sum(bool(_WORDS.search(value)) for value in filled) >= len(filled) > 0


def _list(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
