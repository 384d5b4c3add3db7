"""An experiment as its proposer is judged by it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Trained:
    """What one trained experiment says of who proposed it. Effects in bits per byte, time in s.

    `control` names the control proposer whose turn it could have been as well as another's, ""
    where there was no such choice; it was the control's own where that is `proposer`. `seconds`
    are those of its trials until the verdict. `kept` means to this day: a refuted keep is none.
    `delta` is the believed effect with its standard error, `predicted` what its author expected.
    """

    proposer: str
    control: str = ""
    seconds: float = 0.0
    kept: bool = False
    confirmed: bool = False
    delta: float | None = None
    delta_error: float | None = None
    predicted: float | None = None

    @property
    def is_control(self) -> bool:
        """Whether it came of a control's turn."""
        return self.control == self.proposer

    @property
    def gain(self) -> float:
        """By how much it brought the incumbent down; nothing where it was not kept."""
        return -self.delta if self.kept and self.delta is not None else 0.0
