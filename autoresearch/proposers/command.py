"""Runs a program for the next change: Claude Code, Codex, Gemini CLI, aider, or your own script.

It gets a throw-away copy of the project as its working directory, the brief on standard input and
as a file in that folder, and edits what it likes. Its changes of editable files are the proposal,
described by the header lines in PROPOSAL.md or in its output. A program that edits nothing may
print SEARCH/REPLACE blocks instead.

What protects the machine: the whole process tree is killed when the program is done or its time is
up, its output is bounded, its environment has none of our keys, and where there is a sandbox,
nothing of the study can be read and your checkout is read-only. What does *not*: these programs
need their login files and the network, so they can read, write and send what is in your home;
memory and disk are not capped. Only their own permission settings bound them there.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from autoresearch.config import CommandSettings, parse_duration
from autoresearch.errors import ProposerError
from autoresearch.proposers.agent_speech import (
    complaint,
    last_line,
    reported_limit,
    without_echo,
)
from autoresearch.proposers.base import Brief, Check, ProposeFailure
from autoresearch.proposers.checkout import Checkout, checkout
from autoresearch.proposers.extract_change import extract_change
from autoresearch.proposers.programs import Confine, ProgramResult, run, unconfined
from autoresearch.proposers.reading import HYPOTHESIS, described, header, unread
from autoresearch.records.money import CallEnding, CapReached, Intent, Ledger, Settlement
from autoresearch.records.proposals import Change, Proposal, Rejection
from autoresearch.records.text import counted, safe_line, safe_text
from autoresearch.records.training import Limits

_NEEDED = ("PATH", "HOME", "LANG")
_BRIEF, _NOTE, _NOTE_BYTES = "BRIEF.md", "PROPOSAL.md", 64 * 1024
_PLACE = "{brief}"
_AGAIN = """

# Your change was refused

{reason}

The files in the current directory are as you left them. Mend the change there; if you answered
with edits in your output instead, answer with all of them again.
"""


@dataclass(frozen=True)
class _Attempt:
    """The result of one run, and what the ledger records; `call` is the number of its row."""

    result: Proposal | Rejection | ProposeFailure
    ending: CallEnding
    detail: str = ""
    answer: str = ""
    call: int | None = None


@dataclass(frozen=True, eq=False, repr=False)  # its environment has keys
class CommandProposer:
    """Runs a program for each proposal, and a second time if its change would be refused.

    Args:
        name: the spec, "command:..." as it was typed, without secrets.
        argv: the command's words, the first the path of its program; `{brief}` in them becomes the
            path of the brief.
        settings: its time, what a run costs, and which variables it gets.
        write: returns a brief in words, and how to hand in a change (see above).
        explain: returns a refusal in words, made safe.
        ledger: asked before every run whether it may be made.
        limits: of these, the largest file and how much output is kept.
        work: where throw-away folders are made.
        environment: of the whole process; a few variables of it are handed on.
        redact: makes every key in a text unreadable.
        confine: puts a command and its folder into a sandbox.
        stop: whether a running program should be ended, since the run stops.
        now: the clock, in seconds.
        date: the date and time, with its zone.
    """

    name: str
    argv: Sequence[str]
    settings: CommandSettings
    write: Callable[[Brief], str]
    explain: Callable[[Brief, Rejection], str]
    ledger: Ledger
    limits: Limits
    work: Path
    environment: Mapping[str, str]
    redact: Callable[[str], str]
    confine: Confine = unconfined
    stop: Callable[[], bool] = lambda: False
    now: Callable[[], float] = time.monotonic
    date: Callable[[], datetime] = lambda: datetime.now().astimezone()

    @property
    def _program(self) -> str:
        return Path(self.argv[0]).name

    @property
    def _handed_on(self) -> dict[str, str]:
        """The environment of the program."""
        outer = self.environment
        names = [each for each in (*_NEEDED, *self.settings.environment) if each in outer]
        return {"LANG": "C.UTF-8", "TERM": "dumb"} | {each: outer[each] for each in names}

    def propose(self, brief: Brief, check: Check) -> Proposal | ProposeFailure:
        """Return what the program changed, or why there is nothing; see `Proposer`."""
        prompt = self.write(brief)
        try:
            with checkout(self.work, brief.all_files, self._handed_on) as folder:
                return self._run_twice(brief, check, folder, prompt)
        except ProposerError as fault:
            return ProposeFailure(self._redacted_line(str(fault)))

    def _run_twice(
        self, brief: Brief, check: Check, folder: Checkout, prompt: str
    ) -> Proposal | ProposeFailure:
        """Run the program, and if its change would be refused, once more to mend it."""
        first = self._attempt("propose", brief, folder, prompt)
        refused = _refusal(first.result, check)
        if refused is None or first.call is None or self.stop():
            return _result(first, first.call)
        self.ledger.send_back(first.call, self._redacted_line(refused.reason))
        again = _AGAIN.format(reason=self.redact(self.explain(brief, refused)))
        second = self._attempt("repair", brief, folder, prompt + again)
        mended = isinstance(second.result, Proposal)
        return _result(second if mended else first, first.call, second.call)

    def _attempt(self, purpose: str, brief: Brief, folder: Checkout, prompt: str) -> _Attempt:
        """Run the program once; reserve its cost in the ledger before, settle it afterwards."""
        usd = self.settings.usd
        source = "" if usd is None else "autoresearch.toml"
        intent = Intent(self.name, "command", self._program, purpose, usd or 0.0, source)
        call = self.ledger.reserve(intent)
        if isinstance(call, CapReached):
            failure = ProposeFailure(call.reason, final=True, planned=True)
            return _Attempt(failure, CallEnding.NO_CREDIT)
        began = self.now()
        attempt = _Attempt(ProposeFailure("interrupted"), CallEnding.CUT, "interrupted")
        try:
            earlier_note = _note(folder, brief)
            ran = self._run(brief, folder, prompt)
            attempt = self._outcome(brief, folder, prompt, ran, earlier_note)
            output = safe_text(self.redact(ran.out or ran.error), lines=400, size=40_000)
            attempt = replace(attempt, answer=self.redact(output))
        except OSError as fault:
            what = f"{self._program} cannot be run"
            attempt = self._failed(CallEnding.UNREACHABLE, what, fault.strerror or "")
        finally:
            cost = 0.0 if attempt.ending.free else usd or 0.0
            latency, detail = self.now() - began, self._redacted_line(attempt.detail)
            settlement = Settlement(attempt.ending, cost, None, latency, detail, attempt.answer)
            self.ledger.settle(call, settlement)
        return replace(attempt, call=call)

    def _run(self, brief: Brief, folder: Checkout, prompt: str) -> ProgramResult:
        place = folder.folder
        name = _brief_name(brief)
        folder.write(name, prompt)
        # A tool that has removed this repository must not find the project's own above it.
        fence = {"GIT_CEILING_DIRECTORIES": str(place.parent)}
        argv = [part.replace(_PLACE, str(place / name)) for part in self.argv]
        return run(
            self.confine(argv, place),
            cwd=place,
            environment=self._handed_on | fence,
            told=prompt,
            timeout=parse_duration(self.settings.timeout),
            limits=self.limits,
            stop=self.stop,
            now=self.now,
        )

    def _outcome(
        self, brief: Brief, folder: Checkout, prompt: str, ran: ProgramResult, earlier_note: str
    ) -> _Attempt:
        """Return what a run came to; `earlier_note` is what its note held before.

        A program that failed may have stopped halfway through its edits. They are taken only if
        it wrote its note to the last line since then: that is done after the edits.
        """
        if ran.stopped:
            return self._failed(CallEnding.CUT, f"{self._program} was ended: the run stops")
        if ran.late:
            after = counted(parse_duration(self.settings.timeout), "second")
            what = f"{self._program} was ended after {after}"
            return self._with_wait(self._failed(CallEnding.TIMED_OUT, what, complaint(ran)), ran)
        left = folder.collect(brief.all_files, brief.editable, ours=(_brief_name(brief), _NOTE))
        out, error = (without_echo(text, prompt) for text in (ran.out, ran.error))
        extracted = extract_change(left, brief, out)
        note = _note(folder, brief)
        # The risk is the last line of a note.
        whole = note != earlier_note and header(note).risk != ""
        cut = ran.oddity != "" and not whole
        if extracted.fault and not cut:
            fault = self._redacted_line(extracted.fault)
            return _Attempt(Rejection(fault), CallEnding.MALFORMED, fault)
        if extracted.unread is not None and not cut:
            proposal = unread(self.redact(out), self.name, extracted.unread, brief)
            return _Attempt(proposal, CallEnding.ANSWERED, extracted.note)
        if extracted.change is None or cut:
            return self._nothing(ran, changed=bool(extracted.change or extracted.fault))
        # The last line of printed edits is a mark, and says nothing.
        last = "" if extracted.printed else last_line(out)
        proposal = self._proposal(extracted.change, (note, out, error), last, brief)
        detail = "; ".join(part for part in (ran.oddity, extracted.note) if part)
        return _Attempt(proposal, CallEnding.ANSWERED, detail)

    def _nothing(self, ran: ProgramResult, *, changed: bool) -> _Attempt:
        """Return why there is no proposal: the program failed, or it changed nothing."""
        ending = CallEnding.CUT if changed or ran.exit.signal is not None else CallEnding.EMPTY
        what = "failed, and what it changed is not taken" if changed else "made no change"
        attempt = self._failed(ending, f"{self._program} {what}", ran.oddity, complaint(ran))
        return self._with_wait(attempt, ran, free=not changed)

    def _with_wait(self, attempt: _Attempt, ran: ProgramResult, *, free: bool = False) -> _Attempt:
        """Return a failed attempt, with how long to wait if it says that a limit is reached.

        `free`: it did nothing, so the run costs nothing.
        """
        now = self.date()
        limit = reported_limit((ran.error, ran.out), now)
        if limit is None:
            return attempt
        ending = CallEnding.RATE_LIMITED if free else attempt.ending
        what = f"{self._program} asks to be left alone until {limit.until(now)}"
        failed = self._failed(ending, what, limit.line)
        return replace(failed, result=ProposeFailure(failed.detail, retry_after=limit.seconds))

    def _proposal(self, change: Change, words: Sequence[str], last: str, brief: Brief) -> Proposal:
        """Return a change with its description: the first header in `words`, or the last line."""
        headers = [header(self.redact(text)) for text in words]
        found = next((each for each in headers if each.hypothesis), headers[0])
        redacted = replace(change, text=self.redact(change.text))
        made = described(redacted, found, self.name, brief)
        words_of_it = safe_line(self.redact(last), HYPOTHESIS) or f"a change by {self._program}"
        return replace(made, hypothesis=made.hypothesis or words_of_it)

    def _failed(self, ending: CallEnding, *parts: str) -> _Attempt:
        detail = self._redacted_line(": ".join(part for part in parts if part))
        return _Attempt(ProposeFailure(detail), ending, detail)

    def _redacted_line(self, text: str) -> str:
        # Before, since a key that was cut is not recognised; after, since escapes may split one.
        return self.redact(safe_line(self.redact(text), 300))


def _brief_name(brief: Brief) -> str:
    """Return a name for the brief's file that no file of the project has."""
    name = _BRIEF
    while name in brief.all_files:
        name = f"_{name}"
    return name


def _note(folder: Checkout, brief: Brief) -> str:
    """Return what a program noted about its change; "" for a note of the project's own."""
    note = folder.read(_NOTE, _NOTE_BYTES)
    return "" if note == brief.all_files.get(_NOTE) else note


def _refusal(result: Proposal | Rejection | ProposeFailure, check: Check) -> Rejection | None:
    """Return what the program should mend; None where there is nothing, or no use in it."""
    if isinstance(result, ProposeFailure):
        return None
    return check(result) if isinstance(result, Proposal) else result


def _result(attempt: _Attempt, *calls: int | None) -> Proposal | ProposeFailure:
    result = attempt.result
    if isinstance(result, Rejection):
        return ProposeFailure(result.reason)
    if isinstance(result, ProposeFailure):
        return result
    return replace(result, calls=tuple(each for each in calls if each is not None))
