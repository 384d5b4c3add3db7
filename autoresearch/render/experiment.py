"""`status ID`: one experiment in full, and its training logs."""

from collections.abc import Iterator, Mapping, Sequence

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from autoresearch.records.hardware import Hardware
from autoresearch.records.tables import Experiment, Study, Trial
from autoresearch.records.text import counted, safe_text, whole_text
from autoresearch.records.training import ProfileRow
from autoresearch.records.values import UNCOUNTED, FailureKind, Notes
from autoresearch.registry import Registry
from autoresearch.registry.store import unpack
from autoresearch.render import evidence, leaks, money, testset, words
from autoresearch.render.patch import code


def experiment(registry: Registry, study: Study, row: Experiment, console: Console) -> None:
    """Print every field of an experiment in words, its calls, trials, traceback and patch.

    `row` must be whole (with its patch).

    Raises:
        RegistryError: the registry is damaged.
    """
    trials, calls = registry.trials(row, whole=True), registry.calls_of(row)
    made = registry.made_by(calls)
    console.print(words.study_line(study), highlight=False)
    console.print(_title(row), highlight=False)
    proof = (*_evidence(registry, study, row), *_later(registry, study, row))
    cost = [("cost", money.cost(calls, made))] if calls else []
    fields = _fields(row, study, (*proof, *_history(row), *cost))
    console.print(Padding(fields, (0, 0, 0, 2)), highlight=False)
    money.calls(calls, made, console)
    for trial in trials:
        console.print(_trial_title(trial, study), highlight=False)
        console.print(Padding(Text("\n").join(_trial_lines(trial)), (0, 0, 0, 2)), highlight=False)
    for trial in [each for each in trials if each.traceback][-1:]:
        _section(console, f"traceback of trial {trial.id}")
        console.print(Padding(Text(safe_text(trial.traceback)), (0, 0, 0, 2)), highlight=False)
    _patch(study, row, console)


def log(registry: Registry, row: Experiment, console: Console) -> None:
    """Print all that is stored of every training log of an experiment, safe for a terminal.

    Raises:
        RegistryError: the registry is damaged.
    """
    trials = registry.trials(row, whole=True)
    for trial in trials:
        if len(trials) > 1:
            console.print(Text(f"==> trial {trial.id}, seed {trial.seed} <==", style="bold"))
        text = whole_text(unpack(trial.log))  # it was capped when it was taken
        console.print(Text(text or "(no output)"), soft_wrap=True, highlight=False)
    if not trials:
        console.print("no trial, so no log", highlight=False)


def _section(console: Console, name: str) -> None:
    console.print(Text(name, style="bold"), highlight=False)


def _title(row: Experiment) -> Text:
    state: Text | str = words.fate(row) if row.verdict else f"{row.state}, no verdict yet"
    return words.joined([Text(f"experiment {row.id}", style="bold"), state])


def _fields(row: Experiment, study: Study, further: Sequence[tuple[str, Text | str]]) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True, style="dim")
    table.add_column(overflow="fold")
    for name, value in (*_idea(row), *_effect(row, study), *further):
        table.add_row(name, value if isinstance(value, Text) else Text(value))
    return table


def _idea(row: Experiment) -> Iterator[tuple[str, Text | str]]:
    yield "hypothesis", words.line(row.hypothesis, 2000)
    yield "proposer", words.line(row.proposer)
    if row.control:
        own = "a turn of its own" if row.control == row.proposer else "it could have had the turn"
        yield "control", words.line(row.control).append(f": {own}")
    yield "category", str(row.category)
    if row.risk:
        yield "risk", words.line(row.risk, 2000)
    yield "reason", words.line(row.reason, 2000) if row.reason else "-"


def _later(registry: Registry, study: Study, row: Experiment) -> Iterator[tuple[str, Text]]:
    """Yield the ideas that its author noted beside it, and what became of each."""
    ideas = Notes.of(row.notes).later
    others = registry.experiments(study) if ideas else []
    for place, idea in enumerate(ideas, 1):
        number = f"{row.id}.{place}"
        yield f"later {number}", words.line(idea, 400).append(_fate(number, row, others), "dim")


def _fate(number: str, row: Experiment, others: Sequence[Experiment]) -> str:
    mine = [each for each in others if each.proposer == row.proposer]
    for each in mine:
        if number in Notes.of(each.notes).takes and each.verdict not in UNCOUNTED:
            return f" (taken up by experiment {each.id})"
    dropped = any(number in Notes.of(each.notes).drops for each in mine)
    return " (dropped)" if dropped else ""


def _effect(row: Experiment, study: Study) -> Iterator[tuple[str, Text | str]]:
    yield "val_bpb", words.score(row.val_bpb, row.val_bpb_error, study.trust, 6)
    against = f" to experiment {row.parent_id}" if row.parent_id else ""
    yield f"Δ{against}", words.delta(row.delta, row.delta_error, 6)
    yield "predicted Δ", words.delta(row.predicted_delta, None, 6)
    if row.standing or row.claim_pairs:
        told = words.standing(row.standing) if row.standing else Text("not confirmed")
        yield "claim", told.append(": ").append_text(words.line(row.claim_reason, 400))


def _evidence(
    registry: Registry, study: Study, row: Experiment
) -> Iterator[tuple[str, Text | str]]:
    if row.measured is not None:
        yield "measured", evidence.measured(row)
    if row.parent_id is not None:
        parent = registry.experiment(row.parent_id)
        if found := evidence.by_document(registry, parent, row):
            yield "by document", evidence.documents(found, 6)
    yield "test_bpb", testset.told(registry, study, row, 6)


def _history(row: Experiment) -> Iterator[tuple[str, Text | str]]:
    yield "took", words.duration(row.seconds)
    yield "peak memory", words.memory(row.peak_memory) if row.peak_memory else "-"
    yield "lines", f"+{row.lines_added} -{row.lines_removed}"
    yield "commit", words.line(f"{row.commit_sha or '-'} on {row.parent_sha or '-'}")
    yield "effect hash", words.line(row.effect_hash or "-")
    yield "opened", words.moment(row.created_at)
    yield "finished", words.moment(row.finished_at) if row.finished_at else f"not yet ({row.state})"


def _trial_title(trial: Trial, study: Study) -> Text:
    ending = str(trial.ending or trial.state)
    parts: list[Text | str] = [
        Text(f"trial {trial.id}", style="bold"),
        f"seed {trial.seed}",
        str(trial.purpose),
        Text(ending, style="" if ending == "finished" else "red"),
        *(["the machine's fault: run again"] if trial.failure is FailureKind.MACHINE else []),
        Text("val_bpb ").append_text(
            words.score(trial.val_bpb, None, trial.trust or study.trust, 6)
        ),
        words.line(f"worker {trial.worker}", 60),
    ]
    return words.joined(parts)


def _trial_lines(trial: Trial) -> Iterator[Text]:
    yield words.joined(
        [
            f"start-up {words.duration(trial.startup_seconds)}{_compiling(trial)}",
            f"training {words.duration(trial.training_seconds)}",
            f"scoring {words.duration(trial.scoring_seconds)}",
            f"total {words.duration(trial.total_seconds)}",
        ]
    )
    parts: list[Text | str] = [
        counted(trial.steps, "step"),
        counted(trial.tokens, "token"),
        f"peak memory {words.memory(trial.peak_memory)}",
    ]
    parts += [words.line(f"{name} {each:.4g}", 60) for name, each in sorted(trial.numbers.items())]
    parts += [f"mismatch {trial.mismatch:.2g} nats"] if trial.mismatch is not None else []
    parts += [f"leaks found from {leaks.bpb(trial.detectable)}"] if trial.detectable else []
    parts += [f"exit code {trial.exit_code}"] if trial.exit_code is not None else []
    parts += [f"signal {trial.signal}"] if trial.signal is not None else []
    yield words.joined(parts)
    if hardware := Hardware.of(trial.hardware):
        yield words.line(f"on {hardware}", 300)
    yield _times(trial)
    if trial.detail:
        yield words.line(trial.detail, 400, "yellow")
    if trial.facts:
        yield _facts(trial.facts)
    if trial.profile:
        yield Text("where the time of a step goes, each line with what it calls:", "dim")
        yield from (_profiled(ProfileRow(*row)) for row in trial.profile)


def _compiling(trial: Trial) -> str:
    if not trial.compile_seconds:
        return ""
    return f" ({words.duration(trial.compile_seconds)} of it compiling)"


def _times(trial: Trial) -> Text:
    end = words.moment(trial.finished_at) if trial.finished_at else "now"
    seen = f", last sign of life {words.moment(trial.heartbeat_at)}" if end == "now" else ""
    return Text(f"{words.moment(trial.started_at)} to {end}{seen}", style="dim")


def _facts(facts: Mapping[str, object]) -> Text:
    told = [f"{name}={value}" for name, value in sorted(facts.items())]
    return words.line("facts: " + ", ".join(told), 2000, "dim")


def _profiled(row: ProfileRow) -> Text:
    share = f"{row.share:5.0%} {'  ' * row.depth}"
    return Text(share).append_text(words.line(f"{row.path}:{row.line} {row.text}", 160))


def _patch(study: Study, row: Experiment, console: Console) -> None:
    if row.patch:
        _section(console, "patch")
        code(row.patch, console)
    elif row.change_text:
        _section(console, f"change as proposed ({words.line(row.change_format, 20)})")
        code(row.change_text, console)
    else:
        told = f"{study.origin} says no more" if study.is_imported else "no change to the code"
        _section(console, told)
