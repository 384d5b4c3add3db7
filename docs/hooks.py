"""The site's pages: docs/, and what of the repository stands outside it, with links that fit."""

import posixpath
import re
from collections.abc import Iterable
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parent.parent
OUTSIDE = (
    "README.md", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "templates/gpt/program.md",
    "benchmarks/README.md", "benchmarks/results/*",
)  # fmt: skip
_LINK = re.compile(r"(?<=\]\()(?![a-z]+:|#)([^)#\s]+)|(?<=(?:src|set)=\")([^\":]+)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the files outside docs/."""
    for path in _outside():
        name = path.relative_to(ROOT).as_posix()
        files.append(File.generated(config, _place(name), abs_src_path=str(path)))
    return files


def on_page_markdown(text: str, page: Page, config: MkDocsConfig, files: Files) -> str:  # noqa: ARG001 - MkDocs names them
    """Return a page whose links lead where the files lie on the site."""
    here = posixpath.dirname(_origin(page.file.src_uri))
    base = posixpath.dirname(page.file.src_uri)

    def led(found: re.Match[str]) -> str:
        name = posixpath.normpath(posixpath.join(here, found[0]))
        return posixpath.relpath(_place(name), base or ".")

    return _LINK.sub(led, text)


def _outside() -> Iterable[Path]:
    for pattern in OUTSIDE:
        yield from sorted(ROOT.glob(pattern))


def _place(name: str) -> str:
    """Return where a file of the repository lies on the site."""
    if name == "README.md":
        return "index.md"
    if (ROOT / name).is_dir():
        return f"{name}/README.md"
    return name.removeprefix("docs/")


def _origin(place: str) -> str:
    """Return where a file of the site lies in the repository."""
    if place == "index.md":
        return "README.md"
    return place if (ROOT / place).exists() else f"docs/{place}"
