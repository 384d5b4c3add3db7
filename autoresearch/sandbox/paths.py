"""Which files of the machine every sandboxed process needs, and how they are shown."""

import os
import site
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

PACKAGES = Path(__file__).parents[2]  # where `import autoresearch` finds this package
RUNTIME = PACKAGES / "autoresearch" / "runtime"
CONFINE = RUNTIME / "confine.py"

_SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib64", "/lib32", "/libx32", "/nix/store",
           "/run/opengl-driver")  # fmt: skip
_SETTINGS = ("/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d", "/etc/alternatives")
_NETWORK = ("/etc/resolv.conf", "/etc/hosts", "/etc/host.conf", "/etc/gai.conf", "/etc/services",
            "/etc/protocols", "/etc/ssl", "/etc/pki", "/etc/ca-certificates",
            "/etc/ca-certificates.conf", "/etc/crypto-policies")  # fmt: skip
_PROCESSORS = ("/sys/devices/system/cpu", "/sys/devices/system/node")


class Mode(IntEnum):
    """How a path is shown; where two are asked for, the higher counts."""

    READ = 1
    WRITE = 2
    HIDDEN = 3


@dataclass(frozen=True)
class Link:
    """A symbolic link on the way to something shown."""

    at: Path
    target: str


def interpreter(environment: Mapping[str, str]) -> list[Path]:
    """Return the folders of this Python, its packages, and the libraries in LD_LIBRARY_PATH.

    What is not there is left out: LD_LIBRARY_PATH often names folders that no system has.
    """
    folders = [sys.prefix, sys.exec_prefix, sys.base_prefix, sys.base_exec_prefix, sys.executable]
    folders += [*site.getsitepackages(), *(each for each in sys.path if each.endswith("-packages"))]
    folders += [each for each in environment.get("LD_LIBRARY_PATH", "").split(":") if each]
    paths = {Path(each) for each in folders}
    # Not Path.exists, which raises where a folder on the way may not be entered.
    there = (each for each in paths if each.is_absolute() and os.path.exists(each))  # noqa: PTH110
    return sorted(each for each in there if is_narrow(each))


def system(*, network: bool) -> list[Path]:
    """Return the system's files that programs need, as far as they are there."""
    names = (*_SYSTEM, *_SETTINGS, *_PROCESSORS, *(_NETWORK if network else ()))
    return [path for path in map(Path, names) if path.exists()]


def is_narrow(path: Path) -> bool:
    """Return whether a folder holds software and nobody's files: it is not above the home."""
    home = Path(os.path.realpath(Path.home()))
    real = Path(os.path.realpath(path))
    return not home.is_relative_to(real) and len(real.parts) > 1


def resolve(path: Path) -> tuple[list[Link], Path]:
    """Return the links on the way to a path, and where it really is; at most 40 links."""
    links: list[Link] = []
    done, left = Path("/"), list(Path(os.path.abspath(path)).parts[1:])  # noqa: PTH100 - as typed
    while left and len(links) < 40:
        here = done / left.pop(0)
        if here.is_symlink():
            target = os.readlink(here)  # noqa: PTH115 - Path would make "usr/" of "usr"
            links.append(Link(here, target))
            left = [*Path(os.path.normpath(done / target)).parts[1:], *left]
            done = Path("/")
        else:
            done = here
    return links, done.joinpath(*left)


def layout(wanted: Iterable[tuple[Path, Mode]]) -> tuple[list[tuple[Path, Mode]], list[Link]]:
    """Return what to show, outer folders first, and the links that lead there as named.

    Left out are paths in a folder that is shown in the same mode, and hidden paths in nothing that
    is shown.
    """
    modes: dict[Path, Mode] = {}
    links: dict[Path, Link] = {}
    for path, mode in wanted:
        passed, real = resolve(path)
        links |= {link.at: link for link in passed}
        modes[real] = max(mode, modes.get(real, mode))
    shown = [
        (path, modes[path]) for path in sorted(modes) if _mode_above(path, modes) != modes[path]
    ]
    shown = [each for each in shown if each[1] is not Mode.HIDDEN or _mode_above(each[0], modes)]
    covered = dict(shown)
    return shown, [link for at, link in sorted(links.items()) if _mode_above(at, covered) is None]


def _mode_above(path: Path, modes: Mapping[Path, Mode]) -> Mode | None:
    return next((modes[each] for each in path.parents if each in modes), None)
