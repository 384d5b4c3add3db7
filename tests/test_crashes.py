"""A run that is killed after any of its writes loses nothing and does nothing twice."""

from functools import partial
from pathlib import Path

import pytest

from tests.crashes import a_night, check_whole, run_killed
from tests.shares import THOROUGH

FEW = {
    "experiment open", "ref", "trial running pair", "trial done pair", "experiment committing keep",
    "branch", "experiment done stale", "trial done confirming", "study running", "note",
    "again, line by line, ref", "experiment withdrawing discard",
}  # fmt: skip


@pytest.mark.parametrize(
    ("slots", "every"),
    [(3, False), pytest.param(1, True, marks=THOROUGH), pytest.param(3, True, marks=THOROUGH)],
    ids=["3-few", "1-every", "3-every"],
)
def test_a_kill_after_every_kind_of_write_loses_and_doubles_nothing(
    tmp_path: Path, slots: int, every: bool
) -> None:
    night = partial(a_night, tmp_path / "project", slots)
    night()
    seen: set[str] = set()

    def due(name: str) -> bool:
        return name not in seen and (every or name in FEW)

    while (last := run_killed(night, due)[-1]) != "finished":
        seen.add(last)
    assert len(seen) >= len(FEW) - 2  # the order of ends decides whether any is late, for one
    check_whole(night())
