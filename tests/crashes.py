"""Studies whose run is killed after a write, at every one there is, and what must hold then."""

import json
import os
import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import wraps
from itertools import count
from pathlib import Path
from unittest.mock import patch

from autoresearch.config import find_project
from autoresearch.execution import trial as execution
from autoresearch.gitrepo import GitRepo
from autoresearch.patching import merge_files
from autoresearch.process import remove
from autoresearch.proposers import Brief, Check, ProposeFailure
from autoresearch.records.metric import Metric, MetricSource
from autoresearch.records.notes import Note
from autoresearch.records.proposals import Proposal
from autoresearch.records.scores import Score, Unscored
from autoresearch.records.tables import Experiment, Study, Trial
from autoresearch.records.values import UNCOUNTED, Category, Purpose, Standing, Trust, Verdict
from autoresearch.registry import Registry
from autoresearch.registry.packing import unpack_counts
from autoresearch.research import admission, tasks
from autoresearch.research.admission import Admission
from autoresearch.research.trial_recorder import is_finished
from autoresearch.workers import Worker
from tests.commands import Forked
from tests.inline import InlineWorker
from tests.stubs import TRAIN, ConfigScorer, Night, git, make_project, variant, whole

LINES = "".join(f"LINE_{at} = 0\n" for at in range(12))  # room between the places that ideas change
CONSTANTS = (
    f"QUALITY = 2.0\nNEXT = 0.0\n{LINES}BONUS = 0.0\n{LINES}LUCK = 0.0\nFAIR = 0.9\nLATER = 0.9\n"
)
SOURCE = (
    TRAIN.replace("QUALITY = 2.0\n", CONSTANTS)
    .replace("NOISE = 0.0", "NOISE = 0.01")
    .replace("bpb = QUALITY", "bpb = QUALITY + NEXT + BONUS + LUCK")
    .replace('{"bpb": bpb}', '{"bpb": bpb, "fair": LATER if session.seed > 2 else FAIR}')
)
LOSS = Metric("val_loss", "loss", source=MetricSource.EVALUATED)
WEIGHTS = (2, 6)  # of the units of its scores
SETTINGS = """\
[policy]
replicates = 2
drift_every = 4
[[guard]]
name = "fair"
least = 0.8
"""


# What ideas change in the incumbent's code: one that breaks the guard on later seeds, so that it is
# kept and taken back; three that are better and fit together, the second in the line beside the
# first one's; a worse one, one that breaks, nonsense, one that may conflict, one that breaks the
# guard at once, a null one.
IDEAS: tuple[Mapping[str, object] | None, ...] = (
    {"LUCK": -0.1, "LATER": 0.7},
    {"QUALITY": 1.9},
    {"NEXT": -0.1},
    {"BONUS": -0.1},
    {"QUALITY": 2.2},
    {"BEHAVIOUR": "crash"},
    None,
    {"QUALITY": 1.8, "LINE_5": 1},
    {"BONUS": -0.3, "FAIR": 0.7, "LATER": 0.7},
    {"LINE_9": 1},
)
NOTED = 3  # the idea before which the person writes a note
TOLD = "try the bonus"


@dataclass
class UnitsScorer(ConfigScorer):
    """Believes the checkpoint's config: a loss over two units, and another number."""

    def score(self, tree: Path, checkpoint: Path, scratch: Path) -> Score | Unscored:
        """Return the score."""
        said = json.loads((checkpoint / "config.json").read_text())
        loss, fair = said["bpb"], {"fair": said["fair"]}
        parts = tuple(loss * weight for weight in WEIGHTS)
        return Score(loss, parts, WEIGHTS, Trust.EVALUATED, 0, 0, 0.0, 0.0, numbers=fair)


@dataclass
class Once:
    """Proposes each idea that is in no row yet, in order; the person writes a note meanwhile."""

    registry: Path
    name: str = "once"

    def propose(self, brief: Brief, check: Check) -> Proposal | ProposeFailure | None:
        """Return the next one."""
        known = {each.hypothesis for each in brief.history}
        known |= {each.hypothesis for each in brief.pending}
        for number, constants in enumerate(IDEAS):
            if f"idea {number}" not in known:
                self._note(brief, number)
                code = brief.files["train.py"]
                text = "def main(:\n" if constants is None else variant(code, **constants)
                return Proposal(self.name, f"idea {number}", whole(text), Category.OTHER)
        return None

    def _note(self, brief: Brief, number: int) -> None:
        """Be told what the person wrote, or, at the time, be the person and write it."""
        with closing(Registry.open(self.registry)) as registry:
            (study,) = registry.studies()
            if number == NOTED and not registry.notes(study):
                row = Note(study_id=int(study.id or 0), text=TOLD, created_at=registry.now())
                registry.save(row)
            elif number > NOTED:
                assert brief.notes == (TOLD,)


def a_night(root: Path, slots: int, worker: Worker | None = None) -> Night:
    """Return a night over the project in a folder, which is made where there is none."""
    if not root.exists():
        make_project(root, SOURCE)
        settings = root / "autoresearch.toml"
        head = settings.read_text().partition("[policy]")[0]
        settings.write_text(head + SETTINGS)
        git(root, "commit", "--quiet", "-am", "settings")
    project, looks = find_project(root), count()
    return Night(
        project,
        Once(project.registry),
        slots=slots,
        shuffled=0 if worker is None and slots > 1 else None,
        worker=worker or InlineWorker(),
        scorer=UnitsScorer(),
        metric=LOSS,
        confirm_share=0.4,
        smoke_test=lambda _files, _incumbent: None,
        # It moves whenever it is looked at: so thinking takes time, and proposals are made ahead.
        clock=lambda: float(next(looks)),
    )


DOING = ContextVar("DOING", default="")  # in whose course a write is made


@contextmanager
def watched(at: Callable[[str], None]) -> Iterator[None]:
    """Let `at` be called after every write to registry, repository and folders, by its name."""
    with ExitStack() as held:

        def watch(owner: object, method: str, name: Callable[..., str]) -> None:
            act = getattr(owner, method)

            @wraps(act)
            def watched_act(*given: object, **named: object) -> object:
                done = act(*given, **named)
                at(DOING.get() + name(*given))
                return done

            held.enter_context(patch.object(owner, method, watched_act))

        def within(method: str, course: str) -> None:
            act = getattr(Admission, method)

            @wraps(act)
            def acted(*given: object) -> object:
                before = DOING.set(course)
                try:
                    return act(*given)
                finally:
                    DOING.reset(before)

            held.enter_context(patch.object(Admission, method, acted))

        def merged(*given: Mapping[str, str]) -> dict[str, str] | None:
            DOING.set(f"{DOING.get()}line by line, ")
            return merge_files(*given)

        def removed(folder: Path) -> bool:
            was = folder.exists()
            done = remove(folder)
            if was:
                at("folder removed")
            return done

        within("rebase", "re-based, ")
        within("repeat_on", "again, ")
        held.enter_context(patch.object(admission, "merge_files", merged))
        watch(Registry, "save", lambda _registry, row, *_: _written(row))
        watch(Registry, "save_all", lambda *_: "scores or claims")
        watch(GitRepo, "write_commit", lambda *_: "commit")
        watch(GitRepo, "ensure_branch", lambda *_: "new branch")
        watch(GitRepo, "set_ref", lambda _repo, ref, *_: "branch" if "heads" in ref else "ref")
        watch(execution, "_make", lambda *_: "folder")
        held.enter_context(patch.object(execution, "remove", removed))
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
            return f"study {state}{' without units' if row.doc_bytes is None else ''}"
        case Note():
            return "note"
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
        trials = [each for each in registry.trials(row) if is_finished(each)]
        codes = [each.seed for each in trials if each.purpose is not Purpose.DRIFT]
        assert len(codes) == len(set(codes)), "no training was done twice"
        if row.parent_id is not None and row.commit_sha is not None:
            assert git(root, "rev-parse", f"refs/autoresearch/night/{row.id}") == row.commit_sha
            assert git(root, "rev-parse", f"{row.commit_sha}^") == row.parent_sha
        assert trials or row.verdict in UNCOUNTED or row.verdict is Verdict.DISCARD
        _check_numbers(registry, row, trials)
    assert unpack_counts(study.doc_bytes) == WEIGHTS
    assert [note.text for note in registry.notes(study)] == [TOLD]
    check_agree(night)
    assert not night.project.work.exists() or not list(night.project.work.iterdir())


def _check_numbers(registry: Registry, row: Experiment, trials: list[Trial]) -> None:
    """Let every score have its units and its number, and no keep stand that broke the guard."""
    scored = [each for each in trials if each.val_bpb is not None]
    assert all(each.numbers.keys() == {"fair"} for each in scored)
    bits = registry.document_bits(row)
    assert {seed: len(each) for seed, each in bits.items()} == {
        each.seed: len(WEIGHTS) for each in scored if each.purpose is not Purpose.DRIFT
    }
    if row.verdict is Verdict.KEEP and row.standing is not Standing.REFUTED:
        assert all(each.numbers["fair"] >= 0.8 for each in scored)


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
