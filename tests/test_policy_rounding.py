"""What honest arithmetic is allowed, and the leaks that are found all the same: the arithmetic."""

import math
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoresearch import policy
from autoresearch.records.scores import Allowance

DOCS = Path(__file__).parents[1] / "docs" / "threat-model.md"
A_TOKEN = math.log(2) * 4  # nats a position for each bit per byte, at four bytes a token
SPREAD = 0.35


def table() -> list[list[float]]:
    lines = DOCS.read_text().partition("in nats | tolerance |")[2].partition("\n\n")[0].splitlines()
    rows = [re.findall(r"[\d.,]+", each) for each in lines[2:]]
    return [[float(cell.replace(",", "")) for cell in row] for row in rows]


def test_the_documents_table_is_what_the_policy_says() -> None:
    rows = table()
    assert len(rows) == 6
    for sigma, tolerance, probes, found, at_a_thousand in rows:
        needed = policy.probes_needed(1e-3 * A_TOKEN, SPREAD, sigma)
        leaks = [policy.smallest_leak(each, SPREAD, sigma) / A_TOKEN for each in (needed, 1000)]
        assert needed == probes
        assert [round(each, 4) for each in leaks] == [found, at_a_thousand]
        assert policy.allow(3.5 * sigma, sigma, 1e-3).tolerance == pytest.approx(tolerance)


@given(leak=st.floats(1e-4, 0.1), spread=st.floats(0.0, 3.0), noise=st.floats(0.0, 0.3))
def test_as_many_probes_as_are_needed_find_the_leak_and_fewer_do_not(
    leak: float, spread: float, noise: float
) -> None:
    needed = policy.probes_needed(leak, spread, noise)
    assert 0 <= needed <= policy.MOST
    if 0 < needed < policy.MOST:
        assert policy.smallest_leak(needed, spread, noise) <= leak * (1 + 1e-9)
    if needed > 2:
        assert policy.smallest_leak(needed - 2, spread, noise) > leak * (1 - 1e-9)


@given(largest=st.floats(0, 5), noise=st.floats(0, 1), least=st.floats(1e-6, 0.1))
def test_what_is_allowed_has_a_floor_and_a_ceiling(
    largest: float, noise: float, least: float
) -> None:
    found = policy.allow(largest, noise, least)
    assert least <= found.tolerance <= 0.5
    assert policy.at_ceiling(found) == (3 * max(largest, 5 * noise) >= 0.5)
    assert policy.most_noise(found) >= max(3 * noise, least / 5 * 0.999)
    assert policy.most_lean(found, noise, 400) >= policy.most_lean(found, noise, 4000) > 0


def test_a_study_from_before_is_judged_as_it_was() -> None:
    before = Allowance(0.05)
    assert policy.most_noise(before) == math.inf
    assert policy.most_lean(before, 0.01, 400) == pytest.approx(0.0005 + 4 * 0.01 / 20)
    assert not policy.at_ceiling(Allowance(0.7))
