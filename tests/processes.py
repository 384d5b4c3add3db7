"""Looking for what should be dead."""

import psutil


def guarded_children() -> list[psutil.Process]:
    """Return the guards among our children, with all below them; what pytest itself started does not count."""
    found = []
    for child in psutil.Process().children():
        if any(part.endswith("guard.py") for part in child.cmdline()):
            found += [child, *child.children(recursive=True)]
    return found
