"""The command line: what each command takes; `commands/` builds the objects and calls one verb.

The help of options is in `commands/options.py`.

Nothing heavy is imported before a command runs, so that --help and --version answer at once.
"""

from pathlib import Path
from typing import Annotated, NoReturn

import typer

from autoresearch import __version__
from autoresearch.commands import options
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
    path: options.ProjectPath = Path(),
    *,
    template: options.Template = "gpt",
    profile: options.Profile = "auto",
    merge: options.Merge = False,
    adopt: options.Adopt = False,
    command: options.Command = "",
    metric: options.Metric = "",
    direction: options.Direction = "",
    editable: options.Editable = None,
    budget: options.InitBudget = "",
    seed: options.Seed = "",
    evaluator: options.Evaluator = "",
    file: options.MetricFile = "",
    key: options.MetricKey = "",
    dry_run: options.InitDryRun = False,
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
    corpus: options.Corpus = "stdlib",
    *,
    text_column: options.TextColumn = "",
) -> None:
    """Split a corpus, train its tokenizer, seal its val and test documents away."""
    from autoresearch.commands.prepare import prepare as verb

    verb(corpus, text_column)


@app.command(epilog=epilog("run"))
def run(
    *,
    hours: options.Hours = None,
    experiments: options.RunExperiments = None,
    max_cost: options.MaxCost = None,
    proposer: options.RunProposer = None,
    control: options.Control = None,
    budget: options.RunBudget = None,
    tag: options.RunTag = None,
    patience: options.Patience = None,
    confirm_share: options.ConfirmShare = None,
    devices: options.Devices = None,
    detach: options.Detach = False,
    ray: options.Ray = None,
) -> None:
    """Start a study or continue one: propose, train, score, keep or discard."""
    begun = None
    if detach:  # before anything starts a thread
        from autoresearch.commands.detaching import detach as in_a_process_of_its_own

        begun = in_a_process_of_its_own()
    from autoresearch.commands.run import run as verb

    specs = tuple(proposer or ())
    chosen = options.RunOptions(
        hours, experiments, max_cost, specs, budget, tag, patience, confirm_share, control,
        devices, ray,
    )  # fmt: skip
    verb(chosen, begun)


@app.command(epilog=epilog("stop"))
def stop(
    *,
    now: options.Now = False,
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
    experiment: options.Experiment = None,
    *,
    tag: options.Tag = None,
    everything: options.Everything = False,
    kept: options.Kept = False,
    last: options.Last = None,
    proposer: options.StatusProposer = None,
    category: options.Category = None,
    since: options.Since = None,
    sort: options.Sort = None,
    watch: options.Watch = False,
    log: options.Log = False,
    as_json: options.AsJson = False,
    as_tsv: options.AsTsv = False,
) -> None:
    """Show what a study has tried and learned, or one experiment in full."""
    with quick(really=not watch):
        from autoresearch.commands.status import Chosen, StatusOptions
        from autoresearch.commands.status import status as verb

        chosen = Chosen(everything, kept, last, proposer, category, since, sort)
        verb(StatusOptions(experiment, tag, chosen, log, watch, as_json, as_tsv))


@app.command(epilog=epilog("report"))
def report(
    tag: options.ReportTag = None,
    *,
    out: options.Out = None,
    no_open: options.NoOpen = False,
    serve: options.Serve = False,
    port: options.Port = None,
) -> None:
    """Write the morning as a page, report.html, and as a picture, progress.png."""
    from autoresearch.commands.report import report as verb

    verb(tag, out=out, no_open=no_open, serve=serve, port=port)


@app.command(epilog=epilog("doctor"))
def doctor(
    *,
    proposer: options.DoctorProposer = None,
    offline: options.Offline = False,
    notify: options.Notify = False,
    as_json: options.AsJson = False,
) -> None:
    """Name every fault of the set-up and its mend; models get a call of a fraction of a cent."""
    from autoresearch.commands.doctor import doctor as verb

    verb(proposer or (), offline=offline, notify=notify, as_json=as_json)


@app.command(epilog=epilog("diff"))
def diff(
    first: options.First = None,
    second: options.Second = None,
    *,
    baseline: options.Baseline = False,
    tag: options.Tag = None,
    stat: options.Stat = False,
    patch: options.Patch = False,
    as_json: options.AsJson = False,
) -> None:
    """Compare two experiments (one: with its incumbent), the code and its effect."""
    with quick():
        from autoresearch.commands.diff import DiffOptions
        from autoresearch.commands.diff import diff as verb

        verb(DiffOptions(first, second, baseline, tag, stat, as_json, patch))


@app.command(epilog=epilog("note"))
def note(
    text: options.Text = None,
    *,
    listed: options.Listed = False,
    drop: options.Drop = None,
    tag: options.Tag = None,
) -> None:
    """Say a word to the researcher, also while it runs: every brief has it from then on."""
    with quick():
        from autoresearch.commands.note import note as verb

        verb(text, tag=tag, listed=listed, drop=drop)


@app.command(epilog=epilog("export"))
def export(
    place: options.Place,
    *,
    table: options.Table = None,
    to: options.To = None,
    tag: options.Tag = None,
    force: options.ExportForce = False,
) -> None:
    """Write a study for other programs: as a table, or as runs."""
    from autoresearch.commands.export import ExportOptions
    from autoresearch.commands.export import export as verb

    verb(ExportOptions(place, table, tag, force, to))


@app.command(epilog=epilog("promote"))
def promote(
    experiments: options.PromoteExperiments = None,
    *,
    all_confirmed: options.AllConfirmed = False,
    tag: options.Tag = None,
    onto: options.Onto = None,
    dry_run: options.PromoteDryRun = False,
    squash: options.Squash = False,
    branches: options.Branches = False,
    force: options.PromoteForce = False,
    confirm: options.Confirm = False,
    pairs: options.Pairs = None,
    signoff: options.Signoff = False,
    no_verify: options.NoVerify = False,
    no_gpg_sign: options.NoGpgSign = False,
) -> None:
    """Bring discoveries home: score them on test, cherry-pick them onto your own branch."""
    from autoresearch.commands.promote import PromoteOptions
    from autoresearch.commands.promote import promote as verb
    from autoresearch.gitrepo import CommitOptions
    from autoresearch.promotion import Shape

    commits = CommitOptions(not no_verify, not no_gpg_sign, signoff)
    shape = Shape.of(squash=squash, branches=branches)
    chosen = PromoteOptions(
        tuple(experiments or ()), all_confirmed, tag, onto, dry_run, force, confirm, pairs,
        commits, shape,
    )  # fmt: skip
    verb(chosen)
