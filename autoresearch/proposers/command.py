"""Asks a program for the next change: Claude Code, Codex, Gemini CLI, aider, a script of your own.

It gets a throw-away copy of the project as its working directory, the brief on standard input and
as a file in that folder, and edits what it likes. What it did to the editable files is the
proposal, with the header lines of PROPOSAL.md, or of its output, as the author's words. One that
edits nothing may print SEARCH/REPLACE blocks instead.

What stands between it and the machine: a process tree that is dead when it is done or its time is
up, bounded output, an environment without our keys, and a sandbox, where there is one: nothing of
the study is in reach, and your checkout is read-only. What does *not*: these programs need their
login files and the network, so they can read, write and send what lies in your home; memory and
disk are not capped. Their own permission settings are what bounds them.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from autoresearch.config import CommandSettings, parse_duration
from autoresearch.errors import ProposerError
from autoresearch.proposers.base import Brief, Check, ProposeFailure
from autoresearch.proposers.checkout import Checkout, checkout
from autoresearch.proposers.execution import ProgramResult, run
from autoresearch.proposers.extract_change import complaint, extract_change, last_line, said_apart
from autoresearch.proposers.limits import told_limit
from autoresearch.proposers.programs import Confine, find_program
from autoresearch.proposers.reading import HYPOTHESIS, header, predicted, unread
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
    """What one run came to; a Rejection is what it can still mend. `detail` for the ledger."""

    result: Proposal | Rejection | ProposeFailure
    ending: CallEnding
    detail: str = ""
    answer: str = ""
    call: int | None = None


class CommandProposer:
    """Runs a program once a proposal, and once more where its change would be refused."""

    def __init__(
        self,
        name: str,
        command: str,
        *,
        settings: CommandSettings,
        write: Callable[[Brief], str],
        explain: Callable[[Brief, Rejection], str],
        ledger: Ledger,
        limits: Limits,
        work: Path,
        environment: Mapping[str, str],
        redact: Callable[[str], str],
        confine: Confine = lambda argv, _folder: argv,
        stop: Callable[[], bool] = lambda: False,
        now: Callable[[], float] = time.monotonic,
        date: Callable[[], datetime] = lambda: datetime.now().astimezone(),
    ) -> None:
        """Look the program up.

        Args:
            name: the spec, "command:..." as it was typed.
            command: quoted as for a shell; `{brief}` in it becomes the path of the brief.
            settings: its time, what a run costs, and which variables it gets.
            write: puts a brief into words, and says how to hand in a change (see above).
            explain: puts a refusal into words, made safe.
            ledger: is asked before every run.
            limits: of these, the largest file and how much output is kept.
            work: where throw-away folders are made.
            environment: of the whole process; a few variables of it are handed on.
            redact: makes every key in a text unreadable.
            confine: puts a command and its folder into a sandbox.
            stop: whether a running program should be ended, since nobody waits for it any more.
            now: the clock, in seconds.
            date: the date and time, with its zone.

        Raises:
            ProposerError: the command is no command line, or its program is not there.
            ProjectError: the settings' timeout is no duration.
        """
        self._name = redact(name)
        self._argv = find_program(command, environment)
        self._program = Path(self._argv[0]).name
        self._timeout = parse_duration(settings.timeout)
        self._usd = settings.usd
        self._environment = {
            "LANG": "C.UTF-8",
            "TERM": "dumb",
            **{each: environment[each] for each in _NEEDED if each in environment},
            **{each: environment[each] for each in settings.environment if each in environment},
        }
        self._explain, self._confine = explain, confine
        self._write, self._ledger, self._limits, self._work = write, ledger, limits, work
        self._redact, self._stop, self._now, self._date = redact, stop, now, date

    @property
    def name(self) -> str:
        """The spec: command:CLI."""
        return self._name

    def propose(self, brief: Brief, check: Check) -> Proposal | ProposeFailure:
        """Return what the program changed, or why there is nothing; see `Proposer`."""
        told = self._write(brief)
        try:
            with checkout(self._work, _files(brief), self._environment) as folder:
                return self._converse(brief, check, folder, told)
        except ProposerError as fault:
            return ProposeFailure(self._hidden(str(fault)))

    def _converse(
        self, brief: Brief, check: Check, folder: Checkout, told: str
    ) -> Proposal | ProposeFailure:
        first = self._attempt("propose", brief, folder, told)
        refused = _refusal(first.result, check)
        if refused is None or first.call is None or self._stop():
            return _concluded(first)
        self._ledger.send_back(first.call, self._hidden(refused.reason))
        again = _AGAIN.format(reason=self._redact(self._explain(brief, refused)))
        second = self._attempt("repair", brief, folder, told + again)
        mended = isinstance(second.result, Proposal)
        return _concluded(second if mended else first, first.call, second.call)

    def _attempt(self, purpose: str, brief: Brief, folder: Checkout, told: str) -> _Attempt:
        """Run the program once, with a row in the ledger before and its ending in it after."""
        call = self._ledger.reserve(
            Intent(
                self._name, "command", self._program, purpose,
                worst=self._usd or 0.0,
                price="" if self._usd is None else "autoresearch.toml",
            )
        )  # fmt: skip
        if isinstance(call, CapReached):
            return _Attempt(
                ProposeFailure(call.reason, final=True, planned=True), CallEnding.NO_CREDIT
            )
        began = self._now()
        attempt = _Attempt(ProposeFailure("interrupted"), CallEnding.CUT, "interrupted")
        try:
            noted = _note(folder, _files(brief))
            ran = self._run(brief, folder, told)
            attempt = self._judged(brief, folder, told, ran, noted)
            said = safe_text(self._redact(ran.out or ran.error), lines=400, size=40_000)
            attempt = replace(attempt, answer=self._redact(said))
        except OSError as fault:
            what = f"{self._program} cannot be run"
            attempt = self._unable(CallEnding.UNREACHABLE, what, fault.strerror or "")
        finally:
            self._ledger.settle(call, self._settlement(attempt, self._now() - began))
        return replace(attempt, call=call)

    def _settlement(self, attempt: _Attempt, latency: float) -> Settlement:
        cost = 0.0 if attempt.ending.free else self._usd or 0.0
        detail = self._hidden(attempt.detail)
        return Settlement(attempt.ending, cost, None, latency, detail, attempt.answer)

    def _run(self, brief: Brief, folder: Checkout, told: str) -> ProgramResult:
        name = _free(_BRIEF, _files(brief))
        folder.write(name, told)
        # A tool that has removed its repository must not find the project's own.
        fence = {"GIT_CEILING_DIRECTORIES": str(folder.folder.parent)}
        argv = [part.replace(_PLACE, str(folder.folder / name)) for part in self._argv]
        return run(
            self._confine(argv, folder.folder),
            cwd=folder.folder,
            environment=self._environment | fence,
            told=told,
            timeout=self._timeout,
            limits=self._limits,
            stop=self._stop,
            now=self._now,
        )

    def _judged(
        self, brief: Brief, folder: Checkout, told: str, ran: ProgramResult, noted: str
    ) -> _Attempt:
        """Say what a run came to; `noted` is what its note held before.

        A program that did not end well may have stopped halfway through its edits. They are taken
        only where it wrote its note since, to the last line: that is done after the edits.
        """
        if ran.stopped:
            return self._unable(CallEnding.CUT, f"{self._program} was ended: the run stops")
        if ran.late:
            what = f"{self._program} was ended after {counted(self._timeout, 'second')}"
            return self._rested(self._unable(CallEnding.TIMED_OUT, what, complaint(ran)), ran)
        known = _files(brief)
        left = folder.harvest(known, brief.editable, ours=(_free(_BRIEF, known), _NOTE))
        printed, aside = (said_apart(text, told) for text in (ran.out, ran.error))
        taken = extract_change(left, brief, printed)
        note = _note(folder, known)
        whole = note != noted and header(note).risk != ""  # the risk is the last line of a note
        cut = ran.oddity != "" and not whole
        if taken.fault and not cut:
            fault = self._hidden(taken.fault)
            return _Attempt(Rejection(fault), CallEnding.MALFORMED, fault)
        if taken.unread is not None and not cut:
            proposal = unread(self._redact(printed), self._name, taken.unread, brief)
            return _Attempt(proposal, CallEnding.ANSWERED, taken.note)
        if taken.change is None or cut:
            return self._nothing(ran, changed=bool(taken.change or taken.fault))
        # The last line of printed edits is a mark, not a word.
        last = "" if taken.printed else last_line(printed)
        proposal = self._proposal(taken.change, (note, printed, aside), last, brief)
        detail = "; ".join(part for part in (ran.oddity, taken.note) if part)
        return _Attempt(proposal, CallEnding.ANSWERED, detail)

    def _nothing(self, ran: ProgramResult, *, changed: bool) -> _Attempt:
        """Say why there is no proposal: it failed, or it changed nothing."""
        ending = CallEnding.CUT if changed or ran.exit.signal is not None else CallEnding.EMPTY
        what = "failed, and what it changed is not taken" if changed else "made no change"
        attempt = self._unable(ending, f"{self._program} {what}", ran.oddity, complaint(ran))
        return self._rested(attempt, ran, free=not changed)

    def _rested(self, attempt: _Attempt, ran: ProgramResult, *, free: bool = False) -> _Attempt:
        """Return a failed attempt, with the rest that it asks for where a limit is reached.

        `free`: it did nothing, so it is no run that anybody pays for.
        """
        now = self._date()
        limit = told_limit((ran.error, ran.out), now)
        if limit is None:
            return attempt
        ending = CallEnding.RATE_LIMITED if free else attempt.ending
        what = f"{self._program} asks to be left alone until {limit.until(now)}"
        rested = self._unable(ending, what, limit.said)
        return replace(rested, result=ProposeFailure(rested.detail, retry_after=limit.seconds))

    def _proposal(self, change: Change, words: Sequence[str], last: str, brief: Brief) -> Proposal:
        """Return a change with what its author says of it: the first header, or a last line."""
        texts = [self._redact(text) for text in words]
        said = next((each for each in map(header, texts) if each.hypothesis), header(texts[0]))
        return Proposal(
            self._name,
            said.hypothesis
            or safe_line(self._redact(last), HYPOTHESIS)
            or f"a change by {self._program}",
            Change(change.format, self._redact(change.text)),
            said.category,
            predicted(said.predicted, brief),
            said.risk,
            notes=said.notes,
        )

    def _unable(self, ending: CallEnding, *parts: str) -> _Attempt:
        detail = self._hidden(": ".join(part for part in parts if part))
        return _Attempt(ProposeFailure(detail), ending, detail)

    def _hidden(self, text: str) -> str:
        # Before, since a key that is cut is not known again; after, since escapes may part one.
        return self._redact(safe_line(self._redact(text), 300))


def _files(brief: Brief) -> Mapping[str, str]:
    return {**brief.fixed_files, **brief.files}


def _free(name: str, taken: Mapping[str, str]) -> str:
    while name in taken:
        name = f"_{name}"
    return name


def _note(folder: Checkout, known: Mapping[str, str]) -> str:
    """Return what a program noted of its change; a note of the project's own is none."""
    note = folder.read(_NOTE, _NOTE_BYTES)
    return "" if note == known.get(_NOTE) else note


def _refusal(result: Proposal | Rejection | ProposeFailure, check: Check) -> Rejection | None:
    """Return what the program is told to mend, if that is of any use."""
    if isinstance(result, ProposeFailure):
        return None
    return check(result) if isinstance(result, Proposal) else result


def _concluded(attempt: _Attempt, *calls: int | None) -> Proposal | ProposeFailure:
    result = attempt.result
    if isinstance(result, Rejection):
        return ProposeFailure(result.reason)
    if isinstance(result, ProposeFailure):
        return result
    numbers = tuple(each for each in calls or (attempt.call,) if each is not None)
    return replace(result, calls=numbers)
