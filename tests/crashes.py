"""Studies whose run is killed after a write, at every one there is, and what must hold then."""

import os
import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from unittest.mock import patch

from autoresearch.config import find_project
from autoresearch.execution import trial as execution
from autoresearch.gitrepo import GitRepo
from autoresearch.proposers import Brief, Check, Unable
from autoresearch.records.tables import Experiment, Study, Trial
from autoresearch.records.values import (
    UNCOUNTED,
    Category,
    Proposal,
    Purpose,
    Verdict,
)
from autoresearch.registry import Registry
from autoresearch.research import tasks
from autoresearch.research.recording import settled
from autoresearch.workers import Worker
from tests.commands import Forked
from tests.inline import InlineWorker
from tests.stubs import TRAIN, Night, git, make_project, variant, whole

LINES = "".join(f"LINE_{at} = 0\n" for at in range(12))  # room between the places that ideas change
SOURCE = TRAIN.replace(
    "QUALITY = 2.0\n", f"QUALITY = 2.0\n{LINES}BONUS = 0.0\n{LINES}LUCK = 0.0\n"
).replace(
    "bpb = QUALITY", "bpb = QUALITY + BONUS + (LUCK if session.seed in (1, 4) else -9 * LUCK)"
)
SETTINGS = "[policy]\nreplicates = 2\ndrift_every = 4\n"


# What ideas change in the incumbent's code: two that are better and fit together, a worse one, one
# that breaks, a lucky one that further pairs refute, nonsense, one that may conflict, a null one.
IDEAS: tuple[Mapping[str, object] | None, ...] = (
    {"QUALITY": 1.9},
    {"BONUS": -0.1},
    {"QUALITY": 2.2},
    {"BEHAVIOUR": "crash"},
    {"LUCK": -0.02},
    None,
    {"QUALITY": 1.8, "LINE_5": 1},
    {"LINE_9": 1},
)


@dataclass
class Once:
    """Proposes each idea that stands in no row yet, in order."""

    name: str = "once"

    def propose(self, brief: Brief, check: Check) -> Proposal | Unable | None:
        """Return the next one."""
        known = {each.hypothesis for each in brief.history}
        known |= {each.hypothesis for each in brief.pending}
        for number, constants in enumerate(IDEAS):
            if f"idea {number}" not in known:
                code = brief.files["train.py"]
                text = "def main(:\n" if constants is None else variant(code, **constants)
                return Proposal(self.name, f"idea {number}", whole(text), Category.OTHER)
        return None


def a_night(root: Path, slots: int, worker: Worker | None = None) -> Night:
    """Return a night over the project in a folder, which is made where there is none."""
    if not root.exists():
        make_project(root, SOURCE)
        settings = root / "autoresearch.toml"
        head = settings.read_text().partition("[policy]")[0]
        settings.write_text(head + SETTINGS)
        git(root, "commit", "--quiet", "-am", "settings")
    return Night(
        find_project(root),
        Once(),
        slots=slots,
        shuffled=0 if worker is None and slots > 1 else None,
        worker=worker or InlineWorker(),
        confirm_share=0.4,
    )


@contextmanager
def watched(at: Callable[[str], None]) -> Iterator[None]:
    """Let `at` be called after every write to registry, repository and folders, by its name."""
    with ExitStack() as held:

        def watch(owner: object, method: str, name: Callable[..., str]) -> None:
            act = getattr(owner, method)

            @wraps(act)
            def watched_act(*given: object, **named: object) -> object:
                done = act(*given, **named)
                at(name(*given))
                return done

            held.enter_context(patch.object(owner, method, watched_act))

        watch(Registry, "save", lambda _registry, row, *_: _written(row))
        watch(GitRepo, "write_commit", lambda *_: "commit")
        watch(GitRepo, "ensure_branch", lambda *_: "new branch")
        watch(GitRepo, "set_ref", lambda _repo, ref, *_: "branch" if "heads" in ref else "ref")
        watch(execution, "_make", lambda *_: "folder")
        watch(execution, "remove", lambda *_: "folder removed")
        yield


def _written(row: object) -> str:
    match row:
        case Experiment(verdict=None, commit_sha=None):
            return "experiment open"
        case Experiment(verdict=None):
            return "experiment with its commit"
        case Experiment(state=state, verdict=verdict):
            return f"experiment {state} {verdict}"
        case Trial(state=state, purpose=purpose):
            return f"trial {state} {purpose}"
        case Study(state=state):
            return f"study {state}"
    raise AssertionError(row)


def run_killed(night: Callable[[], Night], due: Callable[[str], bool]) -> list[str]:
    """Run a night in a process that is killed after the first write that is due; return its writes.

    They end in "finished" where none was due.
    """

    def run() -> None:
        def at(name: str) -> None:
            sys.stdout.write(f"{name}\n")
            sys.stdout.flush()
            if due(name):
                os.kill(os.getpid(), signal.SIGKILL)

        with patch.object(tasks, "LOOK_SECONDS", 0.002), watched(at):
            night().run()
        sys.stdout.write("finished\n")

    forked = Forked(run)
    ended = forked.wait()
    assert ended in (0, -signal.SIGKILL), forked.err
    return forked.out.splitlines()


def check_whole(night: Night) -> None:
    """Let every idea have come to one end, and registry, branch, refs and folders agree."""
    registry, study, root = night.registry, night.study(), night.project.root
    rows = registry.experiments(study, whole=True)
    assert [row.id for row in rows] == list(range(1, len(rows) + 1))
    assert not registry.unfinished(study)
    expected = {"the unchanged project", *(f"idea {at}" for at in range(len(IDEAS)))}
    ends = Counter(row.hypothesis for row in rows if not _goes_on(row, rows))
    assert ends.keys() >= expected
    assert {name: ends[name] for name in ends if ends[name] != 1} == {}
    for row in rows:
        trials = [each for each in registry.trials(row) if settled(each)]
        codes = [each.seed for each in trials if each.purpose is not Purpose.DRIFT]
        assert len(codes) == len(set(codes)), "no training was done twice"
        if row.parent_id is not None and row.commit_sha is not None:
            assert git(root, "rev-parse", f"refs/autoresearch/night/{row.id}") == row.commit_sha
            assert git(root, "rev-parse", f"{row.commit_sha}^") == row.parent_sha
        assert trials or row.verdict in UNCOUNTED or row.verdict is Verdict.DISCARD
    check_agree(night)
    assert not night.project.work.exists() or not list(night.project.work.iterdir())


def check_agree(night: Night) -> None:
    """Let the branch be where the registry says."""
    study = night.study()
    best = night.registry.incumbent(study)
    due = best.commit_sha if best else study.base_commit
    assert git(night.project.root, "rev-parse", study.branch) == due


def _goes_on(row: Experiment, rows: list[Experiment]) -> bool:
    """Whether an idea was taken up again in a later row, as its own says."""
    said = row.reason.partition("tried on top of that as experiment ")[2]
    return row.verdict is Verdict.STALE and bool(said) and int(said) in {each.id for each in rows}
