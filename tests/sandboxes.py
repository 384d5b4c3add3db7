"""The levels of sandbox that this machine offers, for tests that run on each."""

import os

import pytest

from autoresearch.sandbox import Sandbox, Unsealed, detection
from autoresearch.sandbox.base import PASSED_THROUGH

LEVELS = ("bubblewrap", "landlock", "plain")
NAMES = {"bubblewrap": "bubblewrap", "Landlock": "landlock", "process limits": "plain"}


def level(name: str) -> Sandbox:
    """Return a level by its name; skips the test where there is none here."""
    inherited = {each: os.environ[each] for each in PASSED_THROUGH if each in os.environ}
    if name == "plain":
        return Unsealed(inherited)
    found = (detection.bubblewrap if name == "bubblewrap" else detection.landlock)(inherited, ())
    fault = found if isinstance(found, str) else detection.probe(found)
    if isinstance(found, str) or fault:
        pytest.skip(fault)
    return found
