"""Examples at the end of every `--help`: what people do with a command, and how it is typed.

Nothing is imported here, so that help answers at once; a test types every line.
"""

from types import MappingProxyType

EXAMPLES = MappingProxyType(
    {
        "init": (
            ("my-research", "a project with the profile that fits this machine"),
            (". --merge", "beside the files that are here"),
            ("--adopt", "the repository that is here, such as a clone of karpathy/autoresearch"),
            ("--adopt --command 'python fit.py' --budget 2m", "with what it cannot find"),
        ),
        "prepare": (
            ("", "the standard library's own source: no download"),
            ("--corpus climbmix", "web text, for a GPU"),
            ("--corpus texts/ --text-column body", "a folder of your own"),
        ),
        "run": (
            ("--hours 8", "the night"),
            ("--experiments 5 --budget 20s", "a look around"),
            ("--max-cost 20 --proposer 3:anthropic:claude-opus-5-5 --proposer optuna", "in turn"),
            ("--hours 8 --control random:0.2", "with a control arm"),
        ),
        "stop": (
            ("", "no further trial; those at work end first"),
            ("--now", "at once: what is at work is run again by the next run"),
        ),
        "pause": (("", "to use the machine for something else for a while"),),
        "resume": (("", "go on after a pause"),),
        "status": (
            ("", "the morning"),
            ("--watch", "the night, as it goes on"),
            ("--kept --sort effect", "what was kept, the best first"),
            ("7", "one experiment in full"),
            ("7 --log", "its training log"),
            ("--tsv", "as results.tsv"),
        ),
        "report": (
            ("", "the morning as a page and a picture"),
            ("--out shared/ --no-open", "to hand on"),
            ("--serve", "the same live, while a run is at work"),
        ),
        "doctor": (
            ("", "is all there?"),
            ("--proposer 'command:claude -p' --offline", "a proposer, without calling it"),
            ("--notify", "does a notification arrive?"),
        ),
        "diff": (
            ("7", "what experiment 7 changed, and what that did"),
            ("3 7", "any two"),
            ("--baseline --stat", "all that the night kept, by file"),
            ("7 --patch > 7.patch", "for git apply"),
        ),
        "promote": (
            ("7 --confirm", "prove it, score it on test, bring it home"),
            ("--all-confirmed --dry-run", "what would come home?"),
            ("--all-confirmed --squash --signoff", "in one commit, signed off"),
            ("7 9 --branches", "a branch each, for review"),
        ),
        "note": (
            ("'Leave the tokenizer alone; look at the schedule.'", "heeded from the next brief on"),
            ("--list", "what was told"),
            ("--drop 2", "take one back"),
        ),
        "export": (
            ("night.csv", "for a spreadsheet"),
            ("trials.parquet --table trials", "for pandas or DuckDB"),
            ("runs/ --to tensorboard", "every curve, beside its parameters"),
            ("http://localhost:5000 --to mlflow", "on a tracking server"),
        ),
    }
)  # fmt: skip


def epilog(command: str) -> str:
    """Return what ends a command's help."""
    lines = [f"autoresearch {command} {typed}".rstrip() for typed, _ in EXAMPLES[command]]
    wide = max(map(len, lines))
    told = [
        f"{line:{wide}}  # {why}" for line, (_, why) in zip(lines, EXAMPLES[command], strict=True)
    ]
    return "\n\n".join(["Examples:", *told])
