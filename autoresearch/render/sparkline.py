"""A row of numbers as a line of blocks."""

from collections.abc import Sequence

BLOCKS = "▁▂▃▄▅▆▇█"
ASCII = "_.-=+*#@"  # for terminals that have no blocks


def sparkline(values: Sequence[float], width: int, levels: str = BLOCKS) -> str:
    """Return numbers in their order, in at most `width` characters; the highest are the fullest.

    Where there are more of them than that, a character shows the last of its share.
    """
    width = min(width, len(values))
    shown = [values[(at + 1) * len(values) // width - 1] for at in range(width)]
    low, high = min(shown, default=0.0), max(shown, default=0.0)
    scale = (len(levels) - 1) / (high - low) if high > low else 0.0
    return "".join(levels[round((each - low) * scale)] for each in shown)
