"""A fabricated study for the tests of what is shown: every verdict, hostile text, known times."""

import io
import zlib
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any

from rich.console import Console

from autoresearch.records.hardware import Hardware
from autoresearch.records.tables import Experiment, Study, Trial
from autoresearch.records.values import (
    Category,
    Ending,
    ExperimentState,
    Purpose,
    StudyState,
    TrialState,
    Trust,
    Verdict,
)
from autoresearch.registry import Registry, RunNote
from autoresearch.registry.packing import pack_counts, pack_reals
from autoresearch.render.experiment import experiment
from autoresearch.render.machine import write_experiment_json, write_study_json
from autoresearch.render.status import ALL, status
from autoresearch.render.tsv import write_tsv
from autoresearch.report import study_report
from autoresearch.report.building import NOTHING_KNOWN
from autoresearch.report.full import experiment_in_full
from autoresearch.report.rows import StudyRows
from autoresearch.report.selection import Selection
from autoresearch.report.tariff import Tariff
from tests.rows import a_study

HARDWARE = Hardware("cpu", "Ada Core 9", threads=2, python="3.11", torch="2.8.0")
START = datetime(2026, 11, 23, 22, 0, 0, tzinfo=UTC)
PATCH = """--- a/train.py
+++ b/train.py
@@ -1,3 +1,3 @@
 WIDTH = 64
-MATRIX_LR = 0.02
+MATRIX_LR = 0.04
"""
HOSTILE = (
    "[bold red]raise[/] \x1b]0;owned\x07\x1b[2J\x1b[31m\tthe\nlr\u202e \x9b31m "
    "[link=http://evil]x[/link] :skull: \u0301\u0301\u0301\u0301\u0301"
)


class Fabricated:
    """A registry with one study, and ways to add to it."""

    def __init__(
        self,
        folder: Path,
        *,
        trust: Trust = Trust.UNSEALED,
        state: StudyState = StudyState.STOPPED,
        now: Callable[[], datetime] = lambda: START + timedelta(hours=8),
    ) -> None:
        self.registry = Registry.open(folder / "registry.db", create=True, now=now)
        self.study = self.registry.save(
            a_study("nov23", trust=trust, state=state, created_at=START)
        )
        self._next = 0

    def add(
        self,
        verdict: Verdict | None,
        bpb: float | None = None,
        hypothesis: str = "raise the matrix learning rate",
        *,
        delta: float | None = None,
        state: ExperimentState | None = None,
        parent: int | None = None,
        reason: str = "",
        memory: int = 430 * 2**20,
        commit: str | None = None,
        patch: str = PATCH,
    ) -> Experiment:
        opened = START + timedelta(minutes=2 * self._next)
        self._next += 1
        return self.registry.save(
            Experiment(
                study_id=self.study.id or 0,
                parent_id=parent,
                state=state or (ExperimentState.DONE if verdict else ExperimentState.OPEN),
                verdict=verdict,
                proposer="optuna",
                hypothesis=hypothesis,
                category=Category.OPTIMIZER,
                predicted_delta=-0.01,
                reason=reason,
                val_bpb=bpb,
                val_bpb_error=None if bpb is None else 0.0031,
                delta=delta,
                delta_error=None if delta is None else 0.004,
                seconds=42.4,
                peak_memory=memory,
                parent_sha="a" * 40,
                commit_sha=commit or f"{self._next:07x}" + "b" * 33,
                effect_hash="c" * 64,
                lines_added=1,
                lines_removed=1,
                created_at=opened,
                finished_at=opened + timedelta(minutes=1) if verdict else None,
                change_text=patch,
                patch=patch,
            )
        )

    def trial(
        self,
        experiment: Experiment,
        bpb: float | None,
        *,
        ending: Ending | None = Ending.FINISHED,
        state: TrialState = TrialState.DONE,
        seed: int = 5,
        heartbeat: datetime = START,
        detail: str = "",
        traceback: str = "",
        log: bytes = b"step 1\nstep 2\n",
        facts: dict[str, object] | None = None,
        steps: int = 312,
        purpose: Purpose = Purpose.SCREENING,
        bits: Sequence[float] = (),
        pruned_at: float | None = None,
        detectable: float | None = None,
        took: Mapping[str, Any] = MappingProxyType({}),
    ) -> Trial:
        return self.registry.save(
            Trial(
                experiment_id=experiment.id or 0,
                seed=seed,
                purpose=purpose,
                pruned_at=pruned_at,
                detectable=detectable,
                worker="local",
                hardware=HARDWARE.stored,
                state=state,
                ending=ending,
                detail=detail,
                val_bpb=bpb,
                trust=None if bpb is None else self.study.trust,
                mismatch=None if bpb is None else 0.0,
                startup_seconds=2.5,
                compile_seconds=1.5,
                training_seconds=20.0,
                **took,
                total_seconds=27.0,
                scoring_seconds=4.0,
                steps=steps,
                tokens=steps * 1024,
                peak_memory=430 * 2**20,
                exit_code=0 if state is TrialState.DONE else None,
                started_at=heartbeat,
                heartbeat_at=heartbeat,
                finished_at=heartbeat if state is TrialState.DONE else None,
                traceback=traceback,
                facts=facts or {"num_params": 490_000, "MATRIX_LR": 0.02},
                curve=[[1, 7.5, 1024, 0.01, 0.2], [steps, 3.25, steps * 1024, 1.0, 20.0]],
                doc_bits=pack_reals(bits),
                log=zlib.compress(log),
            )
        )

    def paired(self) -> None:
        """Add a baseline and a keep with two documents of 100 and 300 bytes, on one seed."""
        sizes = pack_counts((100, 300))
        self.study = self.registry.save(self.study.model_copy(update={"doc_bytes": sizes}))
        base = self.add(Verdict.KEEP, 2.0, "the unchanged project", patch="")
        self.trial(base, 2.0, bits=(200.0, 600.0))
        kept = self.add(Verdict.KEEP, 1.9, delta=-0.1, parent=1)
        self.trial(kept, 1.9, bits=(220.0, 540.0))

    def night(self) -> None:
        """Add one experiment of every kind: baseline, keep, discard, crash, invalid, cheat."""
        base = self.add(Verdict.KEEP, 1.9123, "the unchanged project", parent=None, patch="")
        self.trial(base, 1.9123)
        self.add(Verdict.KEEP, 1.8432, delta=-0.0691, parent=1)
        self.add(Verdict.DISCARD, 1.8611, "halve the batch", delta=0.0179, parent=2)
        self.add(Verdict.CRASH, None, "ten times the rate", parent=2, reason="nan: loss is nan")
        self.add(Verdict.INVALID, None, "edit prepare.py", parent=2, reason="prepare.py is fixed")
        self.add(Verdict.DISQUALIFIED, None, "look ahead", parent=2, reason="causality: suffix")


def plain(width: int = 160) -> Console:
    """Return a console that writes to memory as if it were piped."""
    return Console(record=True, width=width, file=io.StringIO(), force_terminal=False)


def show_status(
    registry: Registry,
    study: Study,
    console: Console,
    *,
    tariff: Tariff = NOTHING_KNOWN,
    chosen: Selection = ALL,
    run: RunNote | None = None,
) -> None:
    """Print a study of a registry as `status` does."""
    report = study_report(registry, study, tariff, whole=False)
    status(report, console, chosen=chosen, run=run, log=Path("run.log") if run else None)


def study_json(registry: Registry, study: Study, tariff: Tariff = NOTHING_KNOWN) -> str:
    """Return a study as `status --json` writes it."""
    out = io.StringIO()
    report = study_report(registry, study, tariff, whole=False)
    write_study_json(report, StudyRows.of(registry, study), out)
    return out.getvalue()


def study_tsv(registry: Registry, study: Study) -> str:
    """Return a study as `status --tsv` writes it."""
    out = io.StringIO()
    write_tsv(study_report(registry, study, whole=False).experiments, study.metric, out)
    return out.getvalue()


def experiment_json(registry: Registry, number: int) -> str:
    """Return an experiment as `status ID --json` writes it."""
    out = io.StringIO()
    write_experiment_json(experiment_in_full(registry, number), out)
    return out.getvalue()


def show_experiment(registry: Registry, number: int, console: Console) -> None:
    """Print an experiment of a registry as `status ID` does."""
    experiment(experiment_in_full(registry, number), console)
