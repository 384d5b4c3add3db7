"""A fabricated night of any length, and quickly: proposers, a control, keeps, crashes, calls."""

import json
import math
import random
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlmodel import Session, SQLModel

from autoresearch.records.hardware import Hardware
from autoresearch.records.money import CallEnding, CallState
from autoresearch.records.tables import Call, Experiment, Study, Trial
from autoresearch.records.values import (
    Category,
    Clock,
    Ending,
    ExperimentState,
    FailureKind,
    Purpose,
    Standing,
    TrialState,
    Trust,
    Verdict,
)
from autoresearch.registry import Registry
from autoresearch.registry.packing import pack
from tests.rows import a_study, an_experiment

START = datetime(2026, 11, 23, 22, 0, 0, tzinfo=UTC)
MODEL = "anthropic:claude-opus"
CARD = Hardware("cuda", "NVIDIA H100 80GB HBM3", 80 * 2**30, "570.86", 700.0, 8, "3.11", "2.9.0")
BASELINE = 0.9979
NOISE = 0.0008
IDEAS = (
    ("halve the batch to 262K tokens: more steps in five minutes", Category.OPTIMIZER),
    ("one more layer at the same width", Category.ARCHITECTURE),
    ("warm up over the first 5% of the steps", Category.SCHEDULE),
    ("weight decay on the embeddings", Category.REGULARIZATION),
    ("fuse the two projections of the attention", Category.EFFICIENCY),
    ("drop the unused value embedding", Category.SIMPLIFICATION),
    ("raise the matrix learning rate to 0.05", Category.OPTIMIZER),
    ("short windows of 1/8 of the context in every second layer", Category.ARCHITECTURE),
)
CRASHES = (
    "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate {} GiB",
    "RuntimeError: mat1 and mat2 shapes cannot be multiplied ({}x768 and 512x768)",
)


class LongNight:
    """Makes rows of one study; the same seed, the same night."""

    def __init__(self, study: Study, *, texts: Sequence[str] = (), patch_lines: int = 12) -> None:
        self._study = study
        self._dice = random.Random(7)
        self._texts = texts
        self._patch_lines = patch_lines
        self._incumbent, self._best = 1, BASELINE
        self._trial = 0

    def rows(self, size: int) -> Iterator[SQLModel]:
        """Yield the rows of so many experiments, the baseline first."""
        for number in range(1, size + 1):
            yield from self._experiment(number)

    def _experiment(self, number: int) -> Iterator[SQLModel]:
        dice = self._dice
        true = 0.0 if number == 1 else self._effect(number)
        measured = true + dice.gauss(0, NOISE)
        verdict = self._verdict(number, measured)
        scored = verdict in (Verdict.KEEP, Verdict.DISCARD)
        standing = self._standing(number, verdict, true)
        if standing is Standing.REFUTED:  # while nothing builds on it, it is taken back
            verdict = Verdict.DISCARD
        row = self._row(number, verdict, standing, measured if scored else None)
        yield row
        if verdict is not Verdict.INVALID:
            yield from self._trials(row, measured if scored else None)
        if row.proposer == MODEL:
            yield self._call(row)
        if verdict is Verdict.KEEP:
            self._incumbent, self._best = number, row.val_bpb or self._best

    def _effect(self, number: int) -> float:
        late = math.exp(-number / 60)
        win = self._dice.random() < 0.10 + 0.2 * late
        return self._dice.expovariate(1 / (0.0006 + 0.005 * late)) * (-1 if win else 0.8)

    def _verdict(self, number: int, measured: float) -> Verdict:
        if number == 1:
            return Verdict.KEEP
        chance = self._dice.random()
        if chance < 0.09:
            return Verdict.CRASH
        if chance < 0.14:
            return Verdict.INVALID
        return Verdict.KEEP if measured < -0.0012 else Verdict.DISCARD

    def _standing(self, number: int, verdict: Verdict, true: float) -> Standing | None:
        if verdict is not Verdict.KEEP or number == 1 or self._dice.random() < 0.4:
            return None
        return Standing.CONFIRMED if true < -0.0005 else Standing.REFUTED

    def _row(
        self, number: int, verdict: Verdict, standing: Standing | None, measured: float | None
    ) -> Experiment:
        idea, category = IDEAS[number % len(IDEAS)]
        controlled = number % 5 == 0
        text = self._texts[number % len(self._texts)] if self._texts else f"{idea} ({number})"
        opened = START + timedelta(minutes=6 * number)
        delta = None if measured is None or number == 1 else 0.7 * measured
        better = 0.5 * math.erfc((measured or 0.0) / NOISE) if delta is not None else None
        base = number == 1
        return an_experiment(
            self._study,
            id=number,
            verdict=verdict,
            state=ExperimentState.DONE,
            parent_id=None if base else self._incumbent,
            proposer="baseline" if base else "optuna" if controlled else MODEL,
            control="" if base else "optuna",
            hypothesis="the unchanged project" if base else text,
            category=Category.BASELINE if base else category,
            predicted_delta=None if base else -self._dice.expovariate(400),
            risk="" if base else "may cost tokens a second",
            reason=self._reason(verdict, delta),
            val_bpb=None if measured is None else self._best + (delta or 0.0),
            val_bpb_error=None if measured is None else 0.0005,
            delta=delta,
            delta_error=None if delta is None else 0.0005,
            measured=None if delta is None else measured,
            measured_error=None if delta is None else NOISE,
            pairs=0 if delta is None else 1,
            p_better=None if better is None else 0.9 * better,
            p_neutral=None if better is None else 0.1,
            standing=standing,
            claim_reason=f"{standing} by 3 fresh pairs" if standing else "",
            **self._tested(standing, measured),
            seconds=338.0,
            peak_memory=44 * 2**30,
            parent_sha=f"{number - 1:040x}",
            commit_sha=None if verdict is Verdict.INVALID else f"{number:040x}",
            lines_added=self._patch_lines,
            lines_removed=self._patch_lines,
            created_at=opened,
            finished_at=opened + timedelta(minutes=5.7),
            notes={"later": ["try it with rotary embeddings too"]} if number % 9 == 0 else {},
            patch="" if base else self._patch(number, text),
        )

    def _reason(self, verdict: Verdict, delta: float | None) -> str:
        if verdict is Verdict.CRASH:
            return "exception: see the traceback"
        if verdict is Verdict.INVALID:
            return f"line {self._dice.randrange(400)}: a seed is changed"
        if delta is None:
            return "the first score of the study"
        return f"{'better' if delta < 0 else 'worse'} by {abs(delta):.4f} bpb in one pair"

    def _tested(self, standing: Standing | None, measured: float | None) -> dict[str, Any]:
        if standing is not Standing.CONFIRMED or measured is None:
            return {}
        return {
            "test_bpb": self._best + measured + 0.004,
            "val_gain": measured,
            "val_gain_error": 0.0002,
            "test_gain": measured * self._dice.uniform(0.4, 1.1),
            "test_gain_error": 0.0003,
        }

    def _patch(self, number: int, text: str) -> str:
        lines = "".join(
            f"-LINE_{at} = {number}\n+LINE_{at} = {number + at}  # {text[:40]}\n"
            for at in range(self._patch_lines)
        )
        return f"--- a/train.py\n+++ b/train.py\n@@ -1,9 +1,9 @@\n WIDTH = 64\n{lines}"

    def _trials(self, row: Experiment, measured: float | None) -> Iterator[Trial]:
        pairs = 4 if row.standing else 2 if row.id == 1 else 1
        for seed in range(pairs):
            self._trial += 1
            purpose = Purpose.CONFIRMING if seed else Purpose.SCREENING
            bpb = None if measured is None else self._best + measured + 0.0003 * seed
            yield self._one(row, Purpose.BASELINE if row.id == 1 else purpose, seed, bpb)

    def _one(self, row: Experiment, purpose: Purpose, seed: int, bpb: float | None) -> Trial:
        dice, began = self._dice, row.created_at + timedelta(minutes=seed)
        crash = CRASHES[dice.random() < 0.3].format(dice.randrange(2, 40))
        until = 1.0 if bpb is not None else 0.4
        return Trial(
            id=self._trial,
            experiment_id=row.id or 0,
            seed=seed,
            purpose=purpose,
            worker="local",
            hardware=CARD.stored,
            state=TrialState.DONE,
            ending=Ending.FINISHED if bpb is not None else Ending.EXCEPTION,
            failure=None if bpb is not None else FailureKind.IDEA,
            val_bpb=bpb,
            trust=None if bpb is None else Trust.SEALED,
            detectable=0.002,
            startup_seconds=21.0,
            compile_seconds=14.0,
            training_seconds=300.0 * until,
            total_seconds=21.0 + 300.0 * until,
            scoring_seconds=9.0 if bpb is not None else 0.0,
            waiting_seconds=4.0,
            idle_seconds=11.0,
            paused_seconds=0.0,
            machine_seconds=0.5,
            deciding_seconds=0.4,
            slot_seconds=332.0 if bpb is not None else 143.0,
            steps=950,
            tokens=950 * 2**18,
            peak_memory=44 * 2**30,
            started_at=began,
            heartbeat_at=began,
            finished_at=began + timedelta(minutes=5),
            traceback="" if bpb is not None else f'  File "train.py", line 200\n{crash}',
            curve=self._curve(until, 2.4 + 8 * ((bpb or self._best) - 0.97)),
            log=pack(f"step 1 loss 9.1\nstep 2 loss 8.7\n{row.hypothesis}\n{seed}".encode() * 20),
        )

    def _curve(self, until: float, end: float) -> list[list[float]]:
        points = [until * at / 199 for at in range(200)]
        return [
            [950 * at, end + 5 * math.exp(-9 * at) + self._dice.gauss(0, 0.02), 1e8 * at, at, at]
            for at in points
        ]

    def _call(self, row: Experiment) -> Call:
        return Call(
            study_id=self._study.id or 0,
            experiment_id=row.id,
            proposer=MODEL,
            provider="anthropic",
            model="claude-opus",
            purpose="propose",
            state=CallState.SETTLED,
            ending=CallEnding.ANSWERED,
            tokens_in=21_000,
            tokens_cached=15_000,
            tokens_out=2_300,
            cost_usd=0.06,
            latency_seconds=38.0,
            created_at=row.created_at,
        )


def long_night(folder: Path, size: int, **changes: Any) -> tuple[Registry, Study]:
    """Return a registry in a folder with one study of so many experiments."""
    end = START + timedelta(minutes=6 * size + 10)
    registry = Registry.open(folder / "registry.db", create=True, now=lambda: end)
    study = registry.save(a_night_study())
    store(registry, LongNight(study, **changes).rows(size))
    return registry, study


def a_night_study() -> Study:
    """A study of nights on a card that is not stored yet."""
    return a_study(
        "nov23",
        profile="gpu",
        device="cuda",
        corpus="climbmix 0123456789ab",
        budget_seconds=300.0,
        clock=Clock.WALL,
        trust=Trust.SEALED,
        created_at=START,
        comparability=json.dumps({"corpus": "0123456789ab"}),
        audit_tolerance=2e-4,
    )


def store(registry: Registry, rows: Iterator[SQLModel]) -> None:
    """Write rows with their numbers, all in one transaction."""
    with Session(registry._engine) as session:
        made = list(rows)
        for table in (Experiment, Trial, Call):
            session.add_all(row for row in made if isinstance(row, table))
            session.flush()
        session.commit()
