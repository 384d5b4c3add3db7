"""Texts as lines with their line ends, so that an edit changes its lines and keeps all ends."""

import re
from collections import Counter
from collections.abc import Sequence

from autoresearch.patching.comparing import LineMatcher

MARK = "\ufeff"  # a byte order mark: of the file, not of its first line
# A line that begins or ends fenced text, perhaps with the name of a language.
FENCE = re.compile(r"[ \t]*(?:`{3,}|~{3,})[\w+-]*[ \t]*")
_LINE = re.compile(r"([^\r\n]*)(\r\n|\r|\n|\Z)")


class Lines:
    """The lines of a text: `texts` without their ends, `ends` beside them.

    `mark` is the byte order mark at the beginning, or empty; `usual` is the most frequent line end.
    """

    def __init__(self, source: str) -> None:
        self.mark = MARK if source.startswith(MARK) else ""
        pairs = _LINE.findall(source.removeprefix(MARK))
        kept = pairs if pairs[-1][0] else pairs[:-1]
        self.texts = [text for text, _ in kept]
        self.ends = [end for _, end in kept]
        counted = Counter(end for end in self.ends if end)
        self.usual = counted.most_common(1)[0][0] if counted else "\n"

    def replaced(self, start: int, stop: int, lines: Sequence[str]) -> str:
        """Return the text with these lines in place of `start` to `stop`.

        A line that both have (white space at its end aside) stays as it is in the text, with its
        end; a text whose last line has no end still has none.
        """
        made = self._made(start, stop, lines)
        pairs = [*self._pairs(0, start), *made, *self._pairs(stop, len(self.texts))]
        open_ended = bool(self.ends) and not self.ends[-1]
        whole = [text + (end or self.usual) for text, end in pairs]
        if whole and open_ended:
            whole[-1] = pairs[-1][0]
        return self.mark + "".join(whole)

    def _pairs(self, start: int, stop: int) -> list[tuple[str, str]]:
        return list(zip(self.texts[start:stop], self.ends[start:stop], strict=True))

    def _made(self, start: int, stop: int, lines: Sequence[str]) -> list[tuple[str, str]]:
        here, made = self._pairs(start, stop), list[tuple[str, str]]()
        old, new = ([text.rstrip() for text in side] for side in (self.texts[start:stop], lines))
        for kind, low, high, first, last in LineMatcher(old, new).get_opcodes():
            if kind == "equal":
                made += here[low:high]
                continue
            near = [end for _, end in here[low:high] or here[max(low - 1, 0) : low + 1]]
            ends = [*near, *near[-1:] * (last - first)] or [self.usual] * (last - first)
            made += zip(lines[first:last], ends, strict=False)
        return made


def unindented(lines: Sequence[str], lead: str) -> list[str]:
    """Return lines without the lead of their block; as they are if one of them lacks it.

    Args:
        lines: without their ends; a blank one may lack a part of the lead.
        lead: what stands before the first mark of the block or fence.
    """
    all_have = all(line.startswith(lead) or lead.startswith(line.rstrip()) for line in lines)
    return [line[len(lead) :] for line in lines] if all_have else list(lines)


def split_lines(text: str) -> list[str]:
    """Return the lines of a text, whatever ends them, without their ends."""
    return Lines(text).texts
