"""Whether there is money for one more trial."""

from dataclasses import dataclass

from autoresearch.records.money import Account


@dataclass(frozen=True)
class MoneyCap:
    """The run's money. `trial_usd` is the most that one trial can cost on this machine."""

    ledger: Account
    trial_usd: float = 0.0

    @property
    def left(self) -> float | None:
        """US dollars that the tightest cap leaves; None where there is no cap."""
        return self.ledger.remaining()

    def reached(self) -> str | None:
        """Return why no trial may begin, or None.

        Where trials are free only thinking is capped: who has no money makes way for who needs
        none.
        """
        left = self.left
        if not self.trial_usd or left is None or left >= self.trial_usd:
            return None
        return f"a trial may cost ${self.trial_usd:.2f}, and the caps leave ${max(left, 0):.2f}"
