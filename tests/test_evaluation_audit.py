"""The audit under arithmetic of any noise: emulated on numbers, and once through real servers.

An honest model passes a hundred of a hundred scorings. A leak of the worth that is promised is
found, however it is cut into pieces.
"""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from autoresearch import policy
from autoresearch.evaluation.audit import Audit, Evidence, Finding
from autoresearch.evaluation.audit_sampling import WORTH, spread
from autoresearch.evaluation.rules import Cause, NoScore
from autoresearch.evaluation.windows import Integers, Reals
from autoresearch.records.scores import Allowance, Score, Unscored
from tests.evaluation_stubs import HONEST, documents, evaluator, score, warm_sandbox
from tests.shares import rows

POSITIONS = 20_000
WORTH_NATS = WORTH * math.log(2) * 4  # a position of four bytes
NOISE = {  # root mean square in nats of how a recomputed prediction differs
    "float32": 1e-6,
    "bfloat16 with logits in float32": 0.003,
    "bfloat16": 0.01,
    "float16 and large logits": 0.03,
}


@dataclass
class Scorings:
    """Emulated scorings of models whose arithmetic is noisy, after a baseline of some noise."""

    sigma: float
    rng: np.random.Generator

    def __post_init__(self) -> None:
        # Some predictions are noisier than others, as on a GPU.
        rng = self.rng
        unlike = rng.normal(size=POSITIONS) * np.exp(0.6 * rng.normal(size=POSITIONS))
        self.noise = self.sigma * unlike / math.exp(0.36)
        self.gains = rng.normal(0.0, 0.5, POSITIONS)
        measured = self.scored(1.0, 0.0, None).measured
        assert measured is not None
        self.allowed = measured

    def scored(self, louder: float, leak: Reals | float, allowance: Allowance | None) -> Finding:
        """Return what the audit of a model finds that is so much noisier, and leaks."""
        errors = louder * self.rng.permutation(self.noise) + leak

        def ask(uniform: Integers, drawn: Integers) -> Evidence:
            both = np.append(uniform, drawn)
            return Evidence(both.size, 0.0, float(np.abs(errors[both]).max()), errors[uniform])

        audit = Audit(allowance, worth=WORTH_NATS * POSITIONS, probes=256, least=1e-3)
        return audit.conduct(self.gains + leak, ask, self.rng)

    def failed(self, times: int, louder: float, leak: Reals | float) -> list[Cause]:
        """Return why scorings failed, of so many."""
        found = []
        for _ in range(times):
            try:
                self.scored(louder, leak, self.allowed)
            except NoScore as reason:
                found.append(reason.cause)
        return found

    def promised(self, louder: float) -> float:
        """Return the leak in nats a position that is found at this noise."""
        most = policy.smallest_leak(policy.MOST, spread(self.gains), louder * self.sigma)
        return max(WORTH_NATS, most)

    def pieces(self, leak: float, size: float) -> Reals:
        """Return a leak in pieces of this size (nats), in random places."""
        count = min(POSITIONS, max(12, round(leak * POSITIONS / size)))
        found = np.zeros(POSITIONS)
        found[self.rng.choice(POSITIONS, count, replace=False)] = leak * POSITIONS / count
        return found


def scorings(name: str) -> Scorings:
    return Scorings(NOISE[name], np.random.default_rng(list(NOISE).index(name)))


@pytest.mark.parametrize("name", rows(NOISE, "float32", "bfloat16"))
def test_an_honest_model_passes_every_scoring(name: str) -> None:
    world = scorings(name)
    assert world.allowed.tolerance == pytest.approx(1e-3) or name != "float32"
    assert world.failed(100, 1.0, 0.0) == []
    if not policy.at_ceiling(world.allowed):
        assert world.failed(20, 2.0, 0.0) == []  # twice as noisy as the baseline


@pytest.mark.parametrize("name", rows(NOISE, "float32", "bfloat16"))
def test_a_leak_of_the_promised_worth_is_found_in_pieces_of_any_size(name: str) -> None:
    world = scorings(name)
    for louder in (1.0, 2.0):
        leak = world.promised(louder)
        for size in (leak, 0.3 * world.allowed.tolerance, 0.95 * world.allowed.tolerance, 1.0, 5.0):
            assert len(world.failed(12, louder, world.pieces(leak, size))) == 12, (louder, size)


def test_noise_that_a_cheat_adds_to_hide_behind_is_refused() -> None:
    world = scorings("bfloat16")
    assert world.failed(10, 4.0, 0.0) == [Cause.AUDIT] * 10
    quiet, loud = (world.scored(each, 0.0, world.allowed) for each in (1.0, 2.5))
    assert loud.evidence.challenged > 3 * quiet.evidence.challenged  # it is asked for more


def test_a_baseline_beyond_the_ceiling_has_no_score() -> None:
    with pytest.raises(NoScore, match=r"tolerance 0\.5\)") as reason:
        Scorings(0.3, np.random.default_rng(1))
    assert reason.value.cause == Cause.AUDIT


def test_where_noise_hides_a_leak_the_score_says_so() -> None:
    quiet, loud = (scorings(each) for each in ("bfloat16", "float16 and large logits"))
    assert quiet.scored(1.0, 0.0, quiet.allowed).leak <= WORTH_NATS
    found = loud.scored(1.0, 0.0, loud.allowed)
    assert found.evidence.challenged == policy.MOST
    assert found.leak > WORTH_NATS


def test_a_study_from_before_keeps_its_tolerance_and_is_asked_once() -> None:
    world = scorings("bfloat16")
    world.allowed = Allowance(0.2)
    assert world.failed(20, 1.0, 0.0) == []
    assert world.failed(5, 1.0, 0.01) == [Cause.INFLATED] * 5
    once = world.scored(1.0, 0.0, world.allowed)
    assert once.evidence.challenged < world.scored(1.0, 0.0, None).evidence.challenged


# Each batch has noise of its own, and the same batch the same.
NOISY = HONEST.replace(
    "        return 3 *",
    "        own = torch.Generator().manual_seed(int(x.sum()) * 31 + x.shape[1])\n"
    "        self.noise = 0.002 * torch.randn((*x.shape, VOCAB), generator=own)\n"
    "        return self.noise + 3 *",
)
# A glance at the next token, worth less than the noise of a single prediction.
PEEKING = NOISY.replace(
    "        return self.noise",
    "        after = F.one_hot(F.pad(x[:, 1:], (0, 1)), VOCAB)\n"
    "        return 0.006 * after + self.noise",
)


def test_servers_with_seeded_noise_are_measured_then_believed_and_a_peek_is_found(
    tmp_path: Path,
) -> None:
    known: list[Allowance] = []
    scorer = evaluator(sandbox=warm_sandbox(), allowance=lambda: known[0] if known else None)
    baseline = score(scorer, tmp_path, NOISY)
    assert isinstance(baseline, Score), baseline
    assert baseline.measured is not None
    assert baseline.measured.noise == pytest.approx(0.002 * 2**0.5, rel=0.2)
    assert 0.006 < baseline.measured.tolerance < 0.1
    known.append(baseline.measured)
    again = score(scorer, tmp_path, NOISY)
    assert isinstance(again, Score), again
    assert again.measured is None
    assert again.detectable is not None
    assert again.detectable < 0.006 / math.log(2)
    peeking = score(scorer, tmp_path, PEEKING)
    assert isinstance(peeking, Unscored)
    assert peeking.cause == Cause.INFLATED


def test_unmeasured_arithmetic_is_allowed_the_least(tmp_path: Path) -> None:
    few = documents(numbers=100)
    found = score(evaluator(texts=few, sandbox=warm_sandbox()), tmp_path, NOISY)
    assert isinstance(found, Unscored)
    assert found.cause in (Cause.COMMITMENT, Cause.AUDIT)
