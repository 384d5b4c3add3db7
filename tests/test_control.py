"""A night with a control arm: who had which turn, what it gained, and what the morning shows."""

import io
import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from autoresearch import cli
from autoresearch.proposers import Brief, Check, ProposeFailure
from autoresearch.records.events import NoProposal, StudyOpened
from autoresearch.records.proposals import Change, Proposal
from autoresearch.records.tables import Experiment
from autoresearch.records.values import Category, Standing, Verdict
from autoresearch.research import StopRules
from autoresearch.research.schedule import Participant
from tests.rendering import Fabricated, plain, show_experiment, show_status, study_json
from tests.shares import THOROUGH
from tests.stubs import Night, Scripted, make_project, variant

Run = Callable[..., tuple[int, str, str]]


@dataclass
class Foretelling(Scripted):
    """Says what it expects of each idea; each is that much better or worse."""

    expects: float = -0.01
    busy: list[int] = field(default_factory=list)

    def propose(self, brief: Brief, check: Check) -> Proposal | ProposeFailure | None:
        if len(self.briefs) in self.busy:
            self.briefs.append(brief)
            return ProposeFailure("busy", retry_after=100.0)
        made = super().propose(brief, check)
        return replace(made, predicted_delta=self.expects) if isinstance(made, Proposal) else made


def better(count: int, start: float = 2.0) -> list[str | Change]:
    return [variant(QUALITY=round(start - 0.05 * (number + 1), 3)) for number in range(count)]


def worse(count: int) -> list[str | Change]:
    return [variant(QUALITY=round(3.0 + number / 10, 2)) for number in range(count)]


def a_night(folder: Path, thinker: Foretelling, control: Scripted, count: int) -> Night:
    participants = [Participant(thinker), Participant(control, share=0.25)]
    return Night(make_project(folder / "project"), participants, StopRules(experiments=count + 1))


def rows(night: Night) -> list[Experiment]:
    return night.registry.experiments(night.study())[1:]


def shown(night: Night, width: int = 200) -> str:
    console = plain(width)
    show_status(night.registry, night.study(), console)
    return console.export_text()


def read(night: Night) -> Any:
    return json.loads(study_json(night.registry, night.study()))


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Night:
    """Sixteen turns: the thinker's ideas are all better, the control's all worse."""
    made = a_night(
        tmp_path_factory.mktemp("control"),
        Foretelling(better(12), "thinker"), Scripted(worse(4), "chance"), 16,
    )  # fmt: skip
    made.run()
    return made


def test_the_turns_are_shared_and_each_row_knows_its_control(night: Night) -> None:
    names = [row.proposer for row in rows(night)]
    assert names == ["thinker", "chance", "thinker", "thinker"] * 4
    assert {row.control for row in rows(night)} == {"chance"}
    assert night.registry.experiments(night.study())[0].control == ""
    opened = next(each for each in night.events if isinstance(each, StudyOpened))
    assert opened.proposers == ("thinker", "chance (25% as control)")


def test_the_morning_shows_who_gained_what(night: Night) -> None:
    text = shown(night)
    lines = text.splitlines()
    at = next(place for place, line in enumerate(lines) if line.startswith("arm "))
    assert lines[at].split("  ")[0] == "arm"
    assert lines[at + 1].startswith("thinker ")
    assert lines[at + 2].startswith("control chance ")
    sure = sum(row.standing is Standing.CONFIRMED for row in rows(night))
    assert lines[at + 1].split()[1:4] == ["12", "12", str(sure)]
    assert lines[at + 2].split()[2:5] == ["4", "0", "0"]
    assert "thinker beats the control chance by 0.0" in text
    assert "bpb an experiment (0.0" in text
    assert "thinker predicted -0.0100 in the middle of 12, came out -0.0" in text
    assert "right sign" not in text  # it predicted nothing but gains
    assert "chance predicted" not in text


@pytest.mark.parametrize("width", [60, 80, 100, 160])
def test_the_comparison_fits_every_width(night: Night, width: int) -> None:
    lines = shown(night, width).splitlines()
    assert max(map(len, lines)) <= width
    (header,) = [line for line in lines if line.startswith("arm ")]
    assert "trained" in header
    assert "gained" in header
    assert (width < 100) or "an hour" in header


@THOROUGH  # the words: tests/test_render_arms.py
def test_json_holds_arms_comparisons_and_calibrations(night: Night) -> None:
    told = read(night)
    arms = {each["proposer"]: each for each in told["arms"]}
    assert (arms["thinker"]["control"], arms["chance"]["control"]) == (False, True)
    assert arms["thinker"]["kept"] == 12
    gained = -sum(row.delta or 0.0 for row in rows(night) if row.verdict is Verdict.KEEP)
    assert arms["thinker"]["gained"] == pytest.approx(gained)
    assert arms["thinker"]["per_experiment"] == pytest.approx(gained / 12)
    assert arms["chance"]["per_hour"] == 0
    (comparison,) = told["comparisons"]
    assert (comparison["proposer"], comparison["control"]) == ("thinker", "chance")
    assert (comparison["trained"], comparison["control_trained"]) == (12, 4)
    lead = comparison["per_experiment"]
    assert 0 < lead["low"] < lead["value"] < lead["high"]
    assert told["calibrations"]["thinker"]["pairs"] == 12
    assert told["experiments"][2]["control"] == "chance"


def test_one_experiment_tells_of_its_turn(night: Night) -> None:
    for number, words in ((2, "it could have had the turn"), (3, "a turn of its own")):
        console = plain()
        show_experiment(night.registry, number, console)
        assert f"chance: {words}" in console.export_text()


def test_names_of_arms_stay_text(night: Night, tmp_path: Path) -> None:
    name = "[bold red]x[/] \x1b[2J\u202e" + "y" * 90
    made = a_night(
        tmp_path, Foretelling(better(2), name), Scripted(worse(1), f"{name}z"), 3
    )  # fmt: skip
    made.run()
    out = io.StringIO()
    show_status(made.registry, made.study(), Console(file=out, width=200, force_terminal=True))
    assert "control [bold red]x[/]" in out.getvalue()
    assert "\x1b[2J" not in out.getvalue()
    assert "\u202e" not in out.getvalue()


@pytest.mark.thorough  # test_schedule.py has the turns
def test_turns_while_the_proposer_rests_are_out_of_competition(tmp_path: Path) -> None:
    thinker = Foretelling(better(4), "thinker", busy=[2])
    clock = [0.0]

    def pass_time(event: object) -> None:
        if isinstance(event, NoProposal):
            clock[0] += 50.0

    night = a_night(tmp_path, thinker, Scripted(worse(20), "chance"), 8)
    night.clock, night.listener = (lambda: clock[0]), pass_time
    night.run()
    told = [(row.proposer, row.control) for row in rows(night)]
    assert told[:3] == [("thinker", "chance"), ("chance", "chance"), ("thinker", "chance")]
    assert told[3:] == [("chance", "")] * 5
    assert {row.proposer for row in night.registry.experiments(night.study())[4:]} == {"chance"}
    (comparison,) = read(night)["comparisons"]
    assert (comparison["trained"], comparison["control_trained"]) == (2, 1)
    arms = [(each["proposer"], each["control"], each["trained"]) for each in read(night)["arms"]]
    assert arms == [("chance", False, 5), ("thinker", False, 2), ("chance", True, 1)]


@pytest.mark.thorough  # beside it: the turns are shared
def test_a_later_run_goes_on_with_the_share_and_one_without_a_control_is_not_compared(
    tmp_path: Path,
) -> None:
    thinker, chance = Foretelling(better(9), "thinker"), Scripted(worse(9), "chance")
    night = a_night(tmp_path, thinker, chance, 1)
    night.run()
    for _ in range(3):
        night.rules = StopRules(experiments=1)
        night.run()
    assert [row.proposer for row in rows(night)] == ["thinker", "chance", "thinker", "thinker"]
    night.proposer = [Participant(thinker), Participant(chance)]
    night.rules = StopRules(experiments=4)
    night.run()
    assert [row.control for row in rows(night)] == ["chance"] * 4 + [""] * 4
    (comparison,) = read(night)["comparisons"]
    assert (comparison["trained"], comparison["control_trained"]) == (3, 1)


def test_only_ideas_that_were_trained_are_anyone_s_record(tmp_path: Path) -> None:
    made = Fabricated(tmp_path)
    made.night()

    def change(row: Experiment, **changes: object) -> None:
        made.registry.save(row.model_copy(update=changes))

    rows = made.registry.experiments(made.study, whole=True)
    change(rows[0], category=Category.BASELINE)
    change(rows[1], standing=Standing.CONFIRMED)
    change(made.add(Verdict.KEEP, 1.8, delta=-0.02), standing=Standing.REFUTED)
    change(made.add(Verdict.KEEP, 1.8, delta=-0.02), reverts_id=7, proposer="autoresearch")
    change(made.add(Verdict.DISCARD, 1.9, delta=0.01), proposer="patches:a.patch", control="optuna")
    change(made.add(Verdict.KEEP, 1.9, delta=-0.01), proposer="patches:b.patch")
    made.add(None)
    found = made.registry.trained(made.study)
    optuna = [each for each in found if each.proposer == "optuna"]
    assert [each.proposer for each in found].count("patches") == 2
    assert len(found) == len(optuna) + 2 == 7  # the keeps, the discard, the crash, the cheat
    assert sorted((each.kept, each.confirmed) for each in optuna) == [(False, False)] * 4 + [
        (True, True)
    ]
    assert sum(each.gain for each in found) == pytest.approx(0.0691 + 0.01)
    assert {each.control for each in found} == {"", "optuna"}


def test_one_proposer_alone_is_compared_with_nothing(tmp_path: Path) -> None:
    night = Night(make_project(tmp_path / "project"), Scripted(worse(3), "chance"))
    night.run()
    assert "arm " not in shown(night)
    assert "control" not in shown(night)
    assert read(night)["comparisons"] == []


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    make_project(tmp_path / "project")
    monkeypatch.chdir(tmp_path / "project")
    for key in ("ANTHROPIC_API_KEY", "OPENAI_API_KEY"):
        monkeypatch.delenv(key, raising=False)

    def act(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["autoresearch", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        out, err = capsys.readouterr()
        return int(ended.value.code or 0), out, err

    return act


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ("--control", "optuna:0.2"),
            "without --proposer this run would ask optuna, which is also",
        ),
        (("--control", "optuna:0.2"), "or write --control random:SHARE"),
        (("--proposer", "2:random", "--control", "random:0.2"), "nothing is its own control"),
        (("--proposer", "optuna", "--control", "random"), "write SPEC:SHARE"),
        (("--proposer", "optuna", "--control", "random:0"), "between 0 and 1"),
        (("--proposer", "optuna", "--control", "random:1"), "between 0 and 1"),
        (("--proposer", "optuna", "--control", "random:many"), "between 0 and 1"),
        (("--proposer", "optuna", "--control", "randon:0.2"), "no proposer 'randon'"),
        (("--proposer", "optuna", "--control", "patches:x:0.2"), "a folder runs dry"),
    ],
)
def test_a_control_that_cannot_be_is_a_usage_error(
    run: Run, arguments: tuple[str, ...], words: str
) -> None:
    code, _out, err = run("run", "--experiments", "1", *arguments)
    assert code == 2
    assert words in err
    assert err.splitlines()[-1].startswith("autoresearch: ")


def test_the_environment_s_proposer_is_chosen_as_ever_beside_a_control(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "a-key-that-is-none")
    _code, _out, err = run("run", "--experiments", "1", "--control", "optuna:0.2")
    assert "no --proposer given: using anthropic:" in err
    assert "--control" not in err
