"""Edits of whole lines, and whole files, as a language model writes them.

A fuzzy matcher edits the wrong function without a word. So the lines to be replaced must be found
as they are, white space at their ends aside, and exactly once; what is not found is refused with
words that say how it differs from what is there.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from posixpath import normpath

from autoresearch.patching.comparing import places
from autoresearch.patching.differing import difference
from autoresearch.patching.eliding import elision
from autoresearch.patching.lines import FENCE, Lines, split_lines
from autoresearch.patching.naming import new_path
from autoresearch.records.proposals import Rejection
from autoresearch.records.text import safe_line


@dataclass(frozen=True)
class EditReading:
    """One way to read an edit: these whole lines are replaced by those.

    Where several readings fit a file, the one with the highest `rank` is right: it seeks the most
    lines, and these cannot all be there by chance.
    """

    search: tuple[str, ...]
    replace: tuple[str, ...]
    rank: int = 0


@dataclass(frozen=True)
class Edit:
    """A change of one place, with all ways to read it; on lines `start` to before `stop` of a text.

    `path` is None where no file is named; `label` is how it is called in messages ("block 2");
    `fault` says why it cannot be applied, "" where it can. `is_marked`: a mark ends it, so that it
    is known to be whole.
    """

    start: int
    stop: int
    readings: tuple[EditReading, ...] = ()
    path: str | None = None
    label: str = ""
    fault: str = ""
    is_marked: bool = True


def apply_edits(
    files: Mapping[str, str], edits: Sequence[Edit], editable: Collection[str]
) -> dict[str, str] | Rejection:
    """Return the files after all edits, each applied to what the ones before it left.

    Args:
        files: the project's text files.
        edits: in order; one without a path is of the editable file in which it is found, or, where
            that is several, of the one that was changed before it.
        editable: the paths that an edit without one may be of.
    """
    changed, last = dict(files), None
    for edit in _distinct(files, edits, editable):
        done = _apply(changed, edit, editable, last)
        if isinstance(done, Rejection):
            return Rejection(
                f"{edit.label}: {done.reason}{_replaced_before(files, edit, editable, done)}"
            )
        last, text = done
        changed[last] = text
    return changed


def _distinct(
    files: Mapping[str, str], edits: Sequence[Edit], editable: Collection[str]
) -> Iterator[Edit]:
    """Yield the edits, without those that do the same as one before them."""
    seen = set[tuple[str, str]]()
    for edit in edits:
        alone = _apply(files, edit, editable, None)
        if isinstance(alone, Rejection) or alone not in seen:
            yield edit
        if not isinstance(alone, Rejection):
            seen.add(alone)


def apply_file(
    files: Mapping[str, str], text: str, editable: Collection[str]
) -> dict[str, str] | Rejection:
    """Return the files after one whole new file: its bare text, or one fenced block.

    A line above a fenced block may name the file; else it is the only editable one.
    """
    path, body = _unfence(text)
    if path is None:
        if len(editable) != 1:
            return Rejection(f"name the file above the code: {', '.join(sorted(editable))}")
        path = next(iter(editable))
    if not body.strip():
        return Rejection(f"{safe_line(path, 80)} would be empty")
    return {**files, normpath(path): body}


def rewrite(source: str, lines: Sequence[str]) -> str | Rejection:
    """Return a file with other lines; equal lines keep their ends, and a byte order mark stays."""
    before = Lines(source)
    if left_out := elision(before.texts, lines):
        return _elided(left_out)
    return before.replaced(0, len(before.texts), lines)


def _apply(
    files: Mapping[str, str], edit: Edit, editable: Collection[str], last: str | None
) -> tuple[str, str] | Rejection:
    """Return the path that an edit changes, and its text afterwards."""
    if edit.fault:
        return Rejection(edit.fault)
    if edit.path is not None:
        return _in_file(files, edit.path, edit)
    known = [path for path in sorted(editable) if path in files]
    tried = [_in_file(files, path, edit) for path in known]
    fitting = [each for each in tried if not isinstance(each, Rejection)]
    before = [each for each in fitting if each[0] == last]
    if len(fitting) == 1 or before:
        return (before or fitting)[0]
    if len(tried) == 1:
        return tried[0]
    return Rejection(f"it fits {len(fitting)} of the editable files: name the file above it")


def _in_file(files: Mapping[str, str], path: str, edit: Edit) -> tuple[str, str] | Rejection:
    if path not in files:
        if any(line.strip() for line in edit.readings[0].search):
            return Rejection(f"there is no file {safe_line(path, 80)}")
        return path, "\n".join([*edit.readings[0].replace, ""])
    tried = [_replaced(path, files[path], reading) for reading in edit.readings]
    ranked = zip(edit.readings, tried, strict=True)
    fitting = [(reading.rank, each) for reading, each in ranked if isinstance(each, str)]
    best = {each for rank, each in fitting if rank == max(fitting)[0]}
    if len(best) > 1:
        return Rejection(
            f"its lines fit {safe_line(path, 80)} as they are indented and also without the white "
            "space before its marks: write the marks at the beginning of their lines"
        )
    if best:
        return path, best.pop()
    faults = [each for each in tried if isinstance(each, Rejection)]
    return max(
        faults, key=lambda fault: ("SEARCH text is in" in fault.reason, "not in" in fault.reason)
    )


def _replaced(path: str, source: str, reading: EditReading) -> str | Rejection:
    shown, lines = safe_line(path, 80), Lines(source)
    if not any(line.strip() for line in reading.search):
        if source.strip():
            return Rejection(
                f"it says nothing of where in {shown} its lines belong, since its SEARCH is empty: "
                "take a line that is there and repeat it, in SEARCH and REPLACE or around a hunk"
            )
        return "\n".join([*reading.replace, ""])
    places = _places(reading.search, lines.texts)
    if len(places) > 1:
        where = ", ".join(str(at + 1) for at in places[:5])
        return Rejection(
            f"its SEARCH text is in {shown} {len(places)} times (lines {where}): "
            "add lines around it until it is unique"
        )
    if not places:
        how = difference(reading.search, lines.texts)
        return Rejection(f"its SEARCH text is not in {shown}; {how}")
    start, stop = places[0], places[0] + len(reading.search)
    if left_out := elision(lines.texts[start:stop], reading.replace):
        return _elided(left_out)
    return lines.replaced(start, stop, reading.replace)


def _places(search: Sequence[str], lines: Sequence[str]) -> list[int]:
    """Return where lines are found as they are, or else but for white space at their ends."""
    exact = places(search, lines)
    return exact or places(*([line.rstrip() for line in side] for side in (search, lines)))


def _elided(line: str) -> Rejection:
    return Rejection(
        f"the line {safe_line(line.strip(), 60)!r} stands where the file has code, which would be "
        "deleted: nothing is filled in, so write out every line that shall be there"
    )


def _replaced_before(
    files: Mapping[str, str], edit: Edit, editable: Collection[str], fault: Rejection
) -> str:
    """Return a hint if an edit would have fitted before the ones above it were applied, else ""."""
    if "is not in" not in fault.reason:
        return ""
    paths = [edit.path] if edit.path else editable
    texts = [split_lines(files[path]) for path in paths if path in files]
    sought = [reading.search for reading in edit.readings]
    if not any(len(_places(search, lines)) == 1 for search in sought for lines in texts):
        return ""
    return (
        ". It was there before the edits above it: if this one takes their place, give it alone; "
        "else write its SEARCH as they leave the file"
    )


def _unfence(text: str) -> tuple[str | None, str]:
    lines = [line.removesuffix("\r") for line in text.strip().split("\n")]
    path = new_path(lines[:1])
    head = 0 if path is None else 1
    inside = lines[head:]
    while inside and not inside[0].strip():
        inside = inside[1:]
    fenced = len(inside) >= 2 and FENCE.fullmatch(inside[0]) and FENCE.fullmatch(inside[-1])
    if not fenced:
        return None, text
    return path, "\n".join([*inside[1:-1], ""])
