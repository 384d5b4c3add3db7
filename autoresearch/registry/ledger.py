"""Who may spend what: the ledger of one run on one study, durable in the registry's file."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, case, func, select, update
from sqlmodel import col

from autoresearch.errors import RegistryError
from autoresearch.records.money import (
    ROUNDING,
    CallState,
    CapReached,
    Caps,
    CapUse,
    GpuPrice,
    Intent,
    Settlement,
    Usage,
    dollars,
)
from autoresearch.records.tables import Call, Experiment, Study, Trial
from autoresearch.records.values import TrialState
from autoresearch.registry.database import Database
from autoresearch.registry.packing import pack
from autoresearch.registry.writing import write

_MOST_TOKENS = 2**53  # beyond it no count is one, whatever a server says


@dataclass(frozen=True)
class _Mark:
    """The last call and trial there were when a run began."""

    call: int = 0
    trial: int = 0


class StudyLedger:
    """A `records.money.Ledger` for one run. Safe in many threads, and beside other processes.

    A call is admitted if all that is spent and reserved, and the most that it can cost, stay
    within each cap; this is decided and written in one transaction that no other writer shares.
    As long as nothing costs more than was reserved for it, no cap is ever exceeded by calls;
    trials are not asked about here, so whoever starts one looks at `remaining` first.
    """

    def __init__(
        self,
        database: Database,
        study: Study,
        caps: Caps,
        *,
        gpu: GpuPrice,
        now: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._study = int(study.id or 0)
        self._caps = caps
        self._gpu = gpu
        self._now = now
        with database.engine.connect() as connection:
            self._start = _Mark(
                call=connection.execute(select(func.max(Call.id))).scalar() or 0,
                trial=connection.execute(select(func.max(Trial.id))).scalar() or 0,
            )

    def reserve(self, intent: Intent) -> int | CapReached:
        """Return the new call's number, its worst case reserved durably; or why it may not be.

        Raises:
            RegistryError: the registry cannot be written.
            ValueError: the worst case is no amount.
        """
        _refuse_no_amount(intent.worst)
        return self._database.alone(lambda connection: self._reserve(connection, intent))

    def settle(self, call: int, settlement: Settlement) -> None:
        """Write down how a call ended; a second settlement of the same call is ignored.

        Where the cost is not known, the reservation stays its cost, and says that it is one.

        Raises:
            RegistryError: there is no such call, or the registry cannot be written.
            ValueError: the cost is no amount.
        """
        if settlement.cost is not None:
            _refuse_no_amount(settlement.cost)
        self._change(call, _ended(settlement), once=True)

    def send_back(self, call: int, reason: str) -> None:
        """Write down why a call's answer was refused and sent back to its author.

        Raises:
            RegistryError: there is no such call, or the registry cannot be written.
        """
        self._change(call, {"sent_back": reason})

    def remaining(self) -> float | None:
        """Return what the tightest cap of run and study leaves; None where there is none.

        Training counts too, where it has a price: `GpuPrice.trial_worst` is what a trial needs.
        """
        return min((each.left for each in self.uses()), default=None)

    def uses(self) -> list[CapUse]:
        """Return how far the caps of run and study are used up, those that there are."""
        sums = self._sums()

        def read() -> list[CapUse]:
            with self._database.engine.connect() as connection:
                return [
                    CapUse(name, cap, self._spent(connection, since)) for name, cap, since in sums
                ]

        return self._database.through(read) if sums else []

    def _reserve(self, connection: Connection, intent: Intent) -> int | CapReached:
        reached = self._reached(connection, intent.worst)
        if reached is not None:
            return reached
        call = Call(
            study_id=self._study,
            proposer=intent.proposer,
            provider=intent.provider,
            model=intent.model,
            purpose=intent.purpose,
            state=CallState.RESERVED,
            price=intent.price,
            reserved_usd=intent.worst,
            cost_usd=intent.worst,
            created_at=self._now(),
        )
        return int(write(connection, call).id or 0)

    def _sums(self) -> list[tuple[str, float, _Mark]]:
        """Return each cap on a sum: its name, the amount, and from where on is counted."""
        caps = (
            ("the run's cap", self._caps.run, self._start),
            ("the study's cap", self._caps.study, _Mark()),
        )
        return [(name, cap, since) for name, cap, since in caps if cap is not None]

    def _reached(self, connection: Connection, worst: float) -> CapReached | None:
        most = self._caps.call
        if most is not None and worst > most + ROUNDING:
            return CapReached(
                f"a call may cost {dollars(worst)}, above the cap of {dollars(most)} a call",
                call=True,
            )
        for name, cap, since in self._sums():
            spent = self._spent(connection, since)
            if math.fsum((spent, worst)) > cap + ROUNDING:
                return CapReached(
                    f"{name} of {dollars(cap)} is reached: {dollars(spent)} spent or reserved, "
                    f"and a call may cost {dollars(worst)}"
                )
        return None

    def _spent(self, connection: Connection, since: _Mark) -> float:
        costs = select(col(Call.cost_usd)).where(
            col(Call.study_id) == self._study, col(Call.id) > since.call
        )
        # Added up here, exactly: SQLite's sum was a naive one for decades.
        return math.fsum([*connection.execute(costs).scalars(), self._trained(connection, since)])

    def _trained(self, connection: Connection, since: _Mark) -> float:
        if not self._gpu.hour_usd:
            return 0.0
        done = col(Trial.state) == TrialState.DONE
        seconds = case(
            (done, col(Trial.total_seconds) + col(Trial.scoring_seconds)),
            else_=self._gpu.trial_worst_seconds,
        )
        query = (
            select(func.coalesce(func.sum(seconds), 0.0))
            .join_from(Trial, Experiment, col(Experiment.id) == col(Trial.experiment_id))
            .where(col(Experiment.study_id) == self._study, col(Trial.id) > since.trial)
        )
        return self._gpu.cost(float(connection.execute(query).scalar_one()))

    def _change(self, call: int, values: Mapping[str, object], *, once: bool = False) -> None:
        mine = (col(Call.id) == call, col(Call.study_id) == self._study)
        change = update(Call).where(*mine).values(values)
        if once:
            change = change.where(col(Call.ending).is_(None))

        def write(connection: Connection) -> None:
            if connection.execute(select(col(Call.id)).where(*mine)).first() is None:
                msg = f"the study has no call {call}"
                raise RegistryError(msg)
            connection.execute(change)

        self._database.alone(write)


def _ended(settlement: Settlement) -> Mapping[str, object]:
    usage = settlement.usage or Usage(0, 0)
    cost = settlement.cost
    known = {} if cost is None else {"state": CallState.SETTLED, "cost_usd": cost}
    return known | {
        "ending": settlement.ending,
        "tokens_in": min(usage.input, _MOST_TOKENS),
        "tokens_cached": min(usage.cached, _MOST_TOKENS),
        "tokens_written": min(usage.written, _MOST_TOKENS),
        "tokens_out": min(usage.output, _MOST_TOKENS),
        "latency_seconds": settlement.latency,
        "detail": settlement.detail,
        "answer": pack(settlement.answer.encode("utf-8", "replace")) or None,
    }


def _refuse_no_amount(amount: float) -> None:
    if not (math.isfinite(amount) and amount >= 0):
        msg = f"{amount} is no amount of dollars"
        raise ValueError(msg)
