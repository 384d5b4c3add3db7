import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

import autoresearch
from autoresearch.config import LlmSettings, Project
from autoresearch.corpus import Split
from autoresearch.errors import ProjectError
from autoresearch.evaluation import PROTOCOL
from autoresearch.execution import TextTask, text_task
from autoresearch.gitrepo import GitRepo
from autoresearch.proposers import Brief, KnownIdea, Measuring, Remaining, TextSize
from autoresearch.proposers.prompting import Prompting
from autoresearch.records.hardware import Hardware
from autoresearch.records.notes import Note
from autoresearch.records.results import read_results
from autoresearch.records.tables import Experiment, Study, Trial
from autoresearch.records.training import ProfileRow
from autoresearch.records.values import (
    Category,
    Chances,
    Clock,
    Ending,
    Estimate,
    ExperimentState,
    Purpose,
    TrialState,
    Trust,
    Verdict,
)
from autoresearch.registry import Registry
from autoresearch.registry.packing import pack_counts, unpack_counts
from autoresearch.research.briefing import Briefing
from autoresearch.research.history import fingerprint, smoothed
from autoresearch.research.study import open_study
from autoresearch.workers.hardware import hardware
from tests.briefs import whole
from tests.rows import a_study, an_experiment
from tests.stubs import make_project
from tests.test_corpus import make, make_text

BEGAN = datetime(2026, 11, 23, 12, tzinfo=UTC)
EDITABLE = ("train.py", "lib/*.py")
TRACEBACK = """\
Traceback (most recent call last):
  File "train.py", line 31, in main
    step(batch)
    ~~~~^^^^^^^
  File "train.py", line 12, in step
    loss = model(batch)
  File "/usr/lib/python3/torch/nn/module.py", line 1500, in forward
    return self.inner(x)
RuntimeError: shapes 3 and 4
do not: fit"""


class Desk:
    """A study with rows as the loop would have left them."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.registry = Registry.open(project.registry, create=True)
        self.repo = GitRepo.open(project.root)
        self.base = self.repo.head()
        self.study = self.registry.save(
            a_study(
                "night", base_commit=self.base, sigma=0.003, salt="secret", device="cuda",
                clock=Clock.WALL, budget_seconds=60.0, token_bytes=3.5,
                doc_bytes=pack_counts([300, 400]),
            )
        )  # fmt: skip
        self.briefing = Briefing(self.registry, self.repo, project)

    def experiment(self, verdict: Verdict | None, **changes: Any) -> Experiment:
        values: dict[str, Any] = {
            "study_id": self.study.id,
            "state": ExperimentState.DONE if verdict else ExperimentState.OPEN,
            "verdict": verdict,
            "proposer": "scripted",
            "hypothesis": "idea",
            "category": Category.OPTIMIZER,
            "commit_sha": self.base,
            "created_at": BEGAN,
        }
        return self.registry.save(Experiment(**(values | changes)))

    def trial(self, row: Experiment, **changes: Any) -> Trial:
        values: dict[str, Any] = {
            "experiment_id": row.id,
            "seed": 1,
            "worker": "here",
            "state": TrialState.DONE,
            "ending": Ending.FINISHED,
            "started_at": BEGAN,
            "heartbeat_at": BEGAN,
        }
        return self.registry.save(Trial(**(values | changes)))

    def brief(self, incumbent: Experiment) -> Brief:
        return self.briefing.brief(self.study, incumbent)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(make_project(tmp_path / "project"))
    yield made
    made.registry.close()


@pytest.fixture
def first(desk: Desk) -> Experiment:
    row = desk.experiment(
        Verdict.KEEP, category=Category.BASELINE, val_bpb=1.9, val_bpb_error=0.002
    )
    desk.trial(row, val_bpb=1.9, steps=100, tokens=6000, training_seconds=60.0, peak_memory=2**20)
    return row


def test_a_brief_holds_all_that_the_study_knows(desk: Desk, first: Experiment) -> None:
    brief = desk.briefing.brief(desk.study, first, Remaining(60.0, 3, 1.5))
    assert (brief.study, brief.number, brief.incumbent_id) == ("night", 2, 1)
    assert brief.program == "# Goal\nLower val_bpb.\n"
    assert sorted(brief.files) == ["train.py"]
    assert sorted(brief.fixed_files) == ["autoresearch.toml", "prepare.py", "program.md"]
    assert brief.base_files == brief.files
    assert brief.editable == ("train.py",)
    assert brief.score == Estimate(1.9, 0.002)
    assert brief.noise is None  # nothing was repeated yet
    assert brief.measuring == Measuring(2048, 128, 1, 2, 700, 3.5)
    assert (brief.device, brief.salt) == ("cuda", "secret")
    settings = desk.project.settings
    assert (brief.total, brief.limits) == (settings.total, settings.limits())
    assert (brief.budget.training, brief.budget.clock) == (60.0, Clock.WALL)
    assert brief.remaining == Remaining(60.0, 3, 1.5)


def test_a_brief_has_the_notes_that_stand(desk: Desk, first: Experiment) -> None:
    def add(text: str, **changes: Any) -> None:
        number = int(desk.study.id or 0)
        desk.registry.save(Note(study_id=number, text=text, created_at=BEGAN, **changes))

    add("leave the tokenizer alone")
    assert desk.brief(first).notes == ("leave the tokenizer alone",)
    add("an old one", dropped_at=BEGAN)
    add("look at the schedule")
    assert desk.brief(first).notes == ("leave the tokenizer alone", "look at the schedule")
    other = desk.registry.save(a_study("other"))
    assert desk.registry.notes(other) == []


def test_a_brief_tells_what_the_incumbent_and_the_machine_are(
    desk: Desk, first: Experiment
) -> None:
    desk.trial(first, seed=2, val_bpb=1.95, facts={"num_params": True})
    row = desk.experiment(Verdict.KEEP, parent_id=first.id)
    desk.trial(row, val_bpb=1.8, facts={"num_params": 1200})
    desk.trial(row, purpose=Purpose.PROFILE, profile=[[0, 0.5, "train.py", 3, "x = 1"]])
    brief = desk.brief(row)
    assert brief.profile == (ProfileRow(0, 0.5, "train.py", 3, "x = 1"),)
    assert brief.parameters == 1200
    assert brief.baseline == ((1, 1.9), (2, 1.95))
    assert desk.brief(first).parameters is None
    assert brief.measuring is not None
    assert (brief.measuring.train, brief.measuring.machine) == (None, None)


def test_a_study_knows_its_training_text_and_its_machine(desk: Desk, tmp_path: Path) -> None:
    corpus, _ = make(make_text(tmp_path / "text"), tmp_path)
    study = open_study(
        desk.registry,
        desk.repo,
        desk.project,
        TextTask(corpus, desk.project.settings),
        tag="new",
        budget=None,
        trust=Trust.SEALED,
        hardware=hardware("cpu", 1, {}),
    )
    measuring = desk.briefing.brief(study, desk.experiment(Verdict.KEEP)).measuring
    assert measuring is not None
    train = corpus.counts[Split.TRAIN]
    assert measuring.train == TextSize(train.documents, train.bytes, train.tokens)
    assert measuring.machine is not None
    assert measuring.machine.software.startswith("Python 3.")
    assert measuring.machine.processor


def test_a_past_holds_all_that_its_row_and_first_scored_trial_say(
    desk: Desk, first: Experiment
) -> None:
    row = desk.experiment(
        Verdict.DISCARD, parent_id=first.id, delta=0.01, delta_error=0.004, predicted_delta=-0.02,
        risk="slow", reason="no better", patch="+a", val_bpb=1.91, val_bpb_error=0.002,
        change_text="text", p_better=0.1, p_neutral=0.7,
    )  # fmt: skip
    desk.trial(row, ending=Ending.INTERRUPTED, tokens=1)
    curve = [[step, 5.0 - step / 100, step * 64, step / 100, step * 0.6] for step in range(1, 101)]
    desk.trial(row, val_bpb=1.92, steps=100, tokens=6400, training_seconds=64.0,
               peak_memory=2**21, curve=curve)  # fmt: skip
    desk.trial(row, seed=2, val_bpb=1.5, steps=7, purpose=Purpose.PAIR)
    desk.trial(row, seed=3, val_bpb=1.4, purpose=Purpose.CONFIRMING)
    for seed, bpb in ((2, 1.47), (3, 1.6)):
        desk.trial(first, seed=seed, val_bpb=bpb, purpose=Purpose.PAIR)
    past = desk.brief(first).history[-1]
    assert (past.id, past.parent_id, past.verdict) == (2, 1, Verdict.DISCARD)
    assert (past.delta, past.delta_error, past.predicted_delta) == (0.01, 0.004, -0.02)
    assert (past.risk, past.reason, past.patch) == ("slow", "no better", "+a")
    assert (past.val_bpb, past.error, past.change.text) == (1.91, 0.002, "text")
    assert past.run is not None
    assert (past.run.val_bpb, past.run.steps, past.run.tokens) == (1.92, 100, 6400)
    assert (past.run.speed, past.run.memory) == (100.0, 2**21)
    assert past.run.seconds == 64.0
    assert past.beside is not None
    assert (past.beside.val_bpb, past.beside.steps) == (1.9, 100)
    assert [seed for seed, _ in past.pairs] == [1, 2]
    assert [difference for _, difference in past.pairs] == pytest.approx([0.02, 0.03])
    assert past.measured == pytest.approx(0.025)
    assert past.further == ()  # it was not kept
    assert past.chances == Chances(0.1, 0.7)
    assert past.steers == ""
    assert len(past.run.curve) == 8
    assert past.run.curve[0] == pytest.approx(4.935)
    assert past.constants["QUALITY"] == 2.0


def test_a_keep_tells_what_further_pairs_have_read_since(desk: Desk, first: Experiment) -> None:
    row = desk.experiment(Verdict.KEEP, parent_id=1)
    desk.trial(row, val_bpb=1.8, purpose=Purpose.SCREENING)
    assert desk.brief(row).history[-1].further == ()
    for each, bpb in ((row, 1.4), (first, 1.6)):
        desk.trial(each, seed=3, val_bpb=bpb, purpose=Purpose.CONFIRMING)
    past = desk.brief(row).history[-1]
    assert [seed for seed, _ in past.pairs] == [1]
    assert [seed for seed, _ in past.further] == [3]
    assert past.further[0][1] == pytest.approx(-0.2)


def test_a_crash_has_its_traceback_and_a_fingerprint_and_no_run(
    desk: Desk, first: Experiment
) -> None:
    crash = desk.experiment(Verdict.CRASH, reason="exception: RuntimeError: shapes 3 and 4")
    desk.trial(crash, ending=Ending.EXCEPTION, traceback=TRACEBACK)
    past = desk.brief(first).history[-1]
    assert past.traceback == TRACEBACK
    assert past.fingerprint == fingerprint(TRACEBACK, "", EDITABLE)
    assert past.run is None


def test_the_past_is_read_once_and_estimates_each_time(desk: Desk, first: Experiment) -> None:
    for _ in range(30):
        desk.trial(desk.experiment(Verdict.DISCARD, parent_id=1), val_bpb=2.0)
    before = desk.brief(first)
    seen = queries(desk.registry)
    desk.registry.save(first.model_copy(update={"val_bpb": 1.8, "val_bpb_error": 0.001}))
    new = desk.experiment(Verdict.DISCARD, parent_id=1)
    desk.trial(new, val_bpb=2.1)
    seen.clear()
    after = desk.brief(first)
    assert [each for each in seen if "FROM trial" in each and "traceback" in each] == seen[-2:-1]
    assert len(seen) == 6
    assert (after.history[0].val_bpb, after.history[0].error) == (1.8, 0.001)
    assert after.history[1:-1] == before.history[1:]
    assert after.history[-1].id == new.id
    seen.clear()
    assert desk.brief(first) == after
    assert len(seen) == 4


def test_a_new_briefing_tells_the_same_as_one_that_remembers(desk: Desk, first: Experiment) -> None:
    for verdict in (Verdict.DISCARD, Verdict.CRASH, Verdict.INVALID):
        desk.experiment(verdict, parent_id=1)
        old = desk.brief(first)
    assert Briefing(desk.registry, desk.repo, desk.project).brief(desk.study, first) == old


def test_only_finished_experiments_are_told_in_the_order_of_their_ends(
    desk: Desk, first: Experiment
) -> None:
    late = desk.experiment(None)
    desk.experiment(Verdict.DISCARD, finished_at=BEGAN + timedelta(minutes=1))
    assert [past.id for past in desk.brief(first).history] == [1, 3]
    desk.registry.save(
        late.model_copy(
            update={
                "state": ExperimentState.DONE,
                "verdict": Verdict.DISCARD,
                "finished_at": BEGAN + timedelta(minutes=2),
            }
        )
    )
    assert [past.id for past in desk.brief(first).history] == [1, 3, 2]


def test_what_was_overtaken_comes_back_to_its_author_until_it_is_at_work_again(
    desk: Desk, first: Experiment
) -> None:
    desk.experiment(Verdict.STALE, parent_id=1, reason="its change conflicts in train.py")
    again = desk.experiment(None, parent_id=1, hypothesis="anew", notes={"takes": ["2.0"]})
    prompting = Prompting(LlmSettings(), folder=None, proposer="scripted")
    told = "- 2.0, experiment 2, optimizer: never trained"
    assert told in prompting.text(desk.brief(first))
    assert told not in prompting.text(desk.briefing.brief(desk.study, first, pending=[again]))


def test_a_brief_from_the_registry_makes_a_prompt(desk: Desk, first: Experiment) -> None:
    desk.trial(desk.experiment(Verdict.DISCARD, parent_id=1, delta=0.1), val_bpb=2.0)
    prompt = Prompting(LlmSettings(), folder=desk.project.root / "prompts").prompt(
        desk.brief(first)
    )
    assert "QUALITY = 2.0\n" in whole(prompt)
    assert "FIXED = True\n" in whole(prompt)
    assert "read +0.10000 on seed 1 against experiment 1\nbelieved +0.10000\n" in whole(prompt)


def test_every_study_has_a_salt_of_its_own_and_keeps_it(desk: Desk, tmp_path: Path) -> None:
    corpus, _ = make(make_text(tmp_path / "text"), tmp_path)

    def opened(tag: str) -> Study:
        return open_study(
            desk.registry,
            desk.repo,
            desk.project,
            TextTask(corpus, desk.project.settings),
            tag=tag,
            budget=None,
            trust=Trust.SEALED,
            hardware=Hardware("cpu"),
        )

    new, other = opened("new"), opened("other")
    assert len(bytes.fromhex(new.salt)) == 16
    assert new.salt != other.salt
    assert opened("new").salt == new.salt
    desk.registry.save(new.model_copy(update={"salt": ""}))  # one of an older version
    late = opened("new")
    assert late.salt not in ("", new.salt)
    assert opened("new").salt == late.salt


def test_a_newer_release_goes_on_with_a_study_and_another_protocol_does_not(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus, _ = make(make_text(tmp_path / "text"), tmp_path)

    task = TextTask(corpus, desk.project.settings)

    def opened() -> Study:
        return open_study(
            desk.registry, desk.repo, desk.project, task, tag="new", budget=None,
            trust=Trust.SEALED, hardware=Hardware("cpu"),
        )  # fmt: skip

    key = json.loads(opened().comparability)
    assert key["evaluator"] == f"protocol {PROTOCOL}"
    assert not any(autoresearch.__version__ in value for value in key.values())
    old = json.dumps(key | {"package": "autoresearch 0.0.9"})
    desk.registry.save(opened().model_copy(update={"comparability": old}))
    assert json.loads(opened().comparability) == key
    monkeypatch.setattr(text_task, "PROTOCOL", PROTOCOL + 1)
    assert json.loads(opened().comparability)["evaluator"] == f"protocol {PROTOCOL + 1}"
    desk.registry.save(an_experiment(opened(), verdict=Verdict.KEEP, commit_sha="a" * 40))
    monkeypatch.setattr(text_task, "PROTOCOL", PROTOCOL + 2)
    with pytest.raises(ProjectError, match="was run with evaluator protocol"):
        opened()


def test_a_study_knows_the_sizes_of_its_documents(desk: Desk, tmp_path: Path) -> None:
    corpus, _ = make(make_text(tmp_path / "text"), tmp_path)
    sizes = tuple(len(each.data) for each in corpus.val())

    task = TextTask(corpus, desk.project.settings)

    def opened() -> Study:
        return open_study(
            desk.registry, desk.repo, desk.project, task, tag="new", budget=None,
            trust=Trust.SEALED, hardware=Hardware("cpu"),
        )  # fmt: skip

    new = opened()
    assert unpack_counts(new.doc_bytes) == sizes
    desk.registry.save(new.model_copy(update={"doc_bytes": None}))  # one of an older version
    assert unpack_counts(opened().doc_bytes) == sizes


def test_crashes_of_one_kind_at_one_place_share_a_fingerprint() -> None:
    moved = TRACEBACK.replace("line 12", "line 99").replace("line 31", "line 7")
    other_message = TRACEBACK.replace("shapes 3 and 4", "shapes 8 and 9").replace("do not: fit", "")
    elsewhere = TRACEBACK.replace("line 31, in main", "line 31, in run")
    same = {
        fingerprint(each, "", EDITABLE) for each in (TRACEBACK, moved, other_message, elsewhere)
    }
    assert len(same) == 1


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("RuntimeError", "ValueError"),
        ("in step", "in other"),
        ("loss = model(batch)", "loss = model(x)"),
        ("  File \"train.py\", line 12, in step\n    loss = model(batch)\n", ""),
    ],
)  # fmt: skip
def test_another_kind_or_place_has_another_fingerprint(old: str, new: str) -> None:
    assert fingerprint(TRACEBACK, "", EDITABLE) != fingerprint(
        TRACEBACK.replace(old, new), "", EDITABLE
    )


def test_frames_of_a_trial_s_other_files_count_where_they_may_change() -> None:
    inside = 'File "/tmp/x/trial-3/tree/lib/model.py", line 1, in go'
    other = inside.replace("trial-3", "trial-44")
    fixed = inside.replace("lib/model.py", "prepare.py")
    marks = [
        fingerprint(TRACEBACK.replace('File "/usr/lib/python3/torch/nn/module.py", line 1500, '
                                      "in forward", each), "", EDITABLE)
        for each in (inside, other, fixed)
    ]  # fmt: skip
    assert marks[0] == marks[1] != marks[2] == fingerprint(TRACEBACK, "", EDITABLE)


def test_without_a_traceback_the_ending_tells_crashes_apart_but_for_its_numbers() -> None:
    slow = fingerprint("", "hang: 61.2 s of 60 s", EDITABLE)
    assert slow == fingerprint("", "hang: 63.9 s of 60 s", EDITABLE)
    assert slow != fingerprint("", "out of memory: 61.2 s of 60 s", EDITABLE)
    assert len(slow) == 12
    int(slow, 16)


def test_a_hostile_traceback_has_some_fingerprint() -> None:
    for text in ("\x00", 'File "', '  File "train.py", line 1, in \n', "\ud800", "File\n" * 9999):
        assert len(fingerprint(text, text, EDITABLE)) == 12


def test_a_curve_is_smoothed_to_means_of_equal_shares_of_the_budget() -> None:
    points = [(at / 1000, 5.0 - at / 1000) for at in range(1, 1001)]
    assert smoothed(points) == pytest.approx([4.9375 - at / 8 for at in range(8)], abs=0.001)
    slow = [(0.1, 5.0), (0.3, 4.0), (0.31, 3.0), (1.2, 2.0)]
    assert smoothed(slow, 4) == [5.0, 3.5, None, 2.0]
    assert smoothed([], 2) == [None, None]


def queries(registry: Registry) -> list[str]:
    """The SELECTs that a registry makes from now on."""
    seen: list[str] = []

    @event.listens_for(registry._engine, "before_cursor_execute")
    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if statement.startswith("SELECT"):
            seen.append(" ".join(statement.split()))

    return seen


@pytest.mark.parametrize("where", ["the base", "another branch", "nowhere"])
def test_what_came_with_the_project_is_told_with_where_its_best_is(
    desk: Desk, first: Experiment, where: str
) -> None:
    repo = desk.repo
    other = repo.write_commit(repo.head(), {"train.py": "A = 1\n"}, "another", BEGAN)
    shas = {"the base": repo.head(), "another branch": other, "nowhere": "d4e5f60"}
    table = f"commit\tacc\tmemory_gb\tstatus\twhat\n{shas[where][:9]}\t0.5\t1.0\tkeep\t\n"
    study = a_study("imported", origin="results.tsv", measure={"direction": "higher"})
    desk.registry.add_imported(study, read_results(table.encode()).rows, repo.resolve)
    (known,) = desk.briefing.brief(desk.study, first).known
    assert (known.origin, known.ideas) == ("results.tsv", (KnownIdea(Verdict.KEEP, 0.5, ""),))
    assert known.inside is {"the base": True, "another branch": False}.get(where)
