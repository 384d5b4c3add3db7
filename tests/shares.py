"""Which rows of a table `make test` runs; the rest is for `make test-all`."""

from collections.abc import Iterable
from typing import Any

import pytest

THOROUGH = pytest.mark.thorough


def rows(table: Iterable[str], *share: str) -> list[Any]:
    """Return the table's names as parameters: those outside the share are thorough."""
    names = list(table)
    assert set(share) <= set(names), f"no rows of the table: {set(share) - set(names)}"
    return [pytest.param(name, marks=() if name in share else THOROUGH) for name in names]
