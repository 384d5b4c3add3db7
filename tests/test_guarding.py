"""A night with guards, and one of a metric that is better where it is higher."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from autoresearch.config import find_project
from autoresearch.errors import ProjectError
from autoresearch.records.metric import Direction, Metric, MetricSource
from autoresearch.records.scores import Score, Unscored
from autoresearch.records.tables import Experiment, Trial
from autoresearch.records.values import Reading, Standing, Trust, Verdict
from tests.stubs import TRAIN, ConfigScorer, Night, Scripted, make_project, variant

ACCURACY = Metric("accuracy", "points", Direction.HIGHER, MetricSource.EVALUATED)
# A program with a second number, which may hang on the seed.
GUARDED = TRAIN.replace("NOISE = 0.0\n", "NOISE = 0.0\nFAIR = 0.9\nLATER = 0.9\n").replace(
    '{"bpb": bpb}', '{"bpb": bpb, "fair": LATER if session.seed > 2 else FAIR}'
)
GUARD = '[[guard]]\nname = "fair"\nleast = 0.8\n'


@dataclass
class NumbersScorer(ConfigScorer):
    """Believes the checkpoint's config, its other number too; `turned` is higher-is-better."""

    turned: bool = False

    def score(self, tree: Path, checkpoint: Path, scratch: Path) -> Score | Unscored:
        said = json.loads((checkpoint / "config.json").read_text())
        fair = {} if said.get("fair") is None else {"fair": said["fair"], "odd": float("inf")}
        bpb = -said["bpb"] if self.turned else said["bpb"]
        return Score(bpb, (), (), Trust.EVALUATED, 0, 0, 0.0, 0.0, numbers=fair)


def night(root: Path, *sources: str, base: str = GUARDED, guard: str = GUARD) -> Night:
    project = make_project(root / "project", base)
    settings = project.root / "autoresearch.toml"
    settings.write_text(settings.read_text() + guard)
    project = find_project(project.root)
    return Night(project, Scripted(list(sources)), scorer=NumbersScorer())


def source(quality: float, **others: object) -> str:
    return variant(GUARDED, QUALITY=quality, **others)


def rows(made: Night) -> list[Experiment]:
    return made.registry.experiments(made.study(), whole=True)


def test_what_breaks_a_guard_is_discarded_whatever_its_score(tmp_path: Path) -> None:
    made = night(tmp_path, source(1.5, FAIR=0.7), source(1.8, FAIR=0.85), source(1.4, FAIR=None))
    made.run()
    _, unfair, better, silent = rows(made)
    assert (unfair.verdict, unfair.reason) == (Verdict.DISCARD, "fair 0.7 is below 0.8")
    assert better.verdict is Verdict.KEEP
    assert silent.verdict is Verdict.CRASH
    assert silent.reason.startswith(
        "no fair came with the score, which a guard is set on (there is"
    )
    # One trial each is enough, and what is no number is in no row.
    assert len(made.registry.trials(unfair)) == len(made.registry.trials(silent)) == 1
    assert made.registry.trials(unfair)[0].numbers == {"fair": 0.7}
    assert isinstance(made.proposer, Scripted)
    told = {past.id: past for past in made.proposer.briefs[-1].history}
    assert [told[number].broke for number in (1, 2, 3)] == ["", "fair 0.7 is below 0.8", ""]
    assert told[3].run is not None
    assert told[3].run.gauges["fair"] == 0.85


def test_a_keep_that_breaks_a_guard_later_is_taken_back_and_never_confirmed(tmp_path: Path) -> None:
    made = night(tmp_path, source(1.5, LATER=0.7), *(source(2.1 + at / 9) for at in range(3)))
    made.confirm_share = 0.5
    made.run()
    row = rows(made)[1]
    assert row.pairs == 2
    assert (row.verdict, row.standing) == (Verdict.DISCARD, Standing.REFUTED)
    assert row.reason == "taken back: fair 0.7 is below 0.8"
    assert made.repo.branch_tip(made.study().branch) == made.study().base_commit
    told = [getattr(event, "standing", None) for event in made.events]
    assert Standing.CONFIRMED not in told


@pytest.mark.parametrize(
    ("base", "guard", "told"),
    [
        (source(2.0, FAIR=0.5), GUARD, "fair 0.5 is below 0.8"),
        (GUARDED, GUARD.replace("fair", "far"), "no far came with the score"),
    ],
)
def test_a_guard_that_does_not_fit_the_baseline_ends_the_night_in_one_line(
    tmp_path: Path, base: str, guard: str, told: str
) -> None:
    made = night(tmp_path, source(1.5), base=base, guard=guard)
    said = made.run()
    assert said.startswith(
        f"the baseline failed (the [[guard]] does not fit the unchanged project: {told}"
    )
    assert "\n" not in said
    assert [row.verdict is Verdict.KEEP for row in rows(made)] == [False]
    assert len(made.registry.trials(rows(made)[0])) == 1


def test_a_guard_that_comes_later_needs_a_number_that_is_there(tmp_path: Path) -> None:
    made = night(tmp_path, source(1.9), guard="")
    made.run()
    settings = made.project.root / "autoresearch.toml"
    settings.write_text(settings.read_text() + GUARD.replace("fair", "far"))
    made.project = find_project(made.project.root)
    with pytest.raises(ProjectError, match=r"\[\[guard\]\] far: no far came with .* with --tag"):
        made.run()


def higher(made: Night) -> Night:
    """The same night with an accuracy, stored below zero, and no seeds."""
    made.scorer = NumbersScorer(turned=True)
    made.registry.save(
        made.study().model_copy(update={"measure": ACCURACY.stored, "seeded": False})
    )
    return made


def test_higher_is_better_where_the_metric_says_so(tmp_path: Path) -> None:
    accuracies = (0.95, 0.85, 0.95)
    made = higher(night(tmp_path, *map(source, accuracies), base=source(0.9), guard=""))
    made.run()
    base, up, down, same = rows(made)
    assert [row.verdict for row in (base, up, down)] == [
        Verdict.KEEP, Verdict.KEEP, Verdict.DISCARD,
    ]  # fmt: skip
    assert same.verdict in (Verdict.INVALID, Verdict.DISCARD)
    assert up.delta is not None
    assert up.delta < 0
    assert "+0.0500 points on" in up.reason
    assert "-0.1000 points on" in down.reason
    assert isinstance(made.proposer, Scripted)
    brief = made.proposer.briefs[-1]
    assert (brief.scale.metric, brief.scale.noise.paired) == (ACCURACY, False)
    assert brief.measuring is None


def test_a_score_that_diverged_is_no_score_and_ends_no_night(tmp_path: Path) -> None:
    made = higher(night(tmp_path, source(1e300), source(-1e300), source(1.0), guard=""))
    made.run()
    _, claimed, lost, last = rows(made)
    assert claimed.verdict is lost.verdict is Verdict.CRASH
    assert claimed.reason == "non-finite: the score -1e+300 is no number to compare"
    assert last.verdict is Verdict.DISCARD


def test_a_scale_follows_the_baseline_and_the_keeps(tmp_path: Path) -> None:
    made = higher(night(tmp_path, base=source(0.9), guard=""))
    read: Callable[[], float] = lambda: made.registry.scale(made.study()).noise.seed  # noqa: E731
    assert read() == pytest.approx(0.005, rel=0.01)
    made.run()
    assert read() == pytest.approx(0.0045, rel=0.01)
    trial = made.registry.trials(rows(made)[0])[0]
    again = trial.model_dump(exclude={"id"}) | {"seed": 2, "val_bpb": -0.94}
    made.registry.save(Trial(**again))
    assert 0.008 < read() < 0.04
    assert Reading(2, -0.94, trial.steps) in made.registry.readings(made.study())[1]
