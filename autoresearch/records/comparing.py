"""What two scores must share to be compared at all, and where two studies differ in it."""

import json
from collections.abc import Iterator


def differences(before: str, after: str) -> Iterator[str]:
    """Yield in words each part in which two studies' comparability keys (JSON) differ."""
    first, second = json.loads(before), json.loads(after)
    for name in dict.fromkeys([*first, *second]):
        old, new = first.get(name, "unknown"), second.get(name, "unknown")
        if old != new:
            yield f"{name} {old} and {new}"
