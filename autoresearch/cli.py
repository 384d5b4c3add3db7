"""The command line: options and help only; `commands/` builds the objects and calls one verb.

Nothing heavy is imported before a command runs, so that --help and --version answer at once.
"""

from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from autoresearch import __version__
from autoresearch.commands import completion as complete
from autoresearch.commands.examples import epilog
from autoresearch.commands.quick import quick
from autoresearch.handler import run as run_to_its_end

app = typer.Typer(
    name="autoresearch",
    help="Machine-learning research overnight that can be believed in the morning.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

_FOUND: dict[str, Any] = {
    "rich_help_panel": "With --adopt, for what it does not find by itself",
    "show_default": False,
}

Tag = Annotated[
    str | None,
    typer.Option(help="The study; without it the latest one.", autocompletion=complete.tags),
]


def main() -> NoReturn:
    """Run the command line and exit; a fault is one line on stderr and its own exit code."""
    run_to_its_end(app)


def _version(*, asked: bool) -> None:
    if asked:
        typer.echo(f"autoresearch {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Say which.")
    ] = False,
) -> None:
    del version


@app.command(epilog=epilog("init"))
def init(
    path: Annotated[Path, typer.Argument(help="The project's directory.")] = Path(),
    *,
    template: Annotated[
        str,
        typer.Option(
            help="gpt; curriculum: the order of its text, too; mlx: the same for Apple silicon; "
            "blank: a metric of your own."
        ),
    ] = "gpt",
    profile: Annotated[
        str,
        typer.Option(
            help="auto: the one that fits the machine; or cpu, mps, gpu (80 GB), gpu-48gb, "
            "gpu-24gb, gpu-16gb, gpu-12gb, gpu-8gb."
        ),
    ] = "auto",
    merge: Annotated[bool, typer.Option("--merge", help="Write beside files there.")] = False,
    adopt: Annotated[
        bool,
        typer.Option("--adopt", help="Research the repository that is there; its files stay."),
    ] = False,
    command: Annotated[str, typer.Option(help="What trains, as 'uv run train.py'.", **_FOUND)] = "",
    metric: Annotated[str, typer.Option(help="The number's name.", **_FOUND)] = "",
    direction: Annotated[
        str, typer.Option(help="Which is better, lower or higher.", **_FOUND)
    ] = "",
    editable: Annotated[
        list[str] | None,
        typer.Option(help="A file that may change; may be repeated.", **_FOUND),
    ] = None,
    budget: Annotated[str, typer.Option(help="How long one training takes.", **_FOUND)] = "",
    seed: Annotated[
        str,
        typer.Option(help="How it takes a seed: SEED, '--seed {seed}'.", **_FOUND),
    ] = "",
    evaluator: Annotated[
        str, typer.Option(help="A program that scores what a trial left.", **_FOUND)
    ] = "",
    file: Annotated[str, typer.Option(help="JSON that a trial leaves.", **_FOUND)] = "",
    key: Annotated[str, typer.Option(help="The number's name.", **_FOUND)] = "",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="With --adopt: only say what would be.")
    ] = False,
) -> None:
    """Make a project, from a template or of a repository that is there (--adopt)."""
    from autoresearch.adoption import Wishes
    from autoresearch.commands.init import init as verb
    from autoresearch.commands.init import init_adopted, refuse_adopting, refuse_template

    wishes = Wishes(
        command, metric, direction, tuple(editable or ()), budget, seed, evaluator, file, key
    )
    if adopt:
        refuse_template(template, profile, merge=merge)
        init_adopted(path, wishes, dry_run=dry_run)
        return
    refuse_adopting(wishes, dry_run=dry_run)
    verb(path, template=template, profile=profile, merge=merge)


@app.command(epilog=epilog("prepare"))
def prepare(
    corpus: Annotated[
        str,
        typer.Option(
            help="stdlib, climbmix, tinystories, hf:NAME[:CONFIG], or a file or directory "
            "of .txt .md .py .jsonl .json .csv .tsv .parquet, also with .gz .bz2 .xz .zst.",
            autocompletion=complete.corpora,
        ),
    ] = "stdlib",
    *,
    text_column: Annotated[
        str,
        typer.Option(
            help="The column of the text in files of records; else text, content or the "
            "only one that can be it.",
            show_default=False,
        ),
    ] = "",
) -> None:
    """Split a corpus, train its tokenizer, seal its val and test documents away."""
    from autoresearch.commands.prepare import prepare as verb

    verb(corpus, text_column)


@app.command(epilog=epilog("run"))
def run(
    *,
    hours: Annotated[float | None, typer.Option(help="Stop after this many hours.")] = None,
    experiments: Annotated[int | None, typer.Option(help="Stop after training this many.")] = None,
    max_cost: Annotated[
        float | None, typer.Option(help="Stop before this run costs more, in US dollars.")
    ] = None,
    proposer: Annotated[
        list[str] | None,
        typer.Option(
            help="[WEIGHT:]SPEC, may be repeated: anthropic:MODEL, openai:MODEL[@BASE_URL], "
            "command:CLI, optuna, random, patches:DIR.",
            autocompletion=complete.proposers,
        ),
    ] = None,
    control: Annotated[
        str | None,
        typer.Option(
            help="SPEC:SHARE, a control arm's share of the turns: optuna:0.2, random:0.1."
        ),
    ] = None,
    budget: Annotated[str | None, typer.Option(help="Training time a trial: 5m, 20s.")] = None,
    tag: Annotated[
        str | None,
        typer.Option(help="The study to start or continue.", autocompletion=complete.tags),
    ] = None,
    patience: Annotated[
        int | None, typer.Option(help="Stop after training this many without a keep.")
    ] = None,
    confirm_share: Annotated[
        float | None, typer.Option(help="Share of the time to confirm keeps in; default 0.15.")
    ] = None,
    devices: Annotated[
        str | None,
        typer.Option(
            help="Cards to train on side by side: 0,2 as nvidia-smi counts, or all; on the CPU "
            "how many trainings. Without it one."
        ),
    ] = None,
    detach: Annotated[
        bool, typer.Option("--detach", help="Leave this terminal once it is at work.")
    ] = False,
    ray: Annotated[
        str | None,
        typer.Option(
            help="Train on the machines of this Ray cluster: HOST:PORT of its head, or auto.",
            metavar="ADDRESS",
        ),
    ] = None,
) -> None:
    """Start a study or continue one: propose, train, score, keep or discard."""
    begun = None
    if detach:  # before anything starts a thread
        from autoresearch.commands.detaching import detach as in_a_process_of_its_own

        begun = in_a_process_of_its_own()
    from autoresearch.commands.run import RunOptions
    from autoresearch.commands.run import run as verb

    specs = tuple(proposer or ())
    verb(
        RunOptions(
            hours,
            experiments,
            max_cost,
            specs,
            budget,
            tag,
            patience,
            confirm_share,
            control,
            devices,
            ray,
        ),
        begun,
    )


@app.command(epilog=epilog("stop"))
def stop(
    *,
    now: Annotated[
        bool, typer.Option("--now", help="At once, as Ctrl-C does: what is at work is run again.")
    ] = False,
) -> None:
    """End the run that is at work here, once its trials have ended."""
    from autoresearch.commands.stop import ask
    from autoresearch.registry import Ask

    ask(Ask.STOP_NOW if now else Ask.STOP)


@app.command(epilog=epilog("pause"))
def pause() -> None:
    """Let the run that is at work here begin nothing new; the clock of --hours goes on."""
    from autoresearch.commands.stop import ask
    from autoresearch.registry import Ask

    ask(Ask.PAUSE)


@app.command(epilog=epilog("resume"))
def resume() -> None:
    """Let a paused run go on."""
    from autoresearch.commands.stop import ask
    from autoresearch.registry import Ask

    ask(Ask.RESUME)


@app.command(epilog=epilog("status"))
def status(
    experiment: Annotated[
        int | None,
        typer.Argument(help="One in full.", metavar="[ID]", autocompletion=complete.experiments),
    ] = None,
    *,
    tag: Tag = None,
    everything: Annotated[bool, typer.Option("--all", help="Every experiment.")] = False,
    kept: Annotated[bool, typer.Option("--kept", help="Only what was kept, and still is.")] = False,
    last: Annotated[int | None, typer.Option(help="Only the newest so many.", metavar="N")] = None,
    proposer: Annotated[
        str | None,
        typer.Option(
            help="Only those of proposers whose names begin so.", autocompletion=complete.proposers
        ),
    ] = None,
    category: Annotated[
        str | None,
        typer.Option(help="Only those of this kind.", autocompletion=complete.categories),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(help='Only those since then: 8h ago, or 2026-11-23, or "2026-11-23 22:00".'),
    ] = None,
    sort: Annotated[
        str | None,
        typer.Option(
            help="By number, score, effect, seconds or cost.", autocompletion=complete.orders
        ),
    ] = None,
    watch: Annotated[
        bool, typer.Option("--watch", "-w", help="Stay and follow the run; Ctrl-C ends it.")
    ] = False,
    log: Annotated[bool, typer.Option("--log", help="The training log of ID.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
    as_tsv: Annotated[bool, typer.Option("--tsv", help="As results.tsv.")] = False,
) -> None:
    """Show what a study has tried and learned, or one experiment in full."""
    with quick(really=not watch):
        from autoresearch.commands.status import Chosen, StatusOptions
        from autoresearch.commands.status import status as verb

        chosen = Chosen(everything, kept, last, proposer, category, since, sort)
        verb(StatusOptions(experiment, tag, chosen, log, watch, as_json, as_tsv))


@app.command(epilog=epilog("report"))
def report(
    tag: Annotated[
        str | None,
        typer.Argument(
            help="The study; without it the latest one.",
            metavar="[TAG]",
            autocompletion=complete.tags,
        ),
    ] = None,
    *,
    out: Annotated[
        Path | None, typer.Option(help="Where to write; without it .autoresearch/report.")
    ] = None,
    no_open: Annotated[bool, typer.Option("--no-open", help="Do not show it.")] = False,
    serve: Annotated[
        bool, typer.Option("--serve", help="Serve the page live, to this machine alone.")
    ] = False,
    port: Annotated[
        int | None,
        typer.Option(help="For --serve; without it a free one.", min=1, max=65535),
    ] = None,
) -> None:
    """Write the morning as a page, report.html, and as a picture, progress.png."""
    from autoresearch.commands.report import ReportOptions
    from autoresearch.commands.report import report as verb

    verb(ReportOptions(tag, out, no_open, serve, port))


@app.command(epilog=epilog("doctor"))
def doctor(
    *,
    proposer: Annotated[
        list[str] | None,
        typer.Option(
            help="As for run, may be repeated: is it ready?", autocompletion=complete.proposers
        ),
    ] = None,
    offline: Annotated[bool, typer.Option("--offline", help="Call no model.")] = False,
    notify: Annotated[
        bool, typer.Option("--notify", help="Send a test to every URL of [notify].")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Name every fault of the set-up and its mend; models get a call of a fraction of a cent."""
    from autoresearch.commands.doctor import DoctorOptions
    from autoresearch.commands.doctor import doctor as verb

    verb(DoctorOptions(tuple(proposer or ()), offline, as_json, notify))


@app.command(epilog=epilog("diff"))
def diff(
    first: Annotated[
        int | None,
        typer.Argument(help="An experiment.", metavar="[ID]", autocompletion=complete.experiments),
    ] = None,
    second: Annotated[
        int | None,
        typer.Argument(help="Compare with.", metavar="[ID]", autocompletion=complete.experiments),
    ] = None,
    *,
    baseline: Annotated[
        bool,
        typer.Option("--baseline", help="With the unchanged project: ID, or all that was kept."),
    ] = False,
    tag: Tag = None,
    stat: Annotated[bool, typer.Option("--stat", help="Only which files, how many lines.")] = False,
    patch: Annotated[bool, typer.Option("--patch", help="For git apply, byte for byte.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Compare two experiments (one: with its incumbent), the code and its effect."""
    with quick():
        from autoresearch.commands.diff import DiffOptions
        from autoresearch.commands.diff import diff as verb

        verb(DiffOptions(first, second, baseline, tag, stat, as_json, patch))


@app.command(epilog=epilog("note"))
def note(
    text: Annotated[str | None, typer.Argument(help="What to heed.", metavar="[TEXT]")] = None,
    *,
    listed: Annotated[bool, typer.Option("--list", help="Show what was told.")] = False,
    drop: Annotated[
        int | None,
        typer.Option(help="Take this note back.", metavar="N", autocompletion=complete.notes),
    ] = None,
    tag: Tag = None,
) -> None:
    """Say a word to the researcher, also while it runs: every brief has it from then on."""
    with quick():
        from autoresearch.commands.note import NoteOptions
        from autoresearch.commands.note import note as verb

        verb(NoteOptions(text, tag, listed, drop))


@app.command(epilog=epilog("export"))
def export(
    place: Annotated[
        str,
        typer.Argument(
            help="A file: .csv, .jsonl or .parquet; with --to a folder or a tracking URI.",
            metavar="PATH",
        ),
    ],
    *,
    table: Annotated[
        str | None,
        typer.Option(help="Of a file: experiments (by default), trials, calls or notes."),
    ] = None,
    to: Annotated[
        str | None,
        typer.Option(help="tensorboard or mlflow: runs with curves.", metavar="PROGRAM"),
    ] = None,
    tag: Tag = None,
    force: Annotated[bool, typer.Option("--force", help="Write over what is there.")] = False,
) -> None:
    """Write a study for other programs: as a table, or as runs."""
    from autoresearch.commands.export import ExportOptions
    from autoresearch.commands.export import export as verb

    verb(ExportOptions(place, table, tag, force, to))


@app.command(epilog=epilog("promote"))
def promote(
    experiments: Annotated[
        list[int] | None,
        typer.Argument(
            help="Confirmed experiments.", metavar="[ID]...", autocompletion=complete.keeps
        ),
    ] = None,
    *,
    all_confirmed: Annotated[
        bool, typer.Option("--all-confirmed", help="Every confirmed one of a study.")
    ] = False,
    tag: Tag = None,
    onto: Annotated[str | None, typer.Option(help="A branch; without it the current.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be.")] = False,
    squash: Annotated[bool, typer.Option("--squash", help="All of them as one commit.")] = False,
    branches: Annotated[
        bool,
        typer.Option("--branches", help="For review: a branch each, autoresearch-promoted/ID."),
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Also what is not confirmed, or was not kept.")
    ] = False,
    confirm: Annotated[
        bool, typer.Option("--confirm", help="First train further pairs of what is not.")
    ] = False,
    pairs: Annotated[
        int | None, typer.Option(help="Pairs that --confirm may train of each; default 6.")
    ] = None,
    signoff: Annotated[
        bool, typer.Option("--signoff", "-s", help="Add your Signed-off-by.")
    ] = False,
    no_verify: Annotated[
        bool, typer.Option("--no-verify", help="Do not run your git hooks.")
    ] = False,
    no_gpg_sign: Annotated[
        bool, typer.Option("--no-gpg-sign", help="Do not sign, whatever commit.gpgSign says.")
    ] = False,
) -> None:
    """Bring discoveries home: score them on test, cherry-pick them onto your own branch."""
    from autoresearch.commands.promote import Chosen, PromoteOptions
    from autoresearch.commands.promote import promote as verb
    from autoresearch.gitrepo import CommitOptions
    from autoresearch.promotion import Shape

    commits = CommitOptions(not no_verify, not no_gpg_sign, signoff)
    chosen = Chosen(tuple(experiments or ()), all_confirmed, tag)
    shape = Shape.of(squash=squash, branches=branches)
    verb(PromoteOptions(chosen, onto, dry_run, force, confirm, pairs, commits, shape))
