"""Replays patch files in name order: someone else's wins on your hardware, or a scripted night."""

import re
from email.errors import MessageError
from email.header import decode_header, make_header
from pathlib import Path

from autoresearch.errors import ProposerError
from autoresearch.proposers.base import Brief, Check
from autoresearch.records.text import safe_line
from autoresearch.records.values import Change, ChangeFormat, Proposal

_SUFFIXES = (".patch", ".diff")
_DIFF = re.compile(r"^(?:diff |--- |Index: |===)", re.MULTILINE)
_SUBJECT = re.compile(r"^Subject: *((?:.*\n)(?:[ \t].+\n)*)", re.MULTILINE)
_MAIL = re.compile(r"(?:From [0-9a-f]{40,64}|[A-Z][A-Za-z-]*:) ?.*")
_TAG = re.compile(r"^\[PATCH[^]]*\]\s*")


class PatchesProposer:
    """Proposes each file of a folder once; a file whose text has changed since counts as new."""

    def __init__(self, name: str, directory: Path) -> None:
        self._name = name
        self._directory = directory
        if not self._files():
            what = "no *.patch or *.diff file" if directory.is_dir() else "no such directory"
            msg = f"{name}: {what} at {directory}"
            raise ProposerError(msg)

    @property
    def name(self) -> str:
        """The spec: patches:DIR."""
        return self._name

    def propose(self, brief: Brief, check: Check) -> Proposal | None:  # noqa: ARG002 - it mends nothing
        """Return the first file that the study has not tried; None when all have been."""
        tried = {(past.proposer, past.change.text) for past in brief.history}
        for path in self._files():
            proposal = _read(path)
            if (proposal.proposer, proposal.change.text) not in tried:
                return proposal
        return None

    def _files(self) -> list[Path]:
        try:
            found = [path for path in self._directory.iterdir() if path.suffix in _SUFFIXES]
        except OSError:
            return []
        return sorted(found, key=lambda path: path.name)


def _read(path: Path) -> Proposal:
    """Return a file as a proposal, whatever is in it: what is no patch is refused later."""
    try:
        # As the registry keeps text, so that a file is known again after a restart.
        text = path.read_bytes().decode("utf-8", "replace").replace("\0", "\ufffd")
    except OSError as fault:
        text = f"{path.name} cannot be read: {fault.strerror}"
    label = safe_line(path.name, 120)
    words = safe_line(_hypothesis(text), 300) or safe_line(path.stem, 120)
    return Proposal(f"patches:{label}", words, Change(ChangeFormat.DIFF, text))


def _hypothesis(text: str) -> str:
    start = _DIFF.search(text)
    preamble = text[: start.start()] if start else ""
    if subject := _SUBJECT.search(preamble):
        return _TAG.sub("", _decoded(" ".join(subject[1].split())))
    lines = [line.strip() for line in preamble.splitlines() if line.strip()]
    return " ".join(lines) if lines and not _MAIL.fullmatch(lines[0]) else ""


def _decoded(subject: str) -> str:
    try:
        return str(make_header(decode_header(subject)))
    except (LookupError, ValueError, MessageError):
        return subject
