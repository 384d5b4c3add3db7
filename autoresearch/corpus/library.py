"""The corpus that is on every machine: the source of Python's own standard library."""

import platform
import re
import sysconfig
from pathlib import Path

from autoresearch.corpus.listing import list_files
from autoresearch.corpus.local import FileSource

# Left out: test suites, which not every distribution has, so that corpora would differ between
# machines; installed packages, which are not the library; config-*, how this interpreter was built.
_FOLDERS = re.compile(r"(test|tests|idle_test|__pycache__|(site|dist)-packages|config-.*|\..*)")
_NAMES = re.compile(r"(sitecustomize|usercustomize|_sysconfigdata.*)\.py")
# Code pages: tables of 256 lines written by a program (Tools/unicode/gencodec.py).
_TABLES = re.compile(
    r"(cp\d+|iso8859_\d+|koi8_\w|mac_\w+|hp_roman8|kz1048|palmos|ptcp154|tis_620)\.py"
)


def library_source() -> FileSource:
    """Return the source over the running Python's standard library."""
    root = Path(sysconfig.get_path("stdlib"))
    entries, _tests_and_builds = list_files(root, _wanted, _pruned)
    return FileSource("stdlib", root, entries, platform.python_version(), spec="stdlib")


def _wanted(folder: str, name: str) -> bool:
    if folder == "encodings" and _TABLES.fullmatch(name):
        return False
    return name.endswith(".py") and not _NAMES.fullmatch(name)


def _pruned(_path: str, name: str) -> bool:
    return _FOLDERS.fullmatch(name) is not None
