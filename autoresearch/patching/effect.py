"""What a change means: files with equal syntax trees have the same effect."""

import hashlib
from collections.abc import Mapping

from autoresearch.patching.syntax import read


def effect_hash(files: Mapping[str, str]) -> str:
    """Return the SHA-256 of the files' meaning, in hex.

    Python files count as syntax trees without docstrings, comments and layout; what does not
    parse, and every other file, counts as its text.
    """
    digest = hashlib.sha256()
    for path in sorted(files):
        text = files[path]
        for part in (path, _said(text) if path.endswith(".py") else text):
            data = part.encode("utf-8", "surrogatepass")
            digest.update(b"%d:" % len(data) + data)
    return digest.hexdigest()


def _said(source: str) -> str:
    known = read(source)
    return source if known is None or known.meaning is None else known.meaning
