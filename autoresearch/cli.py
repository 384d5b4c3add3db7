"""The command line: options and help only; `commands/` builds the objects and calls one verb.

Nothing heavy is imported before a command runs, so that --help and --version answer at once.
"""

from pathlib import Path
from typing import Annotated, NoReturn

import typer

from autoresearch import __version__
from autoresearch.handler import run as run_to_its_end

app = typer.Typer(
    name="autoresearch",
    help="Machine-learning research overnight that can be believed in the morning.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Experiment = Annotated[int, typer.Argument(help="An experiment's number.", metavar="ID")]
Tag = Annotated[str | None, typer.Option(help="The study; without it the latest one.")]


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


@app.command()
def init(
    path: Annotated[Path, typer.Argument(help="The project's directory.")] = Path(),
    *,
    template: Annotated[str, typer.Option(help="What to start from: gpt.")] = "gpt",
    profile: Annotated[
        str,
        typer.Option(
            help="auto: the one that fits the machine; or cpu, mps, gpu (80 GB), gpu-48gb, "
            "gpu-24gb, gpu-16gb, gpu-12gb, gpu-8gb."
        ),
    ] = "auto",
    merge: Annotated[bool, typer.Option("--merge", help="Write beside files there.")] = False,
) -> None:
    """Make a project: program.md, prepare.py, train.py, its settings and its git repository."""
    from autoresearch.commands.init import init as verb

    verb(path, template=template, profile=profile, merge=merge)


@app.command()
def prepare(
    corpus: Annotated[
        str,
        typer.Option(
            help="stdlib, climbmix, tinystories, hf:NAME[:CONFIG], or a file or directory "
            "of .txt .md .py .jsonl .json .csv .tsv .parquet, also with .gz .bz2 .xz .zst."
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


@app.command()
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
            "command:CLI, optuna, random, patches:DIR."
        ),
    ] = None,
    control: Annotated[
        str | None,
        typer.Option(
            help="SPEC:SHARE, a control arm's share of the turns: optuna:0.2, random:0.1."
        ),
    ] = None,
    budget: Annotated[str | None, typer.Option(help="Training time a trial: 5m, 20s.")] = None,
    tag: Annotated[str | None, typer.Option(help="The study to start or continue.")] = None,
    patience: Annotated[
        int | None, typer.Option(help="Stop after training this many without a keep.")
    ] = None,
    confirm_share: Annotated[
        float | None, typer.Option(help="Share of the time to confirm keeps in; default 0.15.")
    ] = None,
    ray: Annotated[
        str | None,
        typer.Option(
            help="Train on the machines of this Ray cluster: HOST:PORT of its head, or auto.",
            metavar="ADDRESS",
        ),
    ] = None,
) -> None:
    """Start a study or continue one: propose, train, score, keep or discard."""
    from autoresearch.commands.run import RunOptions
    from autoresearch.commands.run import run as verb

    specs = tuple(proposer or ())
    verb(
        RunOptions(
            hours, experiments, max_cost, specs, budget, tag, patience, confirm_share, control, ray
        )
    )


@app.command()
def status(
    experiment: Annotated[int | None, typer.Argument(help="One in full.", metavar="[ID]")] = None,
    *,
    tag: Tag = None,
    everything: Annotated[bool, typer.Option("--all", help="Every experiment.")] = False,
    log: Annotated[bool, typer.Option("--log", help="The training log of ID.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
    as_tsv: Annotated[bool, typer.Option("--tsv", help="As results.tsv.")] = False,
) -> None:
    """Show what a study has tried and learned, or one experiment in full."""
    from autoresearch.commands.status import StatusOptions
    from autoresearch.commands.status import status as verb

    verb(StatusOptions(experiment, tag, everything, log, as_json, as_tsv))


@app.command()
def doctor(
    *,
    proposer: Annotated[
        list[str] | None, typer.Option(help="As for run, may be repeated: is it ready?")
    ] = None,
    offline: Annotated[bool, typer.Option("--offline", help="Call no model.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Name every fault of the set-up and its mend; models get a call of a fraction of a cent."""
    from autoresearch.commands.doctor import DoctorOptions
    from autoresearch.commands.doctor import doctor as verb

    verb(DoctorOptions(tuple(proposer or ()), offline, as_json))


@app.command()
def diff(
    first: Experiment,
    second: Annotated[int | None, typer.Argument(help="Compare with.", metavar="[ID]")] = None,
) -> None:
    """Compare two experiments (one: with its incumbent), the code and its effect."""
    from autoresearch.commands.diff import diff as verb

    verb(first, second)


@app.command()
def promote(
    experiments: Annotated[
        list[int], typer.Argument(help="Confirmed experiments.", metavar="ID...")
    ],
    *,
    onto: Annotated[str | None, typer.Option(help="A branch; without it the current.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be.")] = False,
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
    from autoresearch.commands.promote import PromoteOptions
    from autoresearch.commands.promote import promote as verb
    from autoresearch.gitrepo import CommitOptions

    commits = CommitOptions(not no_verify, not no_gpg_sign, signoff)
    verb(PromoteOptions(tuple(experiments), onto, dry_run, force, confirm, pairs, commits))
