"""What `status` costs on a registry with 1,000, 10,000 and 100,000 experiments.

    python benchmarks/status.py [--in-process] [--against CHECKOUT] [SIZE ...]

Registries are filled by bulk insertion with patches, logs, curves and document scores of the
size that real ones have (about 30 KB an experiment: 100,000 need 3 GB of temporary disk). Times
are the median of several calls: in this process (query and rendering, the registry opened anew
each time), and of the whole command `autoresearch status`, of which CPU seconds (user and system)
are told beside the wall's. With `--against` another checkout's command takes turns with this one's,
so that both are measured on the same machine, as busy as it is.
"""

import argparse
import io
import json
import os
import random
import resource
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

from rich.console import Console

from autoresearch.records.tables import Study
from autoresearch.records.values import Clock, StudyState, Trust
from autoresearch.registry import Registry
from autoresearch.render.status import status
from autoresearch.report import study_report

SIZES = (1_000, 10_000, 100_000)
CALLS = 7
ROOT = Path(__file__).parent.parent
START = datetime(2026, 1, 1, tzinfo=UTC)
EXPERIMENT = (
    "id, study_id, parent_id, state, verdict, proposer, hypothesis, category, reason, val_bpb, "
    "val_bpb_error, delta, delta_error, seconds, peak_memory, parent_sha, commit_sha, effect_hash, "
    "lines_added, lines_removed, created_at, finished_at, change_format, change_text, patch"
)
TRIAL = (
    "experiment_id, seed, worker, state, ending, detail, val_bpb, trust, startup_seconds, "
    "training_seconds, total_seconds, scoring_seconds, steps, tokens, peak_memory, started_at, "
    "heartbeat_at, finished_at, traceback, facts, curve, doc_bits, log"
)
VERDICTS = ("keep",) * 5 + ("discard",) * 80 + ("crash",) * 10 + ("invalid",) * 5


def main() -> None:
    """Measure each size and print a line for it."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("sizes", nargs="*", type=int, default=SIZES, metavar="SIZE")
    parser.add_argument("--in-process", action="store_true", help="leave the whole command out")
    parser.add_argument(
        "--against", type=Path, help="another checkout, whose command is measured too"
    )
    asked = parser.parse_args()
    roots = [ROOT] if asked.against is None else [asked.against.resolve(), ROOT]
    print(f"{'experiments':>12} {'file, MB':>9} {'in process, ms':>15}  command: CPU s (wall s)")
    for size in asked.sizes:
        with tempfile.TemporaryDirectory() as folder:
            project = make_project(Path(folder), size)
            path = project / ".autoresearch" / "registry.db"
            inside = median_ms(in_process, path)
            costs = [] if asked.in_process else commands(project, roots)
            megabytes = path.stat().st_size / 1e6
            told = ", before and after ".join(f"{cpu:.2f} ({wall:.2f})" for cpu, wall in costs)
            print(f"{size:>12,} {megabytes:>9,.0f} {inside:>15.1f}  {told or '-'}", flush=True)


def median_ms(act: Callable[[Path], None], where: Path) -> float:
    """Return the median wall time of several calls, in milliseconds."""
    times = []
    for _ in range(CALLS):
        start = time.perf_counter()
        act(where)
        times.append(time.perf_counter() - start)
    return statistics.median(times) * 1000


def in_process(path: Path) -> None:
    """Open the registry and render the status of its study."""
    registry = Registry.open(path)
    study = registry.study()
    assert study is not None
    report = study_report(registry, study, whole=False)
    status(report, Console(file=io.StringIO(), width=120))
    registry.close()


def commands(project: Path, roots: Sequence[Path]) -> list[tuple[float, float]]:
    """Return the median CPU and wall seconds of each checkout's `autoresearch status`, in turns."""
    taken: list[list[tuple[float, float]]] = [[] for _ in roots]
    for _ in range(CALLS):
        for root, found in zip(roots, taken, strict=True):
            found.append(command(project, root))
    return [
        (statistics.median(cpu for cpu, _ in each), statistics.median(wall for _, wall in each))
        for each in taken
    ]


def command(project: Path, root: Path) -> tuple[float, float]:
    """Run a checkout's `autoresearch status` in the project; return its CPU and wall seconds."""
    argv = [sys.executable, "-m", "autoresearch", "status"]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(argv, cwd=project, check=True, stdout=subprocess.DEVNULL, env=environment)
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, wall


def make_project(folder: Path, size: int) -> Path:
    """Return a project folder whose registry holds one study of `size` experiments."""
    (folder / "autoresearch.toml").write_text("")
    path = folder / ".autoresearch" / "registry.db"
    registry = Registry.open(path, create=True)
    study = registry.save(
        Study(
            tag="nov23",
            branch="autoresearch/nov23",
            base_commit="0" * 40,
            profile="gpu",
            device="cuda",
            corpus="climbmix 0123456789ab",
            comparability="{}",
            budget_seconds=300.0,
            clock=Clock.WALL,
            trust=Trust.UNSEALED,
            state=StudyState.STOPPED,
            created_at=START,
        )
    )
    registry.close()
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("PRAGMA synchronous=OFF")
        insert(connection, "experiment", EXPERIMENT, experiments(int(study.id or 0), size))
        insert(connection, "trial", TRIAL, trials(size))
    return folder


def insert(
    connection: sqlite3.Connection, table: str, columns: str, rows: Iterator[tuple[object, ...]]
) -> None:
    """Insert rows as fast as SQLite takes them."""
    marks = ", ".join("?" for _ in columns.split(","))
    connection.executemany(f"INSERT INTO {table} ({columns}) VALUES ({marks})", rows)


def experiments(study: int, size: int) -> Iterator[tuple[object, ...]]:
    """Yield experiment rows; the first is the baseline, and five in a hundred are kept."""
    dice = random.Random(0)
    patch = "".join(f"-LINE_{n} = {n}\n+LINE_{n} = {n + 1}\n" for n in range(120))
    for number in range(1, size + 1):
        verdict = "keep" if number == 1 else dice.choice(VERDICTS)
        scored = verdict in ("keep", "discard")
        opened = START + timedelta(minutes=6 * number)
        yield (
            number,
            study,
            1 if number > 1 else None,
            "done",
            verdict,
            "optuna",
            f"hypothesis {number}: raise the matrix learning rate and shorten the warm-down",
            "optimizer",
            "worse than the incumbent",
            dice.gauss(0.98, 0.01) if scored else None,
            0.0008 if scored else None,
            dice.gauss(0.002, 0.002) if scored else None,
            0.0009 if scored else None,
            340.0,
            44 * 2**30,
            f"{number - 1:040x}",
            f"{number:040x}",
            f"{number:064x}",
            120,
            120,
            stored(opened),
            stored(opened + timedelta(minutes=6)),
            "diff",
            patch,
            patch,
        )


def trials(size: int) -> Iterator[tuple[object, ...]]:
    """Yield one trial for each experiment: an incompressible log, 200 points, 1,000 documents."""
    noise = random.Random(0).randbytes(8_000)
    curve = json.dumps([[n, 5.0 - n / 100, n * 524288, n / 200, n * 1.5] for n in range(200)])
    for number in range(1, size + 1):
        opened = START + timedelta(minutes=6 * number)
        ended = stored(opened + timedelta(minutes=6))
        yield (
            number,
            5,
            "local",
            "done",
            "finished",
            "",
            0.98,
            "unsealed",
            20.0,
            300.0,
            330.0,
            10.0,
            950,
            500_000_000,
            44 * 2**30,
            stored(opened),
            ended,
            ended,
            "",
            '{"num_params": 50000000}',
            curve,
            noise[:4_000],
            noise,
        )


def stored(moment: datetime) -> str:
    """Return a time as the registry's SQLite columns hold it."""
    return moment.strftime("%Y-%m-%d %H:%M:%S.%f")


if __name__ == "__main__":
    main()
