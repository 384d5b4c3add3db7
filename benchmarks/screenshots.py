"""The pictures in docs/, of a real night on the CPU: `make screenshots`.

    python benchmarks/screenshots.py DIR [--night PROJECT]

Terminals are drawn as SVG, from what the commands show on a terminal of that width; the page is
photographed in Chromium. `--night` shows a project again in which `shown_night.py` had its night.
"""

import argparse
import io
import json
import shlex
import tempfile
from pathlib import Path

from PIL import Image
from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text
from shown_night import ShownNight

from tests.browser import browser

THEMES = {
    "light": TerminalTheme(
        (255, 255, 255), (31, 35, 40),
        [(31, 35, 40), (207, 34, 46), (17, 99, 41), (125, 78, 0), (9, 105, 218), (130, 80, 223),
         (27, 124, 131), (110, 119, 129)],
    ),
    "dark": TerminalTheme(
        (13, 17, 23), (230, 237, 243),
        [(72, 79, 88), (255, 123, 114), (63, 185, 80), (210, 153, 34), (88, 166, 255),
         (188, 140, 255), (57, 197, 207), (177, 186, 196)],
    ),
}  # fmt: skip
# As rich's own, with the reader's fonts instead of some from elsewhere.
SVG = """\
<svg viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{ font: {char_height}px/{line_height}px ui-monospace, Menlo, Consolas,
"DejaVu Sans Mono", monospace; }}
.{unique_id}-title {{ font: bold 16px sans-serif; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect width="{terminal_width}" height="{terminal_height}"/>
</clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


def main() -> None:
    """Have a night, or take the one that is given, and draw it."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("where", type=Path, metavar="DIR")
    parser.add_argument("--night", type=Path, metavar="PROJECT")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        night = ShownNight(asked.night or Path(name) / "letters")
        if not asked.night:
            night.play()
        terminals(night, asked.where)
        page(night, asked.where, Path(name))


def terminals(night: ShownNight, where: Path) -> None:
    """Draw what is read in a terminal, on light and on dark ground."""
    shown = (
        ("kept", 80, ("status", "--kept")),
        ("status-80", 80, ("status",)),
        ("status-160", 160, ("status", "--all")),
        ("experiment", 100, ("status", best(night))),
        ("diff", 100, ("diff", best(night))),
    )
    for name, columns, words in shown:
        text = night.say(*words, columns=columns)
        for ground, theme in THEMES.items():
            drawn = terminal(shlex.join(("autoresearch", *words)), text, columns, theme)
            (where / f"{name}-{ground}.svg").write_text(drawn, "utf-8")


def best(night: ShownNight) -> str:
    """Return the number of what gained most."""
    kept = json.loads(night.say("status", "--kept", "--json"))["experiments"]
    found = max(kept, key=lambda each: each["delta"] or 0.0)
    return str(found["id"])


def terminal(command: str, text: str, columns: int, theme: TerminalTheme) -> str:
    """Return a terminal with a command and what it showed, as SVG."""
    console = Console(
        record=True, width=columns, file=io.StringIO(), force_terminal=True, legacy_windows=False
    )
    console.print(f"[bold]$[/] {command}", highlight=False)
    console.print(Text.from_ansi(text), overflow="fold")
    return console.export_svg(title="", theme=theme, code_format=SVG, unique_id="t")


def page(night: ShownNight, where: Path, folder: Path) -> None:
    """Photograph the page of the night on light and on dark ground, and take its picture along."""
    night.say("report", "--no-open", "--out", str(folder / "report"))
    with browser(folder / "profile") as tab:
        for name, dark in (("report.png", False), ("report-dark.png", True)):
            url = (folder / "report" / "report.html").as_uri()
            tab.open(url, width=1280, height=860, dark=dark)
            tab.picture(folder / "page.png")
            small(folder / "page.png", where / name)
    small(folder / "report" / "progress.png", where / "progress.png")


def small(path: Path, to: Path) -> None:
    """Write a picture with fewer colours, and so fewer bytes."""
    few = (
        Image.open(path).convert("RGB").quantize(160, Image.Quantize.MAXCOVERAGE)
    )  # rare ones, too
    few.save(to, optimize=True)


if __name__ == "__main__":
    main()
