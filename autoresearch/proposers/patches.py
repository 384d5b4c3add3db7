"""Replays patch files in name order: someone else's wins on your hardware, or a scripted night."""

from dataclasses import replace
from pathlib import Path

from autoresearch.errors import ProposerError
from autoresearch.proposers.base import Brief, Check
from autoresearch.proposers.patchfile import MOST_BYTES, patch_header, text_of
from autoresearch.proposers.reading import described
from autoresearch.records.proposals import NO_NOTES, Change, ChangeFormat, Proposal
from autoresearch.records.text import safe_line

_SUFFIXES = (".patch", ".diff")
_PACKED = (".gz", ".bz2", ".xz")


class PatchesProposer:
    """Proposes each patch file of a folder once; a file whose text has changed counts as new.

    `name` is the spec: patches:DIR.
    """

    def __init__(self, name: str, directory: Path) -> None:
        self.name = name
        self._directory = directory
        if not self._files():
            what = "no *.patch or *.diff file" if directory.is_dir() else "no such directory"
            msg = f"{name}: {what} at {directory}"
            raise ProposerError(msg)

    def propose(self, brief: Brief, check: Check) -> Proposal | None:  # noqa: ARG002 - it mends nothing
        """Return the first file that the study has not tried; None when all have been."""
        tried = {(each.proposer, each.change.text) for each in brief.history}
        tried |= {(each.proposer, each.change.text) for each in brief.pending}
        for path in self._files():
            proposal = _read(path, brief)
            if (proposal.proposer, proposal.change.text) not in tried:
                return proposal
        return None

    def _files(self) -> list[Path]:
        try:
            paths = [path for path in self._directory.iterdir() if _bare(path).suffix in _SUFFIXES]
        except OSError:
            return []
        return sorted(paths, key=lambda path: path.name)


def _bare(path: Path) -> Path:
    """Return a path without the suffix of what it is packed with."""
    return path.with_suffix("") if path.suffix in _PACKED else path


def _read(path: Path, brief: Brief) -> Proposal:
    """Return a file as a proposal, whatever is in it: what is no patch is refused later."""
    name = safe_line(path.name, 120)
    try:
        with path.open("rb") as file:
            text = text_of(file.read(MOST_BYTES))
    except OSError as fault:
        text = f"{name} cannot be read: {fault.strerror}"
    written = replace(patch_header(text, _bare(path).stem), notes=NO_NOTES)
    return described(Change(ChangeFormat.DIFF, text), written, f"patches:{name}", brief)
