"""A metric of the project's own: read from what a trial left, or measured by the project's program.

A program runs behind the strongest sandbox of this machine where a cheat is looked at, else
without one: what it prints and how it ends is read alike.
"""

import json
import os
import pickle
import re
import socket
import sys
from pathlib import Path

import pytest

from autoresearch.config import DataSettings, MetricSettings, Settings
from autoresearch.config.settings import TargetSettings
from autoresearch.errors import EvaluationError, Interrupted, ProjectError
from autoresearch.evaluation import (
    TEST,
    VAL,
    ProgramScorer,
    ReportedScorer,
    doubt,
    require_fixed,
    runs_editable,
)
from autoresearch.execution import Host, TrialSpec, Watch, execute_trial
from autoresearch.gitrepo import GitRepo
from autoresearch.records.scores import Score, Unscored
from autoresearch.records.training import Budget, Limits
from autoresearch.records.values import Clock, FailureKind, Trust
from autoresearch.sandbox import Sandbox, Unsealed
from autoresearch.sandbox.data import DataLink, links, named
from autoresearch.workers import CommandRun, CommandWorker
from tests.sandboxes import level
from tests.stubs import git

DOCS = Path(__file__).parent.parent / "docs" / "metric.md"
PLAIN = Unsealed({"PATH": os.environ["PATH"]})
LIMITS = Limits(memory=2**30)


def left(tmp_path: Path, *, log: str = "", **files: str) -> Path:
    """Return a checkpoint with what a trial printed, and files in its tree and output folder."""
    checkpoint = tmp_path / "checkpoint"
    for folder in ("tree", "out"):
        (checkpoint / folder).mkdir(parents=True)
    (checkpoint / "log").write_text(log)
    for place, text in files.items():
        (checkpoint / place / "metrics.json").write_text(text)
    return checkpoint


def reported(checkpoint: Path, settings: MetricSettings) -> Score | Unscored:
    return ReportedScorer(settings).score(checkpoint, checkpoint, checkpoint)


class TestPrinted:
    @pytest.mark.parametrize(
        ("log", "score"),
        [
            ("---\nval_loss:          0.997900\npeak_vram_mb:     45060.2\n", 0.9979),
            ("---\nval_loss: 7\n---\nval_loss: 1e-3\n", 0.001),  # the last block counts
            ("---\nval_loss: 0.5\nval_loss: 0.5\n", 0.5),
            ("val_loss: 3\nstep: 2\nval_loss: 2.5\nbye\n", 2.5),  # a running log: the last line
            ("epoch 1\rval_loss: 9\rval_loss: 2\n", 2.0),  # a bar: what it showed last
            ("\x1b[1m  val_loss:\x1b[0m  -1.5 \n", -1.5),
            ("val_loss: nan\nval_loss: 2\n", 2.0),
        ],
    )
    def test_a_number_is_read_from_the_last_block(
        self, tmp_path: Path, log: str, score: float
    ) -> None:
        found = reported(left(tmp_path, log=log), MetricSettings(summary="val_loss"))
        assert isinstance(found, Score)
        assert (found.bpb, found.trust) == (score, Trust.SELF_REPORTED)
        assert (found.doc_bits, found.doc_bytes) == ((), ())

    @pytest.mark.parametrize(
        ("log", "reason"),
        [
            ("", "printed no line `val_loss: NUMBER`"),
            ("step 3 val_loss: 2\n", "printed no line `val_loss: NUMBER`"),
            ("val_loss: 2\n---\nloss: 2\n", "no line `val_loss: NUMBER` after its last line ---"),
            (
                "---\nval_loss: 2\nval_loss: 2\nval_loss: 3\n",
                "more than once after its last line ---: 2 and 3",
            ),
            ("val_loss: nan\n", "val_loss is not finite"),
            ("val_loss: -inf\n", "val_loss is not finite"),
            ("val_loss: 1e30\n", "val_loss is too large to be one"),
            ("val_loss: low\x1b[2J\n", "val_loss is no number: 'low'"),
            ("val_loss: 1_000\n", "val_loss is no number: '1_000'"),
            ("val_loss: -1\n", "val_loss is -1, out of its range (least 0, most 4)"),
            ("val_loss: 5\n", "val_loss is 5, out of its range (least 0, most 4)"),
        ],
    )
    def test_what_is_no_such_number_is_refused_in_one_line(
        self, tmp_path: Path, log: str, reason: str
    ) -> None:
        settings = MetricSettings(summary="val_loss", least=0, most=4)
        found = reported(left(tmp_path, log=log), settings)
        assert isinstance(found, Unscored)
        assert reason in found.reason
        assert found.reason.isprintable()
        assert found.kind is FailureKind.IDEA

    def test_other_lines_are_numbers_for_guards(self, tmp_path: Path) -> None:
        log = "noise: 1\n---\nval_loss: 0.5\npeak_vram_mb: 45060.2\nnote: fine\nmfu: nan\n"
        found = reported(left(tmp_path, log=log), MetricSettings(summary="val_loss"))
        assert isinstance(found, Score)
        assert found.numbers == {"val_loss": 0.5, "peak_vram_mb": 45060.2}

    def test_of_a_long_running_log_the_last_numbers_count(self, tmp_path: Path) -> None:
        log = "".join(f"epoch {at}: {at}\nmib: {at}\n" for at in range(300))
        found = reported(left(tmp_path, log=f"val_loss: 1\n{log}"), MetricSettings(summary="mib"))
        assert isinstance(found, Score)
        assert found.numbers["mib"] == found.numbers["epoch 299"] == 299
        assert len(found.numbers) == 200


class TestFile:
    @pytest.mark.parametrize(
        ("text", "key", "score"),
        [
            ('{"acc": 0.5}', "acc", 0.5),
            ('{"eval": {"acc": 1}}', "eval.acc", 1.0),
            ('{"eval.acc": 2, "eval": {"acc": 1}}', "eval.acc", 2.0),
        ],
    )
    def test_a_number_is_read_from_the_tree_before_the_output(
        self, tmp_path: Path, text: str, key: str, score: float
    ) -> None:
        settings = MetricSettings(file="metrics.json", key=key, direction="higher")
        found = reported(left(tmp_path, tree=text, out='{"acc": 7}'), settings)
        assert isinstance(found, Score)
        assert (found.bpb, found.trust) == (-score, Trust.SELF_REPORTED)

    def test_other_numbers_are_for_guards_and_keep_their_direction(self, tmp_path: Path) -> None:
        text = '{"acc": 0.5, "ok": true, "note": "x", "gpu": {"mib": 22}, "bad": NaN, "rows": [1]}'
        settings = MetricSettings(file="metrics.json", key="acc", direction="higher")
        found = reported(left(tmp_path, out=text), settings)
        assert isinstance(found, Score)
        assert found.numbers == {"acc": 0.5, "gpu.mib": 22.0}

    @pytest.mark.parametrize(
        ("text", "reason"),
        [
            ("", "metrics.json is empty"),
            ("acc: 1", "metrics.json is no JSON object: acc: 1"),
            ("[1]", "metrics.json is no JSON object"),
            ("[" * 99_999, "metrics.json is no JSON object"),
            ('{"acc": 1}{"acc": 2}', 'metrics.json has another after its JSON object: {"acc": 2}'),
            ('{"acc": 1} done', "metrics.json has text after its JSON object: done"),
            ('{"acc": 1, "acc": 2}', "metrics.json has acc twice"),
            ("{}", "acc in metrics.json is missing"),
            ('{"acc": null}', "acc in metrics.json is missing"),
            ('{"acc": "0.5"}', "acc in metrics.json is no number: '0.5'"),
            ('{"acc": true}', "acc in metrics.json is no number: True"),
            ('{"acc": Infinity}', "acc in metrics.json is not finite"),
            ('{"acc": 1' + "0" * 400 + "}", "acc in metrics.json is too large"),
        ],
    )
    def test_what_is_no_such_number_is_refused_in_one_line(
        self, tmp_path: Path, text: str, reason: str
    ) -> None:
        settings = MetricSettings(file="metrics.json", key="acc")
        found = reported(left(tmp_path, tree=text), settings)
        assert isinstance(found, Unscored)
        assert reason in found.reason
        assert found.reason.isprintable()
        assert len(found.reason) < 300
        assert found.kind is FailureKind.IDEA

    def test_a_file_that_is_missing_a_link_or_large_is_refused(self, tmp_path: Path) -> None:
        checkpoint = left(tmp_path)
        settings = MetricSettings(file="metrics.json", key="acc")
        missing = reported(checkpoint, settings)
        place = checkpoint / "out" / "metrics.json"
        place.symlink_to(checkpoint / "log")
        linked = reported(checkpoint, settings)
        place.unlink()
        with place.open("wb") as file:
            file.truncate(5 * 2**20)
        large = reported(checkpoint, settings)
        reasons = [each.reason for each in (missing, linked, large) if isinstance(each, Unscored)]
        assert reasons == [
            "the trial wrote no metrics.json",
            *["metrics.json is no plain file of at most 4 MiB"] * 2,
        ]


def scorer(
    data: tuple[DataLink, ...] = (),
    sandbox: Sandbox = PLAIN,
    timeout: float = 20.0,
    limits: Limits = LIMITS,
    settings: MetricSettings | None = None,
    **more: object,
) -> ProgramScorer:
    settings = settings or MetricSettings(evaluator="evaluate.py", direction="higher", most=1.0)
    return ProgramScorer(
        settings,
        sandbox=sandbox,
        limits=limits,
        timeout=timeout,
        data=data,
        **more,  # type: ignore[arg-type]
    )


def measured(
    tmp_path: Path, program: str, with_: ProgramScorer, out: dict[str, bytes] | None = None
) -> Score | Unscored:
    """Score a trial that left some files, by a program."""
    tree, scratch = tmp_path / "tree", tmp_path / "scratch"
    tree.mkdir(exist_ok=True)
    (tree / "evaluate.py").write_text(program)
    scratch.mkdir()
    checkpoint = left(scratch)
    for name, content in (out or {}).items():
        (checkpoint / "out" / name).write_bytes(content)
    found = with_.score(tree, checkpoint, scratch)
    assert [each.name for each in scratch.iterdir()] == ["checkpoint"]
    return found


# The one that docs/metric.md shows.
(ACCURACY,) = re.findall(r"```python\n(.*?)```", DOCS.read_text("utf-8"), re.DOTALL)


def held_out(tmp_path: Path, split: str) -> tuple[DataLink, ...]:
    """Return a project's held-out labels."""
    folder = tmp_path / "project" / "data" / split
    folder.mkdir(parents=True)
    (folder / "labels.json").write_text("[1, 2, 3, 4]")
    return named(tmp_path / "project", (f"data/{split}/**",))


class TestProgram:
    def test_it_scores_what_a_trial_left_on_data_that_is_held_out(self, tmp_path: Path) -> None:
        data = held_out(tmp_path, TEST)
        judge = scorer(data, level("bubblewrap"), split=TEST, hidden=("data/test/**",))
        forged = tmp_path / "tree" / "data" / "test"  # a proposal's, in the place of the labels
        forged.mkdir(parents=True)
        (forged / "labels.json").write_text("[1, 2, 0, 4]")
        # What pretends to be the evaluator's own output is a file like any other.
        lie = b'{"score": 1.0}'
        out = {"test_answers.json": b"[1, 2, 0, 4]", "score.json": lie, "evaluate.py": b"print(1)"}
        found = measured(tmp_path, ACCURACY, judge, out)
        assert isinstance(found, Score)
        assert (found.bpb, found.trust) == (-0.75, Trust.EVALUATED)
        assert found.doc_bits == (-1.0, -1.0, 0.0, -1.0)
        assert found.doc_bytes == (1, 1, 1, 1)
        assert found.numbers == {"answers": 4.0}
        assert (found.tokens, found.challenged, found.measured) == (0, 0, None)

    def test_what_it_runs_of_a_trial_stays_in_its_sandbox(self, tmp_path: Path) -> None:
        # The evaluator of a careless person: it unpickles. The harness never does.
        class Bomb:
            def __reduce__(self) -> tuple[object, ...]:
                tries = [str(tmp_path / "stolen"), str(tmp_path / "scratch/checkpoint/out/more")]
                code = (
                    f"for place in {tries}:\n"
                    " try: open(place, 'w')\n"
                    " except OSError: pass\n"
                    "import socket\n"
                    f"try: socket.create_connection({address}, 1)\n"
                    "except OSError: pass\n"
                    "else: raise SystemExit('it got out')\n"
                )
                return exec, (code,)

        program = (
            "import os, pickle\n"
            "pickle.load(open(os.environ['AUTORESEARCH_OUT'] + '/model.pkl', 'rb'))\n"
            "open('written', 'w')"
        )
        judge = scorer((), level("bubblewrap"))
        with socket.create_server(("127.0.0.1", 0)) as server:
            address = server.getsockname()
            found = measured(tmp_path, program, judge, {"model.pkl": pickle.dumps(Bomb())})
        assert isinstance(found, Unscored)
        assert "Read-only file system: 'written'" in found.reason
        assert not (tmp_path / "stolen").exists()
        assert not (tmp_path / "scratch/checkpoint/out/more").exists()

    def test_a_file_beside_it_stands_in_for_no_module_but_its_own(self, tmp_path: Path) -> None:
        tree = tmp_path / "tree"
        tree.mkdir()
        for name in ("json.py", "numpy.py", "runpy.py"):
            (tree / name).write_text("print('{\"score\": 1.0}'); raise SystemExit")
        (tree / "ours.py").write_text("SCORE = 0.25")
        program = "import json, numpy, runpy, ours; print(json.dumps({'score': ours.SCORE}))"
        found = measured(tmp_path, program, scorer())
        assert isinstance(found, Score)
        assert (found.bpb, found.trust) == (-0.25, Trust.UNSEALED)

    def test_of_the_other_split_it_has_nothing(self, tmp_path: Path) -> None:
        tree = tmp_path / "tree"
        for split in ("val", "test"):
            (tree / "data" / split).mkdir(parents=True)
            (tree / "data" / split / "x").touch()
        program = "import json, os; print(json.dumps({'score': 0, 'n': len(os.listdir('data'))}))"
        found = measured(tmp_path, program, scorer(hidden=("data/test/**",)))
        assert isinstance(found, Score)
        assert found.numbers == {"n": 1.0}

    @pytest.mark.parametrize(
        ("printed", "reason"),
        [
            ("", "what evaluate.py printed is empty"),
            ("accuracy 0.9", "what evaluate.py printed is no JSON object: accuracy 0.9"),
            ('{"score": 0.5}\n{"score": 0.6}', "printed has another after its JSON object"),
            ('{"score": 0.5}\ndone', "printed has text after its JSON object: done"),
            ('{"accuracy": 0.5}', "the score that evaluate.py printed is missing"),
            ('{"score": NaN}', "the score that evaluate.py printed is not finite"),
            ('{"score": "0.5"}', "the score that evaluate.py printed is no number: '0.5'"),
            ('{"score": 1.5}', "score that evaluate.py printed is 1.5, out of its range (most 1)"),
            ('{"score": 0.5, "units": 3}', "units is no list"),
            ('{"score": 0.5, "units": [0.5, null]}', "units[1] is no number: None"),
            ('{"score": 0.5, "units": [0.5, NaN]}', "units[1] is not finite"),
            ('{"score": 0.5, "units": [{"score": 0.5, "weight": 0}]}', "the weight of units[0]"),
            ('{"score": 0.5, "units": [{"weight": 2}]}', "units[0] is no number: None"),
            ('{"score": 0.5, "units": [0, 0.5]}', "mean of the units is 0.25, and the score 0.5"),
        ],
    )
    def test_whatever_it_prints_but_one_score_is_refused_in_one_line(
        self, tmp_path: Path, printed: str, reason: str
    ) -> None:
        judge = scorer(python=str(prints(tmp_path, printed)))
        found = measured(tmp_path, "", judge)
        assert isinstance(found, Unscored)
        assert reason in found.reason
        assert found.reason.isprintable()
        assert found.kind is FailureKind.IDEA

    def test_units_may_have_weights_and_their_mean_may_be_rounded(self, tmp_path: Path) -> None:
        said = {"score": 0.3333, "units": [{"score": 0.5, "weight": 2}, {"score": 0, "weight": 1}]}
        settings = MetricSettings(evaluator="evaluate.py")
        judge = scorer(settings=settings, python=str(prints(tmp_path, json.dumps(said))))
        found = measured(tmp_path, "", judge)
        assert isinstance(found, Score)
        assert (found.bpb, found.doc_bits, found.doc_bytes) == (0.3333, (1.0, 0.0), (2, 1))

    @pytest.mark.parametrize(
        ("program", "cause", "reason", "kind"),
        [
            (
                "import sys\nprint('loading', file=sys.stderr)\nraise KeyError('answers')",
                "exception",
                "evaluate.py ended with exit code 1: KeyError: 'answers'",
                FailureKind.IDEA,
            ),
            (
                "raise SystemExit('no answers\x1b[2J')",
                "exception",
                "evaluate.py ended with exit code 1: no answers",
                FailureKind.IDEA,
            ),
            (
                "raise MemoryError('all gone')",
                "out of memory",
                "evaluate.py ran out of memory: MemoryError: all gone",
                FailureKind.IDEA,
            ),
            (
                "b = b'x' * 2**28\nimport time; time.sleep(60)",
                "out of memory",
                "evaluate.py took more than 0.125 GiB",
                FailureKind.IDEA,
            ),
            (
                "print('{\"score\": 0.5}' + ' ' * 2**23)",
                "metric",
                "evaluate.py printed more than 8 MiB",
                FailureKind.IDEA,
            ),
            (
                "import os; os.kill(os.getpid(), 11)",
                "death",
                "evaluate.py was killed: Segmentation fault",
                FailureKind.MACHINE,
            ),
        ],
    )
    def test_one_that_comes_to_no_end_is_told_by_its_cause(
        self, tmp_path: Path, program: str, cause: str, reason: str, kind: FailureKind
    ) -> None:
        found = measured(tmp_path, program, scorer(limits=Limits(memory=2**27)))
        assert isinstance(found, Unscored)
        assert (found.cause, found.reason, found.kind) == (cause, reason, kind)

    def test_one_that_hangs_is_ended_whatever_it_printed(self, tmp_path: Path) -> None:
        program = "print('{\"score\": 0.5}', flush=True)\nimport time; time.sleep(60)"
        found = measured(tmp_path, program, scorer(timeout=0.5))
        reason = "evaluate.py did not end within 0.5 s"
        assert found == Unscored("time-out", reason, FailureKind.IDEA)

    def test_one_that_fills_the_disk_is_ended(self, tmp_path: Path) -> None:
        program = "import os, time\nfor n in range(40): open(f'{os.environ[\"HOME\"]}/{n}', 'w')\n"
        judge = scorer(limits=Limits(entries=30))
        found = measured(tmp_path, f"{program}time.sleep(60)", judge)
        reason = "evaluate.py made more than 30 files"
        assert found == Unscored("over limit", reason, FailureKind.IDEA)

    def test_one_that_cannot_be_started_is_the_machines_fault(self, tmp_path: Path) -> None:
        tree = tmp_path / "tree"
        tree.mkdir()
        (tree / "evaluate.py").touch()
        found = scorer().score(tree, tmp_path, tmp_path / "nowhere")
        assert isinstance(found, Unscored)
        assert (found.cause, found.kind) == ("start", FailureKind.MACHINE)

    def test_one_that_is_not_there_is_the_persons_fault(self, tmp_path: Path) -> None:
        with pytest.raises(EvaluationError, match=r"evaluate\.py is not in the commit"):
            scorer().score(tmp_path, tmp_path, tmp_path)

    def test_it_ends_when_the_run_does(self, tmp_path: Path) -> None:
        with pytest.raises(Interrupted):
            measured(tmp_path, "import time; time.sleep(60)", scorer(stop=lambda: True))


# It prints a better number, leaves what looks like the evaluator's word, changes the evaluator,
# and looks for the labels in every place where they are or could be.
CHEAT = """
import json, os, pathlib
out = pathlib.Path(os.environ["AUTORESEARCH_OUT"])
answers = [0, 0, 0, 4]
for place in PLACES:
    try:
        answers = json.loads(pathlib.Path(place, "labels.json").read_text())
    except OSError:
        pass
(out / "val_answers.json").write_text(json.dumps(answers))
(out / "score.json").write_text('{"score": 1.0}')
for name in ("evaluate.py", "json.py"):
    pathlib.Path(name).write_text("print('{\\"score\\": 1.0}'); raise SystemExit")
print('{"score": 1.0}')
print("---\\nscore: 1.0")
"""


@pytest.mark.parametrize("committed", [True, False])
def test_a_cheat_is_scored_by_its_answers_alone(tmp_path: Path, committed: bool) -> None:
    held_out(tmp_path, VAL)
    root, work, hidden = tmp_path / "project", tmp_path / "work", ("data/val/**",)
    places = ["data/val", str(root / "data/val"), "../project/data/val"]
    (root / "train.py").write_text(CHEAT.replace("PLACES", repr(places)))
    (root / "evaluate.py").write_text(ACCURACY)
    git(root, "init", "--quiet")
    git(root, "add", ".", *(() if committed else (":!data",)))
    git(root, "commit", "--quiet", "-m", "begin")
    sandbox, data = level("bubblewrap"), named(root, hidden)
    work.mkdir()
    shown = links(root, ("data",), hidden)
    run = CommandRun(f"{sys.executable} train.py", data=shown, hidden=hidden)
    host = Host(
        worker=CommandWorker(sandbox, run),
        evaluator=scorer(data, sandbox, hidden=hidden),
        checkout=GitRepo.open(root).workspace,
        train_files=(),
        token_bytes=1,
        work=work,
    )
    spec = TrialSpec(1, "HEAD", "train.py", 1, "cpu", "", Budget(20.0, Clock.WALL), LIMITS)
    found = execute_trial(spec, host, Watch(lambda _event: None, lambda: False)).score
    assert isinstance(found, Score), found
    assert (found.bpb, found.trust) == (-0.25, Trust.EVALUATED)


def prints(tmp_path: Path, text: str) -> Path:
    """Return an interpreter that only prints: it starts at once."""
    (tmp_path / "said").write_text(text)
    program = tmp_path / "interpreter"
    program.write_text(f"#!/bin/sh\nexec cat {tmp_path / 'said'}\n")
    program.chmod(0o700)
    return program


def test_scores_are_evaluated_where_nothing_of_a_trial_reaches_the_data() -> None:
    data = (DataLink("data", Path("/data")),)
    sealing = Unsealed({}, trust=Trust.SEALED)
    assert not doubt(sealing, data)
    assert "held_out" in doubt(sealing, ())
    assert "no sandbox" in doubt(PLAIN, data)
    assert "network is true" in doubt(sealing, data, network=True)
    assert "runs model.py" in doubt(sealing, data, imports="model.py")


SOURCES = {
    "evaluate.py": "import json\nfrom tools import reading",
    "tools/__init__.py": "",
    "tools/reading.py": "from .shapes import Shape",
    "tools/shapes.py": "import train",
    "train.py": "",
}


def test_an_evaluator_that_imports_what_proposals_change_is_found() -> None:
    assert runs_editable("evaluate.py", SOURCES, ("train.py",)) == "train.py"
    assert runs_editable("evaluate.py", SOURCES, ("tools/shapes.py",)) == "tools/shapes.py"
    assert runs_editable("evaluate.py", SOURCES, ("model.py",)) == ""
    assert runs_editable("tools/reading.py", SOURCES, ("train.py",)) == "train.py"


@pytest.mark.parametrize(
    ("editable", "committed", "reason"),
    [
        (("train.py",), {"train.py"}, "evaluate.py is in no commit"),
        (("*.py",), {"train.py", "evaluate.py"}, "takes in evaluate.py, which decides the score"),
        (("data/**",), {"evaluate.py", "data/test/x"}, "takes in data/test/x, which decides"),
    ],
)
def test_what_decides_a_score_is_committed_and_not_editable(
    editable: tuple[str, ...], committed: set[str], reason: str
) -> None:
    settings = Settings(
        target=TargetSettings(editable=editable, command="make"),
        metric=MetricSettings(evaluator="evaluate.py"),
        data=DataSettings(test=("data/test/**",)),
    )
    with pytest.raises(ProjectError, match=reason):
        require_fixed(settings, committed)


def test_what_no_proposal_can_change_may_decide_scores() -> None:
    metric = MetricSettings(evaluator="evaluate.py")
    settings = Settings(target=TargetSettings(command="make"), metric=metric)
    require_fixed(settings, {"evaluate.py", "train.py"})
    require_fixed(Settings(), set())
