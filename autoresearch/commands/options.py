"""The options and arguments of every command, each with its help.

Where two commands have options of one name with different help, the command's name comes first:
`InitBudget`, `RunBudget`.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from autoresearch.commands import completion as complete
from autoresearch.records.known_corpora import KNOWN_CORPORA
from autoresearch.records.known_proposers import SPEC_FORMS

_FOUND: dict[str, Any] = {
    "rich_help_panel": "With --adopt, for what it does not find by itself",
    "show_default": False,
}

Tag = Annotated[
    str | None,
    typer.Option(help="The study; without it the latest one.", autocompletion=complete.tags),
]

# init
ProjectPath = Annotated[Path, typer.Argument(help="The project's directory.")]
Template = Annotated[
    str,
    typer.Option(
        help="gpt; curriculum: the order of its text, too; mlx: the same for Apple silicon; "
        "blank: a metric of your own."
    ),
]
Profile = Annotated[
    str,
    typer.Option(
        help="auto: the one that fits the machine; or cpu, mps, gpu (80 GB), gpu-48gb, "
        "gpu-24gb, gpu-16gb, gpu-12gb, gpu-8gb."
    ),
]
Merge = Annotated[bool, typer.Option("--merge", help="Write beside files there.")]
Adopt = Annotated[
    bool,
    typer.Option("--adopt", help="Research the repository that is there; its files stay."),
]
Command = Annotated[str, typer.Option(help="What trains, as 'uv run train.py'.", **_FOUND)]
Metric = Annotated[str, typer.Option(help="The number's name.", **_FOUND)]
Direction = Annotated[str, typer.Option(help="Which is better, lower or higher.", **_FOUND)]
Editable = Annotated[
    list[str] | None,
    typer.Option(help="A file that may change; may be repeated.", **_FOUND),
]
InitBudget = Annotated[str, typer.Option(help="How long one training takes.", **_FOUND)]
Seed = Annotated[
    str,
    typer.Option(help="How it takes a seed: SEED, '--seed {seed}'.", **_FOUND),
]
Evaluator = Annotated[str, typer.Option(help="A program that scores what a trial left.", **_FOUND)]
MetricFile = Annotated[str, typer.Option(help="JSON that a trial leaves.", **_FOUND)]
MetricKey = Annotated[str, typer.Option(help="The number's name.", **_FOUND)]
InitDryRun = Annotated[
    bool, typer.Option("--dry-run", help="With --adopt: only say what would be.")
]

# prepare
Corpus = Annotated[
    str,
    typer.Option(
        help=f"{', '.join(KNOWN_CORPORA)}, hf:NAME[:CONFIG], or a file or directory "
        "of .txt .md .py .jsonl .json .csv .tsv .parquet, also with .gz .bz2 .xz .zst.",
        autocompletion=complete.corpora,
    ),
]
TextColumn = Annotated[
    str,
    typer.Option(
        help="The column of the text in files of records; else text, content or the "
        "only one that can be it.",
        show_default=False,
    ),
]

# run
Hours = Annotated[float | None, typer.Option(help="Stop after this many hours.")]
RunExperiments = Annotated[int | None, typer.Option(help="Stop after training this many.")]
MaxCost = Annotated[
    float | None, typer.Option(help="Stop before this run costs more, in US dollars.")
]
RunProposer = Annotated[
    list[str] | None,
    typer.Option(
        help=f"[WEIGHT:]SPEC, may be repeated: {', '.join(SPEC_FORMS)}.",
        autocompletion=complete.proposers,
    ),
]
Control = Annotated[
    str | None,
    typer.Option(help="SPEC:SHARE, a control arm's share of the turns: optuna:0.2, random:0.1."),
]
RunBudget = Annotated[str | None, typer.Option(help="Training time a trial: 5m, 20s.")]
RunTag = Annotated[
    str | None,
    typer.Option(help="The study to start or continue.", autocompletion=complete.tags),
]
Patience = Annotated[int | None, typer.Option(help="Stop after training this many without a keep.")]
ConfirmShare = Annotated[
    float | None, typer.Option(help="Share of the time to confirm keeps in; default 0.15.")
]
Devices = Annotated[
    str | None,
    typer.Option(
        help="Cards to train on side by side: 0,2 as nvidia-smi counts, or all; on the CPU "
        "how many trainings. Without it one."
    ),
]
Detach = Annotated[bool, typer.Option("--detach", help="Leave this terminal once it is at work.")]
Ray = Annotated[
    str | None,
    typer.Option(
        help="Train on the machines of this Ray cluster: HOST:PORT of its head, or auto.",
        metavar="ADDRESS",
    ),
]


@dataclass(frozen=True)
class RunOptions:
    """The options of `run` as typed; see `autoresearch run --help`."""

    hours: float | None
    experiments: int | None
    max_cost: float | None
    proposers: tuple[str, ...]
    budget: str | None
    tag: str | None
    patience: int | None
    confirm_share: float | None = None
    control: str | None = None
    devices: str | None = None
    ray: str | None = None

    @property
    def elsewhere(self) -> bool:
        """Whether it trains on the machines of a cluster; see `fleet_for`."""
        return self.ray is not None


# stop
Now = Annotated[
    bool, typer.Option("--now", help="At once, as Ctrl-C does: what is at work is run again.")
]

# status
Experiment = Annotated[
    int | None,
    typer.Argument(help="One in full.", metavar="[ID]", autocompletion=complete.experiments),
]
Everything = Annotated[bool, typer.Option("--all", help="Every experiment.")]
Kept = Annotated[bool, typer.Option("--kept", help="Only what was kept, and still is.")]
Last = Annotated[int | None, typer.Option(help="Only the newest so many.", metavar="N")]
StatusProposer = Annotated[
    str | None,
    typer.Option(
        help="Only those of proposers whose names begin so.", autocompletion=complete.proposers
    ),
]
Category = Annotated[
    str | None,
    typer.Option(help="Only those of this kind.", autocompletion=complete.categories),
]
Since = Annotated[
    str | None,
    typer.Option(help='Only those since then: 8h ago, or 2026-11-23, or "2026-11-23 22:00".'),
]
Sort = Annotated[
    str | None,
    typer.Option(help="By number, score, effect, seconds or cost.", autocompletion=complete.orders),
]
Watch = Annotated[
    bool, typer.Option("--watch", "-w", help="Stay and follow the run; Ctrl-C ends it.")
]
Log = Annotated[bool, typer.Option("--log", help="The training log of ID.")]
AsJson = Annotated[bool, typer.Option("--json", help="For programs.")]
AsTsv = Annotated[bool, typer.Option("--tsv", help="As results.tsv.")]

# report
ReportTag = Annotated[
    str | None,
    typer.Argument(
        help="The study; without it the latest one.",
        metavar="[TAG]",
        autocompletion=complete.tags,
    ),
]
Out = Annotated[Path | None, typer.Option(help="Where to write; without it .autoresearch/report.")]
NoOpen = Annotated[bool, typer.Option("--no-open", help="Do not show it.")]
Serve = Annotated[bool, typer.Option("--serve", help="Serve the page live, to this machine alone.")]
Port = Annotated[
    int | None,
    typer.Option(help="For --serve; without it a free one.", min=1, max=65535),
]

# doctor
DoctorProposer = Annotated[
    list[str] | None,
    typer.Option(
        help="As for run, may be repeated: is it ready?", autocompletion=complete.proposers
    ),
]
Offline = Annotated[bool, typer.Option("--offline", help="Call no model.")]
Notify = Annotated[bool, typer.Option("--notify", help="Send a test to every URL of [notify].")]

# diff
First = Annotated[
    int | None,
    typer.Argument(help="An experiment.", metavar="[ID]", autocompletion=complete.experiments),
]
Second = Annotated[
    int | None,
    typer.Argument(help="Compare with.", metavar="[ID]", autocompletion=complete.experiments),
]
Baseline = Annotated[
    bool,
    typer.Option("--baseline", help="With the unchanged project: ID, or all that was kept."),
]
Stat = Annotated[bool, typer.Option("--stat", help="Only which files, how many lines.")]
Patch = Annotated[bool, typer.Option("--patch", help="For git apply, byte for byte.")]

# note
Text = Annotated[str | None, typer.Argument(help="What to heed.", metavar="[TEXT]")]
Listed = Annotated[bool, typer.Option("--list", help="Show what was told.")]
Drop = Annotated[
    int | None,
    typer.Option(help="Take this note back.", metavar="N", autocompletion=complete.notes),
]

# export
Place = Annotated[
    str,
    typer.Argument(
        help="A file: .csv, .jsonl or .parquet; with --to a folder or a tracking URI.",
        metavar="PATH",
    ),
]
Table = Annotated[
    str | None,
    typer.Option(help="Of a file: experiments (by default), trials, calls or notes."),
]
To = Annotated[
    str | None,
    typer.Option(help="tensorboard or mlflow: runs with curves.", metavar="PROGRAM"),
]
ExportForce = Annotated[bool, typer.Option("--force", help="Write over what is there.")]

# promote
PromoteExperiments = Annotated[
    list[int] | None,
    typer.Argument(help="Confirmed experiments.", metavar="[ID]...", autocompletion=complete.keeps),
]
AllConfirmed = Annotated[
    bool, typer.Option("--all-confirmed", help="Every confirmed one of a study.")
]
Onto = Annotated[str | None, typer.Option(help="A branch; without it the current.")]
PromoteDryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would be.")]
Squash = Annotated[bool, typer.Option("--squash", help="All of them as one commit.")]
Branches = Annotated[
    bool,
    typer.Option("--branches", help="For review: a branch each, autoresearch-promoted/ID."),
]
PromoteForce = Annotated[
    bool, typer.Option("--force", help="Also what is not confirmed, or was not kept.")
]
Confirm = Annotated[
    bool, typer.Option("--confirm", help="First train further pairs of what is not.")
]
Pairs = Annotated[
    int | None, typer.Option(help="Pairs that --confirm may train of each; default 6.")
]
Signoff = Annotated[bool, typer.Option("--signoff", "-s", help="Add your Signed-off-by.")]
NoVerify = Annotated[bool, typer.Option("--no-verify", help="Do not run your git hooks.")]
NoGpgSign = Annotated[
    bool, typer.Option("--no-gpg-sign", help="Do not sign, whatever commit.gpgSign says.")
]
