"""What the shell completes: numbers of experiments, tags, proposers, corpora.

It is asked at every press of the tab key: so it reads the registry's file directly, read-only and
without waiting, imports nothing heavy, and whatever is wrong completes to nothing.
"""

import re
import sqlite3
import string
from collections.abc import Iterable, Iterator
from contextlib import closing, suppress
from pathlib import Path

from autoresearch.records.known_corpora import KNOWN_CORPORA
from autoresearch.records.known_proposers import SPEC_FORMS

Found = list[tuple[str, str]]

_REGISTRY = Path(".autoresearch", "registry.db")
_SETTINGS = "autoresearch.toml"
_NAME = re.compile(r"[\w.:@/+-]+", re.ASCII)
_UNSAFE = re.compile(r"[^\w .,%/=+-]", re.ASCII)
_MOST = 200
_WIDTH = 60
_EXPERIMENTS = (
    "SELECT id, coalesce(standing, verdict, state), hypothesis FROM experiment ORDER BY id DESC"
)
_PROMISING = (
    "SELECT id, coalesce(standing, verdict), hypothesis FROM experiment "
    "WHERE verdict = 'keep' AND parent_id IS NOT NULL AND proposer <> 'imported' ORDER BY id DESC"
)
_TAGS = "SELECT tag, '', branch FROM study ORDER BY id DESC"
_NOTES = "SELECT id, '', text FROM note WHERE dropped_at IS NULL ORDER BY id DESC"
_WRITTEN_OUT = string.ascii_uppercase + "_@"  # what stands for something else in a form
_PROPOSERS = [(form.rstrip(_WRITTEN_OUT), what) for form, what in SPEC_FORMS.items()]
_USED = (
    "SELECT DISTINCT proposer, '', 'was asked before' FROM experiment "
    "WHERE proposer NOT IN ('baseline', 'imported')"
)
_CATEGORIES = "SELECT DISTINCT category, '', '' FROM experiment ORDER BY category"
_ORDERS = (
    ("number", "the oldest first"),
    ("score", "the best score first"),
    ("effect", "the best effect first"),
    ("seconds", "the longest first"),
    ("cost", "the dearest first"),
)
_CORPORA = (
    *((name, each.words) for name, each in KNOWN_CORPORA.items()),
    ("hf:", "a data set of the Hugging Face hub"),
)


def experiments(incomplete: str) -> Found:
    """Return the experiments whose number begins so, newest first."""
    return _beginning(incomplete, _rows(_EXPERIMENTS))


def categories(incomplete: str) -> Found:
    """Return the categories that experiments have."""
    return _beginning(incomplete, _rows(_CATEGORIES))


def orders(incomplete: str) -> Found:
    """Return what `status` can sort by."""
    return _beginning(incomplete, _ORDERS)


def keeps(incomplete: str) -> Found:
    """Return the same, of what was kept."""
    return _beginning(incomplete, _rows(_PROMISING))


def tags(incomplete: str) -> Found:
    """Return the studies whose tag begins so, newest first."""
    return _beginning(incomplete, _rows(_TAGS))


def notes(incomplete: str) -> Found:
    """Return the notes that stand, newest first."""
    return _beginning(incomplete, _rows(_NOTES))


def proposers(incomplete: str) -> Found:
    """Return the kinds of proposers, and those that were asked in this project."""
    return _beginning(incomplete, [*_PROPOSERS, *_rows(_USED)])


def corpora(incomplete: str) -> Found:
    """Return the corpora that have a name."""
    return _beginning(incomplete, _CORPORA)


def _beginning(incomplete: str, found: Iterable[tuple[str, str]]) -> Found:
    return [each for each in dict(found).items() if each[0].startswith(incomplete)]


def _rows(query: str) -> Found:
    """Return what a query finds in the project's registry; nothing where anything is wrong."""
    with suppress(Exception):
        for place in _registries():
            uri = f"{place.absolute().as_uri()}?mode=ro"
            with closing(sqlite3.connect(uri, uri=True, timeout=0.1)) as file:
                rows = file.execute(f"{query} LIMIT {_MOST}").fetchall()
            told = [(str(name), _told(state, words)) for name, state, words in rows]
            return [each for each in told if _NAME.fullmatch(each[0])]
    return []


def _registries() -> Iterator[Path]:
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / _SETTINGS).is_file():
            yield folder / _REGISTRY
            return


def _told(state: str, words: str) -> str:
    # A model wrote it, and the completion of zsh is evaluated: only harmless characters are left.
    plain = " ".join(_UNSAFE.sub(" ", words[:_WIDTH]).split())
    return f"{state}, {plain}" if state else plain
