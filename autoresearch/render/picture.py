"""`progress.png`: a study at a glance, in the look that karpathy/autoresearch gave it."""

import io
import warnings
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from autoresearch.records.metric import BITS_PER_BYTE, Direction
from autoresearch.records.text import safe_line
from autoresearch.records.values import Standing, Verdict
from autoresearch.render.scores import ScoreFormat
from autoresearch.report import ExperimentReport, StudyReport

INCHES = (16, 8)
DPI = 100
LABEL = 45  # characters
LABELS = 30  # where there are more keeps, the largest steps are named
ROOM = 0.12  # of the y axis, above the baseline and below the best
GREEN, GREY, RED = "#2ecc71", "#bdbdbd", "#c0392b"
Scored = Sequence[tuple[int, float, ExperimentReport]]  # place, score, experiment


def picture(report: StudyReport) -> bytes:
    """Return a study's progress as a PNG."""
    figure = progress(report)
    out = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # a box says as much
        figure.savefig(out, format="png")
    return out.getvalue()


def progress(report: StudyReport) -> Figure:
    """Return the figure: discards grey, keeps green and named, the best so far as a step line."""
    figure = Figure(figsize=INCHES, dpi=DPI, layout="tight")
    axes = figure.add_subplot()
    form = ScoreFormat.of(report.study)
    falls = form.metric.direction is Direction.LOWER
    scored = [
        (place, form.metric.shown(row.bpb.mean), row)
        for place, row in enumerate(report.experiments)
        if row.bpb is not None
    ]
    kept = [each for each in scored if each[2].verdict is Verdict.KEEP]
    _points(axes, scored)
    _best_so_far(axes, kept, len(report.experiments) - 1)
    _labels(axes, kept, falls=falls)
    _limits(axes, kept)
    count, keeps = len(report.experiments), report.verdicts[Verdict.KEEP]
    axes.set_title(f"Autoresearch Progress: {count} Experiments, {keeps} Kept Improvements")
    axes.set_xlabel("Experiment #")
    name = "Validation BPB" if form.metric == BITS_PER_BYTE else form.name
    better = f"{form.better_scores}, {form.trust}"
    axes.set_ylabel(f"{name} ({better})", parse_math=False)
    axes.grid(visible=True, alpha=0.2)
    if scored:
        axes.legend(loc="upper right" if falls else "lower right")
    else:
        axes.text(0.5, 0.5, "no score yet", ha="center", transform=axes.transAxes)
    return figure


def _points(axes: Axes, scored: Scored) -> None:
    refuted = [each for each in scored if each[2].standing is Standing.REFUTED]
    kept = [each for each in scored if each[2].kept]
    discards = [each for each in scored if each not in refuted and each not in kept]
    for those, size, colour, edge, name in (
        (discards, 12, GREY, "none", "Discarded"),
        (refuted, 40, "white", RED, "Refuted"),
        (kept, 50, GREEN, "black", "Kept"),
    ):
        if those:
            x, y = [each[0] for each in those], [each[1] for each in those]
            front = 2 if those is discards else 4
            axes.scatter(
                x, y, s=size, c=colour, edgecolors=edge, linewidths=0.5, zorder=front, label=name
            )


def _best_so_far(axes: Axes, kept: Scored, last: int) -> None:
    standing = [each for each in kept if each[2].kept]
    if standing:
        x = [each[0] for each in standing] + [last]
        y = [each[1] for each in standing] + [standing[-1][1]]
        axes.step(x, y, where="post", color=GREEN, linewidth=2, alpha=0.7, label="Running best")


def _labels(axes: Axes, kept: Scored, *, falls: bool) -> None:
    """Name the keeps on the side of the line that lies behind them: over it where it falls."""
    up = 1 if falls else -1
    steps = sorted(kept, key=lambda each: each[2].delta.mean if each[2].delta else -1e9)
    for place, bpb, row in steps[:LABELS]:
        label = axes.annotate(
            safe_line(row.hypothesis, LABEL),
            (place, bpb),
            xytext=(6, 6 * up),
            textcoords="offset points",
            fontsize=8,
            color="#1a7a3a" if row.kept else RED,
            alpha=0.9,
            rotation=30 * up,
            rotation_mode="anchor",
            verticalalignment="bottom" if up > 0 else "top",
            parse_math=False,  # a dollar sign in a hypothesis is one
            clip_on=True,
        )
        label.set_in_layout(False)


def _limits(axes: Axes, kept: Scored) -> None:
    """Show from just beyond the best to just before the baseline: what is far worse is no news."""
    scores = [each[1] for each in kept]
    if scores and max(scores) > min(scores):
        room = ROOM * (max(scores) - min(scores))
        axes.set_ylim(min(scores) - room, max(scores) + room)
