import re
from pathlib import Path

from autoresearch.records.values import Verdict
from autoresearch.records.verdict_counts import VerdictCounts
from autoresearch.render.words import STYLES

SOME = VerdictCounts.of(
    [(Verdict.STALE, 2), (None, 4), (Verdict.KEEP, 1_200), (Verdict.CRASH, 1), (Verdict.INVALID, 3)]
)


def test_what_has_no_verdict_yet_is_not_counted() -> None:
    assert SOME.total == 1_206
    assert SOME[Verdict.DISCARD] == 0


def test_every_verdict_that_was_given_is_described_in_their_own_order() -> None:
    assert SOME.described() == ["1,200 kept", "1 crashed", "3 invalid", "2 stale"]
    every = VerdictCounts(dict.fromkeys(reversed(Verdict), 1))
    assert [phrase.removeprefix("1 ") for phrase in every.described()] == [
        verdict.past for verdict in Verdict
    ]


def test_some_are_named_always_and_some_in_other_words() -> None:
    named = SOME.described({Verdict.INVALID: "refused"}, always={Verdict.DISCARD})
    assert named == ["1,200 kept", "0 discarded", "1 crashed", "3 refused", "2 stale"]


def test_one_more_leaves_the_counts_before_as_they_were() -> None:
    more = SOME.with_one_more(Verdict.DISCARD).with_one_more(Verdict.CRASH)
    assert (more[Verdict.DISCARD], more[Verdict.CRASH], more.total) == (1, 2, 1_208)
    assert (SOME[Verdict.DISCARD], SOME[Verdict.CRASH]) == (0, 1)


def test_every_verdict_has_its_colour_and_is_explained() -> None:
    root = Path(__file__).parent.parent
    styles = (root / "autoresearch" / "render" / "page" / "page.css").read_text("utf-8")
    words = (root / "README.md").read_text("utf-8").partition("## Words")[2]
    for verdict in Verdict:
        assert STYLES[verdict]
        assert re.search(rf"^[^{{]*\.{verdict}\b", styles, re.MULTILINE)
        assert f"`{verdict}`" in words
