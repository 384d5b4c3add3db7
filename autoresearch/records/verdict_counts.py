"""How many experiments ended in which way: counted here, and said in order, for every view."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from autoresearch.records.values import Verdict


@dataclass(frozen=True)
class VerdictCounts:
    """How many experiments have each verdict; one that none has may be missing."""

    by_verdict: Mapping[Verdict, int] = field(default_factory=dict)

    @classmethod
    def of(cls, counted: Iterable[tuple[Verdict | None, int]]) -> "VerdictCounts":
        """Return counts from pairs of a verdict and a number; those of no verdict are left out."""
        return cls({verdict: number for verdict, number in counted if verdict is not None})

    def __getitem__(self, verdict: Verdict) -> int:
        """Return how many experiments have this verdict."""
        return self.by_verdict.get(verdict, 0)

    @property
    def total(self) -> int:
        """How many experiments have a verdict."""
        return sum(self.by_verdict.values())

    def with_one_more(self, verdict: Verdict) -> "VerdictCounts":
        """Return the counts once another experiment has this verdict."""
        return VerdictCounts({**self.by_verdict, verdict: self[verdict] + 1})

    def described(
        self,
        words: Mapping[Verdict, str] | None = None,
        *,
        always: Collection[Verdict] = (),
    ) -> list[str]:
        """Return a phrase a verdict, such as "3 kept", in the order in which `Verdict` has them.

        Args:
            words: what to say of a verdict in place of its own word.
            always: verdicts that are named even if no experiment has them.
        """
        named = [each for each in Verdict if self[each] or each in always]
        own = words or {}
        return [f"{self[each]:,} {own.get(each, each.past)}" for each in named]
