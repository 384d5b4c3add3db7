"""`diff A [B]`: two experiments side by side: the code, and what it did."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean

from rich.console import Console
from rich.table import Table
from rich.text import Text

from autoresearch.errors import RegistryError
from autoresearch.gitrepo import FileChange
from autoresearch.records.comparing import warning
from autoresearch.records.tables import Experiment, Study, Trial
from autoresearch.records.text import counted, safe_line
from autoresearch.records.values import Purpose
from autoresearch.registry import Registry
from autoresearch.render import evidence, words
from autoresearch.render.fitted_table import bare_table
from autoresearch.render.machine import shown
from autoresearch.render.patch import code
from autoresearch.render.scores import ScoreFormat
from autoresearch.report.full import by_document

VERSION = 1  # of what programs are given


@dataclass(frozen=True)
class Effect:
    """What one experiment's scored trials did: means, memory as the peak; None = not known."""

    tokens_per_second: float | None
    steps: float | None
    tokens: float | None
    peak_memory: float | None
    parameters: float | None
    startup: float | None
    training: float | None
    constants: dict[str, str]


# How an effect's numbers are called and worded.
_ROWS: tuple[tuple[str, str, Callable[[float], str]], ...] = (
    ("tokens/s", "tokens_per_second", words.count),
    ("steps", "steps", words.count),
    ("tokens", "tokens", words.count),
    ("peak memory", "peak_memory", words.memory),
    ("parameters", "parameters", words.count),
    ("start-up", "startup", words.duration),
    ("training", "training", words.duration),
)


@dataclass(frozen=True)
class Side:
    """An experiment, its study, and what it did."""

    row: Experiment
    study: Study
    effect: Effect

    @classmethod
    def of(cls, registry: Registry, row: Experiment) -> "Side":
        """Read it.

        Raises:
            RegistryError: the registry is damaged.
        """
        return cls(row, registry.study_of(row), _effect(registry, row))

    @property
    def form(self) -> ScoreFormat:
        """How its scores are shown."""
        return ScoreFormat.of(self.study)

    @property
    def title(self) -> str:
        """Its number, and what became of it."""
        return f"experiment {self.row.id}" + (f" ({self.row.verdict})" if self.row.verdict else "")

    @property
    def score(self) -> Text:
        """Its score in digits."""
        return Text(self.form.number(self.row.val_bpb, self.row.val_bpb_error))

    @property
    def plain(self) -> dict[str, object]:
        """All of it for programs."""
        row = self.row
        return {
            "experiment": row.id,
            "study": self.study.tag,
            "commit": row.commit_sha,
            "verdict": row.verdict,
            "standing": row.standing,
            "hypothesis": row.hypothesis,
            **asdict(self.effect),
            "val_bpb": shown(row, "val_bpb", self.study.metric),
            "val_bpb_error": row.val_bpb_error,
        }


def sides(
    registry: Registry, first: int, second: int | None = None
) -> tuple[Experiment, Experiment]:
    """Return before and after: A and B, or the incumbent that A changed, and A.

    Raises:
        RegistryError: no such experiment, or A is a baseline and alone.
    """
    named = registry.experiment(first)
    if second is not None:
        return named, registry.experiment(second)
    if named.parent_id is None:
        msg = f"experiment {first} is a baseline: name another one to compare it with"
        raise RegistryError(msg)
    return registry.experiment(named.parent_id), named


def since_baseline(
    registry: Registry, study: Study, last: int | None = None
) -> tuple[Experiment, Experiment]:
    """Return a study's baseline, and one of its experiments or its best: all that led there.

    Raises:
        RegistryError: no such experiment, or nothing was kept.
    """
    summary = registry.summary(study)
    after = summary.incumbent if last is None else registry.experiment(last)
    if summary.baseline is None or after is None:
        msg = f"study {study.tag} has no baseline yet: `autoresearch run --tag {study.tag}`"
        raise RegistryError(msg)
    return registry.experiment(int(summary.baseline.id or 0)), registry.experiment(after.id or 0)


def diff(
    registry: Registry,
    before: Experiment,
    after: Experiment,
    *,
    changes: str,
    console: Console,
) -> None:
    """Print the code's difference (`changes`, a unified diff) and the effects side by side.

    Raises:
        RegistryError: the registry is damaged.
    """
    old, new = Side.of(registry, before), Side.of(registry, after)
    for study in {each.study.tag: each.study for each in (old, new)}.values():
        console.print(words.study_line(study), highlight=False)
    if changes.strip():
        code(changes, console)
    else:
        console.print(Text("no difference in the code", style="dim"))
    apart = incomparable(old.study, new.study)
    if apart:
        console.print(Text(apart, style="yellow"))
    difference = "not comparable" if apart else _difference(before, after, new.form)
    console.print(_table(old, new, difference), highlight=False)
    if not apart and (found := by_document(registry, before, after)):
        told = evidence.documents(found, new.form)
        console.print(f"document by document: {told}", highlight=False)


def incomparable(one: Study, other: Study) -> str:
    """Return why the scores of two studies say nothing of each other; "" where they do."""
    if one.metric != other.metric:
        names = " and ".join(safe_line(each.metric.name, 40) for each in (one, other))
        return f"they are scored by different metrics, {names}"
    return safe_line(warning([one.comparability, other.comparability]), 400)


def stat(files: Sequence[FileChange], console: Console) -> None:
    """Print what changed by file: lines added and removed, modes, binaries."""
    table = Table.grid(padding=(0, 2))
    for justify in ("left", "right", "right", "left"):
        table.add_column(justify=justify, overflow="fold")
    for each in files:
        counts = [
            Text("" if count is None else f"{sign}{count}", style=style)
            for sign, count, style in (("+", each.added, "green"), ("-", each.removed, "red"))
        ]
        table.add_row(words.line(each.path), *counts, Text(each.said, style="yellow"))
    console.print(table, highlight=False)
    added, removed = (
        sum(count or 0 for count in counts)
        for counts in ([each.added for each in files], [each.removed for each in files])
    )
    total = f"{counted(len(files), 'file')}: {counted(added, 'line')} added, {removed:,} removed"
    console.print(Text(total), highlight=False)


def plain(
    registry: Registry,
    before: Experiment,
    after: Experiment,
    *,
    files: Sequence[FileChange],
    patch: str | None,
) -> dict[str, object]:
    """Return it for programs; `patch` is None where it is no UTF-8 (then `--patch` has it)."""
    old, new = Side.of(registry, before), Side.of(registry, after)
    apart, metric = incomparable(old.study, new.study), new.study.metric
    paired = not apart and after.parent_id == before.id
    return {
        "version": VERSION,
        "before": old.plain,
        "after": new.plain,
        "comparable": not apart,
        "why": apart,
        "metric": asdict(metric),
        "delta": shown(after, "delta", metric) if paired else None,
        "delta_error": after.delta_error if paired else None,
        "files": [asdict(each) for each in files],
        "patch": patch,
    }


def _effect(registry: Registry, row: Experiment) -> Effect:
    trials = [
        trial
        for trial in registry.trials(row)
        if trial.val_bpb is not None and trial.purpose is not Purpose.DRIFT
    ]
    facts = trials[-1].facts if trials else {}
    return Effect(
        tokens_per_second=_mean(
            [each for each in trials if each.training_seconds > 0],
            lambda trial: trial.tokens / trial.training_seconds,
        ),
        steps=_mean(trials, lambda trial: trial.steps),
        tokens=_mean(trials, lambda trial: trial.tokens),
        peak_memory=max((float(trial.peak_memory) for trial in trials), default=None),
        parameters=_number(facts.get("num_params")),
        startup=_mean(trials, lambda trial: trial.startup_seconds),
        training=_mean(trials, lambda trial: trial.training_seconds),
        constants={str(name): repr(value) for name, value in facts.items() if str(name).isupper()},
    )


def _mean(trials: Sequence[Trial], of: Callable[[Trial], float]) -> float | None:
    return fmean(of(trial) for trial in trials) if trials else None


def _number(value: object) -> float | None:
    # The bound keeps out integers that no float holds: the training process wrote them.
    known = isinstance(value, int | float) and abs(value) < 1e300
    return float(value) if known else None  # type: ignore[arg-type]  # known says it is a number


def _table(before: Side, after: Side, difference: str) -> Table:
    table = bare_table()
    for name in ("", before.title, after.title, "difference"):
        table.add_column(Text(name), justify="left" if not name else "right", overflow="fold")
    labels = dict.fromkeys(each.form.trust for each in (before, after))
    names = dict.fromkeys(each.form.name for each in (before, after))
    trust = Text(" and ").join(map(words.trust, labels))
    head = Text.assemble(f"{' and '.join(names)} (", trust, ")")
    table.add_row(head, before.score, after.score, Text(difference))
    for name, field, worded in _ROWS:
        old, new = getattr(before.effect, field), getattr(after.effect, field)
        if old or new:  # not so are the steps of a command, which counts none
            table.add_row(name, _shown(old, worded), _shown(new, worded), Text(_share(old, new)))
    constants = before.effect.constants, after.effect.constants
    for name in sorted({*constants[0], *constants[1]}):
        values = [each.get(name, "-") for each in constants]
        if values[0] != values[1]:
            table.add_row(*(words.line(each, 60) for each in (name, *values)), Text())
    return table


def _shown(value: float | None, worded: Callable[[float], str]) -> Text:
    return Text("-" if value is None else worded(value))


def _difference(before: Experiment, after: Experiment, form: ScoreFormat) -> str:
    """Return the paired effect where these two were compared, else the bare difference."""
    if after.parent_id == before.id and after.delta is not None:
        return form.delta(after.delta, after.delta_error)
    if before.val_bpb is None or after.val_bpb is None:
        return "-"
    return form.delta(after.val_bpb - before.val_bpb)


def _share(old: float | None, new: float | None) -> str:
    if old is None or new is None or old == 0:
        return "-"
    return "same" if old == new else f"{(new - old) / old:+.1%}"
