"""`status ID`: one experiment in full, and its training logs."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from math import fsum

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from autoresearch.records.hardware import Hardware
from autoresearch.records.tables import Experiment, Trial
from autoresearch.records.text import counted, safe_text, whole_text
from autoresearch.records.training import ProfileRow
from autoresearch.records.values import FailureKind
from autoresearch.registry.packing import unpack
from autoresearch.render import evidence, money, testset, words
from autoresearch.render.patch import code
from autoresearch.render.scores import ScoreFormat
from autoresearch.report.full import ExperimentInFull

FINER = 2  # digits more than in a table


def experiment(found: ExperimentInFull, console: Console) -> None:
    """Print every field of an experiment in words, its calls, trials, traceback and patch."""
    row, form = found.row, ScoreFormat.of(found.study, FINER)
    console.print(words.study_line(found.study), highlight=False)
    state: Text | str = words.fate(row) if row.verdict else f"{row.state}, no verdict yet"
    title = words.joined([Text(f"experiment {row.id}", style="bold"), state])
    console.print(title, highlight=False)
    console.print(Padding(_fields(found, form), (0, 0, 0, 2)), highlight=False)
    for line in money.calls(found.calls, found.made):
        console.print(line, highlight=False)
    for trial in found.trials:
        console.print(_trial_title(trial, form), highlight=False)
        lines = Text("\n").join(_trial_lines(trial, form))
        console.print(Padding(lines, (0, 0, 0, 2)), highlight=False)
    for trial in [each for each in found.trials if each.traceback][-1:]:
        _section(console, f"traceback of trial {trial.id}")
        console.print(Padding(Text(safe_text(trial.traceback)), (0, 0, 0, 2)), highlight=False)
    _patch(found, console)
    console.print(Text(f"Next: {_next_step(found)}", style="dim"), highlight=False)


def log(found: ExperimentInFull, console: Console) -> None:
    """Print all that is stored of every training log of an experiment, safe for a terminal."""
    for trial in found.trials:
        if len(found.trials) > 1:
            console.print(Text(f"==> trial {trial.id}, seed {trial.seed} <==", style="bold"))
        text = whole_text(unpack(trial.log))  # it was capped when it was taken
        console.print(Text(text or "(no output)"), soft_wrap=True, highlight=False)
    if not found.trials:
        console.print("no trial, so no log", highlight=False)


def _next_step(found: ExperimentInFull) -> str:
    row = found.row
    steps = [f"autoresearch diff {row.id}"] if row.parent_id is not None else []
    steps += [f"autoresearch status {row.id} --log"] if found.trials else []
    mine = not found.study.is_imported
    if mine and (promote := words.promoting(row)):
        steps.append(promote)
    return " · ".join(steps) or "autoresearch status"


def _section(console: Console, name: str) -> None:
    console.print(Text(name, style="bold"), highlight=False)


def _fields(found: ExperimentInFull, form: ScoreFormat) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True, style="dim")
    table.add_column(overflow="fold")
    for part in (_idea(found.row), _effect(found, form), _evidence(found, form), _history(found)):
        for name, value in part:
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


def _effect(found: ExperimentInFull, form: ScoreFormat) -> Iterator[tuple[str, Text | str]]:
    row = found.row
    yield form.name, form.score(row.val_bpb, row.val_bpb_error)
    against = f" to experiment {row.parent_id}" if row.parent_id else ""
    yield f"Δ{against}", form.delta(row.delta, row.delta_error)
    yield "predicted Δ", form.delta(row.predicted_delta)
    if row.standing or row.claim_pairs:
        told = words.standing(row.standing) if row.standing else Text("not confirmed")
        yield "claim", told.append(": ").append_text(words.line(row.claim_reason, 400))


def _evidence(found: ExperimentInFull, form: ScoreFormat) -> Iterator[tuple[str, Text | str]]:
    if found.row.measured is not None:
        yield "measured", evidence.measured(found.row, form)
    if found.documents is not None:
        yield "by document", evidence.documents(found.documents, form)
    yield form.test_name, testset.described(found.test, form)
    for each in found.later:
        fate = f" ({each.fate})" if each.fate else ""
        yield f"later {each.number}", words.line(each.text, 400).append(fate, "dim")


def _history(found: ExperimentInFull) -> Iterator[tuple[str, Text | str]]:
    row = found.row
    yield "took", words.duration(row.seconds)
    if found.trials:
        yield "of that", _phases(found.trials)
    yield "peak memory", words.memory(row.peak_memory) if row.peak_memory else "-"
    yield "lines", f"+{row.lines_added} -{row.lines_removed}"
    yield "commit", words.line(f"{row.commit_sha or '-'} on {row.parent_sha or '-'}")
    yield "effect hash", words.line(row.effect_hash or "-")
    yield "opened", words.moment(row.created_at)
    yield "finished", words.moment(row.finished_at) if row.finished_at else f"not yet ({row.state})"
    if found.calls:
        yield "cost", money.cost(found.calls, found.made)


def _phases(trials: Sequence[Trial]) -> str:
    """Return where the wall seconds of an experiment's own trials went."""
    compiling = fsum(each.compile_seconds or 0.0 for each in trials)
    startup = words.duration(round(fsum(each.startup_seconds for each in trials), 1))
    compiled = f" ({words.duration(round(compiling, 1))} compiling)" if compiling else ""
    training = fsum(max(each.total_seconds - each.startup_seconds, 0.0) for each in trials)
    parts = [
        f"start-up {startup}{compiled}",
        f"training {words.duration(round(training, 1))}",
        f"scoring {words.duration(round(fsum(each.scoring_seconds for each in trials), 1))}",
    ]
    waited = fsum(each.waiting_seconds or 0.0 for each in trials)
    parts += [f"waiting for a slot {words.duration(round(waited, 1))}"] if waited else []
    return f"{', '.join(parts)}, in {counted(len(trials), 'trial')}"


def _trial_title(trial: Trial, form: ScoreFormat) -> Text:
    form = replace(form, trust=trial.trust or form.trust)
    ending = str(trial.ending or trial.state)
    parts: list[Text | str] = [
        Text(f"trial {trial.id}", style="bold"),
        f"seed {trial.seed}",
        str(trial.purpose),
        Text(ending, style="" if ending == "finished" else "red"),
        *(["the machine's fault: run again"] if trial.failure is FailureKind.MACHINE else []),
        Text(f"{form.name} ").append_text(form.score(trial.val_bpb)),
        words.line(f"worker {trial.worker}", 60),
    ]
    return words.joined(parts)


def _trial_lines(trial: Trial, form: ScoreFormat) -> Iterator[Text]:
    yield words.joined(
        [
            f"start-up {words.duration(trial.startup_seconds)}{_compiling(trial)}",
            f"training {words.duration(trial.training_seconds)}",
            f"scoring {words.duration(trial.scoring_seconds)}",
            f"total {words.duration(trial.total_seconds)}",
        ]
    )
    counts = ((trial.steps, "step"), (trial.tokens, "token"))  # a command counts neither
    parts: list[Text | str] = [counted(number, what) for number, what in counts if number]
    parts += [f"peak memory {words.memory(trial.peak_memory)}"]
    parts += [words.line(f"{name} {each:.4g}", 60) for name, each in sorted(trial.numbers.items())]
    if trial.mismatch is not None and trial.tokens:
        parts += [f"mismatch {trial.mismatch:.2g} nats"]
    parts += [f"leaks found from {form.leak(trial.detectable)}"] if trial.detectable else []
    parts += [f"exit code {trial.exit_code}"] if trial.exit_code is not None else []
    parts += [f"signal {trial.signal}"] if trial.signal is not None else []
    yield words.joined(parts)
    if hardware := Hardware.of(trial.hardware):
        yield words.line(f"on {hardware}", 300)
    if slot := _slot(trial):
        yield Text(slot)
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


def _slot(trial: Trial) -> str:
    """Return what its slot did between the trial before it and this one, where that is known."""
    held = {
        "idle": trial.idle_seconds,
        "paused": trial.paused_seconds,
        "waiting for the machine": trial.machine_seconds,
        "deciding": trial.deciding_seconds,
    }
    told = [f"{name} {words.duration(round(each, 1))}" for name, each in held.items() if each]
    return f"its slot before it: {', '.join(told)}" if told else ""


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


def _patch(found: ExperimentInFull, console: Console) -> None:
    row, study = found.row, found.study
    if row.patch:
        _section(console, "patch")
        code(row.patch, console)
    elif row.change_text:
        _section(console, f"change as proposed ({words.line(row.change_format, 20)})")
        code(row.change_text, console)
    else:
        told = f"{study.origin} says no more" if study.is_imported else "no change to the code"
        _section(console, told)
