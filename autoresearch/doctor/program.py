"""What is wrong with a program.md: too little, left unfilled, or against the rules. Pure.

The rules hold whatever a program says: what goes against them is refused or disqualified, hour
after hour. So each finding is a warning that costs nothing to read and may save a night.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from autoresearch import patching
from autoresearch.doctor.finding import Finding, ok, warning
from autoresearch.doctor.prose import Clause, clauses
from autoresearch.records.text import counted

SUBJECT = "program.md"
SHORT, LONG = 200, 20_000  # characters
# Named by a strategy though no project holds them: what a trial hands in, what others call ours.
_ELSEWHERE = frozenset({"config.json", "contract.md", "results.tsv"})
_GUIDE = "docs/program.md has an example"


class _Rule(NamedTuple):
    """What no proposer may or can do: the words that ask for it, and what to write instead."""

    words: str
    said: str
    mend: str


_RULES = (
    _Rule(
        r"\b(?:chang|try|trie|vary|sweep|pick|choos|tun|search|us|set|test)\w*\s+(?:[\w-]+\s+){0,4}"
        r"seeds?\b|\b(?:several|many|other|different|multiple|lucky|best) (?:random )?seeds?\b",
        "asks for other seeds", "drop it: the harness chooses the seed, the same for both sides",
    ),
    _Rule(
        r"\b(?:increas|rais|extend|doubl|chang|lengthen|lower|reduc|shorten|exceed|rewrit)\w*\s+"
        r"(?:[\w-]+\s+){0,3}?(?<!parameter )(?<!memory )budget\b"
        r"|\btrain(?:ing|s)?\s+(?:\w+\s+){0,3}longer\b"
        r"|\b(?:more|longer|extra) training time\b|\blonger (?:training )?runs?\b",
        "asks for another training budget",
        "drop it: every trial gets the same time; a longer one is `autoresearch run --budget 10m`",
    ),
    _Rule(
        r"\b(?:download|scrap|crawl|curl|wget|fetch)\w*\s+\w"
        r"|\b(?:from|on|search) the (?:internet|web|hub)\b|\bload_dataset\b"
        r"|\bpre-?trained (?:weight|model|checkpoint|embedding)s?\b"
        r"|\b(?:us|add|find|collect|get|bring)\w*\s+(?:[\w-]+\s+){0,2}?(?:external|additional|extra|"
        r"other|new) (?:training )?(?:data|text|corpora|corpus|datasets?)\b",
        "asks for data or weights from elsewhere",
        "drop it: a trial has no network; prepare another corpus with `autoresearch prepare`",
    ),
    _Rule(
        r"\b(?:pip3?|uv|conda|mamba|apt|apt-get|brew|npm)\s+(?:pip\s+)?(?:install|add)\b"
        r"|\binstall(?:ing)?\s+(?!yourself)\w"
        r"|\badd(?:ing)?\s+(?:[\w-]+\s+){0,2}?(?:dependency|dependencies|packages?|librar(?:y|ies))\b",
        "asks to install something",
        "drop it, or install it yourself first and name it: a trial cannot",
    ),
    _Rule(
        r"\b(?:fak|hard-?cod|forg|spoof|invent)\w*\s+(?:[\w-]+\s+){0,4}?"
        r"`?(?:val_bpb|val_loss|score|metric|bits per byte)\b",
        "asks to fake the score",
        "drop it: what is not measured is no improvement",
    ),
    _Rule(
        r"\b(?:train|fit|tun|overfit|learn|peek|memori[sz]|calibrat|look|read)\w*\s+(?:[\w-]+\s+){0,4}?"
        r"(?:val|validation|test|held-?out)[ -](?:set|split|data|documents?|text|shards?|corpus)\b"
        r"|\bus(?:e|ing)\s+(?:the\s+)?(?:val|validation|test|held-?out)[ -]"
        r"(?:set|split|data|documents?|text|shards?)\s+(?:for|to|in|as) (?:train|tun|fit|learn)",
        "asks to use validation or test text",
        "drop it: both are sealed, and what learns from them is no improvement",
    ),
    _Rule(
        r"\bask(?:s|ing)?\s+(?:me\b|us\b|the (?:user|human|person|researcher|owner|team)|for "
        r"(?:permission|confirmation|approval|feedback|clarification|help|guidance))"
        r"|\bwait(?:s|ing)? for (?:me|my|us|our|the (?:user|human)|approval|confirmation)\b"
        r"|\b(?:check|confirm|discuss|consult)(?:\s+\w+){0,2}? with (?:me|us|the (?:user|human))\b"
        r"|\blet me (?:know|review|approve|decide|check)\b",
        "asks to stop and ask somebody",
        "drop it, and say what to do in doubt: all night nobody answers",
    ),
    _Rule(
        r"\bgit (?:commit|reset|checkout|add|push|branch)\b|\b(?:uv run|python3?) [\w./-]+\.py\b"
        r"|\b(?:writ|log|append|record|sav|updat)\w*\s+(?:[\w-]+\s+){0,5}?`?results\.tsv"
        r"|\bnvidia-smi\b|\brun (?:the|an?|each|your) (?:experiment|training|script|trial)s?\b",
        "asks the proposer to act (run, commit, keep notes)",
        "drop it: a proposer answers with an edit; running, scoring, keeping are done for it",
    ),
)  # fmt: skip
_CHANGES = (
    r"(?:edit|chang|modif|rewrit|patch|updat|extend|tweak|replac|improv|fix|adjust|refactor|"
    r"optimi[sz]|delet|simplif|touch)\w*"
)
_JUDGE = r"(?:the |its |our )?(?:evaluat(?:ion|or)|scoring|harness|metric|sealed \w+)"
_UNFILLED = re.compile(
    r"\b(?:TODO|FIXME|XXX|TBD)\b|\blorem ipsum\b|\{\{[^}\n]{0,80}\}\}"
    r"|<(?!!--|/|https?:|mailto:)[A-Za-z][^<>\n|=]{0,40}[ _-][^<>\n|=]{0,80}>"
    r"|<(?:goal|name|metric|todo)>"
    r"|\[(?:your|insert|describe|fill|add|enter|todo|tbd|goal|name|metric)\b[^\]\n]{0,80}\](?!\()",
    re.IGNORECASE,
)
_CAPITAL = re.compile(r"(?i:todo|fixme|xxx|tbd)")
_FILE = re.compile(
    r"(?<![\w/.:-])(?:[\w-]+/)*[\w-]+\.(?:py|toml|md|json|txt|ya?ml|sh|ipynb|csv|tsv|cfg|cu|cpp|h)\b"
    r"(?![/\w])"
)


def faults(text: str, *, editable: Sequence[str], fixed: Sequence[str]) -> list[Finding]:
    """Return what is wrong with a program, as warnings; nothing where all is well.

    Args:
        text: all of program.md.
        editable: globs of the files that a proposer may change.
        fixed: the project's other files, relative to it.
    """
    if not text.strip():
        return [_said("is empty", f"write what to lower, what to keep, what to try: {_GUIDE}")]
    told = list(clauses(text))
    return [
        *_size(text),
        *_unfilled(text),
        *_broken(told, (*_RULES, _edits(editable, fixed))),
        *_missing(told, editable, fixed),
    ]


def program(text: str, *, editable: Sequence[str], fixed: Sequence[str]) -> tuple[Finding, ...]:
    """Return what `faults` does, or that all is well."""
    found = faults(text, editable=editable, fixed=fixed)
    return tuple(found) or (
        ok(SUBJECT, f"{counted(len(text), 'character')}; nothing to object to"),
    )


def _said(said: str, mend: str) -> Finding:
    return warning(SUBJECT, said, mend)


def _size(text: str) -> Iterator[Finding]:
    if len(text.strip()) < SHORT:
        yield _said(f"is very short: {counted(len(text.strip()), 'character')}",
                    f"say what to lower, what to keep, what to try: {_GUIDE}")  # fmt: skip
    if len(text) > LONG:
        yield _said(f"is very long: {len(text):,} characters, sent with every call",
                    f"cut it below {LONG:,}: what was tried is in the brief already")  # fmt: skip


def _unfilled(text: str) -> Iterator[Finding]:
    for found in _UNFILLED.finditer(text):
        # "todo" in running text is a word; TODO is a place left open.
        if not _CAPITAL.fullmatch(found[0]) or found[0].isupper():
            yield _said(f"has a place left open: {found[0][:60]}", "fill it in, or take it out")
            return


def _broken(told: Sequence[Clause], rules: Iterable[_Rule]) -> Iterator[Finding]:
    for rule in rules:
        asking = re.compile(rule.words, re.IGNORECASE)
        clause = next((c for c in told if not c.forbids and asking.search(c.text)), None)
        if clause is not None:
            yield _said(f"{rule.said}: “{_short(clause.text)}”", rule.mend)


def _edits(editable: Sequence[str], fixed: Sequence[str]) -> _Rule:
    """Return the rule that what is fixed is not edited."""
    names = [name for name in {"prepare.py", *fixed} if not patching.matches(name, editable)]
    files = "|".join(re.escape(each) for name in sorted(names) for each in {name, _base(name)})
    what = f"`?(?:{files}|{_JUDGE})"
    words = (
        rf"\b{_CHANGES}\s+(?:[\w,`./-]+\s+){{0,3}}?{what}\b"
        rf"|{what}`?\s+(?:may|can|should|must|could)\s+(?:also\s+)?be\s+{_CHANGES}"
    )
    mend = f"drop it, or widen [target] editable: now {', '.join(editable)}"
    return _Rule(words, "asks to change what is fixed", mend)


def _missing(
    told: Sequence[Clause], editable: Sequence[str], fixed: Sequence[str]
) -> Iterator[Finding]:
    known = {*fixed, *(_base(name) for name in fixed), *editable, *_ELSEWHERE}
    known |= {_base(glob) for glob in editable}
    named = dict.fromkeys(n for c in told if not c.forbids for n in _FILE.findall(c.text))
    strange = [n for n in named if not {n, _base(n)} & known and not patching.matches(n, editable)]
    if strange:
        yield _said(f"names files that are not in the project: {', '.join(strange[:5])}",
                    "commit them, or name files that are there")  # fmt: skip


def _base(path: str) -> str:
    return path.rpartition("/")[2]


def _short(text: str) -> str:
    return text if len(text) <= 80 else text[:79] + "…"
