"""The pure parts of the evaluator: rows, challenges, comparisons, tokens."""

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoresearch.evaluation.audit import Evidence
from autoresearch.evaluation.audit_sampling import WORTH, Reference, draw, expected, needed
from autoresearch.evaluation.challenge import (
    AnswerComparison,
    normalised,
    other_suffixes,
    true_rows,
)
from autoresearch.evaluation.rules import Cause, NoScore
from autoresearch.evaluation.text import EncodedText, brings_tokenizer, flaw
from autoresearch.evaluation.windows import WindowPlan, cut
from autoresearch.records.scores import Allowance, Document
from autoresearch.runtime import wire

BOS = 1000
lengths = st.lists(st.integers(0, 150), min_size=1, max_size=8).filter(any)
contexts = st.sampled_from([2, 7, 16, 32, 100, 128])


def plan_of(sizes: list[int], context: int) -> WindowPlan:
    # Token t of document d is unlike any other: what stands where can be told by its value.
    first = np.cumsum([0, *sizes])
    tokens = tuple(np.arange(a, b, dtype=np.int32) for a, b in itertools.pairwise(first))
    return cut(EncodedText(BOS + sum(sizes), tokens, np.ones(sum(sizes), np.int64)), context)


@settings(max_examples=60, deadline=None)
@given(sizes=lengths, context=contexts, batch=st.integers(1, 9))
def test_every_token_is_charged_once_in_its_place(
    sizes: list[int], context: int, batch: int
) -> None:
    plan = plan_of(sizes, context)
    rng = np.random.default_rng(0)
    seen: dict[int, int] = {}
    for block in plan.blocks(batch, rng):
        assert len(block.rows) <= batch
        assert block.tokens.shape[1] <= context + 1
        mask, positions = plan.charged(block)
        seen |= zip(positions.tolist(), block.tokens[:, 1:][mask].tolist(), strict=True)
        for tokens in block.tokens:
            # What a row begins with is BOS or the token before its first target.
            assert tokens[0] in (plan.stream.max(), tokens[1] - 1)
    assert seen == {each: each for each in range(sum(sizes))}
    assert plan.targets(np.arange(sum(sizes))).tolist() == list(range(sum(sizes)))
    assert plan.by_document(np.ones(sum(sizes)), len(sizes)).tolist() == sizes


@settings(max_examples=40, deadline=None)
@given(sizes=lengths, context=contexts)
def test_the_audit_sees_the_prefix_and_never_what_follows(sizes: list[int], context: int) -> None:
    plan = plan_of(sizes, context)
    positions = np.arange(plan.positions)
    answered: list[int] = []
    for request in other_suffixes(plan, positions, 8, np.random.default_rng(0)):
        for member, row in zip(request.members, request.rows, strict=True):
            place, target = int(row[-1]), int(positions[member])
            inside = target - plan.first[plan.places(np.array([target]))[0][0]]
            assert place == inside
            assert row[1 : place + 1].tolist() == list(range(target - place, target))
            answered.append(int(member))
    assert sorted(answered) == positions.tolist()


def test_the_audit_fills_with_noise_and_the_challenge_with_the_text() -> None:
    plan = plan_of([4000], 128)
    positions = np.arange(0, 4000, 7)
    rng = np.random.default_rng(0)
    followed = {"true": 0, "other": 0}
    for name, make in (("true", true_rows), ("other", other_suffixes)):
        for request in make(plan, positions, 16, rng):
            for member, row in zip(request.members, request.rows, strict=True):
                place = int(row[-1])
                if place + 1 < len(row) - 1:
                    followed[name] += int(row[place + 1] == positions[member])
    assert followed["other"] <= 5
    assert followed["true"] > 0.98 * len(positions)


WORTH_NATS = WORTH * np.log(2) * 150_000
THEFTS = {"a dozen": 12, "one in three hundred": 150, "one in twenty": 2250}  # of 45,000


def robbed(best: np.ndarray, where: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Another honest model, and a leak at some positions that is worth exactly WORTH_NATS."""
    nats = best + rng.normal(0, 0.35, best.size)
    nats[where] = best[where] + WORTH_NATS / where.size
    return nats


@pytest.mark.parametrize("name", THEFTS)
def test_a_leak_worth_the_noise_floor_is_found_but_once_in_a_thousand(name: str) -> None:
    rng = np.random.default_rng(1)
    best = -rng.gamma(1.0, 3.0, 45_000)
    stolen = np.argsort(best)[: THEFTS[name]]  # the hardest
    excess = robbed(best, stolen, rng) - best
    count = needed(excess, WORTH_NATS)
    assert 256 < count < 2000  # what it costs: about one row in a thousand positions and less
    missed = sum(
        not np.isin(np.concatenate(draw(excess, count, rng)), stolen).any() for _ in range(200)
    )
    assert missed <= 2  # of 200, where 0.2 are allowed on average


def test_without_a_reference_more_probes_are_needed_and_asked_for() -> None:
    rng = np.random.default_rng(2)
    plan = plan_of([50_000], 128)
    plan.stream[:] %= 500  # so that tokens recur, each with what it costs on average
    nats = -rng.gamma(1.0, 3.0, plan.positions)
    blind = needed(nats - expected(nats, plan), WORTH_NATS)
    seen = needed(nats - (nats + rng.normal(0, 0.35, nats.size)), WORTH_NATS)
    assert blind > 4 * seen


def test_a_reference_speaks_of_other_cuts_of_the_same_bytes() -> None:
    text = [Document(b"abcdef")]
    letters = EncodedText(0, (np.arange(1, 7, dtype=np.int32),), np.array([0, *[1] * 6]))
    pairs = EncodedText(0, (np.array([1, 2, 3], np.int32),), np.array([0, 2, 3, 1]))
    assert sum(letters.sizes[letters.documents[0]]) == len(text[0].data)
    reference = Reference.of(cut(letters, 16), -np.array([1.0, 2, 3, 4, 5, 6]))
    assert reference.total == -21
    assert reference.at(cut(letters, 16)).tolist() == [-1, -2, -3, -4, -5, -6]
    assert reference.at(cut(pairs, 16)).tolist() == [-3, -12, -6]
    back = Reference.of(cut(pairs, 16), reference.at(cut(pairs, 16))).at(cut(letters, 16))
    assert back.tolist() == pytest.approx([-1.5, -1.5, -4, -4, -4, -6])


@given(count=st.integers(1, 40), size=st.integers(1, 40), flat=st.booleans())
def test_challenges_are_distinct_and_as_many_as_asked(count: int, size: int, flat: bool) -> None:
    rng = np.random.default_rng(3)
    gain = np.zeros(size) if flat else rng.normal(size=size)
    drawn = np.concatenate(draw(gain, count, rng))
    assert len(set(drawn.tolist())) == len(drawn) == min(count, size)


def vectors(rng: np.random.Generator, noise: float = 0.0) -> np.ndarray:
    base = np.random.default_rng(9).normal(size=(64, 50))
    return normalised((base + rng.normal(0, 1, base.shape) * noise).astype(np.float32))


def claim_of(own: np.ndarray, error: np.ndarray | float = 0.0) -> AnswerComparison:
    targets = np.arange(64) % 50
    return AnswerComparison(own[np.arange(64), targets] + error, targets, uniform=32)


def compare(
    comparison: AnswerComparison, own: np.ndarray, audit: np.ndarray, tolerance: float
) -> Evidence:
    everyone = np.arange(64)
    comparison.expect(everyone)
    comparison.recompute(everyone[:40], own[:40])
    comparison.audit(everyone, audit)
    comparison.recompute(everyone[40:], own[40:])
    found = comparison.evidence()
    found.require(Allowance(tolerance))
    return found


def test_agreement_within_the_tolerance_is_a_finding() -> None:
    rng = np.random.default_rng(4)
    own, audit = vectors(rng, 1e-4), vectors(rng, 1e-4)
    finding = compare(claim_of(own), own, audit, 1e-2)
    assert finding.challenged == 64
    assert 1e-5 < finding.mismatch < 1e-3


def test_each_kind_of_disagreement_has_its_rule() -> None:
    own = vectors(np.random.default_rng(5))
    one = np.zeros(64)
    one[40] = 0.02
    elsewhere = own.copy()
    elsewhere[3] = np.roll(own[3], 1)
    elsewhere[3, 3] = own[3, 3]  # the target agrees, the rest of the vector does not
    for claim, audit, rule in (
        (claim_of(own, one), own, Cause.COMMITMENT),
        (claim_of(own, np.nan * one), own, Cause.COMMITMENT),
        (claim_of(own), elsewhere, Cause.AUDIT),
        (claim_of(own, 0.009), own, Cause.INFLATED),
    ):
        with pytest.raises(NoScore) as breach:
            compare(claim, own, audit, 0.01)
        assert breach.value.cause == rule


def test_logits_may_rule_out_a_token_but_not_be_undefined() -> None:
    row = np.array([[0.0, -np.inf, 0.0]], np.float32)
    assert np.exp(normalised(row)).tolist() == [pytest.approx([0.5, 0.0, 0.5])]
    for bad in (np.nan, np.inf):
        with pytest.raises(NoScore):
            normalised(np.array([[0.0, bad]], np.float32))
    with pytest.raises(NoScore):
        normalised(np.full((1, 2), -np.inf, np.float32))


def test_an_encoding_must_spell_the_document_with_tokens_that_have_bytes() -> None:
    table = [b"a", b"bc", b""]
    document = [Document(b"abc")]
    assert flaw([np.array([0, 1], np.int32)], table, document) is None
    assert "zero bytes" in str(flaw([np.array([0, 2, 1], np.int32)], table, document))
    assert "concatenate" in str(flaw([np.array([0], np.int32)], table, document))
    assert flaw([np.array([], np.int32)], table, [Document(b"")]) is None


@pytest.mark.parametrize(
    ("program", "brings"),
    [
        ("def load_tokenizer(d): ...", True),
        ("from mine import bpe as load_tokenizer", True),
        ("load_tokenizer = print", True),
        ("if True:\n    def load_tokenizer(d): ...", True),
        ("def other():\n    def load_tokenizer(d): ...", False),
        ("print(load_tokenizer)", False),
        ("'load_tokenizer'", False),
    ],
)
def test_a_tokenizer_is_seen_without_running_the_program(
    tmp_path: Path, program: str, brings: bool
) -> None:
    (tmp_path / "train.py").write_text(program)
    assert brings_tokenizer(tmp_path / "train.py") is brings


@pytest.mark.parametrize("header", [[1], {"bytes": -1}, {"bytes": True}, {"bytes": "8"}, {}])
def test_headers_that_say_no_size_are_no_frames(header: object) -> None:
    text = json.dumps(header).encode()
    parts = iter([len(text).to_bytes(4, "little"), text])
    with pytest.raises(wire.FrameError):
        wire.read_head(lambda _size: next(parts))
