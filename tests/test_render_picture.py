from collections.abc import Iterator
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from autoresearch.records.metric import Direction, Metric, MetricSource
from autoresearch.records.tables import Experiment, Study
from autoresearch.records.values import Category, Trust, Verdict
from autoresearch.registry import Registry
from autoresearch.render.picture import picture, progress
from autoresearch.report import study_report
from tests.long_night import START, a_night_study, store
from tests.rendering import HOSTILE, Fabricated
from tests.rows import an_experiment

SIZES = (102, 23, 1)


def a_table() -> str:
    """A results.tsv with the numbers of a real night: kept, discarded, crashed; first and best."""
    discards, keeps, _ = SIZES
    rows = ["commit\tval_bpb\tmemory_gb\tstatus\tdescription"]
    for at in range(keeps):
        score = 0.9979 + (0.969686 - 0.9979) * at / (keeps - 1)
        rows.append(f"{at:07x}\t{score:.6f}\t44.0\tkeep\tstep {at} costs $5 and $6")
        rows += [
            f"{at:07x}\t{score + 0.001 * (1 + one % 3):.6f}\t44.0\tdiscard\tno {one}"
            for one in range(discards // keeps + (at < discards % keeps))
        ]
    return "\n".join([*rows, "badbad0\t0.000000\t0.0\tcrash\tten times the rate"])


def imported(folder: Path, text: str) -> tuple[Registry, Study]:
    """Return a registry with the rows of a results.tsv: scores, and nothing that was trained."""
    registry = Registry.open(folder / "registry.db", create=True, now=lambda: START)
    study = registry.save(
        a_night_study().model_copy(update={"trust": Trust.SELF_REPORTED, "origin": "results.tsv"})
    )
    store(registry, _table(study, text))
    return registry, study


def _table(study: Study, text: str) -> Iterator[Experiment]:
    parent = None
    for number, line in enumerate(text.splitlines()[1:], 1):
        _, score, _, status, description = line.split("\t")
        bpb = None if status == "crash" else float(score)
        yield an_experiment(
            study,
            id=number,
            parent_id=parent,
            verdict=Verdict(status),
            hypothesis=description,
            category=Category.OTHER if parent else Category.BASELINE,
            val_bpb=bpb,
            finished_at=START,
        )
        if status == "keep" and bpb is not None:
            parent = number


def scatter(figure: Figure) -> dict[str, int]:
    return {str(each.get_label()): len(each.get_offsets()) for each in figure.axes[0].collections}  # type: ignore[arg-type]  # an array


def test_a_night_of_upstreams_looks_as_its_user_knows_it(tmp_path: Path) -> None:
    registry, study = imported(tmp_path, a_table())
    report = study_report(registry, study)
    assert (len(report.experiments), report.verdicts[Verdict.KEEP]) == (126, 23)
    assert report.best is not None
    best = report[report.best].bpb
    assert best is not None
    assert best.mean == 0.969686
    assert report.gain is not None
    assert f"{-report.gain.mean / 0.9979:.2%}" == "2.83%"
    figure = progress(report)
    (axes,) = figure.axes
    assert axes.get_title() == "Autoresearch Progress: 126 Experiments, 23 Kept Improvements"
    assert tuple(figure.get_size_inches()) == (16, 8)
    assert scatter(figure) == {"Discarded": 102, "Kept": 23}
    low, high = axes.get_ylim()
    assert low < 0.969686
    assert high > 0.9979
    assert high - low < 1.4 * (0.9979 - 0.969686)
    (step,) = axes.lines
    assert step.get_drawstyle() == "steps-post"
    assert {each.get_rotation() for each in axes.texts} == {30}
    assert len(axes.texts) == 23


def test_where_higher_is_better_progress_goes_up(tmp_path: Path) -> None:
    made = Fabricated(tmp_path, trust=Trust.EVALUATED)
    metric = Metric("top-5 $x$", "", Direction.HIGHER, MetricSource.EVALUATED)
    changes = {"measure": metric.stored}
    made.study = made.registry.save(made.study.model_copy(update=changes))
    made.add(Verdict.KEEP, -0.5, patch="")
    made.add(Verdict.KEEP, -0.75, delta=-0.25, parent=1)
    (axes,) = progress(study_report(made.registry, made.study)).axes
    assert np.asarray(axes.lines[0].get_ydata()).tolist() == [0.5, 0.75, 0.75]
    assert axes.get_ylabel() == "top-5 $x$ (higher is better, evaluated)"
    assert {each.get_rotation() for each in axes.texts} == {330}


def test_hostile_labels_are_drawn_as_they_are_written(tmp_path: Path) -> None:
    made = Fabricated(tmp_path)
    made.add(Verdict.KEEP, 2.0, patch="")
    for text in (HOSTILE, "$\\frac{1}{0}$ $", "مرحبا 😀 \u202e", "x" * 10_000):
        made.add(Verdict.KEEP, 1.9, text, delta=-0.1, parent=1)
    drawn = picture(study_report(made.registry, made.study))
    assert drawn.startswith(b"\x89PNG")


def test_a_study_without_a_score_says_so(tmp_path: Path) -> None:
    made = Fabricated(tmp_path)
    made.add(Verdict.CRASH)
    (axes,) = progress(study_report(made.registry, made.study)).axes
    assert [each.get_text() for each in axes.texts] == ["no score yet"]
