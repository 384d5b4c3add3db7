"""The levels of sandbox that this machine offers, for tests that run on each."""

import os
from collections.abc import Mapping

import pytest

from autoresearch.devices import Access
from autoresearch.sandbox import Sandbox, Unsealed, detection
from autoresearch.sandbox.base import PASSED_THROUGH

NO_DEVICE = Access()
LEVELS = ("bubblewrap", "landlock", "plain")
NAMES = {"bubblewrap": "bubblewrap", "Landlock": "landlock", "process limits": "plain"}


def level(
    name: str, environment: Mapping[str, str] = os.environ, access: Access = NO_DEVICE
) -> Sandbox:
    """Return a level by its name; skips the test where there is none here."""
    inherited = {each: environment[each] for each in PASSED_THROUGH if each in environment}
    if name == "plain":
        return Unsealed(inherited, access=access)
    offer = detection.bubblewrap if name == "bubblewrap" else detection.landlock
    found = offer(inherited, (), access)
    fault = found if isinstance(found, str) else detection.probe(found)
    if isinstance(found, str) or fault:
        pytest.skip(fault)
    return found
